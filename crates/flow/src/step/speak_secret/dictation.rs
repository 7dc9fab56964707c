//! Says the parts one after another and obeys the caller's keys: 1 next, 7 back, 0 start, `*` slower, `#` I have it.
use super::{What, parts::Part};
use crate::run::{Context, Event, Utterance};
use passline_identity::Key;
use passline_prompt::phrase::{Item, Rate};
use std::time::Duration;

/// After the last part, before "that was all"; a pause after the end helps to remember it.
const AFTER_ALL: u16 = 1500;
/// After each part of a password.
const AFTER_PART: u16 = 1000;
/// The caller types a block of a code meanwhile.
const BLOCK_WAIT: Duration = Duration::from_secs(10);
/// Times that a block is said when the caller presses nothing.
const BLOCK_TIMES: u8 = 3;
/// After "that was all": silence means "again", and in the end "I have it".
const END_WAIT: Duration = Duration::from_secs(8);

/// Whether the caller has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dictated {
    /// Not yet.
    More,
    /// By `#`, or all repeats are over.
    HasIt,
}

/// What is being said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// A part; how often it was said before.
    Part(usize, u8),
    /// "That was all."
    End,
}

/// One secret being said.
#[derive(Debug)]
pub(super) struct Dictation {
    what: What,
    parts: Vec<Part>,
    repeats: u8,
    at: At,
    said: u8,
    rate: Rate,
    hinted: bool,
}

impl Dictation {
    pub fn new(what: What, parts: Vec<Part>, repeats: u8) -> Self {
        Self { what, parts, repeats, at: At::Part(0, 0), said: 0, rate: Rate::Normal, hinted: false }
    }

    /// From the start, at the rate that the caller has chosen.
    pub fn start(&mut self, cx: &mut Context) -> Dictated {
        self.said = 0;
        cx.stop_and_clear();
        self.say_part(cx, 0, 0, None)
    }

    pub fn event(&mut self, cx: &mut Context, event: &Event) -> Dictated {
        match (event, self.at) {
            (Event::Key(key), _) => self.key(cx, *key),
            (Event::Spoken, At::Part(at, _)) if self.what == What::Password => {
                self.say_part(cx, at + 1, 0, None)
            }
            (Event::Spoken, At::Part(..)) => self.wait(cx, BLOCK_WAIT),
            (Event::Spoken, At::End) => self.wait(cx, END_WAIT),
            (Event::Timer, At::Part(at, times)) if times + 1 < BLOCK_TIMES => {
                self.say_part(cx, at, times + 1, None)
            }
            (Event::Timer, At::Part(at, _)) => self.say_part(cx, at + 1, 0, None),
            (Event::Timer, At::End) => {
                self.said += 1;
                if self.said >= self.repeats {
                    return Dictated::HasIt;
                }
                self.say_part(cx, 0, 0, Some("once_more_from_the_start"))
            }
            (Event::Answer(_), _) => Dictated::More,
        }
    }

    fn key(&mut self, cx: &mut Context, key: Key) -> Dictated {
        let here = match self.at {
            At::Part(at, _) => at,
            At::End => self.parts.len(),
        };
        match key.expose() {
            '1' if self.at == At::End => self.say_end(cx),
            '1' => self.say_part(cx, here + 1, 0, None),
            '7' => self.say_part(cx, here.saturating_sub(1), 0, None),
            '0' => self.say_part(cx, 0, 0, None),
            '*' => {
                self.rate = match self.rate {
                    Rate::Normal => Rate::Slow,
                    Rate::Slow | Rate::Slowest => Rate::Slowest,
                };
                let again = here.min(self.parts.len().saturating_sub(1));
                self.say_part(cx, again, 0, Some("slower"))
            }
            '#' => {
                cx.timer = None;
                cx.hush();
                Dictated::HasIt
            }
            // Some other key, by mistake or by habit: the caller must not lose his place for it.
            _ => Dictated::More,
        }
    }

    fn wait(&self, cx: &mut Context, delay: Duration) -> Dictated {
        cx.wake_after(delay);
        Dictated::More
    }

    fn say_part(&mut self, cx: &mut Context, index: usize, times: u8, first: Option<&str>) -> Dictated {
        let Some(part) = self.parts.get(index) else { return self.say_end(cx) };
        self.at = At::Part(index, times);
        cx.timer = None;
        let prompt = |id: &str| Item::Prompt(id.into());
        let mut items = Vec::new();
        items.extend(first.map(prompt));
        let last = index + 1 == self.parts.len();
        match self.what {
            What::Code => {
                let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
                items.extend([prompt("block_number"), Item::Number(number)]);
            }
            What::Password => items.push(prompt(match index {
                0 => "your_password_is",
                _ if last => "last_part",
                _ => "next_part",
            })),
        }
        items.push(Item::Pause(500));
        items.extend(part.items.iter().cloned());
        if part.hyphen && !self.hinted {
            self.hinted = true;
            items.extend([Item::Pause(500), prompt("hyphen_hint")]);
        }
        items.push(Item::Pause(AFTER_PART));
        cx.say(Utterance::new(items).at(self.rate));
        Dictated::More
    }

    fn say_end(&mut self, cx: &mut Context) -> Dictated {
        self.at = At::End;
        cx.timer = None;
        let prompt = |id: &str| Item::Prompt(id.into());
        // The pause after a part has passed already.
        let pause = Item::Pause(AFTER_ALL - AFTER_PART);
        cx.say_items(vec![pause, prompt("that_was_all"), Item::Pause(500), prompt("again_or_done")]);
        Dictated::More
    }
}
