//! How a language puts numbers and times together from clips: one row per language that does not read digit by digit.

mod de;
mod en;

/// Tells whether the language has a clip; grammars use it for clips that a voice may or may not have.
pub(crate) type Has<'a> = &'a dyn Fn(&str) -> bool;

/// One language.
pub(crate) struct Grammar {
    /// Folder name, or its part before `-`.
    code: &'static str,
    /// True if `number_0` … `number_99`, `number_hundred` and `number_thousand` are used.
    pub numbers: bool,
    /// Further clips without which a time or number cannot be said.
    pub needs: &'static [&'static str],
    /// Stems of a cardinal number, 0 to 999 999.
    pub number: fn(u32, Has<'_>) -> Vec<String>,
    /// Stems of a time of day, in 24 hours.
    pub time: fn(u8, u8, Has<'_>) -> Vec<String>,
}

/// Languages with rules of their own.
static GRAMMARS: &[Grammar] = &[en::GRAMMAR, de::GRAMMAR];

/// Every other language: digit by digit.
static DIGIT_BY_DIGIT: Grammar = Grammar {
    code: "",
    numbers: false,
    needs: &[],
    number: |number, _| digits(&number.to_string()),
    time: |hour, minute, _| digits(&format!("{hour:02}{minute:02}")),
};

/// The row of a language: `de-AT` uses `de`, an unknown one is read digit by digit.
pub(crate) fn grammar(code: &str) -> &'static Grammar {
    let base = code.split(['-', '_']).next().unwrap_or(code);
    GRAMMARS.iter().find(|row| row.code.eq_ignore_ascii_case(base)).unwrap_or(&DIGIT_BY_DIGIT)
}

/// Stems of decimal digits, one by one.
fn digits(text: &str) -> Vec<String> {
    text.chars().map(|digit| format!("digit_{digit}")).collect()
}

/// Stem of a number from 0 to 99.
fn small(number: u32) -> String {
    format!("number_{number}")
}

#[cfg(test)]
pub(crate) fn spoken(code: &str, number: u32, has: Has<'_>) -> String {
    (grammar(code).number)(number, has).join(" ").replace("number_", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_without_a_row_are_read_digit_by_digit() {
        assert_eq!((grammar("fr").number)(405, &|_| true), ["digit_4", "digit_0", "digit_5"]);
        assert_eq!((grammar("fr").time)(9, 5, &|_| true), ["digit_0", "digit_9", "digit_0", "digit_5"]);
        assert!(!grammar("fr").numbers);
        assert_eq!(grammar("de-AT").code, "de");
        assert_eq!(grammar("EN_us").code, "en");
    }

    #[test]
    fn every_number_and_time_uses_clips_that_are_required() {
        for row in GRAMMARS {
            let required = crate::font::required(row);
            let known = |stem: &str| required.iter().any(|known| known == stem);
            for number in (0..2000).chain((2000..1_000_000).step_by(997)).chain([999_999]) {
                let stems = (row.number)(number, &|_| false);
                assert!(!stems.is_empty() && stems.iter().all(|stem| known(stem)), "{number}: {stems:?}");
            }
            for minute in 0..24 * 60u16 {
                let stems = (row.time)((minute / 60) as u8, (minute % 60) as u8, &|_| false);
                assert!(!stems.is_empty() && stems.iter().all(|stem| known(stem)), "{minute}: {stems:?}");
            }
        }
    }
}
