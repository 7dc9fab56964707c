//! Exact frequency, amplitude and phase of the two tones in a stretch of samples, and what remains.

use multiversion::multiversion;
use std::f32::consts::{PI, TAU};

/// A sine found in a stretch: value at sample n (from the stretch's start) is amplitude * cos(omega * (n - centre) + phase).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sine {
    /// Radians per sample.
    pub omega: f32,
    pub amplitude: f32,
    /// Phase at the stretch's centre.
    pub phase: f32,
}

/// Two tones in a stretch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    pub low: Sine,
    pub high: Sine,
    /// Centre of the stretch in samples from its start.
    pub centre: f32,
    pub length: usize,
    /// Mean power of what remains between about 600 and 2200 Hz (a sine of amplitude A has A² / 2).
    pub residual: f32,
}

const LANES: usize = 8;

/// A complex phasor per lane.
struct Phasors {
    re: [f32; LANES],
    im: [f32; LANES],
    step_re: f32,
    step_im: f32,
}

impl Phasors {
    /// Lane i at angle `start + i * omega`; each step moves all lanes by `LANES * omega`.
    fn new(start: f32, omega: f32) -> Self {
        let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
        let (step_im, step_re) = omega.sin_cos();
        (im[0], re[0]) = start.sin_cos();
        for i in 1..LANES {
            re[i] = re[i - 1] * step_re - im[i - 1] * step_im;
            im[i] = re[i - 1] * step_im + im[i - 1] * step_re;
        }
        let (step_im, step_re) = (omega * LANES as f32).sin_cos();
        Phasors { re, im, step_re, step_im }
    }

    #[inline(always)]
    fn step(&mut self) {
        for i in 0..LANES {
            let re = self.re[i] * self.step_re - self.im[i] * self.step_im;
            self.im[i] = self.re[i] * self.step_im + self.im[i] * self.step_re;
            self.re[i] = re;
        }
    }
}

/// Hann-weighted sums over the stretch at `omega`: x e^-jωn and n x e^-jωn, n from the centre; by 2 / sum of weights.
#[multiversion(targets("x86_64+avx+avx2"))]
pub(crate) fn correlate(samples: &[f32], omega: f32) -> [f32; 4] {
    let count = samples.len() / LANES * LANES;
    let centre = (samples.len() as f32 - 1.0) / 2.0;
    let hann_step = TAU / samples.len() as f32;
    let mut tone = Phasors::new(-omega * centre, omega);
    let mut hann = Phasors::new(0.5 * hann_step, hann_step);
    let (mut x_re, mut x_im) = ([0f32; LANES], [0f32; LANES]);
    let (mut y_re, mut y_im) = ([0f32; LANES], [0f32; LANES]);
    let mut place = [0f32; LANES];
    for (i, p) in place.iter_mut().enumerate() {
        *p = i as f32 - centre;
    }
    for chunk in samples[..count].chunks_exact(LANES) {
        for i in 0..LANES {
            let weighted = chunk[i] * (0.5 - 0.5 * hann.re[i]);
            let (re, im) = (weighted * tone.re[i], -weighted * tone.im[i]);
            x_re[i] += re;
            x_im[i] += im;
            y_re[i] += re * place[i];
            y_im[i] += im * place[i];
            place[i] += LANES as f32;
        }
        tone.step();
        hann.step();
    }
    let scale = 4.0 / samples.len() as f32;
    [x_re, x_im, y_re, y_im].map(|lanes| lanes.iter().sum::<f32>() * scale)
}

/// The sine near `omega`, by Newton steps towards the peak of the Hann-weighted spectrum.
fn sine(samples: &[f32], mut omega: f32, steps: u32) -> Sine {
    // Second moment of the Hann window: N² (1/12 - 1/(2π²)).
    let length = samples.len() as f32;
    let moment = length * length * (1.0 / 12.0 - 0.5 / (PI * PI));
    let limit = 3.0 / length;
    let mut found = Sine::default();
    for _ in 0..steps {
        let [x_re, x_im, y_re, y_im] = correlate(samples, omega);
        let power = x_re * x_re + x_im * x_im;
        if power <= f32::MIN_POSITIVE {
            break;
        }
        let slope = ((y_im * x_re - y_re * x_im) / power / moment).clamp(-limit, limit);
        // For a pure sine the first sum hardly depends on a small step, so its phase may be used at once.
        found = Sine { omega: omega + slope, amplitude: power.sqrt(), phase: x_im.atan2(x_re) };
        omega = found.omega;
    }
    found
}

