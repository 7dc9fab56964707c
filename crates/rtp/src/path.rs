//! The digit path of one stream: events, tones and SIP INFO in, presses out.

use crate::digit::{Digit, DigitConfig, DigitOutput, FrameKind, MediaTime};

/// Joins the event detector, the tone detector and SIP INFO of one call: one press is one digit.
#[derive(Debug)]
pub struct DigitPath {
    config: DigitConfig,
}

impl DigitPath {
    /// A path that listens to the methods in `config`. All memory is taken here.
    pub fn new(config: DigitConfig) -> Self {
        DigitPath { config }
    }

    /// A telephone-event packet in arrival order (any order, duplicates welcome); `at` is its arrival on the media clock.
    pub fn event(
        &mut self,
        at: MediaTime,
        ssrc: u32,
        sequence: u16,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
    ) {
        let _ = (at, ssrc, sequence, timestamp, marker, payload, self.config);
    }

    /// One frame of decoded audio in playout order (at most 60 ms), `rtp_timestamp` of its first sample, `at` on the arrival clock.
    pub fn audio(&mut self, at: MediaTime, rtp_timestamp: u32, frame: &[i16], kind: FrameKind) {
        let _ = (at, rtp_timestamp, frame, kind);
    }

    /// A digit by SIP INFO, with its duration if it was told.
    pub fn info(&mut self, at: MediaTime, digit: Digit, duration_ms: Option<u32>) {
        let _ = (at, digit, duration_ms);
    }

    /// Time passes: ends presses whose end was lost.
    pub fn advance(&mut self, at: MediaTime) {
        let _ = at;
    }

    /// The next press or end of a press.
    pub fn poll(&mut self) -> Option<DigitOutput> {
        None
    }
}
