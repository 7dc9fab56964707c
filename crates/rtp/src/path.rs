//! The digit path of one stream: events, tones and SIP INFO in, presses out.

use crate::ahead::{Memory, NONE};
use crate::clock::Stamp;
use crate::digit::{Digit, DigitConfig, DigitOutput, FrameKind, MediaTime, Method};
use crate::event::{EventDetector, EventReport};
use crate::merger::{DigitMerger, Evidence, Sign};
use crate::tone::{ToneDetector, ToneEvent};

/// RTP timestamps that lie further than 2 s from the arrival clock are not believed.
const BELIEVABLE: u64 = 16_000;
/// An event in a clock of its own may have begun 10 s ago; of one that lasts longer the beginning moves.
const LONGEST: u64 = 80_000;
/// Silence of the sender up to 2 s is filled in for the tone detector; after more it starts afresh.
const FILL: i64 = 16_000;
/// Media time starts here, so that what precedes the first packet has a time too.
const EPOCH: u64 = 80_000;

/// Joins the event detector, the tone detector and SIP INFO of one call: one press is one digit.
///
/// **Media time and arrival.** Every input carries `at`, the arrival clock in samples (kernel receive time for
/// events, the scheduled instant for audio). RTP timestamps are unwrapped onto that clock once, at the first
/// audio frame or event, and from then on advance by themselves: two inputs that the sender stamped alike get
/// the same media time, however late each of them arrives. Tones and events are compared in media time.
/// A timestamp that strays more than 2 s from the arrival clock (a sender that never moves the timestamp of its
/// events, another SSRC) is not believed: an event then starts at its arrival less its duration, and audio is
/// anchored anew. SIP INFO has no media time; it is compared by arrival.
///
/// Fixed-size state, no allocation after [`DigitPath::new`].
#[derive(Debug)]
pub struct DigitPath {
    config: DigitConfig,
    events: EventDetector,
    /// Only where tones are listened to.
    tones: Option<Box<ToneDetector>>,
    merger: DigitMerger,
    timeline: Option<Anchor>,
    /// The same for events whose clock is not that of the audio.
    event_timeline: Option<Anchor>,
    /// The timestamp of the last event packet.
    event_stamp: Stamp,
    /// RTP timestamp of the next audio sample.
    next_audio: Option<u32>,
    /// Media time of the tone detector's sample 0.
    tone_epoch: i64,
    info_serial: u32,
    tone_serial: u32,
    /// Nothing comes of time passing before this.
    alarm: u64,
}

/// A point known on both clocks.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    timestamp: u32,
    media: u64,
}

impl Anchor {
    fn media(self, timestamp: u32) -> u64 {
        let ahead = i64::from(timestamp.wrapping_sub(self.timestamp) as i32);
        self.media.saturating_add_signed(ahead)
    }
}

impl DigitPath {
    /// A path that listens to the methods in `config`. All memory is taken here.
    pub fn new(config: DigitConfig) -> Self {
        DigitPath {
            config,
            events: EventDetector::new(),
            tones: config.inband.then(Box::default),
            merger: DigitMerger::new(),
            timeline: None,
            event_timeline: None,
            event_stamp: Stamp::from(0),
            next_audio: None,
            tone_epoch: 0,
            info_serial: 0,
            tone_serial: 0,
            alarm: 0,
        }
    }

    /// A telephone-event packet in arrival order (any order, duplicates welcome); `at` is its arrival on the media clock,
    /// `timestamp` a number if its clock is of 8000 Hz.
    pub fn event(
        &mut self,
        at: MediaTime,
        ssrc: u32,
        sequence: u16,
        timestamp: impl Into<Stamp>,
        marker: bool,
        payload: &[u8],
    ) {
        if !self.config.events {
            return;
        }
        let at = at.0 + EPOCH;
        self.alarm = 0;
        let (stamp, anchor) = self.event_anchor(at, timestamp.into());
        let merger = &mut self.merger;
        let mut report = |r: EventReport| forward(merger, anchor, stamp, at, r);
        self.events.packet(at, (ssrc, sequence), stamp.sent, marker, payload, &mut report);
        self.merger.advance(at);
    }

