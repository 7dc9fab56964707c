//! Our half of the stream: sequence and timestamp that never jump, talkspurts, digits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::codec::{Codec, Encoder};
use crate::digit::Digit;
use crate::event::EventSender;
use crate::generate::ToneGenerator;
use crate::history::MAX_PAYLOAD;
use crate::packet::Packet;
use crate::stream::{StreamConfig, StreamTerms};

/// Samples of a tick, in which at most one frame of audio or one piece of a digit is taken: 20 ms.
const FRAME: usize = 160;
/// Samples that wait for a packet to be full, at most: 60 ms and one frame.
const PENDING: usize = 640;
/// Inband presses that may wait.
const QUEUE: usize = 32;
/// Pause between two inband presses.
const TONE_GAP: Duration = Duration::from_millis(60);
/// Silence between talkspurts that is worth a marker, beyond the frame itself: half a frame of 20 ms, in samples.
const SLACK: u64 = 80;
/// Between two updates of an event, whatever the packet time of the audio.
const EVENT_PTIME_MS: u8 = 20;

/// A frame to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Frame<'a> {
    /// One octet a sample, in the law of the codec.
    Law(&'a [u8]),
    /// Samples at 8000 Hz.
    Pcm(&'a [i16]),
}

impl Frame<'_> {
    fn samples(&self) -> usize {
        match self {
            Frame::Law(octets) => octets.len(),
            Frame::Pcm(samples) => samples.len(),
        }
    }
}

/// An encoder with what waits for it.
#[derive(Debug)]
struct Coder {
    encoder: Encoder,
    pending: [i16; PENDING],
}

/// Writes RTP packets.
///
/// Time counts in samples at 8000 Hz and is multiplied when a packet is written: both wrap at 2^32 alike.
#[derive(Debug)]
pub(crate) struct Sender {
    codec: Codec,
    payload_type: u8,
    event_type: Option<u8>,
    event_ratio: u32,
    ssrc: u32,
    /// Where the next source comes from.
    seed: u64,
    sequence: u16,
    /// Samples of one packet.
    packet: usize,
    /// The instant of the last tick.
    tick: Option<Instant>,
    /// The timestamp of the last tick, of the next one before the first.
    timestamp: u32,
    /// Samples that the last tick covers.
    covered: u32,
    /// The next audio packet starts a talkspurt.
    spurt: bool,
    /// For codecs other than the laws.
    coder: Option<Box<Coder>>,
    /// Octets of a law that wait for a packet to be full; taken where that may happen, since most streams send each frame
    /// as it comes.
    law: Option<Box<[u8; PENDING]>>,
    /// Samples that wait, here or at the coder, and the timestamp of the first of them.
    pending: usize,
    pending_at: u32,
    events: EventSender,
    tones: VecDeque<(Digit, u16)>,
    tone: Option<ToneGenerator>,
    tone_ended: Option<Instant>,
    /// The last tick has its digit packet already.
    digit_done: bool,
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    /// What earlier sources of ours sent.
    before: (u64, u64),
}

fn samples(duration: Duration) -> u64 {
    // In 64 bits: a division of 128 costs as much as all else that a tick does here.
    duration.as_secs().saturating_mul(8000) + u64::from(duration.subsec_nanos() / 125_000)
}

fn coder(codec: Codec) -> Option<Box<Coder>> {
    (!codec.is_law()).then(|| Box::new(Coder { encoder: codec.encoder(), pending: [0; PENDING] }))
}

impl Sender {
    pub(crate) fn new(config: &StreamConfig) -> Self {
        let terms = &config.terms();
        let mut sender = Sender {
            codec: terms.codec,
            payload_type: terms.payload_type,
            event_type: terms.event_payload_type,
            event_ratio: terms.event_ratio(),
            ssrc: config.ssrc,
            seed: u64::from(config.first_timestamp) << 32 | u64::from(config.ssrc),
            sequence: config.first_sequence,
            packet: usize::from(terms.codec.ptime(terms.ptime_ms)) * 8,
            tick: None,
            timestamp: config.first_timestamp,
            covered: 0,
            spurt: true,
            coder: coder(terms.codec),
            law: None,
            pending: 0,
            pending_at: 0,
            events: EventSender::new(EVENT_PTIME_MS).with_clock(terms.event_clock),
            tones: VecDeque::new(),
            tone: None,
            tone_ended: None,
            digit_done: false,
            packets: 0,
            octets: 0,
            before: (0, 0),
        };
        if sender.packet != FRAME {
            sender.expect_pieces();
        }
        sender
    }

    /// From now on there may be audio that does not fill a packet, or comes as samples. Not in a tick: memory is taken.
    pub(crate) fn expect_pieces(&mut self) {
        if self.coder.is_none() {
            self.law.get_or_insert_with(|| Box::new([0; PENDING]));
        }
    }

