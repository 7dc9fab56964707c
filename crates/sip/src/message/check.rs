//! What every message must have before anyone acts on it (RFC 3261 §8.1.1, §8.2, §16.3).

use super::parse::{Flaw, Message, Start, decimal};
use super::text::{inert, text, unfold};
use super::{Address, Name, Via, param};

/// Request methods.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Method {
    /// RFC 3261
    Invite,
    /// RFC 3261
    Ack,
    /// RFC 3261
    Bye,
    /// RFC 3261
    Cancel,
    /// RFC 3261
    Options,
    /// RFC 6086
    Info,
    /// RFC 3311
    Update,
    /// RFC 3261
    Register,
    /// RFC 3262
    Prack,
    /// RFC 3515
    Refer,
    /// RFC 6665
    Notify,
    /// RFC 6665
    Subscribe,
    /// A method of an RFC that this endpoint does not serve: PUBLISH, MESSAGE.
    Unserved,
    /// No method of any RFC.
    Unknown,
}

impl Method {
    /// Recognises a method; case counts (RFC 3261 §7.1).
    pub fn from_bytes(token: &[u8]) -> Self {
        match token {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"OPTIONS" => Method::Options,
            b"INFO" => Method::Info,
            b"UPDATE" => Method::Update,
            b"REGISTER" => Method::Register,
            b"PRACK" => Method::Prack,
            b"REFER" => Method::Refer,
            b"NOTIFY" => Method::Notify,
            b"SUBSCRIBE" => Method::Subscribe,
            b"PUBLISH" | b"MESSAGE" => Method::Unserved,
            _ => Method::Unknown,
        }
    }
}

/// The fields that tell messages and dialogs apart, as owned text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Essentials {
    /// The method: of the request line, or of CSeq in a response.
    pub method: Method,
    /// Call-ID.
    pub call_id: String,
    /// From tag; empty if absent (RFC 2543 peers).
    pub from_tag: String,
    /// To tag; empty if absent.
    pub to_tag: String,
    /// CSeq number.
    pub cseq: u32,
    /// Branch of the top Via, if it is unique by RFC 3261.
    pub branch: Option<String>,
    /// sent-by of the top Via, lower case.
    pub sent_by: String,
}

/// Looks at the fields that every message must have; the error is what a request deserves, a response with it is dropped.
pub fn check(message: &Message<'_>) -> Result<Essentials, Flaw> {
    if let Some(flaw) = message.flaw {
        return Err(flaw);
    }
    let mut top = None;
    for value in message.all(Name::Via) {
        let value = text(value);
        for item in param::split(&value, b',') {
            let via = Via::parse(item)?;
            top.get_or_insert_with(|| (via.branch().map(str::to_owned), via.sent_by.to_ascii_lowercase()));
        }
    }
    let (branch, sent_by) = top.ok_or(Flaw::bad("Missing Via"))?;
    let from = address(message, Name::From, Flaw::bad("Missing From"))?;
    let to = address(message, Name::To, Flaw::bad("Missing To"))?;
    let call_id =
        message.single(Name::CallId)?.filter(|id| !id.is_empty()).ok_or(Flaw::bad("Missing Call-ID"))?;
    let (cseq, cseq_method) = cseq(message)?;
    let method = match message.start {
        Start::Request { method, .. } if *method != *cseq_method => {
            return Err(Flaw::bad("CSeq Method Does Not Match"));
        }
        _ => Method::from_bytes(&cseq_method),
    };
    if let Some(value) = message.single(Name::MaxForwards)?
        && decimal(value, 255).is_none()
    {
        return Err(Flaw::bad("Bad Max-Forwards"));
    }
    message.single(Name::ContentType)?;
    let is_request = matches!(message.start, Start::Request { .. });
    if is_request && !matches!(method, Method::Ack | Method::Bye | Method::Cancel) {
        for value in message.all(Name::Contact) {
            for item in param::list(&text(value)) {
                if item != "*" {
                    Address::parse(item)?;
                }
            }
        }
    }
    Ok(Essentials {
        method,
        call_id: text(call_id).into_owned(),
        from_tag: from,
        to_tag: to,
        cseq,
        branch,
        sent_by,
    })
}

fn address(message: &Message<'_>, name: Name, missing: Flaw) -> Result<String, Flaw> {
    let value = message.single(name)?.ok_or(missing)?;
    Ok(Address::parse(&text(value))?.tag().unwrap_or("").to_owned())
}

/// Number and method of CSeq; the number is below 2^31 (RFC 3261 §8.1.1.5).
pub fn cseq(message: &Message<'_>) -> Result<(u32, Vec<u8>), Flaw> {
    let value = unfold(message.single(Name::CSeq)?.ok_or(Flaw::bad("Missing CSeq"))?);
    let at = value.iter().position(u8::is_ascii_whitespace).ok_or(Flaw::bad("Bad CSeq"))?;
    let number = decimal(&value[..at], (1 << 31) - 1).ok_or(Flaw::bad("Bad CSeq"))?;
    let method = value[at..].trim_ascii();
    if method.is_empty() || method.iter().any(u8::is_ascii_whitespace) {
        return Err(Flaw::bad("Bad CSeq"));
    }
    Ok((number, method.to_vec()))
}

/// First line, CSeq and Call-ID of a message for a trace, harmless to print.
pub fn summary(message: &Message<'_>) -> (String, String, String) {
    let first_line = match message.start {
        Start::Request { method, uri } => {
            format!("{} {} SIP/2.0", String::from_utf8_lossy(method), String::from_utf8_lossy(uri))
        }
        Start::Response { status, reason } => format!("SIP/2.0 {status} {}", String::from_utf8_lossy(reason)),
    };
    let field = |name| message.text(name).map(|t| inert(&t)).unwrap_or_default();
    (inert(&first_line), field(Name::CSeq), field(Name::CallId))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "INVITE sip:u@h SIP/2.0\r\nVia: SIP/2.0/UDP A:1;branch=z9hG4bKq\r\nFrom: <sip:a@b>;tag=1\r\nTo: sip:c@d\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@1.2.3.4>\r\n\r\n";

    fn status(text: &str) -> Option<u16> {
        check(&Message::parse(text.as_bytes(), 64).unwrap()).err().map(|f| f.status)
    }

    #[test]
    fn a_good_one_passes() {
        let message = Message::parse(GOOD.as_bytes(), 64).unwrap();
        let found = check(&message).unwrap();
        assert_eq!(
            (found.method, found.cseq, found.sent_by.as_str(), found.branch.as_deref()),
            (Method::Invite, 7, "a:1", Some("z9hG4bKq"))
        );
    }

    #[test]
    fn each_missing_or_doubled_field_is_refused() {
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let line = GOOD.lines().find(|l| l.starts_with(&format!("{name}:"))).unwrap();
            assert_eq!(status(&GOOD.replace(&format!("{line}\r\n"), "")), Some(400), "without {name}");
            if name != "Via" {
                assert_eq!(
                    status(&GOOD.replace(line, &format!("{line}\r\n{line}"))),
                    Some(400),
                    "two {name}"
                );
            }
        }
        for (old, new) in [
            ("7 INVITE", "7 BYE"),
            ("7 INVITE", "2147483648 INVITE"),
            ("7 INVITE", "-7 INVITE"),
            ("7 INVITE", "7"),
            (": 70", ": 256"),
            (": 70", ": x"),
            ("<sip:a@1.2.3.4>", "sip:a@b?x=y"),
            ("A:1", "A:1;x, ;"),
        ] {
            assert_eq!(status(&GOOD.replace(old, new)), Some(400), "{new}");
        }
    }
}
