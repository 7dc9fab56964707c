//! Writes down a password as a caller would who hears it.
use crate::{
    matcher::Heard,
    render::{DIGIT_PAUSE_MS, LEAD_MS, SPELLED_PAUSE_MS, WHOLE_PAUSE_MS},
};
use passline_identity::Secret;
use zeroize::Zeroizing;

/// Characters that follow each other faster than this are said as a whole, slower ones are spelled: the pauses of
/// [`crate::Library::render`] lie on both sides of it at each rate.
const SPELLED_GAP_MS: u64 = ((WHOLE_PAUSE_MS * 100 / 65 + SPELLED_PAUSE_MS) / 2) as u64;

/// A digit that follows a sentence, or such a digit, faster than this belongs to the sentence ("press 1").
const PUBLIC_GAP_MS: u64 = ((DIGIT_PAUSE_MS + LEAD_MS) / 2) as u64;

/// The parts of a spoken password, from the clips that were heard.
///
/// * A part is what was spelled between hyphens, other prompts, or the beginnings of the next part said as a whole. A
///   part that was only said as a whole stands for itself (a word in lower case), unless it is spelled elsewhere. A
///   part whose spelling broke off is completed from its whole.
/// * Repetitions: the same part again without a hyphen between replaces the one before, and parts that repeat in a
///   cycle (everything said twice or more) count once. When the caller presses a key that repeats, say so, since a
///   password may hold a part twice: [`Transcript::restart`] after `0`, [`Transcript::back`] after `7`.
/// * Clips that broke off are left out, and so are digits that belong to a sentence, such as the keys of a menu.
#[derive(Default)]
pub struct Transcript {
    parts: Vec<Part>,
    current: Part,
    /// Case of the next letter.
    capital: Option<bool>,
    /// A digit of which is not yet known whether it is spelled; when it ended.
    held: Option<(char, u64)>,
    /// When the last character of something said as a whole ended.
    quick: Option<u64>,
    /// When the last clip that is no part of a secret ended, if nothing came after it.
    public: Option<u64>,
    /// The last thing heard was a hyphen between parts.
    separated: bool,
    rewound: bool,
}

#[derive(Clone, Default)]
struct Part {
    whole: Zeroizing<String>,
    spelled: Zeroizing<String>,
}

impl Part {
    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.spelled.is_empty()
    }

    fn text(&self) -> Zeroizing<String> {
        let rest = strip(&self.whole, &self.spelled).unwrap_or_default();
        Zeroizing::new([self.spelled.as_str(), rest].concat())
    }
}

/// What follows `prefix` in `text`, without regard to case.
fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

impl Transcript {
    /// An empty sheet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next clip that was heard, in order.
    pub fn hear(&mut self, heard: &Heard) {
        if heard.complete {
            self.clip(heard.name(), heard.at_ms, heard.until_ms);
        } else {
            self.capital = None;
            self.public = None;
        }
    }

    fn clip(&mut self, name: &str, at_ms: u64, until_ms: u64) {
        let follows = |end: u64| at_ms.saturating_sub(end) < SPELLED_GAP_MS;
        let quick = self.quick.take().is_some_and(follows) || self.held.is_some_and(|(_, end)| follows(end));
        let public = self.public.take().is_some_and(|end| at_ms.saturating_sub(end) < PUBLIC_GAP_MS);
        let single = |prefix: &str| name.strip_prefix(prefix).and_then(|rest| rest.chars().next());
        if public && self.capital.is_none() && single("digit_").or(single("letter_")).is_some() {
            self.public = Some(until_ms);
        } else if let Some(word) = name.strip_prefix("word_") {
            self.close();
            self.current.whole.push_str(word);
        } else if name == "capital" || name == "small" {
            self.release();
            self.capital = Some(name == "capital");
        } else if let Some(letter) = single("letter_") {
            match self.capital.take() {
                Some(capital) => {
                    self.spell(if capital { letter.to_ascii_uppercase() } else { letter });
                }
                None => self.say(letter, quick, until_ms),
            }
        } else if let Some(digit) = single("digit_") {
            if quick {
                self.say(digit, true, until_ms);
            } else {
                self.release();
                self.held = Some((digit, until_ms));
            }
        } else if name == "hyphen" {
            if quick {
                self.say('-', true, until_ms);
            } else {
                self.close();
                self.separated = true;
            }
        } else if single("code_").is_none() {
            self.close();
            self.public = Some(until_ms);
        }
    }

