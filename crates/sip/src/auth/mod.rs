//! Digest authentication (RFC 7616, RFC 8760), both sides; its texts are hashed as they stand on the wire.

mod client;
mod hash;
mod header;
mod nonce;
mod server;

pub use client::Answerer;
pub(crate) use server::{Doorkeeper, Verdict};

pub use header::{Authorization, Challenge, Qop};

/// Runs both parsers over an arbitrary value; the door for fuzzing. Never panics.
pub fn exercise(value: &str) {
    let _ = Challenge::parse(value);
    let _ = Authorization::parse(value);
}
