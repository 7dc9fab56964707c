//! What is kept of a call.
use passline_identity::CallId;
use passline_rtp::{Method, Statistics};
use std::time::Instant;

/// Who placed the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Somebody called us.
    Incoming,
    /// We called somebody.
    Outgoing,
}

/// One call, told when it is over. Holds no secret: digits appear only where the flow declared them public.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// Name of the call in all logs.
    pub call: CallId,
    /// SIP Call-ID.
    pub sip_call_id: String,
    /// Who placed it.
    pub direction: Direction,
    /// First INVITE.
    pub start: Instant,
    /// 200 acknowledged; `None` if it never was.
    pub answered: Option<Instant>,
    /// End of the dialog.
    pub end: Instant,
    /// User part of From (incoming) or our own URI (outgoing).
    pub from: String,
    /// Number or URI dialled.
    pub to: String,
    /// The peer's SIP address.
    pub peer: std::net::SocketAddr,
    /// User-Agent of the peer.
    pub user_agent: Option<String>,
    /// Codec name; `None` if media was never agreed on.
    pub codec: Option<&'static str>,
    /// By which method the first digit came.
    pub dtmf: Option<Method>,
    /// All digits in order, only if the flow declared all of them public.
    pub digits: Option<String>,
    /// Number of presses heard, public or not.
    pub digit_count: u32,
    /// Media counters; `None` if no stream was opened.
    pub statistics: Option<Statistics>,
    /// RTP packets from elsewhere than the peer, dropped.
    pub foreign_packets: u64,
    /// How it ended: the flow's outcome (`completed`, `no_input` …), else `caller_left`, `cancelled`, `no_ack`,
    /// `media_timeout`, `refused`, `lost`, `error`.
    pub outcome: String,
    /// Steps that the flow entered, the first 64.
    pub steps: Vec<String>,
}
