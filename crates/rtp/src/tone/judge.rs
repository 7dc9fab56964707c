//! What makes two sines a digit, and two pieces one press.

use super::fit::{Fit, Sine};
use crate::digit::Digit;
use std::f32::consts::{PI, TAU};

/// Whether two pieces of a tone come from one run of the sender's oscillators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Continuity {
    Same,
    /// The phases tell nothing.
    Unclear,
    Broken,
}

/// Frequency limit: ITU-T Q.24 asks to accept 1.5 % + 2 Hz and to reject 3.5 %.
const OFFSET: f32 = 0.0235;
/// High tone over low tone, power: +6.5 dB and -11 dB (Q.24 and its national variants ask for +4 and -8).
const TWIST_HIGH: f32 = 4.5;
const TWIST_LOW: f32 = 12.6;
/// Power of both tones over the rest, dB, for a stretch of 30 ms with nothing unusual.
const NEEDED: f32 = 7.5;
/// Power over the rest, dB, that is enough however unusual the rest is.
const ENOUGH: f32 = 22.0;
/// A second harmonic so many dB above -24 dB is a voice or an instrument.
const RICH: f32 = 14.0;
/// Power over the rest, dB, that leaves no room for harmonics.
const SPOTLESS: f32 = 26.0;
/// Power of the weaker tone over the rest: 2 dB.
const WEAKER: f32 = 1.6;
const FULL_LENGTH: f32 = 220.0;
/// Amplitude of -46 dBm0.
const LEVEL: f32 = 114.0;

/// How far a sine lies from `hertz`, relative.
fn offset(sine: &Sine, hertz: f32) -> f32 {
    (sine.omega * 8000.0 / TAU - hertz).abs() / hertz
}

/// Whether frequencies, level and twist of a fit are those of the digit.
pub(crate) fn is_plausible(digit: Digit, fit: &Fit) -> bool {
    let (low, high) = digit.frequencies();
    let (a, b) = (fit.low.amplitude, fit.high.amplitude);
    offset(&fit.low, low) <= OFFSET
        && offset(&fit.high, high) <= OFFSET
        && a.min(b) >= LEVEL
        && b * b <= a * a * TWIST_HIGH
        && a * a <= b * b * TWIST_LOW
}

/// Whether a plausible fit explains the sound well enough to be a digit; `harmonics` gives the amplitudes
/// at twice its frequencies.
pub(crate) fn is_clean(fit: &Fit, harmonics: impl FnOnce() -> (f32, f32), digit: Digit) -> bool {
    let (low, high) = digit.frequencies();
    let (a, b) = (fit.low.amplitude, fit.high.amplitude);
    let (low_power, high_power) = (a * a / 2.0, b * b / 2.0);
    let rest = fit.residual.max(1.0);
    if low_power.min(high_power) < WEAKER * rest {
        return false;
    }
    // What is unusual for a digit, and usual for voices, asks for a cleaner pair of tones.
    let percent =
        100.0 * ((offset(&fit.low, low) - 0.003).max(0.0) + (offset(&fit.high, high) - 0.003).max(0.0));
    let twist = (decibel(high_power / low_power).abs() - 3.0).max(0.0);
    let short = (3.0 * decibel(FULL_LENGTH / fit.length as f32)).max(-3.5);
    let needed = NEEDED + 3.0 * percent + twist + short;
    let ratio = decibel((low_power + high_power) / rest);
    if ratio < needed.min(ENOUGH) {
        return false;
    }
    if ratio >= SPOTLESS {
        return true;
    }
    let harmonics = harmonics();
    let harmonic = |h: f32, of: f32| (decibel((h * h) / (of * of)) + 24.0).max(0.0);
    let rich = harmonic(harmonics.0, a).max(harmonic(harmonics.1, b));
    rich <= RICH && ratio >= (needed + 0.6 * rich).min(ENOUGH)
}

fn decibel(power: f32) -> f32 {
    10.0 * power.max(1e-9).log10()
}

/// Compares the phases of two pieces whose centres lie `distance` samples apart.
///
/// Both sines are extrapolated over the gap with the frequency that both pieces show together. The error
/// that noise may cause is known from what remains beside the tones; about 3 degrees are allowed in clean audio.
pub(crate) fn continuity(tail: &Fit, head: &Fit, distance: f32) -> Continuity {
    let mut verdict = Continuity::Same;
    for (a, b) in [(&tail.low, &head.low), (&tail.high, &head.high)] {
        let noise = tail.residual.max(1.0);
        let deviation = |sine: &Sine, length: usize| {
            // White noise of the residual's density, Hann-weighted estimates: radians, radians per sample.
            let ratio = 2.0 * noise * 2.4 / (sine.amplitude * sine.amplitude).max(1.0);
            let n = length as f32;
            ((1.5 * ratio / n).sqrt(), (30.0 * ratio / (n * n * n)).sqrt())
        };
        let (phase_a, omega_a) = deviation(a, tail.length);
        let (phase_b, omega_b) = deviation(b, head.length);
        let (weight_a, weight_b) = (omega_a.powi(-2), omega_b.powi(-2));
        let omega = (a.omega * weight_a + b.omega * weight_b) / (weight_a + weight_b);
        let spread =
            (phase_a * phase_a + phase_b * phase_b + distance * distance / (weight_a + weight_b)).sqrt();
        let detuned = (a.omega - b.omega).abs();
        let error = b.phase - a.phase - omega * distance;
        let error = (error + PI).rem_euclid(TAU) - PI;
        let degrees = error.to_degrees().abs();
        let spread = spread.to_degrees();
        if detuned > 5.0 * (omega_a.hypot(omega_b)) + 0.002 {
            return Continuity::Broken;
        }
        if degrees > (6.0 * spread).max(25.0) {
            return Continuity::Broken;
        }
        if degrees > (3.0 * spread).clamp(3.0, 5.0) {
            verdict = Continuity::Unclear;
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f32, phase: f32) -> Sine {
        Sine { omega: hertz * TAU / 8000.0, amplitude: 4000.0, phase }
    }

    fn piece(phase: f32) -> Fit {
        let low = sine(697.0, phase);
        let high = sine(1209.0, phase);
        Fit { low, high, centre: 160.0, length: 320, residual: 2000.0 }
    }

    #[test]
    fn phases_that_go_on_are_one_press() {
        let distance = 1000.0;
        let mut head = piece(0.0);
        head.low.phase = head.low.omega * distance;
        head.high.phase = head.high.omega * distance + 0.02;
        assert_eq!(continuity(&piece(0.0), &head, distance), Continuity::Same);
        head.high.phase += 0.7;
        assert_eq!(continuity(&piece(0.0), &head, distance), Continuity::Broken);
    }

    #[test]
    fn offset_twist_level_and_rest_are_limits() {
        let one = Digit::from_char('1').expect("a key");
        let good = piece(0.0);
        let of = |fit: Fit| is_plausible(one, &fit) && is_clean(&fit, || (0.0, 0.0), one);
        assert!(of(good));
        assert!(of(Fit { low: sine(697.0 * 1.018, 0.0), ..good }));
        assert!(!of(Fit { low: sine(697.0 * 1.034, 0.0), ..good }));
        assert!(!of(Fit { high: Sine { amplitude: 1000.0, ..good.high }, ..good }));
        assert!(!of(Fit { residual: 8.0e6, ..good }));
        // A voice: some rest, and a strong second harmonic in it.
        assert!(!is_clean(&Fit { residual: 80_000.0, ..good }, || (2000.0, 0.0), one));
    }
}
