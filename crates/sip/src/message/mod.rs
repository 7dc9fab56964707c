//! Messages over raw bytes: lenient where real phones are careless, strict where ambiguity is an attack.
//!
//! [`Message::parse`] only cuts: the values stay slices of what was received, and typed views
//! ([`Uri`], [`Address`], [`Via`]) are made for those that are looked at. [`check()`] decides what a request deserves.

pub mod address;
pub mod check;
pub mod frame;
pub mod multipart;
mod name;
pub mod param;
mod parse;
pub mod status;
pub mod text;
pub mod uri;
pub mod via;
pub mod write;

pub use address::Address;
pub use check::{Essentials, Method, check};
pub use frame::{Frame, Framer};
pub use name::Name;
pub use parse::{Flaw, Header, Message, NotSip, Start};
pub use uri::{Host, Scheme, Uri};
pub use via::Via;
pub use write::Writer;

/// Runs every parser over arbitrary octets; the door for fuzzing. Never panics.
pub fn exercise(bytes: &[u8]) {
    if let Ok(message) = Message::parse(bytes, 256) {
        let _ = check(&message);
        for header in message.headers() {
            let text = text::text(header.value);
            for item in param::list(&text) {
                let _ = Address::parse(item).map(|a| (a.uri(), a.tag().map(str::len)));
                let _ = Via::parse(item);
            }
        }
        let _ = multipart::session_description(&message);
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = Uri::parse(&text).map(|uri| (uri.number(), uri.to_string()));
    let mut framer = Framer::new(65_535, 256);
    for piece in bytes.chunks(7) {
        framer.push(piece);
        while let Some(frame) = framer.next_frame() {
            if matches!(frame, Frame::Lost { .. }) {
                return;
            }
        }
    }
}

/// An unsigned decimal number; `None` for signs, other characters and overflow.
pub fn parse_decimal(value: &[u8]) -> Option<u32> {
    parse::decimal(value, u32::MAX)
}
