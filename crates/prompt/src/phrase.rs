//! What is to be said, before any language or codec is chosen.
use passline_identity::Secret;
use serde::{Deserialize, Serialize};

/// Name of a prompt: the file stem under `media/prompts/<lang>` and the key of its text table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PromptId(pub String);

impl From<&str> for PromptId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

/// Speaking rate of secrets; the caller slows it with `*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// 100 %.
    #[default]
    Normal,
    /// 80 %.
    Slow,
    /// 65 %.
    Slowest,
}

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A recorded prompt.
    Prompt(PromptId),
    /// Silence, in ms.
    Pause(u16),
    /// Public digits, one by one.
    Digits(String),
    /// A cardinal number, 0 to 999 999.
    Number(u32),
    /// A time of day.
    Time(u8, u8),
    /// A part of a secret as a whole: a word of the word list, or its digits one after another.
    Whole(Secret),
    /// A part of a secret spelled: "Capital M as in Mike, small a as in alfa, …, four, eight, hyphen".
    Spelled(Secret),
}

/// What is to be said in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrase {
    /// In order.
    pub items: Vec<Item>,
    /// Only letters, digits and words of secrets and the pauses between them follow it.
    pub rate: Rate,
}

impl Phrase {
    /// One line for logs and traces: prompt ids and public numbers as they are, every part of a secret as `secret`,
    /// pauses left out. `welcome digits(12) number(3) time(14:30) secret`.
    pub fn log(&self) -> String {
        let mut line = String::new();
        for item in &self.items {
            let word = match item {
                Item::Prompt(id) => id.0.clone(),
                Item::Pause(_) => continue,
                Item::Digits(digits) => format!("digits({digits})"),
                Item::Number(number) => format!("number({number})"),
                Item::Time(hour, minute) => format!("time({hour:02}:{minute:02})"),
                Item::Whole(_) | Item::Spelled(_) => "secret".to_owned(),
            };
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_holds_no_secret() {
        let phrase = Phrase {
            items: vec![
                Item::Prompt("welcome".into()),
                Item::Pause(500),
                Item::Digits("12".into()),
                Item::Number(3),
                Item::Time(9, 5),
                Item::Whole(Secret::new("Maple")),
                Item::Spelled(Secret::new("Maple")),
            ],
            rate: Rate::Slow,
        };
        assert_eq!(phrase.log(), "welcome digits(12) number(3) time(09:05) secret secret");
        assert!(!format!("{phrase:?}").contains("aple"));
    }
}
