//! Comma lists and semicolon parameters, both aware of quotes and angle brackets.

use std::borrow::Cow;

/// Pieces of `text` between `separator`s that stand outside quoted strings and `<…>`; trimmed, possibly empty.
pub fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let (mut quoted, mut angle, mut escaped) = (false, false, false);
        for (at, octet) in current.bytes().enumerate() {
            match octet {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'<' if !quoted => angle = true,
                b'>' if !quoted => angle = false,
                _ if octet == separator && !quoted && !angle => {
                    rest = Some(&current[at + 1..]);
                    return Some(current[..at].trim());
                }
                _ => {}
            }
        }
        rest = None;
        Some(current.trim())
    })
}

/// The items of a comma list, empty ones left out.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    split(text, b',').filter(|item| !item.is_empty())
}

/// A parameter of a `;`-separated list: `None` if absent, `Some("")` if it has no value. Quotes are resolved.
pub fn get<'a>(params: &'a str, name: &str) -> Option<Cow<'a, str>> {
    pairs(params)
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| super::text::unquote(value.unwrap_or("")))
}

/// All parameters as name and raw value.
pub fn pairs(params: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    split(params, b';').filter(|p| !p.is_empty()).map(|p| match p.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (p, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_quotes_and_brackets_do_not_count() {
        let text = r#""a, \"b" <sip:x,y@h;p>;q="1,2", <sip:z>"#;
        assert_eq!(list(text).collect::<Vec<_>>(), [r#""a, \"b" <sip:x,y@h;p>;q="1,2""#, "<sip:z>"]);
    }

    #[test]
    fn parameters() {
        let params = r#"; tag = 98asjd8 ;lr; foo="b;c";;x="#;
        assert_eq!(get(params, "TAG").as_deref(), Some("98asjd8"));
        assert_eq!(get(params, "lr").as_deref(), Some(""));
        assert_eq!(get(params, "foo").as_deref(), Some("b;c"));
        assert_eq!(get(params, "x").as_deref(), Some(""));
        assert_eq!(get(params, "y"), None);
    }
}
