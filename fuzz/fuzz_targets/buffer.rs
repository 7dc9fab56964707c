//! The jitter buffer: audio of any length, order and time, ticks that come late, other codecs in mid-call. Frames are always
//! whole, counts never contradict one another. Each step is four octets: what to do, and three numbers for it.
#![no_main]
use passline_rtp::{CODECS, Stream, StreamConfig};
use std::time::{Duration, Instant};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut now = Instant::now();
    let mut stream = Stream::new(now, StreamConfig { redundancy_type: Some(98), ..StreamConfig::default() });
    let (mut sequence, mut timestamp, mut source) = (65_000u16, u32::MAX - 4000, 7u8);
    for step in bytes.chunks_exact(4) {
        let [what, a, b, c] = *step else { unreachable!() };
        match what % 8 {
            0..=3 => {
                let length = [0, 1, 80, 160, 240, 320, 480, 1400][usize::from(c % 8)];
                sequence = sequence.wrapping_add(1).wrapping_add_signed(i16::from(a as i8) / 16);
                timestamp = timestamp.wrapping_add(160).wrapping_add_signed(i32::from(b as i8) / 32 * 160);
                let payload_type = if what & 0x80 != 0 { 98 } else { c >> 3 & 9 };
                let mut packet = vec![0x80, payload_type];
                packet.extend(sequence.to_be_bytes());
                packet.extend(timestamp.to_be_bytes());
                packet.extend([0, 0, 0, source]);
                packet.extend((0..length).map(|index: usize| (index as u8).wrapping_mul(a) ^ b));
                let _ = stream.receive_rtp(now, &packet);
            }
            4 | 5 => {
                for _ in 0..a % 16 {
                    now += Duration::from_millis(20);
                    let frame = stream.playout(now);
                    assert_eq!(frame.pcm.len(), 160);
                    assert!(frame.payload.is_none_or(|payload| payload.len() == 160));
                }
            }
            6 => {
                now += Duration::from_millis(u64::from(a) * 8);
                stream.advance(now);
            }
            // Any codec: those of G.711 keep the payload types that the packets above have.
            _ if b & 1 == 0 => {
                let codec = CODECS[usize::from(a) % CODECS.len()].codec;
                let payload_type = if a & 0x80 == 0 { codec.info().payload_type } else { 0 };
                let terms = StreamConfig { codec, payload_type, redundancy_type: Some(98), ..StreamConfig::default() };
                stream.renegotiate(&terms.terms());
            }
            _ => source = c,
        }
        while stream.poll_digit().is_some() {}
    }
    let s = stream.statistics();
    assert!(s.lost <= s.expected && s.duplicated <= s.received, "{s:?}");
    for share in [s.loss.loss_rate, s.loss.discard_rate, s.loss.burst_density, s.loss.gap_density] {
        assert!((0.0..=1.0).contains(&share), "{s:?}");
    }
    assert!(s.loss.burst_ms >= 0.0 && s.loss.gap_ms >= 0.0, "{s:?}");
});
