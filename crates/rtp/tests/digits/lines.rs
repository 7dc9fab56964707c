//! Categories of presses on lines: what must be heard, and how often.

use super::{Case, Random, Score, Style, amplitude, code, run};
use passline_rtp::{Codec, Digit};

fn ms(ms: f64) -> usize {
    (ms * 8.0) as usize
}

/// Runs `make` for `count` cases.
fn each(seed: u64, count: usize, mut make: impl FnMut(&mut Random, usize) -> (Case, Vec<i16>)) -> Score {
    let mut total = Score::default();
    let mut random = Random::new(seed);
    for i in 0..count {
        let (case, pcm) = make(&mut random, i);
        total.add(run(&case, &pcm));
    }
    total
}

/// Lead-in, the presses that `press` makes, lead-out.
fn simple(random: &mut Random, digit: Digit, length: usize, style: Style) -> Case {
    let mut case = Case::default();
    case.silence(random.int(400, 700) as usize);
    case.press(digit, length, &style.random_phases(random));
    case.silence(800);
    case
}

fn plain(case: Case) -> (Case, Vec<i16>) {
    let pcm = case.pcm();
    (case, pcm)
}

fn ulaw(case: Case) -> (Case, Vec<i16>) {
    let pcm = case.coded(Codec::Pcmu);
    (case, pcm)
}

pub fn decode(n: usize) -> Score {
    each(1, n, |r, i| plain(simple(r, Digit::ALL[i % 16], ms(100.0), Style::default())))
}

pub fn bandwidth_accept(n: usize) -> Score {
    each(2, n, |r, i| {
        let digit = Digit::ALL[i % 16];
        let (low, high) = digit.frequencies();
        let mut offset = |hertz: f32| {
            let limit = 0.015 + 2.0 / f64::from(hertz);
            match r.int(0, 4) {
                0 => limit,
                1 => -limit,
                2 => 0.0,
                _ => r.real(-limit, limit),
            }
        };
        let style = Style::default().offsets(offset(low), offset(high));
        let length = r.real(40.0, 80.0);
        ulaw(simple(r, digit, ms(length), style))
    })
}

pub fn bandwidth_reject(n: usize) -> Score {
    each(3, n, |r, i| {
        let far = |r: &mut Random| {
            let size = [0.035, 0.036, 0.04, 0.045][r.int(0, 3) as usize];
            if r.int(0, 1) == 0 { size } else { -size }
        };
        let (low, high) = match r.int(0, 2) {
            0 => (far(r), 0.0),
            1 => (0.0, far(r)),
            _ => (far(r), far(r)),
        };
        let style = Style::default().offsets(low, high);
        let length = r.real(40.0, 100.0);
        let mut case = simple(r, Digit::ALL[i % 16], ms(length), style);
        case.truth.clear();
        ulaw(case)
    })
}

pub fn twist(n: usize) -> Score {
    each(4, n, |r, i| {
        let twist = (i / 16 % 13) as f64 - 8.0;
        let top = r.real(-22.0, -3.0);
        let (low, high) = if twist < 0.0 { (top, top + twist) } else { (top - twist, top) };
        let length = r.real(50.0, 80.0);
        ulaw(simple(r, Digit::ALL[i % 16], ms(length), Style::default().levels(low, high)))
    })
}

pub fn level(n: usize, from: f64, to: f64) -> Score {
    each(5, n, |r, i| {
        let dbm0 = r.real(to, from);
        let length = r.real(45.0, 70.0);
        let style = Style::default().levels(dbm0, dbm0);
        let case = simple(r, Digit::ALL[i % 16], ms(length), style);
        if r.int(0, 1) == 0 { ulaw(case) } else { plain(case) }
    })
}

pub fn level_reject(n: usize) -> Score {
    each(6, n, |r, i| {
        let dbm0 = r.real(-75.0, -55.0);
        let mut case = simple(r, Digit::ALL[i % 16], 800, Style::default().levels(dbm0, dbm0));
        case.truth.clear();
        if r.int(0, 1) == 0 { ulaw(case) } else { plain(case) }
    })
}

