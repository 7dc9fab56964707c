//! RTP, RTCP, jitter buffer, codecs and DTMF digits.

#![forbid(unsafe_code)]

pub mod codec;
mod digit;
mod event;
mod generate;
mod packet;
mod path;
mod stats;
mod stream;
mod tone;

pub use codec::{CODECS, Codec, CodecInfo};
pub use digit::{
    Digit, DigitConfig, DigitOutput, FrameKind, HIGH_HZ, LOW_HZ, MediaTime, Method, Methods, Press,
    PressEnd,
};
pub use event::{EventPacket, EventSender};
pub use generate::ToneGenerator;
pub use packet::{HEADER_LENGTH, Packet, PacketError, is_rtcp};
pub use path::DigitPath;
pub use stats::Statistics;
pub use stream::{PacketKind, Playout, Received, RtcpSeen, Stream, StreamConfig};
pub use tone::{Tone, ToneDetector, ToneEvent, detect_tones};
