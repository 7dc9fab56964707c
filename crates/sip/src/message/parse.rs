//! Cutting a message into start line, header fields and body (RFC 3261 §7).

use super::name::Name;
use super::text::{is_token, text, trim};
use std::borrow::Cow;

/// The octets are not a SIP message; they deserve no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a SIP message")]
pub struct NotSip;

/// Why a message is refused: the status it deserves and one sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{status} {sentence}")]
pub struct Flaw {
    /// Response status, 400..=699.
    pub status: u16,
    /// Reason phrase.
    pub sentence: &'static str,
}

impl Flaw {
    /// A malformed message.
    pub const fn bad(sentence: &'static str) -> Self {
        Flaw { status: 400, sentence }
    }
}

/// The start line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start<'a> {
    /// A request line.
    Request {
        /// Method, a token, case-sensitive.
        method: &'a [u8],
        /// Request-URI as received.
        uri: &'a [u8],
    },
    /// A status line.
    Response {
        /// 100..=699.
        status: u16,
        /// Reason phrase, possibly empty.
        reason: &'a [u8],
    },
}

/// One header field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// The name, if known.
    pub name: Name,
    /// The name as received.
    pub raw_name: &'a [u8],
    /// The value, white space cut from its ends; folds are still in it.
    pub value: &'a [u8],
}

/// A message whose parts are slices of the received octets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// The start line.
    pub start: Start<'a>,
    headers: Vec<Header<'a>>,
    /// The body, cut to Content-Length.
    pub body: &'a [u8],
    /// Why the message must be refused; `None` when cutting went well.
    pub flaw: Option<Flaw>,
}

impl<'a> Message<'a> {
    /// Cuts one message out of a datagram or a stream's frame; leading line ends are skipped, octets after the body ignored.
    ///
    /// Errors only on octets that are no SIP at all; whatever can still be answered comes back with a [`Flaw`].
    pub fn parse(bytes: &'a [u8], max_headers: usize) -> Result<Self, NotSip> {
        let skip = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let mut lines = Lines { rest: &bytes[skip..] };
        let (start, mut flaw) = start_line(lines.next_line().ok_or(NotSip)?)?;
        let mut headers = Vec::with_capacity(20);
        while let Some(line) = lines.next_field() {
            if line.is_empty() {
                break;
            }
            if headers.len() == max_headers {
                flaw = flaw.or(Some(Flaw { status: 513, sentence: "Too Many Header Fields" }));
                lines.rest = &[];
                break;
            }
            match field(line) {
                Ok(header) => headers.push(header),
                Err(error) => flaw = flaw.or(Some(error)),
            }
        }
        if headers.is_empty() {
            return Err(NotSip);
        }
        let mut message = Message { start, headers, body: lines.rest, flaw };
        match message.content_length() {
            Ok(Some(length)) if length <= message.body.len() => message.body = &message.body[..length],
            Ok(Some(_)) => {
                message.flaw = message.flaw.or(Some(Flaw::bad("Body Shorter Than Content-Length")))
            }
            Ok(None) => {}
            Err(error) => message.flaw = message.flaw.or(Some(error)),
        }
        Ok(message)
    }

    /// Content-Length of a header part whose start line may be anything: a stream goes on after a message that is refused.
    pub fn length_of(head: &'a [u8], max_headers: usize) -> Result<Option<usize>, Flaw> {
        let mut lines = Lines { rest: head };
        lines.next_line();
        let mut headers = Vec::new();
        while let Some(line) = lines.next_field() {
            if line.is_empty() || headers.len() == max_headers {
                break;
            }
            headers.extend(field(line).ok());
        }
        Message { start: Start::Response { status: 100, reason: &[] }, headers, body: &[], flaw: None }
            .content_length()
    }

    /// All header fields in order.
    pub fn headers(&self) -> &[Header<'a>] {
        &self.headers
    }