    /// A character said as a whole; `goes_on` if one came right before it.
    fn say(&mut self, character: char, goes_on: bool, until_ms: u64) {
        let before = if goes_on { self.held.take() } else { None };
        if !goes_on || before.is_some() {
            self.close();
        }
        self.current.whole.extend(before.map(|(digit, _)| digit));
        self.current.whole.push(character);
        self.quick = Some(until_ms);
    }

    /// Nothing came right after the held digit: it was spelled.
    fn release(&mut self) {
        if let Some((digit, _)) = self.held.take() {
            self.spell(digit);
        }
    }

    fn spell(&mut self, character: char) {
        self.current.spelled.push(character);
    }

    /// The part is over.
    fn close(&mut self) {
        self.release();
        self.quick = None;
        self.capital = None;
        let part = std::mem::take(&mut self.current);
        if part.is_empty() {
            return;
        }
        let text = part.text();
        if std::mem::take(&mut self.rewound) {
            let again = |known: &Part| strip(&text, &known.text()).is_some();
            if let Some(at) = self.parts.iter().rposition(again) {
                self.parts.truncate(at);
            }
        } else if !self.separated
            && self.parts.last().is_some_and(|last| strip(&text, &last.text()).is_some())
        {
            self.parts.pop();
        }
        self.separated = false;
        self.parts.push(part);
    }

    /// The caller asked to hear everything again: the sheet is empty.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// The caller asked to go back: what is being spelled is forgotten, and the next part replaces the one that it
    /// repeats and all after it.
    pub fn back(&mut self) {
        self.current = Part::default();
        (self.held, self.quick, self.capital) = (None, None, None);
        self.rewound = true;
    }

    /// The parts so far, in order.
    pub fn parts(&self) -> Vec<Secret> {
        let mut copy = Self {
            parts: self.parts.clone(),
            current: self.current.clone(),
            capital: None,
            held: self.held,
            quick: None,
            public: None,
            separated: self.separated,
            rewound: self.rewound,
        };
        copy.close();
        let spelled: Vec<Zeroizing<String>> =
            copy.parts.iter().filter(|part| !part.spelled.is_empty()).map(Part::text).collect();
        let texts: Vec<Zeroizing<String>> = copy
            .parts
            .iter()
            .filter(|part| {
                !part.spelled.is_empty() || !spelled.iter().any(|text| text.eq_ignore_ascii_case(&part.whole))
            })
            .map(Part::text)
            .collect();
        let cycle =
            (2..=texts.len() / 2).find(|cycle| texts.iter().zip(&texts[*cycle..]).all(|(a, b)| a == b));
        texts[..cycle.unwrap_or(texts.len())].iter().map(|text| Secret::new(text.as_str())).collect()
    }

    /// The parts joined by `-`; `None` if nothing was heard.
    pub fn password(&self) -> Option<Secret> {
        let parts = self.parts();
        let texts: Vec<&str> = parts.iter().map(Secret::expose).collect();
        (!texts.is_empty()).then(|| Secret::new(texts.join("-")))
    }
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transcript({} parts)", self.parts.len())
    }
}

