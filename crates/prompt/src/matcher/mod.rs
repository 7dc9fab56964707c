//! Finds clips of a library in received audio again, by exact comparison of the encoded samples.
//!
//! G.711 carries octets unchanged from player to listener, so what was said can be proven rather than guessed: a rolling
//! hash finds fingerprints of clips anywhere in the stream, and each find is then compared octet by octet.

mod candidate;
mod heard;
mod index;
mod losses;
#[cfg(test)]
mod tests;

use crate::library::Library;
use candidate::Candidate;
use index::{Rolling, WINDOW};
use losses::Losses;
use passline_rtp::codec::Codec;
use std::{collections::VecDeque, fmt, sync::Arc};

pub use heard::Heard;
pub(crate) use index::Index;

/// Samples kept for comparing what came before a fingerprint (256 ms).
const HISTORY: usize = 2048;

/// Clips compared at the same time; sounds that repeat within themselves would give more.
const CANDIDATES: usize = 64;

/// Where nothing was received at the end of a clip, samples received until it is certain that it does not go on (100 ms;
/// fingerprints are 40 ms apart).
const PATIENCE: u64 = 800;

/// Emitted clips that are kept so that a worse reading of the same stretch is not emitted too.
const EMITTED: usize = 16;

/// The ear of a scripted caller: give it every received payload in playout order, and it tells which clips it heard.
///
/// Each occurrence is reported once, at its end (or when it broke off). Frames need not be aligned with clips; lost,
/// garbled, dropped and inserted packets are tolerated. Costs about 1 % of a core per hundred calls.
pub struct Matcher {
    index: Arc<Index>,
    /// Samples since the first; lost ones count.
    clock: u64,
    losses: Losses,
    history: Box<[Option<u8>; HISTORY]>,
    rolling: Rolling,
    /// Received samples in a row, up to [`WINDOW`].
    contiguous: usize,
    active: Vec<Candidate>,
    over: Vec<Candidate>,
    emitted: VecDeque<Candidate>,
    heard: VecDeque<Heard>,
}

impl Matcher {
    /// The fingerprints of a library are made with the first matcher of a codec and shared by all others.
    pub fn new(library: &Library, codec: Codec) -> Self {
        Self {
            index: library.index(codec),
            clock: 0,
            losses: Losses::default(),
            history: Box::new([None; HISTORY]),
            rolling: Rolling::default(),
            contiguous: 0,
            active: Vec::with_capacity(CANDIDATES),
            over: Vec::new(),
            emitted: VecDeque::with_capacity(EMITTED),
            heard: VecDeque::new(),
        }
    }

    /// The next received octets, any number of them.
    pub fn hear(&mut self, payload: &[u8]) {
        for octet in payload {
            self.advance(Some(*octet));
            if self.contiguous < WINDOW {
                self.contiguous += 1;
                self.rolling.push(*octet);
            } else if let Some(oldest) = self.past(WINDOW as u64 + 1) {
                self.rolling.roll(*octet, oldest);
            }
            if self.contiguous == WINDOW {
                self.look();
            }
        }
        self.settle(false);
    }

    /// So many samples (8 kHz) were not received or were made up by the receiver.
    pub fn lost(&mut self, samples: usize) {
        self.losses.note(self.clock, samples as u64);
        for _ in 0..samples {
            self.advance(None);
        }
        self.contiguous = 0;
        self.rolling = Rolling::default();
        self.settle(false);
    }

    /// The call is over: what is being heard is reported as it stands.
    pub fn finish(&mut self) {
        self.over.append(&mut self.active);
        self.settle(true);
    }

