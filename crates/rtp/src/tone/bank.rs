//! The bank: eight single-bin transforms (the sums Goertzel's recurrence computes) every 5 ms.

use crate::digit::{HIGH_HZ, LOW_HZ};
use multiversion::multiversion;
use std::f64::consts::PI;
use std::sync::LazyLock;

/// Samples from one block to the next: 5 ms.
pub(crate) const HOP: usize = 40;
/// Samples a block looks at, Hann-weighted: 10 ms.
pub(crate) const BLOCK: usize = 2 * HOP;
/// Real parts of four low and four high tones, then their imaginary parts.
pub(crate) type Bins = [f32; 16];

/// Weights of a block for all tones. Around the block's centre cosines are even and sines odd, so half the
/// products do; plain arrays, which the compiler turns into vector code (about 5 cycles a sample).
struct Tables {
    weights: [Bins; HOP],
    /// Turns a block's phases back to the start of the stream; repeats every 200 blocks (one second).
    turns: Vec<Bins>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let hertz: Vec<f64> = LOW_HZ.iter().chain(&HIGH_HZ).map(|&f| f64::from(f)).collect();
    let mut weights = [[0.0; 16]; HOP];
    for (m, row) in weights.iter_mut().enumerate() {
        let offset = m as f64 + 0.5;
        let hann = 0.5 + 0.5 * (PI * offset / HOP as f64).cos();
        for (k, f) in hertz.iter().enumerate() {
            let angle = 2.0 * PI * f * offset / 8000.0;
            // Scaled so that a sine of amplitude A gives a bin of magnitude A.
            let scale = 2.0 * hann / HOP as f64;
            row[k] = (scale * angle.cos()) as f32;
            row[k + 8] = (-scale * angle.sin()) as f32;
        }
    }
    let turn = |block: usize| {
        let mut row = [0.0; 16];
        for (k, f) in hertz.iter().enumerate() {
            let cycles = (*f as usize * block * HOP) % 8000;
            let angle = 2.0 * PI * cycles as f64 / 8000.0;
            row[k] = angle.cos() as f32;
            row[k + 8] = -angle.sin() as f32;
        }
        row
    };
    Tables { weights, turns: (0..200).map(turn).collect() }
});

/// Amplitudes and phases of the eight tones in `samples` (80, centre = start of hop number `hop`), phases
/// as of half a sample before the stream's first.
#[multiversion(targets("x86_64+avx+avx2"))]
pub(crate) fn transform(samples: &[f32; BLOCK], hop: u64) -> Bins {
    let tables = &*TABLES;
    let (left, right) = samples.split_at(HOP);
    let (mut even, mut odd) = ([0f32; 8], [0f32; 8]);
    let (mut even_b, mut odd_b) = ([0f32; 8], [0f32; 8]);
    for m in (0..HOP).step_by(2) {
        let (sum, difference) = (right[m] + left[HOP - 1 - m], right[m] - left[HOP - 1 - m]);
        let (sum_b, difference_b) = (right[m + 1] + left[HOP - 2 - m], right[m + 1] - left[HOP - 2 - m]);
        let (row, row_b) = (&tables.weights[m], &tables.weights[m + 1]);
        for k in 0..8 {
            even[k] += sum * row[k];
            odd[k] += difference * row[k + 8];
            even_b[k] += sum_b * row_b[k];
            odd_b[k] += difference_b * row_b[k + 8];
        }
    }
    let turn = &tables.turns[(hop % 200) as usize];
    let mut bins = [0.0; 16];
    for k in 0..8 {
        let (re, im) = (even[k] + even_b[k], odd[k] + odd_b[k]);
        bins[k] = re * turn[k] - im * turn[k + 8];
        bins[k + 8] = re * turn[k + 8] + im * turn[k];
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_amplitude_and_phase_from_block_to_block() {
        for (k, hertz) in LOW_HZ.iter().chain(&HIGH_HZ).enumerate() {
            let sample =
                |n: usize| 1000.0 * (2.0 * PI * f64::from(*hertz) * n as f64 / 8000.0 + 0.7).cos() as f32;
            for hop in [1usize, 2, 77, 1234] {
                let mut block = [0.0; BLOCK];
                for (i, s) in block.iter_mut().enumerate() {
                    *s = sample(hop * HOP - HOP + i);
                }
                let bins = transform(&block, hop as u64);
                let (amplitude, phase) = (bins[k].hypot(bins[k + 8]), bins[k + 8].atan2(bins[k]));
                assert!((amplitude - 1000.0).abs() < 15.0, "{hertz} {amplitude}");
                // The centre lies half a sample before the hop's first.
                let expected = 0.7 - (PI as f32) * hertz / 8000.0;
                assert!((phase - expected).abs() < 0.02, "{hertz} {phase}");
            }
        }
    }
}
