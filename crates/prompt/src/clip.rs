//! What a player plays: encoded clips and silence, one after another.
use crate::font::masked;
use passline_rtp::codec::Codec;
use std::{fmt, sync::Arc};

/// One encoded clip; a clone shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    name: Arc<str>,
    audio: Arc<[u8]>,
}

impl Clip {
    /// `audio` is one octet per sample at 8 kHz.
    pub fn new(name: Arc<str>, audio: Arc<[u8]>) -> Self {
        Self { name, audio }
    }

    /// The stem in clear, e.g. `welcome` or `letter_m`. Each caller is a place that a review must look at.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stem, or `secret` where it would give a part of a secret away.
    pub fn log_name(&self) -> &str {
        masked(&self.name)
    }

    /// One octet per sample at 8 kHz.
    pub fn audio(&self) -> &[u8] {
        &self.audio
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({})", self.log_name())
    }
}

/// A piece of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A clip from its first sample to its last.
    Clip(Clip),
    /// Silence, in samples at 8 kHz.
    Silence(u32),
}

impl Segment {
    /// Length in samples at 8 kHz.
    pub fn samples(&self) -> usize {
        match self {
            Self::Clip(clip) => clip.audio.len(),
            Self::Silence(samples) => *samples as usize,
        }
    }
}

/// A rendered phrase: plain data that is handed to the media side. Its clips hold the bytes by reference count, so a
/// finished script must be dropped outside of the media tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// How the clips are encoded: a law of G.711.
    pub codec: Codec,
    /// In order.
    pub segments: Vec<Segment>,
}

impl Script {
    /// Length in samples at 8 kHz.
    pub fn samples(&self) -> usize {
        self.segments.iter().map(Segment::samples).sum()
    }

    /// Length in ms, rounded up.
    pub fn duration_ms(&self) -> u64 {
        (self.samples() as u64).div_ceil(8)
    }

    /// Names of the clips in order, those of secrets as `secret`.
    pub fn log_names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Clip(clip) => Some(clip.log_name()),
            Segment::Silence(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_masks_the_names_of_secret_clips() {
        let clip = |name: &str| Segment::Clip(Clip::new(name.into(), vec![0; 80].into()));
        let script = Script {
            codec: Codec::Pcmu,
            segments: vec![clip("welcome"), Segment::Silence(161), clip("word_maple"), clip("letter_m")],
        };
        let debug = format!("{script:?}");
        assert!(
            debug.contains("welcome") && !debug.contains("maple") && !debug.contains("letter"),
            "{debug}"
        );
        assert_eq!(script.samples(), 401);
        assert_eq!(script.duration_ms(), 51);
        assert_eq!(script.log_names().collect::<Vec<_>>(), ["welcome", "secret", "secret"]);
    }
}
