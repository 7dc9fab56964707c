//! Phrases, languages, prompt library and player.
//!
//! The library is handed bytes and hands out pre-encoded clips; it knows no files and no calls.
//!
//! * control side: [`Library`] (built once from [`LanguageSource`]s) renders a [`phrase::Phrase`] to a [`Script`];
//! * media side: a [`Player`] copies a script into frames, without allocating;
//! * caller side: a [`Matcher`] finds the clips in received audio again, a [`Transcript`] writes down what was spelled.
#![forbid(unsafe_code)]

pub mod check;
mod clip;
mod font;
mod grammar;
mod library;
mod matcher;
pub mod phrase;
mod player;
mod render;
mod source;
mod stretch;
pub mod synthetic;
mod transcript;
mod wav;

pub use clip::{Clip, Script, Segment};
pub use library::Library;
pub use matcher::{Heard, Matcher};
pub use player::{Filled, Player};
pub use render::MissingClip;
pub use source::{LanguageSource, LibraryError, Severity};
pub use transcript::Transcript;
