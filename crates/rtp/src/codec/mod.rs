//! Audio codecs: one file and one row of [`CODECS`] each.
//!
//! The engine is a telephone: behind the codecs everything is 8000 samples a second (voice and DTMF lie below 4 kHz),
//! 160 of them a frame. A codec of a higher rate brings its audio down to that when it decodes, and up when it
//! encodes. The two laws of G.711 have no state and are what prompts are kept in; all others have a [`Decoder`] and an
//! [`Encoder`] of their own for each stream.

mod g722;
mod half_band;
mod l16;
#[cfg(feature = "opus")]
mod opus;
mod pcma;
mod pcmu;
mod state;

pub(crate) use state::Decoders;
pub use state::{Decode, Decoder, Encode, Encoder};

/// A codec that Passline speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Default)]
pub enum Codec {
    /// ITU-T G.711 µ-law, static payload type 0.
    #[default]
    Pcmu,
    /// ITU-T G.711 A-law, static payload type 8.
    Pcma,
    /// ITU-T G.722 at 64 kbit/s, static payload type 9 (RFC 3551 §4.5.2).
    G722,
    /// 16-bit linear at 8000 Hz (RFC 3551 §4.5.11).
    L16,
    /// 16-bit linear at 16000 Hz (RFC 3551 §4.5.11).
    L16Wide,
    /// Opus (RFC 6716, RFC 7587).
    #[cfg(feature = "opus")]
    Opus,
}

/// What offers, prompts, tests and benches need to know of a codec.
#[derive(Debug)]
pub struct CodecInfo {
    /// The codec of this row.
    pub codec: Codec,
    /// Encoding name in `a=rtpmap` (RFC 4855), compared without regard to case.
    pub name: &'static str,
    /// Name in settings, records and reports: the encoding name, with the rate where several rows share that.
    pub label: &'static str,
    /// Static payload type of RFC 3551, table 4; from 96 up, the dynamic one of our offers.
    pub payload_type: u8,
    /// RTP clock rate in Hz: by it timestamps advance. For G.722 it is half the sample rate (RFC 3551 §4.5.2).
    pub clock_rate: u32,
    /// Rate of the audio on the wire in Hz; that of Opus is what we ask for, the codec converts by itself.
    pub sample_rate: u32,
    /// Channels in `a=rtpmap`; always 2 for Opus, whatever is in it (RFC 7587 §4.1).
    pub channels: u8,
    /// What `a=fmtp` says in our descriptions.
    pub fmtp: Option<&'static str>,
    /// Payload octets for 20 ms.
    pub frame: FrameSize,
    /// Packet times that we send, in ms, ascending.
    pub ptimes: &'static [u8],
    coding: Coding,
    /// Samples at 8000 Hz in a payload.
    samples: fn(&[u8]) -> usize,
    /// Makes a payload silent; its length and duration stay.
    blank: fn(&mut [u8]),
}

/// Payload octets for 20 ms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameSize {
    /// Always so many.
    Fixed(usize),
    /// At most so many.
    Variable(usize),
}

/// How a codec is reached.
#[derive(Clone, Copy, Debug)]
enum Coding {
    /// One octet a sample, without state.
    Law { encode: fn(&[i16], &mut [u8]) -> usize, decode: fn(&[u8], &mut [i16]) -> usize, silence: u8 },
    /// A decoder and an encoder for each stream.
    State { decoder: fn() -> Box<dyn Decode>, encoder: fn() -> Box<dyn Encode> },
}

/// The packet times of RFC 3551 and of the field.
const PTIMES: &[u8] = &[10, 20, 30, 40, 60];

/// All codecs, as their rows in settings and tests stand.
pub static CODECS: &[CodecInfo] = &[
    pcmu::INFO,
    pcma::INFO,
    g722::INFO,
    l16::INFO,
    l16::WIDE,
    #[cfg(feature = "opus")]
    opus::INFO,
];

impl Codec {
    /// The row of this codec in [`CODECS`].
    pub fn info(self) -> &'static CodecInfo {
        &CODECS[self as usize]
    }

    /// The name in settings, records and reports.
    pub fn label(self) -> &'static str {
        self.info().label
    }

    /// The law of G.711 in which prompts are kept and frames are told for streams of this codec: itself if it is one
    /// of the two, else µ-law.
    pub fn law(self) -> Codec {
        if self.is_law() { self } else { Codec::Pcmu }
    }

    /// Whether it is one of the two laws of G.711: one octet a sample, no state.
    pub fn is_law(self) -> bool {
        matches!(self.info().coding, Coding::Law { .. })
    }

    /// Encodes samples (8000 Hz, 16 bit) by a law, as many as fit in both; returns the octets written. Other codecs
    /// have an [`Encoder`] and give 0.
    pub fn encode(self, samples: &[i16], octets: &mut [u8]) -> usize {
        match self.info().coding {
            Coding::Law { encode, .. } => encode(samples, octets),
            Coding::State { .. } => 0,
        }
    }

    /// Decodes octets of a law to samples (8000 Hz, 16 bit), as many as fit in both; returns the samples written.
    /// Other codecs have a [`Decoder`] and give 0.
    pub fn decode(self, octets: &[u8], samples: &mut [i16]) -> usize {
        match self.info().coding {
            Coding::Law { decode, .. } => decode(octets, samples),
            Coding::State { .. } => 0,
        }
    }

    /// The octet that means silence in its [`law`](Self::law).
    pub fn silence(self) -> u8 {
        match self.info().coding {
            Coding::Law { silence, .. } => silence,
            Coding::State { .. } => self.law().silence(),
        }
    }

    /// Samples at 8000 Hz in a payload.
    pub fn samples(self, payload: &[u8]) -> usize {
        (self.info().samples)(payload)
    }

    /// Makes a payload silent; its length and its duration stay.
    pub fn blank(self, payload: &mut [u8]) {
        (self.info().blank)(payload);
    }

    /// A tick of the RTP clock in samples at 8000 Hz is 1/this.
    pub fn ratio(self) -> u32 {
        (self.info().clock_rate / 8000).max(1)
    }

    /// The longest of our packet times that is no longer than `wanted` ms, the shortest if there is none.
    pub fn ptime(self, wanted: u8) -> u8 {
        let ptimes = self.info().ptimes;
        ptimes.iter().rev().find(|ptime| **ptime <= wanted).or(ptimes.first()).copied().unwrap_or(20)
    }

    /// The codec of an `a=rtpmap` with this encoding name (any case) and clock rate, `None` if unknown.
    pub fn from_map(name: &str, clock_rate: u32) -> Option<Codec> {
        let is_it = |info: &&CodecInfo| info.name.eq_ignore_ascii_case(name) && info.clock_rate == clock_rate;
        CODECS.iter().find(is_it).map(|info| info.codec)
    }

    /// The codec with this label (any case), `None` if unknown.
    pub fn from_label(label: &str) -> Option<Codec> {
        CODECS.iter().find(|info| info.label.eq_ignore_ascii_case(label)).map(|info| info.codec)
    }

    /// The codec of a static payload type (RFC 3551), `None` if unknown.
    pub fn from_static(payload_type: u8) -> Option<Codec> {
        let is_static = payload_type < DYNAMIC;
        CODECS.iter().find(|info| is_static && info.payload_type == payload_type).map(|info| info.codec)
    }
}

/// The first dynamic payload type (RFC 3551 §3).
const DYNAMIC: u8 = 96;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
