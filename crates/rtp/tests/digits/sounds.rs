//! Sounds that hold no digits: call progress, music, noise.

use super::{Case, Random, Score, run};
use passline_rtp::Codec;
use std::f64::consts::TAU;

fn listen(case: &Case) -> Score {
    run(case, &case.coded(Codec::Pcmu))
}

/// Dial, busy, ringback, special information and ring tones of several countries, with cadences.
pub fn progress(seconds: usize) -> Score {
    const TONES: &[(&[f64], f64, f64)] = &[
        (&[350.0, 440.0], 4.0, 0.0),
        (&[440.0, 480.0], 2.0, 4.0),
        (&[480.0, 620.0], 0.5, 0.5),
        (&[480.0, 620.0], 0.25, 0.25),
        (&[425.0], 1.0, 4.0),
        (&[425.0], 0.48, 0.48),
        (&[400.0, 450.0], 0.4, 0.2),
        (&[950.0], 0.33, 0.03),
        (&[1400.0], 0.33, 0.03),
        (&[1800.0], 0.33, 1.0),
        (&[1004.0], 4.0, 0.0),
        (&[697.0], 1.0, 0.1),
        (&[1336.0], 1.0, 0.1),
        (&[2100.0], 3.3, 0.1),
        (&[1100.0], 0.5, 3.0),
        (&[1300.0], 0.5, 2.0),
        (&[1750.0], 0.5, 0.5),
        (&[853.0, 960.0], 1.0, 0.2),
    ];
    let mut total = Score::default();
    let mut random = Random::new(90);
    let mut done = 0;
    while done < seconds {
        for &(tones, on, off) in TONES {
            let mut case = Case::default();
            case.silence(8 * 8000);
            for tone in tones {
                case.add_sine(*tone, random.real(-25.0, -6.0), random.real(0.0, 6.0));
            }
            for (n, s) in case.audio.iter_mut().enumerate() {
                if (n as f64 / 8000.0) % (on + off) >= on {
                    *s = 0.0;
                }
            }
            total.add(listen(&case));
            done += 8;
        }
    }
    total
}

/// Melodies and chords of synthetic instruments.
pub fn music(seconds: usize, seed: u64) -> Score {
    let mut total = Score::default();
    let mut random = Random::new(seed);
    for _ in 0..seconds / 10 {
        let mut case = Case::default();
        case.silence(80_000);
        for voice in 0..random.int(1, 4) {
            let brightness = random.real(0.25, 0.9);
            let vibrato = random.real(0.0, 0.006);
            let mut at = 0usize;
            let mut note = random.int(55, 76) + voice;
            while at < 79_000 {
                let length = (8000.0 * [0.125, 0.25, 0.25, 0.5, 1.0][random.int(0, 4) as usize]) as usize;
                note = (note + random.int(-5, 5)).clamp(48, 88);
                let hertz = 440.0 * 2f64.powf((note - 69) as f64 / 12.0);
                let level = random.real(500.0, 3000.0);
                let end = (at + length).min(80_000);
                for n in at..end {
                    let t = (n - at) as f64 / 8000.0;
                    let decay = (-t * 2.0).exp() * (t * 200.0).min(1.0);
                    let wobble = vibrato * (TAU * 5.5 * t).sin() / 5.5;
                    let mut partial = level * decay;
                    for k in 1..=10 {
                        let f = hertz * f64::from(k);
                        if f > 3800.0 {
                            break;
                        }
                        case.audio[n] += partial * (TAU * f * (t + wobble)).sin();
                        partial *= brightness;
                    }
                }
                at = end;
            }
        }
        total.add(listen(&case));
    }
    total
}

/// White, low-pass and bursty noise.
pub fn noise(seconds: usize) -> Score {
    let mut total = Score::default();
    let mut random = Random::new(92);
    for i in 0..seconds / 10 {
        let mut case = Case::default();
        let level = random.real(30.0, 6000.0);
        let smooth = [0.0, 0.5, 0.9][i % 3];
        let mut last = 0.0;
        case.audio = (0..80_000)
            .map(|_| {
                last = smooth * last + (1.0 - smooth) * random.normal() * level;
                last
            })
            .collect();
        total.add(listen(&case));
    }
    total
}
