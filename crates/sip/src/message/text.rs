//! Octets of header values as text: unfolding, unescaping, and making foreign text harmless.

use std::borrow::Cow;

/// Whether the octet may stand in a token (RFC 3261 §25.1).
pub fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet)
}

/// Cuts white space, including line ends, from both ends.
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && first.is_ascii_whitespace()
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && last.is_ascii_whitespace()
    {
        bytes = rest;
    }
    bytes
}

/// A header value on one line (RFC 3261 §7.3.1: a fold counts as one space). Borrows when there is no fold.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.iter().any(|b| matches!(b, b'\r' | b'\n')) {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) {
        out.extend_from_slice(rest[..at].trim_ascii_end());
        out.push(b' ');
        rest = rest[at..].trim_ascii_start();
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// A header value as text on one line; octets that are not UTF-8 become U+FFFD.
pub fn text(value: &[u8]) -> Cow<'_, str> {
    match unfold(value) {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Text from outside without control characters (each becomes U+FFFD), so that it is inert in logs and terminals.
pub fn inert(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Decodes `%HH` (RFC 3261 §19.1.2); a bare `%` stays.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = (bytes[at] == b'%').then(|| (hex(bytes.get(at + 1)), hex(bytes.get(at + 2))));
        if let Some((Some(high), Some(low))) = pair {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn hex(octet: Option<&u8>) -> Option<u8> {
    octet.and_then(|b| (*b as char).to_digit(16)).map(|d| d as u8)
}

/// Percent escapes for a header field's value inside a URI (RFC 3261 §19.1.1): all but letters, digits and `-_.`.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.".contains(&octet) {
            out.push(octet as char);
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
    out
}

/// The content of a quoted string, its escapes resolved; other text unchanged.
pub fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_become_one_space() {
        assert_eq!(text(b"0009\r\n  INVITE"), "0009 INVITE");
        assert_eq!(text(b"a \n\t b"), "a b");
        assert!(matches!(text(b"plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn escapes_and_quotes() {
        assert_eq!(unescape("sips%3Auser%40example.com"), "sips:user@example.com");
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%Z%45"), "%ZE");
        assert_eq!(escape("a-1@b;to-tag=x"), "a-1%40b%3Bto-tag%3Dx");
        assert_eq!(unquote(r#""J Rosenberg \\\"""#), r#"J Rosenberg \""#);
        assert_eq!(inert("a\u{1b}[31m\r\n"), "a\u{fffd}[31m\u{fffd}\u{fffd}");
    }
}
