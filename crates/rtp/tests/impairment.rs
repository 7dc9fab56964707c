//! Streams over a bad network: a seeded channel loses, delays, reorders, doubles and stalls what one stream sends to
//! another. Digits and audio must come out as they went in, and nothing may depend on when our loop ran.

use std::time::{Duration, Instant};

use passline_rtp::{
    Codec, Digit, DigitOutput, FrameKind, Method, PacketError, PacketKind, Stream, StreamConfig,
};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const TICK: Duration = Duration::from_millis(20);

#[allow(clippy::disallowed_methods)] // a test's epoch
fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

#[derive(Clone, Copy, Default)]
struct Channel {
    loss_percent: u32,
    /// Packets lost in a row.
    burst: u32,
    duplicate_percent: u32,
    jitter_ms: u32,
    /// Every two seconds nothing gets through for so long; then all of it at once.
    stall_ms: u64,
}

fn config() -> StreamConfig {
    StreamConfig {
        event_payload_type: Some(101),
        first_sequence: 65_500,
        first_timestamp: u32::MAX - 20_000,
        ssrc: 5,
        ..StreamConfig::default()
    }
}

/// A hum with harmonics, so that there is audio between the presses. What of speech and noise may be taken for a
/// digit is judged in the tests of the tone detector.
fn hum(tick: u32, codec: Codec) -> [u8; 160] {
    let mut pcm = [0i16; 160];
    for (n, sample) in pcm.iter_mut().enumerate() {
        let phase = std::f64::consts::TAU * 150.0 * (f64::from(tick) * 0.02 + n as f64 / 8000.0);
        *sample = (2000.0 * phase.sin() + 600.0 * (2.0 * phase).sin()) as i16;
    }
    let mut octets = [0u8; 160];
    codec.encode(&pcm, &mut octets);
    octets
}

/// What a stream sends in `ticks` ticks: (when, packet). A press each `every` ticks.
fn sent(
    rng: &mut ChaCha20Rng,
    ticks: u32,
    every: u32,
    method: Method,
    press_ms: u16,
) -> (Vec<(Duration, Vec<u8>)>, String) {
    let mut stream = Stream::new(epoch(), config());
    let mut packets = Vec::new();
    let mut keys = String::new();
    let mut out = [0u8; 600];
    for tick in 0..ticks {
        let now = epoch() + TICK * tick;
        if tick % every == every / 2 && tick + every < ticks {
            let digit = Digit::ALL[rng.next_u32() as usize % 16];
            keys.push(digit.to_char());
            assert!(stream.press(digit, press_ms, method));
        }
        if stream.is_sending_digit() {
            while let Some(length) = stream.send_digit(now, &mut out) {
                packets.push((TICK * tick, out[..length].to_vec()));
            }
        } else {
            let frame = [[0xFF; 160], hum(tick, Codec::Pcmu)][usize::from(tick % every > every / 4 * 3)];
            let length = stream.send_audio(now, &frame, &mut out);
            packets.push((TICK * tick, out[..length].to_vec()));
        }
    }
    (packets, keys)
}

