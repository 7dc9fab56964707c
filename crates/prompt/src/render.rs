//! Phrase to script: which clips, and how long the pauses between them are.
use crate::{
    clip::{Clip, Script, Segment},
    font::{self, masked},
    library::{Language, Library},
    phrase::{Item, Phrase, Rate},
};
use passline_rtp::codec::Codec;
use std::fmt;

/// Samples per ms at 8 kHz.
const MS: usize = 8;

/// A spelled character takes at least this long, its pause included: 1.0 s per character is keyed and written with
/// fewer errors than 0.5 s (Raanaas, Nordby, Magnussen).
pub(crate) const CHARACTER_MS: usize = 1000;

/// Least pause after a spelled character: in synthetic speech 500 ms help recall, 200 ms do not (ESSV 2021).
pub(crate) const SPELLED_PAUSE_MS: usize = 500;

/// Added between groups of three in a long run of digits.
const GROUP_PAUSE_MS: usize = 500;

/// Between the characters of a part that is said as a whole. [`crate::Transcript`] tells the two apart by it.
pub(crate) const WHOLE_PAUSE_MS: usize = 200;

/// Between the clips of one spelled character: "capital", "M", "as in Mike".
const WITHIN_CHARACTER_MS: usize = 80;

/// Least silence before a part of a secret, also at the beginning of a script: it stands apart from the sentence before
/// it, and [`crate::Transcript`] does not take the number of a menu for a part.
pub(crate) const LEAD_MS: usize = 300;

/// Between public digits.
pub(crate) const DIGIT_PAUSE_MS: usize = 150;

/// A phrase cannot be said. Prints no part of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct MissingClip {
    /// In which language.
    pub language: String,
    stem: String,
}

impl MissingClip {
    /// Stem of the clip, `secret` where it would give a part of a secret away, empty if the whole language is missing.
    pub fn log_name(&self) -> &str {
        masked(&self.stem)
    }
}

impl fmt::Display for MissingClip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.log_name() {
            "" => write!(f, "no prompts for language `{}`", self.language),
            name => write!(f, "no clip `{name}` in language `{}`", self.language),
        }
    }
}

impl fmt::Debug for MissingClip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MissingClip({self})")
    }
}

impl std::error::Error for MissingClip {}

impl Library {
    /// Puts a phrase together from the clips of one language.
    ///
    /// Numbers and times follow the language's grammar. Only clips of secrets and the pauses between and after them
    /// follow [`Phrase::rate`]; words as a whole keep their speed (each is spelled after it was said).
    ///
    /// # Errors
    /// A clip, or the language, is missing; nothing is said then.
    pub fn render(&self, language: &str, phrase: &Phrase, codec: Codec) -> Result<Script, MissingClip> {
        let missing = || MissingClip { language: language.to_owned(), stem: String::new() };
        let language = self.language(language).ok_or_else(missing)?;
        let mut renderer =
            Renderer { language, codec, rate: phrase.rate, segments: Vec::new(), after_secret: false };
        for item in &phrase.items {
            renderer.item(item)?;
        }
        Ok(Script { codec: codec.law(), segments: renderer.segments })
    }
}

struct Renderer<'a> {
    language: &'a Language,
    codec: Codec,
    rate: Rate,
    segments: Vec<Segment>,
    /// The last item but pauses was a part of a secret, so that the next pause follows the rate.
    after_secret: bool,
}

