//! Follows the SIP dialogs of a capture from outside: calls, their outcome, their media addresses, their INFO digits.
use crate::payload::Mapping;
use passline_rtp::Digit;
use passline_sip::message::{
    Address, Message, Name, Start,
    multipart::{Body, session_description},
    text,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// Header fields beyond this are not read; no telephone sends so many.
const MAX_HEADERS: usize = 256;

/// A digit by SIP INFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfoDigit {
    /// Capture time.
    pub at: Duration,
    /// Who sent it.
    pub from: IpAddr,
    /// Which key.
    pub digit: Digit,
    /// In ms, if told.
    pub duration_ms: Option<u32>,
}

/// One call of the capture.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Call-ID.
    pub call_id: String,
    /// Capture time of its first INVITE.
    pub start: Duration,
    /// Capture time of its last message.
    pub end: Duration,
    /// User part or URI of From.
    pub from: String,
    /// User part or URI of To.
    pub to: String,
    /// Final status of the INVITE that began it: the best one where there are several.
    status: Option<u16>,
    cancelled: bool,
    bye: bool,
    /// Addresses at which audio is received, with what its payload types mean.
    pub media: BTreeMap<SocketAddr, Mapping>,
    /// Since when.
    announced: BTreeMap<SocketAddr, Duration>,
    /// Digits by SIP INFO, each once, however often it was repeated or relayed.
    pub info: Vec<InfoDigit>,
    seen_info: BTreeSet<(String, String)>,
}

impl Call {
    /// `answered+bye`, `answered`, `cancelled`, `failed 486`, `no final`.
    pub fn outcome(&self) -> String {
        match self.status {
            Some(200..=299) if self.bye => "answered+bye".into(),
            Some(200..=299) => "answered".into(),
            // Whatever status ended it then: the caller did not want it any more.
            _ if self.cancelled => "cancelled".into(),
            Some(status) => format!("failed {status}"),
            None => "no final".into(),
        }
    }
}

/// The calls of a capture, by Call-ID.
#[derive(Default)]
pub struct Watch {
    /// In the order of their first INVITE.
    pub calls: Vec<Call>,
    by_id: BTreeMap<String, usize>,
}

impl Watch {
    /// A datagram or a stream's message; false if it is no SIP.
    pub fn message(&mut self, at: Duration, from: SocketAddr, bytes: &[u8]) -> bool {
        // Keep-alives, and datagrams that cannot begin a SIP message, are not worth a parse.
        if !bytes.iter().find(|b| !matches!(b, b'\r' | b'\n')).is_some_and(u8::is_ascii_alphabetic) {
            return false;
        }
        let Ok(message) = Message::parse(bytes, MAX_HEADERS) else { return false };
        let Some(call_id) = message.text(Name::CallId) else { return true };
        let cseq = message.text(Name::CSeq).unwrap_or_default();
        let cseq_method = cseq.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let method = match message.start {
            Start::Request { method, .. } => text::text(method).into_owned(),
            Start::Response { .. } => cseq_method,
        };
        let index = match self.by_id.get(call_id.as_ref()) {
            Some(index) => *index,
            None if method == "INVITE" => {
                let party = |name| message.text(name).map(|value| party(&value)).unwrap_or_default();
                let call_id = call_id.into_owned();
                self.by_id.insert(call_id.clone(), self.calls.len());
                let (from, to) = (party(Name::From), party(Name::To));
                self.calls.push(Call { call_id, start: at, from, to, ..Call::default() });
                self.calls.len() - 1
            }
            None => return true,
        };
        let call = &mut self.calls[index];
        call.end = at;
        match (&message.start, method.as_str()) {
            (Start::Request { .. }, "CANCEL") => call.cancelled = true,
            (Start::Request { .. }, "BYE") => call.bye = true,
            (Start::Request { .. }, "INFO") => call.note_info(at, from.ip(), &message, &cseq),
            (Start::Response { status, .. }, "INVITE") if *status >= 200 => call.note_final(*status),
            _ => {}
        }
        if matches!(method.as_str(), "INVITE" | "ACK" | "PRACK" | "UPDATE")
            && let Ok(Body::Sdp(sdp)) = session_description(&message)
        {
            call.note_media(at, sdp);
        }
        true
    }

    /// The call to which a datagram belongs. Ports are used again by later calls: a call that announced both addresses
    /// comes before one that announced only one, and among those the one whose announcement is the newest.
    pub fn call_of(&self, from: SocketAddr, to: SocketAddr, at: Duration) -> Option<usize> {
        let since =
            |call: &Call, address| call.announced.get(&address).filter(|since| **since <= at).copied();
        let known = self.calls.iter().enumerate().filter_map(|(index, call)| {
            let ends = [since(call, to), since(call, from)];
            let newest = ends.into_iter().flatten().max()?;
            Some((ends.iter().flatten().count(), newest, index))
        });
        let early =
            || self.calls.iter().position(|call| [to, from].iter().any(|end| call.media.contains_key(end)));
        // Media may be captured before the description that announces it.
        known.max().map(|(.., index)| index).or_else(early)
    }
}

impl Call {
    /// A challenge is no outcome where the call goes on, and nothing is worse than an answer.
    fn note_final(&mut self, status: u16) {
        let keep = matches!(self.status, Some(200..=299));
        if !keep {
            self.status = Some(status);
        }
    }

    fn note_info(&mut self, at: Duration, from: IpAddr, message: &Message<'_>, cseq: &str) {
        let Some(content_type) = message.text(Name::ContentType) else { return };
        let Some((digit, duration_ms)) = passline_engine::parse_info(&content_type, message.body) else {
            return;
        };
        let sender = message.text(Name::From).unwrap_or_default();
        let tag =
            Address::parse(&sender).ok().and_then(|from| from.tag().map(str::to_owned)).unwrap_or_default();
        if self.seen_info.insert((tag, cseq.to_owned())) {
            self.info.push(InfoDigit { at, from, digit, duration_ms });
        }
    }

    fn note_media(&mut self, at: Duration, sdp: &[u8]) {
        for audio in passline_sdp::observe(sdp) {
            self.announced.entry(audio.address).or_insert(at);
            let media = self.media.entry(audio.address).or_default();
            media.names.extend(audio.names);
            media.clock_rates.extend(audio.clock_rates);
        }
    }
}

/// A party as a person would name it: the user part of its URI, or the URI.
fn party(value: &str) -> String {
    let Ok(address) = Address::parse(value) else { return text::inert(value) };
    let number = address.uri().map(|uri| uri.number()).unwrap_or_default();
    text::inert(if number.is_empty() { value } else { &number })
}
