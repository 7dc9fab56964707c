//! Session descriptions (RFC 8866) and offer/answer (RFC 3264) as pure functions.
//!
//! [`answer`] for calls that come in with an offer, [`offer`] and [`accept`] for our own calls and for those that come
//! in without one (the offer goes into the 200, the answer comes in the ACK).

#![forbid(unsafe_code)]

mod agreement;
mod body;
pub mod crypto;
mod describe;
mod extended;
mod media;
mod negotiate;
mod observe;

pub use agreement::{Agreement, Capabilities, Cause, Codec, Direction, Refusal};
pub use crypto::Encryption;
pub use extended::ExtendedReports;
pub use negotiate::{accept, answer, offer};
pub use observe::{Announced, observe};
