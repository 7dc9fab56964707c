//! The evidence for every digit of a call: by what each press was heard, and never which key it was where keys are
//! secret.
use passline_rtp::{MediaTime, Method, Methods, Press, PressEnd};

/// Presses kept one by one; more are only counted.
const PRESSES: usize = 256;
/// Samples of media time in a millisecond.
const SAMPLES_PER_MS: u64 = 8;

/// All presses of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DigitLedger {
    /// The first 256 presses, in the order in which they were heard.
    pub presses: Vec<PressEvidence>,
    /// Presses heard, kept or not.
    pub count: u32,
    /// Telephone-event packets of all presses that are over, copies included.
    pub packets: u32,
    /// Telephone-event packets missing between those that came.
    pub lost: u32,
    /// Telephone-event packets that came more than once.
    pub duplicates: u32,
    /// Presses that were told of by more than one method, and are one digit nevertheless.
    pub merged: u32,
}

/// What one press was heard by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PressEvidence {
    /// Begin in media time, ms since the stream was opened: by the sender's clock, not by when we came to look.
    pub at_ms: u64,
    /// The key; `None` where it is secret.
    pub key: Option<char>,
    /// The method that told of it first.
    pub method: Method,
    /// Length in ms; `None` while it lasts, or where the method tells none.
    pub duration_ms: Option<u32>,
    /// Telephone-event packets, copies included.
    pub packets: u16,
    /// Of them, those that had come before.
    pub duplicates: u16,
    /// Telephone-event packets missing between those that came.
    pub lost: u16,
    /// Holes in the tone that were bridged.
    pub bridged: u16,
    /// All methods that told of this press.
    pub merged: Methods,
    /// Begin in samples, by which its end finds it.
    start: MediaTime,
}

impl DigitLedger {
    /// A key went down; it counts as secret until [`show`](Self::show).
    pub(crate) fn press(&mut self, press: &Press) {
        self.count += 1;
        if self.presses.len() >= PRESSES {
            return;
        }
        self.presses.push(PressEvidence {
            at_ms: press.start.0 / SAMPLES_PER_MS,
            key: None,
            method: press.method,
            duration_ms: None,
            packets: 0,
            duplicates: 0,
            lost: 0,
            bridged: 0,
            merged: Methods::default(),
            start: press.start,
        });
    }

    /// The key of the last press is public.
    pub(crate) fn show(&mut self, key: char) {
        if self.count as usize == self.presses.len()
            && let Some(last) = self.presses.last_mut()
        {
            last.key = Some(key);
        }
    }

    /// No key is: a flow that asks for secrets shows none.
    pub(crate) fn hide(&mut self) {
        self.presses.iter_mut().for_each(|press| press.key = None);
    }

    /// The press is over.
    pub(crate) fn end(&mut self, end: &PressEnd) {
        self.packets += u32::from(end.packets);
        self.lost += u32::from(end.lost);
        self.duplicates += u32::from(end.duplicates);
        self.merged += u32::from(end.merged.iter().count() > 1);
        let own = |press: &&mut PressEvidence| press.start == end.start && press.method == end.method;
        let Some(press) = self.presses.iter_mut().rev().find(own) else { return };
        press.duration_ms = (end.duration > 0).then_some(end.duration / SAMPLES_PER_MS as u32);
        press.packets = end.packets;
        press.duplicates = end.duplicates;
        press.lost = end.lost;
        press.bridged = end.bridged;
        press.merged = end.merged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use passline_rtp::Digit;

    fn press(start: u64, method: Method) -> Press {
        let digit = Digit::from_char('7').expect("a key");
        Press { digit, method, start: MediaTime(start), reported: MediaTime(start + 80) }
    }

    fn end(start: u64, method: Method) -> PressEnd {
        let press = press(start, method);
        PressEnd {
            digit: press.digit,
            method,
            start: press.start,
            duration: 800,
            packets: 9,
            duplicates: 1,
            lost: 2,
            bridged: 0,
            merged: Methods::default(),
        }
    }

    #[test]
    fn a_secret_key_leaves_its_evidence_and_not_its_value() {
        let mut ledger = DigitLedger::default();
        ledger.press(&press(8_000, Method::Rfc4733));
        ledger.end(&end(8_000, Method::Rfc4733));
        assert_eq!((ledger.presses[0].key, ledger.presses[0].at_ms), (None, 1000));
        assert_eq!((ledger.presses[0].duration_ms, ledger.presses[0].packets), (Some(100), 9));
        ledger.press(&press(16_000, Method::Inband));
        ledger.show('7');
        assert_eq!(ledger.presses[1].key, Some('7'));
        ledger.hide();
        assert!(ledger.presses.iter().all(|press| press.key.is_none()));
        assert_eq!((ledger.count, ledger.packets, ledger.lost, ledger.duplicates), (2, 9, 2, 1));
    }

    #[test]
    fn very_many_presses_are_counted_but_not_kept() {
        let mut ledger = DigitLedger::default();
        for number in 0..1000 {
            ledger.press(&press(number * 1600, Method::Rfc4733));
            ledger.show('1');
            ledger.end(&end(number * 1600, Method::Rfc4733));
        }
        assert_eq!((ledger.count, ledger.presses.len(), ledger.packets), (1000, PRESSES, 9000));
    }
}