/// Fits two sines near `low` and `high` (radians per sample); what remains is told, not measured.
pub(crate) fn fit_phase(samples: &[f32], low: f32, high: f32, steps: u32, residual: f32) -> Fit {
    let centre = (samples.len() as f32 - 1.0) / 2.0;
    Fit {
        low: sine(samples, low, steps),
        high: sine(samples, high, steps),
        centre,
        length: samples.len(),
        residual,
    }
}

/// Second-order sections of the residual's band: against hum and DC, against dial tone (notch at 440 Hz),
/// against noise above 2.2 kHz. [gain, b1, a1, a2], b = gain * [1, b1, 1].
const BAND: [[f32; 4]; 3] = [
    [0.762_21, -1.986_13, -1.388_75, 0.546_44],
    [0.754_77, -1.881_77, -1.606_52, 0.810_34],
    [0.424_23, 1.618_03, 0.290_4, 0.243_99],
];

/// Samples in which the band filter settles.
const SETTLE: usize = 40;

/// Mean power of the samples less the two sines in the band; the difference itself goes to `rest`, as long as `samples`.
#[multiversion(targets("x86_64+avx+avx2"))]
pub(crate) fn residual(samples: &[f32], fit: &Fit, rest: &mut [f32]) -> f32 {
    let (low, high, centre) = (&fit.low, &fit.high, fit.centre);
    let count = samples.len().min(rest.len()) / LANES * LANES;
    let rest = &mut rest[..count];
    let mut tone_low = Phasors::new(low.phase - low.omega * centre, low.omega);
    let mut tone_high = Phasors::new(high.phase - high.omega * centre, high.omega);
    for (out, chunk) in rest.chunks_exact_mut(LANES).zip(samples.chunks_exact(LANES)) {
        for i in 0..LANES {
            out[i] = chunk[i] - low.amplitude * tone_low.re[i] - high.amplitude * tone_high.re[i];
        }
        tone_low.step();
        tone_high.step();
    }
    let mut state = [[0f32; 2]; 3];
    let mut energy = 0.0;
    // A first value taken off keeps a large offset or hum from ringing through.
    let offset = rest.iter().take(LANES).sum::<f32>() / LANES as f32;
    for (n, sample) in rest.iter().enumerate() {
        let mut value = *sample - offset;
        for (section, [s1, s2]) in BAND.iter().zip(&mut state) {
            let [gain, b1, a1, a2] = *section;
            let input = value * gain;
            let output = input + *s1;
            *s1 = b1 * input - a1 * output + *s2;
            *s2 = input - a2 * output;
            value = output;
        }
        if n >= SETTLE {
            energy += value * value;
        }
    }
    energy / (count.saturating_sub(SETTLE)).max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tones(length: usize, low: f32, high: f32) -> Vec<f32> {
        (0..length)
            .map(|n| {
                let t = n as f32 / 8000.0;
                3000.0 * (TAU * low * t + 0.3).cos() + 1500.0 * (TAU * high * t - 1.0).cos()
            })
            .collect()
    }

    #[test]
    fn frequencies_and_phases_are_exact() {
        for (low, high) in [(697.0, 1209.0), (709.5, 1187.0), (941.0, 1209.0), (924.0, 1660.0)] {
            let samples = tones(280, low, high);
            let mut scratch = [0.0; 400];
            let radians = |f: f32| TAU * f / 8000.0;
            let fit = fit_phase(&samples, radians(low * 1.015), radians(high * 0.985), 3, 0.0);
            let fit = Fit { residual: residual(&samples, &fit, &mut scratch), ..fit };
            assert!((fit.low.omega - radians(low)).abs() < radians(0.15), "{low}");
            assert!((fit.high.omega - radians(high)).abs() < radians(0.3), "{high}");
            assert!((fit.low.amplitude - 3000.0).abs() < 15.0);
            let phase = TAU * low * fit.centre / 8000.0 + 0.3;
            let error = (fit.low.phase - phase).rem_euclid(TAU);
            assert!(error.min(TAU - error) < 0.01, "{error}");
            assert!(fit.residual < 1500.0 * 1500.0 / 2.0 / 3000.0, "{low} {high} {}", fit.residual);
        }
    }

    #[test]
    fn hum_and_dial_tone_do_not_count_as_rest() {
        let mut samples = tones(320, 770.0, 1336.0);
        for (n, s) in samples.iter_mut().enumerate() {
            let t = n as f32 / 8000.0;
            *s += 2000.0 + 3000.0 * (TAU * 50.0 * t).cos() + 1500.0 * (TAU * 440.0 * t).cos();
        }
        let fit = fit_phase(&samples, TAU * 770.0 / 8000.0, TAU * 1336.0 / 8000.0, 3, 0.0);
        let rest = residual(&samples, &fit, &mut [0.0; 320]);
        assert!(rest * 20.0 < 3000.0 * 3000.0 / 2.0, "{rest}");
    }
}
