//! Packet indices: rollover and replay (RFC 3711 §3.3).
use super::SrtpError;

/// Packets that may come late, as bits of the window.
const WINDOW: u64 = 128;
/// The last index of an RTP packet under one key: 48 bits (RFC 3711 §9.2).
pub(crate) const LAST_RTP: u64 = (1 << 48) - 1;
/// The last index of an RTCP packet under one key: 31 bits.
pub(crate) const LAST_RTCP: u64 = (1 << 31) - 1;

/// The indices of one source that were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    highest: u64,
    /// Bit n: `highest - n` was seen.
    window: u128,
}

impl Seen {
    /// Nothing yet; the first packet is likely to be near `highest`.
    pub(crate) fn near(highest: u64) -> Seen {
        Seen { highest, window: 0 }
    }

    /// The highest index so far.
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    /// The likeliest index of a sequence number: the one nearest to the highest (RFC 3711 appendix A).
    pub(crate) fn guess(&self, sequence: u16) -> u64 {
        let (rollover, last) = (self.highest >> 16, self.highest as u16);
        let rollover = if last < 0x8000 {
            let is_before = u32::from(sequence) > u32::from(last) + 0x8000;
            rollover.saturating_sub(u64::from(is_before))
        } else {
            rollover + u64::from(last - 0x8000 > sequence)
        };
        rollover << 16 | u64::from(sequence)
    }

    /// Whether an index may be taken.
    ///
    /// # Errors
    /// [`SrtpError::Replayed`] if it was taken, [`SrtpError::Old`] if it is older than the window.
    pub(crate) fn check(&self, index: u64) -> Result<(), SrtpError> {
        if index > self.highest {
            return Ok(());
        }
        let age = self.highest - index;
        match age < WINDOW {
            true if self.window >> age & 1 == 0 => Ok(()),
            true => Err(SrtpError::Replayed),
            false => Err(SrtpError::Old),
        }
    }

    /// An index was taken; only for packets that proved to be authentic.
    pub(crate) fn take(&mut self, index: u64) {
        if index > self.highest {
            let step = index - self.highest;
            self.window = if step < WINDOW { self.window << step } else { 0 };
            self.highest = index;
        }
        let age = self.highest - index;
        if age < WINDOW {
            self.window |= 1 << age;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_guessed_across_the_rollover() {
        let rows = [
            // highest, sequence, index
            (10, 11, 11),
            (10, 5, 5),
            (0xFFFE, 2, 0x1_0002),
            (0x1_0002, 0xFFFE, 0xFFFE),
            (0x1_0002, 0x7FFF, 0x1_7FFF),
            (0x1_9000, 0x1001, 0x1_1001),
            (0x1_9000, 0x0FFF, 0x2_0FFF),
            // Before the first rollover nothing can be older.
            (2, 0xFFFE, 0xFFFE),
        ];
        for (highest, sequence, index) in rows {
            assert_eq!(Seen::near(highest).guess(sequence), index, "{highest:#x} {sequence:#x}");
        }
    }

    #[test]
    fn each_index_is_taken_once_in_any_order_within_the_window() {
        let mut seen = Seen::near(1000);
        for index in [1000, 1003, 1001, 1130, 1002, 1129] {
            assert_eq!(seen.check(index).is_err(), index == 1002, "{index}");
            seen.take(index);
            let again = if index == 1002 { SrtpError::Old } else { SrtpError::Replayed };
            assert_eq!(seen.check(index), Err(again));
        }
        // 128 packets back is too old, 127 is not.
        assert_eq!(seen.check(1130 - 128), Err(SrtpError::Old));
        assert_eq!(seen.check(1130 - 126), Ok(()));
        assert_eq!(seen.check(1131), Ok(()));
        seen.take(5000);
        assert_eq!(seen.check(5000 - 127), Ok(()));
        assert_eq!(seen.check(1131), Err(SrtpError::Old));
    }
}
