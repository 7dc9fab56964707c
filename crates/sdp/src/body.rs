//! From the octets of a body to a parsed session: mends what real peers get wrong, then `sdp-types` parses.
//!
//! Only the lines that offer/answer needs are kept (`c=`, `a=`, `m=`): a missing `s=` or `t=`, a space in the user
//! of `o=`, a strange `k=` or junk behind the body can then do no harm.

use sdp_types::Session;

use crate::agreement::Refusal;

/// Longest body that is read, in octets.
pub(crate) const MAX_BODY: usize = 65_536;
/// Most media lines that are answered.
const MAX_MEDIA: usize = 64;
/// Most lines that are read.
const MAX_LINES: usize = 4096;

/// Parses a body as it came from the network.
pub(crate) fn parse(octets: &[u8]) -> Result<Session, Refusal> {
    if octets.len() > MAX_BODY {
        return Err(Refusal::new(400, "The session description is too long."));
    }
    let mended = mend(&String::from_utf8_lossy(octets))?;
    Session::parse(mended.as_bytes())
        .map_err(|error| Refusal::new(400, format!("The session description cannot be read: {error}.")))
}

fn mend(text: &str) -> Result<String, Refusal> {
    let mut mended = String::with_capacity(text.len() + 8);
    mended.push_str("v=0\r\n");
    let mut media = 0;
    let mut session_connection = false;
    for line in text.split(['\r', '\n']).take(MAX_LINES) {
        let line = line.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
        let mut characters = line.chars();
        let (Some(key), Some('=')) = (characters.next(), characters.next()) else {
            continue;
        };
        let value = characters.as_str().trim();
        match key {
            'm' => {
                media += 1;
                if media > MAX_MEDIA {
                    return Err(Refusal::new(400, "Too many media lines."));
                }
                push_words(&mut mended, "m=", value);
            }
            // A connection line with anything but three words says nothing.
            'c' if value.split_whitespace().count() == 3 => {
                if media == 0 && std::mem::replace(&mut session_connection, true) {
                    continue;
                }
                push_words(&mut mended, "c=", value);
            }
            'a' if !value.is_empty() => {
                mended.push_str("a=");
                mended.push_str(value);
                mended.push_str("\r\n");
            }
            _ => {}
        }
    }
    if media == 0 {
        return Err(Refusal::new(400, "The session description has no media line."));
    }
    Ok(mended)
}

/// Words with one space between.
fn push_words(out: &mut String, start: &str, value: &str) {
    out.push_str(start);
    for (position, word) in value.split_whitespace().enumerate() {
        if position > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mends_what_peers_get_wrong() {
        let body = b"\xef\xbb\xbfv=0\no=John Doe 1 99999999999999999999 IN IP4 h\nk=prompt\nc=IN  IP4 192.0.2.1\n\
            c=IN IP4 192.0.2.9\nm=audio  4000 RTP/AVP   0 8 \na=\na=ptime: 20\n\xff\xfe junk\r\n\r\n--boundary--";
        let session = parse(body).expect("mended");
        assert_eq!(session.medias.len(), 1);
        assert_eq!(session.medias[0].fmt, "0 8");
        let connection = session.connection.expect("an address");
        assert_eq!(connection.connection_address, "192.0.2.1");
    }

    #[test]
    fn refuses_what_cannot_be_mended() {
        let huge = vec![b'a'; MAX_BODY + 1];
        let many = "m=audio 1 RTP/AVP 0\n".repeat(65);
        for body in
            [&b""[..], b"hello", b"v=0\r\n", b"m=audio", b"m=audio 99999 RTP/AVP 0", &huge, many.as_bytes()]
        {
            assert_eq!(parse(body).expect_err("refused").status, 400);
        }
    }
}