    /// The next clip that was heard, in order of their ends.
    pub fn poll(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    /// The clip that is being said now, once 60 ms of it are certain; for a caller who answers before it ends. Its
    /// `complete` is false, and a longer clip with the same beginning may turn out to be the one.
    pub fn hearing(&self) -> Option<Heard> {
        let proven = |candidate: &&Candidate| candidate.is_proven(self.index.pattern(candidate.pattern));
        let mut best = *self.active.iter().filter(proven).max_by_key(|candidate| candidate.weight)?;
        let pieces = self.active.iter().chain(&self.over).filter(|earlier| earlier.goes_on_in(&best));
        best.begun = pieces.map(|earlier| earlier.begun).min().unwrap_or(best.begun);
        Some(Heard::new(&best, self.index.pattern(best.pattern), &self.losses))
    }

    /// Samples (8 kHz) heard or lost so far.
    pub fn clock(&self) -> u64 {
        self.clock
    }

    fn advance(&mut self, octet: Option<u8>) {
        for candidate in &mut self.active {
            candidate.step(octet, &self.index.patterns[candidate.pattern as usize], &self.index.loud);
        }
        self.history[self.clock as usize % HISTORY] = octet;
        self.clock += 1;
    }

    /// The octet so many samples ago (1 is the last).
    fn past(&self, ago: u64) -> Option<u8> {
        match self.clock.checked_sub(ago) {
            Some(place) if ago <= HISTORY as u64 => self.history[place as usize % HISTORY],
            _ => None,
        }
    }

    /// Starts comparing with each clip that has a fingerprint like the last octets.
    fn look(&mut self) {
        let index = self.index.clone();
        for (number, offset) in index.find(self.rolling.0) {
            let start = self.clock as i64 - WINDOW as i64 - i64::from(offset);
            if self.active.iter().any(|candidate| candidate.pattern == number && candidate.start == start) {
                continue;
            }
            let pattern = index.pattern(number);
            let end = offset as usize + WINDOW;
            let window = pattern.audio[offset as usize..end].iter();
            if !window.rev().zip(1..).all(|(octet, ago)| self.past(ago) == Some(*octet)) {
                continue;
            }
            let from = end - end.min(HISTORY).min(self.clock as usize);
            let mut candidate = Candidate::new(number, start, from as u32);
            for ago in (1..=end - from).rev() {
                candidate.step(self.past(ago as u64), pattern, &index.loud);
            }
            candidate.sown(end);
            if self.active.len() == CANDIDATES {
                let weakest = (0..CANDIDATES).min_by_key(|at| self.active[*at].weight).unwrap_or(0);
                self.active.swap_remove(weakest);
            }
            self.active.push(candidate);
        }
    }

    /// Decides between readings of the same stretch as soon as nothing better can come.
    fn settle(&mut self, last: bool) {
        let index = self.index.clone();
        let received = self.losses.received(self.clock as i64);
        let pattern = |candidate: &Candidate| index.pattern(candidate.pattern);
        let over = &mut self.over;
        self.active.retain_mut(|candidate| {
            let is_over = candidate.is_over(pattern(candidate));
            if is_over {
                candidate.over_at = received;
                over.push(*candidate);
            }
            !is_over
        });
        if self.over.is_empty() {
            return;
        }
        self.join();
        self.over.sort_by_key(|candidate| (candidate.first, candidate.pattern));
        let mut at = 0;
        while let Some(candidate) = self.over.get(at).copied() {
            // A clip is not said twice at the same time, least of all at two speeds.
            let rivals = |other: &Candidate| {
                other.overlaps(&candidate)
                    || other.touches(&candidate) && pattern(other).names[0] == pattern(&candidate).names[0]
            };
            let beaten = |other: &Candidate| {
                rivals(other) && other.beats(&candidate, pattern(other), pattern(&candidate))
            };
            let may_be_beaten = |other: &Candidate| rivals(other) && other.weight >= candidate.weight;
            let tail = !candidate.is_complete(pattern(&candidate));
            let others = self.over.iter().enumerate().filter(|(other, _)| *other != at);
            if !last && candidate.may_go_on() && received < candidate.over_at + PATIENCE {
                at += 1;
            } else if !candidate.is_proven(pattern(&candidate))
                || others.map(|(_, other)| other).any(beaten)
                || self.emitted.iter().any(|other| rivals(other) || tail && other.goes_on_in(&candidate))
            {
                self.over.remove(at);
            } else if self.active.iter().any(may_be_beaten) {
                at += 1;
            } else {
                let mut candidate = self.over.remove(at);
                if !candidate.is_complete(pattern(&candidate)) {
                    let oldest = self.clock.saturating_sub(HISTORY as u64);
                    let past: Vec<Option<u8>> =
                        (oldest..self.clock).map(|place| self.history[place as usize % HISTORY]).collect();
                    candidate.mend(pattern(&candidate), &index.loud, &past, self.clock as i64);
                }
                if self.emitted.len() == EMITTED {
                    self.emitted.pop_front();
                }
                self.emitted.push_back(candidate);
                self.heard.push_back(Heard::new(&candidate, pattern(&candidate), &self.losses));
            }
        }
    }

    /// Puts clips together again whose rest was shifted by a jitter buffer.
    fn join(&mut self) {
        // After samples were dropped, the rest ends before the first piece does.
        for later in &mut self.over {
            if let Some(at) = self.active.iter().position(|earlier| earlier.goes_on_in(later)) {
                later.absorb(&self.active.swap_remove(at));
            }
        }
        let mut at = 0;
        while let Some(earlier) = self.over.get(at).copied() {
            let rest = self.active.iter_mut().chain(&mut self.over).find(|later| earlier.goes_on_in(later));
            if let Some(later) = rest {
                later.absorb(&earlier);
                self.over.remove(at);
            } else {
                at += 1;
            }
        }
    }
}

impl Index {
    fn pattern(&self, number: u32) -> &index::Pattern {
        &self.patterns[number as usize]
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matcher({} clips, {} ms heard)", self.index.patterns.len(), self.clock / 8)
    }
}
