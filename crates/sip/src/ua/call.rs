//! What the user agent keeps of one call.

use super::retry::Retry;
use super::session::Session;
use crate::dialog::{Dialog, Outgoing};
use crate::{CallPolicy, EndCause, Flow};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// An INVITE waits for our answer.
    Incoming,
    /// Our 200 waits for its ACK.
    Accepted,
    /// Our INVITE waits for its answer.
    Calling,
    /// Our INVITE is to be cancelled or has been.
    Cancelling,
    /// The session stands.
    Confirmed,
    /// Our BYE waits for its answer; then this is the end.
    Closing(EndCause),
}

/// A 2xx of ours that is repeated until its ACK comes (RFC 3261 §13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacked {
    pub cseq: u32,
    pub bytes: Vec<u8>,
    pub path: Flow,
    pub fallback: SocketAddr,
    pub next: Instant,
    pub interval: Duration,
    pub end: Instant,
}

/// One 2xx of a forked INVITE and our ACK for it, to be repeated when the 2xx is.
#[derive(Debug)]
pub(super) struct Fork {
    pub tag: String,
    pub ack: Vec<u8>,
    pub path: Flow,
}

/// The client side's INVITE.
#[derive(Debug)]
pub(super) struct Placed {
    pub client: u64,
    pub request: Outgoing,
    pub path: Flow,
    pub cancel_sent: bool,
}

#[derive(Debug)]
pub(super) struct Call {
    pub phase: Phase,
    pub policy: CallPolicy,
    /// `None` until our INVITE is answered by somebody with a tag.
    pub dialog: Option<Dialog>,
    /// Our tag, kept for the responses to an INVITE.
    pub local_tag: String,
    /// Server transaction of the INVITE that waits for our answer: the first, a re-INVITE or an UPDATE.
    pub pending: Option<u64>,
    pub placed: Option<Placed>,
    /// What a call of ours may still try, and its credentials.
    pub retry: Option<Box<Retry>>,
    pub unacked: Option<Unacked>,
    /// A hang-up that waits for the ACK, with its reason.
    pub hang_up: Option<Option<String>>,
    pub session: Option<Session>,
    /// Session-Expires for the 2xx to the pending INVITE or UPDATE.
    pub session_header: Option<String>,
    /// The peer's Allow names UPDATE.
    pub peer_updates: bool,
}

impl Call {
    pub fn new(phase: Phase, local_tag: String, policy: CallPolicy) -> Self {
        Call {
            phase,
            policy,
            dialog: None,
            local_tag,
            pending: None,
            placed: None,
            retry: None,
            unacked: None,
            hang_up: None,
            session: None,
            session_header: None,
            peer_updates: false,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let unacked = self.unacked.as_ref().map(|u| u.next.min(u.end));
        let session = self.session.as_ref().map(Session::deadline);
        let give_up = self.retry.as_ref().and_then(|r| r.give_up);
        unacked.into_iter().chain(session).chain(give_up).min()
    }
}
