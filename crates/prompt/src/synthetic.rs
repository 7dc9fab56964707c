//! A voice of warbling noises, for tests and benches that need prompts but no speech.
use crate::{LanguageSource, font, grammar::grammar, wav};

/// A complete language: every font clip that it needs, the prompts named, the words named. Each clip is a noise of its
/// own, 120 to 700 ms long, the same on each run; none is like another.
pub fn language(code: &str, prompts: &[&str], words: &[&str]) -> LanguageSource {
    let stems = prompts
        .iter()
        .map(|id| (*id).to_owned())
        .chain(font::required(grammar(code)))
        .chain(words.iter().map(|word| format!("word_{word}")));
    LanguageSource {
        code: code.to_owned(),
        table: prompts.iter().map(|id| format!("{id}: \"{id}\"\n")).collect(),
        font: String::new(),
        words: words.iter().map(|word| format!("{word}\n")).collect(),
        clips: stems.map(|stem| (stem.clone(), wav::write(&clip(code, &stem)).into())).collect(),
    }
}

/// Samples (8 kHz) of one clip: a gliding tone under noise, faded in and out.
fn clip(code: &str, stem: &str) -> Vec<i16> {
    let mut random = Random::of(&format!("{code}/{stem}"));
    let samples = 960 + (random.next() % 4640) as usize;
    let (low, high) = (150.0 + f64::from(random.next() % 500), 700.0 + f64::from(random.next() % 1500));
    let mut phase = 0.0;
    (0..samples)
        .map(|at| {
            let part = at as f64 / samples as f64;
            phase += std::f64::consts::TAU * (low + (high - low) * part) / 8000.0;
            let noise = f64::from(random.next() % 2001) - 1000.0;
            let edge = (at.min(samples - 1 - at) as f64 / 80.0).min(1.0);
            ((4000.0 * phase.sin() + noise) * edge) as i16
        })
        .collect()
}

/// xorshift32, seeded by a name (FNV-1a): small, and the same everywhere.
struct Random(u32);

impl Random {
    fn of(name: &str) -> Self {
        Self(
            name.bytes().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
                | 1,
        )
    }

    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}
