//! The tick and the receive path of a shard allocate nothing and free nothing.
use passline_engine::prompt::{Clip, Script, Segment};
use passline_engine::rtp::srtp::{MasterKey, MediaKeys, SecureMedia, Suite};
use passline_engine::rtp::{CODECS, Codec, Digit, FrameKind, Method, StreamConfig};
use passline_engine::{
    Channel, MediaEvent, MediaShard, OpenStream, PacketSink, ShardCommand, ShardConfig, StreamId,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // The thread may be ending, when its locals are gone.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: hands everything on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Calls of the allocator while `act` runs.
fn calls_in(act: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    act();
    CALLS.get() - before
}

struct Count {
    rtp: u64,
    rtcp: u64,
    heard: u64,
}

impl PacketSink for Count {
    fn rtp(&mut self, _: StreamId, _: SocketAddr, _: &[u8]) {
        self.rtp += 1;
    }
    fn rtcp(&mut self, _: StreamId, _: SocketAddr, _: &[u8]) {
        self.rtcp += 1;
    }
    fn heard(&mut self, _: StreamId, _: &[u8], _: FrameKind) {
        self.heard += 1;
    }
}

#[allow(clippy::disallowed_methods)] // a test's epoch
fn epoch() -> Instant {
    Instant::now()
}

fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet.extend(payload);
    packet
}

/// Keys of one in three calls, and the peer's side of it.
fn security(slot: u32) -> Option<(MediaKeys, SecureMedia)> {
    let suite = Suite::ALL[slot as usize / 3 % Suite::ALL.len()];
    let key = |seed: u8| MasterKey::new(suite, &vec![seed; suite.master_length()]).expect("a whole key");
    let keys = |local: u8, remote: u8| MediaKeys { local: key(local), remote: vec![(key(remote), None)] };
    (slot % 3 == 2).then(|| (keys(1, 2), SecureMedia::new(keys(2, 1))))
}

/// All codecs, in turn.
fn codec_of(slot: u32) -> Codec {
    CODECS[slot as usize % CODECS.len()].codec
}

