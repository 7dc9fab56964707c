//! The playout for recorders and matchers: 20 ms for each tick, with a delay that adapts.
//!
//! A talkspurt starts [`delay`] after its first packet arrived: the spread of recent arrivals, 20 to
//! 200 ms. When nothing is there the frame is made up and nothing is skipped, so the delay grows by itself and a
//! stall loses no audio; delay that no packet needed for half a second is taken back, 20 ms at a time, where the
//! caller is quiet. Time that was inserted during the sender's own pause counts as part of that pause.

use crate::codec::{Codec, Decoders};
use crate::conceal::Concealment;
use crate::digit::FrameKind;
use crate::history::{Content, History, Slot};
use crate::noise::Noise;
use crate::spread::Spread;

/// Samples of one frame of playout: 20 ms.
pub(crate) const FRAME: usize = 160;
/// Least delay, in samples: 20 ms.
const MIN_DELAY: u32 = 160;
/// Most delay that jitter can ask for, in samples: 200 ms.
const MAX_DELAY: u32 = 1600;
/// Delay that is taken back even while the caller speaks, in samples: 600 ms.
const FORCE_TRIM: u64 = 4800;
/// Wait of the slowest packet that is worth taking back, in samples: 40 ms.
const TRIM: u64 = 320;
/// Frames over which the slowest packet is sought: 0.5 s.
const WINDOW: u32 = 25;
/// A frame whose mean amplitude is below this is quiet (about -45 dBm0).
const QUIET: u32 = 130;
/// Made-up frames after which an empty buffer counts as silence: 200 ms.
const UNDERRUN: u32 = 1600;
/// Timestamps that are off by less than this many samples (5 ms) count as continuous.
const TOLERANCE: i32 = 40;
/// Packets that may wait for playout: 1 s at a packet time of 10 ms.
const BACKLOG: u64 = 100;
/// Longest packet that is recovered from the next one, in samples: 60 ms.
const RECOVERED: usize = 480;
/// A gap beyond this (10 s) is a jump of the timestamp and not a pause.
const JUMP: i32 = 80_000;

/// The delay that a talkspurt starts with, in samples.
pub(crate) fn delay(spread: &Spread) -> u32 {
    spread.samples().clamp(MIN_DELAY, MAX_DELAY)
}

/// Pulls frames of 20 ms out of the history.
#[derive(Debug)]
pub(crate) struct Player {
    /// The delay that a talkspurt starts with, in samples.
    target: u32,
    decoders: Decoders,
    /// Index of the next packet; 0 before the first.
    next: u64,
    /// Samples of it already played.
    offset: usize,
    /// Timestamp of the next sample; `None` while waiting for a talkspurt.
    position: Option<u32>,
    /// Samples given while nothing was there, since the last received audio.
    inserted: u32,
    /// Samples still to conceal for packets given up.
    lost: u32,
    last_samples: u32,
    concealment: Concealment,
    /// What the next packet told of a lost one, and which part of it is still to be heard.
    recovered: Box<[i16]>,
    recovery: std::ops::Range<usize>,
    /// While the sender is silent and said how its silence sounds.
    comfort: Option<Noise>,
    window: u32,
    /// Shortest wait of a packet in the buffer during this window, in samples.
    least_wait: u64,
    last_wait: u64,
    pcm: [i16; FRAME],
    octets: [u8; FRAME],
    pub(crate) concealed: u64,
    pub(crate) trimmed: u64,
}

/// How a frame came about.
#[derive(Clone, Copy, Debug, Default)]
struct Made {
    filled: usize,
    received: usize,
    concealed: usize,
    transcode: bool,
}

impl Player {
    pub(crate) fn new(codec: Codec) -> Self {
        Player {
            target: MIN_DELAY,
            decoders: Decoders::new(codec),
            next: 0,
            offset: 0,
            position: None,
            inserted: 0,
            lost: 0,
            last_samples: FRAME as u32,
            concealment: Concealment::new(),
            recovered: recovered(codec),
            recovery: 0..0,
            comfort: None,
            window: 0,
            least_wait: u64::MAX,
            last_wait: 0,
            pcm: [0; FRAME],
            octets: [0; FRAME],
            concealed: 0,
            trimmed: 0,
        }
    }

    /// Another codec was agreed on. Not in a tick.
    pub(crate) fn admit(&mut self, codec: Codec) {
        self.decoders.admit(codec);
        if self.recovered.is_empty() {
            self.recovered = recovered(codec);
        }
    }

