//! RTP, RTCP, jitter buffer, codecs and DTMF digits.

mod digit;
mod event;
mod generate;
mod path;
mod tone;

pub use digit::{
    Digit, DigitConfig, DigitOutput, FrameKind, HIGH_HZ, LOW_HZ, MediaTime, Method, Methods, Press,
    PressEnd,
};
pub use event::{EventPacket, EventSender};
pub use generate::ToneGenerator;
pub use path::DigitPath;
pub use tone::{Tone, ToneDetector, ToneEvent, detect_tones};
