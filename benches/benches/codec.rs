//! What 20 ms cost in each codec, encoded and decoded.
use passline_rtp::{CODECS, Codec};

fn main() {
    divan::main();
}

/// A second of something like speech, at 8000 Hz.
fn speech() -> Vec<i16> {
    let wave = |n: usize, hertz: f64| (n as f64 * hertz * std::f64::consts::TAU / 8000.0).sin();
    (0..8000).map(|n| (3000.0 * wave(n, 180.0) + 2000.0 * wave(n, 720.0) * wave(n, 4.0)) as i16).collect()
}

fn labels() -> Vec<&'static str> {
    CODECS.iter().map(|info| info.label).collect()
}

#[divan::bench(args = labels())]
fn encode(bencher: divan::Bencher<'_, '_>, label: &str) {
    let codec = Codec::from_label(label).unwrap_or_default();
    let (pcm, mut encoder, mut octets, mut frame) = (speech(), codec.encoder(), [0u8; 1440], 0);
    bencher.bench_local(move || {
        frame = (frame + 1) % 50;
        encoder.encode(&pcm[160 * frame..160 * frame + 160], &mut octets)
    });
}

#[divan::bench(args = labels())]
fn decode(bencher: divan::Bencher<'_, '_>, label: &str) {
    let codec = Codec::from_label(label).unwrap_or_default();
    let (mut encoder, mut decoder) = (codec.encoder(), codec.decoder());
    let packets: Vec<Vec<u8>> = speech()
        .chunks(160)
        .map(|frame| {
            let mut octets = [0u8; 1440];
            let length = encoder.encode(frame, &mut octets);
            octets[..length].to_vec()
        })
        .collect();
    let (mut samples, mut frame) = ([0i16; 160], 0);
    bencher.bench_local(move || {
        frame = (frame + 1) % 50;
        decoder.decode(&packets[frame], 0, &mut samples)
    });
}
