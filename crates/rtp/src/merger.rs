//! One press seen by several methods is one digit.

use crate::digit::{Digit, DigitOutput, MediaTime, Method, Methods, Press, PressEnd};
use std::collections::VecDeque;

/// Presses remembered for merging.
const MEMORY: usize = 24;
/// Reports that may wait for the caller.
const OUTPUTS: usize = 32;
/// A tone belongs to an event that it overlaps or from which it stands no more than 200 ms apart.
const NEAR: u64 = 1_600;
/// INFO goes through SIP, which repeats lost requests after 0.5 and 1.5 s: it may come 2 s after the press, or before.
const INFO_NEAR: u64 = 16_000;
/// A press is told as over 300 ms after its last sign, so that other methods can still join it.
const GRACE: u64 = 2_400;
/// Presses are forgotten 10 s after their end.
const FORGET: u64 = 80_000;
/// A tone without event is held back 250 ms on a call that sends events and mutes its tones.
const DOUBT: u64 = 2_000;
/// Such a tone must have lasted 60 ms.
const DOUBT_DURATION: u64 = 480;
/// From one tone to the next on the same event, if both methods tell the whole press.
const TONE_PAUSE: u64 = 240;

/// One sign of a press: what one method told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sign {
    pub method: Method,
    /// The press's name within its method.
    pub serial: u32,
    pub digit: Digit,
    /// Arrival clock.
    pub at: u64,
    /// Media time of start and end so far.
    pub start: u64,
    pub end: u64,
    pub is_open: bool,
}

/// The evidence of events and tones for the ledger.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Evidence {
    pub packets: u16,
    pub duplicates: u16,
    pub lost: u16,
    pub bridged: u16,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    serial: u32,
    start: u64,
    end: u64,
    is_open: bool,
}

#[derive(Clone, Copy, Debug)]
struct Merged {
    digit: Digit,
    first: Method,
    /// By method: event, tone, INFO.
    seen: [Option<Seen>; 3],
    evidence: Evidence,
    /// Arrival of the first sign.
    since: u64,
    /// Arrival of the newest sign.
    until: u64,
    /// Reported to the caller (a doubtful tone is not at first).
    is_told: bool,
    is_ended: bool,
}

impl Merged {
    fn is_open(&self) -> bool {
        self.seen.iter().flatten().any(|s| s.is_open)
    }

    /// When time alone next changes it.
    fn alarm(&self) -> u64 {
        if !self.is_told {
            return self.since + DOUBT + 1;
        }
        if self.is_open() {
            return u64::MAX;
        }
        self.until + 1 + if self.is_ended { FORGET } else { GRACE }
    }

    fn start(&self) -> u64 {
        self.seen[self.first as usize].map_or(0, |s| s.start)
    }
}

/// Joins the signs of events, tones and INFO into presses.
///
/// Presses of one method are distinct: its detector said so. A press of another method joins one of the same
/// digit that lacks its method, oldest first, if their media times overlap or stand no more than 200 ms
/// apart (a tone that leaks before or after an event), or, for INFO, which has no media time, if it arrives
/// within two seconds. Several pieces of tone may lie on one event, unless this sender's tones last as long as
/// its events and the pieces stand apart: then they are presses whose events were lost.
///
/// Once a call has sent an event, tones only cross-check if the sender mutes them: a tone without event is
/// held back 250 ms, and told if it lasted 60 ms and no event came.
#[derive(Debug)]
pub(crate) struct DigitMerger {
    /// At most [`MEMORY`]; most calls have few, and a frame looks at each.
    presses: Vec<Option<Merged>>,
    outputs: VecDeque<DigitOutput>,
    /// Events that came without a tone as long as they, less those with one.
    muted: i32,
    locked: Option<Method>,
    now: u64,
    /// Nothing comes of time passing before this.
    alarm: u64,
}

impl DigitMerger {
    pub(crate) fn new() -> Self {
        DigitMerger {
            presses: Vec::with_capacity(MEMORY),
            outputs: VecDeque::with_capacity(OUTPUTS),
            muted: 0,
            locked: None,
            now: 0,
            alarm: u64::MAX,
        }
    }