    /// Values of all fields with the name, in order.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.headers.iter().filter(move |h| h.name == name).map(|h| h.value)
    }

    /// Value of the first field with the name.
    pub fn first(&self, name: Name) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The first field's value as text.
    pub fn text(&self, name: Name) -> Option<Cow<'a, str>> {
        self.first(name).map(text)
    }

    /// The value of a field that may stand only once.
    pub fn single(&self, name: Name) -> Result<Option<&'a [u8]>, Flaw> {
        let mut all = self.all(name);
        let first = all.next();
        if all.next().is_some() { Err(Flaw::bad("Header Field Stands Twice")) } else { Ok(first) }
    }

    /// Content-Length in octets. Two fields, a sign or a non-digit are errors even if they agree: that is how requests are smuggled.
    pub fn content_length(&self) -> Result<Option<usize>, Flaw> {
        let Some(value) = self.single(Name::ContentLength)? else { return Ok(None) };
        decimal(value, u32::MAX).map(|n| Some(n as usize)).ok_or(Flaw::bad("Bad Content-Length"))
    }
}

/// An unsigned decimal number of any width up to `max`, nothing else around it.
pub fn decimal(value: &[u8], max: u32) -> Option<u32> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = value
        .iter()
        .try_fold(0u32, |sum, digit| sum.checked_mul(10)?.checked_add(u32::from(digit - b'0')))?;
    (number <= max).then_some(number)
}

struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    fn next_line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = match self.rest.iter().position(|b| *b == b'\n') {
            Some(at) => (&self.rest[..at], &self.rest[at + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// A line together with its folded continuations, as one slice.
    fn next_field(&mut self) -> Option<&'a [u8]> {
        let whole = self.rest;
        let mut length = self.next_line()?.len();
        if length == 0 {
            return Some(&[]);
        }
        while matches!(self.rest.first(), Some(b' ' | b'\t')) {
            let offset = whole.len() - self.rest.len();
            length = offset + self.next_line()?.len();
        }
        Some(&whole[..length])
    }
}

fn start_line(line: &[u8]) -> Result<(Start<'_>, Option<Flaw>), NotSip> {
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return status_line(line).map(|start| (start, None));
    }
    let mut flaw = None;
    let trimmed = trim(line);
    if trimmed.len() != line.len() {
        flaw = Some(Flaw::bad("White Space Around The Request Line"));
    }
    let method_end = trimmed.iter().position(|b| *b == b' ').ok_or(NotSip)?;
    let version_start = trimmed.iter().rposition(|b| *b == b' ').ok_or(NotSip)? + 1;
    let (method, version) = (&trimmed[..method_end], &trimmed[version_start..]);
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
        return Err(NotSip);
    }
    let numbers =
        version.get(..4).filter(|v| v.eq_ignore_ascii_case(b"SIP/")).map(|_| &version[4..]).ok_or(NotSip)?;
    let dot = numbers.iter().position(|b| *b == b'.').ok_or(NotSip)?;
    if decimal(&numbers[..dot], u32::MAX).is_none() || decimal(&numbers[dot + 1..], u32::MAX).is_none() {
        return Err(NotSip);
    }
    if numbers != b"2.0" {
        flaw = flaw.or(Some(Flaw { status: 505, sentence: "Version Not Supported" }));
    }
    let uri =
        if method_end + 1 < version_start { &trimmed[method_end + 1..version_start - 1] } else { &[][..] };
    if uri.is_empty()
        || uri.iter().any(|b| b.is_ascii_whitespace() || b.is_ascii_control() || b"<>\"".contains(b))
    {
        flaw = flaw.or(Some(Flaw::bad("Bad Request-URI")));
    }
    Ok((Start::Request { method, uri: trim(uri) }, flaw))
}

