//! What the caller of one call hears: how evenly its packets come, and which do not.
use super::histogram::Histogram;

/// Silence that a jitter buffer of a usual telephone bridges, ns.
const GAP: u64 = 40_000_000;
/// Silence that everybody hears, ns.
const LONG_GAP: u64 = 100_000_000;
/// A sequence number further off than this is a new beginning (RFC 3550 A.1, MAX_DROPOUT).
const DROPOUT: i32 = 3000;

/// Counts of one call, or of many together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Packets that came, copies not counted.
    pub received: u64,
    /// Packets that never came, by their sequence numbers.
    pub lost: u64,
    /// Packets that came again.
    pub duplicated: u64,
    /// Packets that came after one with a higher sequence number.
    pub reordered: u64,
    /// Streams that began anew in mid-call.
    pub restarts: u64,
    /// Times of more than 40 ms without a packet.
    pub gaps: u64,
    /// Of these, of more than 100 ms.
    pub long_gaps: u64,
    /// The longest time without a packet, ns.
    pub longest: u64,
}

impl Heard {
    /// Adds the counts of another call.
    pub fn add(&mut self, other: &Heard) {
        self.received += other.received;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.restarts += other.restarts;
        self.gaps += other.gaps;
        self.long_gaps += other.long_gaps;
        self.longest = self.longest.max(other.longest);
    }
}

/// Listens to one stream. Times are the kernel's receive times, in ns.
#[derive(Clone, Debug, Default)]
pub struct Ear {
    /// Source, highest sequence number (extended) and when it came.
    last: Option<(u32, u32, u64)>,
    /// Bit n: the packet n before the highest has come.
    seen: u64,
    /// Distinct sequence numbers from the first one counted to the highest.
    expected: u64,
    heard: Heard,
}

impl Ear {
    /// Begins to count now: what came so far is forgotten, but not when the last packet came.
    pub fn begin(&mut self) {
        (self.expected, self.heard) = (0, Heard::default());
    }

    /// One packet; its deviation from `ptime` (ns) after the one before goes to `deviations`.
    pub fn packet(&mut self, at: u64, source: u32, sequence: u16, ptime: u64, deviations: &mut Histogram) {
        let Some((known, highest, before)) = self.last else {
            return self.start(at, source, sequence);
        };
        let ahead = i32::from(sequence.wrapping_sub(highest as u16) as i16);
        if source != known || ahead.abs() > DROPOUT {
            self.heard.restarts += 1;
            self.silence(at.saturating_sub(before));
            return self.start(at, source, sequence);
        }
        if ahead > 0 {
            let silence = at.saturating_sub(before);
            deviations.add(silence.abs_diff(ptime * ahead as u64));
            self.silence(silence);
            self.seen = if ahead < 64 { self.seen << ahead | 1 } else { 1 };
            self.expected += ahead as u64;
            self.heard.received += 1;
            self.last = Some((known, highest.wrapping_add(ahead as u32), at));
            return;
        }
        let bit = 1u64.checked_shl(ahead.unsigned_abs()).unwrap_or(0);
        if bit == 0 || self.seen & bit != 0 {
            self.heard.duplicated += 1;
        } else {
            self.seen |= bit;
            self.heard.reordered += 1;
            // One from before the beginning of the count makes up for nothing.
            self.heard.received += u64::from(u64::from(ahead.unsigned_abs()) < self.expected);
        }
    }

    /// A packet that had come before, by what protects the stream.
    pub fn copy(&mut self) {
        self.heard.duplicated += 1;
    }

    /// The count up to now.
    pub fn heard(&self, now: u64) -> Heard {
        let mut ear = self.clone();
        if let Some((_, _, before)) = ear.last {
            ear.silence(now.saturating_sub(before));
        }
        Heard { lost: ear.expected.saturating_sub(ear.heard.received), ..ear.heard }
    }

    /// Whether any packet came since the count began.
    pub fn is_silent(&self) -> bool {
        self.heard.received == 0
    }

    fn start(&mut self, at: u64, source: u32, sequence: u16) {
        self.last = Some((source, u32::from(sequence), at));
        self.seen = 1;
        self.expected += 1;
        self.heard.received += 1;
    }

    fn silence(&mut self, ns: u64) {
        self.heard.gaps += u64::from(ns > GAP);
        self.heard.long_gaps += u64::from(ns > LONG_GAP);
        self.heard.longest = self.heard.longest.max(ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn hear(packets: &[(u64, u16)], until: u64) -> (Heard, Histogram) {
        let (mut ear, mut deviations) = (Ear::default(), Histogram::default());
        for (ms, sequence) in packets {
            ear.packet(ms * MS, 7, *sequence, 20 * MS, &mut deviations);
        }
        (ear.heard(until * MS), deviations)
    }

    #[test]
    fn an_even_stream_has_no_fault_across_the_turn_of_its_numbers() {
        let packets: Vec<_> = (0..100u16).map(|n| (u64::from(n) * 20, n.wrapping_sub(50))).collect();
        let (heard, deviations) = hear(&packets, 1_990);
        assert_eq!(heard, Heard { received: 100, longest: 20 * MS, ..Heard::default() });
        assert_eq!((deviations.total(), deviations.largest_ms()), (99, 0.0));
    }

    #[test]
    fn loss_copies_and_disorder_are_told_apart() {
        let (heard, deviations) = hear(&[(0, 1), (20, 2), (21, 2), (60, 4), (61, 3), (62, 3), (120, 7)], 120);
        let expected = Heard {
            received: 5,
            lost: 2,
            duplicated: 2,
            reordered: 1,
            gaps: 1,
            longest: 60 * MS,
            ..Heard::default()
        };
        assert_eq!(heard, expected);
        // A hole counts with the time that its packets would have taken.
        assert_eq!(deviations.largest_ms(), 0.0);
    }

    #[test]
    fn silence_counts_also_at_the_end_and_behind_a_time_stamp() {
        let (heard, deviations) = hear(&[(0, 1), (500, 2), (520, 3)], 670);
        assert_eq!((heard.gaps, heard.long_gaps, heard.longest), (2, 2, 500 * MS));
        assert_eq!(deviations.largest_ms(), 480.0);
    }

    #[test]
    fn a_count_that_begins_anew_knows_when_the_last_packet_came() {
        let (mut ear, mut deviations) = (Ear::default(), Histogram::default());
        ear.packet(0, 7, 1, 20 * MS, &mut deviations);
        ear.packet(20 * MS, 7, 5, 20 * MS, &mut deviations);
        assert_eq!(ear.heard(20 * MS).lost, 3);
        ear.begin();
        ear.packet(60 * MS, 7, 6, 20 * MS, &mut deviations);
        ear.packet(61 * MS, 7, 4, 20 * MS, &mut deviations);
        let heard = ear.heard(61 * MS);
        assert_eq!((heard.received, heard.lost, heard.reordered, heard.longest), (1, 0, 1, 40 * MS));
    }

    #[test]
    fn another_source_is_a_new_beginning_and_no_loss() {
        let (mut ear, mut deviations) = (Ear::default(), Histogram::default());
        ear.packet(0, 7, 1, 20 * MS, &mut deviations);
        ear.packet(20 * MS, 8, 40_000, 20 * MS, &mut deviations);
        ear.packet(40 * MS, 8, 40_001, 20 * MS, &mut deviations);
        let heard = ear.heard(40 * MS);
        assert_eq!((heard.received, heard.lost, heard.restarts), (3, 0, 1));
    }
}
