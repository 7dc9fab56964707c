//! Takes one key of several from the caller.
use super::{Context, Event, Utterance};
use passline_identity::Key;
use passline_prompt::phrase::Item;
use std::time::Duration;

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// Nothing yet.
    More,
    /// This key.
    Key(char),
    /// Silence, to the last try.
    NoInput,
    /// Keys that are not offered, to the last try.
    NoMatch,
}

/// One question for a key.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Said in order.
    prompt: Vec<Utterance>,
    /// Keys on offer.
    keys: Vec<char>,
    /// Key that says it all again.
    repeat: Option<char>,
    /// Whether a second try begins with "I have not heard a key".
    apology: bool,
    first_timeout: Duration,
    tries: u8,
    tried: u8,
}

impl Choice {
    /// A question in the language of the call.
    pub fn new(
        prompt: Vec<Item>,
        keys: Vec<char>,
        repeat: Option<char>,
        first_timeout: Duration,
        tries: u8,
    ) -> Self {
        let prompt = vec![Utterance::new(prompt)];
        Self { prompt, keys, repeat, apology: true, first_timeout, tries, tried: 0 }
    }

    /// A question in several languages, which is only repeated.
    pub fn polyglot(prompt: Vec<Utterance>, keys: Vec<char>, first_timeout: Duration, tries: u8) -> Self {
        Self { prompt, keys, repeat: None, apology: false, first_timeout, tries, tried: 0 }
    }

    /// Asks; a key that was typed ahead is taken without asking.
    pub fn start(&mut self, cx: &mut Context) -> Chosen {
        self.tried = 1;
        match cx.typed_ahead() {
            Some(key) => self.key(cx, key),
            None => {
                self.say(cx, None);
                Chosen::More
            }
        }
    }

    pub fn event(&mut self, cx: &mut Context, event: &Event) -> Chosen {
        match event {
            Event::Spoken => {
                cx.wake_after(self.first_timeout);
                Chosen::More
            }
            Event::Key(key) => self.key(cx, *key),
            Event::Timer => self.again(cx, "no_input"),
            Event::Answer(_) => Chosen::More,
        }
    }

    fn key(&mut self, cx: &mut Context, key: Key) -> Chosen {
        if cx.is_trailing_end(key) {
            if !cx.voice.speaking() && cx.timer.is_none() {
                self.say(cx, None);
            }
            return Chosen::More;
        }
        let symbol = key.expose();
        if self.keys.contains(&symbol) {
            cx.hush();
            cx.timer = None;
            return Chosen::Key(symbol);
        }
        if self.repeat == Some(symbol) {
            self.say(cx, None);
            return Chosen::More;
        }
        self.again(cx, "no_match")
    }

    fn again(&mut self, cx: &mut Context, why: &str) -> Chosen {
        cx.timer = None;
        cx.stop_and_clear();
        if self.tried >= self.tries {
            cx.hush();
            return if why == "no_input" { Chosen::NoInput } else { Chosen::NoMatch };
        }
        self.tried += 1;
        self.say(cx, self.apology.then_some(why));
        Chosen::More
    }

    fn say(&self, cx: &mut Context, why: Option<&str>) {
        cx.timer = None;
        let mut prompt = self.prompt.clone();
        if let (Some(why), Some(first)) = (why, prompt.first_mut()) {
            first.phrase.items.splice(0..0, [Item::Prompt(why.into()), Item::Pause(300)]);
        }
        cx.say_all(prompt);
    }
}
