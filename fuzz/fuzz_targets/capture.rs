//! Whole capture files.
#![no_main]
use passline_replay::{Options, capture, replay};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok((frames, _)) = capture::read(bytes) {
        replay(std::time::Instant::now(), &frames, &Options::default());
    }
});
