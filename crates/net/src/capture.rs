//! SIP messages for a capture file: secrets become `x`, octet by octet, so that lengths stay true.

/// What may be read of credentials and challenges; everything else in them is masked.
const OPEN: [&str; 9] = ["username", "realm", "uri", "algorithm", "qop", "nc", "stale", "domain", "userhash"];

/// Masks one whole message: what proves a password (RFC 8760), keys pressed (RFC 6086, RFC 4730), texts, and the keys
/// of SRTP (RFC 4568 §9.2).
pub(crate) fn mask(message: &mut [u8]) {
    let start = message.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(0);
    let message = &mut message[start..];
    let is = |method: &[u8]| {
        message.len() > method.len()
            && message[..method.len()].eq_ignore_ascii_case(method)
            && message[method.len()].is_ascii_whitespace()
    };
    let mut hides_body = is(b"INFO") || is(b"MESSAGE");
    let body = header_end(message);
    let (head, body) = message.split_at_mut(body);
    let mut at = 0;
    while at < head.len() {
        let end = field_end(head, at);
        let field = &mut head[at..end];
        at = end;
        let Some(colon) = field.iter().position(|b| *b == b':') else { continue };
        let name = field[..colon].trim_ascii().to_ascii_lowercase();
        let value = &mut field[colon + 1..];
        match name.as_slice() {
            b"authorization"
            | b"proxy-authorization"
            | b"www-authenticate"
            | b"proxy-authenticate"
            | b"authentication-info"
            | b"proxy-authentication-info" => mask_credentials(value),
            b"content-type" | b"c" => {
                let value = value.to_ascii_lowercase();
                hides_body |= holds(&value, b"dtmf") || holds(&value, b"kpml");
            }
            b"identity" | b"x-password" => hide(value),
            _ => {}
        }
    }
    if hides_body { hide(body) } else { mask_description(body) }
}

/// Every octet but white space.
fn hide(octets: &mut [u8]) {
    for octet in octets.iter_mut().filter(|octet| !octet.is_ascii_whitespace()) {
        *octet = b'x';
    }
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Behind the empty line; the end if there is none.
fn header_end(message: &[u8]) -> usize {
    let mut at = 0;
    while at < message.len() {
        let end = line_end(message, at);
        if message[at..end].iter().all(|b| matches!(b, b'\r' | b'\n')) {
            return end;
        }
        at = end;
    }
    message.len()
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |length| at + length + 1)
}

/// The end of a header field with the lines that continue it (RFC 3261 §7.3.1).
fn field_end(head: &[u8], at: usize) -> usize {
    let mut end = line_end(head, at);
    while head.get(end).is_some_and(|b| matches!(b, b' ' | b'\t')) {
        end = line_end(head, end);
    }
    end
}

/// `Digest name=value, …`: what is not known to be harmless is hidden, other schemes wholly.
fn mask_credentials(value: &mut [u8]) {
    let start = value.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(value.len());
    let rest = &mut value[start..];
    let is_digest = rest.len() >= 6 && rest[..6].eq_ignore_ascii_case(b"digest");
    let has_scheme = rest.iter().take_while(|b| !matches!(b, b'=' | b',')).any(|b| *b == b' ');
    if has_scheme && !is_digest {
        return hide(rest);
    }
    let mut at = if is_digest { 6 } else { 0 };
    while at < rest.len() {
        let Some(equals) = rest[at..].iter().position(|b| *b == b'=').map(|length| at + length) else {
            return hide(&mut rest[at..]);
        };
        let name = rest[at..equals].trim_ascii().to_ascii_lowercase();
        let end = value_end(rest, equals + 1);
        let is_open = OPEN.iter().any(|open| open.as_bytes() == name.as_slice());
        if !is_open {
            for octet in rest[equals + 1..end].iter_mut() {
                if !octet.is_ascii_whitespace() && *octet != b'"' {
                    *octet = b'x';
                }
            }
        }
        at = (end + 1).min(rest.len());
    }
}

/// The comma behind a value that may be quoted, or the end.
fn value_end(bytes: &[u8], from: usize) -> usize {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (index, octet) in bytes.iter().enumerate().skip(from) {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => return index,
            _ => {}
        }
    }
    bytes.len()
}

