//! One RTP stream of a capture, run through [`passline_rtp::Stream`] in virtual time.
use passline_rtp::{
    Digit, DigitOutput, MediaTime, Method, PacketKind, PressEnd, Statistics, Stream, StreamConfig,
};
use serde::Serialize;
use std::time::{Duration, Instant};

/// The frame clock of the engine.
const TICK: Duration = Duration::from_millis(20);
/// After the last packet, time goes on so long that every end that was lost has timed out.
const AFTER: Duration = Duration::from_secs(5);
/// A longer pause in a stream is not lived through tick by tick.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// One digit as it was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeardDigit {
    /// `0`-`9`, `*`, `#`, `A`-`D`.
    pub digit: char,
    /// Start, in ms since the call's or stream's first packet.
    pub at_ms: u64,
    /// Length, in ms.
    pub duration_ms: u64,
    /// `rfc4733`, `inband` or `info`.
    pub method: &'static str,
    /// What it was heard by.
    pub ledger: Ledger,
}

/// The evidence for one digit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Telephone-event packets, copies included.
    pub packets: u16,
    /// Of them, those whose sequence number had come before: doubled by the network, not by the sender.
    pub duplicates: u16,
    /// Telephone-event packets missing between those that came.
    pub lost: u16,
    /// Holes in the tone that were bridged.
    pub bridged: u16,
    /// All methods that told of this press: it is one digit however many there are.
    pub merged: Vec<&'static str>,
}

impl From<&PressEnd> for Ledger {
    fn from(end: &PressEnd) -> Self {
        Self {
            packets: end.packets,
            duplicates: end.duplicates,
            lost: end.lost,
            bridged: end.bridged,
            merged: end.merged.iter().map(Method::as_str).collect(),
        }
    }
}

/// What the engine made of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// What it carried; `None` where it was refused (not RTP of this stream, or not yet believed).
    pub kind: Option<PacketKind>,
    /// What was wrong with it.
    pub fault: Option<Fault>,
}

/// What can be wrong with a packet that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It had come before.
    Duplicate,
    /// Its time was over: others had taken its place.
    Late,
    /// It came after one with a higher sequence number, in time.
    Reordered,
}

/// What came of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Valid RTP packets.
    pub packets: u64,
    /// Packets that the sequence numbers promise and that never came.
    pub lost: u64,
    /// Packets that came more than once.
    pub duplicated: u64,
    /// Packets that came after one with a higher sequence number.
    pub reordered: u64,
    /// Interarrival jitter at the end (RFC 3550 A.8), ms; 0 for codecs that Passline lacks.
    pub jitter_ms: f64,
}

impl Counts {
    /// Sums two streams; the larger jitter counts.
    pub fn add(&mut self, other: Counts) {
        self.packets += other.packets;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.jitter_ms = self.jitter_ms.max(other.jitter_ms);
    }
}

impl From<Statistics> for Counts {
    fn from(s: Statistics) -> Self {
        let jitter_ms = (f64::from(s.jitter_ms) * 1000.0).round() / 1000.0;
        Self {
            packets: s.received,
            lost: s.lost,
            duplicated: s.duplicated,
            reordered: s.reordered,
            jitter_ms,
        }
    }
}

/// Drives one stream. The law of the engine holds: a tick takes only what was received before its scheduled instant.
pub struct Runner {
    config: StreamConfig,
    stream: Stream,
    /// Time zero of the report.
    zero: Instant,
    /// Media time zero of the stream that runs now.
    epoch: Instant,
    next_tick: Instant,
    counts: Counts,
    digits: Vec<HeardDigit>,
}

impl Runner {
    /// A stream whose first packet comes at `start`; digits are timed from `zero`.
    pub fn new(zero: Instant, start: Instant, config: StreamConfig) -> Self {
        Self {
            stream: Stream::new(start, config.clone()),
            config,
            zero,
            epoch: start,
            next_tick: start + TICK,
            counts: Counts::default(),
            digits: Vec::new(),
        }
    }

    /// An RTP packet at its captured time; tells what became of it.
    pub fn rtp(&mut self, at: Instant, packet: &[u8]) -> Fate {
        self.advance(at);
        let before = self.stream.statistics();
        let kind = self.stream.receive_rtp(at, packet).ok().map(|received| received.kind);
        let after = self.stream.statistics();
        self.collect();
        let fault = if after.duplicated > before.duplicated {
            Some(Fault::Duplicate)
        } else if after.late > before.late {
            Some(Fault::Late)
        } else if after.reordered > before.reordered {
            Some(Fault::Reordered)
        } else {
            None
        };
        Fate { kind, fault }
    }

    /// A digit by SIP INFO.
    pub fn info(&mut self, at: Instant, digit: Digit, duration_ms: Option<u32>) {
        self.advance(at);
        self.stream.info_digit(at, digit, duration_ms);
        self.collect();
    }

    /// Lives on until nothing can come any more, and tells what was heard.
    pub fn finish(mut self) -> (Vec<HeardDigit>, Counts) {
        self.wind_up();
        self.digits.sort_by_key(|digit| digit.at_ms);
        (self.digits, self.counts)
    }

    fn advance(&mut self, to: Instant) {
        if to.saturating_duration_since(self.next_tick) > LONGEST_PAUSE {
            self.wind_up();
            self.stream = Stream::new(to, self.config.clone());
            self.epoch = to;
            self.next_tick = to + TICK;
        }
        while self.next_tick <= to {
            self.stream.playout(self.next_tick);
            self.next_tick += TICK;
            self.collect();
        }
    }

    fn wind_up(&mut self) {
        let end = self.next_tick + AFTER;
        while self.next_tick < end {
            self.stream.playout(self.next_tick);
            self.next_tick += TICK;
            self.collect();
        }
        self.counts.add(self.stream.statistics().into());
    }

    fn collect(&mut self) {
        while let Some(output) = self.stream.poll_digit() {
            let DigitOutput::End(end) = output else { continue };
            let at = self.epoch + Duration::from_millis(end.start.ms());
            self.digits.push(HeardDigit {
                digit: end.digit.to_char(),
                at_ms: at.saturating_duration_since(self.zero).as_millis() as u64,
                duration_ms: MediaTime(u64::from(end.duration)).ms(),
                method: end.method.as_str(),
                ledger: Ledger::from(&end),
            });
        }
    }
}
