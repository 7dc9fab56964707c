//! Digits in the audio.

mod bank;
mod detector;
mod fit;
mod judge;
mod run;
mod track;

use crate::digit::{Digit, FrameKind};
pub use detector::ToneDetector;

/// One press found in audio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tone {
    /// The key.
    pub digit: Digit,
    /// First sample, counted from the detector's first sample.
    pub start: u64,
    /// Samples from the first to the last of the tone.
    pub duration: u32,
    /// Holes that were bridged.
    pub bridged: u16,
}

/// What a [`ToneDetector`] reports while it listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToneEvent {
    /// A press is certain; it may still last.
    Start {
        /// The key.
        digit: Digit,
        /// First sample, counted from the detector's first sample.
        start: u64,
    },
    /// The press is over.
    End(Tone),
}

/// The digits of a whole recording at 8000 samples a second, with start and duration in samples.
pub fn detect_tones(samples: &[i16]) -> Vec<Tone> {
    let mut detector = ToneDetector::new();
    let mut tones = Vec::new();
    for frame in samples.chunks(160) {
        detector.process(frame, FrameKind::Received);
        while let Some(tone) = detector.poll() {
            tones.push(tone);
        }
    }
    detector.finish();
    while let Some(tone) = detector.poll() {
        tones.push(tone);
    }
    tones
}
