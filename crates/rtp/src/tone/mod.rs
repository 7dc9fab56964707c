//! Digits in the audio.

use crate::digit::{Digit, FrameKind};

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

/// Finds DTMF digits in audio at 8000 samples a second.
#[derive(Clone, Debug, Default)]
pub struct ToneDetector {}

impl ToneDetector {
    /// A detector at sample 0.
    pub fn new() -> Self {
        ToneDetector {}
    }

    /// Listens to the next samples, any number of them.
    pub fn process(&mut self, samples: &[i16], kind: FrameKind) {
        let _ = (samples, kind);
    }

    /// The next start or end.
    pub fn poll_event(&mut self) -> Option<ToneEvent> {
        None
    }

    /// The next finished press (starts are skipped).
    pub fn poll(&mut self) -> Option<Tone> {
        while let Some(event) = self.poll_event() {
            if let ToneEvent::End(tone) = event {
                return Some(tone);
            }
        }
        None
    }

    /// Samples that are missing: never sent, or lost without concealment.
    pub fn skip(&mut self, samples: u32) {
        let _ = samples;
    }

    /// Media time jumps: what was heard before does not continue.
    pub fn restart(&mut self) {}

    /// Samples heard or skipped so far.
    pub fn position(&self) -> u64 {
        0
    }

    /// Ends a press that still lasts: no more audio will come.
    pub fn finish(&mut self) {}
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
