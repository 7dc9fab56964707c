//! The whole digit path: N presses give N digits, whatever sender and network do. `PASSLINE_SEEDS=10000` runs longer.

mod digits;

use digits::events::{FAULTS, Fault, Packet, deliver, send, send_in};
use digits::{Case, Random, Style};
use passline_rtp::{
    Clocks, Codec, Digit, DigitConfig, DigitOutput, DigitPath, FrameKind, MediaTime, Method, PressEnd,
};

fn seeds() -> u64 {
    std::env::var("PASSLINE_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(300)
}

/// Everything a path told.
#[derive(Default)]
struct Told {
    presses: Vec<(Digit, Method, u64)>,
    ends: Vec<PressEnd>,
}

impl Told {
    fn drain(&mut self, path: &mut DigitPath) {
        while let Some(output) = path.poll() {
            match output {
                DigitOutput::Press(p) => self.presses.push((p.digit, p.method, p.start.0)),
                DigitOutput::End(e) => self.ends.push(e),
            }
        }
    }

    /// The keys in order of their media time.
    fn keys(&self) -> Vec<Digit> {
        let mut presses = self.presses.clone();
        presses.sort_by_key(|p| p.2);
        presses.iter().map(|p| p.0).collect()
    }
}

/// Events and audio frames by arrival.
enum Input {
    Event(Packet),
    Audio { at: u64, timestamp: u32, frame: Vec<i16>, kind: FrameKind },
    Info { at: u64, digit: Digit },
}

impl Input {
    fn at(&self) -> u64 {
        match self {
            Input::Event(p) => p.at,
            Input::Audio { at, .. } | Input::Info { at, .. } => *at,
        }
    }
}

fn run(inputs: Vec<Input>) -> Told {
    run_in(inputs, 1)
}

/// With events in a clock `ratio` times as fast as 8000 Hz.
fn run_in(mut inputs: Vec<Input>, ratio: u32) -> Told {
    let mut clocks = Clocks::default();
    inputs.sort_by_key(Input::at);
    let mut path = DigitPath::new(DigitConfig::default());
    let mut told = Told::default();
    let mut last = 0;
    for input in &inputs {
        last = input.at();
        let at = MediaTime(last);
        match input {
            Input::Event(p) => {
                let stamp = clocks.stamp(p.ssrc, ratio, p.timestamp);
                path.event(at, p.ssrc, p.sequence, stamp, p.marker, &p.event.write());
            }
            Input::Audio { timestamp, frame, kind, .. } => path.audio(at, *timestamp, frame, *kind),
            Input::Info { digit, .. } => path.info(at, *digit, Some(160)),
        }
        told.drain(&mut path);
    }
    for tick in 1..400 {
        path.advance(MediaTime(last + 160 * tick));
        told.drain(&mut path);
    }
    told
}

fn events(packets: Vec<Packet>) -> Vec<Input> {
    packets.into_iter().map(Input::Event).collect()
}

#[test]
fn any_loss_reordering_and_duplication_gives_each_press_once() {
    let mut wrong = Vec::new();
    for seed in 0..seeds() {
        let mut random = Random::new(seed);
        let (digits, sent) = send(&mut random, Fault::None, 12);
        let loss = random.real(0.0, 0.3);
        let (jitter, repeat, bursts) = (random.int(0, 200), random.real(0.0, 1.0), random.int(0, 1) == 0);
        let arrived = deliver(&mut random, &sent, loss, jitter, repeat, bursts);
        let told = run(events(arrived));
        if told.keys() != digits || told.ends.len() != digits.len() {
            wrong.push((seed, digits, told.keys()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {:?}", wrong.len(), seeds(), &wrong[..wrong.len().min(3)]);
}

#[test]
fn every_fault_of_senders_gives_each_press_once() {
    let mut table = Vec::new();
    // 8000 Hz, 16 000 Hz and, beside Opus, 48 000 Hz, where the duration field holds 1.4 s only.
    for (fault, ratio) in FAULTS.into_iter().flat_map(|fault| [(fault, 1), (fault, 2), (fault, 6)]) {
        let (mut keys, mut missed, mut extra) = (0, 0, 0);
        let mut bad = Vec::new();
        for seed in 0..seeds() / 5 {
            let mut random = Random::new(seed * 31 + 7);
            let (digits, sent) = send_in(&mut random, fault, 10, ratio);
            let loss = [0.0, 0.0, 0.05, 0.1][seed as usize % 4];
            let jitter = if fault == Fault::HeldBack { 400 } else { [0, 30, 60][seed as usize % 3] };
            let repeat = if fault == Fault::Doubled { 1.0 } else { 0.1 };
            let arrived = deliver(&mut random, &sent, loss, jitter, repeat, false);
            let found = run_in(events(arrived), ratio).keys();
            keys += digits.len();
            // Counted by key: the order is that of media time, which a fault may falsify.
            for digit in Digit::ALL {
                let count = |of: &[Digit]| of.iter().filter(|&&d| d == digit).count();
                missed += count(&digits).saturating_sub(count(&found));
                extra += count(&found).saturating_sub(count(&digits));
            }
            if found.len() != digits.len() {
                bad.push((seed, loss));
            }
        }
        println!(
            "{fault:?} at {} kHz: {keys} keys, missed {missed}, extra {extra} {:?}",
            8 * ratio,
            &bad[..bad.len().min(5)]
        );
        table.push((fault, ratio, missed + extra, keys));
    }
    for (fault, ratio, wrong, keys) in table {
        // A faulty sender and up to a tenth of the packets lost: not every case can be told.
        assert!(wrong * 400 <= keys, "{fault:?} at {} kHz: {wrong} of {keys}", 8 * ratio);
    }
}

/// A line of presses as audio and as events at once.
struct Line {
    digits: Vec<Digit>,
    starts: Vec<(usize, usize)>,
    audio: Vec<i16>,
}

/// `count` presses, half of them of the key before; tones last from the press's start for `tone` ms, all of it if `None`.
fn line(random: &mut Random, count: usize, tone: Option<usize>) -> Line {
    let mut case = Case::default();
    let (mut digits, mut starts): (Vec<Digit>, Vec<_>) = (Vec::new(), Vec::new());
    case.silence(1600);
    for _ in 0..count {
        let digit = match digits.last() {
            Some(&d) if random.int(0, 1) == 0 => d,
            _ => random.digit(),
        };
        let length = random.int(70, 250) as usize * 8;
        digits.push(digit);
        starts.push((case.audio.len(), length));
        let heard = tone.map_or(length, |ms| ms * 8);
        case.press(digit, heard, &Style::default().random_phases(random));
        case.silence(length - heard);
        case.silence(random.int(60, 200) as usize * 8);
    }
    case.silence(4000);
    Line { digits, starts, audio: case.coded(Codec::Pcmu) }
}

/// Frames of 20 ms, played 60 ms after they were sent; `lost` says which never came.
fn frames(audio: &[i16], base: u32, mut lost: impl FnMut(usize) -> bool) -> Vec<Input> {
    let mut frames = Vec::new();
    let mut last = vec![0; 160];
    for (i, frame) in audio.chunks_exact(160).enumerate() {
        let is_lost = lost(i);
        let (frame, kind) = if is_lost {
            (last.iter().map(|s| s / 2).collect(), FrameKind::Concealed)
        } else {
            (frame.to_vec(), FrameKind::Received)
        };
        last.clone_from(&frame);
        let timestamp = base.wrapping_add(160 * i as u32);
        frames.push(Input::Audio { at: 160 * i as u64 + 640, timestamp, frame, kind });
    }
    frames
}

fn event_packets(line: &Line, base: u32, skip: usize) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut sequence = 60_000u16;
    for (digit, (start, length)) in line.digits.iter().zip(&line.starts) {
        let (start, length) = (start + skip, length - skip);
        let timestamp = base.wrapping_add(start as u32);
        let ticks = length.div_ceil(160);
        for i in 0..ticks + 2 {
            let end = i + 1 >= ticks;
            let duration = (160 * (i + 1)).min(length) as u16;
            let event = passline_rtp::EventPayload { code: digit.code(), end, volume: 10, duration };
            let at = (start + 160 * (i + 1)) as u64;
            let packet = Packet { at, press: 0, ssrc: 1, sequence, timestamp, marker: i == 0, event };
            inputs.push(Input::Event(packet));
            sequence = sequence.wrapping_add(1);
        }
    }
    inputs
}

#[test]
fn tones_and_events_of_one_press_are_one_digit() {
    for seed in 0..seeds() / 5 {
        let mut random = Random::new(seed + 500);
        let base = random.next() as u32;
        // Tones leak for 40-60 ms, or sound for the whole press; INFO comes for some calls too.
        let leak = [None, Some(40), Some(60)][seed as usize % 3];
        let line = line(&mut random, 8, leak);
        let skip = leak.map_or(0, |ms| ms * 8 - 80);
        let mut inputs = frames(&line.audio, base, |_| false);
        inputs.extend(event_packets(&line, base, skip));
        if seed % 2 == 0 {
            for (digit, (start, length)) in line.digits.iter().zip(&line.starts) {
                let at = (start + length) as u64 + random.int(0, 4000) as u64;
                inputs.push(Input::Info { at, digit: *digit });
            }
        }
        let told = run(inputs);
        assert_eq!(told.keys(), line.digits, "seed {seed}");
        assert_eq!(told.ends.len(), line.digits.len(), "seed {seed}");
    }
}

#[test]
fn tones_are_reported_within_60_ms_of_onset() {
    let mut random = Random::new(77);
    let line = line(&mut random, 30, None);
    let mut path = DigitPath::new(DigitConfig::default());
    let mut worst = 0;
    let mut starts = line.starts.iter();
    for (i, frame) in line.audio.chunks_exact(160).enumerate() {
        let end = 160 * (i as u64 + 1);
        path.audio(MediaTime(end), 160 * i as u32, frame, FrameKind::Received);
        while let Some(output) = path.poll() {
            if let DigitOutput::Press(press) = output {
                worst = worst.max(press.reported.0 - press.start.0);
                // The anchor of media time is the end of the first frame.
                let (start, _) = starts.next().expect("no more presses than there are");
                let error = (press.start.0 as i64 - 160 - *start as i64).abs();
                assert!(error <= 3 * 8, "starts {error} samples off");
            }
        }
    }
    assert!(worst <= 60 * 8, "{} ms", worst / 8);
}

#[test]
fn a_long_tone_survives_long_losses() {
    for seed in 0..seeds() / 6 {
        let mut random = Random::new(seed + 1300);
        let mut case = Case::default();
        case.silence(1600);
        let mut digits = Vec::new();
        let mut lost = Vec::new();
        for _ in 0..4 {
            let (before, gap, after) = (random.int(4, 10), random.int(1, 10), random.int(4, 10));
            let length = (before + gap + after) as usize * 160;
            digits.push(random.digit());
            let first = case.audio.len() / 160 + before as usize;
            lost.extend(first..first + gap as usize);
            case.press(digits[digits.len() - 1], length, &Style::default().random_phases(&mut random));
            case.silence(1600);
        }
        case.silence(4000);
        let told = run(frames(&case.coded(Codec::Pcmu), 77, |i| lost.contains(&i)));
        assert_eq!(told.keys(), digits, "seed {seed}");
    }
}

#[test]
fn tones_over_a_lossy_line_are_neither_split_nor_joined() {
    let (mut keys, mut missed, mut extra) = (0, 0, 0);
    for seed in 0..seeds() / 3 {
        let mut random = Random::new(seed + 900);
        let base = random.next() as u32;
        let line = line(&mut random, 10, None);
        let loss = [0.01, 0.03, 0.05, 0.1][seed as usize % 4];
        let longest = [1, 2, 3][seed as usize % 3];
        let mut burst = 0;
        let lost = |_: usize| {
            if burst == 0 && random.real(0.0, 1.0) < loss / f64::from(longest) {
                burst = longest;
            }
            burst -= i32::from(burst > 0);
            burst > 0
        };
        let told = run(frames(&line.audio, base, lost));
        keys += line.digits.len();
        for digit in Digit::ALL {
            let count = |of: &[Digit]| of.iter().filter(|&&d| d == digit).count();
            missed += count(&line.digits).saturating_sub(count(&told.keys()));
            extra += count(&told.keys()).saturating_sub(count(&line.digits));
        }
    }
    println!("{keys} keys, missed {missed}, extra {extra}");
    assert!(extra * 400 <= keys, "{extra} extra of {keys}");
    assert!(missed * 200 <= keys, "{missed} missed of {keys}");
}