    /// The audio packet at `index` arrived; `target` is the delay that a talkspurt starts with now, in samples.
    pub(crate) fn arrival(&mut self, index: u64, target: u32) {
        self.target = target;
        if self.next == 0 {
            self.next = index;
        }
    }

    /// The wait of the last played packet between arrival and playout, in samples.
    pub(crate) fn delay(&self) -> u64 {
        self.last_wait
    }

    /// The samples of the last frame.
    pub(crate) fn pcm(&self) -> &[i16] {
        &self.pcm
    }

    /// The octets of the last frame, in the law of the codec.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Makes the frame of the tick at `now` (samples); true with it if all of it was received.
    pub(crate) fn pull(
        &mut self,
        now: u64,
        highest: u64,
        history: &History,
        codec: Codec,
    ) -> (FrameKind, bool) {
        let mut made = self.frame(now, highest, history, codec);
        if self.may_trim() && made.received == FRAME && (self.is_quiet() || self.least_wait > FORCE_TRIM) {
            self.trimmed += FRAME as u64;
            made = self.frame(now, highest, history, codec);
            self.least_wait = u64::MAX;
            self.window = 0;
        }
        if made.transcode {
            codec.law().encode(&self.pcm, &mut self.octets);
        }
        self.concealed += made.concealed as u64;
        let kind = if made.concealed > 0 {
            FrameKind::Concealed
        } else if made.received > 0 {
            FrameKind::Received
        } else {
            FrameKind::Silence
        };
        (kind, made.received == FRAME)
    }

    fn may_trim(&mut self) -> bool {
        self.window += 1;
        if self.window < WINDOW {
            return false;
        }
        let excess = self.least_wait != u64::MAX && self.least_wait > TRIM;
        if !excess {
            self.window = 0;
            self.least_wait = u64::MAX;
        }
        excess
    }

    fn is_quiet(&self) -> bool {
        let sum: u32 = self.pcm.iter().map(|s| u32::from(s.unsigned_abs())).sum();
        sum < QUIET * FRAME as u32
    }

    fn frame(&mut self, now: u64, highest: u64, history: &History, codec: Codec) -> Made {
        let mut made = Made::default();
        if self.next != 0 && highest.saturating_sub(self.next) > BACKLOG {
            self.catch_up(now, highest, history);
        }
        while made.filled < FRAME {
            if self.next == 0 || self.next > highest {
                self.underrun(&mut made);
                break;
            }
            match history.get(self.next) {
                Some(slot) if slot.samples() > 0 && history.payload(slot).is_empty() => {
                    self.catch_up(now, highest, history);
                }
                Some(slot) => self.slot(now, slot, history, codec, &mut made),
                None => self.give_up(highest, history),
            }
        }
        made
    }

    /// Nothing is there: the time is inserted.
    fn underrun(&mut self, made: &mut Made) {
        let rest = &mut self.pcm[made.filled..];
        let count = rest.len() as u32;
        if self.position.is_some() && self.inserted < UNDERRUN && self.comfort.is_none() {
            self.concealment.fill(rest);
            made.concealed += rest.len();
        } else {
            quiet(&mut self.comfort, rest);
        }
        if self.position.is_some() {
            self.inserted = self.inserted.saturating_add(count);
        }
        made.filled = FRAME;
    }

    /// The next packet is missing though younger ones are there.
    fn give_up(&mut self, highest: u64, history: &History) {
        let Some((index, slot)) = history.first_from(self.next, highest) else {
            self.next = highest + 1;
            return;
        };
        self.recover(index, slot, history);
        let missing = u32::try_from(index - self.next).unwrap_or(u32::MAX);
        self.lost = self.lost.saturating_add(missing.saturating_mul(self.last_samples));
        self.go_to(index);
    }

    /// Some codecs tell in a packet what was in the one before.
    fn recover(&mut self, index: u64, slot: &Slot, history: &History) {
        self.recovery = 0..0;
        let length = self.last_samples as usize;
        if let Content::Audio(codec) = slot.content
            && index == self.next + 1
            && let Some(samples) = self.recovered.get_mut(..length)
            && self.decoders.recover(codec, history.payload(slot), samples)
        {
            self.recovery = 0..length;
        }
    }

    /// What is next was overwritten, or soon will be: goes on with what came in the last 200 ms.
    fn catch_up(&mut self, now: u64, highest: u64, history: &History) {
        let fresh =
            |index: &u64| history.get(*index).is_some_and(|slot| slot.arrived + u64::from(MAX_DELAY) >= now);
        let oldest = (highest + 1).saturating_sub(history.slots()).max(self.next + 1);
        let index = (oldest..=highest).find(fresh).unwrap_or(highest + 1);
        self.position = None;
        self.lost = 0;
        self.go_to(index);
    }

