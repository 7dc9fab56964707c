//! Streams in every codec and packet time: audio, keys, timestamps, changes in mid-call. New rows of `CODECS` are
//! tested by themselves.

use passline_rtp::{
    CODECS, Codec, Digit, DigitOutput, EventPayload, FrameKind, Method, Packet, Stream, StreamConfig,
    StreamTerms,
};
use std::f64::consts::TAU;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(20);

#[allow(clippy::disallowed_methods)] // a test's epoch
fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// A stream in one codec whose timestamps wrap within seconds; events in the codec's clock.
fn config(codec: Codec, ptime_ms: u8) -> StreamConfig {
    let info = codec.info();
    StreamConfig {
        codec,
        payload_type: info.payload_type,
        event_payload_type: Some(101),
        event_receive_type: Some(101),
        event_clock: info.clock_rate,
        ptime_ms,
        first_sequence: 65_500,
        first_timestamp: u32::MAX / codec.ratio() - 20_000,
        ssrc: 5,
        ..StreamConfig::default()
    }
}

/// Two steady partials that no detector takes for a key, in the law of a codec.
fn hum(tick: u32, codec: Codec) -> [u8; 160] {
    let mut pcm = [0i16; 160];
    for (n, sample) in pcm.iter_mut().enumerate() {
        let time = f64::from(tick) * 0.02 + n as f64 / 8000.0;
        *sample = (3000.0 * (TAU * 150.0 * time).sin() + 900.0 * (TAU * 300.0 * time).sin()) as i16;
    }
    let mut octets = [0u8; 160];
    codec.law().encode(&pcm, &mut octets);
    octets
}

/// The packets of one tick.
fn speak(stream: &mut Stream, now: Instant, tick: u32, codec: Codec) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut out = [0u8; 1500];
    if stream.is_sending_digit() {
        while let Some(length) = stream.send_digit(now, &mut out) {
            packets.push(out[..length].to_vec());
        }
        return packets;
    }
    let length = stream.send_audio(now, &hum(tick, codec), &mut out);
    if length > 0 {
        packets.push(out[..length].to_vec());
    }
    while let Some(length) = stream.send_more(&mut out) {
        packets.push(out[..length].to_vec());
    }
    packets
}

#[derive(Default)]
struct Heard {
    keys: String,
    /// Durations of the presses in ms.
    lengths: Vec<u32>,
    pcm: Vec<i16>,
    received: usize,
}

impl Heard {
    fn tick(&mut self, stream: &mut Stream, now: Instant) {
        let frame = stream.playout(now);
        self.received += usize::from(frame.kind == FrameKind::Received);
        self.pcm.extend_from_slice(frame.pcm);
        while let Some(output) = stream.poll_digit() {
            match output {
                DigitOutput::Press(press) => self.keys.push(press.digit.to_char()),
                DigitOutput::End(end) => self.lengths.push(end.duration / 8),
            }
        }
    }
}

/// Amplitude of one frequency.
fn amplitude(pcm: &[i16], hertz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in pcm.iter().enumerate() {
        let phase = TAU * hertz * n as f64 / 8000.0;
        re += f64::from(*sample) * phase.cos();
        im += f64::from(*sample) * phase.sin();
    }
    re.hypot(im) * 2.0 / pcm.len() as f64
}

#[test]
fn audio_and_timestamps_are_right_in_every_codec_and_packet_time() {
    for info in CODECS {
        for &ptime in info.ptimes {
            let mut sender = Stream::new(epoch(), config(info.codec, ptime));
            let mut receiver = Stream::new(epoch(), config(info.codec, 20));
            let mut heard = Heard::default();
            let mut last: Option<(u16, u32)> = None;
            let step = u32::from(ptime) * info.clock_rate / 1000;
            for tick in 0..500u32 {
                let now = epoch() + TICK * tick;
                for packet in speak(&mut sender, now, tick, info.codec) {
                    let seen = Packet::parse(&packet).expect("a packet");
                    if let Some((sequence, timestamp)) = last {
                        assert_eq!(seen.sequence, sequence.wrapping_add(1), "{}", info.label);
                        assert_eq!(seen.timestamp.wrapping_sub(timestamp), step, "{} {ptime}", info.label);
                    }
                    assert_eq!(seen.marker, last.is_none());
                    last = Some((seen.sequence, seen.timestamp));
                    receiver.receive_rtp(now, &packet).expect("audio");
                }
                heard.tick(&mut receiver, now);
            }
            let label = format!("{} {ptime} ms", info.label);
            assert!(heard.received > 480, "{label}: {}", heard.received);
            // Two seconds in the middle, over the wrap.
            let middle = &heard.pcm[16_000..32_000];
            for (hertz, level) in [(150.0, 3000.0), (300.0, 900.0)] {
                let decibel = 20.0 * (amplitude(middle, hertz) / level).log10();
                assert!(decibel.abs() < 0.7, "{label}: {hertz} Hz {decibel:+.2} dB");
            }
            let statistics = receiver.statistics();
            assert_eq!((statistics.lost, statistics.bad, statistics.unknown), (0, 0, 0), "{label}");
            // Packets of more than a tick come on ticks: that is all of the jitter.
            assert!(statistics.jitter_ms <= 20.0, "{label}: {}", statistics.jitter_ms);
            assert!(statistics.delay_ms <= 100.0, "{label}: {}", statistics.delay_ms);
        }
    }
}

