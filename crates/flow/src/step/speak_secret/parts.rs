//! A secret cut into the parts that are said one after another.
use super::What;
use passline_identity::Secret;
use passline_prompt::phrase::Item;
use std::time::Duration;

/// Digits said in one breath; longer ones are keyed worse.
const GROUP: usize = 3;

/// One part: what is said of it, without what surrounds it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub items: Vec<Item>,
    /// Ends with a hyphen that the caller must type.
    pub hyphen: bool,
}

/// The parts of a secret, which `-` separates.
pub(super) fn parts(secret: &Secret, what: What, pause: Duration) -> Vec<Part> {
    let texts: Vec<&str> = secret.expose().split('-').filter(|text| !text.is_empty()).collect();
    let pause = Item::Pause(u16::try_from(pause.as_millis()).unwrap_or(500));
    let last = texts.len().saturating_sub(1);
    texts
        .iter()
        .enumerate()
        .map(|(at, text)| match what {
            What::Code => Part { items: block(text, &pause), hyphen: false },
            What::Password => password_part(text, at < last, &pause),
        })
        .collect()
}

/// "Maple. Capital M as in Mike, …, hyphen": as a whole where it can be said as a whole, then spelled.
fn password_part(text: &str, hyphen: bool, pause: &Item) -> Part {
    let mut items = Vec::new();
    if is_word(text) || text.bytes().all(|byte| byte.is_ascii_digit()) {
        items.extend([Item::Whole(Secret::new(text)), pause.clone()]);
    }
    let mut spelled = String::with_capacity(text.len() + 1);
    spelled.push_str(text);
    if hyphen {
        spelled.push('-');
    }
    items.push(Item::Spelled(Secret::new(spelled)));
    Part { items, hyphen }
}

/// A word of a list: a capital and at least two small letters.
fn is_word(text: &str) -> bool {
    let mut letters = text.bytes();
    letters.next().is_some_and(|first| first.is_ascii_uppercase())
        && text.len() > 2
        && letters.all(|letter| letter.is_ascii_lowercase())
}

/// A block of a code in groups of three; blocks of other characters are spelled.
fn block(text: &str, pause: &Item) -> Vec<Item> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return vec![Item::Spelled(Secret::new(text))];
    }
    let mut items = Vec::new();
    for at in (0..text.len()).step_by(GROUP) {
        if at > 0 {
            items.push(pause.clone());
        }
        items.push(Item::Whole(Secret::new(&text[at..(at + GROUP).min(text.len())])));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(secret: &str, what: What) -> Vec<String> {
        let show = |item: &Item| match item {
            Item::Whole(part) => part.expose().to_owned(),
            Item::Spelled(part) => format!("<{}>", part.expose()),
            _ => "_".to_owned(),
        };
        let parts = parts(&Secret::new(secret), what, Duration::from_millis(500));
        parts.iter().map(|part| part.items.iter().map(show).collect()).collect()
    }

    #[test]
    fn passwords_are_said_whole_and_spelled_with_their_hyphens() {
        assert_eq!(show("Tango-48-Maple", What::Password), ["Tango_<Tango->", "48_<48->", "Maple_<Maple>"]);
        assert_eq!(show("3BK-999", What::Password), ["<3BK->", "999_<999>"]);
    }

    #[test]
    fn codes_are_said_in_groups_of_three() {
        assert_eq!(show("123456-1234", What::Code), ["123_456", "123_4"]);
        assert_eq!(show("A1-22", What::Code), ["<A1>", "22"]);
    }
}
