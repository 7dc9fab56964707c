//! Messages, streams, URIs, addresses, Via, multipart bodies.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| passline_sip::message::exercise(bytes));
