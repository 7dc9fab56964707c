//! What the guard must know of a SIP message, read in one pass without allocation. The user agent parses in earnest.

/// A message at a glance; what is not there or not readable is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Glance<'a> {
    /// Method of a request; empty in a response.
    pub(crate) method: &'a [u8],
    /// Status of a response; 0 in a request.
    pub(crate) status: u16,
    pub(crate) call_id: &'a [u8],
    pub(crate) cseq: &'a [u8],
    pub(crate) from: &'a [u8],
    pub(crate) to: &'a [u8],
    pub(crate) user_agent: &'a [u8],
    /// Credentials are there.
    pub(crate) is_authorized: bool,
    /// A challenge says that only the nonce was too old.
    pub(crate) is_stale: bool,
}

/// Header lines looked at; those that matter come early.
const LINES: usize = 64;

impl<'a> Glance<'a> {
    /// Reads a message or its beginning; `None`: this is no SIP.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Glance<'a>> {
        let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n'))?;
        let mut lines = bytes[start..].split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
        let mut glance = first_line(lines.next()?)?;
        for line in lines.take(LINES) {
            if line.is_empty() {
                break;
            }
            let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
            let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
            let field = match name.len() {
                1 => match name[0].to_ascii_lowercase() {
                    b'i' => &mut glance.call_id,
                    b'f' => &mut glance.from,
                    b't' => &mut glance.to,
                    _ => continue,
                },
                2 if name.eq_ignore_ascii_case(b"to") => &mut glance.to,
                4 if name.eq_ignore_ascii_case(b"from") => &mut glance.from,
                4 if name.eq_ignore_ascii_case(b"cseq") => &mut glance.cseq,
                7 if name.eq_ignore_ascii_case(b"call-id") => &mut glance.call_id,
                10 if name.eq_ignore_ascii_case(b"user-agent") => &mut glance.user_agent,
                13 | 19
                    if name.eq_ignore_ascii_case(b"authorization")
                        || name.eq_ignore_ascii_case(b"proxy-authorization") =>
                {
                    glance.is_authorized = true;
                    continue;
                }
                16 | 18
                    if name.eq_ignore_ascii_case(b"www-authenticate")
                        || name.eq_ignore_ascii_case(b"proxy-authenticate") =>
                {
                    glance.is_stale |= contains(value, b"stale=true");
                    continue;
                }
                _ => continue,
            };
            if field.is_empty() {
                *field = value;
            }
        }
        Some(glance)
    }

    /// The tag of To; empty if there is none.
    pub(crate) fn tag_of_to(&self) -> &'a [u8] {
        tag(self.to)
    }

    /// The tag of From; empty if there is none.
    pub(crate) fn tag_of_from(&self) -> &'a [u8] {
        tag(self.from)
    }

    /// Whether the answer belongs to a request of this method.
    pub(crate) fn answers(&self, method: &[u8]) -> bool {
        self.status != 0 && self.cseq.rsplit(|b| *b == b' ').next() == Some(method)
    }
}

/// Whether this begins as a SIP message does.
pub(crate) fn is_sip(bytes: &[u8]) -> bool {
    let Some(start) = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')) else { return false };
    let rest = &bytes[start..];
    // What no method begins with needs no search for the end of its line.
    if !rest[0].is_ascii_alphabetic() {
        return false;
    }
    let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    first_line(rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end])).is_some()
}

/// The messages that begin in a piece of a stream, each to the end of the piece.
pub(crate) fn messages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let begin = at;
            let end =
                bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |length| at + length + 1);
            at = end;
            let line = bytes[begin..end].trim_ascii_end();
            if line.first().is_some_and(u8::is_ascii_alphabetic) && first_line(line).is_some() {
                return Some(&bytes[begin..]);
            }
            // A body that does not end its last line: the method is the capital letters before the URI.
            if line.ends_with(b" SIP/2.0")
                && let Some(space) = line.iter().position(|b| *b == b' ')
            {
                let capitals = line[..space].iter().rev().take_while(|b| b.is_ascii_uppercase()).count();
                return Some(&bytes[begin + space - capitals.min(60)..]);
            }
        }
        None
    })
}

