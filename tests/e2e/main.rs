//! End-to-end tests: the release build, real peers, real packets on loopback.
mod admin;
mod admin_live;
mod agree;
mod attacks;
mod audit;
mod canary;
mod cli;
mod clock;
mod codecs;
mod crash;
mod encrypted;
mod encrypted_offers;
mod failure;
mod fixtures;
mod heard;
mod house;
mod impairment;
mod kamailio;
mod line;
mod load;
mod media_capture;
mod peers;
mod phones;
mod quality;
mod recording;
mod registered;
mod reset;
mod scenarios;
mod signalling;
mod soak;
mod storm;
mod trunk_test;
mod watch;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// For tests that measure, or that need both cores: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
