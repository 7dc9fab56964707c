//! Drives the media engine from a capture in virtual time.