    pub(crate) fn poll(&mut self) -> Option<DigitOutput> {
        self.outputs.pop_front()
    }

    /// The method by which this call sends its digits.
    pub(crate) fn locked(&self) -> Option<Method> {
        self.locked
    }

    /// A method saw a press begin.
    pub(crate) fn start(&mut self, sign: Sign) {
        self.advance(sign.at);
        self.alarm = 0;
        let seen = Seen { serial: sign.serial, start: sign.start, end: sign.end, is_open: sign.is_open };
        if let Some(index) = self.partner(&sign) {
            let Some(press) = self.presses[index].as_mut() else { return };
            let slot = &mut press.seen[sign.method as usize];
            *slot = Some(match *slot {
                // A further piece of tone on one event.
                Some(before) => Seen { start: before.start.min(seen.start), ..seen },
                None => seen,
            });
            press.until = press.until.max(sign.at);
            if sign.method == Method::Rfc4733 {
                self.locked = Some(Method::Rfc4733);
            }
            self.tell(index, sign.at);
            return;
        }
        let doubtful =
            sign.method == Method::Inband && self.locked == Some(Method::Rfc4733) && self.muted > 0;
        if sign.method == Method::Rfc4733 || self.locked.is_none() {
            self.locked = Some(sign.method);
        }
        let mut press = Merged {
            digit: sign.digit,
            first: sign.method,
            seen: [None; 3],
            evidence: Evidence::default(),
            since: sign.at,
            until: sign.at,
            is_told: false,
            is_ended: false,
        };
        press.seen[sign.method as usize] = Some(seen);
        let index = self.free_slot();
        match self.presses.get_mut(index) {
            Some(slot) => *slot = Some(press),
            None => self.presses.push(Some(press)),
        }
        if !doubtful {
            self.tell(index, sign.at);
        }
    }

    /// A method tells more of a press that it reported: its end so far, and the evidence.
    pub(crate) fn update(&mut self, sign: Sign, evidence: Evidence) {
        let method = sign.method as usize;
        let found = self
            .presses
            .iter_mut()
            .flatten()
            .find(|p| p.seen[method].is_some_and(|s| s.serial == sign.serial));
        let Some(press) = found else { return };
        self.alarm = 0;
        if let Some(seen) = press.seen[method].as_mut() {
            seen.end = seen.end.max(sign.end);
            seen.is_open = sign.is_open;
        }
        press.until = press.until.max(sign.at);
        match sign.method {
            Method::Inband => press.evidence.bridged = evidence.bridged,
            _ => press.evidence = Evidence { bridged: press.evidence.bridged, ..evidence },
        }
    }

    /// Time passes: doubtful tones are told or dropped, presses that are over are reported so.
    pub(crate) fn advance(&mut self, at: u64) {
        self.now = self.now.max(at);
        if self.now < self.alarm {
            return;
        }
        for index in 0..self.presses.len() {
            let Some(press) = self.presses[index] else { continue };
            let quiet = self.now.saturating_sub(press.until);
            if !press.is_told && self.now.saturating_sub(press.since) > DOUBT {
                let lasted = press.seen[Method::Inband as usize].map_or(0, |s| s.end - s.start);
                if lasted >= DOUBT_DURATION {
                    self.tell(index, self.now);
                } else if !press.is_open() {
                    self.presses[index] = None;
                    continue;
                }
            }
            if press.is_told && !press.is_ended && !press.is_open() && quiet > GRACE {
                self.end(index);
            }
            if quiet > FORGET && !press.is_open() {
                self.presses[index] = None;
            }
        }
        self.alarm = self.presses.iter().flatten().map(Merged::alarm).min().unwrap_or(u64::MAX);
    }

    /// Before this, [`advance`](Self::advance) changes nothing.
    pub(crate) fn alarm(&self) -> u64 {
        self.alarm
    }