    /// Notes the clock of an event packet; its timestamp, and where the timeline lies.
    fn event_anchor(&mut self, at: u64, stamp: Stamp) -> (Stamp, Anchor) {
        self.events.set_ratio(stamp.ratio);
        self.event_stamp = stamp;
        let now = Anchor { timestamp: stamp.media, media: at };
        if !stamp.apart {
            return (stamp, *self.timeline.get_or_insert(now));
        }
        // A clock of their own: it is laid beside ours at the first event, and again where it jumps.
        let media = self.event_timeline.map_or(at, |anchor| anchor.media(stamp.media));
        let is_near = media <= at + BELIEVABLE && at <= media + LONGEST;
        let anchor = if is_near { Anchor { media, ..now } } else { now };
        self.event_timeline = Some(anchor);
        (stamp, anchor)
    }

    /// A packet of the stream that is no telephone-event: what lies between the packets of a press is not lost.
    pub fn other_packet(&mut self, ssrc: u32, sequence: u16) {
        self.events.other_packet(ssrc, sequence);
    }

    /// A telephone-event that a redundant packet (RFC 2198) repeats: counts only where nothing else told of it.
    pub fn redundant_event(
        &mut self,
        at: MediaTime,
        ssrc: u32,
        sequence: u16,
        timestamp: impl Into<Stamp>,
        payload: &[u8],
    ) {
        if !self.config.events {
            return;
        }
        let at = at.0 + EPOCH;
        self.alarm = 0;
        let (stamp, anchor) = self.event_anchor(at, timestamp.into());
        let merger = &mut self.merger;
        let mut report = |r: EventReport| forward(merger, anchor, stamp, at, r);
        self.events.redundant(at, (ssrc, sequence), stamp.sent, payload, &mut report);
        self.merger.advance(at);
    }

    /// One frame of decoded audio in playout order (at most 60 ms), `rtp_timestamp` of its first sample, `at` on the arrival clock.
    ///
    /// A frame may lie ahead of the last: the samples between were never sent, or were lost without concealment.
    pub fn audio(&mut self, at: MediaTime, rtp_timestamp: u32, frame: &[i16], kind: FrameKind) {
        let at = at.0 + EPOCH;
        let mut anchor = *self.timeline.get_or_insert(Anchor { timestamp: rtp_timestamp, media: at });
        if anchor.media(rtp_timestamp).abs_diff(at) > BELIEVABLE {
            anchor = Anchor { timestamp: rtp_timestamp, media: at };
            self.next_audio = None;
        }
        // Keeps the anchor near, so that timestamps may wrap.
        self.timeline = Some(Anchor { timestamp: rtp_timestamp, media: anchor.media(rtp_timestamp) });
        let gap = self.next_audio.map(|next| i64::from(rtp_timestamp.wrapping_sub(next) as i32));
        self.next_audio = Some(rtp_timestamp.wrapping_add(frame.len() as u32));
        let Some(tones) = self.tones.as_deref_mut().filter(|_| self.config.inband) else {
            self.advance_from(at);
            return;
        };
        match gap {
            Some(0) => {}
            Some(missing @ 1..=FILL) => tones.skip(missing as u32),
            _ => {
                tones.restart();
                let media = anchor.media(rtp_timestamp) as i64;
                self.tone_epoch = media - tones.position() as i64;
            }
        }
        tones.process(frame, kind);
        if self.drain_tones(at) {
            self.alarm = 0;
        }
        self.advance_from(at);
    }

    /// Where the tone detector is, if there is one.
    pub(crate) fn parts(&self) -> Memory {
        self.tones.as_deref().map_or(NONE, ToneDetector::parts)
    }

    /// Where the tone detector will put the next frame; [`DigitPath::parts`] are looked at.
    pub(crate) fn ahead(&self) -> [Memory; 3] {
        self.tones.as_deref().map_or([NONE; 3], ToneDetector::ahead)
    }

