//! Proof that a running stream takes no memory: receiving, playout, digits and sending are counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use passline_rtp::{Codec, Digit, Method, Packet, Stream, StreamConfig, ToneGenerator};

struct Counting;

static TAKEN: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is handed to the system's allocator unchanged; only a counter is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.fetch_add(1, Ordering::Relaxed);
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
            before = TAKEN.load(Ordering::Relaxed);
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
    let taken = TAKEN.load(Ordering::Relaxed) - before;
    assert_eq!(taken, 0, "allocations in 50 seconds of a call");
    assert!(digits >= 100, "{digits}");
    let statistics = stream.statistics();
    assert!(statistics.duplicated > 100 && statistics.lost > 100 && statistics.bad > 100);
    assert_eq!(statistics.ssrc_changes, 1);
    // Codecs and generators, too.
    let before = TAKEN.load(Ordering::Relaxed);
    let mut pcm = [0i16; 160];
    ToneGenerator::new(Digit::ALL[3], 20).fill(&mut pcm);
    for codec in [Codec::Pcmu, Codec::Pcma] {
        codec.encode(&pcm, &mut out);
        codec.decode(&out[..160], &mut pcm);
    }
    assert!(Packet::parse(&out).is_err() || out[0] >> 6 == 2);
    assert_eq!(TAKEN.load(Ordering::Relaxed), before);
}
