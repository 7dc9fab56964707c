//! From, To, Contact, Route and their like: `name-addr` or `addr-spec` with parameters (RFC 3261 §20.10).

use super::parse::Flaw;
use super::text::unquote;
use super::{Uri, param};
use std::borrow::Cow;

/// One address with its parameters, as a view of its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address<'a> {
    /// Display name as received, possibly quoted.
    pub display: &'a str,
    /// URI text, without the brackets.
    pub uri: &'a str,
    /// Parameters of the header field, with the leading `;`.
    pub params: &'a str,
}

impl<'a> Address<'a> {
    /// Parses one address. Without brackets all parameters belong to the header field (RFC 3261 §20).
    pub fn parse(text: &'a str) -> Result<Self, Flaw> {
        let text = text.trim();
        let open = if text.starts_with('"') {
            let close = quoted_end(text).ok_or(Flaw::bad("Unbalanced Quotes"))?;
            let gap = text[close..].len() - text[close..].trim_start().len();
            if !text[close + gap..].starts_with('<') {
                return Err(Flaw::bad("Bad Address"));
            }
            Some(close + gap)
        } else {
            text.find('<')
        };
        let Some(open) = open else {
            let at = text.find(';').unwrap_or(text.len());
            let uri = text[..at].trim_end();
            // RFC 3261 §20.10: a bare URI with a question mark or comma must stand in brackets.
            if uri.is_empty() || uri.contains(['?', ',', '>', '"']) || uri.contains(char::is_whitespace) {
                return Err(Flaw::bad("Bad Address"));
            }
            return Ok(Address { display: "", uri, params: &text[at..] });
        };
        let close = open + text[open..].find('>').ok_or(Flaw::bad("Unbalanced Angle Brackets"))?;
        let params = text[close + 1..].trim();
        let uri = text[open + 1..close].trim();
        if uri.is_empty() || !(params.is_empty() || params.starts_with(';')) {
            return Err(Flaw::bad("Bad Address"));
        }
        Ok(Address { display: text[..open].trim(), uri, params })
    }

    /// The URI, if it is well formed.
    pub fn uri(&self) -> Option<Uri<'a>> {
        Uri::parse(self.uri)
    }

    /// Display name without quotes and escapes.
    pub fn display_name(&self) -> Cow<'a, str> {
        unquote(self.display)
    }

    /// A parameter of the header field.
    pub fn param(&self, name: &str) -> Option<Cow<'a, str>> {
        param::get(self.params, name)
    }

    /// The tag, raw; `None` if absent or empty.
    pub fn tag(&self) -> Option<&'a str> {
        param::pairs(self.params)
            .find(|(key, _)| key.eq_ignore_ascii_case("tag"))
            .and_then(|(_, value)| value)
            .filter(|v| !v.is_empty())
    }
}

/// The URI of an address, or a URI by itself, whose parameters stay with it.
pub fn bare_uri(text: &str) -> &str {
    if text.contains('<') { Address::parse(text).map_or(text, |a| a.uri) } else { text.trim() }
}

/// Index after the closing quote of a string that starts with one.
fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_real_phones() {
        let table: &[(&str, &str, &str, Option<&str>)] = &[
            (r#""Doe, <John>" <sip:j@h;p=1>;tag=1"#, "Doe, <John>", "sip:j@h;p=1", Some("1")),
            ("sip:j@h;tag=ab", "", "sip:j@h", Some("ab")),
            ("caller<sip:c@h>;tag=323", "caller", "sip:c@h", Some("323")),
            ("Bell, Alexander <sip:a@h>;tag=43", "Bell, Alexander", "sip:a@h", Some("43")),
            (r#""Watson" < sip:t@h >"#, "Watson", "sip:t@h", None),
            (r#""J \\\""   <sip:j@h> ; tag = 98"#, r#"J \""#, "sip:j@h", Some("98")),
            (r#"<sip:a@h>;+sip.instance="<urn:uuid:1>";foo="b;tag=x";tag=y"#, "", "sip:a@h", Some("y")),
            ("<sip:a@[2001:db8::1]>", "", "sip:a@[2001:db8::1]", None),
        ];
        for (text, display, uri, tag) in table {
            let address = Address::parse(text).unwrap();
            assert_eq!(
                (address.display_name().as_ref(), address.uri, address.tag()),
                (*display, *uri, *tag),
                "{text}"
            );
        }
    }

    #[test]
    fn ambiguous_addresses_are_refused() {
        for text in [
            "",
            r#""Mr. User <sip:j@h>"#,
            "<sip:j@h",
            "sip:a@h?Route=x",
            "<sip:a@h> x",
            "\"a\" sip:b@h",
            "<>",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