#[test]
fn keys_are_exact_in_every_codec_packet_time_and_method() {
    for info in CODECS {
        for &ptime in info.ptimes {
            for method in [Method::Rfc4733, Method::Inband] {
                let mut sender = Stream::new(epoch(), config(info.codec, ptime));
                let mut receiver = Stream::new(epoch(), config(info.codec, 20));
                let mut heard = Heard::default();
                let mut keys = String::new();
                let mut markers = 0;
                for tick in 0..1000u32 {
                    let now = epoch() + TICK * tick;
                    if tick % 37 == 11 && tick < 950 {
                        // Each key twice.
                        let digit = Digit::ALL[tick as usize / 74 % 16];
                        keys.push(digit.to_char());
                        assert!(sender.press(digit, 100, method));
                    }
                    for packet in speak(&mut sender, now, tick, info.codec) {
                        markers += usize::from(
                            Packet::parse(&packet).is_ok_and(|p| p.payload_type == 101 && p.marker),
                        );
                        receiver.receive_rtp(now, &packet).expect("a packet");
                    }
                    heard.tick(&mut receiver, now);
                }
                let label = format!("{} {ptime} ms {method}", info.label);
                assert_eq!(heard.keys, keys, "{label}");
                assert_eq!(markers, if method == Method::Rfc4733 { keys.len() } else { 0 }, "{label}");
                let right = heard.lengths.iter().filter(|ms| (80..=120).contains(*ms)).count();
                assert_eq!(right, keys.len(), "{label}: {:?}", heard.lengths);
            }
        }
    }
}

#[test]
fn keys_are_exact_when_audio_is_lost_in_every_codec() {
    for info in CODECS {
        for method in [Method::Rfc4733, Method::Inband] {
            let mut sender = Stream::new(epoch(), config(info.codec, 20));
            let mut receiver = Stream::new(epoch(), config(info.codec, 20));
            let (mut heard, mut keys, mut state) = (Heard::default(), String::new(), 1u32);
            for tick in 0..3000u32 {
                let now = epoch() + TICK * tick;
                if tick % 40 == 11 && tick < 2950 {
                    let digit = Digit::ALL[tick as usize / 40 % 16];
                    keys.push(digit.to_char());
                    assert!(sender.press(digit, 120, method));
                }
                for packet in speak(&mut sender, now, tick, info.codec) {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    match state >> 24 {
                        0..12 => continue,
                        12..40 => _ = receiver.receive_rtp(now, &packet),
                        _ => {}
                    }
                    receiver.receive_rtp(now, &packet).expect("a packet");
                }
                heard.tick(&mut receiver, now);
            }
            assert_eq!(heard.keys, keys, "{} {method}", info.label);
        }
    }
}

/// Terms as a re-INVITE agrees on them.
fn terms(codec: Codec, ptime_ms: u8) -> StreamTerms {
    config(codec, ptime_ms).terms()
}