fn first_line(line: &[u8]) -> Option<Glance<'_>> {
    if let Some(rest) = line.strip_prefix(b"SIP/2.0 ") {
        let digits = rest.get(..3)?;
        let status = std::str::from_utf8(digits).ok()?.parse().ok().filter(|s| (100..700).contains(s))?;
        return Some(Glance { status, ..Glance::default() });
    }
    let space = line.iter().position(|b| *b == b' ')?;
    let method = &line[..space];
    let is_method = !method.is_empty()
        && method.len() <= 64
        && method.iter().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(b));
    let version = line.trim_ascii_end();
    let is_sip = version.len() > 7 && version[version.len() - 7..][..4].eq_ignore_ascii_case(b"SIP/");
    (is_method && is_sip).then(|| Glance { method, ..Glance::default() })
}

/// The value of a `tag` parameter behind the address.
fn tag(value: &[u8]) -> &[u8] {
    let after = value.iter().rposition(|b| *b == b'>').map_or(value, |at| &value[at..]);
    for parameter in after.split(|b| *b == b';').skip(1) {
        let parameter = parameter.trim_ascii();
        if parameter.len() > 4 && parameter[..3].eq_ignore_ascii_case(b"tag") {
            let value = parameter[3..].trim_ascii_start();
            if let Some(value) = value.strip_prefix(b"=") {
                return value.trim_ascii();
            }
        }
    }
    &[]
}

/// Whether `needle` (lower case) is in `haystack`, in either case.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|w| w.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses_at_a_glance() {
        let bytes = b"\r\nINVITE sip:5001@x SIP/2.0\r\nv: SIP/2.0/UDP h\r\nf : \"a;tag=no\" <sip:a@h;tag=no>; TAG = x1\r\n\
            To: sip:5001@x;tag=y-2\r\ni: abc@h\r\nCSeq: 4 INVITE\r\nUser-Agent: Phone 1\r\nauthorization: Digest x\r\n\r\nFrom: body";
        let glance = Glance::of(bytes).expect("SIP");
        assert_eq!((glance.method, glance.status), (&b"INVITE"[..], 0));
        assert_eq!((glance.tag_of_from(), glance.tag_of_to()), (&b"x1"[..], &b"y-2"[..]));
        assert_eq!((glance.call_id, glance.user_agent), (&b"abc@h"[..], &b"Phone 1"[..]));
        assert!(glance.is_authorized && !glance.is_stale && !glance.answers(b"INVITE"));
        let bytes = b"SIP/2.0 401 Unauthorized\nCSeq: 7 REGISTER\nWWW-Authenticate: Digest realm=\"x\", Stale=TRUE\n\n";
        let glance = Glance::of(bytes).expect("SIP");
        assert!(glance.status == 401 && glance.is_stale && glance.answers(b"REGISTER"));
        assert!(glance.tag_of_to().is_empty());
    }

    #[test]
    fn the_messages_in_a_piece_of_a_stream() {
        let piece = b"rest of a body\r\nOPTIONS sip:a SIP/2.0\r\nTo: x\r\n\r\nSIP/2.0 200 OK\r\n\r\nINVITE sip:b SIP/2.0\r\nTo:";
        let found: Vec<Glance<'_>> = messages(piece).filter_map(Glance::of).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(
            (found[0].method, found[1].status, found[2].method),
            (&b"OPTIONS"[..], 200, &b"INVITE"[..])
        );
        let glued = messages(b"v=0INVITE sip:b SIP/2.0\r\n").next().and_then(Glance::of).expect("a message");
        assert_eq!(glued.method, b"INVITE");
        assert_eq!(messages(b"").count() + messages(b"\n\n").count() + messages(&[b'x'; 100]).count(), 0);
    }

    #[test]
    fn what_is_no_sip() {
        for garbage in [
            &b""[..],
            b"\r\n\r\n",
            b"\0\0\0\0",
            b"GET / HTTP/1.1\r\n",
            b"SIP/2.0 9",
            b"SIP/2.0 abc x",
            b" SIP/2.0",
            b"X",
        ] {
            assert_eq!(Glance::of(garbage), None, "{garbage:?}");
            assert!(!is_sip(garbage), "{garbage:?}");
        }
        assert!(is_sip(b"NEWMETHOD sip:x SIP/2.0") && Glance::of(b"NEWMETHOD sip:x SIP/2.0").is_some());
        assert!(Glance::of(&[0xFF; 65_535]).is_none());
    }
}
