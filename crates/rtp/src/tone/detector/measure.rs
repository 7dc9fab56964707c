//! What the samples of a run say: exact frequencies, phases, and whether they are a digit.

use super::{KEPT, LONGEST, PAUSE, REMEMBER, TAIL, ToneDetector};
use crate::digit::Digit;
use crate::tone::bank::HOP;
use crate::tone::fit::{Fit, correlate, fit_phase, residual};
use crate::tone::judge::{Continuity, continuity, is_clean, is_plausible};
use crate::tone::run::Run;
use crate::tone::track::{Tail, Track};
use std::ops::Range;

/// Samples as the fits want them, in `room`, which is as long.
fn real<'a>(samples: &[i16], room: &'a mut [f32]) -> &'a [f32] {
    for (to, from) in room.iter_mut().zip(samples) {
        *to = f32::from(*from);
    }
    &room[..samples.len().min(room.len())]
}

impl ToneDetector {
    /// Takes the phases at the end of a track from its last samples.
    pub(super) fn set_tail(&mut self, track: &mut Track) {
        track.tail = Tail::Unknown;
        let since = track.start.max(track.end - TAIL).max(self.now() - 24 * HOP as i64);
        let (row, column) = track.digit.keypad();
        let Some(blocks) = self.history_run_until(row, column, since, track.end) else { return };
        let Some((place, start)) = self.stretch(blocks) else { return };
        let (low, high) = self.near(track.digit, blocks);
        let skipped = place.len().saturating_sub(TAIL as usize);
        let mut room = [0.0; TAIL as usize];
        let samples = real(&self.samples[place][skipped..], &mut room);
        track.tail = Tail::Fitted(fit_phase(samples, low, high, 2, track.residual), start + skipped as i64);
    }

    /// The last blocks without a gap in which the pair is there up to `end`: first and last.
    fn history_run_until(&self, row: usize, column: usize, since: i64, end: i64) -> Option<(u64, u64)> {
        let newest = self.history.newest();
        let hop = HOP as i64;
        let last = u64::try_from((end - hop / 4) / hop).ok()?.min(newest);
        let at = |block: u64| {
            let back = (newest - block) as usize;
            let (low, high) = self.history.pair(back, row, column);
            (self.history.is_known(back), low, high)
        };
        let mut reference = (0f32, 0f32);
        let mut block = last;
        while newest - block < 24 && block > 0 && block as i64 * hop >= since {
            let (is_known, low, high) = at(block);
            if is_known {
                reference = (reference.0.max(low), reference.1.max(high));
            }
            block -= 1;
        }
        let mut range: Option<(u64, u64)> = None;
        let mut block = last;
        while newest - block < 24 && block > 0 && block as i64 * hop >= since {
            let (is_known, low, high) = at(block);
            let is_full = is_known && low > 0.7 * reference.0 && high > 0.7 * reference.1;
            match (&mut range, is_full) {
                (None, true) => range = Some((block, block)),
                (Some(range), true) => range.0 = block,
                (Some(range), false) if range.1 - range.0 >= 2 => break,
                (Some(_), false) => range = None,
                (None, false) => {}
            }
            block -= 1;
        }
        range
    }

    /// Where the samples `start..end` (sample numbers) are kept.
    fn place(&self, start: i64, end: i64) -> Range<usize> {
        let newest = self.hops as i64 * HOP as i64;
        let place =
            |sample: i64| (self.filled as i64 + sample - newest).clamp(0, self.filled as i64) as usize;
        let (from, to) = (place(start), place(end));
        from.min(to)..to
    }

    /// Where the samples of the blocks `from..=to` are kept, and the number of the first.
    fn stretch(&self, (from, to): (u64, u64)) -> Option<(Range<usize>, i64)> {
        const EDGE: i64 = 14;
        let hop = HOP as i64;
        let (start, end) = (from as i64 * hop - EDGE, to as i64 * hop + EDGE);
        let place = self.place(start, end);
        let first = end - place.len() as i64;
        let is_enough = from < to && (64..=KEPT).contains(&place.len());
        is_enough.then_some((place, first))
    }

    /// Near which frequencies the tones of `digit` lie in these blocks, radians per sample.
    fn near(&self, digit: Digit, (from, to): (u64, u64)) -> (f32, f32) {
        let (row, column) = digit.keypad();
        let (low, high) = digit.frequencies();
        let radians = std::f32::consts::TAU / 8000.0;
        let drift = |k: usize| self.history.drift(k, from, to);
        (low * radians + drift(row), high * radians + drift(column + 4))
    }

    /// Frequencies and phases in some blocks, with the number of the first sample.
    pub(super) fn phases(&self, digit: Digit, blocks: (u64, u64), residual: f32) -> Option<(Fit, i64)> {
        let (place, start) = self.stretch(blocks)?;
        let mut room = [0.0; KEPT];
        let samples = real(&self.samples[place], &mut room);
        let (low, high) = self.near(digit, blocks);
        Some((fit_phase(samples, low, high, 2, residual), start))
    }

    /// The fit of the run's longest stretch, if it is that of a press.
    pub(super) fn judged(&self, digit: Digit, run: &Run) -> Option<(Fit, i64)> {
        let blocks = (run.full.0.max(run.full.1.saturating_sub(LONGEST)), run.full.1);
        let (place, start) = self.stretch(blocks)?;
        let mut room = [0.0; KEPT];
        let samples = real(&self.samples[place], &mut room);
        let (low, high) = self.near(digit, blocks);
        let found = fit_phase(samples, low, high, 1, 0.0);
        if !is_plausible(digit, &found) {
            return None;
        }
        let mut rest = [0.0; KEPT];
        let rest = &mut rest[..samples.len()];
        let found = Fit { residual: residual(samples, &found, rest), ..found };
        // Harmonics are sought in what remains: the high tone may lie near twice the low one.
        let harmonic = |omega: f32| {
            let [re, im, ..] = correlate(rest, 2.0 * omega);
            re.hypot(im)
        };
        let is_clean = is_clean(&found, || (harmonic(found.low.omega), harmonic(found.high.omega)), digit);
        is_clean.then_some((found, start))
    }

    /// Whether the run is the track's press, by the phases.
    pub(super) fn goes_on(&self, track: &Track, digit: Digit, run: &Run, gap: i64) -> bool {
        let (tail, tail_start) = match track.tail {
            Tail::Unknown => return false,
            Tail::Fitted(fit, start) => (fit, start),
        };
        let Some((head, head_start)) = self.phases(digit, run.full, track.residual) else {
            return false;
        };
        let distance = (head_start as f32 + head.centre) - (tail_start as f32 + tail.centre);
        let verdict = continuity(&tail, &head, distance);
        if track.unknown > 0 && gap - i64::from(track.unknown) < PAUSE {
            // Concealed audio: the same press unless the phases clearly deny it.
            return verdict != Continuity::Broken;
        }
        verdict == Continuity::Same && gap <= REMEMBER
    }
}
