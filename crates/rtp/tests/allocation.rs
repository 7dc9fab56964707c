//! Proof that a running stream takes no memory: receiving, playout, digits and sending are counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use passline_rtp::{CODECS, Codec, Digit, Method, Packet, Stream, StreamConfig, ToneGenerator};

struct Counting;

thread_local! {
    /// Of this thread: the others are other tests.
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    let _ = TAKEN.try_with(|taken| taken.set(taken.get() + 1));
}

fn taken() -> u64 {
    TAKEN.with(Cell::get)
}

// SAFETY: everything is handed to the system's allocator unchanged; only a counter is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TICK: Duration = Duration::from_millis(20);

#[test]
#[allow(clippy::disallowed_methods)] // a test's epoch
fn a_running_stream_takes_no_memory() {
    let mut now = Instant::now();
    let config = StreamConfig {
        event_payload_type: Some(101),
        cname: "test@invalid".into(),
        ..StreamConfig::default()
    };
    let mut stream = Stream::new(now, config.clone());
    let mut peer = Stream::new(now, StreamConfig { ssrc: 9, ..config });
    let mut out = [0u8; 600];
    let mut digits = 0;
    let mut before = 0;
    for tick in 0..3000u32 {
        if tick == 500 {
            before = taken();
        }
        now += TICK;
        // Presses by event and by tone, loss, duplicates, garbage, and a change of the source.
        if tick % 50 == 0 {
            let method = if tick % 100 == 0 { Method::Rfc4733 } else { Method::Inband };
            peer.press(Digit::ALL[tick as usize % 16], 120, method);
        }
        let mut deliver = |packet: &mut [u8]| {
            if tick % 17 == 0 {
                return;
            }
            if tick > 2000 {
                packet[8] = 77;
            }
            let _ = stream.receive_rtp(now, packet);
            if tick % 13 == 0 {
                let _ = stream.receive_rtp(now, packet);
                let _ = stream.receive_rtp(now, &packet[..7]);
            }
        };
        if peer.is_sending_digit() {
            while let Some(length) = peer.send_digit(now, &mut out) {
                deliver(&mut out[..length]);
            }
        } else {
            let length = peer.send_audio(now, &[0xFF; 160], &mut out);
            deliver(&mut out[..length]);
        }
        stream.playout(now);
        while stream.poll_digit().is_some() {
            digits += 1;
        }
        stream.send_audio(now, &[0xFF; 160], &mut out);
        if let Some(length) = stream.send_rtcp(now, 1 << 40, &mut out) {
            peer.receive_rtcp(now, &out[..length]);
        }
        if let Some(length) = peer.send_rtcp(now, 1 << 40, &mut out) {
            stream.receive_rtcp(now, &out[..length]);
        }
    }
    assert_eq!(taken() - before, 0, "allocations in 50 seconds of a call");
    assert!(digits >= 100, "{digits}");
    let statistics = stream.statistics();
    assert!(statistics.duplicated > 100 && statistics.lost > 100 && statistics.bad > 100);
    assert_eq!(statistics.ssrc_changes, 1);
    // Codecs and generators, too.
    let before = taken();
    let mut pcm = [0i16; 160];
    ToneGenerator::new(Digit::ALL[3], 20).fill(&mut pcm);
    for codec in [Codec::Pcmu, Codec::Pcma] {
        codec.encode(&pcm, &mut out);
        codec.decode(&out[..160], &mut pcm);
    }
    assert!(Packet::parse(&out).is_err() || out[0] >> 6 == 2);
    assert_eq!(taken(), before);
}

/// Two seconds of a call in each codec, with keys, after a change of the codec. The first press of each kind takes the
/// memory for its kind: a press is a command, not a tick.
#[test]
#[allow(clippy::disallowed_methods)] // a test's epoch
fn no_codec_takes_memory_in_a_tick() {
    for info in CODECS {
        for &ptime_ms in info.ptimes {
            let mut now = Instant::now();
            let config = StreamConfig {
                codec: info.codec,
                payload_type: info.payload_type,
                event_payload_type: Some(101),
                event_clock: info.clock_rate,
                ptime_ms,
                ..StreamConfig::default()
            };
            let mut peer = Stream::new(now, StreamConfig::default());
            let mut stream = Stream::new(now, StreamConfig::default());
            peer.renegotiate(&config.terms());
            stream.renegotiate(&config.terms());
            let mut out = [0u8; 1500];
            let (mut before, mut heard) = (0, 0);
            for tick in 0..100u32 {
                if [10, 50].contains(&tick) {
                    assert!(peer.press(Digit::ALL[3], 100, Method::Rfc4733));
                    assert!(peer.press(Digit::ALL[4], 100, Method::Inband));
                }
                if tick == 10 {
                    before = taken();
                }
                now += TICK;
                if peer.is_sending_digit() {
                    while let Some(length) = peer.send_digit(now, &mut out) {
                        let _ = stream.receive_rtp(now, &out[..length]);
                    }
                } else {
                    let mut length = peer.send_audio(now, &[0x7A; 160], &mut out);
                    while length > 0 {
                        let _ = stream.receive_rtp(now, &out[..length]);
                        length = peer.send_more(&mut out).unwrap_or(0);
                    }
                }
                heard += usize::from(stream.playout(now).payload.is_some());
                while stream.poll_digit().is_some() {}
            }
            assert_eq!(taken(), before, "{} {ptime_ms} ms", info.label);
            assert!(heard > 20, "{} {ptime_ms} ms: {heard}", info.label);
        }
    }
}
