//! Our half of the stream: sequence and timestamp that never jump, talkspurts, digits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::codec::Codec;
use crate::digit::Digit;
use crate::event::EventSender;
use crate::generate::ToneGenerator;
use crate::packet::Packet;
use crate::stream::StreamConfig;

/// Longest frame that a digit is generated for, in samples: 60 ms.
const MAX_FRAME: usize = 480;
/// Inband presses that may wait.
const QUEUE: usize = 32;
/// Pause between two inband presses.
const TONE_GAP: Duration = Duration::from_millis(60);
/// Silence between talkspurts that is worth a marker, beyond the frame itself: half a frame of 20 ms, in samples.
const SLACK: u64 = 80;

/// Writes RTP packets.
#[derive(Debug)]
pub(crate) struct Sender {
    codec: Codec,
    payload_type: u8,
    event_type: Option<u8>,
    ssrc: u32,
    sequence: u16,
    /// Samples of one frame.
    frame: u32,
    /// The instant of the last tick.
    tick: Option<Instant>,
    /// The timestamp of the last tick, of the next one before the first.
    timestamp: u32,
    /// Samples that the last tick covers.
    covered: u32,
    /// The next audio packet starts a talkspurt.
    spurt: bool,
    events: EventSender,
    tones: VecDeque<(Digit, u16)>,
    tone: Option<ToneGenerator>,
    tone_ended: Option<Instant>,
    /// The last tick has its digit packet already.
    digit_done: bool,
    pub(crate) packets: u64,
    pub(crate) octets: u64,
}

fn samples(duration: Duration) -> u64 {
    (duration.as_nanos() * 8 / 1_000_000) as u64
}

impl Sender {
    pub(crate) fn new(config: &StreamConfig) -> Self {
        let ptime = config.ptime_ms.clamp(10, 60);
        Sender {
            codec: config.codec,
            payload_type: config.payload_type,
            event_type: config.event_payload_type,
            ssrc: config.ssrc,
            sequence: config.first_sequence,
            frame: u32::from(ptime) * 8,
            tick: None,
            timestamp: config.first_timestamp,
            covered: 0,
            spurt: true,
            events: EventSender::new(ptime),
            tones: VecDeque::with_capacity(QUEUE),
            tone: None,
            tone_ended: None,
            digit_done: false,
            packets: 0,
            octets: 0,
        }
    }

    pub(crate) fn renegotiate(&mut self, codec: Codec, payload_type: u8, event_type: Option<u8>) {
        self.codec = codec;
        self.payload_type = payload_type;
        self.event_type = event_type;
        if event_type.is_none() {
            // Events that wait can no longer be sent.
            self.events = EventSender::new((self.frame / 8) as u8);
        }
    }

    /// The timestamp that `now` has, for sender reports.
    pub(crate) fn timestamp_at(&self, now: Instant) -> u32 {
        let since = self.tick.map_or(0, |tick| samples(now.saturating_duration_since(tick)));
        self.timestamp.wrapping_add(since as u32)
    }

