//! Whole calls in virtual time: both machines of the engine against a peer made of text and packets.
mod answering;
mod ending;
mod media;
mod peer;
mod renegotiating;
mod world;
