//! Names of the clips of which numbers and secrets are put together.
use crate::grammar::Grammar;

/// True for a clip that may be a part of a secret: its name must not be logged.
pub(crate) fn is_secret(stem: &str) -> bool {
    ["letter_", "code_", "digit_", "word_", "number_"].iter().any(|kind| stem.starts_with(kind))
        || matches!(stem, "capital" | "small" | "hyphen")
}

/// True for a clip that is said slower at a slower [`crate::phrase::Rate`]. Words are not: each is spelled after it
/// was said, and stretching a thousand of them would buy little.
pub(crate) fn is_stretched(stem: &str) -> bool {
    is_secret(stem) && !stem.starts_with("word_") && !stem.starts_with("number_")
}

/// A stem for the log: `secret` where the name gives a part of a secret away.
pub(crate) fn masked(stem: &str) -> &str {
    if is_secret(stem) { "secret" } else { stem }
}

/// Every clip that a language needs besides its prompts and words, in a fixed order.
pub(crate) fn required(grammar: &Grammar) -> Vec<String> {
    let digits = (0..10).map(|digit| format!("digit_{digit}"));
    let letters = ('a'..='z').flat_map(|letter| [format!("letter_{letter}"), format!("code_{letter}")]);
    let signs = ["capital", "small", "hyphen"].map(str::to_owned);
    let mut stems: Vec<String> = digits.chain(letters).chain(signs).collect();
    if grammar.numbers {
        stems.extend((0..100).map(|number| format!("number_{number}")));
        stems.extend(["number_hundred", "number_thousand"].map(str::to_owned));
    }
    stems.extend(grammar.needs.iter().map(|stem| (*stem).to_owned()));
    stems
}

/// The clip of one keypad symbol or sign: `4` `digit_4`, `*` `star`, `#` `pound`, `A` `key_a`.
pub(crate) fn key(symbol: char) -> Option<String> {
    Some(match symbol {
        '0'..='9' => format!("digit_{symbol}"),
        '*' => "star".to_owned(),
        '#' => "pound".to_owned(),
        'A'..='D' => format!("key_{}", symbol.to_ascii_lowercase()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secret_clips_are_masked() {
        for stem in ["letter_a", "code_m", "digit_4", "word_maple", "number_48", "capital", "small", "hyphen"]
        {
            assert_eq!(masked(stem), "secret", "{stem}");
        }
        for stem in ["welcome", "small_print", "hyphen_hint", "target_crm"] {
            assert_eq!(masked(stem), stem);
        }
    }

    #[test]
    fn symbols_have_clips() {
        assert_eq!(key('7').as_deref(), Some("digit_7"));
        assert_eq!(key('#').as_deref(), Some("pound"));
        assert_eq!(key('D').as_deref(), Some("key_d"));
        assert_eq!(key('E'), None);
    }
}
