//! The SIP messages that a caller sends (RFC 3261 §13, §17): written anew each time, from a few kept texts.
use passline_sip::{
    Credentials,
    message::{Message, Name, Writer},
};
use std::net::SocketAddr;

/// What the messages of all callers have in common.
#[derive(Clone, Debug)]
pub struct Common {
    /// Request-URI of an INVITE.
    pub uri: String,
    /// User part of From and Contact.
    pub user: String,
    /// Our address and port.
    pub local: SocketAddr,
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// Tells this run from others: part of every Call-ID, branch and tag.
    pub run: u32,
    /// For those who ask who calls.
    pub credentials: Option<Credentials>,
}

impl Common {
    /// Call-ID of a caller.
    pub fn call_id(&self, caller: u32) -> String {
        format!("storm-{:08x}-{caller}", self.run)
    }

    /// The caller with this Call-ID; `None` if it is not of this run.
    pub fn caller(&self, call_id: &[u8]) -> Option<u32> {
        let rest = std::str::from_utf8(call_id).ok()?.strip_prefix("storm-")?;
        let (run, caller) = rest.split_once('-')?;
        (u32::from_str_radix(run, 16).ok()? == self.run).then(|| caller.parse().ok())?
    }

    fn contact(&self) -> String {
        let transport = if self.transport == "UDP" { "" } else { ";transport=tcp" };
        format!("<sip:{}@{}{transport}>", self.user, self.local)
    }
}

/// A request of one dialog, to be.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Method.
    pub method: &'a str,
    /// Number of the caller.
    pub caller: u32,
    /// Request-URI.
    pub uri: &'a str,
    /// Sequence number, and what tells the branches of one sequence number apart.
    pub cseq: (u32, &'a str),
    /// To, with its tag once known.
    pub to: &'a str,
    /// Route header fields, in order.
    pub routes: &'a [String],
    /// Further header fields.
    pub headers: &'a [(&'static str, String)],
    /// Content type and body.
    pub body: Option<(&'a str, &'a [u8])>,
}

/// Writes a request.
pub fn request(common: &Common, request: &Request<'_>) -> Vec<u8> {
    let Request { method, caller, uri, cseq: (cseq, apart), to, .. } = *request;
    let Common { local, transport, run, user, .. } = common;
    let mut writer = Writer::request(method, uri);
    writer.header(
        "Via",
        format!("SIP/2.0/{transport} {local};branch=z9hG4bK{run:08x}.{caller}.{cseq}{apart};rport"),
    );
    writer.header("Max-Forwards", "70");
    for route in request.routes {
        writer.header("Route", route);
    }
    writer.header("From", format!("<sip:{user}@{local}>;tag={run:08x}{caller}"));
    writer.header("To", to);
    writer.header("Call-ID", common.call_id(caller));
    writer.header("CSeq", format!("{cseq} {method}"));
    if method != "BYE" && method != "CANCEL" {
        writer.header("Contact", common.contact());
    }
    for (name, value) in request.headers {
        writer.header(name, value);
    }
    if method == "INVITE" {
        writer.header("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE");
        writer.header("User-Agent", "passline-storm");
    }
    match request.body {
        Some((kind, body)) => writer.finish_with(kind, body),
        None => writer.finish(),
    }
}

/// Writes the answer to a request within a dialog.
pub fn response(common: &Common, to: &Message<'_>, status: u16, body: Option<&[u8]>) -> Vec<u8> {
    let mut writer = Writer::response(status, None);
    let copied = [
        (Name::Via, "Via"),
        (Name::From, "From"),
        (Name::To, "To"),
        (Name::CallId, "Call-ID"),
        (Name::CSeq, "CSeq"),
    ];
    for (name, text) in copied {
        for value in to.all(name) {
            writer.header(text, value);
        }
    }
    writer.header("Contact", common.contact());
    match body {
        Some(body) => writer.finish_with("application/sdp", body),
        None => writer.finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use passline_sip::message::{Start, check};

    fn common() -> Common {
        Common {
            uri: "sip:5001@192.0.2.1".into(),
            user: "storm".into(),
            local: "192.0.2.9:5070".parse().unwrap(),
            transport: "TCP",
            run: 0xAB,
            credentials: None,
        }
    }

    #[test]
    fn a_request_is_one_that_we_would_take() {
        let common = common();
        let octets = request(
            &common,
            &Request {
                method: "INVITE",
                caller: 7,
                uri: &common.uri,
                cseq: (1, ""),
                to: "<sip:5001@192.0.2.1>",
                routes: &["<sip:p1;lr>".into(), "<sip:p2;lr>".into()],
                headers: &[("Authorization", "Digest x".into())],
                body: Some(("application/sdp", b"v=0\r\n")),
            },
        );
        let message = Message::parse(&octets, 64).unwrap();
        assert_eq!(message.flaw, None);
        check(&message).unwrap();
        assert_eq!(message.all(Name::Route).count(), 2);
        assert_eq!(message.body, b"v=0\r\n");
        assert_eq!(common.caller(message.first(Name::CallId).unwrap()), Some(7));
        assert_eq!(Common { run: 1, ..common }.caller(message.first(Name::CallId).unwrap()), None);
    }

    #[test]
    fn an_answer_has_the_ways_back() {
        let bye = b"BYE sip:storm@192.0.2.9:5070 SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=1\r\nVia: SIP/2.0/UDP s;branch=2\r\n\
            From: <sip:x>;tag=1\r\nTo: <sip:y>;tag=2\r\nCall-ID: storm-000000ab-7\r\nCSeq: 3 BYE\r\nContent-Length: 0\r\n\r\n";
        let octets = response(&common(), &Message::parse(bye, 64).unwrap(), 200, None);
        let message = Message::parse(&octets, 64).unwrap();
        assert!(matches!(message.start, Start::Response { status: 200, .. }));
        assert_eq!(message.all(Name::Via).count(), 2);
        assert_eq!(message.text(Name::CSeq).unwrap(), "3 BYE");
    }
}
