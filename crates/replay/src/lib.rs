//! Drives the media engine from a capture in virtual time.
#![forbid(unsafe_code)]

pub mod capture;
pub mod decap;
