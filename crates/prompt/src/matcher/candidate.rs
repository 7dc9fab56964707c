//! One clip at one place of the stream, compared sample by sample.
use super::index::Pattern;

/// Equal octets in a row that count as a match; fewer happen by chance.
const RUN: u32 = 8;

/// Loud samples that differ in a row of mismatches before the clip counts as cut off (150 ms).
const CUT: u32 = 1200;

/// A clip is complete if fewer loud samples than this differ at its end (25 ms): a jitter buffer that takes time back
/// where it is quiet cuts up to 20 ms of the end.
const LOOSE_END: u32 = 200;

/// Loud samples that each further piece must bring.
const JOINT: u32 = 96;

/// Loud samples that prove the end of a clip of which the rest is known.
const END: u32 = 24;

/// Loud samples that prove a part of a clip (60 ms).
const PROOF: u32 = 480;

/// Longest time by which the rest of a clip is shifted, in samples (2 s).
const SHIFT: u64 = 16_000;

/// Most samples that a jitter buffer drops at once.
const SHORT_SHIFT: i64 = 800;

/// The rest of a clip begins where its first piece ends, apart from samples that match by chance: speech repeats itself.
const CHANCE: i64 = 240;

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
    /// Samples that were not received since the last match.
    hole: u32,
    /// Loud samples among these.
    hole_loud: u32,
    /// Loud samples that were not received before the first match.
    lost_before: u32,
    /// Sample of the clip up to which this piece is certain since it was found.
    seed: i64,
    /// Samples received until comparing was over.
    pub over_at: u64,
    /// Places in the stream of the first and behind the last matched sample.
    pub first: i64,
    pub last: i64,
    /// Pieces of which it was put together again after a shift.
    pub pieces: u32,
}

impl Candidate {
    /// `at`: sample of the clip with which comparing begins; it is also where the piece is certain, until
    /// [`Candidate::sown`] tells better.
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
            hole: 0,
            hole_loud: 0,
            lost_before: 0,
            seed: i64::from(at),
            over_at: 0,
            first: start,
            last: start,
            pieces: 1,
        }
    }

    /// Found by a fingerprint that ends with this sample of the clip.
    pub fn sown(&mut self, end: usize) {
        self.seed = end as i64;
    }

    /// Compares the next sample of the stream; `None` was not received.
    pub fn step(&mut self, octet: Option<u8>, pattern: &Pattern, loud: &[bool; 256]) {
        let Some(expected) = pattern.audio.get(self.at as usize) else {
            return;
        };
        let is_loud = u32::from(loud[usize::from(*expected)]);
        self.at += 1;
        match octet {
            None => {
                self.lost += is_loud;
                self.hole += 1;
                self.hole_loud += is_loud;
                self.run = 0;
                self.run_loud = 0;
            }
            Some(octet) if octet == *expected => {
                self.run += 1;
                self.run_loud += is_loud;
                if self.run >= RUN && self.run_loud > 0 {
                    self.last = self.start + i64::from(self.at);
                    if self.weight == 0 {
                        self.first = self.last - i64::from(self.run);
                        self.lost_before = self.lost;
                    }
                    self.weight += self.run_loud;
                    self.run_loud = 0;
                    self.loose = 0;
                    self.hole = 0;
                    self.hole_loud = 0;
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

    /// A slow form of a clip holds most of its samples, but in many pieces.
    fn score(&self) -> i64 {
        i64::from(self.weight) - i64::from(JOINT * (self.pieces - 1))
    }

    /// True if the matched parts of the two lie in the same stretch of the stream, be it for a sample.
    pub fn touches(&self, other: &Self) -> bool {
        self.last.min(other.last) > self.first.max(other.first)
    }

    /// True if this one explains the stream better.
    pub fn beats(&self, other: &Self, pattern: &Pattern, other_pattern: &Pattern) -> bool {
        let (score, other_score) = (self.score(), other.score());
        if score.abs_diff(other_score) > super::index::WINDOW as u64 {
            return score > other_score;
        }
        let rank = |candidate: &Self, pattern: &Pattern| {
            (candidate.is_complete(pattern), std::cmp::Reverse(candidate.pieces), candidate.weight)
        };
        let (mine, theirs) = (rank(self, pattern), rank(other, other_pattern));
        // Of two that are alike, one must win.
        (mine, other.pattern, other.start) > (theirs, self.pattern, self.start)
    }

    /// True if nothing was received where it ends: perhaps it only waits, and goes on later.
    pub fn may_go_on(&self) -> bool {
        self.hole > 0
    }

    /// True if `later` is the rest of the same clip, because a jitter buffer dropped or inserted samples, or the
    /// sender was busy and went on when it could.
    pub fn goes_on_in(&self, later: &Self) -> bool {
        self.pattern == later.pattern
            && self.start != later.start
            && self.start.abs_diff(later.start) <= SHIFT
            && later.weight > 0
            && later.start + later.seed + CHANCE >= self.last
            && later.seed + CHANCE >= self.last - self.start
    }

    /// Looks for an end of the clip that is shifted and too short for a fingerprint: anywhere in `past`, whose last octet
    /// is that of the stream before `clock`.
    pub fn mend(&mut self, pattern: &Pattern, loud: &[bool; 256], past: &[Option<u8>], clock: i64) {
        let exit = usize::try_from(self.last - self.start).unwrap_or(0);
        let Some(tail) = pattern.audio.get(exit..) else { return };
        let Some(probe) = tail.iter().rposition(|octet| loud[usize::from(*octet)]) else { return };
        let probe = probe.saturating_sub(END as usize)..=probe;
        let oldest = clock - past.len() as i64;
        // Place of the tail's first sample in `past`; the beginning of the tail may have been dropped.
        for place in self.last - oldest - SHORT_SHIFT..past.len() as i64 {
            let at = |sample: usize| usize::try_from(place + sample as i64).ok().and_then(|at| past.get(at));
            let same = probe.clone().filter(|sample| at(*sample) == Some(&Some(tail[*sample]))).count();
            if same < END as usize / 2 {
                continue;
            }
            let mut rest = Self::new(self.pattern, oldest + place - exit as i64, exit as u32);
            for sample in 0..tail.len() {
                rest.step(at(sample).copied().flatten(), pattern, loud);
            }
            if rest.weight >= END && rest.loose < LOOSE_END && self.goes_on_in(&rest) {
                rest.absorb(self);
                rest.over_at = self.over_at;
                *self = rest;
                return;
            }
        }
    }

    /// Takes over what an earlier piece had heard.
    pub fn absorb(&mut self, earlier: &Self) {
        self.weight += earlier.weight;
        // What either missed beside the joint belongs to the other.
        self.lost = self.lost - self.lost_before + earlier.lost - earlier.hole_loud;
        self.lost_before = 0;
        self.first = earlier.first;
        self.begun = earlier.begun;
        self.pieces += earlier.pieces;
    }
}
