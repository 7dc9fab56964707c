//! Writes down a password as a caller would who hears it.
use crate::{
    matcher::Heard,
    phrase::Rate,
    render::{DIGIT_PAUSE_MS, LEAD_MS, SPELLED_PAUSE_MS, WHOLE_PAUSE_MS, percent},
};
use passline_identity::Secret;
use zeroize::Zeroizing;

/// Characters that follow each other faster than this, at the normal rate, are said as a whole, slower ones are spelled.
/// Nearer to the pauses of the former, since lost packets make pauses shorter and nothing makes them longer.
const SPELLED_GAP_MS: u64 = (WHOLE_PAUSE_MS + (SPELLED_PAUSE_MS - WHOLE_PAUSE_MS) / 3) as u64;

/// A digit that follows a sentence, or such a digit, faster than this belongs to the sentence ("press 1").
const PUBLIC_GAP_MS: u64 = (DIGIT_PAUSE_MS + (LEAD_MS - DIGIT_PAUSE_MS) / 3) as u64;

/// Prompts with which the next part of a password begins.
const NEXT: [&str; 2] = ["next_part", "last_part"];

/// Prompt before a part that is said again.
const SLOWER: &str = "slower";

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
    /// A digit, or a letter whose case was not heard, of which is not yet known whether it is spelled; when it ended.
    held: Option<(char, u64)>,
    /// The letter that was just spelled, of which a code word tells nothing new.
    spelled: Option<char>,
    /// When the last character of something said as a whole ended.
    quick: Option<u64>,
    /// When the last clip that is no part of a secret ended, if nothing came after it.
    public: Option<u64>,
    /// The last thing heard was a hyphen between parts.
    separated: bool,
    /// What comes is said again, slower.
    slower: bool,
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

    /// What was spelled; what was not heard of it is completed from the whole.
    fn text(&self) -> Zeroizing<String> {
        if self.spelled.is_empty() {
            return self.whole.clone();
        }
        let mut text = Zeroizing::new(String::with_capacity(self.whole.len()));
        let mut spelled = self.spelled.chars().peekable();
        for character in self.whole.chars() {
            match spelled.next_if(|next| next.eq_ignore_ascii_case(&character)) {
                Some(heard) => text.push(heard),
                None if text.is_empty() => text.push(character.to_ascii_uppercase()),
                None => text.push(character),
            }
        }
        if spelled.next().is_some() { self.spelled.clone() } else { text }
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
            let (at_ms, until_ms) = heard.received_ms;
            self.clip(heard.name(), heard.rate, at_ms, until_ms);
        } else {
            self.public = None;
        }
    }

    fn clip(&mut self, name: &str, rate: Rate, at_ms: u64, until_ms: u64) {
        let follows = |end: u64| at_ms.saturating_sub(end) * (percent(rate) as u64) < SPELLED_GAP_MS * 100;
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
            self.spelled = None;
        } else if let Some(letter) = single("letter_") {
            if let Some(capital) = self.capital.take() {
                self.spell(if capital { letter.to_ascii_uppercase() } else { letter });
                self.spelled = Some(letter);
            } else if quick {
                self.say(letter, until_ms);
            } else if self.spelled != Some(letter) {
                self.release();
                self.held = Some((letter, until_ms));
            }
        } else if let Some(letter) = single("code_") {
            if self.spelled != Some(letter) {
                self.guess(letter);
                self.spelled = Some(letter);
            }
        } else if let Some(digit) = single("digit_") {
            if quick {
                self.say(digit, until_ms);
            } else {
                self.release();
                self.spelled = None;
                self.held = Some((digit, until_ms));
            }
        } else if name == "hyphen" {
            if quick {
                self.say('-', until_ms);
            } else {
                self.close();
                self.separated = true;
            }
        } else {
            self.close();
            // Where the next part begins, nothing is a repetition, unless the caller wanted it slower.
            self.separated |= NEXT.contains(&name) && !self.slower;
            self.slower = name == SLOWER;
            self.public = Some(until_ms);
        }
    }

    /// A character said as a whole, right after another.
    fn say(&mut self, character: char, until_ms: u64) {
        if let Some((first, _)) = self.held.take() {
            self.close();
            self.current.whole.push(first);
        }
        self.current.whole.push(character);
        self.quick = Some(until_ms);
    }

    /// Nothing came right after the held character: it was spelled, or is all that was said.
    fn release(&mut self) {
        match self.held.take() {
            Some((letter, _)) if letter.is_ascii_alphabetic() => {
                if self.current.is_empty() {
                    self.current.whole.push(letter);
                } else {
                    self.spell_guessed(letter);
                }
            }
            Some((digit, _)) => self.spell(digit),
            None => {}
        }
    }

    /// The code word of a letter whose name or case was not heard.
    fn guess(&mut self, letter: char) {
        if self.held.is_some_and(|(held, _)| held == letter) {
            self.held = None;
        }
        self.release();
        match self.capital.take() {
            Some(false) => self.spell(letter),
            Some(true) => self.spell(letter.to_ascii_uppercase()),
            None => self.spell_guessed(letter),
        }
    }

    /// Words begin with a capital, which nothing else follows; other letters are like the one before.
    fn spell_guessed(&mut self, letter: char) {
        let is_word = self.current.whole.bytes().all(|octet| octet.is_ascii_alphabetic());
        let before = self.current.spelled.chars().rev().find(char::is_ascii_alphabetic);
        let small = match before {
            Some(before) => before.is_ascii_lowercase() || is_word && !self.current.whole.is_empty(),
            None => false,
        };
        self.spell(if small { letter } else { letter.to_ascii_uppercase() });
    }

    fn spell(&mut self, character: char) {
        self.current.spelled.push(character);
    }

    /// The part is over.
    fn close(&mut self) {
        self.release();
        (self.quick, self.capital, self.spelled) = (None, None, None);
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
        (self.held, self.spelled, self.quick, self.capital) = (None, None, None, None);
        self.rewound = true;
    }

    /// The parts so far, in order.
    pub fn parts(&self) -> Vec<Secret> {
        let mut copy = Self {
            parts: self.parts.clone(),
            current: self.current.clone(),
            held: self.held,
            separated: self.separated,
            rewound: self.rewound,
            ..Self::default()
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
                        transcript.clip(word, Rate::Normal, now, now + 400);
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
        assert_eq!(password("word_tango 900 digit_4 280 digit_8 2000"), "tango-48");
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
    fn letters_of_which_something_was_not_heard() {
        let whole = "word_maple 900 ";
        let (m, l, e) = (spelled("M"), spelled("l"), spelled("e"));
        let a = |clips: &str| {
            password(&format!("next_part 500 {whole} {m} {clips} {}600 hyphen", spelled("ple")))
        };
        assert_eq!(a("600 letter_a 80 code_a"), "Maple");
        assert_eq!(a("600 small 80 code_a"), "Maple");
        assert_eq!(a("600 code_a"), "Maple");
        assert_eq!(a("600 small 80 letter_a"), "Maple");
        assert_eq!(a("600 small 80 letter_a 80 letter_a 20 code_a 20 code_a"), "Maple");
        assert_eq!(a(""), "Maple");
        assert_eq!(password(&format!("{whole} 600 letter_m 80 code_m {l} {e}")), "Maple");
        assert_eq!(password(&format!("{whole} {l} {e}")), "Maple");
        assert_eq!(password(&format!("{} 600 letter_q 80 code_q", spelled("4K"))), "4KQ");
    }

    #[test]
    fn parts_broken_off_are_completed_and_may_repeat() {
        let part = |intro: &str, word: &str| {
            let first = spelled(&word[..1].to_ascii_uppercase());
            format!("{intro} 500 word_{word} 500 {first} 300 ")
        };
        let text = [
            part("your_password_is", "maple"),
            part("next_part", "rivet"),
            part("last_part", "rivet"),
            "that_was_all".to_owned(),
        ];
        assert_eq!(password(&text.concat()), "Maple-Rivet-Rivet");
        let slower = part("next_part", "rivet") + "slower " + &part("next_part", "rivet");
        assert_eq!(password(&(part("your_password_is", "maple") + &slower)), "Maple-Rivet");
    }

    #[test]
    fn nothing_is_printed() {
        let transcript = hear(&spelled("Maple"));
        assert_eq!(format!("{transcript:?}"), "Transcript(0 parts)");
    }
}
