//! RFC 4733 payloads with any sequence number, timestamp and time between them: never more digits than packets, and only
//! digits that were sent. Each is eight octets: code, flags (E, M and the wait in 5 ms), step of the sequence number, of
//! the timestamp in 10 ms, duration, source.
#![no_main]
use passline_rtp::{Digit, DigitOutput, Stream, StreamConfig};
use std::time::{Duration, Instant};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut now = Instant::now();
    let config = StreamConfig { event_payload_type: Some(101), ..StreamConfig::default() };
    let mut stream = Stream::new(now, config);
    let (mut sequence, mut timestamp, mut tick) = (0u16, 0u32, now);
    let (mut sent, mut packets, mut digits) = ([false; 256], 0, 0);
    let mut heard = |stream: &mut Stream, sent: &[bool; 256], packets: usize| {
        while let Some(output) = stream.poll_digit() {
            let DigitOutput::Press(press) = output else { continue };
            let code = Digit::ALL.iter().position(|digit| *digit == press.digit).expect("one of sixteen");
            digits += 1;
            assert!(sent[code], "a digit that was not sent");
            assert!(digits <= packets, "more digits than packets");
        }
    };
    for step in bytes.chunks_exact(8) {
        let [code, flags, ahead, later, high, low, source, _] = *step else { unreachable!() };
        sequence = sequence.wrapping_add_signed(i16::from(ahead as i8));
        timestamp = timestamp.wrapping_add_signed(i32::from(later as i8) * 80);
        now += Duration::from_millis(u64::from(flags & 0x3f) * 5);
        while tick + Duration::from_millis(20) <= now {
            tick += Duration::from_millis(20);
            stream.playout(tick);
            heard(&mut stream, &sent, packets);
        }
        let mut packet = vec![0x80, 101 | (flags << 1 & 0x80)];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, source & 1]);
        packet.extend([code, flags & 0x80 | 10, high, low]);
        sent[usize::from(code)] = true;
        packets += 1;
        let _ = stream.receive_rtp(now, &packet);
        heard(&mut stream, &sent, packets);
    }
    for _ in 0..100 {
        tick += Duration::from_millis(20);
        stream.playout(tick);
        heard(&mut stream, &sent, packets);
    }
});
