//! One press as telephone-event packets told it.

use super::packet::EventPayload;

/// A telephone-event packet, reduced to what tells presses apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    /// Arrival, samples on the media clock.
    pub at: u64,
    pub ssrc: u32,
    pub sequence: u16,
    /// RTP timestamp as sent.
    pub timestamp: u32,
    pub marker: bool,
    pub event: EventPayload,
}

/// What the event detector reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EventReport {
    /// Names the press; grows with each new one.
    pub serial: u32,
    pub code: u8,
    /// True in the first report of a press.
    pub is_new: bool,
    /// RTP timestamp of the start.
    pub timestamp: u32,
    /// Samples since the start, so far.
    pub duration: u32,
    /// The press is over.
    pub is_over: bool,
    pub packets: u16,
    pub duplicates: u16,
    pub lost: u16,
}

/// Durations from here on may be the last of a segment (some senders cut a little below 0xFFFF).
const SEGMENT_LIKE: u16 = 0xF000;
/// Packets by which the re-stamped copies of an end may follow it (RFC 4733 §2.5.1.4 sends two).
const END_COPIES: i16 = 2;
/// Packets by which copies of an end on the same timestamp may follow it.
const LATE_END_COPIES: i16 = 16;

/// Sequence numbers of late that were not events'.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Others {
    ssrc: u32,
    newest: u16,
    /// Bit n: `newest - n`.
    seen: u128,
}

impl Others {
    /// Such a packet came.
    pub(crate) fn packet(&mut self, ssrc: u32, sequence: u16) {
        if self.ssrc != ssrc {
            *self = Others { ssrc, newest: sequence, seen: 0 };
        }
        let ahead = sequence.wrapping_sub(self.newest) as i16;
        if ahead > 0 {
            self.seen = self.seen.checked_shl(ahead as u32).unwrap_or(0);
            self.newest = sequence;
        }
        self.seen |= 1u128.checked_shl(ahead.min(0).unsigned_abs().into()).unwrap_or(0);
    }

    fn has(&self, ssrc: u32, sequence: u16) -> bool {
        let back = self.newest.wrapping_sub(sequence) as i16;
        self.ssrc == ssrc && (0..128).contains(&back) && self.seen >> back & 1 != 0
    }
}

/// A press in the table: the interval [start, start + length) of media time of one event code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventPress {
    pub serial: u32,
    pub code: u8,
    pub ssrc: u32,
    /// RTP timestamp of the start.
    pub start: u32,
    /// Samples since the start, the longest told.
    pub length: u32,
    pub first_sequence: u16,
    pub last_sequence: u16,
    /// Sequence number of the first end packet.
    pub end_sequence: Option<u16>,
    /// Duration field of the end packets.
    pub final_duration: u16,
    /// Timestamp and duration as sent in the packet with the newest sequence number.
    pub last_timestamp: u32,
    pub last_duration: u16,
    /// Source and start before an SSRC change in mid-event.
    pub former: Option<(u32, u32)>,
    pub is_open: bool,
    pub last_at: u64,
    pub packets: u16,
    pub duplicates: u16,
    /// Sequence numbers seen, bit n = last_sequence - n.
    seen: u64,
}

impl EventPress {
    pub(crate) fn new(serial: u32, packet: &Packet, start: u32) -> EventPress {
        let mut press = EventPress {
            serial,
            code: packet.event.code,
            ssrc: packet.ssrc,
            start,
            length: 0,
            first_sequence: packet.sequence,
            last_sequence: packet.sequence,
            end_sequence: None,
            final_duration: 0,
            last_timestamp: packet.timestamp,
            last_duration: packet.event.duration,
            former: None,
            is_open: true,
            last_at: packet.at,
            packets: 0,
            duplicates: 0,
            seen: 0,
        };
        press.add(packet, start);
        press
    }

    /// Samples from the press's start to `start`.
    fn offset(&self, start: u32) -> i64 {
        i64::from(start.wrapping_sub(self.start) as i32)
    }

    /// Packets from the press's newest to `packet`; negative for an older one.
    pub(crate) fn ahead(&self, packet: &Packet) -> i16 {
        packet.sequence.wrapping_sub(self.last_sequence) as i16
    }

    /// Packets between `packet` and those of this press: 0 inside.
    pub(crate) fn distance(&self, packet: &Packet) -> u16 {
        if packet.ssrc != self.ssrc {
            return 0;
        }
        let before = self.first_sequence.wrapping_sub(packet.sequence) as i16;
        self.ahead(packet).max(before).max(0).unsigned_abs()
    }

    /// Takes `packet`, whose event starts at RTP timestamp `start`, as one of this press.
    pub(crate) fn add(&mut self, packet: &Packet, start: u32) {
        self.packets = self.packets.saturating_add(1);
        self.last_at = self.last_at.max(packet.at);
        if packet.ssrc == self.ssrc {
            let ahead = self.ahead(packet);
            if ahead > 0 || self.packets == 1 {
                self.seen = if ahead < 64 { self.seen << ahead | 1 } else { 1 };
                self.last_sequence = packet.sequence;
                self.last_timestamp = packet.timestamp;
                self.last_duration = packet.event.duration;
            } else {
                let bit = 1u64.checked_shl(u32::from(ahead.unsigned_abs())).unwrap_or(0);
                if self.seen & bit != 0 {
                    self.duplicates = self.duplicates.saturating_add(1);
                }
                self.seen |= bit;
                if (packet.sequence.wrapping_sub(self.first_sequence) as i16) < 0 {
                    self.first_sequence = packet.sequence;
                }
            }
        }
        let reach = self.offset(start).max(0) + i64::from(packet.event.duration);
        if !self.is_restamped_end(packet, start) {
            self.length = self.length.max(u32::try_from(reach).unwrap_or(0));
        }
        if packet.event.end {
            let older = self.end_sequence.is_none_or(|s| (packet.sequence.wrapping_sub(s) as i16) < 0);
            if older {
                self.end_sequence = Some(packet.sequence);
                self.final_duration = packet.event.duration;
            }
        }
    }

