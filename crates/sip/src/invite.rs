//! A call to be placed: plain data.

use crate::{CallHandle, CallPolicy, Credentials, Flow};

/// What [`Command::Invite`](crate::Command::Invite) needs; [`Invite::new`] makes the plain one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invite {
    /// A handle from [`UserAgent::next_call_handle`](crate::UserAgent::next_call_handle).
    pub call: CallHandle,
    /// To, and Request-URI unless `uri` says otherwise; for example `sip:5000@127.0.0.1:5060`.
    pub to: String,
    /// Request-URI where it is another than To: the Contact of a registered phone.
    pub uri: Option<String>,
    /// From URI, for example `sip:demo@127.0.0.1`; a display name may precede it: `"Demo" <sip:…>`.
    pub from: String,
    /// The path by which the INVITE goes.
    pub path: Flow,
    /// Paths tried next, in order, when one fails, answers 503, or is silent (RFC 3263 §4.3).
    pub alternatives: Vec<Flow>,
    /// Route values, in order: a Service-Route, or a binding's Path.
    pub routes: Vec<String>,
    /// The offer; empty for a delayed offer.
    pub sdp: Vec<u8>,
    /// Another offer that is tried once where this one gets 488 or 606.
    pub second: Option<Vec<u8>>,
    /// What answers challenges of this call; without it they refuse the call.
    pub credentials: Option<Credentials>,
    /// Further header fields, name and value: P-Asserted-Identity, Diversion, Referred-By, Replaces …
    pub headers: Vec<(String, String)>,
    /// Most contacts of 3xx responses that are followed; 0 follows none.
    pub follow: u8,
    /// Max-Forwards: 70, or one less than the call had that is passed on (RFC 7332).
    pub max_forwards: u8,
    /// Terms of this call; `None`: those of [`Config::policy`](crate::Config::policy).
    pub policy: Option<CallPolicy>,
}

/// Contacts of redirections that a call of ours follows (RFC 3261 §8.1.3.4), unless it is to a telephone: what that
/// forwards to is not for it to choose.
pub const REDIRECTIONS: u8 = 5;

impl Invite {
    /// A call by one path, without credentials, that follows no redirection.
    pub fn new(call: CallHandle, to: String, from: String, path: Flow, sdp: Vec<u8>) -> Self {
        Invite {
            call,
            to,
            uri: None,
            from,
            path,
            alternatives: Vec::new(),
            routes: Vec::new(),
            sdp,
            second: None,
            credentials: None,
            headers: Vec::new(),
            follow: 0,
            max_forwards: crate::dialog::MAX_FORWARDS,
            policy: None,
        }
    }
}
