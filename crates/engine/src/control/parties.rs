//! Names and numbers of those who call and are called.
use crate::{Identity, IdentitySource, Policy};
use passline_sip::IncomingCall;
use passline_sip::message::Address;
use std::fmt::Write;

/// Longest number that is dialled.
const LONGEST: usize = 64;
/// Diversions kept.
const DIVERSIONS: usize = 8;

/// Whether this can be dialled over a trunk: digits and what telephones have beside them, and plain names.
pub(super) fn dialable(number: &str) -> bool {
    !number.is_empty()
        && number.len() <= LONGEST
        && number.chars().all(|c| c.is_ascii_alphanumeric() || "+*#-_.".contains(c))
}

/// The user part of a URI (RFC 3261 §25.1), what must be escaped escaped.
pub(super) fn user_part(number: &str) -> String {
    let mut out = String::with_capacity(number.len());
    for octet in number.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(octet as char),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' | b'+' => out.push(octet as char),
            // Writing to a string does not fail.
            _ => drop(write!(out, "%{octet:02X}")),
        }
    }
    out
}

/// A display name between quotes, harmless in a header field.
fn quoted(name: &str) -> String {
    let kept: String = name.chars().filter(|c| !c.is_control() && *c != '"' && *c != '\\').take(64).collect();
    format!("\"{kept}\"")
}

/// The From of a call that we place for somebody.
pub(super) fn from_header(caller: &Identity, user: Option<&str>, host: &str) -> String {
    if caller.private {
        // RFC 3323 §4.1.1.3.
        return "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned();
    }
    let number = user.unwrap_or(&caller.number);
    let number = if number.is_empty() { "passline" } else { number };
    let name = if caller.name.is_empty() { String::new() } else { format!("{} ", quoted(&caller.name)) };
    format!("{name}<sip:{}@{host}>", user_part(number))
}

/// What a trusted trunk is told of the caller (RFC 3325), who may have asked for privacy.
pub(super) fn asserted_headers(caller: &Identity, host: &str) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    if caller.source.is_trusted() && !caller.number.is_empty() {
        let open = Identity { private: false, ..caller.clone() };
        headers.push(("P-Asserted-Identity".to_owned(), from_header(&open, None, host)));
    }
    if caller.private {
        headers.push(("Privacy".to_owned(), "id".to_owned()));
    }
    headers
}

/// One of our own devices.
pub(super) fn of_device(policy: &Policy, account: &str) -> Identity {
    Identity {
        number: account.to_owned(),
        name: policy.device(account).map(|device| device.display.clone()).unwrap_or_default(),
        source: IdentitySource::Account,
        private: false,
    }
}

/// Who calls, by what the INVITE says: P-Asserted-Identity, then Remote-Party-ID, then From; all but From only where
/// the trunk is trusted.
pub(super) fn of_caller(info: &IncomingCall, trusted: bool) -> Identity {
    // Anybody may ask for privacy, and it costs nothing to grant it in logs.
    let asked = info.privacy.as_deref().is_some_and(|value| {
        let mut wishes = value.split([';', ',']);
        wishes.any(|wish| ["id", "user", "header"].iter().any(|w| wish.trim().eq_ignore_ascii_case(w)))
    });
    let hidden = asked || info.from_user.eq_ignore_ascii_case("anonymous");
    if trusted {
        if let Some((number, name)) = info.asserted.iter().find_map(|item| party(item)) {
            return Identity { number, name, source: IdentitySource::Asserted, private: hidden };
        }
        if let Some(value) = &info.remote_party_id
            && let Some((number, name)) = party(value)
        {
            let lower = value.to_ascii_lowercase();
            let private = hidden || lower.contains(";privacy=") && !lower.contains(";privacy=off");
            return Identity { number, name, source: IdentitySource::RemoteParty, private };
        }
    }
    Identity {
        number: info.from_user.clone(),
        name: info.from_display.clone(),
        source: if trusted { IdentitySource::TrustedFrom } else { IdentitySource::From },
        private: asked,
    }
}

/// Number and name of one identity.
fn party(item: &str) -> Option<(String, String)> {
    let address = Address::parse(item).ok()?;
    let number = address.uri()?.number();
    (!number.is_empty()).then(|| (number, address.display_name().into_owned()))
}

/// Who diverted the call, the last first: Diversion (RFC 5806), else History-Info (RFC 7044) without its last entry,
/// which is ourselves.
pub(super) fn diversions(info: &IncomingCall) -> Vec<String> {
    let number = |item: &String| IncomingCall::identity(item).map(|(_, number)| number);
    if !info.diversions.is_empty() {
        return info.diversions.iter().filter_map(number).take(DIVERSIONS).collect();
    }
    info.history.iter().rev().skip(1).filter_map(number).take(DIVERSIONS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_harmless_in_headers() {
        assert_eq!(user_part("+49*30#1"), "+49*30%231");
        assert_eq!(user_part("a@b;c\r\nX: y"), "a%40b%3Bc%0D%0AX%3A%20y");
        let caller = Identity { number: "5".into(), name: "A\"\r\nB\\".into(), ..Identity::default() };
        assert_eq!(from_header(&caller, None, "h"), "\"AB\" <sip:5@h>");
        assert_eq!(from_header(&caller, Some("trunk"), "h"), "\"AB\" <sip:trunk@h>");
        let private = Identity { private: true, ..caller };
        assert!(!from_header(&private, None, "h").contains('5'));
    }

    #[test]
    fn only_what_telephones_can_dial_is_dialled() {
        for number in ["0", "+4930123", "*21#", "hotline"] {
            assert!(dialable(number), "{number}");
        }
        for number in ["", "1@evil", "1;x=y", "1 2", "ä", &"9".repeat(65)] {
            assert!(!dialable(number), "{number}");
        }
    }
}