fn status_line(line: &[u8]) -> Result<Start<'_>, NotSip> {
    let rest =
        line.get(..8).filter(|v| v.eq_ignore_ascii_case(b"SIP/2.0 ")).map(|_| &line[8..]).ok_or(NotSip)?;
    let digits = rest.get(..3).ok_or(NotSip)?;
    let status = decimal(digits, 699).filter(|s| *s >= 100).ok_or(NotSip)? as u16;
    match rest.get(3) {
        None => Ok(Start::Response { status, reason: &[] }),
        Some(b' ') => Ok(Start::Response { status, reason: trim(&rest[4..]) }),
        Some(_) => Err(NotSip),
    }
}

fn field(line: &[u8]) -> Result<Header<'_>, Flaw> {
    let colon = line.iter().position(|b| *b == b':').ok_or(Flaw::bad("Header Field Without Colon"))?;
    let raw_name = line[..colon].trim_ascii_end();
    if raw_name.is_empty() || !raw_name.iter().all(|b| is_token(*b)) {
        return Err(Flaw::bad("Bad Header Field Name"));
    }
    let value = trim(&line[colon + 1..]);
    // A lone CR inside a value is a line end to some parsers and a character to others.
    if value.windows(2).any(|w| w[0] == b'\r' && w[1] != b'\n') {
        return Err(Flaw::bad("Carriage Return Within A Header Field"));
    }
    Ok(Header { name: Name::from_bytes(raw_name), raw_name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Message<'_>, NotSip> {
        Message::parse(text.as_bytes(), 64)
    }

    #[test]
    fn careless_but_clear_messages_pass() {
        let message =
            parse("\r\n\r\nOPTIONS sip:a SIP/2.0\nv: SIP/2.0/UDP a\nFrom : <sip:x>\n ;tag=1\nl:3\n\nabcdef")
                .unwrap();
        assert_eq!(message.flaw, None);
        assert_eq!(message.text(Name::From).unwrap(), "<sip:x> ;tag=1");
        assert_eq!(message.body, b"abc");
    }

    #[test]
    fn flaws_are_named() {
        let table: &[(&str, u16)] = &[
            ("OPTIONS sip:a SIP/7.0\r\nl: 0\r\n\r\n", 505),
            ("OPTIONS  sip:a SIP/2.0\r\nl: 0\r\n\r\n", 400),
            ("OPTIONS sip:a SIP/2.0 \r\nl: 0\r\n\r\n", 400),
            ("OPTIONS <sip:a> SIP/2.0\r\nl: 0\r\n\r\n", 400),
            ("OPTIONS sip:a SIP/2.0\r\nl: 0\r\nContent-Length: 0\r\n\r\n", 400),
            ("OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n", 400),
            ("OPTIONS sip:a SIP/2.0\r\nl: +1\r\n\r\n1", 400),
            ("OPTIONS sip:a SIP/2.0\r\nl: 4294967297\r\n\r\n1", 400),
            ("OPTIONS sip:a SIP/2.0\r\nl: 5\r\n\r\n1", 400),
            ("OPTIONS sip:a SIP/2.0\r\nnonsense\r\nl: 0\r\n\r\n", 400),
            ("OPTIONS sip:a SIP/2.0\r\nX: a\rl: 7\r\nl: 0\r\n\r\n", 400),
        ];
        for (text, status) in table {
            assert_eq!(parse(text).unwrap().flaw.map(|f| f.status), Some(*status), "{text:?}");
        }
    }

    #[test]
    fn noise_is_not_sip() {
        for text in [
            "",
            "\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "SIP/2.0 4294967301 x\r\nl: 0\r\n\r\n",
            "SIP/2.0 20\r\na:b\r\n\r\n",
            "OPTIONS sip:a SIP/2.0\r\n\r\n",
            "\0\0\0\0",
        ] {
            assert_eq!(parse(text), Err(NotSip), "{text:?}");
        }
    }

    #[test]
    fn too_many_headers_are_refused_not_kept() {
        let text = format!("OPTIONS sip:a SIP/2.0\r\n{}\r\n", "a: b\r\n".repeat(100));
        let message = parse(&text).unwrap();
        assert_eq!((message.headers().len(), message.flaw.unwrap().status), (64, 513));
    }
}
