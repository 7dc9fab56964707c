//! A press, or a piece of one, as the tone detector remembers it.

use super::fit::Fit;
use super::run::Run;
use crate::digit::Digit;

/// A press, or a piece of one, that was heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    pub(super) digit: Digit,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) effective: f32,
    pub(super) is_reported: bool,
    pub(super) bridged: u16,
    /// Amplitudes of the two tones.
    pub(super) low: f32,
    pub(super) high: f32,
    pub(super) residual: f32,
    /// Still sounding.
    pub(super) is_on: bool,
    pub(super) absent: u32,
    pub(super) unknown: u32,
    /// What its last samples look like.
    pub(super) tail: Tail,
}

/// The end of a track, from which its phases are taken if the digit comes back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tail {
    /// Nothing is known of its phases.
    Unknown,
    /// Fitted, with the number of the first sample.
    Fitted(Fit, i64),
}

impl Track {
    pub(super) fn new(digit: Digit, run: &Run, residual: f32) -> Track {
        Track {
            digit,
            start: run.start,
            end: run.end,
            effective: run.effective,
            is_reported: false,
            bridged: 0,
            low: run.low,
            high: run.high,
            residual,
            is_on: false,
            absent: 0,
            unknown: 0,
            tail: Tail::Unknown,
        }
    }
}