fn impaired(
    rng: &mut ChaCha20Rng,
    channel: Channel,
    packets: &[(Duration, Vec<u8>)],
) -> Vec<(Duration, Vec<u8>)> {
    let mut arrivals = Vec::new();
    let mut losing = 0;
    for (at, packet) in packets {
        let burst = channel.burst.max(1);
        if losing == 0 && rng.next_u32() % (100 * burst) < channel.loss_percent {
            losing = burst;
        }
        if losing > 0 {
            losing -= 1;
            continue;
        }
        let copies = 1 + u32::from(rng.next_u32() % 100 < channel.duplicate_percent);
        for _ in 0..copies {
            let jitter = u64::from(rng.next_u32() % (channel.jitter_ms * 1000 + 1));
            let mut arrival = *at + Duration::from_micros(10_000 + jitter);
            let phase = arrival.as_millis() as u64 % 2000;
            if phase < channel.stall_ms {
                arrival += Duration::from_millis(channel.stall_ms - phase);
            }
            arrivals.push((arrival, packet.clone()));
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    arrivals
}

struct Heard {
    presses: String,
    log: String,
    stream: Stream,
    kinds: Vec<FrameKind>,
}

fn received(arrivals: &[(Duration, Vec<u8>)], digits: bool) -> Heard {
    let mut stream = Stream::new(epoch(), config());
    let mut heard = Heard {
        presses: String::new(),
        log: String::new(),
        stream: Stream::new(epoch(), config()),
        kinds: Vec::new(),
    };
    let end = arrivals.last().map_or(0, |(at, _)| at.as_millis() / 20 + 100) as u32;
    let mut next = 0;
    for tick in 0..end {
        while next < arrivals.len() && arrivals[next].0 < TICK * tick {
            let _ = stream.receive_rtp(epoch() + arrivals[next].0, &arrivals[next].1);
            next += 1;
        }
        heard.kinds.push(stream.playout(epoch() + TICK * tick).kind);
        while let Some(output) = stream.poll_digit() {
            if let (DigitOutput::Press(press), true) = (output, digits) {
                heard.presses.push(press.digit.to_char());
            }
            heard.log += &format!("{output:?}\n");
        }
    }
    heard.stream = stream;
    heard
}

fn run(seed: u64, method: Method, channel: Channel) {
    run_with(seed, method, 120, channel);
}

fn run_with(seed: u64, method: Method, press_ms: u16, channel: Channel) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (packets, keys) = sent(&mut rng, 1500, 25, method, press_ms);
    assert!(keys.len() >= 50);
    let arrivals = impaired(&mut rng, channel, &packets);
    let heard = received(&arrivals, true);
    assert_eq!(heard.presses, keys, "seed {seed}");
}

const CLEAN: Channel = Channel { loss_percent: 0, burst: 1, duplicate_percent: 0, jitter_ms: 0, stall_ms: 0 };

#[test]
fn clean() {
    run(1, Method::Rfc4733, CLEAN);
    run(1, Method::Inband, CLEAN);
}

#[test]
fn stalls_of_400_ms_and_every_packet_twice() {
    for seed in 0..20 {
        let channel = Channel { stall_ms: 400, duplicate_percent: 100, ..CLEAN };
        run(seed, Method::Rfc4733, channel);
        run(seed, Method::Inband, channel);
    }
}

#[test]
fn jitter_that_reorders() {
    for seed in 0..20 {
        let channel = Channel { jitter_ms: 100, duplicate_percent: 10, ..CLEAN };
        run(seed, Method::Rfc4733, channel);
        run(seed, Method::Inband, channel);
    }
}

#[test]
fn loss() {
    for seed in 0..20 {
        let channel = Channel { loss_percent: 5, jitter_ms: 60, duplicate_percent: 10, ..CLEAN };
        run(seed, Method::Rfc4733, channel);
        run(seed, Method::Inband, channel);
    }
}

#[test]
fn bursts_of_loss() {
    for seed in 0..20 {
        let events = Channel { loss_percent: 15, burst: 4, jitter_ms: 30, ..CLEAN };
        run_with(seed, Method::Rfc4733, 200, events);
        // 60 ms of a tone of 250 ms.
        let tones = Channel { loss_percent: 5, burst: 3, jitter_ms: 30, ..CLEAN };
        run_with(seed, Method::Inband, 250, tones);
    }
}

#[test]
fn short_tones_twice_over() {
    for seed in 0..20 {
        let channel = Channel { duplicate_percent: 100, jitter_ms: 30, stall_ms: 200, ..CLEAN };
        run_with(seed, Method::Inband, 50, channel);
    }
}

#[test]
fn audio_comes_out_whole_and_counts_are_right() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let (packets, _) = sent(&mut rng, 1000, 2000, Method::Inband, 120);
    let clean = received(&impaired(&mut rng, CLEAN, &packets), true);
    let statistics = clean.stream.statistics();
    assert_eq!((statistics.expected, statistics.received, statistics.lost), (1000, 1000, 0));
    assert!(statistics.jitter_ms < 0.1, "{}", statistics.jitter_ms);
    assert_eq!(clean.kinds.iter().filter(|&&kind| kind == FrameKind::Received).count(), 1000);
    let channel = Channel { loss_percent: 10, duplicate_percent: 10, jitter_ms: 40, ..CLEAN };
    let arrivals = impaired(&mut rng, channel, &packets);
    let heard = received(&arrivals, true);
    let statistics = heard.stream.statistics();
    assert_eq!(statistics.received, arrivals.len() as u64);
    let unique = statistics.received - statistics.duplicated;
    assert_eq!(statistics.lost, statistics.expected - unique);
    assert!((70..140).contains(&statistics.lost), "{}", statistics.lost);
    assert!((8.0..25.0).contains(&statistics.jitter_ms), "{}", statistics.jitter_ms);
    assert!(statistics.reordered > 50, "{}", statistics.reordered);
    assert_eq!(statistics.bad + statistics.unknown + statistics.late, 0);
    let whole = heard.kinds.iter().filter(|&&kind| kind == FrameKind::Received).count();
    assert!(whole > 800, "{whole}");
}