#[test]
fn a_change_of_the_codec_in_mid_call_costs_no_key_and_no_audio() {
    for from in CODECS {
        for to in CODECS.iter().filter(|to| to.codec != from.codec) {
            for method in [Method::Rfc4733, Method::Inband] {
                let mut sender = Stream::new(epoch(), config(from.codec, 20));
                let mut receiver = Stream::new(epoch(), config(from.codec, 20));
                let (mut heard, mut keys) = (Heard::default(), String::new());
                let (mut codec, mut source, mut sources) = (from.codec, 0, 0);
                let mut last: Option<(u32, u32)> = None;
                for tick in 0..600u32 {
                    let now = epoch() + TICK * tick;
                    if tick % 200 == 100 {
                        codec = if codec == from.codec { to.codec } else { from.codec };
                        sender.renegotiate(&terms(codec, 20));
                        receiver.renegotiate(&terms(codec, 20));
                    }
                    // Between the changes; the nearest ends 140 ms before.
                    if tick % 25 == 12 {
                        let digit = Digit::ALL[tick as usize / 25 % 16];
                        keys.push(digit.to_char());
                        assert!(sender.press(digit, 100, method));
                    }
                    for packet in speak(&mut sender, now, tick, codec) {
                        let seen = Packet::parse(&packet).expect("a packet");
                        sources += u32::from(seen.ssrc != source);
                        source = seen.ssrc;
                        let now_sent = (seen.ssrc, seen.timestamp);
                        if let Some((ssrc, timestamp)) = last.filter(|_| seen.payload_type != 101) {
                            let ahead = seen.timestamp.wrapping_sub(timestamp);
                            // Of one source, time goes on without a jump.
                            assert!(
                                ssrc != seen.ssrc || ahead < 48_000,
                                "{} {}: {ahead}",
                                from.label,
                                to.label
                            );
                        }
                        if seen.payload_type != 101 {
                            last = Some(now_sent);
                        }
                        let _ = receiver.receive_rtp(now, &packet);
                    }
                    heard.tick(&mut receiver, now);
                }
                let label = format!("{} to {} and back, {method}", from.label, to.label);
                assert_eq!(heard.keys, keys, "{label}");
                // A new clock gets a new source, RFC 7160 §4.1.
                let changes = if from.codec.ratio() == to.codec.ratio() { 0 } else { 3 };
                assert_eq!(sources, 1 + changes, "{label}");
                assert_eq!(receiver.statistics().ssrc_changes, changes, "{label}");
                if method == Method::Inband {
                    assert!(heard.received > 575, "{label}: {}", heard.received);
                }
            }
        }
    }
}

#[test]
fn events_that_are_stamped_like_the_audio_are_right_whatever_clock_was_named() {
    for (named, sent) in [(8000, 16_000), (8000, 8000), (16_000, 16_000)] {
        let config = StreamConfig { event_clock: named, ..config(Codec::L16Wide, 20) };
        let mut receiver = Stream::new(epoch(), config);
        let (mut heard, mut sequence) = (Heard::default(), 0u16);
        for tick in 0..300u32 {
            let now = epoch() + TICK * tick;
            // A press of 120 ms every half second, its end three times; its clock as sent.
            let (within, per_tick) = (tick % 25, 160 * sent / 8000);
            let packet = match within {
                10..18 => {
                    let (code, duration) = ((tick / 25) as u8, (per_tick * (within - 9).min(6)) as u16);
                    let event = EventPayload { code, end: within > 14, volume: 10, duration };
                    let began = per_tick * (20_000 + tick - within + 10);
                    foreign(101, sequence, began, within == 10, &event.write())
                }
                _ => foreign(97, sequence, 320 * (20_000 + tick), false, &[0; 640]),
            };
            sequence = sequence.wrapping_add(1);
            receiver.receive_rtp(now, &packet).expect("a packet");
            heard.tick(&mut receiver, now);
        }
        assert_eq!(heard.keys, "0123456789*#", "{named} {sent}");
        assert!(heard.lengths.iter().all(|ms| *ms == 120), "{named} {sent}: {:?}", heard.lengths);
    }
}

/// One packet of a foreign sender.
fn foreign(payload_type: u8, sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
    let packet = Packet { marker, payload_type, sequence, timestamp, ssrc: 9, payload };
    let mut out = [0u8; 1500];
    let length = packet.write(&mut out);
    out[..length].to_vec()
}

