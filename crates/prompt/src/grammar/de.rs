//! German: "vierhundert fünf", "vierzehn Uhr dreißig".
use super::{Grammar, Has, small};

pub(super) const GRAMMAR: Grammar = Grammar { code: "de", numbers: true, needs: &["o_clock"], number, time };

/// "Eins" loses its s before hundert, tausend and Uhr. A voice that has a clip `number_ein` says "einhundert",
/// "einundzwanzigtausend eins", "ein Uhr"; without it the one is left out where German allows that ("hundert").
fn number(number: u32, has: Has<'_>) -> Vec<String> {
    let mut stems = Vec::new();
    let rest = number % 1000;
    match number / 1000 % 1000 {
        0 => {}
        1 => stems.push("number_thousand".to_owned()),
        thousands => {
            below_thousand(thousands, true, has, &mut stems);
            stems.push("number_thousand".to_owned());
        }
    }
    if rest > 0 || stems.is_empty() {
        below_thousand(rest, false, has, &mut stems);
    }
    stems
}

/// `bound`: a word follows that swallows the s of "eins".
fn below_thousand(number: u32, bound: bool, has: Has<'_>, stems: &mut Vec<String>) {
    match number / 100 {
        0 => {}
        1 if !has("number_ein") => stems.push("number_hundred".to_owned()),
        1 => stems.extend(["number_ein".to_owned(), "number_hundred".to_owned()]),
        hundreds => stems.extend([small(hundreds), "number_hundred".to_owned()]),
    }
    match number % 100 {
        0 if number > 0 => {}
        1 if bound => stems.push(one(has)),
        rest => stems.push(small(rest)),
    }
}

fn one(has: Has<'_>) -> String {
    if has("number_ein") { "number_ein".to_owned() } else { small(1) }
}

/// "Vierzehn Uhr", "vierzehn Uhr fünf", "ein Uhr dreißig".
fn time(hour: u8, minute: u8, has: Has<'_>) -> Vec<String> {
    let hour = if hour == 1 { one(has) } else { small(u32::from(hour)) };
    let mut stems = vec![hour, "o_clock".to_owned()];
    if minute > 0 {
        stems.push(small(u32::from(minute)));
    }
    stems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::spoken;

    #[test]
    fn numbers() {
        for (number, plain, with_ein) in [
            (0, "0", "0"),
            (1, "1", "1"),
            (42, "42", "42"),
            (100, "hundred", "ein hundred"),
            (101, "hundred 1", "ein hundred 1"),
            (405, "4 hundred 5", "4 hundred 5"),
            (1000, "thousand", "thousand"),
            (1100, "thousand hundred", "thousand ein hundred"),
            (21_345, "21 thousand 3 hundred 45", "21 thousand 3 hundred 45"),
            (101_000, "hundred 1 thousand", "ein hundred ein thousand"),
            (999_999, "9 hundred 99 thousand 9 hundred 99", "9 hundred 99 thousand 9 hundred 99"),
        ] {
            assert_eq!(spoken("de", number, &|_| false), plain);
            assert_eq!(spoken("de", number, &|_| true), with_ein);
        }
    }

    #[test]
    fn times() {
        let time = |hour, minute| time(hour, minute, &|_| false).join(" ").replace("number_", "");
        assert_eq!(time(14, 30), "14 o_clock 30");
        assert_eq!(time(14, 0), "14 o_clock");
        assert_eq!(time(0, 5), "0 o_clock 5");
        assert_eq!(super::time(1, 30, &|_| true), ["number_ein", "o_clock", "number_30"]);
    }
}
