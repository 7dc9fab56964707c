//! What the user agent keeps of one call.

use super::offer::Offering;
use super::refer::{Asked, Asking};
use super::reliable::Reliable;
use super::retry::Retry;
use super::session::{Session, Wanted};
use crate::dialog::Dialog;
use crate::transaction::{T1, T1X64};
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

/// Whose offer waits for its answer (RFC 3264 §4: one at a time).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exchange {
    Idle,
    /// Ours: in a request, or in a response that waits for ACK or PRACK.
    Ours,
    /// The peer's: we owe the answer.
    Theirs,
}

/// An answer that we owe in a request of ours: the peer's offer came in a response.
#[derive(Clone, Debug)]
pub(super) enum Owed {
    /// In the ACK of this client transaction's 2xx.
    Ack { client: u64, cseq: u32 },
    /// In the PRACK; the value of RAck.
    Prack { rack: String },
}

/// Octets of ours that are repeated until they are acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Repeat {
    pub bytes: Vec<u8>,
    pub path: Flow,
    pub fallback: SocketAddr,
    pub next: Instant,
    pub interval: Duration,
    pub end: Instant,
}

impl Repeat {
    /// First repeated after T1, given up after 64*T1.
    pub fn new(now: Instant, bytes: Vec<u8>, path: Flow, fallback: SocketAddr) -> Self {
        Repeat { bytes, path, fallback, next: now + T1, interval: T1, end: now + T1X64 }
    }
}

/// A 2xx of ours that is repeated until its ACK comes (RFC 3261 §13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacked {
    pub cseq: u32,
    pub repeat: Repeat,
}

/// One 2xx of a forked INVITE and our ACK for it, to be repeated when the 2xx is.
#[derive(Debug)]
pub(super) struct Fork {
    pub tag: String,
    /// `None` while the answer that belongs into it is owed.
    pub ack: Option<Vec<u8>>,
    pub path: Flow,
}

/// What one callee of a forked INVITE said before its 2xx.
#[derive(Debug)]
pub(super) struct Early {
    pub tag: String,
    /// RSeq of its last reliable response.
    pub rseq: Option<u32>,
    /// Its description, and whether that is the answer already (it came reliably).
    pub sdp: Option<Vec<u8>>,
    pub answered: bool,
}

/// The client side's INVITE.
#[derive(Debug)]
pub(super) struct Placed {
    pub client: u64,
    pub cancel_sent: bool,
    /// Reason header of the CANCEL.
    pub reason: Option<String>,
}

#[derive(Debug)]
pub(super) struct Call {
    pub phase: Phase,
    pub policy: CallPolicy,
    /// `None` until our INVITE is answered by somebody with a tag.
    pub dialog: Option<Dialog>,
    /// Our tag, kept for the responses to an INVITE.
    pub local_tag: String,
    /// Server transaction of the first INVITE, while it waits for our answer.
    pub pending: Option<u64>,
    /// Server transaction of a re-INVITE, UPDATE or PRACK whose offer waits for our answer.
    pub reoffered: Option<u64>,
    pub placed: Option<Placed>,
    /// When 100 goes out unless something else has (RFC 3261 §17.2.1).
    pub trying: Option<Instant>,
    /// What a call of ours may still try, and its credentials.
    pub retry: Option<Box<Retry>>,
    pub unacked: Option<Unacked>,
    /// A hang-up that waits for the ACK, with its reason.
    pub hang_up: Option<Option<String>>,

    pub exchange: Exchange,
    /// The first offer has its answer.
    pub described: bool,
    /// The last description of ours that stands.
    pub local_sdp: Vec<u8>,
    /// Hash of the peer's last description that stands.
    pub remote_sdp: Option<[u8; 32]>,
    pub owed: Option<Owed>,
    pub offering: Offering,

    pub reliable: Reliable,
    pub early: Vec<Early>,

    pub session: Option<Session>,
    /// The interval that our INVITE asked for.
    pub asked_interval: Option<u32>,
    /// Largest Min-SE seen, 0 if none, and how many 422 responses raised it.
    pub min_se: u32,
    pub raises: u8,
    /// The peer's Allow names UPDATE.
    pub peer_updates: bool,
    /// What the first INVITE wants of session timers.
    pub wanted: Wanted,

    /// Server transactions alive.
    pub transactions: usize,
    /// Our REFER.
    pub asking: Option<Asking>,
    /// The peer's REFER.
    pub asked: Option<Asked>,
}

impl Call {
    pub fn new(phase: Phase, local_tag: String, policy: CallPolicy) -> Self {
        Call {
            phase,
            policy,
            dialog: None,
            local_tag,
            pending: None,
            reoffered: None,
            placed: None,
            trying: None,
            retry: None,
            unacked: None,
            hang_up: None,
            exchange: Exchange::Idle,
            described: false,
            local_sdp: Vec::new(),
            remote_sdp: None,
            owed: None,
            offering: Offering::default(),
            reliable: Reliable::default(),
            early: Vec::new(),
            session: None,
            asked_interval: None,
            min_se: 0,
            raises: 0,
            peer_updates: false,
            wanted: Wanted::default(),
            transactions: 0,
            asking: None,
            asked: None,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let unacked = self.unacked.as_ref().map(|u| u.repeat.next.min(u.repeat.end));
        let session = self.session.as_ref().map(Session::deadline);
        let give_up = self.retry.as_ref().and_then(|r| r.give_up);
        [
            unacked,
            session,
            give_up,
            self.trying,
            self.reliable.deadline(),
            self.offering.deadline(),
            self.asking.as_ref().map(|a| a.until),
            self.asked.as_ref().and_then(|a| a.until),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether the call stands and is not being ended.
    pub fn stands(&self) -> bool {
        matches!(self.phase, Phase::Confirmed | Phase::Accepted)
    }
}
