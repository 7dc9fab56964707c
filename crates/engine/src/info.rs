//! Digits in the bodies of INFO requests.
use passline_rtp::Digit;

/// `application/dtmf-relay` (a Cisco convention): `Signal=5` and `Duration=160` on lines of their own.
pub(crate) const DTMF_RELAY: &str = "application/dtmf-relay";
/// `application/dtmf`: the body is the key, or `Signal=5` as above.
const DTMF: &str = "application/dtmf";

/// Reads a press; `None` for another content type or a body without a key. Duration in ms where given.
pub fn parse(content_type: &str, body: &[u8]) -> Option<(Digit, Option<u32>)> {
    let media_type = content_type.split(';').next()?.trim();
    let relay = media_type.eq_ignore_ascii_case(DTMF_RELAY);
    if !relay && !media_type.eq_ignore_ascii_case(DTMF) {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let mut digit = None;
    let mut duration = None;
    for line in text.split(['\r', '\n']) {
        let Some((name, value)) = line.split_once(['=', ':']) else {
            if !relay && digit.is_none() {
                digit = key(line);
            }
            continue;
        };
        if name.trim().eq_ignore_ascii_case("signal") {
            digit = digit.or_else(|| key(value));
        } else if name.trim().eq_ignore_ascii_case("duration") {
            duration = duration.or_else(|| value.trim().parse().ok());
        }
    }
    digit.map(|digit| (digit, duration))
}

/// One key, or an event code of two figures (10 = `*`, 11 = `#`) as some gateways write.
fn key(text: &str) -> Option<Digit> {
    let text = text.trim();
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => Digit::from_char(only),
        (Some(_), Some(_)) => text.parse().ok().and_then(Digit::from_code),
        _ => None,
    }
}

/// The body for a press of our own.
pub(crate) fn body(digit: Digit, duration_ms: u16) -> Vec<u8> {
    format!("Signal={}\r\nDuration={duration_ms}\r\n", digit.to_char()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_and_both_types_are_read() {
        type Row = (&'static str, &'static str, Option<(char, Option<u32>)>);
        let cases: [Row; 12] = [
            ("application/dtmf-relay", "Signal=5\nDuration=160", Some(('5', Some(160)))),
            ("application/dtmf-relay", "Signal= 5\r\nDuration= 160\r\n", Some(('5', Some(160)))),
            ("Application/DTMF-Relay; x=y", "signal=*\r\n", Some(('*', None))),
            ("application/dtmf-relay", "Signal=#\r\nDuration=x", Some(('#', None))),
            ("application/dtmf-relay", "Signal=11\r\nDuration=80", Some(('#', Some(80)))),
            ("application/dtmf-relay", "Duration=160", None),
            ("application/dtmf-relay", "5", None),
            ("application/dtmf", "5", Some(('5', None))),
            ("application/dtmf", " d \r\n", Some(('D', None))),
            ("application/dtmf", "Signal=7", Some(('7', None))),
            ("application/dtmf", "16", None),
            ("text/plain", "5", None),
        ];
        for (content_type, text, expected) in cases {
            let got = parse(content_type, text.as_bytes());
            assert_eq!(got.map(|(d, ms)| (d.to_char(), ms)), expected, "{content_type} {text:?}");
        }
        assert_eq!(parse("application/dtmf", b"\xff\xfe"), None);
    }

    #[test]
    fn our_own_body_is_read_back() {
        for digit in Digit::ALL {
            assert_eq!(parse(DTMF_RELAY, &body(digit, 160)), Some((digit, Some(160))));
        }
    }
}
