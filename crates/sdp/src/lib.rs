//! Session descriptions (RFC 8866) and offer/answer (RFC 3264) as pure functions.

#![forbid(unsafe_code)]

mod agreement;

pub use agreement::{Agreement, Capabilities, Codec, Direction, Refusal};

/// Answers an offer: the answer's octets and what was agreed.
///
/// # Errors
/// [`Refusal`] with the SIP status (400 or 488) and a plain sentence.
pub fn answer(offer: &[u8], caps: &Capabilities) -> Result<(Vec<u8>, Agreement), Refusal> {
    let _ = (offer, caps);
    Err(Refusal::new(488, "not yet"))
}

/// Our own offer.
pub fn offer(caps: &Capabilities) -> Vec<u8> {
    let _ = caps;
    Vec::new()
}

/// What the answer to our [`offer`] agreed on.
///
/// # Errors
/// [`Refusal`] with the SIP status (400 or 488) and a plain sentence.
pub fn accept(answer: &[u8], caps: &Capabilities) -> Result<Agreement, Refusal> {
    let _ = (answer, caps);
    Err(Refusal::new(488, "not yet"))
}
