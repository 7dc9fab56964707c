//! A dual-tone generator: digits as audio.

use crate::digit::Digit;
use std::f64::consts::PI;

/// Peak amplitude of a sine at 0 dBm0 in 16-bit samples: the overload point of µ-law is +3.17 dBm0 (ITU-T G.711).
pub const AMPLITUDE_0_DBM0: f64 = 22_704.0;

/// Generates one digit as two sines with raised-cosine edges (no clicks) at 8000 samples a second.
#[derive(Clone, Debug)]
pub struct ToneGenerator {
    low: Oscillator,
    high: Oscillator,
    position: u32,
    length: u32,
    ramp: u32,
}

/// A sine by complex rotation: phase-continuous for any number of calls.
#[derive(Clone, Debug)]
struct Oscillator {
    hertz: f64,
    phase: f64,
    amplitude: f64,
}

impl Oscillator {
    fn next(&mut self) -> f64 {
        let sample = self.amplitude * self.phase.sin();
        self.phase += 2.0 * PI * self.hertz / 8000.0;
        if self.phase > 2.0 * PI {
            self.phase -= 2.0 * PI;
        }
        sample
    }
}

fn amplitude(dbm0: f32) -> f64 {
    AMPLITUDE_0_DBM0 * 10f64.powf(f64::from(dbm0) / 20.0)
}

impl ToneGenerator {
    /// A press of `digit` for `duration_ms`, low tone -9 dBm0, high tone -7 dBm0 (the 2 dB twist of ETSI ES 201 235-2), 2 ms edges.
    pub fn new(digit: Digit, duration_ms: u32) -> Self {
        let (low, high) = digit.frequencies();
        let length = duration_ms.saturating_mul(8);
        ToneGenerator {
            low: Oscillator { hertz: f64::from(low), phase: 0.0, amplitude: amplitude(-9.0) },
            high: Oscillator { hertz: f64::from(high), phase: 0.0, amplitude: amplitude(-7.0) },
            position: 0,
            length,
            ramp: 16.min(length / 2),
        }
    }

    /// Sets the level of each tone in dBm0.
    #[must_use]
    pub fn with_levels(mut self, low_dbm0: f32, high_dbm0: f32) -> Self {
        self.low.amplitude = amplitude(low_dbm0);
        self.high.amplitude = amplitude(high_dbm0);
        self
    }

    /// Shifts the frequencies by a relative offset each (0.015 = +1.5 %).
    #[must_use]
    pub fn with_offsets(mut self, low: f64, high: f64) -> Self {
        self.low.hertz *= 1.0 + low;
        self.high.hertz *= 1.0 + high;
        self
    }

    /// Sets the phase in radians at which each tone starts.
    #[must_use]
    pub fn with_phases(mut self, low: f64, high: f64) -> Self {
        self.low.phase = low;
        self.high.phase = high;
        self
    }

    /// Sets the length in samples (for durations that are no whole millisecond).
    #[must_use]
    pub fn with_length(mut self, samples: u32) -> Self {
        self.length = samples;
        self.ramp = self.ramp.min(samples / 2);
        self
    }

    /// Sets the length of the raised-cosine edges in samples; 0 switches hard.
    #[must_use]
    pub fn with_ramp(mut self, samples: u32) -> Self {
        self.ramp = samples.min(self.length / 2);
        self
    }

    /// Fills `out` with the next samples, zeros after the end; returns how many belong to the tone.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let mut written = 0;
        for sample in out.iter_mut() {
            *sample = match self.next_sample() {
                Some(value) => {
                    written += 1;
                    value.round().clamp(-32768.0, 32767.0) as i16
                }
                None => 0,
            };
        }
        written
    }

    /// The next sample before rounding, `None` after the end: for mixing.
    pub fn next_sample(&mut self) -> Option<f64> {
        if self.position >= self.length {
            return None;
        }
        let edge = self.position.min(self.length - 1 - self.position);
        let gain = if edge < self.ramp {
            0.5 - 0.5 * (PI * (f64::from(edge) + 0.5) / f64::from(self.ramp)).cos()
        } else {
            1.0
        };
        self.position += 1;
        Some(gain * (self.low.next() + self.high.next()))
    }

    /// Whether the whole press was generated.
    pub fn is_finished(&self) -> bool {
        self.position >= self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(ms: u32) -> ToneGenerator {
        ToneGenerator::new(Digit::from_code(5).expect("a digit"), ms)
    }

    #[test]
    fn fills_the_duration_and_then_silence() {
        let mut generator = press(50);
        let mut frame = [1i16; 160];
        assert_eq!(generator.fill(&mut frame), 160);
        assert_eq!(generator.fill(&mut frame), 160);
        assert_eq!(generator.fill(&mut frame), 80);
        assert!(frame[80..].iter().all(|&s| s == 0));
        assert!(generator.is_finished());
        assert_eq!(generator.fill(&mut frame), 0);
    }

    #[test]
    fn edges_rise_smoothly() {
        let mut frame = [0i16; 400];
        press(50).fill(&mut frame);
        let step = frame.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max();
        assert!(frame[0].abs() < 200 && frame[399].abs() < 200);
        assert!(step.is_some_and(|s| s < 16_000));
    }

    #[test]
    fn level_is_as_set() {
        let mut frame = [0i16; 8000];
        press(1000).with_levels(-10.0, -90.0).with_ramp(0).fill(&mut frame);
        let power = frame.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 8000.0;
        let dbm0 = 10.0 * (power * 2.0 / AMPLITUDE_0_DBM0.powi(2)).log10();
        assert!((dbm0 + 10.0).abs() < 0.05, "{dbm0}");
    }
}