impl Renderer<'_> {
    fn item(&mut self, item: &Item) -> Result<(), MissingClip> {
        let secret = matches!(item, Item::Whole(_) | Item::Spelled(_));
        if secret {
            self.pause_at_least(self.scaled(if self.after_secret { SPELLED_PAUSE_MS } else { LEAD_MS }));
        }
        match item {
            Item::Prompt(id) => self.clip(&id.0, Rate::Normal)?,
            Item::Pause(ms) if self.after_secret => self.pause(self.scaled(usize::from(*ms))),
            Item::Pause(ms) => self.pause(usize::from(*ms) * MS),
            Item::Digits(digits) => self.keys(digits)?,
            Item::Number(number) => {
                // Beyond what a grammar can say, digits are still right.
                if *number > 999_999 {
                    self.keys(&number.to_string())?;
                } else {
                    self.stems((self.language.grammar.number)(*number, &|stem| self.has(stem)))?;
                }
            }
            Item::Time(hour, minute) => {
                self.stems((self.language.grammar.time)(hour % 24, minute % 60, &|stem| self.has(stem)))?;
            }
            Item::Whole(part) => self.whole(part.expose())?,
            Item::Spelled(part) => self.spelled(part.expose())?,
        }
        if !matches!(item, Item::Pause(_)) {
            self.after_secret = secret;
        }
        Ok(())
    }

    fn keys(&mut self, digits: &str) -> Result<(), MissingClip> {
        for (at, symbol) in digits.chars().enumerate() {
            if at > 0 {
                self.pause(DIGIT_PAUSE_MS * MS);
            }
            let stem = font::key(symbol).unwrap_or_else(|| symbol.to_string());
            self.clip(&stem, Rate::Normal)?;
        }
        Ok(())
    }

    fn stems(&mut self, stems: Vec<String>) -> Result<(), MissingClip> {
        stems.iter().try_for_each(|stem| self.clip(stem, Rate::Normal))
    }

    /// The word if it is one, else its characters at the speed of reading, without case and code words.
    fn whole(&mut self, part: &str) -> Result<(), MissingClip> {
        let word = format!("word_{}", part.to_ascii_lowercase());
        if self.has(&word) {
            return self.clip(&word, Rate::Normal);
        }
        for (at, character) in part.chars().enumerate() {
            if at > 0 {
                self.pause(self.scaled(WHOLE_PAUSE_MS));
            }
            self.clip(&stem(character), self.rate)?;
        }
        Ok(())
    }

    /// Each character in full, about a second each; no pause after the last.
    fn spelled(&mut self, part: &str) -> Result<(), MissingClip> {
        let characters: Vec<char> = part.chars().collect();
        for (at, character) in characters.iter().enumerate() {
            let before = self.segments.len();
            let name = stem(*character);
            if character.is_ascii_alphabetic() {
                self.clip(if character.is_ascii_uppercase() { "capital" } else { "small" }, self.rate)?;
                self.pause(self.scaled(WITHIN_CHARACTER_MS));
                self.clip(&name, self.rate)?;
                self.pause(self.scaled(WITHIN_CHARACTER_MS));
                self.clip(&format!("code_{}", character.to_ascii_lowercase()), self.rate)?;
            } else {
                self.clip(&name, self.rate)?;
            }
            if at + 1 < characters.len() {
                let said: usize = self.segments[before..].iter().map(Segment::samples).sum();
                let rest = self.scaled(CHARACTER_MS).saturating_sub(said);
                let group = if group_ends(&characters, at) { self.scaled(GROUP_PAUSE_MS) } else { 0 };
                self.pause(rest.max(self.scaled(SPELLED_PAUSE_MS)) + group);
            }
        }
        Ok(())
    }

    fn has(&self, stem: &str) -> bool {
        self.language.recordings.contains_key(stem)
    }

    fn clip(&mut self, stem: &str, rate: Rate) -> Result<(), MissingClip> {
        let recording = self
            .language
            .recordings
            .get(stem)
            .ok_or_else(|| MissingClip { language: self.language.code.to_string(), stem: stem.to_owned() })?;
        let audio = recording.audio(self.codec, rate).clone();
        self.segments.push(Segment::Clip(Clip::new(recording.name.clone(), audio)));
        Ok(())
    }

    fn pause(&mut self, samples: usize) {
        match self.segments.last_mut() {
            Some(Segment::Silence(before)) => *before = before.saturating_add(samples as u32),
            _ if samples > 0 => self.segments.push(Segment::Silence(samples as u32)),
            _ => {}
        }
    }

    /// Makes the pause before what follows this long.
    fn pause_at_least(&mut self, samples: usize) {
        let pause = match self.segments.last() {
            Some(Segment::Silence(pause)) => *pause as usize,
            _ => 0,
        };
        self.pause(samples.saturating_sub(pause));
    }

    /// Samples of `ms` at the phrase's rate.
    fn scaled(&self, ms: usize) -> usize {
        ms * MS * 100 / percent(self.rate)
    }
}

/// Speed of a rate.
pub(crate) fn percent(rate: Rate) -> usize {
    match rate {
        Rate::Normal => 100,
        Rate::Slow => 80,
        Rate::Slowest => 65,
    }
}

/// The clip of one character, without its case. What has none gets a name that no file can have, and is reported.
fn stem(character: char) -> String {
    match character {
        '0'..='9' => format!("digit_{character}"),
        'a'..='z' | 'A'..='Z' => format!("letter_{}", character.to_ascii_lowercase()),
        '-' => "hyphen".to_owned(),
        _ => "letter_?".to_owned(),
    }
}

