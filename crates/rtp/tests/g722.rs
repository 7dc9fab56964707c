//! G.722 against values of spandsp; `g722/reference.c` makes them again.

use passline_rtp::{Codec, Digit, ToneGenerator, detect_tones};
use std::f64::consts::PI;

fn fnv(hash: u64, octet: u8) -> u64 {
    (hash ^ u64::from(octet)).wrapping_mul(1_099_511_628_211)
}

const BASIS: u64 = 14_695_981_039_346_656_037;

/// The generator of the reference.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 24) as u8
    }
}

/// 20 ms of 697 and 1633 Hz at 16000 Hz, coded in both bands by spandsp.
const TONE: [u8; 160] = [
    0xfa, 0x8e, 0x21, 0x89, 0x23, 0x93, 0xa0, 0xa0, 0x23, 0x9f, 0xf4, 0xe8, 0xf8, 0xc8, 0xc8, 0x53, 0xf3,
    0xf1, 0xfc, 0xfb, 0xec, 0xe7, 0xf1, 0xd1, 0xcc, 0xd5, 0xfb, 0x9c, 0xd2, 0x5a, 0xeb, 0xa6, 0xad, 0xda,
    0xd5, 0x5f, 0xfd, 0x91, 0xcb, 0xd3, 0xf1, 0xaa, 0xef, 0xfd, 0x78, 0xee, 0xb5, 0xd2, 0xcb, 0xd1, 0xb9,
    0xf2, 0xfc, 0xdf, 0x6f, 0xe8, 0xad, 0xd9, 0xce, 0xd3, 0xbe, 0xdc, 0xd3, 0x57, 0xf1, 0xa8, 0xeb, 0xbd,
    0xd7, 0xff, 0xfc, 0x95, 0xcc, 0x4f, 0xf9, 0xac, 0xef, 0xfa, 0xfa, 0xef, 0xb2, 0x58, 0xcd, 0xd0, 0xfe,
    0xb3, 0xfd, 0xdc, 0x74, 0xe9, 0xab, 0xdf, 0xd1, 0x94, 0x5d, 0xff, 0x95, 0xd2, 0x78, 0xe9, 0xac, 0xf7,
    0x58, 0xde, 0xf6, 0x9b, 0xce, 0x4f, 0xdf, 0xee, 0xf0, 0xf9, 0xfd, 0xf1, 0xee, 0xbf, 0xcf, 0xd0, 0xd9,
    0xf6, 0xba, 0xda, 0xfb, 0x6b, 0xab, 0xf6, 0x95, 0xd3, 0xfe, 0xbf, 0xd6, 0xd3, 0xde, 0x6e, 0xab, 0xf6,
    0x9d, 0x7e, 0xf7, 0xbf, 0xd1, 0x4d, 0xd7, 0xb3, 0xf2, 0xf8, 0xf9, 0xf3, 0x6f, 0xf7, 0x93, 0xd1, 0xd8,
    0xfc, 0xfa, 0x99, 0xde, 0xed, 0xea, 0xf3,
];

#[test]
fn any_octets_decode_as_spandsp_decodes_them() {
    let mut random = Random(7);
    let octets: Vec<u8> = (0..16_000).map(|_| random.next()).collect();
    let mut decoder = Codec::G722.decoder();
    let mut samples = vec![0i16; 16_000];
    let mut hash = BASIS;
    for (octets, samples) in octets.chunks(160).zip(samples.chunks_mut(160)) {
        assert_eq!(decoder.decode(octets, 0, samples), 160);
        hash = samples.iter().flat_map(|sample| sample.to_le_bytes()).fold(hash, fnv);
    }
    assert_eq!(hash, 0xe387_c14e_e5b9_82c2);
}

#[test]
fn the_lower_band_is_coded_as_spandsp_codes_it() {
    let mut random = Random(7);
    (0..16_000).for_each(|_| _ = random.next());
    let samples: Vec<i16> = (0..16_000i32)
        .map(|n| {
            let height = 500 + n % 4000 * 5;
            let square = if n / 7 % 2 != 0 { height } else { -height };
            (square + i32::from(random.next()) - 128) as i16
        })
        .collect();
    let mut encoder = Codec::G722.encoder();
    let mut octets = [0u8; 160];
    let mut hash = BASIS;
    for samples in samples.chunks(160) {
        assert_eq!(encoder.encode(samples, &mut octets), 160);
        hash = octets.iter().map(|octet| octet & 0x3F).fold(hash, fnv);
    }
    assert_eq!(hash, 0x4aa8_f171_6945_bba0);
}

#[test]
fn tones_that_went_through_both_bands_have_their_level() {
    let mut samples = [0i16; 160];
    assert_eq!(Codec::G722.decoder().decode(&TONE, 0, &mut samples), 160);
    // Of the second half, when filter and quantizer have settled: 12 ms hold 8.4 and 19.6 periods.
    let level = |hertz: f64| {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in samples[64..].iter().enumerate() {
            let phase = 2.0 * PI * hertz * n as f64 / 8000.0;
            let window = 1.0 - (2.0 * PI * (n as f64 + 0.5) / 96.0).cos();
            re += f64::from(*sample) * window * phase.cos();
            im += f64::from(*sample) * window * phase.sin();
        }
        20.0 * (re.hypot(im) * 2.0 / 96.0 / 6000.0).log10()
    };
    for hertz in [697.0, 1633.0] {
        assert!(level(hertz).abs() < 0.3, "{hertz} Hz: {:+.2} dB", level(hertz));
    }
}

#[test]
fn all_digits_are_heard_through_it_at_any_level() {
    for dbm0 in [0.0, -8.0, -20.0, -30.0, -36.0] {
        let mut pcm = vec![0i16; 800];
        for digit in Digit::ALL {
            let mut press = vec![0i16; 800];
            ToneGenerator::new(digit, 60).with_levels(dbm0 - 3.0, dbm0 - 3.0).fill(&mut press);
            pcm.extend(press);
        }
        let (mut encoder, mut decoder) = (Codec::G722.encoder(), Codec::G722.decoder());
        let mut heard = Vec::new();
        for frame in pcm.chunks(160) {
            let (mut octets, mut samples) = ([0u8; 160], [0i16; 160]);
            let length = encoder.encode(frame, &mut octets);
            let count = decoder.decode(&octets[..length], 0, &mut samples);
            heard.extend_from_slice(&samples[..count]);
        }
        let digits: Vec<Digit> = detect_tones(&heard).iter().map(|tone| tone.digit).collect();
        assert_eq!(digits, Digit::ALL, "{dbm0} dBm0");
    }
}
