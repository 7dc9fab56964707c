//! Looks at the sound of clips: level, clipping, silence and clicks at the ends.
use crate::{
    source::{LanguageSource, LibraryError, Severity},
    wav,
};

/// Active speech level that clips are made with, in dBm0.
pub const LEVEL_DBM0: f64 = -19.0;

/// How far a clip may be from it, in dB.
const LEVEL_TOLERANCE: f64 = 3.0;

/// A sine of this peak has 3.17 dBm0, the most that µ-law carries (ITU-T G.711).
const OVERLOAD: i16 = 32_124;

/// Frame of the level meter, in samples (20 ms).
const FRAME: usize = 160;

/// Pauses lie this far below the active level, in dB (margin of ITU-T P.56).
const MARGIN: f64 = 15.9;

/// Louder than this is sound when silence at the ends is measured (-50 dBm0).
const AUDIBLE: u16 = 60;

/// Longest silence at the beginning and the end, in ms.
const LEAD_MS: u32 = 150;
const TRAIL_MS: u32 = 300;

/// Largest first and last sample: a joint with silence is a step of this size.
const STEP: i16 = 300;

/// Largest mean of all samples.
const OFFSET: f64 = 100.0;

/// Shortest clip, in ms.
const SHORTEST_MS: u32 = 60;

/// What a clip sounds like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// Mean power of the frames in which somebody speaks, in dBm0; minus infinity for silence.
    pub active_dbm0: f64,
    /// Largest magnitude, 0 to 32 768.
    pub peak: u16,
    /// Samples in runs of three or more at the peak, when the peak is near full scale.
    pub clipped: usize,
    /// Silence before the first and after the last sound, in ms.
    pub lead_ms: u32,
    /// See `lead_ms`.
    pub trail_ms: u32,
    /// Mean of all samples.
    pub offset: f64,
    /// First and last sample.
    pub ends: (i16, i16),
    /// Length, in ms.
    pub length_ms: u32,
}

/// Measures samples at 8 kHz.
pub fn measure(samples: &[i16]) -> Measure {
    let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    let first = samples.iter().position(|sample| sample.unsigned_abs() > AUDIBLE);
    let last = samples.iter().rposition(|sample| sample.unsigned_abs() > AUDIBLE);
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample)).sum();
    let ms = |samples: usize| (samples / 8) as u32;
    Measure {
        active_dbm0: active_level(samples),
        peak,
        clipped: clipped(samples, peak),
        lead_ms: ms(first.unwrap_or(samples.len())),
        trail_ms: ms(last.map_or(samples.len(), |last| samples.len() - 1 - last)),
        offset: sum / samples.len().max(1) as f64,
        ends: (samples.first().copied().unwrap_or(0), samples.last().copied().unwrap_or(0)),
        length_ms: ms(samples.len()),
    }
}

/// dBm0 of a mean square of samples.
fn dbm0(square: f64) -> f64 {
    let reference = f64::from(OVERLOAD).powi(2) / 2.0;
    10.0 * (square / reference).log10() + 3.17
}

/// Mean power of all frames within [`MARGIN`] of it: pauses do not make a sentence quieter. Much like ITU-T P.56,
/// method B, with frames in place of its envelope.
fn active_level(samples: &[i16]) -> f64 {
    let square = |frame: &[i16]| {
        frame.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / frame.len() as f64
    };
    let frames: Vec<f64> = samples.chunks(FRAME).map(square).collect();
    let mut level = f64::NEG_INFINITY;
    // Each round leaves out quieter frames, so that the level only rises and soon stands still.
    for _ in 0..20 {
        let active: Vec<f64> =
            frames.iter().copied().filter(|frame| *frame > 0.0 && dbm0(*frame) >= level - MARGIN).collect();
        if active.is_empty() {
            return level;
        }
        let next = dbm0(active.iter().sum::<f64>() / active.len() as f64);
        if (next - level).abs() < 0.01 {
            return next;
        }
        level = next;
    }
    level
}

fn clipped(samples: &[i16], peak: u16) -> usize {
    if peak < 30_000 {
        return 0;
    }
    let at_peak = |sample: &i16| sample.unsigned_abs() >= peak;
    samples.chunk_by(|a, b| at_peak(a) && at_peak(b)).filter(|run| run.len() >= 3).map(<[i16]>::len).sum()
}

