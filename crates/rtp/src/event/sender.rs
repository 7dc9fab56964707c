//! Sends presses as telephone-event packets.

use super::packet::EventPayload;
use crate::digit::Digit;
use std::collections::VecDeque;

/// Packets of one event's end, RFC 4733 §2.5.1.4.
const END_COPIES: u8 = 3;
/// The longest duration of one segment in samples, RFC 4733 §2.5.1.3.
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

/// Turns presses into RFC 4733 packets: one per packet time while the key is held, the end three times.
///
/// Call [`EventSender::next`] once per packet time, and again with the same timestamp until it gives `None`.
/// Timestamps and durations count in the clock of the event's payload type (RFC 4733 §2.1), 8000 Hz by default.
#[derive(Debug)]
pub struct EventSender {
    /// Samples in a millisecond.
    per_ms: u32,
    ptime: u32,
    minimum: u32,
    gap: u32,
    volume: u8,
    queue: VecDeque<(Digit, u32)>,
    current: Option<Sending>,
    copies: Option<Copies>,
    tick: Option<u32>,
    updated: bool,
    idle_until: Option<u32>,
}

/// The event that is being sent.
#[derive(Clone, Copy, Debug)]
struct Sending {
    digit: Digit,
    /// RTP timestamp of the segment.
    segment: u32,
    /// Samples left to announce from the segment's start.
    remaining: u32,
    marker: bool,
}

/// The copies still owed of a last packet, one per packet time.
#[derive(Clone, Copy, Debug)]
struct Copies {
    packet: EventPacket,
    left: u8,
}

impl EventSender {
    /// A sender for packets of `ptime_ms`; presses last at least 50 ms and stand at least 40 ms apart.
    pub fn new(ptime_ms: u8) -> Self {
        EventSender {
            per_ms: 8,
            ptime: u32::from(ptime_ms.max(1)) * 8,
            minimum: 50 * 8,
            gap: 40 * 8,
            volume: 10,
            queue: VecDeque::new(),
            current: None,
            copies: None,
            tick: None,
            updated: false,
            idle_until: None,
        }
    }

    /// Sets the clock rate in Hz, a multiple of 1000; before any press.
    #[must_use]
    pub fn with_clock(mut self, hertz: u32) -> Self {
        self.reclock(hertz);
        self
    }

    /// Sets the shortest press in milliseconds; shorter ones are lengthened to it.
    #[must_use]
    pub fn with_minimum(mut self, ms: u16) -> Self {
        self.minimum = u32::from(ms) * self.per_ms;
        self
    }

    /// Sets the shortest pause between two presses in milliseconds.
    #[must_use]
    pub fn with_gap(mut self, ms: u16) -> Self {
        self.gap = u32::from(ms) * self.per_ms;
        self
    }

    /// Goes on in another clock: what waits is kept, the press being sent ends here, as its timestamps mean nothing now.
    pub(crate) fn reclock(&mut self, hertz: u32) {
        let per_ms = (hertz / 1000).max(1);
        if per_ms == self.per_ms {
            return;
        }
        let before = self.per_ms;
        let durations = self.queue.iter_mut().map(|(_, samples)| samples);
        for samples in durations.chain([&mut self.ptime, &mut self.minimum, &mut self.gap]) {
            *samples = *samples / before * per_ms;
        }
        self.per_ms = per_ms;
        (self.current, self.copies, self.tick, self.idle_until) = (None, None, None, None);
    }

    /// Queues a press; false if too many wait (32). Memory for all of them is taken with the first.
    pub fn press(&mut self, digit: Digit, duration_ms: u32) -> bool {
        if self.queue.len() >= QUEUE {
            return false;
        }
        self.queue.reserve_exact(QUEUE - self.queue.len());
        self.queue.push_back((digit, duration_ms.saturating_mul(self.per_ms).max(self.minimum)));
        true
    }

    /// Whether a press is being sent or waits, or copies of an end are owed.
    pub fn is_sending(&self) -> bool {
        self.current.is_some() || self.copies.is_some() || !self.queue.is_empty()
    }

    /// Whether the pause before the next press lasts at RTP `timestamp`.
    pub(crate) fn is_resting(&self, timestamp: u32) -> bool {
        let rests = self.idle_until.is_some_and(|until| (until.wrapping_sub(timestamp) as i32) > 0);
        self.current.is_none() && self.copies.is_none() && rests
    }

    /// The next packet of the packet time that begins at RTP `timestamp`; `None` when that packet time has no more.
    ///
    /// A press starts with a marked packet whose duration is one packet time. Ends, and ends of segments, go
    /// out three times at packet-time intervals (RFC 4733 §2.5.1.4); copies of a segment's end share the
    /// packet time with the next segment's updates. Between presses, while it waits out the pause, it gives
    /// `None` and audio may be sent.
    pub fn next(&mut self, timestamp: u32) -> Option<EventPacket> {
        if self.tick != Some(timestamp) {
            self.tick = Some(timestamp);
            self.updated = false;
            if let Some(packet) = self.owed_copy() {
                return Some(packet);
            }
        }
        if self.updated {
            return None;
        }
        self.updated = true;
        self.update(timestamp)
    }

