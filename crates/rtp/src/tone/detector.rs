//! The tone detector: from blocks to presses.

mod measure;

use super::bank::{BLOCK, HOP, transform};
use super::run::{History, PRESENT, Run};
use super::track::{Tail, Track};
use super::{Tone, ToneEvent};
use crate::ahead::{Memory, memory, memory_of};
use crate::digit::{Digit, FrameKind};
use std::collections::VecDeque;

/// Samples kept: 160 ms.
const KEPT: usize = 1280;
/// Room behind them, before they are moved to the front again: 40 ms.
const ROOM: usize = 8 * HOP;
/// Samples of 20 ms.
const FRAME: usize = 160;
/// Events that may wait: two pieces of tone in one frame begin and end, and some more.
const EVENTS: usize = 16;
/// Tone needed for a press: between the 23 ms that must not and the 40 ms that must count.
const CONFIRM: f32 = 29.0 * 8.0;
/// Tone needed for a piece of one: to judge its phase.
const PIECE: f32 = 13.0 * 8.0;
/// Absence that ends a tone for now: 25 ms.
const ABSENT: u32 = 200;
/// A gap below 30 ms never splits a press; one above does unless the phases go on.
const PAUSE: i64 = 240;
/// Gaps up to which phases can be compared.
const REMEMBER: i64 = 960;
/// The same over concealed audio.
const REMEMBER_UNKNOWN: i64 = 2_400;
/// Concealed audio that makes the detector ask the phases whether the press went on.
const LONG_UNKNOWN: u32 = 320;
/// Samples at the end of a tone from which its phase is taken: 80 ms.
const TAIL: i64 = 640;
/// Blocks for which a candidate must stand before its run is looked at.
const STREAK: u32 = 3;
/// Blocks of a run that are looked at: its last 60 ms.
const LONGEST: u64 = 12;
/// Amplitude of -50 dBm0.
const FLOOR: f32 = 72.0;

/// Finds DTMF digits in audio at 8000 samples a second.
///
/// Every 5 ms a bank of eight Hann-weighted single-bin transforms runs over the last 10 ms. Six blocks added
/// coherently name a candidate (one low and one high tone above the others). Its amplitudes, block by block,
/// tell since when it has been there, to about a millisecond; after 29 ms of tone, interruptions of up to
/// 10 ms not counted against it, an exact fit of two sines to the samples confirms it: frequencies, twist,
/// level, what remains in the band of speech, second harmonics.
///
/// A tone is over when it was absent for 25 ms of audio that was really received. If the same digit comes
/// back after less than 30 ms, it is the same press. After longer gaps the phases decide: both sines are
/// extrapolated over the gap; a hole (lost packets) leaves the sender's oscillators running, a second press
/// starts them anew. Concealed audio neither ends nor confirms anything.
#[derive(Clone, Debug)]
#[repr(C)] // what is looked at in every frame before what is large
pub struct ToneDetector {
    samples: Box<[i16]>,
    /// Samples in the buffer.
    filled: usize,
    /// Samples of the unfinished hop.
    pending: usize,
    /// The unfinished hop has concealed samples; the hop before had.
    is_concealed: bool,
    was_concealed: bool,
    /// Hops done.
    hops: u64,
    track: Option<Track>,
    /// The pair of tones above the others in the newest block.
    candidate: Option<Digit>,
    /// For so many blocks.
    streak: u32,
    /// A run too short to be a press so far.
    piece: Option<(Digit, Run)>,
    /// The block in which a run was last judged, and found wanting.
    judged_at: u64,
    /// Runs that end before this sample were dealt with.
    since: i64,
    events: VecDeque<ToneEvent>,
    history: History,
}

impl Default for ToneDetector {
    fn default() -> Self {
        Self::new()
    }
}

impl ToneDetector {
    /// A detector at sample 0. All memory is taken here.
    pub fn new() -> Self {
        ToneDetector {
            samples: vec![0; KEPT + ROOM].into(),
            filled: KEPT,
            pending: 0,
            is_concealed: false,
            was_concealed: false,
            hops: 0,
            history: History::new(),
            track: None,
            candidate: None,
            streak: 0,
            piece: None,
            judged_at: 0,
            since: -1,
            events: VecDeque::with_capacity(EVENTS),
        }
    }

    /// What every frame looks at.
    pub(crate) fn parts(&self) -> Memory {
        memory_of(self).start..self.history.bins_start()
    }

    /// Where the next frame of 20 ms goes, and what it is seen together with; [`ToneDetector::parts`] are looked at.
    pub(crate) fn ahead(&self) -> [Memory; 3] {
        let from = self.filled - BLOCK;
        let samples = &self.samples[from..self.samples.len().min(self.filled + FRAME)];
        let [bins, over] = self.history.ahead(FRAME / HOP);
        [memory(samples), bins, over]
    }

    /// Samples heard or skipped so far.
    pub fn position(&self) -> u64 {
        self.hops * HOP as u64 + self.pending as u64
    }

