//! Voices: a formant synthesiser, plain and harsh, and recordings from a directory.

use super::{Case, Random, Score, run};
use passline_rtp::Codec;
use std::f64::consts::TAU;

/// A two-pole resonance.
#[derive(Clone, Copy, Default)]
struct Formant {
    a: f64,
    b: f64,
    gain: f64,
    y1: f64,
    y2: f64,
}

impl Formant {
    fn tune(&mut self, hertz: f64, width: f64) {
        let r = (-std::f64::consts::PI * width / 8000.0).exp();
        self.a = 2.0 * r * (TAU * hertz / 8000.0).cos();
        self.b = -r * r;
        self.gain = 1.0 - r;
    }

    fn next(&mut self, x: f64) -> f64 {
        let y = self.gain * x + self.a * self.y1 + self.b * self.y2;
        (self.y2, self.y1) = (self.y1, y);
        y
    }
}

/// First three formants of some vowels, Hz.
const VOWELS: [[f64; 3]; 12] = [
    [730.0, 1090.0, 2440.0],
    [270.0, 2290.0, 3010.0],
    [530.0, 1840.0, 2480.0],
    [660.0, 1720.0, 2410.0],
    [520.0, 1190.0, 2390.0],
    [570.0, 840.0, 2410.0],
    [440.0, 1020.0, 2240.0],
    [300.0, 870.0, 2240.0],
    [640.0, 1190.0, 2390.0],
    [490.0, 1350.0, 1690.0],
    [700.0, 1220.0, 2600.0],
    [850.0, 1340.0, 2810.0],
];

/// Speech-like sound: syllables of vowels with gliding pitch and formants, bursts of noise between.
/// `harsh` voices have steady pitch, narrow formants and hard glottal pulses: the worst for tone detectors.
pub fn synthesize(random: &mut Random, samples: usize, harsh: bool) -> Vec<f64> {
    let mut out = Vec::with_capacity(samples);
    let base = random.real(80.0, 320.0);
    let size = random.real(0.85, 1.25);
    let mut formants = [Formant::default(); 3];
    let mut phase = 0.0;
    while out.len() < samples {
        let length = (random.real(0.06, 0.35) * 8000.0) as usize;
        let from = VOWELS[random.int(0, 11) as usize];
        let to = if harsh && random.int(0, 1) == 0 { from } else { VOWELS[random.int(0, 11) as usize] };
        let pitch = base * random.real(0.8, 1.4);
        let slope = if harsh { random.real(-0.02, 0.02) } else { random.real(-0.3, 0.3) };
        let width = if harsh { random.real(15.0, 60.0) } else { random.real(50.0, 120.0) };
        let level = random.real(3000.0, 9000.0);
        let breath = if harsh { 0.01 } else { 0.05 };
        for n in 0..length {
            let t = n as f64 / length as f64;
            if n % 8 == 0 {
                for (k, f) in formants.iter_mut().enumerate() {
                    f.tune(size * (from[k] + (to[k] - from[k]) * t), width * (1.0 + k as f64 * 0.5));
                }
            }
            phase += pitch * (1.0 + slope * t) / 8000.0;
            if phase >= 1.0 {
                phase -= 1.0;
            }
            let source = if harsh {
                if phase < pitch / 8000.0 { 12.0 } else { 0.0 }
            } else {
                6.0 * (phase * (1.0 - phase)).powi(2) * 16.0 - 3.2
            };
            let envelope = (t * 12.0).min((1.0 - t) * 12.0).min(1.0);
            let driven = source + breath * random.normal();
            let voice =
                formants[0].next(driven) + 0.7 * formants[1].next(driven) + 0.3 * formants[2].next(driven);
            out.push(level * envelope * voice * 4.0);
        }
        let gap = (random.real(0.0, 0.12) * 8000.0) as usize;
        let hiss = random.real(0.0, 600.0);
        out.extend((0..gap).map(|_| hiss * random.normal()));
    }
    out.truncate(samples);
    // To an active level near -19 dBm0.
    let power = out.iter().map(|s| s * s).sum::<f64>() / samples as f64;
    let gain = 2500.0 / power.sqrt().max(1.0);
    out.iter_mut().for_each(|s| *s *= gain);
    out
}

pub fn talk_off(seconds: usize, harsh: bool, seed: u64) -> Score {
    let mut total = Score::default();
    let mut random = Random::new(seed);
    for _ in 0..seconds / 10 {
        let case = Case { audio: synthesize(&mut random, 80_000, harsh), truth: Vec::new() };
        total.add(run(&case, &case.coded(Codec::Pcmu)));
    }
    total
}

/// All 8 kHz mono WAV files of a directory: name and samples.
pub fn read_all(directory: &str) -> Vec<(String, Vec<i16>)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let mut wav = hound::WavReader::open(path).ok()?;
        Some((path.display().to_string(), wav.samples::<i16>().flatten().collect()))
    };
    paths.iter().filter_map(read).collect()
}

/// All recordings of a directory, none of which holds digits.
pub fn recordings(directory: &str) -> Score {
    let mut total = Score::default();
    for (path, pcm) in read_all(directory) {
        let pcm = super::code(&pcm, Codec::Pcmu);
        let result = run(&Case::default(), &pcm);
        if result.extra > 0 {
            println!("  {} extra in {path}", result.extra);
        }
        total.add(result);
    }
    total
}