/// Keys in a session description, wherever it begins in the body.
fn mask_description(body: &mut [u8]) {
    let mut at = 0;
    while at < body.len() {
        let end = line_end(body, at);
        let line = &mut body[at..end];
        at = end;
        let lower = line.to_ascii_lowercase();
        let trimmed = lower.trim_ascii_start();
        // Whatever stands before it: others read such a line with more blanks, or behind a lone carriage return.
        if let Some(key) = lower.windows(7).position(|window| window == b"inline:") {
            hide(&mut line[key + 7..]);
        } else if holds(&lower, b"crypto") {
            // Without the usual word, all that follows may be a key.
            let name = lower.windows(6).position(|window| window == b"crypto").unwrap_or(0);
            hide(&mut line[name + 6..]);
        } else if trimmed.starts_with(b"k=")
            || trimmed.starts_with(b"a=ice-pwd")
            || trimmed.starts_with(b"a=key-mgmt")
        {
            let equals = line.iter().position(|b| *b == b'=').unwrap_or(0);
            hide(&mut line[equals + 1..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        mask(&mut bytes);
        assert_eq!(bytes.len(), text.len());
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn keys_in_info_bodies_are_hidden_whatever_their_type() {
        for body in
            ["Signal=5\r\nDuration=160\r\n", "7", "--x\r\nContent-Type: application/dtmf\r\n\r\n9\r\n--x--"]
        {
            let head = "INFO sip:a@b SIP/2.0\r\nCall-ID: 5\r\nContent-Length: 9\r\n\r\n";
            let text = masked(&format!("{head}{body}"));
            let (shown, hidden) = text.split_at(head.len());
            assert_eq!(shown, head);
            assert!(!hidden.contains(|c: char| c.is_ascii_digit()) && !hidden.contains("Signal"), "{hidden}");
        }
        let text = masked("\r\nNOTIFY sip:a SIP/2.0\nc : application/kpml-response+xml\n\n<digits=\"123\">");
        assert!(!text.contains("123"), "{text}");
        assert!(!masked("MESSAGE sip:a SIP/2.0\r\n\r\nthe code is 99").contains("99"));
    }

    #[test]
    fn what_proves_a_password_is_hidden_and_who_it_was_is_not() {
        let text = masked(
            "REGISTER sip:x SIP/2.0\r\nAUTHORIZATION : Digest username=\"al, \\\"ice\", realm=\"r\",\r\n nonce=\"n0nce\", \
             uri=\"sip:x\", response=\"abc123\", cnonce=\"c1\", nc=00000001, opaque=o9, qop=auth, algorithm=MD5, new=\"s3cret\"\r\n\
             Proxy-Authorization: Basic dXNlcjpwYXNz\r\nAuthentication-Info: nextnonce=\"nn1\", rspauth=\"ra1\"\r\nCSeq: 1 REGISTER\r\n\r\n",
        );
        for secret in ["n0nce", "abc123", "c1\"", "o9", "s3cret", "dXNlcjpwYXNz", "nn1", "ra1"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        for open in [
            "username=\"al, \\\"ice\"",
            "realm=\"r\"",
            "uri=\"sip:x\"",
            "nc=00000001",
            "algorithm=MD5",
            "CSeq: 1 REGISTER",
        ] {
            assert!(text.contains(open), "{open} not in {text}");
        }
        let text = masked(
            "SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"q1\", stale=true\r\n\r\n",
        );
        assert!(!text.contains("q1") && text.contains("stale=true"));
    }

    #[test]
    fn keys_of_srtp_are_hidden() {
        let text = masked(
            "INVITE sip:x SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nm=audio 9 RTP/SAVP 0\r\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32\r\n\
             A=CRYPTO:2 X INLINE:abcdef\r\nk=clear:pass\r\na=rtpmap:0 PCMU/8000\r\na= crypto : 3 X inline:ghi\r\n\
             a=ptime:20\ra=crypto:4 X inline:jkl;inline:mno|2^20\r\n\ta = crypto:5 X pqr\r\n",
        );
        for secret in ["d0Rm", "abcdef", "pass", "ghi", "jkl", "mno", "pqr"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(
            text.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x")
                && text.contains("a=rtpmap:0 PCMU/8000")
        );
    }

    #[test]
    fn anything_can_be_masked() {
        for text in
            ["", "\r\n\r\n", "INFO", "INFO ", "x\n\n", "A: Digest", "a=crypto", "\r\n\r\na=crypto:", "k"]
        {
            masked(text);
            masked(&format!("X y SIP/2.0\r\nAuthorization: {text}"));
            masked(&format!("X y SIP/2.0\r\nAuthorization: Digest {text}\",=,\r\n\r\n{text}"));
        }
    }
}