    /// Listens to the next samples, any number of them.
    ///
    /// Poll after each frame: at most 16 events are kept without allocation.
    pub fn process(&mut self, mut samples: &[i16], kind: FrameKind) {
        while !samples.is_empty() {
            let take = (HOP - self.pending).min(samples.len());
            let (now, rest) = samples.split_at(take);
            self.samples[self.filled..self.filled + take].copy_from_slice(now);
            self.grow(take, kind);
            samples = rest;
        }
    }

    /// Samples that are missing: never sent, or lost without concealment.
    pub fn skip(&mut self, samples: u32) {
        let mut left = samples as usize;
        while left > 0 {
            let take = (HOP - self.pending).min(left);
            self.samples[self.filled..self.filled + take].fill(0);
            self.grow(take, FrameKind::Concealed);
            left -= take;
        }
    }

    /// Media time jumps: phases from before do not continue.
    pub fn restart(&mut self) {
        if let Some(track) = &mut self.track {
            track.is_on = false;
            track.tail = Tail::Unknown;
        }
        self.piece = None;
    }

    /// The next start or end.
    pub fn poll_event(&mut self) -> Option<ToneEvent> {
        self.events.pop_front()
    }

    /// The next finished press (starts are skipped).
    pub fn poll(&mut self) -> Option<Tone> {
        while let Some(event) = self.poll_event() {
            if let ToneEvent::End(tone) = event {
                return Some(tone);
            }
        }
        None
    }

    /// Ends a press that still lasts: no more audio will come.
    pub fn finish(&mut self) {
        self.process(&[0; 2 * BLOCK], FrameKind::Silence);
        self.close();
    }

    /// Takes `count` samples that were written into the buffer.
    fn grow(&mut self, count: usize, kind: FrameKind) {
        self.filled += count;
        self.pending += count;
        self.is_concealed |= kind == FrameKind::Concealed;
        if self.pending < HOP {
            return;
        }
        self.pending = 0;
        let is_known = !self.is_concealed && !self.was_concealed;
        (self.was_concealed, self.is_concealed) = (self.is_concealed, false);
        // The block's centre is the start of the hop just filled.
        let hop = self.hops;
        self.hops += 1;
        let mut block = [0.0; BLOCK];
        for (to, from) in block.iter_mut().zip(&self.samples[self.filled - BLOCK..self.filled]) {
            *to = f32::from(*from);
        }
        self.history.push(transform(&block, hop), is_known);
        self.step(is_known);
        if self.filled + HOP > self.samples.len() {
            self.samples.copy_within(self.filled - KEPT.., 0);
            self.filled = KEPT;
        }
    }

    /// Sample number of the newest block's centre.
    fn now(&self) -> i64 {
        (self.hops as i64 - 1) * HOP as i64
    }

    fn step(&mut self, is_known: bool) {
        let candidate = if is_known { self.candidate() } else { None };
        if self.track.is_some_and(|t| t.is_on) {
            self.follow(is_known);
        }
        let Some(digit) = candidate else {
            self.candidate = None;
            self.drop_piece();
            self.expire();
            return;
        };
        if self.track.is_some_and(|t| t.is_on && t.digit == digit) {
            self.piece = None;
            return;
        }
        // A candidate of few blocks is most often a voice passing by.
        self.streak = if self.candidate == Some(digit) { self.streak + 1 } else { 1 };
        self.candidate = Some(digit);
        if self.streak < STREAK {
            self.drop_piece();
            self.expire();
            return;
        }
        let (row, column) = digit.keypad();
        let since = match &self.track {
            Some(t) if t.digit == digit => t.end.max(self.since),
            _ => self.since,
        };
        match self.history.run(row, column, since) {
            Some(run) if run.is_live => self.consider(digit, run),
            ended => {
                self.piece = self.piece.or(ended.map(|run| (digit, run)));
                self.drop_piece();
            }
        }
        self.expire();
    }

    /// The pair of tones above all others in the last 30 ms.
    fn candidate(&self) -> Option<Digit> {
        let power = self.history.recent();
        let (row, low, low_next) = top(&power[..4]);
        let (column, high, high_next) = top(&power[4..]);
        let is_loud = low.min(high) > FLOOR * FLOOR;
        let is_clear = low > 4.0 * low_next && high > 4.0 * high_next;
        let is_twisted = high > 12.0 * low || low > 30.0 * high;
        if is_loud && is_clear && !is_twisted { Digit::from_keypad(row, column) } else { None }
    }

