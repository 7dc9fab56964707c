//! One frame of a media shard: 20 ms of N calls in both directions, detectors on, a prompt playing; no sockets.
use passline_engine::prompt::{Clip, Script, Segment};
use passline_engine::rtp::{Codec, DigitConfig, FrameKind, StreamConfig};
use passline_engine::{Channel, MediaShard, OpenStream, PacketSink, ShardCommand, ShardConfig, StreamId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    divan::main();
}

struct Discard(u64);

impl PacketSink for Discard {
    fn rtp(&mut self, _: StreamId, _: SocketAddr, packet: &[u8]) {
        self.0 += packet.len() as u64;
    }
    fn rtcp(&mut self, _: StreamId, _: SocketAddr, _: &[u8]) {}
    fn heard(&mut self, _: StreamId, _: &[u8], _: FrameKind) {}
}

struct House {
    shard: MediaShard,
    streams: Vec<StreamId>,
    packet: [u8; 172],
    sequence: u16,
    peer: SocketAddr,
    sink: Discard,
}

impl House {
    fn new(calls: u32, inband: bool) -> House {
        let now = Instant::now();
        let mut shard = MediaShard::new(now, ShardConfig { shard: 0, capacity: calls });
        let peer = SocketAddr::from(([192, 0, 2, 1], 4000));
        let mut sink = Discard(0);
        let clip: Arc<[u8]> = vec![0x55; 8 * 3_600_000].into();
        let streams: Vec<StreamId> =
            (0..calls).map(|slot| StreamId { shard: 0, slot, generation: 1 }).collect();
        for stream in streams.iter().copied() {
            let open = OpenStream {
                config: StreamConfig {
                    event_payload_type: Some(101),
                    event_receive_type: Some(101),
                    digits: DigitConfig { inband, ..DigitConfig::default() },
                    cname: "bench".to_owned(),
                    ..StreamConfig::default()
                },
                remote_rtp: peer,
                remote_rtcp: peer,
                rtcp_mux: false,
                signalling: peer.ip(),
                send: true,
                expect: true,
                media_timeout: Duration::from_secs(30),
                tap: false,
                lane: 0,
                security: None,
            };
            shard.command(now, ShardCommand::Open { stream, open: Box::new(open) }, &mut sink);
            let segments = vec![Segment::Clip(Clip::new("clip".into(), Arc::clone(&clip)))];
            let script = Script { codec: Codec::Pcmu, segments };
            shard.command(now, ShardCommand::Play { stream, number: 1, script }, &mut sink);
        }
        let mut packet = [0u8; 172];
        packet[0] = 0x80;
        // Speech-like: µ-law octets of many levels.
        for (at, octet) in packet[12..].iter_mut().enumerate() {
            *octet = (at * 37 % 256) as u8;
        }
        House { shard, streams, packet, sequence: 0, peer, sink }
    }

    fn frame(&mut self) {
        let at = self.shard.next_tick();
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        for stream in &self.streams {
            self.shard.receive(at, *stream, Channel::Rtp, self.peer, &self.packet);
        }
        for _ in 0..4 {
            let scheduled = self.shard.next_tick();
            self.shard.tick(scheduled, scheduled, &mut self.sink);
        }
        while self.shard.poll().is_some() {}
    }
}

#[divan::bench(args = [1, 100, 1000, 4000])]
fn with_tone_detection(bencher: divan::Bencher<'_, '_>, calls: u32) {
    let mut house = House::new(calls, true);
    bencher.counter(divan::counter::ItemsCount::new(calls)).bench_local(move || house.frame());
}

#[divan::bench(args = [1, 100, 1000, 4000])]
fn without_tone_detection(bencher: divan::Bencher<'_, '_>, calls: u32) {
    let mut house = House::new(calls, false);
    bencher.counter(divan::counter::ItemsCount::new(calls)).bench_local(move || house.frame());
}