    fn go_to(&mut self, index: u64) {
        self.next = index;
        self.offset = 0;
    }

    fn slot(&mut self, now: u64, slot: &Slot, history: &History, codec: Codec, made: &mut Made) {
        let own = match slot.content {
            Content::Audio(own) => own,
            Content::Comfort(level) => {
                self.comfort = Some(Noise::new(level));
                return self.go_to(self.next + 1);
            }
            Content::Other => return self.go_to(self.next + 1),
        };
        let payload = history.payload(slot);
        let total = slot.samples() as usize;
        if self.offset >= total {
            return self.go_to(self.next + 1);
        }
        if self.offset == 0 && !self.reach(now, slot, made) {
            return;
        }
        let count = (total - self.offset).min(FRAME - made.filled);
        let pcm = &mut self.pcm[made.filled..made.filled + count];
        let decoded = self.decoders.decode(own, payload, self.offset, pcm);
        // What could not be decoded is silence.
        pcm[decoded.min(count)..].fill(0);
        self.concealment.learn(pcm);
        self.comfort = None;
        match payload.get(self.offset..self.offset + count) {
            Some(octets) if own.is_law() => {
                self.octets[made.filled..made.filled + count].copy_from_slice(octets);
                made.transcode |= own != codec.law();
            }
            _ => made.transcode = true,
        }
        made.filled += count;
        made.received += count;
        self.last_wait = now.saturating_sub(slot.arrived);
        if self.offset == 0 {
            self.least_wait = self.least_wait.min(self.last_wait);
        }
        self.offset += count;
        self.inserted = 0;
        self.lost = 0;
        self.last_samples = slot.samples();
        self.position = Some(slot.timestamp.wrapping_add(self.offset as u32));
    }

    /// Fills what lies before a packet; true when its first sample is due.
    fn reach(&mut self, now: u64, slot: &Slot, made: &mut Made) -> bool {
        let gap = self.position.map(|position| slot.timestamp.wrapping_sub(position) as i32);
        match gap {
            Some(gap) if !slot.restart && gap < TOLERANCE => return true,
            Some(gap) if !slot.restart && gap < JUMP => {
                let mut gap = gap as u32;
                let credit = gap.min(self.inserted);
                gap -= credit;
                self.inserted -= credit;
                self.position = Some(slot.timestamp.wrapping_sub(gap));
                if gap >= TOLERANCE as u32 {
                    self.pass(gap, made);
                    return false;
                }
                if self.lost > 0 {
                    return true;
                }
            }
            Some(_) if self.inserted == 0 => return true,
            _ => {}
        }
        // The start of a talkspurt: it gets the full delay.
        if now >= slot.arrived + u64::from(self.target) {
            return true;
        }
        quiet(&mut self.comfort, &mut self.pcm[made.filled..]);
        self.inserted = self.inserted.saturating_add((FRAME - made.filled) as u32);
        made.filled = FRAME;
        false
    }

    /// Lets up to `gap` samples of a hole pass in this frame.
    fn pass(&mut self, gap: u32, made: &mut Made) {
        let count = gap.min((FRAME - made.filled) as u32);
        let concealed = count.min(self.lost);
        let (first, second) =
            self.pcm[made.filled..made.filled + count as usize].split_at_mut(concealed as usize);
        let known = first.len().min(self.recovery.len());
        let from = self.recovery.start;
        let (told, made_up) = first.split_at_mut(known);
        told.copy_from_slice(&self.recovered[from..from + known]);
        self.recovery.start += known;
        self.concealment.fill(made_up);
        quiet(&mut self.comfort, second);
        self.lost -= concealed;
        made.concealed += concealed as usize;
        made.filled += count as usize;
        self.position = self.position.map(|p| p.wrapping_add(count));
    }
}

/// Room for a lost packet; the laws of G.711 tell nothing of one.
fn recovered(codec: Codec) -> Box<[i16]> {
    vec![0; if codec.is_law() { 0 } else { RECOVERED }].into_boxed_slice()
}

/// The sender's silence, as it told of it.
fn quiet(comfort: &mut Option<Noise>, samples: &mut [i16]) {
    match comfort {
        Some(noise) => noise.fill(samples),
        None => samples.fill(0),
    }
}

#[cfg(test)]
#[path = "playout_tests.rs"]
mod tests;
