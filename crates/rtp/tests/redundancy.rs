//! Redundant packets (RFC 2198) fill in what was lost, and repeat nothing that was heard.
use passline_rtp::{Codec, Digit, DigitOutput, Packet, Stream, StreamConfig, ToneGenerator};
use std::time::{Duration, Instant};

const RED: u8 = 121;
const EVENT: u8 = 101;

fn stream(epoch: Instant) -> Stream {
    let types = StreamConfig {
        event_payload_type: Some(EVENT),
        redundancy_type: Some(RED),
        ..StreamConfig::default()
    };
    Stream::new(epoch, types)
}

/// A redundant packet: older blocks as payload type, age in samples and payload, then the primary block.
fn red(older: &[(u8, u16, Vec<u8>)], payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (payload_type, back, payload) in older {
        let length = payload.len() as u16;
        out.extend([
            0x80 | payload_type,
            (back >> 6) as u8,
            (back << 2) as u8 | (length >> 8) as u8,
            length as u8,
        ]);
    }
    out.push(payload_type);
    older.iter().for_each(|(_, _, payload)| out.extend(payload));
    out.extend(payload);
    out
}

struct Line {
    stream: Stream,
    now: Instant,
    digits: String,
}

impl Line {
    fn new() -> Self {
        #[allow(clippy::disallowed_methods)] // a test's epoch
        let now = Instant::now();
        Line { stream: stream(now), now, digits: String::new() }
    }

    /// One packet time passes, with or without a packet.
    fn tick(&mut self, packet: Option<(u16, u32, Vec<u8>)>) {
        if let Some((sequence, timestamp, payload)) = packet {
            let packet =
                Packet { marker: false, payload_type: RED, sequence, timestamp, ssrc: 7, payload: &payload };
            let mut out = [0; 1500];
            let length = packet.write(&mut out);
            self.stream.receive_rtp(self.now, &out[..length]).expect("accepted");
        }
        self.now += Duration::from_millis(20);
        self.stream.advance(self.now);
        while let Some(output) = self.stream.poll_digit() {
            if let DigitOutput::Press(press) = output {
                self.digits.push(press.digit.to_char());
            }
        }
    }
}

/// Event code, end bit, duration.
fn event(code: u8, end: bool, duration: u16) -> Vec<u8> {
    vec![code, if end { 0x8A } else { 0x0A }, (duration >> 8) as u8, duration as u8]
}

#[test]
fn a_press_whose_own_packets_were_all_lost_is_told_by_a_later_one_once() {
    let mut line = Line::new();
    let audio = vec![0xFF; 160];
    let mut sequence = 0;
    for _ in 0..10 {
        line.tick(Some((sequence, u32::from(sequence) * 160, red(&[], 0, &audio))));
        sequence += 1;
    }
    // Five packets of "5", all lost.
    let start = u32::from(sequence) * 160;
    for _ in 0..5 {
        line.tick(None);
        sequence += 1;
    }
    // The audio after it repeats the whole event, for long.
    for _ in 0..30 {
        let timestamp = u32::from(sequence) * 160;
        let older = [(EVENT, (timestamp - start).min(16_000) as u16, event(5, true, 800))];
        line.tick(Some((sequence, timestamp, red(&older, 0, &audio))));
        sequence += 1;
    }
    assert_eq!(line.digits, "5");
}

#[test]
fn what_was_heard_is_not_repeated() {
    let mut line = Line::new();
    let audio = vec![0xFF; 160];
    let mut sequence = 0u16;
    let mut before: Option<(u32, Vec<u8>)> = None;
    for key in [1u8, 1, 2, 2, 2, 3] {
        let start = u32::from(sequence) * 160;
        for step in 1..=5u16 {
            let payload = event(key, step == 5, step * 160);
            let older: Vec<_> =
                before.iter().map(|(at, payload)| (EVENT, (start - at) as u16, payload.clone())).collect();
            line.tick(Some((sequence, start, red(&older, EVENT, &payload))));
            sequence += 1;
        }
        before = Some((start, event(key, true, 800)));
        for _ in 0..4 {
            let timestamp = u32::from(sequence) * 160;
            line.tick(Some((
                sequence,
                timestamp,
                red(&[(EVENT, (timestamp - start) as u16, event(key, true, 800))], 0, &audio),
            )));
            sequence += 1;
        }
    }
    assert_eq!(line.digits, "112223");
}

#[test]
fn a_tone_in_redundant_audio_survives_the_loss_of_every_second_packet() {
    let mut line = Line::new();
    let mut pcm = vec![0i16; 8000];
    for (at, key) in [(1600, '4'), (3200, '4'), (4800, '9')] {
        ToneGenerator::new(Digit::from_char(key).unwrap(), 80).fill(&mut pcm[at..at + 640]);
    }
    let frames: Vec<Vec<u8>> = pcm
        .chunks(160)
        .map(|samples| {
            let mut octets = vec![0; 160];
            Codec::Pcmu.encode(samples, &mut octets);
            octets
        })
        .collect();
    for (number, frame) in frames.iter().enumerate() {
        let older: Vec<_> =
            number.checked_sub(1).map(|before| (0, 160, frames[before].clone())).into_iter().collect();
        let packet = (number as u16, number as u32 * 160, red(&older, 0, frame));
        line.tick((number % 2 == 1).then_some(packet));
    }
    for _ in 0..20 {
        line.tick(None);
    }
    assert_eq!(line.digits, "449");
    assert_eq!(line.stream.statistics().recovered, 24);
}
