//! RTCP compounds between audio packets: a length octet, a flag octet and the rest of a compound whose first octet is right.
#![no_main]
use passline_rtp::{Stream, StreamConfig};
use std::time::{Duration, Instant};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut now = Instant::now();
    let mut stream = Stream::new(now, StreamConfig { ssrc: 5, cname: "fuzz".into(), ..StreamConfig::default() });
    let mut out = [0u8; 1500];
    let mut rest = bytes;
    let mut sequence = 0u16;
    while let [length, kind, tail @ ..] = rest {
        let (body, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        let packet = [&[0x80 | kind & 0x3f, 200 + (kind >> 6)], body].concat();
        stream.receive_rtcp(now, &packet);
        let mut audio = vec![0x80, 0];
        audio.extend(sequence.to_be_bytes());
        audio.extend((u32::from(sequence) * 160).to_be_bytes());
        audio.extend([0, 0, 0, 9]);
        audio.extend([0xff; 160]);
        sequence = sequence.wrapping_add(1);
        let _ = stream.receive_rtp(now, &audio);
        now += Duration::from_millis(u64::from(*kind) * 40);
        stream.playout(now);
        if let Some(written) = stream.send_rtcp(now, 1 << 40, &mut out) {
            assert!(written % 4 == 0 && written <= out.len());
        }
    }
    let s = stream.statistics();
    assert!((0.0..=1.0).contains(&s.remote_fraction_lost) && s.round_trip_ms.is_none_or(|ms| ms >= 0.0), "{s:?}");
});
