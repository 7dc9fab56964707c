//! Finding the session description in a body, alone or in multipart (RFC 5621).

use super::parse::{Flaw, Message};
use super::text::{text, trim};
use super::{Name, param};

/// What a request's body is to a user agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// No body, or one that may be ignored.
    None,
    /// A session description.
    Sdp(&'a [u8]),
}

/// The media type without parameters, in lower case.
pub fn media_type(message: &Message<'_>) -> Option<String> {
    message.text(Name::ContentType).map(|value| bare_type(&value))
}

fn bare_type(value: &str) -> String {
    value
        .split(';')
        .next()
        .unwrap_or("")
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .collect::<String>()
        .to_ascii_lowercase()
}

/// The session description of a message; 415 for bodies and encodings that cannot be understood (RFC 3261 §8.2.3).
pub fn session_description<'a>(message: &Message<'a>) -> Result<Body<'a>, Flaw> {
    const UNSUPPORTED: Flaw = Flaw { status: 415, sentence: "Unsupported Media Type" };
    if message.body.is_empty() {
        return Ok(Body::None);
    }
    let optional = message.text(Name::ContentDisposition).is_some_and(|v| {
        param::get(v.split_once(';').map_or("", |(_, p)| p), "handling")
            .is_some_and(|h| h.eq_ignore_ascii_case("optional"))
    });
    let refuse = || if optional { Ok(Body::None) } else { Err(UNSUPPORTED) };
    if message
        .text(Name::ContentEncoding)
        .is_some_and(|e| !e.trim().is_empty() && !e.trim().eq_ignore_ascii_case("identity"))
    {
        return refuse();
    }
    let Some(value) = message.text(Name::ContentType) else {
        return if message.body.starts_with(b"v=0") { Ok(Body::Sdp(message.body)) } else { refuse() };
    };
    match bare_type(&value).as_str() {
        "application/sdp" => Ok(Body::Sdp(message.body)),
        kind if kind.starts_with("multipart/") => {
            let boundary = param::get(value.split_once(';').map_or("", |(_, p)| p), "boundary");
            let found =
                boundary.filter(|b| !b.is_empty()).and_then(|b| find_part(message.body, b.as_bytes()));
            found.map_or_else(refuse, |part| Ok(Body::Sdp(part)))
        }
        _ => refuse(),
    }
}

/// First part of type application/sdp; nested multiparts are not entered.
fn find_part<'a>(body: &'a [u8], boundary: &[u8]) -> Option<&'a [u8]> {
    let delimiter = [b"--", boundary].concat();
    let mut rest = &body[find(body, &delimiter)? + delimiter.len()..];
    while !rest.starts_with(b"--") {
        let end = find(rest, &delimiter)?;
        let part = &rest[find(rest, b"\n")? + 1..end.max(find(rest, b"\n")? + 1)];
        if let Some(content) = sdp_part(part) {
            return Some(content);
        }
        rest = &rest[end + delimiter.len()..];
    }
    None
}

fn sdp_part(part: &[u8]) -> Option<&[u8]> {
    let mut rest = part;
    let mut is_sdp = false;
    loop {
        let at = find(rest, b"\n")?;
        let line = trim(&rest[..at]);
        rest = &rest[at + 1..];
        if line.is_empty() {
            // The line end before the delimiter belongs to the delimiter (RFC 2046 §5.1.1).
            let content = rest.strip_suffix(b"\n").unwrap_or(rest);
            return is_sdp.then(|| content.strip_suffix(b"\r").unwrap_or(content));
        }
        let line = text(line);
        if let Some((name, value)) = line.split_once(':')
            && Name::from_bytes(name.trim().as_bytes()) == Name::ContentType
        {
            is_sdp = bare_type(value) == "application/sdp";
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(head: &str, body: &str) -> Result<Option<String>, u16> {
        let text = format!("INVITE sip:a SIP/2.0\r\n{head}\r\n\r\n{body}");
        let message = Message::parse(text.as_bytes(), 64).unwrap();
        match session_description(&message) {
            Ok(Body::None) => Ok(None),
            Ok(Body::Sdp(sdp)) => Ok(Some(String::from_utf8_lossy(sdp).into_owned())),
            Err(flaw) => Err(flaw.status),
        }
    }

    #[test]
    fn bodies() {
        let multi = "preamble\r\n--x\r\nContent-Type: application/isup\r\n\r\nabc\r\n--x\r\nc : Application / SDP\r\n\r\nv=0\r\ns=-\r\n\r\n--x--\r\n";
        assert_eq!(look("c: multipart/mixed ; boundary=\"x\"", multi), Ok(Some("v=0\r\ns=-\r\n".into())));
        assert_eq!(look("Content-Type: APPLICATION/SDP;charset=x", "v=0"), Ok(Some("v=0".into())));
        assert_eq!(look("X: y", "v=0"), Ok(Some("v=0".into())));
        assert_eq!(look("X: y", ""), Ok(None));
        assert_eq!(look("c: application/unknown", "x"), Err(415));
        assert_eq!(look("c: application/unknown\r\nContent-Disposition: x;handling=optional", "x"), Ok(None));
        assert_eq!(look("c: application/sdp\r\ne: gzip", "x"), Err(415));
        for broken in ["", "--x", "--x\r\n", "--x\r\n\r\n", "--x--x", "--x--x\n--x", "--y\r\n\r\n--y--"] {
            assert!(
                matches!(look("c: multipart/mixed;boundary=x", broken), Err(415) | Ok(None)),
                "{broken:?}"
            );
        }
    }
}
