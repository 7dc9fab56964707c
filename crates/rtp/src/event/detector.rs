//! Telephone-event packets in, presses out: RFC 4733 with the faults of the field.

use super::packet::EventPayload;
use super::press::{EventPress, EventReport, Others, Packet};

/// Presses remembered: more than 1.5 s of the fastest dialling, for copies that come late.
const MEMORY: usize = 24;
/// Presses are forgotten after 10 s without a packet.
const FORGET: u64 = 80_000;
/// A press without packets for 400 ms is over.
const TIME_OUT: u64 = 3_200;
/// A press may continue from another SSRC if arrival and duration differ by no more than 250 ms.
const SOURCE_CHANGE_SLACK: i64 = 2_000;
/// Packets of the source before may come 100 ms after those of its successor.
const LATE_SOURCE: u64 = 800;
/// Packets that may be missing in an event with a timestamp per packet.
const ADVANCING_GAP: i32 = 8;

/// How this sender stamps the packets of one event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    /// Nothing seen yet that tells.
    Unknown,
    /// All packets of an event share the timestamp: RFC 4733 §2.3.
    Constant,
    /// Each packet has the timestamp of its own packet time, of so many samples, while the duration grows.
    Advancing(u32),
}

/// Groups telephone-event packets into presses.
///
/// **The rule.** A press is the interval [timestamp, timestamp + duration) of media time of one event code.
/// Packets whose intervals overlap, or touch without marker and end bit, are one press, in whatever order
/// and how often they arrive. Neither marker, nor end bit, nor more than one packet is needed.
///
/// What sequence numbers add: after an end packet, a newer packet without the E bit is a new press; so is a
/// newer packet whose duration falls back, or one of the same code after another code came in between.
/// That tells presses apart when the sender never moves its timestamp.
///
/// **A new timestamp in every packet.** Such a sender shows, from one packet to the next, a timestamp and a
/// duration that grow by the same amount: timestamp + packet time - duration stays where the press began.
/// A second quick press starts its duration again at one packet time, so the two never look alike. Once
/// seen, the sender's packets are moved back to that common start; once one event has shown two durations
/// on one timestamp, the sender is known to follow the RFC and nothing is moved. Copies of an end that got
/// timestamps of their own are known by E bit, equal duration, and sequence numbers right after the end.
///
/// A press from another SSRC continues an open one if its duration has grown by as much as time has passed.
///
/// Timestamps and durations are those on the wire, in the clock of the event's payload type: converted to another
/// clock they would be rounded, and equal ones might differ. Arrival counts in samples at 8000 Hz.
#[derive(Debug)]
pub(crate) struct EventDetector {
    /// Ticks of the event's clock in a sample at 8000 Hz.
    ratio: u32,
    /// At most [`MEMORY`]; most calls have few, and a frame looks at each.
    presses: Vec<Option<EventPress>>,
    style: Style,
    /// End copies of this sender were seen to share the timestamp.
    ends_share_timestamp: bool,
    /// End copies of this sender were seen to have timestamps of their own.
    ends_restamped: bool,
    serial: u32,
    /// Codes above 15 and payloads too short, not counted as presses.
    ignored: u32,
    /// The last code above 15.
    other: Option<u8>,
    others: Others,
    /// Nothing comes of time passing before this.
    alarm: u64,
}

impl EventDetector {
    pub(crate) fn new() -> Self {
        EventDetector {
            ratio: 1,
            presses: Vec::with_capacity(MEMORY),
            style: Style::Unknown,
            ends_share_timestamp: false,
            ends_restamped: false,
            serial: 0,
            ignored: 0,
            other: None,
            others: Others::default(),
            alarm: u64::MAX,
        }
    }

    /// Events come in another clock from now on: so many ticks in a sample at 8000 Hz.
    pub(crate) fn set_ratio(&mut self, ratio: u32) {
        self.ratio = ratio.max(1);
    }

    /// Packets that were no digits.
    pub(crate) fn ignored(&self) -> u32 {
        self.ignored
    }