#[test]
fn a_late_loop_hears_the_same_at_the_same_times() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let (packets, _) = sent(&mut rng, 600, 25, Method::Inband, 120);
    let channel = Channel { loss_percent: 3, jitter_ms: 60, ..CLEAN };
    let arrivals = impaired(&mut rng, channel, &packets);
    let once = received(&arrivals, true);
    let again = received(&arrivals, true);
    assert_eq!(once.log, again.log);
    assert!(!once.log.is_empty());
    assert_eq!(once.kinds, again.kinds);
}

#[test]
fn a_change_of_the_source_doubles_and_loses_nothing() {
    for method in [Method::Rfc4733, Method::Inband] {
        for change in 300..420 {
            let mut rng = ChaCha20Rng::seed_from_u64(5);
            let (mut packets, keys) = sent(&mut rng, 600, 25, method, 120);
            let moment = packets[change].1[2..4].to_vec();
            for (_, packet) in &mut packets[change..] {
                packet[8] = 99;
                if method == Method::Inband {
                    // Another gateway: sequence and timestamps start anew.
                    let sequence = u16::from_be_bytes([packet[2], packet[3]])
                        .wrapping_sub(u16::from_be_bytes([moment[0], moment[1]]));
                    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
                }
            }
            let heard = received(&impaired(&mut rng, CLEAN, &packets), true);
            assert_eq!(heard.presses, keys, "{method} at {change}");
            let statistics = heard.stream.statistics();
            assert_eq!((statistics.ssrc_changes, statistics.lost, statistics.bad), (1, 0, 0));
        }
    }
}

#[test]
fn a_stranger_among_the_packets_changes_nothing() {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let (packets, keys) = sent(&mut rng, 600, 25, Method::Inband, 120);
    let mut arrivals = impaired(&mut rng, CLEAN, &packets);
    let mut strange: Vec<_> = arrivals
        .iter()
        .map(|(at, packet)| {
            let mut packet = packet.clone();
            packet[8] = 200;
            packet[12..].fill(0x10);
            (*at + Duration::from_millis(1), packet)
        })
        .collect();
    arrivals.append(&mut strange);
    arrivals.sort_by_key(|(at, _)| *at);
    let heard = received(&arrivals, true);
    assert_eq!(heard.presses, keys);
    let statistics = heard.stream.statistics();
    assert_eq!((statistics.ssrc_changes, statistics.received), (0, 600));
    // The very last one is still on probation.
    assert_eq!(statistics.bad, 600);
}