#[test]
fn a_minute_of_twenty_calls_allocates_nothing_in_the_tick() {
    const CALLS: u32 = 20;
    let mut now = epoch();
    let mut shard = MediaShard::new(now, ShardConfig { shard: 0, capacity: 64 });
    let mut sink = Count { rtp: 0, rtcp: 0, heard: 0 };
    let peer: SocketAddr = "192.0.2.1:4000".parse().expect("an address");
    let id = |slot| StreamId { shard: 0, slot, generation: 1 };
    let mut peers: Vec<Option<SecureMedia>> = Vec::new();
    for slot in 0..CALLS {
        let (security, theirs) = security(slot).unzip();
        peers.push(theirs);
        let codec = codec_of(slot);
        let config = StreamConfig {
            codec,
            payload_type: codec.info().payload_type,
            event_payload_type: Some(101),
            event_receive_type: Some(101),
            cname: "test".to_owned(),
            ..StreamConfig::default()
        };
        let open = OpenStream {
            config,
            remote_rtp: peer,
            remote_rtcp: "192.0.2.1:4001".parse().expect("an address"),
            rtcp_mux: false,
            signalling: peer.ip(),
            send: true,
            expect: true,
            media_timeout: Duration::from_secs(30),
            tap: slot % 4 == 0,
            lane: 0,
            security,
        };
        shard.command(now, ShardCommand::Open { stream: id(slot), open: Box::new(open) }, &mut sink);
    }
    // Half of them are bridged, each with one of the other codec.
    for slot in 0..CALLS / 2 {
        let relay =
            ShardCommand::Relay { stream: id(slot), to: Some(id(slot ^ 1)), mute_digits: slot % 4 < 2 };
        shard.command(now, relay, &mut sink);
    }
    // What the callers send, made beforehand: audio with tones in it, events, losses, repetitions, garbage.
    let mut tone = vec![0i16; 160];
    for (at, sample) in tone.iter_mut().enumerate() {
        let wave = |hertz: f64| (std::f64::consts::TAU * hertz * at as f64 / 8000.0).sin();
        *sample = (6000.0 * (wave(697.0) + wave(1209.0))) as i16;
    }
    let mut encoded = vec![0; 1440];
    let mut encoders: Vec<_> = (0..CALLS).map(|slot| codec_of(slot).encoder()).collect();
    let (mut digits, mut finished) = (0, 0);
    let mut in_tick = 0;
    let clip: std::sync::Arc<[u8]> = vec![0x55; 4000].into();
    for frame in 0..3000u32 {
        if frame % 40 == 0 {
            for slot in 0..CALLS {
                let codec = codec_of(slot).law();
                let segments = vec![
                    Segment::Clip(Clip::new("clip".into(), std::sync::Arc::clone(&clip))),
                    Segment::Silence(333),
                ];
                let script = Script { codec, segments };
                shard.command(now, ShardCommand::Play { stream: id(slot), number: frame, script }, &mut sink);
                let digit = Digit::from_code((frame / 40 % 12) as u8).expect("a digit");
                let method = if slot % 3 == 0 { Method::Inband } else { Method::Rfc4733 };
                let press = ShardCommand::Press { stream: id(slot), digit, duration_ms: 100, method };
                shard.command(now, press, &mut sink);
                let at = now;
                let info = ShardCommand::Info { stream: id(slot), at, digit, duration_ms: Some(100) };
                if frame % 400 == 0 {
                    shard.command(now, info, &mut sink);
                }
            }
        }
        for slot in 0..CALLS {
            let codec = codec_of(slot);
            let said = if frame % 20 > 4 { &[0; 160][..] } else { &tone };
            let length = encoders[slot as usize].encode(said, &mut encoded);
            let timestamp = frame * 160 * codec.ratio();
            let audio = packet(codec.info().payload_type, frame as u16, timestamp, &encoded[..length]);
            let duration = (frame % 10 * 160) as u16;
            let mut payload = vec![(frame / 50 % 12) as u8, if frame % 10 > 6 { 0x8A } else { 0x0A }];
            payload.extend(duration.to_be_bytes());
            let event = packet(101, frame as u16, frame / 10 * 1600, &payload);
            let garbage = packet(77, frame as u16, 9, &[1, 2, 3]);
            let of_event = slot % 3 == 1 && frame % 50 < 10;
            let mut bytes = if of_event { event } else { audio };
            if let Some(media) = &mut peers[slot as usize] {
                let length = bytes.len();
                bytes.resize(length + 20, 0);
                let length = media.protect_rtp(&mut bytes, length).expect("room");
                bytes.truncate(length);
            }
            let bytes = &bytes;
            in_tick += calls_in(|| {
                if slot % 5 != 4 || frame % 7 != 0 {
                    shard.receive(now, id(slot), Channel::Rtp, peer, bytes);
                    shard.receive(now, id(slot), Channel::Rtp, peer, bytes);
                }
                shard.receive(now, id(slot), Channel::Rtp, peer, &garbage);
                shard.receive(now, id(slot), Channel::Rtcp, peer, &garbage);
            });
        }
        for _ in 0..4 {
            let scheduled = shard.next_tick();
            in_tick += calls_in(|| shard.tick(scheduled, scheduled, &mut sink));
            now = scheduled + Duration::from_millis(5);
        }
        while let Some(event) = shard.poll() {
            match event {
                MediaEvent::Digit { .. } => digits += 1,
                MediaEvent::PlayFinished { .. } => finished += 1,
                _ => {}
            }
        }
    }
    assert_eq!(in_tick, 0, "allocator calls");
    // It was no idle run.
    assert!(digits > 1000, "{digits}");
    assert!(finished > 1000, "{finished}");
    assert!(sink.rtp > 55_000 && sink.rtcp > 100 && sink.heard > 10_000, "{} {}", sink.rtp, sink.rtcp);
}
