//! Received audio in the order of the sender's clock, for the tone detector.
//!
//! The tone detector does not listen to the playout. A playout must give a frame every 20 ms and makes one up
//! when none came: a stall of the network becomes a hole in the tone, and one press two digits. Here time is the
//! sender's: packets go to the detector as they arrive, each once, in the order of their sequence numbers, however
//! late; nothing is inserted because *our* clock went on. Where a packet is missing, those after it wait up to
//! [`HOLD`] for it, as long as there is room for them; then the gap is reported as [`FrameKind::Concealed`] with its
//! length by RTP timestamps. A gap in timestamps without a gap in sequence numbers is the sender's own pause:
//! [`FrameKind::Silence`].

use crate::codec::{Codec, Decoders};
use crate::digit::FrameKind;
use crate::history::{Content, History};

/// How long packets wait for a missing one, in samples: 200 ms.
const HOLD: u64 = 1600;
/// Longest gap that is told in full, in samples: 1 s of loss. What is beyond shows as a jump of the timestamp.
const MAX_CONCEALED: u32 = 8000;
/// Longest pause that is told, in samples: 200 ms, enough to end any tone.
const MAX_SILENCE: u32 = 1600;
/// Timestamps that are off by less than this many samples (5 ms) count as continuous.
const TOLERANCE: i32 = 40;
/// The longest piece handed over at once, in samples: 60 ms.
const PIECE: usize = 480;

/// Takes packets out of the history in order.
#[derive(Debug)]
pub(crate) struct Order {
    decoders: Decoders,
    /// Index of the next packet; 0 before the first.
    next: u64,
    /// Timestamp that would continue the last one.
    expected: Option<u32>,
    /// Packets given up since the last audio.
    missing: u32,
    /// Samples in the last audio packet.
    last_samples: u32,
    /// Arrival of the last audio packet.
    last_arrived: u64,
}

impl Order {
    pub(crate) fn new(codec: Codec) -> Self {
        Order {
            decoders: Decoders::new(codec),
            next: 0,
            expected: None,
            missing: 0,
            last_samples: 0,
            last_arrived: 0,
        }
    }

    /// Another codec was agreed on. Not in a tick.
    pub(crate) fn admit(&mut self, codec: Codec) {
        self.decoders.admit(codec);
    }

    /// Whether the packet at `index` comes too late for its place.
    pub(crate) fn is_past(&self, index: u64) -> bool {
        index < self.next
    }

    /// Hands over all that is ripe at `now` (samples) to `hear(timestamp, samples, kind)`.
    pub(crate) fn advance(
        &mut self,
        now: u64,
        highest: u64,
        history: &History,
        mut hear: impl FnMut(u32, &[i16], FrameKind),
    ) {
        if self.next == 0 {
            self.next = highest;
        }
        while self.next <= highest {
            let index = match history.get(self.next) {
                Some(_) => self.next,
                None => {
                    let Some((index, slot)) = history.first_from(self.next, highest) else {
                        // Nothing of what is missing can still be had.
                        self.skip_to(highest + 1);
                        return;
                    };
                    let waited = now.saturating_sub(slot.arrived);
                    if waited < HOLD && !history.is_fading(slot, highest) {
                        return;
                    }
                    self.skip_to(index);
                    index
                }
            };
            self.hand_over(index, history, &mut hear);
            self.next = index + 1;
        }
    }

    fn skip_to(&mut self, index: u64) {
        let skipped = u32::try_from(index - self.next).unwrap_or(u32::MAX);
        self.missing = self.missing.saturating_add(skipped);
        self.next = index;
    }

    fn hand_over(&mut self, index: u64, history: &History, hear: &mut impl FnMut(u32, &[i16], FrameKind)) {
        let Some(slot) = history.get(index) else {
            return;
        };
        let Content::Audio(codec) = slot.content else {
            return;
        };
        let (payload, total) = (history.payload(slot), slot.samples());
        if payload.is_empty() || total == 0 {
            self.missing = self.missing.saturating_add(1);
            return;
        }
        let mut samples = [0i16; PIECE];
        if slot.restart {
            self.bridge_restart(slot.timestamp, slot.arrived, hear);
        } else {
            if self.missing > 0
                && let Some(lost) = samples.get_mut(..self.last_samples as usize)
            {
                // A decoder that predicts goes on better if it knows of the loss; the detector believes none of it.
                self.decoders.recover(codec, payload, lost);
            }
            self.bridge(slot.timestamp, hear);
        }
        let mut from = 0;
        while from < total as usize {
            let count = self.decoders.decode(codec, payload, from, &mut samples);
            if count == 0 {
                break;
            }
            hear(slot.timestamp.wrapping_add(from as u32), &samples[..count], FrameKind::Received);
            from += count;
        }
        // What could not be decoded shows as a gap.
        self.expected = Some(slot.timestamp.wrapping_add(from as u32));
        self.missing = 0;
        self.last_samples = total;
        self.last_arrived = slot.arrived;
    }

    /// Tells of the gap between the last audio and a packet at `timestamp`.
    fn bridge(&mut self, timestamp: u32, hear: &mut impl FnMut(u32, &[i16], FrameKind)) {
        let Some(expected) = self.expected else {
            return;
        };
        let gap = timestamp.wrapping_sub(expected) as i32;
        if gap < TOLERANCE {
            return;
        }
        let gap = gap as u32;
        let lost = gap.min(self.missing.saturating_mul(self.last_samples.max(80))).min(MAX_CONCEALED);
        // The rest of a packet's length is no pause.
        let lost = if gap.saturating_sub(lost) < TOLERANCE as u32 { gap } else { lost };
        fill(expected, lost, FrameKind::Concealed, hear);
        let pause = (gap - lost).min(MAX_SILENCE);
        fill(timestamp.wrapping_sub(pause), pause, FrameKind::Silence, hear);
    }

