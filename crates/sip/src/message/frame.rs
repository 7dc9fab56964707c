//! Cutting a stream into messages (RFC 3261 §18.3, keep-alives of RFC 5626 §3.5.1).

use super::parse::{Flaw, Message};

/// What a stream yields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// One whole message: start line, header fields, body.
    Message(Vec<u8>),
    /// CRLF CRLF between messages: answer with CRLF.
    Ping,
    /// Where the next message begins cannot be known: answer the flaw if `head` allows it, then close. Nothing follows.
    Lost {
        /// The header part of the message that broke the framing.
        head: Vec<u8>,
        /// What is wrong.
        flaw: Flaw,
    },
}

/// Octets of one stream, waiting to become messages. Holds at most one message beyond its limit.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Octets at the front that are known to hold no end of the header part.
    searched: usize,
    /// Whole length of the message at the front, once its header part is read.
    wanted: Option<usize>,
    lost: bool,
    max_message: usize,
    max_headers: usize,
}

impl Framer {
    /// An empty stream; limits in octets and header fields.
    pub fn new(max_message: usize, max_headers: usize) -> Self {
        Framer { buffer: Vec::new(), searched: 0, wanted: None, lost: false, max_message, max_headers }
    }

    /// Takes octets as read; then ask for frames until `None`.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.lost {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether part of a message waits for its rest.
    pub fn is_partial(&self) -> bool {
        self.buffer.iter().any(|b| !matches!(b, b'\r' | b'\n'))
    }

    /// The next frame, if it is complete.
    pub fn next_frame(&mut self) -> Option<Frame> {
        if self.lost {
            return None;
        }
        if self.wanted.is_none() {
            if let Some(ping) = self.skip_line_ends() {
                return Some(ping);
            }
            if self.buffer.is_empty() {
                return None;
            }
            if let Err(flaw) = self.plausible() {
                return Some(self.lose(0, flaw));
            }
            let Some(head) = self.find_head_end() else {
                return (self.buffer.len() > self.max_message).then(|| self.lose(0, TOO_LARGE));
            };
            let first = self.buffer.iter().position(|b| *b == b'\n').unwrap_or(head);
            if !self.buffer[..first].windows(4).any(|w| w.eq_ignore_ascii_case(b"SIP/")) {
                return Some(self.lose(0, Flaw::bad("Not SIP")));
            }
            let length = match Message::length_of(&self.buffer[..head], self.max_headers) {
                Ok(Some(length)) => length,
                Ok(None) => return Some(self.lose(head, Flaw::bad("Missing Content-Length"))),
                Err(flaw) => return Some(self.lose(head, flaw)),
            };
            match head.checked_add(length) {
                Some(whole) if whole <= self.max_message => self.wanted = Some(whole),
                _ => return Some(self.lose(head, TOO_LARGE)),
            }
        }
        let wanted = self.wanted?;
        if self.buffer.len() < wanted {
            return None;
        }
        let rest = self.buffer.split_off(wanted);
        self.searched = 0;
        self.wanted = None;
        Some(Frame::Message(std::mem::replace(&mut self.buffer, rest)))
    }

    fn skip_line_ends(&mut self) -> Option<Frame> {
        if self.searched > 0 {
            return None;
        }
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.drain(..4);
            return Some(Frame::Ping);
        }
        let ends = self.buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        // A single CRLF may be the first half of a ping: keep it until more comes.
        if ends < self.buffer.len() || ends > 4 {
            self.buffer.drain(..ends);
        }
        if ends > 0 && ends == self.buffer.len() {
            self.searched = 0;
        }
        None
    }

    /// Finds early that the peer does not speak SIP, before it has filled the buffer.
    fn plausible(&self) -> Result<(), Flaw> {
        if self.buffer.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            return Ok(());
        }
        if self.searched == 0
            && !super::text::is_token(self.buffer[0])
            && !matches!(self.buffer[0], b'\r' | b'\n')
        {
            return Err(Flaw::bad("Not SIP"));
        }
        Ok(())
    }

    fn find_head_end(&mut self) -> Option<usize> {
        if self.buffer.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            return None;
        }
        // An end found across the seam of two reads is at most three octets long.
        let from = self.searched.saturating_sub(3);
        let mut at = from;
        while let Some(step) = self.buffer[at..].iter().position(|b| *b == b'\n') {
            let after = &self.buffer[at + step + 1..];
            if after.starts_with(b"\n") {
                return Some(at + step + 2);
            }
            if after.starts_with(b"\r\n") {
                return Some(at + step + 3);
            }
            at += step + 1;
        }
        self.searched = self.buffer.len();
        None
    }

    fn lose(&mut self, head: usize, flaw: Flaw) -> Frame {
        self.lost = true;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.truncate(head);
        Frame::Lost { head: buffer, flaw }
    }
}

const TOO_LARGE: Flaw = Flaw { status: 513, sentence: "Message Too Large" };

#[cfg(test)]
mod tests {
    use super::*;

    const A: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nl: 3\r\n\r\nabc";
    const B: &[u8] = b"BYE sip:b SIP/2.0\nContent-Length : 0\n\n";

    fn frames(stream: &[u8], step: usize) -> Vec<Frame> {
        let mut framer = Framer::new(2000, 64);
        let mut out = Vec::new();
        for piece in stream.chunks(step) {
            framer.push(piece);
            while let Some(frame) = framer.next_frame() {
                out.push(frame);
            }
        }
        out
    }

    #[test]
    fn cuts_do_not_matter() {
        let stream = [b"\r\n".as_slice(), A, B, b"\r\n\r\n", A, b"\r\n", B].concat();
        let expected = vec![
            Frame::Message(A.to_vec()),
            Frame::Message(B.to_vec()),
            Frame::Ping,
            Frame::Message(A.to_vec()),
            Frame::Message(B.to_vec()),
        ];
        for step in 1..stream.len() {
            assert_eq!(frames(&stream, step), expected, "step {step}");
        }
    }

    #[test]
    fn lost_framing_says_why_and_stops() {
        let table: &[(&str, u16)] = &[
            ("OPTIONS sip:a SIP/2.0\r\nTo: x\r\n\r\n", 400),
            ("OPTIONS sip:a SIP/2.0\r\nl: -999\r\n\r\nabc", 400),
            ("OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 0\r\n\r\n", 400),
            ("OPTIONS sip:a SIP/2.0\r\nl: 4294967295\r\n\r\n", 513),
            ("OPTIONS sip:a SIP/2.0\r\nl: 2000\r\n\r\n", 513),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("\u{16}\u{3}\u{1}", 400),
        ];
        for (text, status) in table {
            let found = frames(&[text.as_bytes(), A].concat(), 5);
            assert!(
                matches!(found.as_slice(), [Frame::Lost { flaw, .. }] if flaw.status == *status),
                "{text:?} {found:?}"
            );
        }
        let endless = [b"OPTIONS sip:a SIP/2.0\r\nX: ".as_slice(), &[b'a'; 3000]].concat();
        assert!(matches!(frames(&endless, 100).as_slice(), [Frame::Lost { flaw: TOO_LARGE, .. }]));
    }
}