    /// Continues this press from a new source: SSRC change in mid-event.
    pub(crate) fn adopt(&mut self, packet: &Packet, start: u32) {
        self.former = Some((self.ssrc, self.start));
        self.ssrc = packet.ssrc;
        self.start = start;
        self.first_sequence = packet.sequence;
        self.last_sequence = packet.sequence;
        self.last_timestamp = packet.timestamp;
        self.last_duration = packet.event.duration;
        self.end_sequence = None;
        self.seen = 1;
    }

    /// Whether the media time of the packet's event overlaps this press, or touches it as a segment or an
    /// unmarked continuation does.
    pub(crate) fn is_near(&self, packet: &Packet, start: u32) -> bool {
        let from = self.offset(start);
        let to = from + i64::from(packet.event.duration);
        let length = i64::from(self.length);
        if from < length && to > 0 || from == 0 {
            return true;
        }
        let is_segment_start = from > 0 && from % 0xFFFF == 0;
        let is_segment = self.last_duration >= SEGMENT_LIKE || is_segment_start;
        if from == length || is_segment_start {
            return !packet.marker && (self.end_sequence.is_none() || is_segment);
        }
        // Reordered: the earlier part arrives after the part that continues it.
        to == 0 && !packet.event.end && self.ahead(packet) < 0 && packet.event.duration >= SEGMENT_LIKE
    }

    /// Whether a packet with a newer sequence number begins the count anew: another press on media time that
    /// this one holds already (senders that do not move the timestamp).
    pub(crate) fn is_restart(&self, packet: &Packet, start: u32) -> bool {
        let ahead = self.ahead(packet);
        if packet.ssrc != self.ssrc {
            return false;
        }
        if ahead <= 0 {
            // An end before packets that have none: that of an earlier press on the same timestamp.
            let is_segment = packet.event.duration >= SEGMENT_LIKE;
            return ahead < 0 && packet.event.end && self.end_sequence.is_none() && !is_segment;
        }
        let reach = self.offset(start) + i64::from(packet.event.duration);
        let is_shorter = reach < i64::from(self.length);
        let near_segment = packet.event.duration >= SEGMENT_LIKE
            || self.last_duration >= SEGMENT_LIKE
            || self.offset(start) >= i64::from(SEGMENT_LIKE);
        match self.end_sequence {
            Some(_) if near_segment && !is_shorter => false,
            Some(end) if packet.event.end => {
                let after = packet.sequence.wrapping_sub(end) as i16;
                let is_copy = packet.event.duration == self.final_duration;
                after > if is_copy { LATE_END_COPIES } else { END_COPIES + 1 }
            }
            Some(end) => (packet.sequence.wrapping_sub(end) as i16) > 0,
            None => is_shorter && !near_segment,
        }
    }

    /// Whether the packet is a copy of this press's end that was given a timestamp of its own.
    pub(crate) fn is_restamped_end(&self, packet: &Packet, start: u32) -> bool {
        if !packet.event.end || packet.ssrc != self.ssrc || start == self.start {
            return false;
        }
        match self.end_sequence {
            Some(end) => {
                let after = packet.sequence.wrapping_sub(end) as i16;
                packet.event.duration == self.final_duration && (-END_COPIES..=END_COPIES).contains(&after)
            }
            // So few packets after an update there can only be the end of the same press.
            None => {
                let is_longer = packet.event.duration > self.last_duration;
                is_longer && (1..=END_COPIES + 1).contains(&self.ahead(packet))
            }
        }
    }

    /// Whether this press was seen by re-stamped ends only, and the packet is one of its updates, late.
    pub(crate) fn is_late_update(&self, packet: &Packet) -> bool {
        let only_ends = self.end_sequence.is_some_and(|end| end == self.first_sequence);
        let left = i32::from(self.final_duration) - i32::from(packet.event.duration);
        let behind = i32::from(self.first_sequence.wrapping_sub(packet.sequence) as i16);
        only_ends && packet.ssrc == self.ssrc && left > 0 && behind > 0 && {
            // One packet time of 10 to 60 ms a packet.
            left >= 80 * (behind - i32::from(END_COPIES)).max(0) && left <= 480 * behind
        }
    }

    /// Packets missing between those seen, at most 64 back. Some phones (baresip) send audio between the events.
    fn lost(&self, others: &Others) -> u16 {
        let span = self.last_sequence.wrapping_sub(self.first_sequence).min(63) + 1;
        let missing = |back: &u16| {
            let sequence = self.last_sequence.wrapping_sub(*back);
            self.seen >> back & 1 == 0 && !others.has(self.ssrc, sequence)
        };
        (0..span).filter(missing).count() as u16
    }

    pub(crate) fn report(&self, is_new: bool, others: &Others) -> EventReport {
        EventReport {
            serial: self.serial,
            code: self.code,
            is_new,
            timestamp: self.start,
            duration: self.length,
            is_over: !self.is_open,
            packets: self.packets,
            duplicates: self.duplicates,
            lost: self.lost(others),
        }
    }
}