    fn tell(&mut self, index: usize, at: u64) {
        let Some(press) = self.presses[index].as_mut().filter(|p| !p.is_told) else { return };
        press.is_told = true;
        let told = Press {
            digit: press.digit,
            method: press.first,
            start: MediaTime(press.start()),
            reported: MediaTime(at),
        };
        self.push(DigitOutput::Press(told));
    }

    fn end(&mut self, index: usize) {
        let Some(press) = self.presses[index].as_mut() else { return };
        press.is_ended = true;
        let mut merged = Methods::default();
        for method in [Method::Rfc4733, Method::Inband, Method::Info] {
            if press.seen[method as usize].is_some() {
                merged = merged.with(method);
            }
        }
        let [event, tone, _] = press.seen;
        if let Some(event) = event {
            let length = |s: Seen| s.end.saturating_sub(s.start);
            let is_whole = tone.is_some_and(|t| length(t) * 10 >= length(event) * 6);
            self.muted = (self.muted + if is_whole { -1 } else { 1 }).clamp(-4, 4);
        }
        // The event tells the length best, then the tone, then INFO.
        let seen = press.seen.iter().flatten().next();
        let end = PressEnd {
            digit: press.digit,
            method: press.first,
            start: MediaTime(press.start()),
            duration: seen.map_or(0, |s| s.end.saturating_sub(s.start) as u32),
            packets: press.evidence.packets,
            duplicates: press.evidence.duplicates,
            lost: press.evidence.lost,
            bridged: press.evidence.bridged,
            merged,
        };
        self.push(DigitOutput::End(end));
    }

    /// The output queue never grows: a caller that does not poll loses the oldest.
    fn push(&mut self, output: DigitOutput) {
        if self.outputs.len() == OUTPUTS {
            self.outputs.pop_front();
        }
        self.outputs.push_back(output);
    }

    /// The press of another method that this sign belongs to, the oldest.
    fn partner(&self, sign: &Sign) -> Option<usize> {
        let mut best: Option<(u64, usize)> = None;
        for (index, slot) in self.presses.iter().enumerate() {
            let Some(press) = slot.filter(|p| p.digit == sign.digit) else { continue };
            if self.fits(&press, sign) && best.is_none_or(|(since, _)| press.since < since) {
                best = Some((press.since, index));
            }
        }
        best.map(|(_, index)| index)
    }

    fn fits(&self, press: &Merged, sign: &Sign) -> bool {
        let [event, tone, info] = press.seen;
        match sign.method {
            Method::Rfc4733 if event.is_some() => false,
            Method::Rfc4733 => {
                tone.is_some_and(|t| near(t, sign)) || info.is_some_and(|_| self.info_near(press, sign))
            }
            Method::Inband => match (event, tone) {
                (Some(event), None) => near(event, sign),
                (Some(event), Some(tone)) => {
                    let is_whole = (tone.end - tone.start) * 10 >= event.end.saturating_sub(event.start) * 6;
                    let is_apart = sign.start > tone.end + TONE_PAUSE
                        && sign.start > event.end + TONE_PAUSE
                        && !event.is_open;
                    near(event, sign) && !(is_whole && is_apart)
                }
                (None, Some(_)) => false,
                (None, None) => self.info_near(press, sign),
            },
            Method::Info => info.is_none() && self.info_near(press, sign),
        }
    }

    /// Whether a sign and a press of which one is INFO arrive close enough.
    fn info_near(&self, press: &Merged, sign: &Sign) -> bool {
        press.is_open()
            || sign.at.abs_diff(press.until) <= INFO_NEAR
            || sign.at.abs_diff(press.since) <= INFO_NEAR
    }

    /// An empty slot, one more, or that of the oldest press.
    fn free_slot(&self) -> usize {
        let oldest = (0..self.presses.len()).min_by_key(|&i| self.presses[i].map_or(0, |p| p.until + 1));
        match oldest {
            Some(index) if self.presses[index].is_none() || self.presses.len() == MEMORY => index,
            _ => self.presses.len(),
        }
    }
}