    /// A digit by SIP INFO, with its duration if it was told.
    pub fn info(&mut self, at: MediaTime, digit: Digit, duration_ms: Option<u32>) {
        if !self.config.info {
            return;
        }
        let at = at.0 + EPOCH;
        self.alarm = 0;
        self.info_serial = self.info_serial.wrapping_add(1);
        let duration = u64::from(duration_ms.unwrap_or(0).min(60_000)) * 8;
        let sign = Sign {
            method: Method::Info,
            serial: self.info_serial,
            digit,
            at,
            start: at,
            end: at + duration,
            is_open: false,
        };
        self.merger.start(sign);
        self.merger.advance(at);
    }

    /// Time passes: ends presses whose end was lost.
    pub fn advance(&mut self, at: MediaTime) {
        self.advance_from(at.0 + EPOCH);
    }

    /// The next press or end of a press.
    pub fn poll(&mut self) -> Option<DigitOutput> {
        let mut output = self.merger.poll()?;
        let real = |time: &mut MediaTime| time.0 = time.0.saturating_sub(EPOCH);
        match &mut output {
            DigitOutput::Press(press) => {
                real(&mut press.start);
                real(&mut press.reported);
            }
            DigitOutput::End(end) => real(&mut end.start),
        }
        Some(output)
    }

    /// The method by which this call sends its digits, once one was seen; events win.
    pub fn locked(&self) -> Option<Method> {
        self.merger.locked()
    }

    /// Telephone-event packets that were no digits: codes above 15 (flash, tones) and payloads too short.
    pub fn ignored_events(&self) -> u32 {
        self.events.ignored()
    }

    /// The last event code above 15, for [`EventName`](crate::EventName).
    pub fn other_event(&self) -> Option<u8> {
        self.events.other()
    }

    fn advance_from(&mut self, at: u64) {
        if at < self.alarm {
            return;
        }
        let timeline = if self.event_stamp.apart { self.event_timeline } else { self.timeline };
        let anchor = timeline.unwrap_or(Anchor { timestamp: 0, media: at });
        let (merger, stamp) = (&mut self.merger, self.event_stamp);
        self.events.advance(at, &mut |r| forward(merger, anchor, stamp, at, r));
        self.merger.advance(at);
        self.alarm = self.events.alarm().min(self.merger.alarm());
    }

    /// True if there was a tone.
    fn drain_tones(&mut self, at: u64) -> bool {
        let media = |sample: u64, epoch: i64| u64::try_from(sample as i64 + epoch).unwrap_or(0);
        let Some(tones) = self.tones.as_deref_mut() else { return false };
        let mut any = false;
        while let Some(event) = tones.poll_event() {
            let (digit, start, end, bridged) = match event {
                ToneEvent::Start { digit, start } => {
                    self.tone_serial = self.tone_serial.wrapping_add(1);
                    (digit, start, tones.position(), None)
                }
                ToneEvent::End(tone) => {
                    (tone.digit, tone.start, tone.start + u64::from(tone.duration), Some(tone.bridged))
                }
            };
            any = true;
            let sign = Sign {
                method: Method::Inband,
                serial: self.tone_serial,
                digit,
                at,
                start: media(start, self.tone_epoch),
                end: media(end, self.tone_epoch),
                is_open: bridged.is_none(),
            };
            match bridged {
                None => self.merger.start(sign),
                Some(bridged) => self.merger.update(sign, Evidence { bridged, ..Evidence::default() }),
            }
        }
        any
    }
}

/// Hands an event detector's report to the merger, in media time.
fn forward(merger: &mut DigitMerger, anchor: Anchor, stamp: Stamp, at: u64, report: EventReport) {
    let Some(digit) = Digit::from_code(report.code) else { return };
    let duration = u64::from(report.duration / stamp.ratio);
    let told = anchor.media(stamp.media_of(report.timestamp));
    let is_believable = (told + duration).abs_diff(at) <= BELIEVABLE;
    let start = if is_believable { told } else { at.saturating_sub(duration) };
    let sign = Sign {
        method: Method::Rfc4733,
        serial: report.serial,
        digit,
        at,
        start,
        end: start + duration,
        is_open: !report.is_over,
    };
    if report.is_new {
        merger.start(sign);
    }
    let evidence =
        Evidence { packets: report.packets, duplicates: report.duplicates, lost: report.lost, bridged: 0 };
    merger.update(sign, evidence);
}