/// What a listener would complain about, clip by clip in the order of their names. Files that cannot be read are in the
/// errors of [`crate::Library::build`].
pub fn check(source: &LanguageSource) -> Vec<LibraryError> {
    let mut clips: Vec<_> = source.clips.iter().collect();
    clips.sort_by(|a, b| a.0.cmp(&b.0));
    let mut findings = Vec::new();
    for (stem, bytes) in clips {
        let Ok(samples) = wav::read(bytes) else {
            continue;
        };
        for (message, remedy) in complaints(&measure(&samples)) {
            findings.push(LibraryError {
                severity: Severity::Warning,
                file: format!("{}/{stem}.wav", source.code),
                line: None,
                message,
                remedy: remedy.to_owned(),
            });
        }
    }
    findings
}

fn complaints(measure: &Measure) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    let level = measure.active_dbm0;
    if level == f64::NEG_INFINITY {
        return vec![("is silent".to_owned(), "record it again")];
    }
    if (level - LEVEL_DBM0).abs() > LEVEL_TOLERANCE {
        found.push((format!("has {level:.1} dBm0 of active speech, not {LEVEL_DBM0}"), "change its level"));
    }
    if measure.clipped > 0 {
        found.push((format!("is clipped in {} samples", measure.clipped), "record it with less gain"));
    } else if measure.peak > OVERLOAD.unsigned_abs() {
        found.push((format!("has peaks of {}; G.711 carries {OVERLOAD}", measure.peak), "lower its level"));
    }
    if measure.lead_ms > LEAD_MS {
        found.push((format!("begins with {} ms of silence", measure.lead_ms), "cut it off"));
    }
    if measure.trail_ms > TRAIL_MS {
        found.push((format!("ends with {} ms of silence", measure.trail_ms), "cut it off"));
    }
    if measure.offset.abs() > OFFSET {
        found.push((format!("has a DC offset of {:.0}", measure.offset), "use a high-pass filter"));
    }
    for (end, sample) in [("begins", measure.ends.0), ("ends", measure.ends.1)] {
        if sample.unsigned_abs() > STEP.unsigned_abs() {
            found.push((format!("{end} with a click (a sample of {sample})"), "fade its ends over 5 ms"));
        }
    }
    if measure.length_ms < SHORTEST_MS {
        found.push((format!("lasts only {} ms", measure.length_ms), "record it again"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(samples: usize, peak: f64) -> Vec<i16> {
        (0..samples)
            .map(|at| (peak * (std::f64::consts::TAU * 1000.0 * at as f64 / 8000.0 + 0.4).sin()) as i16)
            .collect()
    }

    #[test]
    fn a_full_sine_has_3_17_dbm0() {
        assert!(
            (measure(&sine(8000, 32_124.0 / (1000.0f64 / 8000.0 * 2.0).sin().max(1.0))).active_dbm0 - 3.17)
                .abs()
                < 0.1
        );
        assert!((measure(&sine(8000, 3212.4)).active_dbm0 + 16.83).abs() < 0.1);
        assert_eq!(measure(&[]).active_dbm0, f64::NEG_INFINITY);
    }

    #[test]
    fn pauses_do_not_lower_the_level() {
        let mut samples = sine(4000, 3000.0);
        let level = measure(&samples).active_dbm0;
        samples.extend([0; 8000]);
        samples.extend(sine(4000, 3000.0));
        assert!((measure(&samples).active_dbm0 - level).abs() < 0.2);
    }

    #[test]
    fn every_complaint_is_made_and_none_of_a_good_clip() {
        let complain = |samples: &[i16]| {
            let source = LanguageSource {
                code: "en".to_owned(),
                clips: vec![("welcome".to_owned(), wav::write(samples).into())],
                ..LanguageSource::default()
            };
            check(&source).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let mut good = sine(4000, 2500.0);
        (good[0], good[3999]) = (0, 0);
        assert_eq!(complain(&good), "");
        assert!(complain(&sine(4000, 200.0)).contains("dBm0 of active speech"));
        assert!(complain(&[0; 4000]).contains("is silent"));
        assert!(complain(&sine(200, 2500.0)).contains("lasts only 25 ms"));
        assert!(complain(&sine(4000, 2500.0)).contains("en/welcome.wav: begins with a click (a sample of "));
        let square: Vec<i16> = (0..4000).map(|at| if at / 8 % 2 == 0 { 32_700 } else { -32_700 }).collect();
        assert!(complain(&square).contains("is clipped in 4000 samples"));
        let shifted: Vec<i16> = good.iter().map(|sample| sample + 250).collect();
        assert!(complain(&shifted).contains("DC offset of 250"));
        let padded = [vec![0; 2000], good.clone(), vec![0; 3000]].concat();
        assert!(complain(&padded).contains("begins with 250 ms of silence"));
        assert!(complain(&padded).contains("ends with 375 ms of silence"));
    }
}