/// Whether what was seen and the sign overlap or stand no more than 200 ms apart.
fn near(seen: Seen, sign: &Sign) -> bool {
    let end = if seen.is_open { u64::MAX } else { seen.end.saturating_add(NEAR) };
    sign.start <= end && (sign.is_open || sign.end.saturating_add(NEAR) >= seen.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(method: Method, serial: u32, at_ms: u64, start_ms: u64, end_ms: u64) -> Sign {
        Sign {
            method,
            serial,
            digit: Digit::from_char('7').expect("a key"),
            at: at_ms * 8,
            start: start_ms * 8,
            end: end_ms * 8,
            is_open: false,
        }
    }

    /// (presses told, ends told) after the signs and a long silence.
    fn told(signs: &[Sign]) -> (Vec<Method>, Vec<u32>) {
        let mut merger = DigitMerger::new();
        for s in signs {
            merger.start(*s);
            merger.update(*s, Evidence::default());
        }
        merger.advance(80_000);
        let (mut presses, mut ends) = (Vec::new(), Vec::new());
        while let Some(output) = merger.poll() {
            match output {
                DigitOutput::Press(p) => presses.push(p.method),
                DigitOutput::End(e) => ends.push(e.merged.count()),
            }
        }
        (presses, ends)
    }

    #[test]
    fn one_press_by_several_methods_is_one_digit() {
        use Method::{Inband, Info, Rfc4733};
        let leak = [sign(Inband, 1, 100, 50, 100), sign(Rfc4733, 1, 130, 110, 210)];
        assert_eq!(told(&leak), (vec![Inband], vec![2]));
        let tail =
            [sign(Rfc4733, 1, 130, 100, 200), sign(Inband, 1, 100, 50, 98), sign(Inband, 2, 350, 260, 300)];
        assert_eq!(told(&tail), (vec![Rfc4733], vec![2]));
        let with_info = [sign(Rfc4733, 1, 130, 110, 210), sign(Info, 1, 400, 400, 500)];
        assert_eq!(told(&with_info), (vec![Rfc4733], vec![2]));
        let info_first =
            [sign(Info, 1, 100, 100, 200), sign(Inband, 1, 190, 90, 190), sign(Rfc4733, 1, 230, 90, 210)];
        assert_eq!(told(&info_first), (vec![Info], vec![3]));
    }

    #[test]
    fn two_quick_presses_by_several_methods_are_two() {
        use Method::{Inband, Info, Rfc4733};
        let both = [
            sign(Rfc4733, 1, 100, 100, 180),
            sign(Rfc4733, 2, 230, 230, 310),
            sign(Inband, 1, 240, 100, 180),
            sign(Inband, 2, 370, 230, 310),
            sign(Info, 1, 400, 400, 500),
            sign(Info, 2, 420, 420, 500),
        ];
        assert_eq!(told(&both), (vec![Rfc4733, Rfc4733], vec![3, 3]));
        let lost_event =
            [sign(Rfc4733, 1, 100, 100, 180), sign(Inband, 1, 240, 100, 180), sign(Inband, 2, 370, 230, 310)];
        assert_eq!(told(&lost_event).0, [Rfc4733, Inband]);
        let tones = [sign(Inband, 1, 240, 100, 180), sign(Inband, 2, 370, 230, 310)];
        assert_eq!(told(&tones).0, [Inband, Inband]);
    }

    #[test]
    fn a_muting_sender_is_not_doubted_for_long() {
        use Method::{Inband, Rfc4733};
        let mut merger = DigitMerger::new();
        let event = sign(Rfc4733, 1, 100, 100, 180);
        merger.start(event);
        merger.update(event, Evidence::default());
        merger.advance(8 * 1000);
        while merger.poll().is_some() {}
        // A voice of 40 ms is no press, a tone of 100 ms is.
        merger.start(sign(Inband, 1, 2000, 1900, 1940));
        merger.advance(8 * 2600);
        assert_eq!(merger.poll(), None);
        merger.start(sign(Inband, 2, 3000, 2900, 3000));
        assert_eq!(merger.poll(), None);
        merger.advance(8 * 3300);
        assert!(matches!(merger.poll(), Some(DigitOutput::Press(p)) if p.method == Inband));
    }
}