    /// The last code above 15.
    pub(crate) fn other(&self) -> Option<u8> {
        self.other
    }

    /// A packet of the stream that is no event.
    pub(crate) fn other_packet(&mut self, ssrc: u32, sequence: u16) {
        self.others.packet(ssrc, sequence);
    }

    /// Takes a packet in arrival order; reports go to `report`: at most one per remembered press.
    pub(crate) fn packet(
        &mut self,
        at: u64,
        source: (u32, u16),
        timestamp: u32,
        marker: bool,
        payload: &[u8],
        report: &mut impl FnMut(EventReport),
    ) {
        self.advance(at, report);
        self.alarm = 0;
        let event = EventPayload::read(payload);
        let Some(event) = event.filter(|event| event.code < 16) else {
            self.ignored = self.ignored.saturating_add(1);
            self.other = event.map(|event| event.code).or(self.other);
            return;
        };
        let others = self.others;
        let (ssrc, sequence) = source;
        let packet = Packet { at, ssrc, sequence, timestamp, marker, event };
        let start = self.start_of(&packet);
        if let Some(index) = self.find(&packet, start) {
            self.learn(index, &packet);
            let start = self.start_of(&packet);
            if let Some(press) = self.presses[index].as_mut() {
                press.add(&packet, start);
                if packet.event.end {
                    press.is_open = false;
                }
                report(press.report(false, &others));
            }
            return;
        }
        if let Some(index) = self.find_late_source(&packet) {
            if let Some(press) = self.presses[index].as_mut() {
                press.former = Some((packet.ssrc, start));
                press.add(&packet, start);
                report(press.report(false, &others));
            }
            return;
        }
        if let Some(index) = self.find_former_source(&packet, start) {
            if let Some(press) = self.presses[index].as_mut() {
                press.adopt(&packet, start);
                press.add(&packet, start);
                press.is_open &= !packet.event.end;
                report(press.report(false, &others));
            }
            return;
        }
        self.close_older(&packet, report);
        self.serial = self.serial.wrapping_add(1);
        let mut press = EventPress::new(self.serial, &packet, start);
        report(press.report(true, &others));
        if packet.event.end {
            press.is_open = false;
            report(press.report(false, &others));
        }
        match self.free_slot() {
            Some(slot) => self.presses[slot] = Some(press),
            None => self.presses.push(Some(press)),
        }
    }

    /// Takes what a redundant packet repeats of an earlier one: nothing, if a press on that media time is known.
    ///
    /// RFC 4733 §2.5.1.2 lets a sender repeat whole events so, long after their end; that is no new press.
    pub(crate) fn redundant(
        &mut self,
        at: u64,
        source: (u32, u16),
        timestamp: u32,
        payload: &[u8],
        report: &mut impl FnMut(EventReport),
    ) {
        let Some(event) = EventPayload::read(payload).filter(|e| e.code < 16) else { return };
        let packet = Packet { at, ssrc: source.0, sequence: source.1, timestamp, marker: false, event };
        let start = self.start_of(&packet);
        let known = |press: &EventPress| press.code == event.code && press.is_near(&packet, start);
        if !self.presses.iter().flatten().any(known) {
            self.packet(at, source, timestamp, false, payload, report);
        }
    }

    /// The press by whose knowledge [`redundant`](Self::redundant) takes nothing; `None` if there is none.
    pub(crate) fn known(&self, at: u64, source: (u32, u16), timestamp: u32, payload: &[u8]) -> Option<u32> {
        let event = EventPayload::read(payload)?;
        let packet = Packet { at, ssrc: source.0, sequence: source.1, timestamp, marker: false, event };
        let start = self.start_of(&packet);
        let is_it = |press: &&EventPress| press.code == event.code && press.is_near(&packet, start);
        self.presses.iter().flatten().find(is_it).map(|press| press.serial)
    }