    /// Begins the tick at `now` that covers `length` samples.
    fn begin(&mut self, now: Instant, length: u32) {
        if let Some(tick) = self.tick {
            let elapsed = samples(now.saturating_duration_since(tick));
            let covered = u64::from(self.covered);
            if elapsed > covered + SLACK {
                // Nothing was sent for a while: the timestamp follows the clock in whole frames (RFC 3550 §5.1).
                let frame = u64::from(self.frame);
                let skipped = (elapsed - covered + frame / 2) / frame * frame;
                self.timestamp = self.timestamp.wrapping_add((covered + skipped) as u32);
                self.spurt = true;
            } else {
                self.timestamp = self.timestamp.wrapping_add(self.covered);
            }
        }
        self.tick = Some(now);
        self.covered = length;
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

    /// One encoded frame; returns the packet's length, 0 if `out` is too small.
    pub(crate) fn audio(&mut self, now: Instant, payload: &[u8], out: &mut [u8]) -> usize {
        self.begin(now, payload.len() as u32);
        self.audio_packet(payload, out)
    }

    fn audio_packet(&mut self, payload: &[u8], out: &mut [u8]) -> usize {
        let packet = Packet {
            marker: std::mem::take(&mut self.spurt),
            payload_type: self.payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload,
        };
        self.write(packet, out)
    }

    /// Queues a press; as event if asked for and negotiated, as tone else. False if too many wait.
    pub(crate) fn press(&mut self, digit: Digit, duration_ms: u16, event: bool) -> bool {
        if event && self.event_type.is_some() {
            return self.events.press(digit, u32::from(duration_ms));
        }
        let room = self.tones.len() < QUEUE;
        if room {
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
            self.begin(now, self.frame);
        }
        let length = match self.event_type {
            Some(event_type) if self.events.is_sending() || self.tone_idle() => self.event(event_type, out),
            _ => self.tone_frame(now, out),
        };
        self.digit_done = true;
        length.filter(|&length| length > 0)
    }

    fn tone_idle(&self) -> bool {
        self.tone.is_none() && self.tones.is_empty()
    }

    fn event(&mut self, payload_type: u8, out: &mut [u8]) -> Option<usize> {
        match self.events.next(self.timestamp) {
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
            None if !self.digit_done => Some(self.silence(out)),
            None => None,
        }
    }

    fn silence(&mut self, out: &mut [u8]) -> usize {
        let silence = [self.codec.silence(); MAX_FRAME];
        self.audio_packet(&silence[..self.frame as usize], out)
    }

    fn tone_frame(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        if self.digit_done {
            return None;
        }
        if self.tone.is_none() {
            let rested = self.tone_ended.is_none_or(|ended| now.saturating_duration_since(ended) >= TONE_GAP);
            if !rested {
                return Some(self.silence(out));
            }
            let (digit, duration) = self.tones.pop_front()?;
            self.tone = Some(ToneGenerator::new(digit, u32::from(duration).max(40)));
        }
        let tone = self.tone.as_mut()?;
        let mut pcm = [0i16; MAX_FRAME];
        let mut octets = [0u8; MAX_FRAME];
        let frame = self.frame as usize;
        tone.fill(&mut pcm[..frame]);
        if tone.is_finished() {
            self.tone = None;
            self.tone_ended = Some(now + Duration::from_micros(u64::from(self.frame) * 125));
        }
        self.codec.encode(&pcm[..frame], &mut octets);
        Some(self.audio_packet(&octets[..frame], out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::tests::epoch;

    fn sender(event_type: Option<u8>) -> Sender {
        Sender::new(&StreamConfig {
            event_payload_type: event_type,
            ssrc: 77,
            first_sequence: 65_535,
            first_timestamp: u32::MAX - 159,
            ..StreamConfig::default()
        })
    }

    /// Ticks of 20 ms: digits where there are any, audio else. (tick, marker, type, sequence, timestamp, payload)
    type Sent = (u32, bool, u8, u16, u32, Vec<u8>);

    fn run(sender: &mut Sender, ticks: std::ops::Range<u32>) -> Vec<Sent> {
        let mut sent = Vec::new();
        for tick in ticks {
            let now = epoch() + Duration::from_millis(20) * tick;
            let mut out = [0u8; 600];
            let mut keep = |out: &[u8]| {
                let p = Packet::parse(out).expect("a packet");
                assert_eq!(p.ssrc, 77);
                sent.push((tick, p.marker, p.payload_type, p.sequence, p.timestamp, p.payload.to_vec()));
            };
            if sender.is_sending_digit() {
                while let Some(length) = sender.digit(now, &mut out) {
                    keep(&out[..length]);
                }
            } else {
                let length = sender.audio(now, &[0xFF; 160], &mut out);
                keep(&out[..length]);
            }
        }
        sent
    }

    #[test]
    fn audio_is_continuous_and_marks_talkspurts() {
        let mut sender = sender(None);
        let mut sent = run(&mut sender, 0..3);
        sent.extend(run(&mut sender, 10..12));
        let head: Vec<_> = sent.iter().map(|s| (s.1, s.3, s.4)).collect();
        let want = [
            (true, 65_535, u32::MAX - 159),
            (false, 0, 0),
            (false, 1, 160),
            (true, 2, 160 * 9),
            (false, 3, 160 * 10),
        ];
        assert_eq!(head, want);
        assert_eq!((sender.packets, sender.octets), (5, 800));
    }

    #[test]
    fn a_small_buffer_costs_no_sequence_number() {
        let mut sender = sender(None);
        assert_eq!(sender.audio(epoch(), &[0; 160], &mut [0; 100]), 0);
        assert_eq!(sender.sequence, 65_535);
    }

    #[test]
    fn events_fit_into_the_stream() {
        let mut sender = sender(Some(96));
        run(&mut sender, 0..2);
        let five = Digit::from_char('5').expect("a digit");
        assert!(sender.press(five, 100, true) && sender.press(five, 100, true));
        let sent = run(&mut sender, 2..40);
        for pair in sent.windows(2) {
            assert_eq!(pair[1].3, pair[0].3.wrapping_add(1), "sequence");
        }
        let events: Vec<_> = sent.iter().filter(|s| s.2 == 96).collect();
        assert_eq!(events.iter().filter(|s| s.1).count(), 2, "one marker a press");
        assert_eq!(events[0].4, 160, "starts where the audio ended");
        let ends: Vec<_> = events.iter().filter(|s| s.5[1] & 0x80 != 0).collect();
        assert_eq!(ends.len(), 6, "each end three times");
        assert!(ends.iter().all(|s| s.5[2..] == [3, 32]), "800 samples");
        // Each tick has something, and the audio's clock never stops.
        for tick in 2..40 {
            assert!(sent.iter().any(|s| s.0 == tick), "tick {tick} is empty");
        }
        for audio in sent.iter().filter(|s| s.2 == 0) {
            assert_eq!(audio.4, (160 * audio.0).wrapping_sub(160), "tick {}", audio.0);
        }
    }

    #[test]
    fn tones_are_audio_with_pauses() {
        let mut sender = sender(None);
        run(&mut sender, 0..2);
        let five = Digit::from_char('5').expect("a digit");
        assert!(sender.press(five, 100, true) && sender.press(five, 100, false));
        let sent = run(&mut sender, 2..20);
        let loud: Vec<u32> =
            sent.iter().filter(|s| s.5.iter().any(|&octet| octet & 0x7F < 0x40)).map(|s| s.0).collect();
        assert_eq!(loud, [2, 3, 4, 5, 6, 10, 11, 12, 13, 14]);
        assert!(sent.iter().all(|s| s.2 == 0 && !s.1 && s.5.len() == 160));
        assert_eq!(sent.len(), 18);
    }
}
