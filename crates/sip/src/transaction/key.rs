//! What makes a message belong to a transaction (RFC 3261 §17.1.3, §17.2.3, §8.2.2.2).

use crate::message::check::cseq;
use crate::message::text::text;
use crate::message::{Essentials, Message, Method, Name, Start};

/// Matches a request, its copies, and the ACK of a non-2xx response.
///
/// A unique branch counts together with sent-by and the method; without one (RFC 2543 peers) Request-URI, From tag,
/// Call-ID, CSeq number and the top Via count. `method` stands for the request's own, so that CANCEL can look for INVITE.
pub fn server_key(message: &Message<'_>, found: &Essentials, method: Method) -> String {
    let method = match method {
        Method::Ack => Method::Invite,
        other => other,
    };
    // Unknown methods share a variant: the token itself keeps them apart.
    let token = match (method, message.start) {
        (Method::Unserved | Method::Unknown, Start::Request { method, .. }) => {
            String::from_utf8_lossy(method).into_owned()
        }
        _ => format!("{method:?}"),
    };
    match &found.branch {
        Some(branch) => format!("3261|{branch}|{}|{token}", found.sent_by),
        None => {
            let uri = match message.start {
                Start::Request { uri, .. } => String::from_utf8_lossy(uri),
                Start::Response { .. } => "".into(),
            };
            let via = message.first(Name::Via).map(text).unwrap_or_default();
            format!("2543|{uri}|{}|{}|{}|{via}|{token}", found.from_tag, found.call_id, found.cseq)
        }
    }
}

/// Matches requests that are one request arrived by several paths (merged, RFC 3261 §8.2.2.2).
pub fn merge_key(found: &Essentials) -> String {
    format!("{}|{}|{}|{:?}", found.call_id, found.from_tag, found.cseq, found.method)
}

/// Matches a response to our request: our branch and the CSeq method. `None` if either is missing.
pub fn client_key(message: &Message<'_>, found: &Essentials) -> Option<String> {
    let (_, method) = cseq(message).ok()?;
    found.branch.as_ref().map(|branch| format!("{branch}|{}", String::from_utf8_lossy(&method)))
}
