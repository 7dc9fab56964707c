//! Phrases, languages, prompt library and player.
//!
//! The library is handed bytes and hands out pre-encoded clips; it knows no files and no calls.
#![forbid(unsafe_code)]

pub mod phrase;
