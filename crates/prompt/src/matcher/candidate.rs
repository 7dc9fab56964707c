//! One clip at one place of the stream, compared sample by sample.
use super::index::Pattern;

/// Equal octets in a row that count as a match; fewer happen by chance.
const RUN: u32 = 8;

/// Loud samples that differ in a row of mismatches before the clip counts as cut off (150 ms).
const CUT: u32 = 1200;

/// A clip is complete if fewer loud samples than this differ at its end.
const LOOSE_END: u32 = 32;

/// Loud samples that prove a part of a clip (60 ms).
const PROOF: u32 = 480;

/// A clip that may be in the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub pattern: u32,
    /// Place of the clip's first sample, on the stream's clock in samples; before 0 if the stream began within it.
    pub start: i64,
    /// The same of its first piece, if a jitter buffer shifted the rest.
    pub begun: i64,
    /// Next sample of the clip to be compared.
    at: u32,
    run: u32,
    run_loud: u32,
    /// Loud samples that were the same.
    pub weight: u32,
    /// Loud samples that were not received.
    lost: u32,
    /// Loud samples that differ since the last match.
    loose: u32,
    /// Places in the stream of the first and behind the last matched sample.
    pub first: i64,
    pub last: i64,
    /// Pieces of which it was put together again after a shift.
    pub pieces: u32,
}

impl Candidate {
    /// `at`: sample of the clip with which comparing begins.
    pub fn new(pattern: u32, start: i64, at: u32) -> Self {
        Self {
            pattern,
            start,
            begun: start,
            at,
            run: 0,
            run_loud: 0,
            weight: 0,
            lost: 0,
            loose: 0,
            first: start,
            last: start,
            pieces: 1,
        }
    }

    /// Compares the next sample of the stream; `None` was not received.
    pub fn step(&mut self, octet: Option<u8>, pattern: &Pattern, loud: &[bool; 256]) {
        let Some(expected) = pattern.audio.get(self.at as usize) else {
            return;
        };
        let is_loud = u32::from(loud[usize::from(*expected)]);
        self.at += 1;
        match octet {
            None => self.lost += is_loud,
            Some(octet) if octet == *expected => {
                self.run += 1;
                self.run_loud += is_loud;
                if self.run >= RUN && self.run_loud > 0 {
                    self.last = self.start + i64::from(self.at);
                    if self.weight == 0 {
                        self.first = self.last - i64::from(self.run);
                    }
                    self.weight += self.run_loud;
                    self.run_loud = 0;
                    self.loose = 0;
                }
            }
            Some(_) => {
                self.run = 0;
                self.run_loud = 0;
                self.loose += is_loud;
            }
        }
    }

    /// True when nothing more is to be compared.
    pub fn is_over(&self, pattern: &Pattern) -> bool {
        self.at as usize >= pattern.audio.len() || self.loose >= CUT
    }

    /// True if the clip was heard to its end, apart from lost packets and a few garbled ones.
    pub fn is_complete(&self, pattern: &Pattern) -> bool {
        self.at as usize >= pattern.audio.len()
            && self.loose < LOOSE_END
            && 10 * (self.weight + self.lost) >= 7 * pattern.loud
            && 10 * self.weight >= 3 * pattern.loud
    }

    /// True if what matched cannot be chance.
    pub fn is_proven(&self, pattern: &Pattern) -> bool {
        self.weight >= PROOF.min(pattern.loud * 6 / 10)
    }

    /// True if the matched parts of the two lie in the same stretch of the stream, for half of the shorter at least.
    pub fn overlaps(&self, other: &Self) -> bool {
        let common = self.last.min(other.last) - self.first.max(other.first);
        let shorter = (self.last - self.first).min(other.last - other.first);
        common > 0 && 2 * common >= shorter
    }

    /// True if this one explains the stream better.
    pub fn beats(&self, other: &Self, pattern: &Pattern, other_pattern: &Pattern) -> bool {
        if self.weight.abs_diff(other.weight) > super::index::WINDOW as u32 {
            return self.weight > other.weight;
        }
        let rank = |candidate: &Self, pattern: &Pattern| {
            (candidate.is_complete(pattern), std::cmp::Reverse(candidate.pieces), candidate.weight)
        };
        let (mine, theirs) = (rank(self, pattern), rank(other, other_pattern));
        // Of two that are alike, one must win.
        (mine, other.pattern, other.start) > (theirs, self.pattern, self.start)
    }

    /// True if `later` is the rest of the same clip after a jitter buffer dropped or inserted samples.
    pub fn goes_on_in(&self, later: &Self) -> bool {
        const SHIFT: u64 = 800;
        self.pattern == later.pattern
            && self.start.abs_diff(later.start) <= SHIFT
            && later.first + 8 >= self.last
            && later.weight > 0
    }

    /// Takes over what an earlier piece had heard.
    pub fn absorb(&mut self, earlier: &Self) {
        self.weight += earlier.weight;
        self.lost += earlier.lost;
        self.first = earlier.first;
        self.begun = earlier.begun;
        self.pieces += earlier.pieces;
    }
}
