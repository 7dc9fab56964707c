//! Takes digits from the caller: asks, waits, asks again.
use super::{Context, Event, Utterance};
use passline_identity::{Key, SecretDigits};
use passline_prompt::phrase::Item;
use std::time::Duration;

/// What counts as an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DigitSpec {
    /// Fewest digits.
    pub min: usize,
    /// Most digits; the input is complete with the last of them, without the end key.
    pub max: usize,
    /// Time for the first key, after the prompt.
    pub first_timeout: Duration,
    /// Time between keys; after it the input counts as complete.
    pub digit_timeout: Duration,
    /// Key that ends the input.
    pub end: char,
    /// Key that begins it anew.
    pub clear: char,
    /// How often it is asked for in all.
    pub tries: u8,
}

impl Default for DigitSpec {
    fn default() -> Self {
        Self {
            min: 1,
            max: 20,
            first_timeout: Duration::from_secs(8),
            digit_timeout: Duration::from_secs(4),
            end: '#',
            clear: '*',
            tries: 3,
        }
    }
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Nothing yet.
    More,
    /// An input of the right length.
    Done(SecretDigits),
    /// Silence, to the last try.
    NoInput,
    /// Too few digits, to the last try.
    NoMatch,
}

/// One question for digits.
#[derive(Debug)]
pub(crate) struct Digits {
    spec: DigitSpec,
    prompt: Vec<Item>,
    typed: SecretDigits,
    tries: u8,
}

impl Digits {
    pub fn new(spec: DigitSpec, prompt: Vec<Item>) -> Self {
        Self { spec, prompt, typed: SecretDigits::default(), tries: 0 }
    }

    /// Asks; keys that were typed ahead are taken without asking.
    pub fn start(&mut self, cx: &mut Context) -> Read {
        self.tries += 1;
        self.typed.clear();
        while let Some(key) = cx.typed_ahead() {
            match self.key(cx, key) {
                Read::More => {}
                read => return read,
            }
        }
        if self.typed.is_empty() {
            cx.timer = None;
            cx.say_items(self.prompt.clone());
        }
        Read::More
    }

    pub fn event(&mut self, cx: &mut Context, event: &Event) -> Read {
        match event {
            Event::Spoken => {
                if self.typed.is_empty() {
                    cx.wake_after(self.spec.first_timeout);
                }
                Read::More
            }
            Event::Key(key) => self.key(cx, *key),
            Event::Timer if self.typed.is_empty() => self.again(cx, "no_input"),
            Event::Timer => self.complete(cx),
            Event::Answer(_) => Read::More,
        }
    }

    fn key(&mut self, cx: &mut Context, key: Key) -> Read {
        if self.typed.is_empty() && cx.is_trailing_end(key) {
            return Read::More;
        }
        cx.hush();
        cx.wake_after(self.spec.digit_timeout);
        match key.expose() {
            symbol if symbol == self.spec.clear => {
                self.typed.clear();
                cx.wake_after(self.spec.first_timeout);
                Read::More
            }
            symbol if symbol == self.spec.end => self.complete(cx),
            '0'..='9' => {
                self.typed.push(key);
                if self.typed.len() < self.spec.max {
                    return Read::More;
                }
                cx.expect_trailing_end();
                self.complete(cx)
            }
            _ => Read::More,
        }
    }

    fn complete(&mut self, cx: &mut Context) -> Read {
        if self.typed.len() < self.spec.min {
            return self.again(cx, "not_understood");
        }
        cx.timer = None;
        Read::Done(std::mem::take(&mut self.typed))
    }

    fn again(&mut self, cx: &mut Context, why: &str) -> Read {
        cx.timer = None;
        cx.stop_and_clear();
        if self.tries >= self.spec.tries {
            return if why == "no_input" { Read::NoInput } else { Read::NoMatch };
        }
        self.tries += 1;
        self.typed.clear();
        let mut items = vec![Item::Prompt(why.into()), Item::Pause(300)];
        items.extend(self.prompt.iter().cloned());
        cx.say(Utterance::new(items));
        Read::More
    }
}
