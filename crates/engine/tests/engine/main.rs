//! Whole calls in virtual time: both machines of the engine against a peer made of text and packets.
mod answering;
mod attacks;
mod bridging;
mod diagnosing;
mod encrypting;
mod ending;
mod media;
mod peer;
mod phone;
mod renegotiating;
mod transfers;
mod trunks;
mod world;
