//! The keys of one caller: which and when, from the seed; and how they go out.
use crate::cli::DtmfArg;
use passline_rtp::{Digit, EventPacket, EventSender};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::time::Duration;

/// Milliseconds of a frame.
const FRAME_MS: u64 = 20;
/// No key is pressed in the first second of a call; some systems listen only then.
const FIRST: u64 = 50;
/// A press that begins this many frames before the end of a call is heard to its end: two seconds.
pub const LAST: u32 = 100;

/// How all callers press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habit {
    /// Comes before everything random.
    pub seed: u64,
    /// How keys travel.
    pub method: DtmfArg,
    /// From one press to the next.
    pub every: Duration,
    /// Length of a press, ms.
    pub press_ms: u16,
    /// Calls last so long; `None`: until they are ended.
    pub hold: Option<Duration>,
}

/// What goes out beside or in place of a frame of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// A telephone-event packet, in place of it.
    Event(EventPacket),
    /// The key is to be told by INFO; audio goes on.
    Info(Digit),
}

/// One caller's keys. Its clock is the number of the frame, so that the same seed presses in the same frames.
#[derive(Debug)]
pub struct Keys {
    habit: Habit,
    rng: ChaCha8Rng,
    next: u32,
    /// No press begins from this frame on.
    last: u32,
    events: EventSender,
    tone: Option<(Digit, usize)>,
    /// What was pressed.
    pub pressed: Vec<Digit>,
    /// Of each press: whether a packet of it was lost on purpose, and whether one was not.
    fate: Vec<(bool, bool)>,
}

/// A generator of one caller's own, so that no caller's decisions depend on another one's.
pub fn rng(seed: u64, caller: u32, purpose: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(caller) << 8 | purpose);
    rng
}

impl Keys {
    /// The keys of a caller.
    pub fn new(habit: Habit, caller: u32) -> Self {
        let mut rng = rng(habit.seed, caller, 0);
        let every = frames(habit.every).max(1);
        // Callers do not press in step.
        let next = FIRST + u64::from(rng.next_u32()) % every;
        let hold = habit.hold.map_or(u32::MAX, |hold| u32::try_from(frames(hold)).unwrap_or(u32::MAX));
        Self {
            habit,
            rng,
            next: u32::try_from(next).unwrap_or(u32::MAX),
            last: hold.saturating_sub(LAST),
            events: EventSender::new(FRAME_MS as u8),
            tone: None,
            pressed: Vec::new(),
            fate: Vec::new(),
        }
    }

    /// Presses no more.
    pub fn stop(&mut self) {
        self.last = 0;
    }

    /// What goes out in this frame, whose first sample has this timestamp; asked again until `None`.
    pub fn poll(&mut self, frame: u32, timestamp: u32) -> Option<Out> {
        if frame >= self.next {
            let every = u32::try_from(frames(self.habit.every)).unwrap_or(u32::MAX).max(1);
            self.next = self.next.saturating_add(every);
            if frame < self.last {
                let digit = Digit::ALL[(self.rng.next_u32() % 12) as usize];
                if let Some(info) = self.press(digit) {
                    return Some(info);
                }
            }
        }
        if let Some(packet) = self.events.next(timestamp) {
            return Some(Out::Event(packet));
        }
        None
    }

    /// Nothing of a key goes out before this frame, of those after `frame`.
    pub fn quiet_until(&self, frame: u32) -> u32 {
        let is_busy = self.tone.is_some() || self.events.is_sending();
        if is_busy { frame.saturating_add(1) } else { self.next }
    }

    /// The frame of a key's tone that goes out now, if one does.
    pub fn tone(&mut self) -> Option<(Digit, usize)> {
        let (digit, position) = self.tone?;
        self.tone = Some((digit, position + 1));
        Some((digit, position))
    }

    /// A packet of the last press went out, or was lost by the caller's own network.
    pub fn went(&mut self, lost: bool) {
        if let Some(fate) = self.fate.last_mut() {
            fate.0 |= lost;
            fate.1 |= !lost;
        }
    }

    /// The presses, by their numbers, of which nothing was left: nobody could hear them.
    pub fn swallowed(&self) -> Vec<usize> {
        let fates = self.fate.iter().enumerate();
        fates.filter(|(_, (lost, left))| *lost && !*left).map(|(number, _)| number).collect()
    }

    /// The tone has come to its end.
    pub fn end_tone(&mut self) {
        self.tone = None;
    }

    fn press(&mut self, digit: Digit) -> Option<Out> {
        match self.habit.method {
            DtmfArg::Rfc4733 => {
                if self.events.press(digit, u32::from(self.habit.press_ms)) {
                    self.pressed.push(digit);
                    self.fate.push((false, false));
                }
                None
            }
            DtmfArg::Inband => {
                self.tone = Some((digit, 0));
                self.pressed.push(digit);
                self.fate.push((false, false));
                None
            }
            // Pressed once it is sent.
            DtmfArg::Info => Some(Out::Info(digit)),
        }
    }
}