const _: () = {
    // The two kinds of pause must stay apart at the slowest and the normal rate.
    assert!(
        WHOLE_PAUSE_MS * 100 / 65 + 50 < SPELLED_GAP_MS as usize
            && SPELLED_GAP_MS as usize + 50 < SPELLED_PAUSE_MS
    );
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Says clips: a number is a pause in ms; each clip takes 400 ms.
    fn hear(text: &str) -> Transcript {
        let mut transcript = Transcript::new();
        let mut now = 0;
        for word in text.split_whitespace() {
            match word {
                "restart!" => transcript.restart(),
                "back!" => transcript.back(),
                _ => match word.parse::<u64>() {
                    Ok(pause) => now += pause,
                    Err(_) => {
                        transcript.clip(word, now, now + 400);
                        now += 400;
                    }
                },
            }
        }
        transcript
    }

    fn spelled(word: &str) -> String {
        let mut text = String::new();
        for letter in word.chars() {
            text += &match letter {
                '0'..='9' => format!("600 digit_{letter} "),
                '-' => "600 hyphen ".to_owned(),
                _ => {
                    let case = if letter.is_ascii_uppercase() { "capital" } else { "small" };
                    let letter = letter.to_ascii_lowercase();
                    format!("600 {case} 80 letter_{letter} 80 code_{letter} ")
                }
            };
        }
        text
    }

    fn password(text: &str) -> String {
        hear(text).password().map(|password| password.expose().to_owned()).unwrap_or_default()
    }

    #[test]
    fn parts_said_whole_and_spelled_are_written_once() {
        let (tango, maple) = (spelled("Tango"), spelled("Maple"));
        let text = format!(
            "intro word_tango 900 {tango} 1000 digit_4 200 digit_8 900 digit_4 600 digit_8 1000 word_maple 900 {maple} 1500 outro"
        );
        assert_eq!(password(&text), "Tango-48-Maple");
        let with_hyphens = format!("{} {}", spelled("Tango-48-"), maple);
        assert_eq!(password(&with_hyphens), "Tango-48-Maple");
        assert_eq!(password("word_tango 900 digit_4 307 digit_8 2000"), "tango-48");
        assert_eq!(password("intro 500 outro"), "");
    }

    #[test]
    fn mixed_parts_and_repeated_digits() {
        let text = format!(
            "digit_3 200 letter_k 200 letter_t 900 {} 1000 digit_4 200 digit_4 900 digit_4 600 digit_4 500",
            spelled("3KT")
        );
        assert_eq!(password(&text), "3KT-44");
        assert_eq!(password(&spelled("444-444")), "444-444");
    }

    #[test]
    fn digits_of_sentences_are_no_parts() {
        let menu = "for_new_password digit_1 to_unlock digit_2 150 digit_3 2000 number_21 number_thousand digit_3 900 ";
        assert_eq!(password(&format!("{menu} intro 300 {} outro digit_1", spelled("48"))), "48");
        assert_eq!(password(menu), "");
    }

    #[test]
    fn repetitions_count_once() {
        let maple = format!("word_maple 900 {} 1000 ", spelled("Maple"));
        let digits = "digit_4 200 digit_8 900 digit_4 600 digit_8 1000 ";
        let all = format!("{maple} {digits} {maple} word_tango 900 {}", spelled("Tango"));
        assert_eq!(password(&format!("{maple} {maple} {digits}")), "Maple-48");
        assert_eq!(password(&format!("{all} 1500 {all}")), "Maple-48-Maple-Tango");
        assert_eq!(password(&format!("{maple} {digits} restart! {maple} {digits}")), "Maple-48");
        let broken = format!("word_maple 900 {} 1000 ", spelled("Ma"));
        assert_eq!(password(&format!("{broken} back! {maple} {digits}")), "Maple-48");
        assert_eq!(password(&format!("{maple} digit_4 200 back! {maple} {digits}")), "Maple-48");
        assert_eq!(password(&format!("{broken} {digits}")), "Maple-48");
    }

    #[test]
    fn nothing_is_printed() {
        let transcript = hear(&spelled("Maple"));
        assert_eq!(format!("{transcript:?}"), "Transcript(0 parts)");
    }
}
