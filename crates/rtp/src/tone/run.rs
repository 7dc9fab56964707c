//! How long, and since when, a pair of tones has been there: amplitude by amplitude, block by block.

use super::bank::{Bins, HOP};
use crate::ahead::{Memory, ring};
use multiversion::multiversion;

/// Blocks kept: 160 ms.
pub(crate) const HISTORY: usize = 32;
/// Blocks of the last 30 ms.
const RECENT: usize = 6;
/// Blocks that a run looks back.
const LOOK_BACK: usize = 26;
/// A tone is there if both its amplitudes are above this part of their reference.
pub(crate) const PRESENT: f32 = 0.45;
/// A block is filled by the tone above this part.
const FULL: f32 = 0.8;
/// Weak blocks in a row that do not end a run: an interruption of 10 ms.
const WEAK: u32 = 3;
/// Concealed blocks in a row that do not end a run; beyond, phases decide.
const UNKNOWN: u32 = 8;

/// The blocks of the recent past.
#[derive(Clone, Debug)]
#[repr(C)] // the small before the large
pub(crate) struct History {
    known: u64,
    /// Number of the next block.
    next: u64,
    bins: [Bins; HISTORY],
}

/// A stretch of time in which a pair of tones was there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// First sample, to about a millisecond.
    pub start: i64,
    /// Sample up to which the tone was heard.
    pub end: i64,
    /// Samples of tone: partly filled blocks count in part, gaps not at all.
    pub effective: f32,
    /// The longest stretch without a gap: numbers of its first and last full block.
    pub full: (u64, u64),
    pub low: f32,
    pub high: f32,
    /// The run goes on at the newest block.
    pub is_live: bool,
}

impl History {
    pub(crate) fn new() -> Self {
        History { bins: [[0.0; 16]; HISTORY], known: 0, next: 0 }
    }

    pub(crate) fn push(&mut self, bins: Bins, is_known: bool) {
        self.bins[self.next as usize % HISTORY] = bins;
        self.known = self.known << 1 | u64::from(is_known);
        self.next += 1;
    }

    /// Where the blocks begin; what is looked at more often lies before them.
    pub(crate) fn bins_start(&self) -> *const u8 {
        self.bins.as_ptr().cast()
    }

    /// Where the next so many blocks go, and those that [`History::recent`] adds to them.
    pub(crate) fn ahead(&self, blocks: usize) -> [Memory; 2] {
        ring(&self.bins, self.next as usize + HISTORY - RECENT, RECENT + blocks)
    }

