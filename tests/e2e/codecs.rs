//! baresip in the codecs other than G.711: keys by both ways, and the audio of both directions measured.
use passline_prompt::Segment;
use passline_prompt::phrase::{Item, Phrase, Rate};
use passline_rtp::{CODECS, Codec, Digit, Packet};
use passline_tests::{
    baresip::Baresip,
    capture::Capture,
    phone::Phone,
    server::{Server, Setup},
    voice::Voice,
};
use serde_json::Value;
use std::{f64::consts::TAU, ops::RangeInclusive, thread::sleep, time::Duration};

/// Each of the twelve keys, and two that repeat.
const KEYS: &str = "1234567890*#11";
/// Before the tones: the call must stand.
const LEAD_MS: usize = 3000;
/// Of the tone that is measured, and where it lies among the spoken ones.
const STEADY_HZ: f64 = 1000.0;
const STEADY_MS: usize = 2000;

/// What baresip speaks: a steady tone of -16 dBm0 that is no key, then keys as tones. At the rate of the codec's audio:
/// baresip's own way from 8 to 16 kHz takes the upper tones of keys away.
fn spoken(rate: usize) -> Vec<i16> {
    let wave = |hertz: f64, n: usize| (TAU * hertz * n as f64 / rate as f64).sin();
    let ms = rate / 1000;
    let mut pcm = vec![0i16; LEAD_MS * ms];
    pcm.extend((0..STEADY_MS * ms).map(|n| (3600.0 * wave(STEADY_HZ, n)) as i16));
    pcm.extend(vec![0; 500 * ms]);
    for key in KEYS.chars() {
        let (low, high) = Digit::from_char(key).expect("a key").frequencies();
        let press = |n: usize| (8000.0 * wave(low.into(), n) + 10_000.0 * wave(high.into(), n)) as i16;
        pcm.extend((0..100 * ms).map(press));
        pcm.extend(vec![0; 100 * ms]);
    }
    pcm.extend(vec![0i16; 60_000 * ms]);
    pcm
}

/// The prompt that the line test begins with, as it was recorded.
fn prompt(voice: Voice) -> Vec<i16> {
    let phrase = Phrase { items: vec![Item::Prompt("line_test_prompt".into())], rate: Rate::Normal };
    let script = voice.library().render("en", &phrase, Codec::Pcmu).expect("a prompt");
    let mut pcm = Vec::new();
    for segment in &script.segments {
        let start = pcm.len();
        pcm.resize(start + segment.samples(), 0);
        if let Segment::Clip(clip) = segment {
            Codec::Pcmu.decode(clip.audio(), &mut pcm[start..]);
        }
    }
    pcm
}

/// Amplitude of one frequency in samples of a rate.
fn amplitude(pcm: &[i16], hertz: f64, rate: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in pcm.iter().enumerate() {
        let phase = TAU * hertz * n as f64 / rate;
        re += f64::from(*sample) * phase.cos();
        im += f64::from(*sample) * phase.sin();
    }
    re.hypot(im) * 2.0 / pcm.len() as f64
}

/// Signal to noise and gain in dB of `heard` against `said`, wherever it lies in it; both of 8000 Hz.
fn fidelity(said: &[i16], heard: &[i16]) -> (f64, f64) {
    // The loudest half second decides where.
    let window = 4000.min(said.len());
    let energy = |pcm: &[i16]| pcm.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
    let from = (0..=said.len() - window)
        .step_by(400)
        .max_by(|a, b| energy(&said[*a..a + window]).total_cmp(&energy(&said[*b..b + window])))
        .expect("a window");
    let said = &said[from..from + window];
    let product =
        |at: usize| said.iter().zip(&heard[at..]).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let at = (0..heard.len().saturating_sub(window))
        .max_by(|a, b| product(*a).total_cmp(&product(*b)))
        .expect("something was heard");
    let gain = product(at) / energy(said);
    let noise = (energy(&heard[at..at + window]) - gain * product(at)).max(1.0);
    (10.0 * (gain * product(at) / noise).log10(), 20.0 * gain.log10())
}

/// The same for what a decoder of another rate gave. What we say has nothing above 4 kHz, so that every second (third …)
/// sample is a recording of 8000 Hz; the best of these counts.
fn fidelity_at(said: &[i16], heard: &[i16], rate: u32) -> (f64, f64) {
    let ratio = (rate / 8000) as usize;
    let phases = (0..ratio).map(|phase| {
        let narrow: Vec<i16> = heard.iter().skip(phase).step_by(ratio).copied().collect();
        fidelity(said, &narrow)
    });
    phases.max_by(|a, b| a.0.total_cmp(&b.0)).expect("a phase")
}