#[test]
fn a_peer_that_keeps_its_source_over_a_change_of_clock_is_heard() {
    let mut receiver = Stream::new(epoch(), config(Codec::Pcmu, 20));
    let mut heard = Heard::default();
    let mut encoder = Codec::L16Wide.encoder();
    for tick in 0..400u32 {
        let now = epoch() + TICK * tick;
        let frame = hum(tick, Codec::Pcmu);
        if tick < 200 {
            let packet = foreign(0, tick as u16, 160 * tick, tick == 0, &frame);
            receiver.receive_rtp(now, &packet).expect("audio");
        } else {
            if tick == 200 {
                receiver.renegotiate(&terms(Codec::L16Wide, 20));
            }
            let (mut pcm, mut octets) = ([0i16; 160], [0u8; 640]);
            Codec::Pcmu.decode(&frame, &mut pcm);
            encoder.encode(&pcm, &mut octets);
            // The timestamp goes on by 320 a packet from where it was.
            let timestamp = 160 * 200 + 320 * (tick - 200);
            receiver.receive_rtp(now, &foreign(97, tick as u16, timestamp, false, &octets)).expect("audio");
        }
        heard.tick(&mut receiver, now);
    }
    assert!(heard.received > 385, "{}", heard.received);
    let statistics = receiver.statistics();
    assert_eq!((statistics.bad, statistics.ssrc_changes), (0, 0));
    assert!(statistics.delay_ms < 60.0 && statistics.jitter_ms < 5.0, "{statistics:?}");
}

#[test]
fn presses_of_any_length_at_48_khz_are_one_press() {
    // The duration field holds 1365 ms; what is longer comes in segments.
    for ms in [60u16, 1300, 1364, 1366, 1400, 2731, 4100, 9000] {
        let config =
            StreamConfig { event_clock: 48_000, first_timestamp: 77_000_000, ..config(Codec::Pcmu, 20) };
        let mut sender = Stream::new(epoch(), config.clone());
        let mut receiver = Stream::new(epoch(), config);
        let mut heard = Heard::default();
        for tick in 0..1100u32 {
            let now = epoch() + TICK * tick;
            if tick == 50 || tick == 55 {
                assert!(sender.press(Digit::ALL[7], ms, Method::Rfc4733));
            }
            for packet in speak(&mut sender, now, tick, Codec::Pcmu) {
                let seen = Packet::parse(&packet).expect("a packet");
                if seen.payload_type == 101 {
                    let event = EventPayload::read(seen.payload).expect("an event");
                    // Whole packet times, but for ends and for what follows a segment.
                    assert!(
                        event.end
                            || event.duration.is_multiple_of(960)
                            || event.duration == 0xFFFF
                            || ms > 1364
                    );
                }
                receiver.receive_rtp(now, &packet).expect("a packet");
            }
            heard.tick(&mut receiver, now);
        }
        assert_eq!(heard.keys, "77", "{ms} ms");
        assert!(
            heard.lengths.iter().all(|length| length.abs_diff(ms.into()) <= 1),
            "{ms}: {:?}",
            heard.lengths
        );
    }
}

#[test]
fn comfort_noise_is_heard_at_its_level_and_is_silence_to_the_tone_detector() {
    let mut config = config(Codec::Pcma, 20);
    config.comfort_type = Some(98);
    for payload_type in [13u8, 98] {
        let mut receiver = Stream::new(epoch(), config.clone());
        let mut heard = Heard::default();
        for tick in 0..300u32 {
            let now = epoch() + TICK * tick;
            let sequence = (tick / 100 * 50 + tick % 100) as u16;
            let timestamp = 160 * tick;
            // A second of speech, then a second in which one packet says how silence sounds.
            let packet = match tick % 100 {
                0..49 => Some(foreign(8, sequence, timestamp, tick % 100 == 0, &hum(tick, Codec::Pcma))),
                49 => Some(foreign(payload_type, sequence, timestamp, false, &[42, 10, 20])),
                _ => None,
            };
            if let Some(packet) = packet {
                receiver.receive_rtp(now, &packet).expect("a packet");
            }
            heard.tick(&mut receiver, now);
        }
        let level = |from: usize| {
            let pcm = &heard.pcm[from * 160..(from + 30) * 160];
            let power = pcm.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / pcm.len() as f64;
            20.0 * (power.sqrt() / 32_768.0).log10()
        };
        for second in [60, 160, 260] {
            assert!((level(second) + 42.0).abs() < 1.0, "{payload_type}: {}", level(second));
        }
        assert!(level(110) > -25.0);
        assert_eq!(heard.keys, "");
        let statistics = receiver.statistics();
        assert_eq!((statistics.unknown, statistics.lost, statistics.bad), (0, 0, 0), "{statistics:?}");
        // What is left out of a pause is no loss.
        assert!(statistics.concealed_ms < 60, "{statistics:?}");
    }
}
