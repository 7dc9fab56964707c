use super::*;
use crate::history::Reach;

struct Bench {
    history: History,
    player: Player,
    spread: Spread,
    highest: u64,
}

impl Bench {
    fn new() -> Self {
        Bench {
            history: History::new(Codec::Pcmu, Reach::Second),
            player: Player::new(Codec::Pcmu),
            spread: Spread::default(),
            highest: 0,
        }
    }

    /// A packet whose octets tell its index.
    fn packet(&mut self, arrived: u64, index: u64, timestamp: u32, length: usize) {
        let payload = vec![index as u8; length];
        let content = Content::Audio(Codec::Pcmu);
        self.history.insert(index, timestamp, arrived, content, false, &payload);
        self.highest = self.highest.max(index);
        self.spread.packet(arrived, timestamp);
        self.player.arrival(index, delay(&self.spread));
    }

    fn pull(&mut self, now: u64) -> (FrameKind, Option<u8>) {
        let (kind, whole) = self.player.pull(now, self.highest, &self.history, Codec::Pcmu);
        (kind, whole.then(|| self.player.octets()[159]))
    }
}

use FrameKind::{Concealed, Received, Silence};

#[test]
fn plays_each_frame_once_after_20_ms() {
    let mut bench = Bench::new();
    assert_eq!(bench.pull(0), (Silence, None));
    for step in 0..50u32 {
        bench.packet(100 + 160 * u64::from(step), 100 + u64::from(step), 160 * step, 160);
        let want = match step {
            0 => (Silence, None),
            _ => (Received, Some(99 + step as u8)),
        };
        assert_eq!(bench.pull(160 + 160 * u64::from(step)), want);
    }
}

#[test]
fn any_packet_time_gives_frames_of_20_ms() {
    for length in [80u32, 160, 240, 320, 480] {
        let mut bench = Bench::new();
        let mut whole = 0;
        let mut sent = 0;
        for tick in 0..600u32 {
            while sent * length + length <= tick * 160 {
                bench.packet(u64::from(tick) * 160, 1 + u64::from(sent), sent * length, length as usize);
                sent += 1;
            }
            whole += u32::from(bench.pull(u64::from(tick) * 160).0 == Received);
        }
        assert!(whole > 590, "{length}: {whole}");
    }
}

#[test]
fn a_lost_packet_is_concealed_and_the_rest_whole() {
    let mut bench = Bench::new();
    let mut kinds = Vec::new();
    for step in 0..20u32 {
        if step != 10 {
            bench.packet(160 * u64::from(step), 100 + u64::from(step), 160 * step, 160);
        }
        kinds.push(bench.pull(160 * u64::from(step)).0);
    }
    let concealed: Vec<usize> = (1..20).filter(|&n| kinds[n] == Concealed).collect();
    assert_eq!(concealed, [11]);
    assert!(kinds[1..].iter().all(|&kind| kind != Silence));
}

#[test]
fn a_stall_of_400_ms_loses_nothing_and_the_delay_comes_back() {
    let mut bench = Bench::new();
    let mut played = Vec::new();
    let mut sent = 0u32;
    for tick in 0..1500u32 {
        let now = u64::from(tick) * 160;
        if !(50..70).contains(&tick) {
            while sent <= tick {
                // Quiet audio: octets 0xFF and 0xFE are nearly zero.
                let payload = [if sent.is_multiple_of(2) { 0xFF } else { 0xFE }; 160];
                let index = 100 + u64::from(sent);
                let content = Content::Audio(Codec::Pcmu);
                bench.history.insert(index, sent * 160, now, content, false, &payload);
                bench.highest = index;
                bench.spread.packet(now, sent * 160);
                bench.player.arrival(index, delay(&bench.spread));
                sent += 1;
            }
        }
        let (kind, _) = bench.pull(now);
        played.push(kind);
    }
    // All but the wait that is not worth it.
    assert_eq!(bench.player.trimmed, 20 * 160 - TRIM);
    assert!(bench.player.delay() <= TRIM + 160, "{}", bench.player.delay());
    let late = played[80..].iter().filter(|&&kind| kind != Received).count();
    assert_eq!(late, 0);
}

#[test]
fn a_pause_of_the_sender_is_silence_and_costs_no_delay() {
    let mut bench = Bench::new();
    for step in 0..10u32 {
        bench.packet(160 * u64::from(step), 100 + u64::from(step), 160 * step, 160);
        bench.pull(160 * u64::from(step));
    }
    let mut kinds = Vec::new();
    for step in 10..110u32 {
        kinds.push(bench.pull(160 * u64::from(step)).0);
    }
    assert_eq!(kinds[0], Received);
    assert_eq!(kinds[50..].iter().filter(|&&kind| kind == Silence).count(), 50);
    for step in 110..120u32 {
        bench.packet(160 * u64::from(step), u64::from(step), 160 * step, 160);
        let (kind, _) = bench.pull(160 * u64::from(step));
        assert_eq!(kind, if step == 110 { Silence } else { Received });
    }
    assert_eq!(bench.player.delay(), 160);
}

#[test]
fn a_playout_that_was_paused_catches_up() {
    for (length, pause) in [(160u32, 60u32), (160, 500), (80, 110), (80, 3000)] {
        let mut bench = Bench::new();
        let mut whole = 0;
        for step in 0..pause + 100 {
            let now = u64::from(step * length);
            bench.packet(now, 100 + u64::from(step), step * length, length as usize);
            if step < 10 || (step >= pause && (step * length).is_multiple_of(160)) {
                whole += u32::from(bench.pull(now).0 == Received);
            }
        }
        let delay = bench.player.delay();
        assert!(delay <= 8000, "{length} {pause}: {delay}");
        assert!(whole * 160 > 60 * length, "{length} {pause}: {whole}");
    }
}
