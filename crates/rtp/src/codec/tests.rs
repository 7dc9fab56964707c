use super::*;

fn laws() -> impl Iterator<Item = &'static CodecInfo> {
    CODECS.iter().filter(|info| info.codec.is_law())
}

#[test]
fn rows_stand_where_the_codec_looks_for_them() {
    for info in CODECS {
        assert_eq!(info.codec.info().label, info.label);
        assert_eq!(Codec::from_map(&info.name.to_lowercase(), info.clock_rate), Some(info.codec));
        assert_eq!(Codec::from_label(&info.label.to_lowercase()), Some(info.codec));
        let is_static = (info.payload_type < 96).then_some(info.codec);
        assert_eq!(Codec::from_static(info.payload_type), is_static);
        assert!(info.ptimes.contains(&20) && info.clock_rate % 8000 == 0);
        assert_eq!(info.codec.ptime(20), 20);
        assert_eq!(info.codec.ptime(1), info.ptimes[0]);
    }
    assert_eq!(Codec::from_map("L16", 44_100), None);
    assert_eq!(Codec::from_static(18), None);
}

#[test]
fn every_octet_survives_decode_and_encode() {
    for info in laws() {
        for octet in 0..=255u8 {
            let mut sample = [0i16];
            let mut back = [0u8];
            assert_eq!(info.codec.decode(&[octet], &mut sample), 1);
            assert_eq!(info.codec.encode(&sample, &mut back), 1);
            // µ-law has two zeros; the negative one comes back as the positive one.
            if !(info.codec == Codec::Pcmu && octet == 0x7F) {
                assert_eq!(back[0], octet, "{} {octet:#04x}", info.name);
            }
        }
    }
}

#[test]
fn encoding_is_monotonic_and_close() {
    for info in laws() {
        let mut previous = i16::MIN;
        for linear in i16::MIN..=i16::MAX {
            let mut octet = [0u8];
            let mut back = [0i16];
            info.codec.encode(&[linear], &mut octet);
            info.codec.decode(&octet, &mut back);
            assert!(back[0] >= previous, "{} at {linear}", info.name);
            previous = back[0];
            let error = (i32::from(back[0]) - i32::from(linear)).abs();
            let step = (i32::from(linear).abs() / 16).max(16);
            assert!(error <= step, "{} {linear} -> {}", info.name, back[0]);
        }
    }
}

#[test]
fn silence_is_nearly_zero_and_lengths_are_the_shorter() {
    for info in laws() {
        let mut samples = [99i16; 4];
        assert_eq!(info.codec.decode(&[info.codec.silence(); 9], &mut samples), 4);
        assert!(samples.iter().all(|s| s.abs() <= 8));
        assert_eq!(info.codec.encode(&samples, &mut [0u8; 3]), 3);
    }
}

/// Speech-like: a few partials whose levels rise and fall.
fn speech(samples: usize) -> Vec<i16> {
    let partial = |n: usize, hertz: f64, beat: f64| {
        let time = n as f64 / 8000.0;
        (2.0 * std::f64::consts::PI * hertz * time).sin() * (1.2 + (beat * time).sin())
    };
    (0..samples)
        .map(|n| {
            let sum = partial(n, 210.0, 9.0)
                + partial(n, 640.0, 13.0)
                + 0.7 * partial(n, 1230.0, 17.0)
                + 0.3 * partial(n, 2600.0, 21.0);
            (1800.0 * sum) as i16
        })
        .collect()
}