    /// Another agreement. Sequence numbers and the time go on. Not in a tick: an encoder is made.
    ///
    /// A new clock rate gets a new source (RFC 7160 §4.1), so that nobody takes its timestamps for those of the old one.
    pub(crate) fn renegotiate(&mut self, terms: &StreamTerms) {
        if terms.codec != self.codec {
            self.pending = 0;
            self.coder = coder(terms.codec);
        }
        if terms.codec.ratio() != self.codec.ratio() && self.packets > 0 {
            self.seed =
                self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.ssrc = (self.seed >> 32) as u32;
            self.before = (self.packets, self.octets);
            self.spurt = true;
        }
        self.codec = terms.codec;
        self.payload_type = terms.payload_type;
        self.packet = usize::from(terms.codec.ptime(terms.ptime_ms)) * 8;
        self.event_type = terms.event_payload_type;
        self.event_ratio = terms.event_ratio();
        if self.event_type.is_none() {
            // Events that wait can no longer be sent.
            self.events = EventSender::new(EVENT_PTIME_MS);
        }
        self.events.reclock(terms.event_clock);
        self.expect_pieces();
    }

    /// Our source.
    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// What our present source sent: packets and octets.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (self.packets - self.before.0, self.octets - self.before.1)
    }

    /// A time of ours as the codec's clock tells it.
    fn clock(&self, timestamp: u32) -> u32 {
        timestamp.wrapping_mul(self.codec.ratio())
    }

    /// The timestamp that `now` has, for sender reports.
    pub(crate) fn timestamp_at(&self, now: Instant) -> u32 {
        let since = self.tick.map_or(0, |tick| samples(now.saturating_duration_since(tick)));
        self.clock(self.timestamp.wrapping_add(since as u32))
    }

    /// Begins the tick at `now` that covers `length` samples.
    fn begin(&mut self, now: Instant, length: usize) {
        if let Some(tick) = self.tick {
            let elapsed = samples(now.saturating_duration_since(tick));
            let covered = u64::from(self.covered);
            if elapsed > covered + SLACK {
                // Nothing was sent for a while: the timestamp follows the clock in whole frames (RFC 3550 §5.1).
                let frame = FRAME as u64;
                let skipped = (elapsed - covered + frame / 2) / frame * frame;
                self.timestamp = self.timestamp.wrapping_add((covered + skipped) as u32);
                self.spurt = true;
                self.pending = 0;
            } else {
                self.timestamp = self.timestamp.wrapping_add(self.covered);
            }
        }
        self.tick = Some(now);
        self.covered = length as u32;
        self.digit_done = false;
    }

    fn write(&mut self, packet: Packet<'_>, out: &mut [u8]) -> usize {
        let length = packet.write(out);
        if length > 0 {
            self.sequence = self.sequence.wrapping_add(1);
            self.packets += 1;
            self.octets += packet.payload.len() as u64;
        }
        length
    }

    /// One frame; returns the length of the packet that it fills, 0 if none is full yet (or `out` is too small).
    pub(crate) fn audio(&mut self, now: Instant, frame: Frame<'_>, out: &mut [u8]) -> usize {
        self.begin(now, frame.samples());
        if let Frame::Law(octets) = frame
            && self.coder.is_none()
            && self.pending == 0
            && octets.len() == self.packet
        {
            return self.audio_packet(octets, self.timestamp, out);
        }
        self.push(frame);
        self.full(out).unwrap_or(0)
    }

    /// Keeps a frame until its packet is full.
    fn push(&mut self, frame: Frame<'_>) {
        if self.pending == 0 {
            self.pending_at = self.timestamp;
        }
        let end = (self.pending + frame.samples()).min(PENDING);
        let length = end - self.pending;
        self.expect_pieces();
        match (&mut self.coder, frame) {
            (None, frame) => {
                let Some(law) = &mut self.law else { return };
                let room = &mut law[self.pending..end];
                match frame {
                    Frame::Law(octets) => room.copy_from_slice(&octets[..length]),
                    Frame::Pcm(pcm) => _ = self.codec.encode(pcm, room),
                }
            }
            (Some(coder), Frame::Law(octets)) => {
                self.codec.law().decode(octets, &mut coder.pending[self.pending..end]);
            }
            (Some(coder), Frame::Pcm(pcm)) => {
                coder.pending[self.pending..end].copy_from_slice(&pcm[..length]);
            }
        }
        self.pending = end;
    }

    /// The next packet that is full.
    pub(crate) fn full(&mut self, out: &mut [u8]) -> Option<usize> {
        (self.pending >= self.packet).then(|| self.cut(self.packet, out))
    }

    /// A packet of the first `length` samples that wait.
    fn cut(&mut self, length: usize, out: &mut [u8]) -> usize {
        let (at, pending) = (self.pending_at, self.pending);
        self.pending = pending - length;
        self.pending_at = at.wrapping_add(length as u32);
        match self.coder.take() {
            None => {
                let Some(mut law) = self.law.take() else { return 0 };
                let written = self.audio_packet(&law[..length], at, out);
                law.copy_within(length..pending, 0);
                self.law = Some(law);
                written
            }
            Some(mut coder) => {
                let mut octets = [0u8; MAX_PAYLOAD];
                let count = coder.encoder.encode(&coder.pending[..length], &mut octets);
                coder.pending.copy_within(length..pending, 0);
                self.coder = Some(coder);
                if count == 0 { 0 } else { self.audio_packet(&octets[..count], at, out) }
            }
        }
    }

    fn audio_packet(&mut self, payload: &[u8], at: u32, out: &mut [u8]) -> usize {
        let packet = Packet {
            marker: std::mem::take(&mut self.spurt),
            payload_type: self.payload_type,
            sequence: self.sequence,
            timestamp: self.clock(at),
            ssrc: self.ssrc,
            payload,
        };
        self.write(packet, out)
    }

    /// Queues a press; as event if asked for and negotiated, as tone else. False if too many wait. Not in a tick: memory is
    /// taken.
    pub(crate) fn press(&mut self, digit: Digit, duration_ms: u16, event: bool) -> bool {
        self.expect_pieces();
        if event && self.event_type.is_some() {
            return self.events.press(digit, u32::from(duration_ms));
        }
        let room = self.tones.len() < QUEUE;
        if room {
            self.tones.reserve_exact(QUEUE - self.tones.len());
            self.tones.push_back((digit, duration_ms));
        }
        room
    }

    pub(crate) fn is_sending_digit(&self) -> bool {
        self.events.is_sending() || self.tone.is_some() || !self.tones.is_empty()
    }

    /// The next packet of the tick at `now`, `None` when it has no more.
    pub(crate) fn digit(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        if self.tick != Some(now) {
            if !self.is_sending_digit() {
                return None;
            }
            self.begin(now, FRAME);
        }
        if self.digit_done && self.pending >= self.packet {
            return self.full(out);
        }
        let length = match self.event_type {
            Some(event_type) if self.events.is_sending() || self.tone_idle() => self.event(event_type, out),
            _ => self.tone_frame(now, out),
        };
        length.filter(|&length| length > 0)
    }

    fn tone_idle(&self) -> bool {
        self.tone.is_none() && self.tones.is_empty()
    }

    fn event(&mut self, payload_type: u8, out: &mut [u8]) -> Option<usize> {
        let time = self.timestamp.wrapping_mul(self.event_ratio);
        let starts = !self.digit_done;
        // What was said before the press goes first, in a packet that is shorter than others.
        if starts && self.pending > 0 && self.events.is_sending() && !self.events.is_resting(time) {
            return Some(self.cut(self.pending.min(self.packet), out));
        }
        self.digit_done = true;
        match self.events.next(time) {
            Some(event) => {
                let packet = Packet {
                    marker: event.marker,
                    payload_type,
                    sequence: self.sequence,
                    timestamp: event.timestamp,
                    ssrc: self.ssrc,
                    payload: &event.payload,
                };
                Some(self.write(packet, out))
            }
            // The pause between two presses: the stream goes on with silence.
            None if starts => self.say(Frame::Pcm(&[0; FRAME]), out),
            None => None,
        }
    }

    /// A frame of this tick in place of audio.
    fn say(&mut self, frame: Frame<'_>, out: &mut [u8]) -> Option<usize> {
        self.push(frame);
        self.full(out)
    }

    fn tone_frame(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        if std::mem::replace(&mut self.digit_done, true) {
            return None;
        }
        let mut pcm = [0i16; FRAME];
        if self.tone.is_none() {
            let rested = self.tone_ended.is_none_or(|ended| now.saturating_duration_since(ended) >= TONE_GAP);
            if !rested {
                return self.say(Frame::Pcm(&pcm), out);
            }
            let (digit, duration) = self.tones.pop_front()?;
            self.tone = Some(ToneGenerator::new(digit, u32::from(duration).max(40)));
        }
        let tone = self.tone.as_mut()?;
        tone.fill(&mut pcm);
        if tone.is_finished() {
            self.tone = None;
            self.tone_ended = Some(now + Duration::from_micros(FRAME as u64 * 125));
        }
        self.say(Frame::Pcm(&pcm), out)
    }
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
