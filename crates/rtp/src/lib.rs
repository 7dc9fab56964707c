//! RTP, RTCP, jitter buffer, codecs and DTMF digits.

#![forbid(unsafe_code)]

mod ahead;
mod audio;
mod bursts;
mod clock;
pub mod codec;
mod conceal;
mod digit;
mod drift;
mod emodel;
mod event;
mod generate;
mod history;
mod mask;
mod merger;
mod noise;
mod order;
mod packet;
mod path;
mod payload;
mod playout;
mod quality;
mod receiver;
mod redundancy;
mod report;
mod rtcp;
mod sender;
mod sequence;
mod spread;
pub mod srtp;
mod stats;
mod stream;
mod tone;
mod xr;

pub use ahead::{Memory, memory_of};
pub use bursts::LossMetrics;
pub use clock::{Clocks, Stamp};
pub use codec::{CODECS, Codec, CodecInfo, FrameSize};
pub use digit::{
    Digit, DigitConfig, DigitOutput, FrameKind, HIGH_HZ, LOW_HZ, MediaTime, Method, Methods, Press, PressEnd,
};
pub use emodel::{Impairment, Opinion, PathConditions, mos};
pub use event::{EventName, EventPacket, EventPayload, EventSender};
pub use generate::ToneGenerator;
pub use mask::{PacketMask, is_plain_rtcp};
pub use packet::{HEADER_LENGTH, Packet, PacketError, is_rtcp};
pub use path::DigitPath;
pub use payload::PayloadTypes;
pub use receiver::{PacketKind, Received};
pub use report::RtcpSeen;
pub use stats::Statistics;
pub use stream::{Playout, Stream, StreamConfig, StreamTerms};
pub use tone::{Tone, ToneDetector, ToneEvent, detect_tones};
pub use xr::{ExtendedReports, VoipMetrics};