#[test]
fn what_is_not_rtp_locks_nothing() {
    let mut stream = Stream::new(epoch(), config());
    let unknown = [0x80, 34, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9];
    assert_eq!(stream.receive_rtp(epoch(), &unknown), Err(PacketError::PayloadType));
    let rtcp = [0x80, 201, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    assert_eq!(stream.receive_rtp(epoch(), &rtcp), Err(PacketError::Rtcp));
    assert_eq!(stream.statistics().remote_ssrc, None);
    let audio = [0x80, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9];
    let received = stream.receive_rtp(epoch(), &audio).expect("audio");
    assert!(received.first && received.kind == PacketKind::Audio);
    assert_eq!(stream.statistics().remote_ssrc, Some(3));
}

#[test]
fn every_packet_time_plays() {
    for samples in [80usize, 160, 240, 320, 480] {
        let ptime_ms = (samples / 8) as u8;
        let mut sender = Stream::new(epoch(), StreamConfig { ptime_ms, ..config() });
        let mut stream = Stream::new(epoch(), config());
        let mut out = [0u8; 600];
        let (mut at, mut whole) = (epoch(), 0);
        let mut next = epoch();
        for tick in 0..500u32 {
            let now = epoch() + TICK * tick;
            while at < now {
                let length = sender.send_audio(at, &vec![0x55; samples], &mut out);
                at += Duration::from_micros(samples as u64 * 125);
                next = next.max(at);
                stream.receive_rtp(at.min(now), &out[..length]).expect("audio");
            }
            let playout = stream.playout(now);
            whole += u32::from(playout.payload == Some(&[0x55; 160]));
        }
        assert!(whole > 485, "{samples}: {whole}");
    }
}

proptest! {
    #[test]
    fn garbage_does_no_harm(packets: Vec<(u8, Vec<u8>)>) {
        let mut stream = Stream::new(epoch(), config());
        let mut now = epoch();
        for (step, mut packet) in packets {
            now += Duration::from_millis(u64::from(step));
            if step % 4 > 0 && packet.len() > 12 {
                packet[0] = 0x80;
                packet[1] = [0, 8, 101, 13][usize::from(step / 64)];
                packet[8..12].fill(step % 3);
            }
            let _ = stream.receive_rtp(now, &packet);
            stream.receive_rtcp(now, &packet);
            stream.playout(now);
            while stream.poll_digit().is_some() {}
        }
        stream.statistics();
    }
}

#[test]
fn clocks_that_run_apart_for_twenty_minutes_cost_no_key_and_no_delay() {
    for (method, ppm) in [
        (Method::Rfc4733, 200.0),
        (Method::Rfc4733, -200.0),
        (Method::Inband, 200.0),
        (Method::Inband, -200.0),
    ] {
        let mut rng = ChaCha20Rng::seed_from_u64(11);
        let (mut packets, keys) = sent(&mut rng, 60_000, 250, method, 100);
        for (at, _) in &mut packets {
            *at = at.div_f64(1.0 + ppm / 1e6);
        }
        let arrivals = impaired(&mut rng, Channel { jitter_ms: 40, ..CLEAN }, &packets);
        let heard = received(&arrivals, true);
        assert_eq!(heard.presses, keys, "{method:?} {ppm}");
        let statistics = heard.stream.statistics();
        let drift = f64::from(statistics.drift_ppm.expect("long enough"));
        assert!((drift - ppm).abs() < 2.0, "{method:?} {ppm}: {drift}");
        assert!(statistics.delay_ms < 120.0, "{method:?} {ppm}: {statistics:?}");
        // 200 ppm of twenty minutes are 240 ms: so much is left out, or made up; while an event is sent there is no audio, too.
        let (trimmed, made_up) = (statistics.trimmed_ms, statistics.concealed_ms);
        println!("{method:?} {ppm:+} ppm: {drift:+.2} found, {trimmed} ms left out, {made_up} ms made up");
        if ppm > 0.0 {
            assert!((180..1200).contains(&trimmed), "{method:?} {ppm}: {statistics:?}");
        } else if method == Method::Inband {
            assert!((180..1200).contains(&made_up), "{method:?} {ppm}: {statistics:?}");
        }
    }
}