pub fn duration_accept(n: usize) -> Score {
    each(7, n, |r, i| {
        let length = [40.0, 41.0, 45.0, 50.0, 60.0][r.int(0, 4) as usize];
        let level = r.real(-25.0, -3.0);
        let mut style = Style::default().levels(level, level);
        style.ramp = [0, 8, 16][r.int(0, 2) as usize];
        ulaw(simple(r, Digit::ALL[i % 16], ms(length), style))
    })
}

pub fn duration_reject(n: usize) -> Score {
    each(8, n, |r, i| {
        let length = r.real(5.0, 23.0);
        let level = r.real(-25.0, -3.0);
        let mut style = Style::default().levels(level, level);
        style.ramp = [0, 8][r.int(0, 1) as usize];
        let mut case = simple(r, Digit::ALL[i % 16], ms(length), style);
        case.truth.clear();
        ulaw(case)
    })
}

/// Two presses of one key, phases anew.
pub fn pauses(n: usize, from: f64, to: f64) -> Score {
    each(9, n, |r, i| {
        let digit = Digit::ALL[i % 16];
        let mut case = Case::default();
        case.silence(r.int(400, 700) as usize);
        let random_phase = r.int(0, 1) == 0;
        for press in 0..2 {
            let mut style = Style { ramp: [0, 8, 16][r.int(0, 2) as usize], ..Style::default() };
            if random_phase {
                style = style.random_phases(r);
            }
            let length = r.real(45.0, 200.0);
            case.press(digit, ms(length), &style);
            if press == 0 {
                let pause = r.real(from, to);
                case.silence(ms(pause));
            }
        }
        case.silence(1200);
        ulaw(case)
    })
}

/// A hole in one press: silence, noise, or rubbish in place of the tone.
pub fn holes(n: usize, from: f64, to: f64) -> Score {
    each(10, n, |r, i| {
        let hole = ms(r.real(from, to));
        let before = ms(r.real(25.0, 200.0));
        let after = ms(r.real(45.0, 200.0));
        let offsets = (r.real(-0.015, 0.015), r.real(-0.015, 0.015));
        let style = Style::default().offsets(offsets.0, offsets.1);
        let mut case = simple(r, Digit::ALL[i % 16], before + hole + after, style);
        let start = case.truth[0].start + before;
        let kind = r.int(0, 3);
        for s in &mut case.audio[start..start + hole] {
            *s = match kind {
                0 | 1 => 0.0,
                2 => 60.0 * r.normal(),
                _ => 4000.0 * r.real(-1.0, 1.0),
            };
        }
        ulaw(case)
    })
}

pub fn interruptions(n: usize, to: f64) -> Score {
    each(11, n, |r, i| {
        let hole = ms(r.real(0.5, to));
        let before = ms(r.real(20.0, 80.0));
        let after = ms(r.real(20.0, 80.0));
        let mut case = simple(r, Digit::ALL[i % 16], before + hole + after, Style::default());
        let start = case.truth[0].start + before;
        case.audio[start..start + hole].fill(0.0);
        ulaw(case)
    })
}

pub fn noise(n: usize, ratio: f64) -> Score {
    each(12 + ratio as u64, n, |r, i| {
        let level = r.real(-20.0, -6.0);
        let mut case = simple(r, Digit::ALL[i % 16], ms(50.0), Style::default().levels(level, level));
        case.add_noise(level + 3.0 - ratio, r);
        ulaw(case)
    })
}

/// Distinct digits one after the other.
pub fn rolling(n: usize) -> Score {
    each(40, n / 16, |r, i| {
        let mut case = Case::default();
        case.silence(500);
        for k in 0..16 {
            let pause = [0.0, 10.0, 40.0][i % 3];
            case.press(Digit::ALL[(k * 7 + i) % 16], ms(50.0), &Style::default().random_phases(r));
            case.silence(ms(pause));
        }
        case.silence(1200);
        ulaw(case)
    })
}

