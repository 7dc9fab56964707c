//! One clip that was heard.
use super::{candidate::Candidate, index::Pattern, losses::Losses};
use crate::{font::masked, phrase::Rate};
use std::{fmt, sync::Arc};

/// One clip that was heard, or the part of it that was said. `Debug` masks the names of clips of which secrets are
/// made.
#[derive(Clone)]
pub struct Heard {
    /// When its first sample came (or would have come), in ms since the first sample of the stream.
    pub at_ms: u64,
    /// When it ended: behind its last sample if complete, else behind the last sample that matched; same clock.
    pub until_ms: u64,
    /// It was heard to its end, apart from lost packets.
    pub complete: bool,
    /// Part of its sound that was received as it was sent, 0 to 1.
    pub fraction: f32,
    /// At which speed it was said.
    pub rate: Rate,
    /// `at_ms` and `until_ms` on a clock that stands still while nothing is received.
    pub(crate) received_ms: (u64, u64),
    names: Arc<[(Arc<str>, Arc<str>)]>,
}

impl Heard {
    pub(super) fn new(candidate: &Candidate, pattern: &Pattern, losses: &Losses) -> Self {
        let complete = candidate.is_complete(pattern);
        let until = if complete { candidate.start + pattern.audio.len() as i64 } else { candidate.last };
        // A hole beside what matched may lie within the clip or before it: pauses are rather taken for shorter.
        let (before, after) = (candidate.first - candidate.begun, until - candidate.last);
        let ms = |place| u64::try_from(place).unwrap_or(0) / 8;
        Self {
            at_ms: ms(candidate.begun),
            until_ms: ms(until),
            complete,
            fraction: (candidate.weight as f32 / pattern.loud as f32).min(1.0),
            rate: pattern.rate,
            received_ms: (
                losses.received(candidate.first).saturating_sub(before.unsigned_abs()) / 8,
                (losses.received(candidate.last) + after.unsigned_abs()) / 8,
            ),
            names: pattern.names.clone(),
        }
    }

    /// Language of the clip.
    pub fn language(&self) -> &str {
        &self.names[0].0
    }

    /// Stem of the clip in clear: `welcome`, `letter_m`, `word_maple`. Where several clips are the same sound (the digit
    /// and the number four), the one of which secrets are made. Each caller is a place that a review must look at.
    pub fn name(&self) -> &str {
        &self.names[0].1
    }

    /// All stems that sound like this, in clear.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(_, name)| &**name)
    }

    /// True if the clip with this stem sounds like this.
    pub fn is(&self, name: &str) -> bool {
        self.names().any(|other| other == name)
    }

    /// Stem of the clip, `secret` where it would give a part of a secret away.
    pub fn log_name(&self) -> &str {
        masked(self.name())
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heard")
            .field("language", &self.language())
            .field("clip", &self.log_name())
            .field("at_ms", &self.at_ms)
            .field("complete", &self.complete)
            .field("fraction", &self.fraction)
            .finish_non_exhaustive()
    }
}