fn frames(time: Duration) -> u64 {
    time.as_millis() as u64 / FRAME_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn habit(method: DtmfArg) -> Habit {
        Habit { seed: 5, method, every: Duration::from_secs(2), press_ms: 100, hold: None }
    }

    #[test]
    fn who_asks_only_when_there_is_something_misses_nothing() {
        for method in [DtmfArg::Rfc4733, DtmfArg::Inband, DtmfArg::Info] {
            let [mut always, mut seldom] = [(), ()].map(|()| Keys::new(habit(method), 3));
            let (mut due, mut asked) = (0, 0);
            for frame in 0..1000 {
                let take = |keys: &mut Keys| {
                    let out: Vec<_> = std::iter::from_fn(|| keys.poll(frame, frame * 160)).collect();
                    let tone = keys.tone();
                    if tone.is_some_and(|(_, at)| at == 4) {
                        keys.end_tone();
                    }
                    (out, tone)
                };
                let all = take(&mut always);
                if frame < due {
                    assert_eq!(all, (vec![], None), "{method:?} {frame}");
                    continue;
                }
                assert_eq!(all, take(&mut seldom), "{method:?} {frame}");
                (due, asked) = (seldom.quiet_until(frame), asked + 1);
            }
            assert!(asked < 200, "{method:?}: {asked} of 1000 frames");
            assert!(always.pressed.len() == seldom.pressed.len());
        }
    }

    /// Runs a caller for so many frames: the frames of its first event packets or tones or INFO, and its keys.
    fn run(habit: Habit, caller: u32, frames: u32) -> (Vec<u32>, String) {
        let mut keys = Keys::new(habit, caller);
        let (mut starts, mut told) = (Vec::new(), Vec::new());
        for frame in 0..frames {
            while let Some(out) = keys.poll(frame, frame * 160) {
                match out {
                    Out::Event(packet) if packet.marker => starts.push(frame),
                    Out::Event(_) => {}
                    Out::Info(digit) => {
                        starts.push(frame);
                        told.push(digit);
                    }
                }
            }
            if let Some((_, position)) = keys.tone() {
                if position == 0 {
                    starts.push(frame);
                }
                if position == 4 {
                    keys.end_tone();
                }
            }
        }
        told.extend(keys.pressed);
        (starts, told.into_iter().map(Digit::to_char).collect())
    }

    #[test]
    fn the_same_seed_presses_the_same_keys_in_the_same_frames_by_every_method() {
        let (starts, keys) = run(habit(DtmfArg::Rfc4733), 3, 5_000);
        assert_eq!(starts.len(), keys.len());
        assert!((48..=50).contains(&keys.len()), "{}", keys.len());
        assert!(starts[0] >= 50 && starts.windows(2).all(|pair| pair[1] - pair[0] == 100));
        for method in [DtmfArg::Rfc4733, DtmfArg::Inband, DtmfArg::Info] {
            assert_eq!(run(habit(method), 3, 5_000), (starts.clone(), keys.clone()), "{method:?}");
        }
        assert_ne!(run(habit(DtmfArg::Rfc4733), 4, 5_000).1, keys, "another caller");
        assert_ne!(run(Habit { seed: 6, ..habit(DtmfArg::Rfc4733) }, 3, 5_000).1, keys, "another seed");
    }

    #[test]
    fn nobody_presses_in_the_last_two_seconds_of_a_call() {
        let hold = Some(Duration::from_secs(10));
        for caller in 0..50 {
            let (starts, _) = run(Habit { hold, ..habit(DtmfArg::Info) }, caller, 500);
            assert!(!starts.is_empty() && starts.iter().all(|start| *start < 400), "{starts:?}");
        }
    }

    #[test]
    fn a_press_is_swallowed_only_if_nothing_of_it_was_left() {
        let mut keys = Keys::new(habit(DtmfArg::Inband), 1);
        for losses in [&[true, true][..], &[true, false], &[false], &[true]] {
            let before = keys.pressed.len();
            let mut frame = keys.next;
            while keys.pressed.len() == before {
                keys.poll(frame, 0);
                frame += 1;
            }
            losses.iter().for_each(|lost| keys.went(*lost));
        }
        assert_eq!(keys.swallowed(), [0, 3]);
    }

    #[test]
    fn who_is_told_to_stop_presses_no_more() {
        let mut keys = Keys::new(habit(DtmfArg::Rfc4733), 1);
        keys.stop();
        assert!((0..1000).all(|frame| keys.poll(frame, frame * 160).is_none()));
    }
}
