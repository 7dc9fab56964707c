//! What the fuzzers found worth keeping goes through the fuzz targets again: `fuzz/seeds`.
#![allow(clippy::disallowed_methods)] // each run begins at a moment of its own
#![allow(unused_attributes)] // `no_main` is for the fuzzer
extern crate self as libfuzzer_sys;

use std::{fs, path::Path};

/// Stands in for the fuzzer's macro of this name.
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:expr) => {
        pub fn run($bytes: &[u8]) {
            $body
        }
    };
}

/// Runs a target over its seeds: a line each, in hexadecimal.
fn replay(name: &str, run: fn(&[u8])) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name).with_extension("hex");
    let text = fs::read_to_string(&file).expect("every target has seeds");
    for (at, line) in text.lines().enumerate() {
        println!("{name}: line {}", at + 1);
        let octet = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal");
        run(&(0..line.len()).step_by(2).map(octet).collect::<Vec<_>>());
    }
    assert!(text.lines().count() >= 10, "{name} has hardly any seeds");
}

macro_rules! targets {
    ($($name:ident $file:literal)*) => {$(
        #[path = $file]
        mod $name;

        #[test]
        fn $name() {
            replay(stringify!($name), $name::run);
        }
    )*};
}

targets! {
    rtp "../../fuzz/fuzz_targets/rtp.rs"
    rtcp "../../fuzz/fuzz_targets/rtcp.rs"
    srtp "../../fuzz/fuzz_targets/srtp.rs"
    event "../../fuzz/fuzz_targets/event.rs"
    buffer "../../fuzz/fuzz_targets/buffer.rs"
    capture "../../fuzz/fuzz_targets/capture.rs"
    sip "../../fuzz/fuzz_targets/sip.rs"
    stream "../../fuzz/fuzz_targets/stream.rs"
    uri "../../fuzz/fuzz_targets/uri.rs"
    digest "../../fuzz/fuzz_targets/digest.rs"
    sdp "../../fuzz/fuzz_targets/sdp.rs"
}