    /// A new sequence: its timestamps say nothing about the old ones, the arrival does.
    fn bridge_restart(
        &mut self,
        timestamp: u32,
        arrived: u64,
        hear: &mut impl FnMut(u32, &[i16], FrameKind),
    ) {
        if self.expected.is_none() {
            return;
        }
        let elapsed = arrived.saturating_sub(self.last_arrived).saturating_sub(u64::from(self.last_samples));
        if elapsed > u64::from(self.last_samples) + TOLERANCE as u64 {
            let gap = elapsed.min(u64::from(MAX_SILENCE)) as u32;
            fill(timestamp.wrapping_sub(gap), gap, FrameKind::Concealed, hear);
        }
    }
}

fn fill(
    mut timestamp: u32,
    mut samples: u32,
    kind: FrameKind,
    hear: &mut impl FnMut(u32, &[i16], FrameKind),
) {
    const ZERO: [i16; 160] = [0; 160];
    while samples > 0 {
        let count = samples.min(ZERO.len() as u32);
        hear(timestamp, &ZERO[..count as usize], kind);
        timestamp = timestamp.wrapping_add(count);
        samples -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Reach;

    struct Bench {
        history: History,
        order: Order,
        highest: u64,
        heard: Vec<(u32, usize, FrameKind)>,
    }

    impl Bench {
        fn new() -> Self {
            Bench {
                history: History::new(Codec::Pcmu, Reach::Half),
                order: Order::new(Codec::Pcmu),
                highest: 0,
                heard: Vec::new(),
            }
        }

        fn packet(&mut self, now: u64, index: u64, timestamp: u32, length: usize) {
            let payload = vec![0xFF; length];
            let content = Content::Audio(Codec::Pcmu);
            assert!(self.history.insert(index, timestamp, now, content, false, &payload));
            self.highest = self.highest.max(index);
            self.tick(now);
        }

        fn tick(&mut self, now: u64) {
            let heard = &mut self.heard;
            self.order.advance(now, self.highest, &self.history, |ts, samples, kind| {
                heard.push((ts, samples.len(), kind));
            });
        }
    }

    use FrameKind::{Concealed, Received, Silence};

    #[test]
    fn a_stall_inserts_nothing() {
        let mut bench = Bench::new();
        bench.packet(0, 100, 1000, 160);
        bench.tick(3200);
        for step in 1..20u32 {
            bench.packet(3300, 100 + u64::from(step), 1000 + 160 * step, 160);
        }
        assert_eq!(bench.heard.len(), 20);
        assert!(bench.heard.iter().enumerate().all(|(n, &h)| h == (1000 + 160 * n as u32, 160, Received)));
    }

    #[test]
    fn the_missing_one_is_waited_for() {
        let mut bench = Bench::new();
        bench.packet(0, 100, 0, 160);
        bench.packet(320, 102, 320, 160);
        bench.tick(1900);
        assert_eq!(bench.heard.len(), 1);
        bench.packet(1910, 101, 160, 160);
        assert_eq!(bench.heard, [(0, 160, Received), (160, 160, Received), (320, 160, Received)]);
        assert!(bench.order.is_past(101));
    }

    #[test]
    fn a_burst_behind_a_loss_loses_nothing_more() {
        for length in [80usize, 160, 240, 480] {
            let mut bench = Bench::new();
            bench.packet(0, 100, 0, length);
            // 1.5 s at once, but for the second packet: more than is remembered, and no time to wait.
            let count = 12_000 / length as u64;
            for n in 2..count {
                bench.packet(12_000, 100 + n, n as u32 * length as u32, length);
            }
            bench.tick(12_000 + HOLD);
            let received: usize = bench.heard.iter().filter(|h| h.2 == Received).map(|h| h.1).sum();
            assert_eq!(received, (count as usize - 1) * length, "{length}");
        }
    }

    #[test]
    fn a_loss_is_told_with_its_length() {
        let mut bench = Bench::new();
        bench.packet(0, 100, 0, 240);
        bench.packet(720, 103, 720, 240);
        bench.tick(720 + 1600);
        let want = [
            (0, 240, Received),
            (240, 160, Concealed),
            (400, 160, Concealed),
            (560, 160, Concealed),
            (720, 240, Received),
        ];
        assert_eq!(bench.heard, want);
    }

    #[test]
    fn a_pause_of_the_sender_is_silence_and_short_in_the_telling() {
        let mut bench = Bench::new();
        bench.packet(0, 100, 0, 160);
        bench.packet(900, 101, 800, 160);
        bench.packet(90_900, 102, 90_960, 160);
        let silence: usize = bench.heard.iter().filter(|h| h.2 == Silence).map(|h| h.1).sum();
        assert_eq!(silence, 640 + 1600);
        assert_eq!(bench.heard[1], (160, 160, Silence));
        assert_eq!(bench.heard.last(), Some(&(90_960, 160, Received)));
        assert!(bench.heard.iter().all(|h| h.2 != Concealed));
    }

    #[test]
    fn timestamps_that_wrap_or_wander_are_continuous() {
        let mut bench = Bench::new();
        bench.packet(0, 100, u32::MAX - 159, 160);
        bench.packet(160, 101, 0, 160);
        bench.packet(320, 102, 161, 160);
        bench.packet(480, 103, 318, 160);
        assert!(bench.heard.iter().all(|h| h.2 == Received));
    }

    #[test]
    fn long_packets_come_in_pieces_of_60_ms() {
        let mut bench = Bench::new();
        bench.packet(0, 100, 0, 960);
        assert_eq!(bench.heard, [(0, 480, Received), (480, 480, Received)]);
    }
}