/// Hum, DC, clipping, dial tone under digits.
pub fn faults(n: usize) -> Score {
    each(50, n, |r, i| {
        let level = r.real(-16.0, -6.0);
        let length = r.real(50.0, 90.0);
        let mut case = simple(r, Digit::ALL[i % 16], ms(length), Style::default().levels(level, level));
        match i / 16 % 6 {
            0 => case.add_sine([50.0, 60.0][r.int(0, 1) as usize], level + r.real(-10.0, 8.0), 1.0),
            1 => {
                let base = [50.0, 60.0][r.int(0, 1) as usize];
                for k in 1..6 {
                    case.add_sine(base * f64::from(k), level - 3.0 * f64::from(k), 0.3 * f64::from(k));
                }
            }
            2 => {
                let offset = amplitude(level) * r.real(-2.0, 2.0);
                case.audio.iter_mut().for_each(|s| *s += offset);
            }
            3 => {
                let limit = amplitude(level) * r.real(0.5, 1.5);
                case.audio.iter_mut().for_each(|s| *s = s.clamp(-limit, limit));
            }
            4 => {
                let (a, b) = [(350.0, 440.0), (425.0, 425.1), (440.0, 480.0)][r.int(0, 2) as usize];
                let under = level + r.real(-10.0, 3.0);
                case.add_sine(a, under, 0.0);
                case.add_sine(b, under, 1.0);
            }
            _ => {
                let limit = amplitude(level) * r.real(0.7, 1.5);
                let asymmetry = r.real(0.6, 1.0);
                case.audio.iter_mut().for_each(|s| *s = s.clamp(-limit * asymmetry, limit));
            }
        }
        ulaw(case)
    })
}

/// A-law and µ-law in tandem, with a gain between.
pub fn chains(n: usize) -> Score {
    each(60, n, |r, i| {
        let level = r.real(-30.0, -6.0);
        let length = r.real(45.0, 80.0);
        let case = simple(r, Digit::ALL[i % 16], ms(length), Style::default().levels(level, level));
        let mut pcm = case.pcm();
        for _ in 0..r.int(1, 4) {
            let codec = if r.int(0, 1) == 0 { Codec::Pcmu } else { Codec::Pcma };
            let gain = r.real(0.7, 1.2);
            for s in &mut pcm {
                *s = (f64::from(*s) * gain).clamp(-32768.0, 32767.0) as i16;
            }
            pcm = code(&pcm, codec);
        }
        (case, pcm)
    })
}

/// Digits over a prompt that comes back as echo: `echo` makes the prompt, level below the digits in dB.
pub fn barge_in(n: usize, mut echo: impl FnMut(&mut Random, usize) -> Vec<f64>) -> Score {
    each(70, n, |r, i| {
        let level = r.real(-16.0, -8.0);
        let length = r.real(60.0, 120.0);
        let digit = Digit::ALL[i % 16];
        let mut case = Case::default();
        case.silence(4000);
        case.press(digit, ms(length), &Style::default().levels(level, level).random_phases(r));
        case.silence(4000);
        let prompt = echo(r, case.audio.len());
        let power = prompt.iter().map(|s| s * s).sum::<f64>() / prompt.len() as f64;
        let wanted = amplitude(level + 3.0 - r.real(6.0, 20.0)).powi(2) / 2.0;
        let gain = (wanted / power.max(1.0)).sqrt();
        for (s, p) in case.audio.iter_mut().zip(&prompt) {
            *s += gain * p;
        }
        ulaw(case)
    })
}

/// The fastest dialling that must be understood: 40 ms tone, 40 ms pause, keys often repeated.
pub fn fast(n: usize) -> Score {
    each(80, n / 10, |r, _| {
        let mut case = Case::default();
        case.silence(500);
        let mut digit = r.digit();
        for _ in 0..10 {
            if r.int(0, 1) == 0 {
                digit = r.digit();
            }
            let style = Style { ramp: [0, 8][r.int(0, 1) as usize], ..Style::default() };
            let (tone, pause) = (r.real(40.0, 50.0), r.real(40.0, 53.0));
            case.press(digit, ms(tone), &style.random_phases(r));
            case.silence(ms(pause));
        }
        case.silence(1200);
        ulaw(case)
    })
}