    /// Number of the newest block.
    pub(crate) fn newest(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// Whether the block so many back was heard, not concealed.
    pub(crate) fn is_known(&self, back: usize) -> bool {
        back < HISTORY && self.known >> back & 1 != 0
    }

    /// The block so many back.
    pub(crate) fn bins(&self, back: usize) -> &Bins {
        &self.bins[(self.next as usize).wrapping_sub(1 + back) % HISTORY]
    }

    /// Power of the eight tones in the last 30 ms, added coherently; what was not heard adds nothing.
    pub(crate) fn recent(&self) -> [f32; 8] {
        recent(self)
    }

    /// Amplitudes of two tones in the block so many back.
    pub(crate) fn pair(&self, back: usize, row: usize, column: usize) -> (f32, f32) {
        let bins = self.bins(back);
        let of = |k: usize| (bins[k] * bins[k] + bins[k + 8] * bins[k + 8]).sqrt();
        (of(row), of(column + 4))
    }

    /// Phase advance per sample of tone `k` against its nominal frequency, over blocks `from..=to` (numbers).
    pub(crate) fn drift(&self, k: usize, from: u64, to: u64) -> f32 {
        let (mut re, mut im) = (0.0, 0.0);
        for block in from..to {
            let back = (self.newest() - block) as usize;
            let (a, b) = (self.bins(back), self.bins(back - 1));
            re += a[k] * b[k] + a[k + 8] * b[k + 8];
            im += a[k] * b[k + 8] - a[k + 8] * b[k];
        }
        if re == 0.0 && im == 0.0 { 0.0 } else { im.atan2(re) / HOP as f32 }
    }

    /// The run of the pair that reaches up to the newest blocks, looking back no further than sample `since`.
    pub(crate) fn run(&self, row: usize, column: usize, since: i64) -> Option<Run> {
        let newest = self.newest() as i64;
        let mut amplitudes = [(0f32, 0f32); LOOK_BACK];
        let (mut depth, mut largest, mut faint) = (0, (0f32, 0f32), 0);
        for (back, slot) in amplitudes.iter_mut().enumerate() {
            let block = newest - back as i64;
            if block <= 0 || block * HOP as i64 <= since || faint > WEAK + 1 {
                break;
            }
            *slot = self.pair(back, row, column);
            depth = back + 1;
            if self.is_known(back) {
                largest = (largest.0.max(slot.0), largest.1.max(slot.1));
                let is_faint = slot.0 < 0.2 * largest.0 || slot.1 < 0.2 * largest.1;
                faint = if is_faint { faint + 1 } else { 0 };
            }
        }
        let known = |back: &usize| self.is_known(*back);
        let low = third((0..depth).filter(known).take(8).map(|i| amplitudes[i].0));
        let high = third((0..depth).filter(known).take(8).map(|i| amplitudes[i].1));
        if low <= 0.0 || high <= 0.0 {
            return None;
        }
        // Part of each block that the tone fills, by its weaker half; below 0 where nothing was heard.
        let mut filled = [-1f32; LOOK_BACK];
        for back in (0..depth).filter(known) {
            let (a, b) = amplitudes[back];
            filled[back] = (a / low).min(b / high).min(1.0);
        }
        let (first, last) = reach(&filled[..depth])?;
        let run = &filled[first..=last];
        let edge = |back: usize| filled.get(back).map_or(0.0, |f| f.max(0.0));
        let (before, after) = (edge(last + 1), if first > 0 { edge(first - 1) } else { 0.0 });
        let effective =
            run.iter().map(|f| f.max(0.0)).sum::<f32>() + significant(before) + significant(after);
        let centre = |back: usize| (newest - back as i64) as f32 * HOP as f32;
        // Hann blocks at half overlap add up to one, so the filled parts tell where the edge lies.
        let hop = HOP as f32;
        let full_first = (0..=last - first).rev().find(|&i| run[i] >= FULL).unwrap_or(last - first);
        let rise: f32 = run[full_first..].iter().map(|f| f.max(0.0)).sum();
        let start = centre(first + full_first) + 0.5 * hop - hop * (rise + significant(before));
        let full_last = run.iter().position(|&f| f >= FULL).unwrap_or(0);
        let fall: f32 = run[..=full_last].iter().map(|f| f.max(0.0)).sum();
        let end = centre(first + full_last) - 0.5 * hop + hop * (fall + significant(after));
        let (from, to) = longest_stretch(run);
        Some(Run {
            start: start as i64,
            end: end as i64,
            effective: effective * hop,
            full: ((newest - (first + to) as i64) as u64, (newest - (first + from) as i64) as u64),
            low,
            high,
            is_live: first == 0,
        })
    }
}

/// See [`History::recent`].
#[multiversion(targets("x86_64+avx+avx2"))]
fn recent(history: &History) -> [f32; 8] {
    const TAPER: [f32; RECENT] = [0.5, 1.0, 1.0, 1.0, 1.0, 0.5];
    let mut sum = [0f32; 16];
    for (back, weight) in TAPER.iter().enumerate() {
        if !history.is_known(back) {
            continue;
        }
        for (s, b) in sum.iter_mut().zip(history.bins(back)) {
            *s += weight * b;
        }
    }
    let mut power = [0f32; 8];
    for k in 0..8 {
        power[k] = sum[k] * sum[k] + sum[k + 8] * sum[k + 8];
    }
    power
}

/// A partly filled block counts from here; less is noise.
fn significant(filled: f32) -> f32 {
    if filled > 0.15 { filled } else { 0.0 }
}

/// The blocks (back from the newest) between which the tone is there, but for short gaps.
fn reach(filled: &[f32]) -> Option<(usize, usize)> {
    let first = filled.iter().take(WEAK as usize).position(|&f| f >= PRESENT)?;
    let (mut last, mut weak, mut unknown) = (first, 0, 0);
    for (back, &f) in filled.iter().enumerate().skip(first) {
        if f >= PRESENT {
            (last, weak, unknown) = (back, 0, 0);
        } else if f < 0.0 {
            unknown += 1;
        } else {
            weak += 1;
        }
        if weak > WEAK || unknown > UNKNOWN {
            break;
        }
    }
    Some((first, last))
}

/// The longest part of a run without a gap, less blocks at its ends that are not full.
fn longest_stretch(run: &[f32]) -> (usize, usize) {
    let (mut best, mut from) = ((0, 0), 0);
    for to in 0..=run.len() {
        let is_gap = to == run.len()
            || run[to] < 0.25
            || (run[to] < PRESENT && (to + 1 == run.len() || run[to + 1] < PRESENT));
        if is_gap {
            let (mut a, mut b) = (from, to);
            while a < b && run[a] < FULL {
                a += 1;
            }
            while a < b && run[b - 1] < FULL {
                b -= 1;
            }
            if b > a && b - 1 - a >= best.1 - best.0 {
                best = (a, b - 1);
            }
            from = to + 1;
        }
    }
    best
}

/// The third largest of some values: near the largest, but not moved by a single burst.
fn third(values: impl Iterator<Item = f32>) -> f32 {
    let mut top = [0f32; 3];
    for value in values {
        if value > top[0] {
            top = [value, top[0], top[1]];
        } else if value > top[1] {
            top = [top[0], value, top[1]];
        } else if value > top[2] {
            top[2] = value;
        }
    }
    top[2]
}
