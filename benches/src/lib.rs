//! Benchmarks; here is the audio that several of them hear.
use passline_rtp::{Digit, ToneGenerator};

/// Seconds of audio in each case.
pub const SECONDS: usize = 10;

/// Nothing at all.
pub fn silence() -> Vec<i16> {
    vec![0; SECONDS * 8000]
}

/// White noise at -18 dBm0 or so.
pub fn white_noise() -> Vec<i16> {
    noise(SECONDS * 8000, 3000)
}

/// Ten digits a second: 50 ms tone, 50 ms pause.
pub fn digits() -> Vec<i16> {
    let mut audio = noise(SECONDS * 8000, 30);
    for (i, slot) in audio.chunks_mut(800).enumerate() {
        let mut tone = [0; 400];
        ToneGenerator::new(Digit::ALL[i % 16], 50).fill(&mut tone);
        slot.iter_mut().zip(&tone).for_each(|(s, t)| *s += t / 2);
    }
    audio
}

/// Two gliding partials over a buzz: voiced speech, roughly.
pub fn voice() -> Vec<i16> {
    let mut audio = noise(SECONDS * 8000, 200);
    let (mut pitch, mut phase) = (0f32, 0f32);
    for (n, s) in audio.iter_mut().enumerate() {
        let t = n as f32 / 8000.0;
        pitch += (120.0 + 30.0 * (t * 3.0).sin()) / 8000.0;
        phase += (700.0 + 200.0 * (t * 5.0).sin()) / 8000.0;
        let buzz = (pitch.fract() - 0.5) * 2000.0;
        let formants = (phase * std::f32::consts::TAU).sin() * 3000.0
            + (phase * 1.8 * std::f32::consts::TAU).sin() * 1500.0;
        *s += (buzz + formants * (t * 4.0).sin().abs()) as i16;
    }
    audio
}

/// Noise by a small generator, so that every run is the same.
fn noise(samples: usize, level: i32) -> Vec<i16> {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as i32 % (2 * level + 1) - level) as i16
    };
    (0..samples).map(|_| next()).collect()
}
