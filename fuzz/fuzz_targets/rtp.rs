//! RTP and RTCP datagrams into a running stream: each is a length octet, a time octet and the datagram.
#![no_main]
use passline_rtp::{Stream, StreamConfig, is_rtcp};
use std::time::{Duration, Instant};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut now = Instant::now();
    let config = StreamConfig { event_payload_type: Some(101), ..StreamConfig::default() };
    let mut stream = Stream::new(now, config);
    let mut rest = bytes;
    while let [length, gap, tail @ ..] = rest {
        let (datagram, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        if is_rtcp(datagram) {
            stream.receive_rtcp(now, datagram);
        } else {
            let _ = stream.receive_rtp(now, datagram);
        }
        for _ in 0..gap % 8 {
            now += Duration::from_millis(20);
            stream.playout(now);
        }
        while stream.poll_digit().is_some() {}
    }
});