    /// Ends presses that have been silent for 400 ms and forgets those of long ago.
    pub(crate) fn advance(&mut self, at: u64, report: &mut impl FnMut(EventReport)) {
        if at < self.alarm {
            return;
        }
        let others = self.others;
        let mut alarm = u64::MAX;
        for slot in &mut self.presses {
            let Some(press) = slot else { continue };
            let silent = at.saturating_sub(press.last_at);
            if press.is_open && silent > TIME_OUT {
                press.is_open = false;
                report(press.report(false, &others));
            }
            if silent > FORGET {
                *slot = None;
                continue;
            }
            alarm = alarm.min(press.last_at + 1 + if press.is_open { TIME_OUT } else { FORGET });
        }
        self.alarm = alarm;
    }

    /// Before this, [`advance`](Self::advance) changes nothing.
    pub(crate) fn alarm(&self) -> u64 {
        self.alarm
    }

    /// The RTP timestamp at which the packet's event began.
    fn start_of(&self, packet: &Packet) -> u32 {
        match self.style {
            Style::Advancing(ptime) => {
                packet.timestamp.wrapping_add(ptime).wrapping_sub(u32::from(packet.event.duration))
            }
            _ => packet.timestamp,
        }
    }

    /// The remembered press that the packet belongs to: of several on one timestamp, the one nearest in
    /// sequence.
    fn find(&self, packet: &Packet, start: u32) -> Option<usize> {
        let fits = |press: &EventPress| press.code == packet.event.code && self.belongs(press, packet, start);
        (0..self.presses.len())
            .filter_map(|index| self.presses[index].filter(fits).map(|press| (index, press)))
            .min_by_key(|(_, press)| (press.distance(packet), press.serial))
            .map(|(index, _)| index)
    }

    fn belongs(&self, press: &EventPress, packet: &Packet, start: u32) -> bool {
        if press.ssrc != packet.ssrc {
            // A late packet of the source before the change.
            return press.former == Some((packet.ssrc, start));
        }
        if !self.ends_share_timestamp && press.is_restamped_end(packet, start) {
            return true;
        }
        if press.is_near(packet, start) {
            return !press.is_restart(packet, start) && !self.is_superseded(press, packet, start);
        }
        if self.ends_restamped && !packet.event.end && press.is_late_update(packet) {
            return true;
        }
        self.style == Style::Unknown && advancing(press, packet, self.ratio).is_some()
    }

    /// Whether another key was pressed between this press and the packet.
    fn is_superseded(&self, press: &EventPress, packet: &Packet, start: u32) -> bool {
        let is_copy = packet.event.end && packet.event.duration == press.final_duration;
        let continues = packet.event.end && start == press.start && {
            press.end_sequence.is_none() && u32::from(packet.event.duration) >= press.length
        };
        if is_copy || continues {
            return false;
        }
        self.presses.iter().flatten().any(|other| {
            let newer = |a: u16, b: u16| (a.wrapping_sub(b) as i16) > 0;
            other.serial != press.serial
                && other.ssrc == press.ssrc
                && other.code != press.code
                && newer(other.first_sequence, press.last_sequence)
                && newer(packet.sequence, other.last_sequence)
        })
    }

    /// Learns the sender's style from a packet that joins a press.
    fn learn(&mut self, index: usize, packet: &Packet) {
        let Some(press) = self.presses[index].as_mut().filter(|p| p.ssrc == packet.ssrc) else { return };
        self.ends_restamped |= press.is_restamped_end(packet, packet.timestamp);
        if packet.timestamp == press.last_timestamp {
            if packet.event.duration != press.last_duration && press.last_duration > 0 {
                self.style = Style::Constant;
            }
            let ahead = press.ahead(packet);
            if packet.event.end && press.end_sequence == Some(press.last_sequence) && ahead > 0 {
                self.ends_share_timestamp = true;
            }
        } else if self.style == Style::Unknown
            && let Some((ptime, true)) = advancing(press, packet, self.ratio)
        {
            self.style = Style::Advancing(ptime);
            press.start =
                press.last_timestamp.wrapping_add(ptime).wrapping_sub(u32::from(press.last_duration));
            press.length = u32::from(press.last_duration);
        }
    }

