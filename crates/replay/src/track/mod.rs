//! What was seen of one stream, for a picture: packets, audio and detections before anything is merged.
mod audio;
mod gather;
mod timeline;

use crate::runner::{Fate, HeardDigit};
pub(crate) use audio::Audio;
pub(crate) use gather::Gather;

/// Tracks that are kept of one capture; a picture of more could not be read.
pub(crate) const MAX_TRACKS: usize = 8;

/// A packet. All times are samples at 8000 Hz since the capture's first frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) arrival: i64,
    /// Samples by which it came later than its timestamp lets expect; `None` where that cannot be told.
    pub(crate) lateness: Option<i64>,
    pub(crate) fate: Fate,
}

/// Packets that never came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hole {
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// How many, those that came late taken off.
    pub(crate) packets: u16,
    /// How many were missing at first.
    pub(crate) wanted: u16,
}

/// Something that was detected.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) label: String,
    pub(crate) detail: String,
    /// No end was seen.
    pub(crate) is_open: bool,
}

/// A stream, or the SIP INFO digits of a call's side that sent no RTP.
#[derive(Debug, Default)]
pub(crate) struct Track {
    /// What it is, in two lines. Texts of the capture: hostile.
    pub(crate) title: String,
    pub(crate) subtitle: String,
    /// Encoding name, `None` where nothing but events came.
    pub(crate) codec: Option<String>,
    /// Whether it has RTP at all.
    pub(crate) is_rtp: bool,
    pub(crate) marks: Vec<Mark>,
    pub(crate) holes: Vec<Hole>,
    pub(crate) audio: Audio,
    pub(crate) events: Vec<Span>,
    pub(crate) tones: Vec<Span>,
    pub(crate) info: Vec<Span>,
    /// The merged digits with their start.
    pub(crate) digits: Vec<(i64, HeardDigit)>,
}

/// The tracks of a capture: calls first.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    pub(crate) list: Vec<Track>,
    /// Tracks beyond [`MAX_TRACKS`].
    pub(crate) left_out: usize,
}

/// Timestamps a second by encoding name (RFC 3551 §6, RFC 7587); `None` for names that do not tell.
pub(crate) fn clock_rate(codec: Option<&str>) -> Option<u32> {
    let Some(name) = codec else { return Some(8000) };
    if let Some(codec) = passline_rtp::Codec::from_label(name) {
        return Some(codec.info().clock_rate);
    }
    let table: [(u32, &[&str]); 3] = [
        (
            8000,
            &[
                "PCMU",
                "PCMA",
                "GSM",
                "G722",
                "G723",
                "G728",
                "G729",
                "LPC",
                "iLBC",
                "CN",
                "AMR",
                "telephone-event",
            ],
        ),
        (48_000, &["opus"]),
        (90_000, &["H261", "H263", "H264", "VP8", "VP9", "JPEG", "MPV", "MP2T", "CelB", "nv"]),
    ];
    let has = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    table.iter().find(|(_, names)| has(names)).map(|(rate, _)| *rate)
}
