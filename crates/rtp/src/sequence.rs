//! Which packets belong to the stream and where: source lock, sequence numbers, restarts (RFC 3550 A.1).
//!
//! Every accepted packet gets an *index*: its sequence number unwrapped to 64 bits. A restart of the sequence
//! or a new source goes on at the next index, so that whatever is ordered by index knows no restarts.

/// Largest forward jump that is taken for loss (RFC 3550 A.1).
const MAX_DROPOUT: u16 = 3000;
/// Largest backward jump that is taken for reordering (RFC 3550 A.1).
const MAX_MISORDER: u16 = 100;
/// First index: leaves room below for packets that overtook the first one.
const BASE: u64 = 1 << 16;

/// Where a packet stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// The first packet of all: its source is locked.
    First(u64),
    /// In the sequence: ahead of all others or not (reordered or duplicate).
    At {
        /// Unwrapped sequence number.
        index: u64,
        /// Higher than any before.
        newest: bool,
    },
    /// The second packet in order after a restart (or of a new source): the packet before it, held back by
    /// the caller, is at `index`, this one at `index + 1`.
    Restart {
        /// Index of the packet that was on probation.
        index: u64,
        /// The source changed, too.
        source: bool,
    },
    /// On probation: sequence far off.
    FarOff,
    /// On probation: another source.
    OtherSource,
}

/// Follows the sequence numbers of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sequence {
    source: Option<u32>,
    highest: u64,
    /// Maps a sequence number to an index: `index = sequence + offset` modulo 2^16.
    offset: u16,
    /// Index and sequence number at which the present sequence began.
    began: (u64, u16),
    /// Source and sequence number that would end the probation.
    candidate: Option<(u32, u16)>,
}

impl Sequence {
    /// The locked source.
    pub(crate) fn source(&self) -> Option<u32> {
        self.source
    }

    /// Where a packet of this source would stand, without taking it: only near the highest index.
    pub(crate) fn index_of(&self, source: u32, sequence: u16) -> Option<u64> {
        let expected = (self.highest as u16).wrapping_sub(self.offset);
        let ahead = i64::from(sequence.wrapping_sub(expected) as i16);
        let near = -i64::from(MAX_MISORDER)..=i64::from(MAX_DROPOUT);
        let index = self.highest.checked_add_signed(ahead)?;
        (self.source == Some(source) && near.contains(&ahead)).then_some(index)
    }

    /// The highest index so far.
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    /// The indices from the first packet's to the highest: packets expected (RFC 3550 A.3).
    pub(crate) fn expected(&self) -> u64 {
        match self.source {
            Some(_) => self.highest - BASE + 1,
            None => 0,
        }
    }

    /// The highest sequence number with its cycles, for report blocks (RFC 3550 §6.4.1).
    pub(crate) fn extended(&self) -> u32 {
        let (index, sequence) = self.began;
        u32::from(sequence).wrapping_add(self.highest.wrapping_sub(index) as u32)
    }

    /// Places a packet; the state changes only if it is accepted or put on probation.
    pub(crate) fn place(&mut self, source: u32, sequence: u16) -> Place {
        match self.source {
            None => {
                self.source = Some(source);
                self.start(sequence, BASE);
                Place::First(BASE)
            }
            Some(locked) if locked == source => self.follow(source, sequence),
            Some(_) => match self.probation(source, sequence) {
                Some(index) => {
                    self.source = Some(source);
                    Place::Restart { index, source: true }
                }
                None => Place::OtherSource,
            },
        }
    }

    fn follow(&mut self, source: u32, sequence: u16) -> Place {
        let index16 = sequence.wrapping_add(self.offset);
        let ahead = index16.wrapping_sub(self.highest as u16);
        if ahead < MAX_DROPOUT {
            let newest = ahead > 0;
            self.highest += u64::from(ahead);
            if newest {
                // The locked source goes on: whoever was on probation is not its successor.
                self.candidate = None;
            }
            return Place::At { index: self.highest, newest };
        }
        let behind = ahead.wrapping_neg();
        if behind <= MAX_MISORDER {
            return Place::At { index: self.highest - u64::from(behind), newest: false };
        }
        match self.probation(source, sequence) {
            Some(index) => Place::Restart { index, source: false },
            None => Place::FarOff,
        }
    }

    /// Two packets in order end a probation.
    fn probation(&mut self, source: u32, sequence: u16) -> Option<u64> {
        if self.candidate == Some((source, sequence)) {
            let index = self.highest + 1;
            self.start(sequence, index + 1);
            return Some(index);
        }
        self.candidate = Some((source, sequence.wrapping_add(1)));
        None
    }

    fn start(&mut self, sequence: u16, index: u64) {
        self.highest = index;
        self.offset = (index as u16).wrapping_sub(sequence);
        self.began = (index, sequence);
        self.candidate = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(place: Place) -> u64 {
        match place {
            Place::First(index) | Place::At { index, .. } | Place::Restart { index, .. } => index,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn wraps_without_a_seam() {
        let mut sequence = Sequence::default();
        let first = index(sequence.place(1, 65_530));
        for step in 1..20u16 {
            let place = sequence.place(1, 65_530u16.wrapping_add(step));
            assert_eq!(index(place), first + u64::from(step));
        }
        assert_eq!(sequence.expected(), 20);
        assert_eq!(sequence.extended(), 1 << 16 | 13);
    }

    #[test]
    fn old_ones_find_their_place() {
        let mut sequence = Sequence::default();
        let first = index(sequence.place(1, 3));
        assert_eq!(sequence.place(1, 1), Place::At { index: first - 2, newest: false });
        assert_eq!(sequence.place(1, 65_535), Place::At { index: first - 4, newest: false });
        assert_eq!(sequence.expected(), 1);
    }

    #[test]
    fn a_restart_needs_two_in_order() {
        let mut sequence = Sequence::default();
        let first = index(sequence.place(1, 100));
        assert_eq!(sequence.place(1, 30_000), Place::FarOff);
        assert_eq!(sequence.place(1, 101), Place::At { index: first + 1, newest: true });
        assert_eq!(sequence.place(1, 30_001), Place::FarOff);
        assert_eq!(sequence.place(1, 30_002), Place::Restart { index: first + 2, source: false });
        assert_eq!(sequence.place(1, 30_003), Place::At { index: first + 4, newest: true });
    }

    #[test]
    fn a_new_source_needs_two_in_order_and_the_old_one_silent() {
        let mut sequence = Sequence::default();
        let first = index(sequence.place(1, 100));
        assert_eq!(sequence.place(2, 7), Place::OtherSource);
        assert_eq!(index(sequence.place(1, 101)), first + 1);
        assert_eq!(sequence.place(2, 8), Place::OtherSource);
        assert_eq!(sequence.place(2, 9), Place::Restart { index: first + 2, source: true });
        assert_eq!(sequence.source(), Some(2));
        assert_eq!(index(sequence.place(2, 10)), first + 4);
    }
}