    /// An open press that the packet continues from another SSRC.
    fn find_former_source(&self, packet: &Packet, start: u32) -> Option<usize> {
        self.presses.iter().position(|slot| {
            let Some(press) = slot.filter(|p| p.code == packet.event.code && p.ssrc != packet.ssrc) else {
                return false;
            };
            let passed = packet.at as i64 - press.last_at as i64;
            let ticks = i64::from(packet.event.duration) - i64::from(press.last_duration);
            let grown = ticks / i64::from(self.ratio);
            if press.end_sequence.is_some() {
                return packet.event.end && ticks == 0 && passed <= SOURCE_CHANGE_SLACK;
            }
            let is_first =
                packet.marker && i64::from(packet.event.duration) <= i64::from(press.last_duration);
            press.is_open
                && !is_first
                && (start == press.start || ticks >= 0)
                && (grown - passed).abs() <= SOURCE_CHANGE_SLACK
        })
    }

    /// A press that a new source has taken over, whose beginning by the old one arrives late.
    fn find_late_source(&self, packet: &Packet) -> Option<usize> {
        self.presses.iter().position(|slot| {
            let Some(press) = slot.filter(|p| p.code == packet.event.code && p.ssrc != packet.ssrc) else {
                return false;
            };
            let is_old = |p: &EventPress| p.serial < press.serial && p.ssrc == packet.ssrc;
            let is_new = |p: &EventPress| p.serial < press.serial && p.ssrc == press.ssrc;
            press.former.is_none()
                && packet.event.duration < press.last_duration
                && packet.at.saturating_sub(press.last_at) <= LATE_SOURCE
                && self.presses.iter().flatten().any(is_old)
                && !self.presses.iter().flatten().any(is_new)
        })
    }

    /// A new event ends those before it.
    fn close_older(&mut self, packet: &Packet, report: &mut impl FnMut(EventReport)) {
        let others = self.others;
        for press in self.presses.iter_mut().flatten() {
            let is_older = press.ssrc != packet.ssrc || press.ahead(packet) > 0;
            if press.is_open && is_older {
                press.is_open = false;
                report(press.report(false, &others));
            }
        }
    }

    /// An empty slot; if all are taken, that of the press unheard of for longest. `None`: there is room for one more.
    fn free_slot(&self) -> Option<usize> {
        let age = |slot: &Option<EventPress>| slot.map_or(0, |p| p.last_at + 1);
        let oldest = (0..self.presses.len()).min_by_key(|&i| age(&self.presses[i]))?;
        (self.presses[oldest].is_none() || self.presses.len() == MEMORY).then_some(oldest)
    }
}

/// Whether the packet continues (or precedes, if reordered) the press's newest with a timestamp of its own:
/// the packet time in ticks, and whether the duration grows with it.
fn advancing(press: &EventPress, packet: &Packet, ratio: u32) -> Option<(u32, bool)> {
    let ahead = i32::from(press.ahead(packet));
    if ahead == 0 || ahead.abs() > ADVANCING_GAP || (ahead > 0 && press.end_sequence.is_some()) {
        return None;
    }
    let step = packet.timestamp.wrapping_sub(press.last_timestamp) as i32;
    let ptime = step / ahead;
    // Packets of up to 120 ms.
    if !(1..=960 * ratio as i32).contains(&ptime) || step % ahead != 0 {
        return None;
    }
    let duration = i32::from(packet.event.duration);
    let before = i32::from(press.last_duration);
    if duration == before + step && before.min(duration) >= ptime {
        return Some((ptime.unsigned_abs(), true));
    }
    // The duration stays at one packet time.
    (duration == before && duration == ptime && !packet.marker).then_some((ptime.unsigned_abs(), false))
}

#[cfg(test)]
#[path = "detector_tests.rs"]
mod tests;
