//! A seeded corpus for the tone detector: every category of what lines do to digits.

#![allow(dead_code)] // Each test binary uses a part of it.

pub mod events;
pub mod lines;
pub mod sounds;
pub mod voices;

use passline_rtp::{Codec, Digit, Tone, ToneGenerator, detect_tones};
use std::f64::consts::TAU;

/// A small seeded generator (SplitMix64): the corpus is the same on every machine.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Between `low` and `high`.
    pub fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn int(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.real(0.0, 1.0)).sum::<f64>() - 6.0
    }

    pub fn digit(&mut self) -> Digit {
        Digit::ALL[self.int(0, 15) as usize]
    }
}

/// One press as it truly was.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    pub digit: Digit,
    pub start: usize,
    pub end: usize,
}

/// Audio and what was pressed in it.
#[derive(Clone, Default)]
pub struct Case {
    pub audio: Vec<f64>,
    pub truth: Vec<Truth>,
}

/// How a press is made.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub low_dbm0: f64,
    pub high_dbm0: f64,
    pub low_offset: f64,
    pub high_offset: f64,
    pub ramp: u32,
    pub phases: (f64, f64),
}

impl Default for Style {
    fn default() -> Self {
        let phases = (0.0, 0.0);
        Style { low_dbm0: -9.0, high_dbm0: -7.0, low_offset: 0.0, high_offset: 0.0, ramp: 8, phases }
    }
}

impl Style {
    pub fn random_phases(mut self, random: &mut Random) -> Self {
        self.phases = (random.real(0.0, TAU), random.real(0.0, TAU));
        self
    }

    pub fn levels(mut self, low: f64, high: f64) -> Self {
        (self.low_dbm0, self.high_dbm0) = (low, high);
        self
    }

    pub fn offsets(mut self, low: f64, high: f64) -> Self {
        (self.low_offset, self.high_offset) = (low, high);
        self
    }

    pub fn samples(&self, digit: Digit, length: usize) -> Vec<f64> {
        let mut generator = ToneGenerator::new(digit, 0)
            .with_levels(self.low_dbm0 as f32, self.high_dbm0 as f32)
            .with_offsets(self.low_offset, self.high_offset)
            .with_phases(self.phases.0, self.phases.1)
            .with_length(length as u32)
            .with_ramp(self.ramp);
        std::iter::from_fn(|| generator.next_sample()).collect()
    }
}

impl Case {
    pub fn silence(&mut self, samples: usize) {
        self.audio.resize(self.audio.len() + samples, 0.0);
    }

    pub fn press(&mut self, digit: Digit, samples: usize, style: &Style) {
        let start = self.audio.len();
        self.audio.extend(style.samples(digit, samples));
        self.truth.push(Truth { digit, start, end: self.audio.len() });
    }

    /// A tone that must not be a digit.
    pub fn decoy(&mut self, digit: Digit, samples: usize, style: &Style) {
        self.press(digit, samples, style);
        self.truth.pop();
    }

    /// A sine over everything.
    pub fn add_sine(&mut self, hertz: f64, dbm0: f64, phase: f64) {
        let amplitude = amplitude(dbm0);
        for (n, s) in self.audio.iter_mut().enumerate() {
            *s += amplitude * (TAU * hertz * n as f64 / 8000.0 + phase).sin();
        }
    }

    /// White noise of a power in dBm0.
    pub fn add_noise(&mut self, dbm0: f64, random: &mut Random) {
        let deviation = amplitude(dbm0) / 2f64.sqrt();
        for s in &mut self.audio {
            *s += deviation * random.normal();
        }
    }

    pub fn pcm(&self) -> Vec<i16> {
        self.audio.iter().map(|s| s.round().clamp(-32768.0, 32767.0) as i16).collect()
    }

    /// Through a codec and back.
    pub fn coded(&self, codec: Codec) -> Vec<i16> {
        code(&self.pcm(), codec)
    }
}

/// Through a codec and back, in packets of 20 ms.
pub fn code(pcm: &[i16], codec: Codec) -> Vec<i16> {
    let codec = LINE.get().unwrap_or(codec);
    let (mut encoder, mut decoder) = (codec.encoder(), codec.decoder());
    let mut back = vec![0; pcm.len().next_multiple_of(160)];
    let mut octets = [0; 1440];
    for (frame, heard) in pcm.chunks(160).zip(back.chunks_mut(160)) {
        let mut whole = [0; 160];
        whole[..frame.len()].copy_from_slice(frame);
        let length = encoder.encode(&whole, &mut octets);
        decoder.decode(&octets[..length], 0, heard);
    }
    back.truncate(pcm.len());
    back
}

thread_local! {
    static LINE: std::cell::Cell<Option<Codec>> = const { std::cell::Cell::new(None) };
}

/// Makes a score with all audio coded by this codec, in place of the one that its category has.
pub fn over(codec: Codec, make: impl FnOnce() -> Score) -> Score {
    LINE.set(Some(codec));
    let score = make();
    LINE.set(None);
    score
}

/// Peak amplitude of a sine.
pub fn amplitude(dbm0: f64) -> f64 {
    22_704.0 * 10f64.powf(dbm0 / 20.0)
}

/// Hits, misses and extras of a category.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    pub truth: usize,
    pub missed: usize,
    pub extra: usize,
    pub seconds: f64,
}

impl Score {
    pub fn add(&mut self, other: Score) {
        self.truth += other.truth;
        self.missed += other.missed;
        self.extra += other.extra;
        self.seconds += other.seconds;
    }
}

/// Compares detections (digit, start, end) with the truth: each press takes the first overlapping one of its digit.
pub fn score(truth: &[Truth], found: &[(Digit, usize, usize)], samples: usize) -> Score {
    let mut free = vec![true; found.len()];
    let mut missed = 0;
    for press in truth {
        let hit = found.iter().enumerate().position(|(i, (digit, start, end))| {
            free[i] && *digit == press.digit && *start < press.end + 80 && *end + 80 > press.start
        });
        match hit {
            Some(i) => free[i] = false,
            None => missed += 1,
        }
    }
    let extra = free.iter().filter(|&&f| f).count();
    Score { truth: truth.len(), missed, extra, seconds: samples as f64 / 8000.0 }
}

/// Runs the detector over a recording.
pub fn found(pcm: &[i16]) -> Vec<(Digit, usize, usize)> {
    let of = |t: Tone| (t.digit, t.start as usize, t.start as usize + t.duration as usize);
    detect_tones(pcm).into_iter().map(of).collect()
}

pub fn run(case: &Case, pcm: &[i16]) -> Score {
    let result = score(&case.truth, &found(pcm), pcm.len());
    if std::env::var_os("PASSLINE_CORPUS_SHOW").is_some() && (result.missed > 0 || result.extra > 0) {
        println!("  truth {:?}\n  found {:?}", case.truth, found(pcm));
    }
    result
}
