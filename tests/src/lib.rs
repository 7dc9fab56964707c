//! Harness of the end-to-end tests: the program under test, real peers, and ears for those that have none.
//!
//! Everything runs on loopback, in folders that are removed afterwards; each child process is ended by its own id.
#![forbid(unsafe_code)]

pub mod baresip;
pub mod capture;
pub mod clock;
pub mod ear;
pub mod impair;
pub mod kamailio;
pub mod likeness;
pub mod linphone;
pub mod live;
pub mod needle;
pub mod person;
pub mod phone;
pub mod ports;
pub mod process;
pub mod program;
pub mod raw;
pub mod relay;
pub mod rtp;
pub mod server;
pub mod sipp;
pub mod sipsak;
pub mod slapd;
pub mod talk;
pub mod twinkle;
pub mod vitals;
pub mod voice;
pub mod web;

use std::time::{Duration, Instant};

/// Asks every 20 ms until there is something, at most for `limit`.
pub fn wait_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if start.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
