//! The key script of a caller: parse, and walk through it as the call goes on.
use passline_rtp::Digit;
use std::time::{Duration, Instant};

/// One word of a script.
#[derive(Clone, PartialEq, Eq)]
pub enum Word {
    /// Press these keys.
    Keys(Vec<Digit>),
    /// Wait.
    Pause(Duration),
    /// Wait until this prompt was heard.
    Hear(String),
    /// Wait until so much silence was heard.
    Quiet(Duration),
    /// Hang up.
    HangUp,
}

/// Reads a script; the fault names the word and the remedy, never the keys around it.
pub fn parse(text: &str) -> Result<Vec<Word>, String> {
    text.split_whitespace()
        .enumerate()
        .map(|(index, word)| parse_word(word).map_err(|e| format!("word {} of the script: {e}", index + 1)))
        .collect()
}

fn parse_word(word: &str) -> Result<Word, String> {
    let ms = |text: &str| {
        text.parse()
            .map(Duration::from_millis)
            .map_err(|_| "wants a number of milliseconds, e.g. p500 or quiet:1500".to_owned())
    };
    if word == "hangup" {
        Ok(Word::HangUp)
    } else if let Some(prompt) = word.strip_prefix("hear:") {
        Ok(Word::Hear(prompt.to_owned()))
    } else if let Some(time) = word.strip_prefix("quiet:") {
        ms(time).map(Word::Quiet)
    } else if let Some(time) = word.strip_prefix('p') {
        ms(time).map(Word::Pause)
    } else {
        let keys = word.chars().map(Digit::from_char).collect::<Option<_>>();
        keys.map(Word::Keys).ok_or_else(|| {
            "is neither keys (0-9 * # A-D) nor p500, hear:PROMPT, quiet:1500, hangup".to_owned()
        })
    }
}

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Press this key.
    Press(Digit),
    /// Hang up.
    HangUp,
}

/// A script on its way; started when the call is answered.
pub struct Script {
    words: std::collections::VecDeque<Word>,
    /// From a key's start to the next key's start.
    spacing: Duration,
    not_before: Instant,
    /// Prompts heard since the last word was done.
    heard: Vec<String>,
    quiet_since: Option<Instant>,
}

impl Script {
    /// A script that begins now; `spacing` = press and pause.
    pub fn new(words: Vec<Word>, spacing: Duration, now: Instant) -> Self {
        Self { words: words.into(), spacing, not_before: now, heard: Vec::new(), quiet_since: None }
    }

    /// More words, e.g. those that depend on what was heard.
    pub fn push(&mut self, words: impl IntoIterator<Item = Word>) {
        self.words.extend(words);
    }

    /// True when nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.words.is_empty()
    }

    /// A prompt was heard.
    pub fn heard(&mut self, prompt: &str) {
        self.heard.push(prompt.to_owned());
    }

    /// One frame was heard that is (not) silent.
    pub fn frame(&mut self, now: Instant, silent: bool) {
        self.quiet_since = if silent { self.quiet_since.or(Some(now)) } else { None };
    }

    /// The next action, if its time has come.
    pub fn poll(&mut self, now: Instant) -> Option<Action> {
        loop {
            if now < self.not_before {
                return None;
            }
            match self.words.front_mut()? {
                Word::Keys(keys) => {
                    let Some(key) = (!keys.is_empty()).then(|| keys.remove(0)) else {
                        self.done();
                        continue;
                    };
                    self.not_before = now + self.spacing;
                    self.heard.clear();
                    return Some(Action::Press(key));
                }
                Word::Pause(time) => {
                    self.not_before = now + *time;
                    self.words.pop_front();
                }
                Word::Hear(prompt) => {
                    let position = self.heard.iter().position(|heard| heard == prompt)?;
                    self.heard.drain(..=position);
                    self.done();
                }
                Word::Quiet(time) => {
                    if self.quiet_since.is_none_or(|since| now - since < *time) {
                        return None;
                    }
                    self.done();
                }
                Word::HangUp => {
                    self.words.clear();
                    return Some(Action::HangUp);
                }
            }
        }
    }

    fn done(&mut self) {
        self.words.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digit(key: char) -> Digit {
        Digit::from_char(key).unwrap()
    }

    #[test]
    fn a_script_walks_at_the_pace_of_the_call() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let mut script = Script::new(
            parse("hear:welcome 1# p500 quiet:300 2 hangup").unwrap(),
            Duration::from_millis(200),
            start,
        );
        assert_eq!(script.poll(ms(0)), None);
        script.heard("welcome");
        assert_eq!(script.poll(ms(100)), Some(Action::Press(digit('1'))));
        assert_eq!(script.poll(ms(200)), None);
        assert_eq!(script.poll(ms(300)), Some(Action::Press(digit('#'))));
        assert_eq!(script.poll(ms(500)), None);
        script.frame(ms(900), true);
        assert_eq!(script.poll(ms(1000)), None);
        script.frame(ms(1000), false);
        script.frame(ms(1020), true);
        assert_eq!(script.poll(ms(1300)), None);
        assert_eq!(script.poll(ms(1320)), Some(Action::Press(digit('2'))));
        assert_eq!(script.poll(ms(1520)), Some(Action::HangUp));
        assert!(script.is_done());
    }

    #[test]
    fn faults_name_the_word_but_not_its_neighbours() {
        for (script, word) in [("1 x9", "word 2"), ("pfoo", "word 1"), ("1 2 quiet:", "word 3")] {
            let Err(fault) = parse(script) else { panic!("{script} was taken") };
            assert!(fault.starts_with(word), "{fault}");
        }
    }
}
