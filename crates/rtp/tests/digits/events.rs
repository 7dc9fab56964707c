//! Telephone-event streams with every fault of the field, and a network that loses, repeats and reorders.

use super::Random;
use passline_rtp::{Digit, EventPayload};

/// One telephone-event packet on its way.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Sent, later arrived: samples.
    pub at: u64,
    pub press: usize,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub event: EventPayload,
}

/// What a sender does against RFC 4733.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    None,
    EndsRestamped,
    EndsRestampedFar,
    SameTimestamp,
    NoMarker,
    TimestampPerPacket,
    TimestampPerPacketMarked,
    NoEnds,
    ZeroStarts,
    SparseUpdates,
    HeldBack,
    Doubled,
    SourceChange,
    NoAudioBetween,
    LongSegments,
}

pub const FAULTS: [Fault; 15] = [
    Fault::None,
    Fault::EndsRestamped,
    Fault::EndsRestampedFar,
    Fault::SameTimestamp,
    Fault::NoMarker,
    Fault::TimestampPerPacket,
    Fault::TimestampPerPacketMarked,
    Fault::NoEnds,
    Fault::ZeroStarts,
    Fault::SparseUpdates,
    Fault::HeldBack,
    Fault::Doubled,
    Fault::SourceChange,
    Fault::NoAudioBetween,
    Fault::LongSegments,
];

/// Presses and their packets in sending order, in a clock of 8000 Hz.
pub fn send(random: &mut Random, fault: Fault, count: usize) -> (Vec<Digit>, Vec<Packet>) {
    send_in(random, fault, count, 1)
}

/// The same in a clock `ratio` times as fast.
pub fn send_in(random: &mut Random, fault: Fault, count: usize, ratio: u32) -> (Vec<Digit>, Vec<Packet>) {
    let mut digits = Vec::new();
    let mut packets: Vec<Packet> = Vec::new();
    let mut ssrc = random.next() as u32;
    let mut sequence = random.next() as u16;
    let base = random.next() as u32;
    let mut clock = 0u64;
    for press in 0..count {
        // Half of the presses repeat the key before.
        let digit = match digits.last() {
            Some(&d) if random.int(0, 1) == 0 => d,
            _ => random.digit(),
        };
        digits.push(digit);
        let updates = match fault {
            Fault::LongSegments if press % 4 == 0 => random.int(420, 900) as u32,
            _ => random.int(2, 14) as u32,
        };
        let start = clock;
        let stamp =
            if fault == Fault::SameTimestamp { base } else { base.wrapping_add(start as u32 * ratio) };
        let code = digit.code();
        let mut push = |at: u64, timestamp: u32, marker: bool, end: bool, duration: u32, ssrc: u32| {
            let event = EventPayload { code, end, volume: 10, duration: duration as u16 };
            packets.push(Packet { at, press, ssrc, sequence, timestamp, marker, event });
            sequence = sequence.wrapping_add(1);
        };
        if fault == Fault::ZeroStarts {
            push(start, stamp, true, false, 0, ssrc);
            push(start, stamp, false, false, 0, ssrc);
        }
        let mut segment = 0u32;
        for i in 0..updates + 3 {
            let at = start + 160 * u64::from(i);
            let is_end = i >= updates;
            let mut elapsed = 160 * ratio * (i.min(updates) + 1);
            while elapsed - segment > 0xFFFF {
                push(at, stamp.wrapping_add(segment), false, false, 0xFFFF, ssrc);
                segment += 0xFFFF;
            }
            elapsed -= segment;
            if is_end && fault == Fault::NoEnds {
                break;
            }
            if fault == Fault::SparseUpdates && !is_end && i % 5 != 0 {
                continue;
            }
            if fault == Fault::SourceChange && i == updates / 2 && press % 3 == 1 {
                ssrc = random.next() as u32;
            }
            let moved = match fault {
                Fault::TimestampPerPacket | Fault::TimestampPerPacketMarked => 160 * ratio * i,
                Fault::EndsRestamped if is_end => 160 * ratio * (i - updates),
                Fault::EndsRestampedFar if i > updates => 160 * ratio * i,
                _ => segment,
            };
            let marker = match fault {
                Fault::NoMarker | Fault::ZeroStarts => false,
                Fault::TimestampPerPacketMarked => true,
                _ => i == 0,
            };
            push(at, stamp.wrapping_add(moved), marker, is_end, elapsed, ssrc);
        }
        let gap = random.int(2, 15) as u64;
        clock = start + 160 * (u64::from(updates) + 1 + gap);
        if fault != Fault::NoAudioBetween && gap > 2 {
            sequence = sequence.wrapping_add(gap as u16 - 2);
        }
    }
    (digits, packets)
}

/// Loses, repeats and delays packets; at least one of each press arrives.
pub fn deliver(
    random: &mut Random,
    sent: &[Packet],
    loss: f64,
    jitter: i64,
    repeat: f64,
    bursts: bool,
) -> Vec<Packet> {
    let presses = sent.iter().map(|p| p.press).max().map_or(0, |p| p + 1);
    let mut kept: Vec<Packet> = Vec::new();
    let mut burst = 0;
    for press in 0..presses {
        let of: Vec<&Packet> = sent.iter().filter(|p| p.press == press).collect();
        let before = kept.len();
        for packet in &of {
            if bursts && burst == 0 && random.real(0.0, 1.0) < loss / 4.0 {
                burst = random.int(2, 6);
            }
            let is_lost = if bursts { burst > 0 } else { random.real(0.0, 1.0) < loss };
            burst -= i64::from(burst > 0);
            if !is_lost {
                kept.push(**packet);
            }
        }
        if kept.len() == before {
            kept.push(*of[random.int(0, of.len() as i64 - 1) as usize]);
        }
    }
    let mut arrived = Vec::new();
    for packet in kept {
        for _ in 0..1 + usize::from(random.real(0.0, 1.0) < repeat) {
            let late = if jitter > 0 { random.int(0, jitter) as u64 * 8 } else { 0 };
            arrived.push(Packet { at: packet.at + late, ..packet });
        }
    }
    arrived.sort_by_key(|p| p.at);
    arrived
}