    /// Follows the tone that is on.
    fn follow(&mut self, is_known: bool) {
        let Some(mut track) = self.track else { return };
        let (row, column) = track.digit.keypad();
        if is_known {
            let (low, high) = self.history.pair(0, row, column);
            if (low / track.low).min(high / track.high) >= PRESENT {
                if track.absent > 2 * HOP as u32 || track.unknown > 0 {
                    track.bridged = track.bridged.saturating_add(1);
                }
                (track.absent, track.unknown) = (0, 0);
                track.end = self.now() + HOP as i64 / 2;
                // Tones may fade; a burst of voice over them must not raise the measure.
                track.low += 0.1 * (low.min(1.5 * track.low) - track.low);
                track.high += 0.1 * (high.min(1.5 * track.high) - track.high);
            } else {
                track.absent += HOP as u32;
            }
        } else {
            track.unknown += HOP as u32;
        }
        if track.absent >= ABSENT || track.unknown >= LONG_UNKNOWN {
            track.is_on = false;
            self.set_tail(&mut track);
        }
        self.track = Some(track);
    }

    /// A run of tone that reaches up to now: a press, the continuation of one, or neither yet.
    fn consider(&mut self, digit: Digit, run: Run) {
        self.piece = Some((digit, run));
        if let Some(mut track) = self.track.filter(|t| t.digit == digit) {
            let gap = run.start - track.end;
            if track.is_reported && gap - i64::from(track.unknown) < PAUSE && track.unknown < LONG_UNKNOWN {
                if run.effective >= 2.0 * HOP as f32 {
                    self.resume(&mut track, &run);
                }
                return;
            }
            let is_tone = track.is_reported || self.judged(digit, &run).is_some();
            if run.effective >= PIECE && is_tone && self.goes_on(&track, digit, &run, gap) {
                self.resume(&mut track, &run);
                return;
            }
        }
        if run.effective < CONFIRM {
            return;
        }
        if self.hops < self.judged_at + 2 {
            return;
        }
        let Some((found, _)) = self.judged(digit, &run) else {
            self.judged_at = self.hops;
            return;
        };
        self.close();
        let track = Track { is_on: true, is_reported: true, ..Track::new(digit, &run, found.residual) };
        self.start(track);
    }

    fn start(&mut self, track: Track) {
        self.track = Some(track);
        self.piece = None;
        self.events.push_back(ToneEvent::Start { digit: track.digit, start: track.start.max(0) as u64 });
    }

    /// The track's press goes on in the run.
    fn resume(&mut self, track: &mut Track, run: &Run) {
        track.effective += run.effective;
        track.end = run.end;
        track.bridged = track.bridged.saturating_add(1);
        (track.is_on, track.absent, track.unknown, track.tail) = (true, 0, 0, Tail::Unknown);
        self.piece = None;
        if !track.is_reported && track.effective >= CONFIRM {
            track.is_reported = true;
            self.start(*track);
        }
        self.track = Some(*track);
    }

    /// A run ended before it was a press: kept, for the case that it goes on after a hole.
    fn drop_piece(&mut self) {
        let Some((digit, run)) = self.piece.take() else { return };
        if run.effective < PIECE || self.track.is_some_and(|t| t.is_on) {
            return;
        }
        if let Some(mut track) = self.track.filter(|t| t.digit == digit)
            && self.goes_on(&track, digit, &run, run.start - track.end)
        {
            track.end = run.end;
            track.effective += run.effective;
            let tail = self.phases(digit, run.full, track.residual);
            track.tail = tail.map_or(Tail::Unknown, |(fit, start)| Tail::Fitted(fit, start));
            track.absent = 0;
            self.track = Some(track);
            return;
        }
        if self.track.is_some_and(|t| t.is_reported) {
            return;
        }
        if let Some(tail) = self.judged(digit, &run) {
            let (fit, start) = tail;
            self.track =
                Some(Track { tail: Tail::Fitted(fit, start), ..Track::new(digit, &run, fit.residual) });
        }
    }

    /// Forgets a track that cannot go on any more.
    fn expire(&mut self) {
        let now = self.now();
        let Some(track) = &mut self.track else { return };
        if track.is_on {
            return;
        }
        if !self.history.is_known(0) {
            track.unknown += HOP as u32;
        }
        let limit = if track.unknown > 0 { REMEMBER_UNKNOWN } else { REMEMBER };
        // A run under way began within the limit; it is judged when it is long enough.
        let slack = if self.piece.is_some() { CONFIRM as i64 } else { 0 };
        if now - track.end > limit + slack {
            self.close();
        }
    }

    /// Reports the end of the track.
    fn close(&mut self) {
        let Some(track) = self.track.take() else { return };
        self.since = self.since.max(track.end);
        if track.is_reported {
            self.events.push_back(ToneEvent::End(Tone {
                digit: track.digit,
                start: track.start.max(0) as u64,
                duration: u32::try_from(track.end - track.start).unwrap_or(0),
                bridged: track.bridged,
            }));
        }
    }
}

/// Place and value of the largest of four, and the second largest value.
fn top(values: &[f32]) -> (usize, f32, f32) {
    let (mut place, mut best, mut second) = (0, 0.0, 0.0);
    for (i, &value) in values.iter().enumerate() {
        if value > best {
            (place, second, best) = (i, best, value);
        } else if value > second {
            second = value;
        }
    }
    (place, best, second)
}