/// What the packets to our ports held, decoded.
fn decoded(capture: &Capture, codec: Codec, ours: RangeInclusive<u16>) -> Vec<i16> {
    let mut decoder = codec.decoder();
    let mut pcm = Vec::new();
    for packet in capture.packets().iter().filter(|packet| ours.contains(&packet.to.port())) {
        let Ok(rtp) = Packet::parse(&packet.payload) else { continue };
        let known = rtp.payload_type == codec.info().payload_type || rtp.payload_type >= 96;
        let samples = codec.samples(rtp.payload);
        // Events have four octets.
        if known && rtp.payload.len() > 4 && samples >= 80 {
            let start = pcm.len();
            pcm.resize(start + samples, 0);
            let count = decoder.decode(rtp.payload, 0, &mut pcm[start..]);
            pcm.truncate(start + count);
        }
    }
    pcm
}

fn digits(call: &Value) -> String {
    let digits = call["digits"].as_array().expect("digits");
    digits.iter().filter_map(|digit| digit["digit"].as_str()).collect()
}

fn in_codec(codec: Codec) {
    let label = codec.label();
    let server =
        Server::start(Setup { rtp: format!("  codecs: [PCMU, PCMA, {label}]\n"), ..Setup::default() });
    let mut capture = Capture::start(server.folder(), &server.filter(), 2000);
    let rate = codec.info().sample_rate;
    let mut baresip = Baresip::speaking_at(&server, codec, "caller", &spoken(rate as usize), rate);
    baresip.dial(&server.uri("5001"));
    Phone::talks(&mut baresip);
    sleep(Duration::from_millis((LEAD_MS + STEADY_MS + 500 + KEYS.len() * 200 + 1000) as u64));
    Phone::press(&mut baresip, KEYS);
    sleep(Duration::from_millis(800));
    Phone::hang_up(&mut baresip);
    let call = server.call();
    let context = format!("{call}\n{}\n{}", baresip.output(), server.log());
    assert_eq!(call["codec"], label, "{context}");
    // Tones first, then telephone-events: every press once.
    assert_eq!(call["digits"], format!("{KEYS}{KEYS}"), "{context}");
    assert_eq!(call["outcome"], "caller_left", "{context}");
    capture.finish();

    // The same capture, read by the program.
    let replayed = capture.replay();
    let replayed: Vec<_> = replayed.iter().filter(|call| !call["call_id"].is_null()).collect();
    assert_eq!(replayed.len(), 1, "{label}");
    assert_eq!(digits(replayed[0]), format!("{KEYS}{KEYS}"), "{label}: {replayed:#?}");
    assert_eq!(replayed[0]["codec"], label);

    // What we heard of it: the level of a steady tone in the middle, and what is not the tone.
    let heard = decoded(&capture, codec, server.rtp_first..=server.rtp_last);
    let second = heard
        .windows(8000)
        .step_by(160)
        .max_by(|a, b| amplitude(a, STEADY_HZ, 8000.0).total_cmp(&amplitude(b, STEADY_HZ, 8000.0)))
        .expect("a second of audio");
    let tone = amplitude(second, STEADY_HZ, 8000.0);
    let power = second.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 8000.0;
    let level = 20.0 * (tone / 3600.0).log10();
    let clean = 10.0 * (tone * tone / 2.0 / (power - tone * tone / 2.0).max(1e-3)).log10();

    // What it heard of us: the prompt.
    let (samples, rate) = baresip.recorded();
    let (ratio, gain) = fidelity_at(&prompt(server.voice), &samples, rate);
    println!(
        "{label}: heard by us {level:+.2} dB, {clean:.1} dB above noise; heard by baresip at {rate} Hz {gain:+.2} dB, {ratio:.1} dB"
    );
    assert!(level.abs() < 1.0 && clean > 18.0, "{label}: {level} {clean}");
    assert!(gain.abs() < 1.5 && ratio > 5.0, "{label}: {gain} {ratio}");
}

#[test]
fn baresip_in_every_codec_hears_and_is_heard_and_keys_are_exact() {
    std::thread::scope(|scope| {
        for info in CODECS.iter().filter(|info| !info.codec.is_law()) {
            scope.spawn(move || in_codec(info.codec));
        }
    });
}