/// Through encoder and decoder in packets of `ptime`; octets of each packet are checked.
fn there_and_back(codec: Codec, samples: &[i16], ptime: u8) -> Vec<i16> {
    let (mut encoder, mut decoder) = (codec.encoder(), codec.decoder());
    let mut octets = [0u8; 1440];
    let mut heard = Vec::new();
    for packet in samples.chunks_exact(usize::from(ptime) * 8) {
        let length = encoder.encode(packet, &mut octets);
        let payload = &octets[..length];
        assert!(length > 0, "{codec:?} {ptime}");
        match codec.info().frame {
            FrameSize::Fixed(octets) => assert_eq!(length * 20, octets * usize::from(ptime), "{codec:?}"),
            FrameSize::Variable(most) => {
                assert!(length * 20 <= most * usize::from(ptime), "{codec:?} {length}")
            }
        }
        assert_eq!(codec.samples(payload), packet.len(), "{codec:?} {ptime}");
        let start = heard.len();
        heard.resize(start + packet.len(), 0);
        // In pieces, as the playout takes it.
        for from in (0..packet.len()).step_by(70) {
            let end = (from + 70).min(packet.len());
            let count = decoder.decode(payload, from, &mut heard[start + from..start + end]);
            assert_eq!(count, end - from, "{codec:?}");
        }
    }
    heard
}

/// Signal to noise in dB at the best delay of up to 30 ms, with that delay and the gain in dB.
fn fidelity(said: &[i16], heard: &[i16]) -> (f64, usize, f64) {
    (0..240)
        .map(|delay| {
            let pairs =
                said[400..].iter().zip(&heard[400 + delay..]).map(|(&a, &b)| (f64::from(a), f64::from(b)));
            let (mut aa, mut ab, mut bb) = (0.0, 0.0, 0.0);
            for (a, b) in pairs {
                aa += a * a;
                ab += a * b;
                bb += b * b;
            }
            let gain = ab / aa;
            let noise = (bb - gain * ab).max(1e-9);
            (10.0 * (gain * ab / noise).log10(), delay, 20.0 * gain.abs().log10())
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .expect("delays")
}

#[test]
fn every_codec_brings_audio_back_in_every_packet_time() {
    let said = speech(16_000);
    for info in CODECS {
        for &ptime in info.ptimes {
            let heard = there_and_back(info.codec, &said, ptime);
            let (ratio, delay, gain) = fidelity(&said[..heard.len() - 240], &heard);
            println!("{:10} {ptime} ms: {ratio:.1} dB, {delay} samples late, gain {gain:+.2} dB", info.label);
            // A parametric codec keeps the sound and not the wave.
            let least = if matches!(info.frame, FrameSize::Variable(_)) { 5.0 } else { 19.0 };
            assert!(ratio > least && gain.abs() < 1.0, "{} {ptime}: {ratio} {gain}", info.label);
        }
    }
}

#[test]
fn blanked_payloads_keep_their_length_and_fade_to_nothing() {
    let said = speech(8000);
    for info in CODECS {
        let (mut encoder, mut decoder) = (info.codec.encoder(), info.codec.decoder());
        let mut octets = [0u8; 1440];
        let mut heard = [0i16; 160];
        for (number, frame) in said.chunks_exact(160).enumerate() {
            let length = encoder.encode(frame, &mut octets);
            if number >= 10 {
                info.codec.blank(&mut octets[..length]);
            }
            assert_eq!(info.codec.samples(&octets[..length]), 160, "{}", info.label);
            assert_eq!(decoder.decode(&octets[..length], 0, &mut heard), 160);
            if number >= 25 {
                assert!(heard.iter().all(|s| s.abs() <= 40), "{} frame {number}: {heard:?}", info.label);
            }
        }
    }
}

#[test]
fn any_octets_are_survived() {
    let mut state = 7u32;
    for info in CODECS {
        let mut decoder = info.codec.decoder();
        for length in (0..400).chain([1439, 1440]) {
            let octets: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .take(length)
            .collect();
            let mut samples = [0i16; 480];
            let (total, mut from) = (info.codec.samples(&octets), 0);
            while from < total {
                let count = decoder.decode(&octets, from, &mut samples);
                if count == 0 {
                    break;
                }
                from += count;
            }
            assert!(from <= total);
        }
    }
}
