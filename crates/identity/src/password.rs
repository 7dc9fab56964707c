//! Generated passwords that can be said on the phone.
use crate::Secret;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

/// Shape of a generated password; parts are separated by `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordStyle {
    /// `Word-NN-Word-Word`: 3 words of 1024 and 2 digits, 36.6 bits; meets three-of-four character classes.
    #[default]
    Words,
    /// 12 characters of `2346789BCDFGHJKMPQRTVWXY` in groups of 3, 55 bits.
    Alnum24,
    /// 12 digits in groups of 3, 39.9 bits.
    Digits,
}

/// Draws a password without bias. `words` is the language's list of 1024 lower-case ASCII words (used by `Words`).
///
/// # Panics
/// If `words` is empty and the style is `Words`.
pub fn generate_password(_style: PasswordStyle, _words: &[&str], _rng: &mut impl Rng) -> Secret {
    todo!("identity owner")
}