    fn owed_copy(&mut self) -> Option<EventPacket> {
        let copies = self.copies.as_mut()?;
        let packet = copies.packet;
        copies.left -= 1;
        if copies.left == 0 {
            self.copies = None;
        }
        Some(packet)
    }

    fn update(&mut self, timestamp: u32) -> Option<EventPacket> {
        if self.current.is_none() {
            self.start(timestamp);
        }
        let mut sending = self.current?;
        let elapsed = timestamp.wrapping_add(self.ptime).wrapping_sub(sending.segment);
        let is_end = elapsed >= sending.remaining && sending.remaining <= SEGMENT_MAX;
        let is_segment_end = !is_end && elapsed >= SEGMENT_MAX;
        let duration = if is_end { sending.remaining } else { elapsed.min(SEGMENT_MAX) };
        let payload = EventPayload {
            code: sending.digit.code(),
            end: is_end,
            volume: self.volume,
            duration: duration as u16,
        };
        let packet =
            EventPacket { timestamp: sending.segment, marker: sending.marker, payload: payload.write() };
        sending.marker = false;
        if is_end || is_segment_end {
            let copy = EventPacket { marker: false, ..packet };
            self.copies = Some(Copies { packet: copy, left: END_COPIES - 1 });
        }
        if is_end {
            self.idle_until = Some(sending.segment.wrapping_add(duration).wrapping_add(self.gap));
            self.current = None;
        } else {
            if is_segment_end {
                sending.segment = sending.segment.wrapping_add(SEGMENT_MAX);
                sending.remaining -= SEGMENT_MAX;
            }
            self.current = Some(sending);
        }
        Some(packet)
    }

    fn start(&mut self, timestamp: u32) {
        if self.idle_until.is_some_and(|until| (until.wrapping_sub(timestamp) as i32) > 0) {
            return;
        }
        self.idle_until = None;
        if let Some((digit, remaining)) = self.queue.pop_front() {
            self.current = Some(Sending { digit, segment: timestamp, remaining, marker: true });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digit(key: char) -> Digit {
        Digit::from_char(key).expect("a key")
    }

    fn run(sender: &mut EventSender, start: u32) -> Vec<(u32, EventPacket)> {
        let mut sent = Vec::new();
        let mut tick = start;
        while sender.is_sending() {
            while let Some(packet) = sender.next(tick) {
                sent.push((tick.wrapping_sub(start), packet));
            }
            tick = tick.wrapping_add(160);
        }
        sent
    }

    #[test]
    fn a_press_grows_and_ends_three_times() {
        let mut sender = EventSender::new(20);
        assert!(sender.press(digit('5'), 90));
        let sent = run(&mut sender, 0xFFFF_FFF0);
        let facts: Vec<_> = sent
            .iter()
            .map(|(tick, p)| {
                let event = EventPayload::read(&p.payload).expect("payload");
                assert_eq!((p.timestamp, event.code), (0xFFFF_FFF0, 5));
                (*tick, p.marker, event.end, event.duration)
            })
            .collect();
        assert_eq!(
            facts,
            [
                (0, true, false, 160),
                (160, false, false, 320),
                (320, false, false, 480),
                (480, false, false, 640),
                (640, false, true, 720),
                (800, false, true, 720),
                (960, false, true, 720),
            ]
        );
    }

    #[test]
    fn short_presses_are_lengthened_and_stand_apart() {
        let mut sender = EventSender::new(20).with_minimum(60).with_gap(100);
        assert!(sender.press(digit('1'), 5) && sender.press(digit('1'), 5));
        let sent = run(&mut sender, 1000);
        let starts: Vec<u32> = sent.iter().filter(|(_, p)| p.marker).map(|(tick, _)| *tick).collect();
        assert_eq!(starts, [0, 1280]);
        assert!(sent.iter().all(|(_, p)| p.payload[2..] <= [0x01, 0xE0][..]));
    }

    #[test]
    fn long_presses_go_in_segments_without_a_marker() {
        let mut sender = EventSender::new(20);
        assert!(sender.press(digit('#'), 20_000));
        let sent = run(&mut sender, 0);
        assert_eq!(sent.iter().filter(|(_, p)| p.marker).count(), 1);
        let full = sent.iter().filter(|(_, p)| p.payload[2..] == [0xFF, 0xFF]).count();
        assert_eq!(full, 6, "two full segments, three packets each");
        let last = sent.last().expect("packets").1;
        assert_eq!(last.timestamp, 2 * 0xFFFF);
        assert_eq!(
            EventPayload::read(&last.payload).map(|e| u32::from(e.duration)),
            Some(160_000 - 2 * 0xFFFF)
        );
        assert_eq!(sent.iter().filter(|(_, p)| p.payload[1] & 0x80 != 0).count(), 3);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut sender = EventSender::new(20);
        let taken = (0..100).filter(|_| sender.press(digit('9'), 50)).count();
        assert_eq!(taken, 32);
    }
}