/// True after every third digit of a run of at least six.
fn group_ends(characters: &[char], at: usize) -> bool {
    let is_digit = |at: usize| characters.get(at).is_some_and(char::is_ascii_digit);
    if !is_digit(at) || !is_digit(at + 1) {
        return false;
    }
    let first = (0..=at).rev().take_while(|at| is_digit(*at)).last().unwrap_or(at);
    let length = (first..).take_while(|at| is_digit(*at)).count();
    length >= 6 && (at + 1 - first).is_multiple_of(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;
    use passline_identity::Secret;

    fn library() -> Library {
        let prompts = ["welcome", "star", "key_a"];
        Library::build(vec![
            synthetic::language("en", &prompts, &["maple"]),
            synthetic::language("de", &prompts, &[]),
        ])
        .unwrap()
    }

    /// Clip names and pauses in ms, in one line.
    fn script(language: &str, items: Vec<Item>, rate: Rate) -> String {
        let script = library().render(language, &Phrase { items, rate }, Codec::Pcma).unwrap();
        let words = script.segments.iter().map(|segment| match segment {
            Segment::Clip(clip) => clip.name().to_owned(),
            Segment::Silence(samples) => (samples / 8).to_string(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn public_items() {
        let items = vec![
            Item::Prompt("welcome".into()),
            Item::Pause(300),
            Item::Digits("40*A".into()),
            Item::Number(405),
            Item::Pause(100),
            Item::Pause(20),
            Item::Time(14, 30),
        ];
        let want = "welcome 300 digit_4 150 digit_0 150 star 150 key_a number_4 number_hundred number_5 120";
        assert_eq!(script("en", items.clone(), Rate::Slowest), format!("{want} number_14 number_30"));
        assert_eq!(script("de", items, Rate::Normal), format!("{want} number_14 o_clock number_30"));
    }

    #[test]
    fn a_word_is_said_and_then_spelled() {
        let items = vec![Item::Whole(secret("Maple")), Item::Pause(800), Item::Spelled(secret("Ma"))];
        let text = script("en", items, Rate::Normal);
        let want = ["300", "word_maple", "800", "capital", "80", "letter_m", "80", "code_m"];
        assert_eq!(text.split(' ').take(8).collect::<Vec<_>>(), want);
        assert!(text.ends_with("small 80 letter_a 80 code_a"), "{text}");
    }

    #[test]
    fn spelled_characters_take_a_second_and_pauses_half_of_one() {
        for rate in [Rate::Normal, Rate::Slow, Rate::Slowest] {
            let phrase = Phrase { items: vec![Item::Spelled(secret("48a-123456"))], rate };
            let script = library().render("en", &phrase, Codec::Pcmu).unwrap();
            let ms = |ms: usize| ms * MS * 100 / percent(rate);
            let mut starts = vec![0];
            let mut at = 0;
            for segment in &script.segments[1..] {
                at += segment.samples();
                if let Segment::Silence(samples) = segment {
                    let samples = *samples as usize;
                    assert!(samples == ms(WITHIN_CHARACTER_MS) || samples >= ms(SPELLED_PAUSE_MS));
                    if samples >= ms(SPELLED_PAUSE_MS) {
                        starts.push(at);
                    }
                }
            }
            assert_eq!(starts.len(), 10);
            assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= ms(CHARACTER_MS)));
            // 123 and 456 are groups.
            assert!(starts[7] - starts[6] >= ms(CHARACTER_MS + GROUP_PAUSE_MS));
        }
    }

    #[test]
    fn parts_that_are_no_words_are_read_quickly() {
        let items = vec![Item::Whole(secret("4K8")), Item::Spelled(secret("4")), Item::Pause(100)];
        assert_eq!(
            script("en", items.clone(), Rate::Normal),
            "300 digit_4 200 letter_k 200 digit_8 500 digit_4 100"
        );
        assert_eq!(script("en", items, Rate::Slow), "375 digit_4 250 letter_k 250 digit_8 625 digit_4 125");
    }

    #[test]
    fn secrets_stand_apart_from_what_is_before_them() {
        let items = vec![
            Item::Prompt("welcome".into()),
            Item::Spelled(secret("4")),
            Item::Pause(100),
            Item::Whole(secret("8")),
            Item::Prompt("welcome".into()),
            Item::Pause(100),
            Item::Whole(secret("8")),
        ];
        let want = "welcome 300 digit_4 500 digit_8 welcome 300 digit_8";
        assert_eq!(script("en", items, Rate::Normal), want);
    }

    #[test]
    fn what_is_missing_is_told_without_secrets() {
        let library = library();
        let missing = |language: &str, item| {
            let phrase = Phrase { items: vec![item], rate: Rate::Normal };
            library.render(language, &phrase, Codec::Pcmu).unwrap_err().to_string()
        };
        assert_eq!(missing("en", Item::Prompt("nowhere".into())), "no clip `nowhere` in language `en`");
        assert_eq!(missing("fr", Item::Prompt("welcome".into())), "no prompts for language `fr`");
        assert_eq!(missing("en", Item::Spelled(secret("ab$"))), "no clip `secret` in language `en`");
        assert_eq!(missing("en", Item::Digits("4?".into())), "no clip `?` in language `en`");
    }
}
