//! English: "four hundred five", "fourteen thirty".
use super::{Grammar, Has, small};

pub(super) const GRAMMAR: Grammar = Grammar { code: "en", numbers: true, needs: &[], number, time };

/// A clip `number_and`, where a voice has one, makes it British: "four hundred and five".
fn number(number: u32, has: Has<'_>) -> Vec<String> {
    let mut stems = Vec::new();
    let rest = if number >= 1000 {
        below_thousand(number / 1000 % 1000, has, &mut stems);
        stems.push("number_thousand".to_owned());
        number % 1000
    } else {
        number
    };
    if rest > 0 || stems.is_empty() {
        if !stems.is_empty() && rest < 100 && has("number_and") {
            stems.push("number_and".to_owned());
        }
        below_thousand(rest, has, &mut stems);
    }
    stems
}

fn below_thousand(number: u32, has: Has<'_>, stems: &mut Vec<String>) {
    if number >= 100 {
        stems.push(small(number / 100));
        stems.push("number_hundred".to_owned());
        if number.is_multiple_of(100) {
            return;
        }
        if has("number_and") {
            stems.push("number_and".to_owned());
        }
    }
    stems.push(small(number % 100));
}

/// In 24 hours, since a caller at night must not guess: "fourteen thirty", "nine zero five", "fourteen hundred".
fn time(hour: u8, minute: u8, _has: Has<'_>) -> Vec<String> {
    let mut stems = Vec::new();
    if hour == 0 || (hour < 10 && minute == 0) {
        // "Zero nine hundred", since "nine hundred" alone sounds like a number.
        stems.push(small(0));
    }
    if hour > 0 || minute == 0 {
        stems.push(small(u32::from(hour)));
    }
    match minute {
        0 => stems.push("number_hundred".to_owned()),
        1..=9 => stems.extend([small(0), small(u32::from(minute))]),
        _ => stems.push(small(u32::from(minute))),
    }
    stems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::spoken;

    #[test]
    fn numbers() {
        for (number, text) in [
            (0, "0"),
            (7, "7"),
            (42, "42"),
            (100, "1 hundred"),
            (405, "4 hundred 5"),
            (999, "9 hundred 99"),
            (1000, "1 thousand"),
            (1001, "1 thousand 1"),
            (21_345, "21 thousand 3 hundred 45"),
            (101_000, "1 hundred 1 thousand"),
            (999_999, "9 hundred 99 thousand 9 hundred 99"),
        ] {
            assert_eq!(spoken("en", number, &|_| false), text);
        }
        assert_eq!(spoken("en", 405, &|_| true), "4 hundred and 5");
        assert_eq!(spoken("en", 1001, &|_| true), "1 thousand and 1");
        assert_eq!(spoken("en", 1400, &|_| true), "1 thousand 4 hundred");
    }

    #[test]
    fn times() {
        for (hour, minute, text) in [
            (14, 30, "14 30"),
            (14, 5, "14 0 5"),
            (14, 0, "14 hundred"),
            (9, 30, "9 30"),
            (9, 5, "9 0 5"),
            (9, 0, "0 9 hundred"),
            (0, 0, "0 0 hundred"),
            (0, 5, "0 0 5"),
            (0, 15, "0 15"),
            (23, 59, "23 59"),
        ] {
            assert_eq!(time(hour, minute, &|_| false).join(" ").replace("number_", ""), text);
        }
    }
}
