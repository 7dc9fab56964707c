//! Writing messages. Whatever comes from outside cannot break out of its line.

use super::status;

/// A message being written: start line first, then header fields, then the body.
#[derive(Clone, Debug)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Starts a request.
    pub fn request(method: &str, uri: &str) -> Self {
        let mut writer = Writer { out: Vec::with_capacity(1024) };
        writer.line(&[method.as_bytes(), b" ", uri.as_bytes(), b" SIP/2.0"]);
        writer
    }

    /// Starts a response; the standard reason phrase unless one is given.
    pub fn response(status: u16, reason: Option<&str>) -> Self {
        let mut writer = Writer { out: Vec::with_capacity(1024) };
        let reason = reason.unwrap_or(status::reason(status));
        writer.line(&[b"SIP/2.0 ", status.to_string().as_bytes(), b" ", reason.as_bytes()]);
        writer
    }

    /// Adds a header field.
    pub fn header(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.line(&[name.as_bytes(), b": ", value.as_ref()]);
        self
    }

    /// Adds finished header lines, each with its CRLF, as kept from an earlier writer.
    pub fn block(&mut self, lines: &[u8]) -> &mut Self {
        self.out.extend_from_slice(lines);
        self
    }

    /// Adds Content-Length 0 and ends the message.
    pub fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        self.out
    }

    /// Adds the body with its type and length, and ends the message.
    pub fn finish_with(mut self, content_type: &str, body: &[u8]) -> Vec<u8> {
        if body.is_empty() {
            return self.finish();
        }
        self.header("Content-Type", content_type);
        self.header("Content-Length", body.len().to_string());
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body);
        self.out
    }

    fn line(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.out.extend(part.iter().map(|b| if matches!(b, b'\r' | b'\n' | 0) { b' ' } else { *b }));
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Header lines without a start line, for [`Writer::block`].
#[derive(Clone, Debug)]
pub struct Block(Writer);

impl Default for Block {
    fn default() -> Self {
        Block(Writer { out: Vec::with_capacity(512) })
    }
}

impl Block {
    /// Adds a header field.
    pub fn header(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.0.header(name, value);
        self
    }

    /// The lines, each with its CRLF; they may be kept for long, so without spare room.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.0.out.shrink_to_fit();
        self.0.out
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Message, Name, Start};
    use super::*;

    #[test]
    fn values_cannot_break_out_of_their_line() {
        let mut writer = Writer::response(486, Some("Busy\r\nX: y"));
        writer.header("Call-ID", b"a\r\n\r\nb\0");
        let bytes = writer.finish_with("application/sdp", b"v=0\r\n");
        let message = Message::parse(&bytes, 9).unwrap();
        assert_eq!(message.start, Start::Response { status: 486, reason: b"Busy  X: y" });
        assert_eq!(message.first(Name::CallId), Some(b"a    b".as_slice()));
        assert_eq!((message.headers().len(), message.body), (3, b"v=0\r\n".as_slice()));
    }
}
