//! A user agent on a bench: paths, virtual time, and the raw messages of a peer.

use passline_sip::message::{Message, Name, Start};
use passline_sip::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::time::{Duration, Instant};

#[allow(clippy::disallowed_methods)] // a test's epoch
pub fn epoch() -> Instant {
    Instant::now()
}

pub const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

pub fn udp(local: &str, remote: &str) -> Flow {
    Flow {
        transport: Transport::Udp,
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
        connection: None,
    }
}

pub fn tcp(local: &str, remote: &str, connection: u64) -> Flow {
    Flow { transport: Transport::Tcp, connection: Some(connection), ..udp(local, remote) }
}

/// One user agent, one peer, one clock.
pub struct Bench {
    pub ua: UserAgent,
    pub now: Instant,
    pub start: Instant,
    pub path: Flow,
    /// Messages sent since the last look, with their milliseconds since the start.
    pub sent: Vec<(u128, Flow, Vec<u8>)>,
    pub events: Vec<Event>,
    pub others: Vec<Output>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(Config::default(), udp("192.0.2.1:5060", "192.0.2.9:5060"))
    }

    pub fn with(config: Config, path: Flow) -> Self {
        let start = epoch();
        let ua = UserAgent::new(config, ChaCha20Rng::seed_from_u64(7));
        Bench { ua, now: start, start, path, sent: Vec::new(), events: Vec::new(), others: Vec::new() }
    }

    pub fn input(&mut self, input: Input<'_>) {
        self.ua.handle(self.now, input);
        while let Some(output) = self.ua.poll() {
            match output {
                Output::Send { path, bytes } => {
                    self.sent.push(((self.now - self.start).as_millis(), path, bytes))
                }
                Output::Event(event) => self.events.push(event),
                other => self.others.push(other),
            }
        }
    }

    pub fn receive(&mut self, text: &str) {
        let path = self.path;
        self.input(Input::Datagram { path, bytes: text.as_bytes() });
    }

    pub fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    /// Lets time pass, timer by timer.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.ua.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Timer);
        }
        self.now = end;
    }

    /// First lines of what was sent since the last look: status codes, or methods.
    pub fn said(&mut self) -> Vec<String> {
        self.sent.drain(..).map(|(_, _, bytes)| verb(&bytes)).collect()
    }

    /// As [`said`](Self::said), with the time of each.
    pub fn said_when(&mut self) -> Vec<(u128, String)> {
        self.sent.drain(..).map(|(ms, _, bytes)| (ms, verb(&bytes))).collect()
    }

    pub fn last(&self) -> String {
        String::from_utf8_lossy(&self.sent.last().expect("something was sent").2).into_owned()
    }

    pub fn happened(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Takes an INVITE through to its Incoming event; returns the handle.
    pub fn incoming(&mut self) -> CallHandle {
        self.receive(&invite("z9hG4bKa", 1, SDP));
        match self.happened().as_slice() {
            [Event::Incoming { call, .. }] => *call,
            other => panic!("{other:?}"),
        }
    }

    /// Takes a call through INVITE, 200, ACK; returns the handle and our tag.
    pub fn confirmed(&mut self) -> (CallHandle, String) {
        let call = self.incoming();
        self.command(Command::Accept { call, sdp: b"v=0\r\n".to_vec() });
        let tag = tag_of(&self.last());
        self.receive(&request("ACK", "z9hG4bKack", 1, &tag, "", ""));
        assert_eq!(self.happened(), [Event::Confirmed { call, sdp: None }]);
        self.said();
        (call, tag)
    }
}

pub fn verb(bytes: &[u8]) -> String {
    match Message::parse(bytes, 99).map(|m| m.start) {
        Ok(Start::Request { method, .. }) => String::from_utf8_lossy(method).into_owned(),
        Ok(Start::Response { status, .. }) => status.to_string(),
        Err(_) => "?".into(),
    }
}

pub fn field(text: &str, name: Name) -> String {
    Message::parse(text.as_bytes(), 99).unwrap().text(name).unwrap_or_default().into_owned()
}

pub fn tag_of(text: &str) -> String {
    field(text, Name::To).rsplit_once("tag=").expect("a To tag").1.to_owned()
}

pub fn invite(branch: &str, cseq: u32, sdp: &str) -> String {
    request(
        "INVITE",
        branch,
        cseq,
        "",
        "Contact: <sip:caller@192.0.2.9:5060>\r\nContent-Type: application/sdp\r\n",
        sdp,
    )
}

/// A request of the peer with the fixed Call-ID and From tag of all these tests.
pub fn request(method: &str, branch: &str, cseq: u32, to_tag: &str, extra: &str, body: &str) -> String {
    let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:5000@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch={branch}\r\nMax-Forwards: 70\r\n\
         From: \"A\" <sip:alice@192.0.2.9>;tag=ft\r\nTo: <sip:5000@192.0.2.1>{tag}\r\nCall-ID: cid\r\nCSeq: {cseq} {method}\r\n\
         {extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The peer's response to a request of ours.
pub fn response(to: &[u8], status: u16, to_tag: &str, extra: &str, body: &str) -> String {
    let message = Message::parse(to, 99).unwrap();
    let value = |name| message.text(name).unwrap();
    let to = value(Name::To);
    let tag = if to_tag.is_empty() || to.contains("tag=") { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "SIP/2.0 {status} X\r\nVia: {}\r\nFrom: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        value(Name::Via),
        value(Name::From),
        value(Name::CallId),
        value(Name::CSeq),
        body.len()
    )
}
