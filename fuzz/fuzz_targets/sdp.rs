//! Offers, answers, and what a watcher reads in them.
#![no_main]
use passline_sdp::{Capabilities, accept, answer, observe};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let caps = Capabilities::new([127, 0, 0, 1].into(), 4000, 1);
    let _ = answer(bytes, &caps);
    let _ = accept(bytes, &caps);
    observe(bytes);
});
