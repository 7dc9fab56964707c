//! What is kept of a call.
use crate::{Diagnosis, DigitLedger};
use passline_identity::CallId;
use passline_rtp::srtp::SrtpCounts;
use passline_rtp::{Method, Statistics};
use std::net::SocketAddr;
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
    pub peer: SocketAddr,
    /// User-Agent of the peer.
    pub user_agent: Option<String>,
    /// Codec name; `None` if media was never agreed on.
    pub codec: Option<&'static str>,
    /// Suite that the audio was encrypted with, e.g. `AES_CM_128_HMAC_SHA1_80`; `None`: not at all.
    pub encryption: Option<&'static str>,
    /// What came on an encrypted stream and was dropped.
    pub srtp: Option<SrtpCounts>,
    /// By which method the first digit came.
    pub dtmf: Option<Method>,
    /// All digits in order, only if the flow declared all of them public.
    pub digits: Option<String>,
    /// Number of presses heard, public or not.
    pub digit_count: u32,
    /// The evidence for each press; keys in it only where `digits` has them.
    pub ledger: DigitLedger,
    /// Media counters; `None` if no stream was opened.
    pub statistics: Option<Statistics>,
    /// RTP packets from elsewhere than the peer, dropped.
    pub foreign_packets: u64,
    /// Trunk it came from or went to.
    pub trunk: Option<String>,
    /// Device that placed it (proven by digest) or got it.
    pub account: Option<String>,
    /// Who the caller is, by the best word that may be trusted.
    pub identity: Identity,
    /// Numbers that diverted the call to us, the last first (Diversion or History-Info), from trusted trunks only.
    pub diversions: Vec<String>,
    /// Proxies that the INVITE came through.
    pub via_hops: u8,
    /// The call at the other end of the bridge.
    pub bridged: Option<CallId>,
    /// What went wrong; `None` if nothing did.
    pub diagnosis: Option<Diagnosis>,
    /// Its SIP messages, the first 64; empty for merged records.
    pub ladder: Vec<LadderLine>,
    /// Calls that this record stands for: more than 1 only for refused ones, which are merged per source and reason
    /// within a minute.
    pub count: u32,
    /// How it ended: the flow's outcome (`completed`, `no_input` …), else `caller_left`, `cancelled`, `no_ack`,
    /// `media_timeout`, `refused`, `lost`, `error`.
    pub outcome: String,
    /// Steps that the flow entered, the first 64.
    pub steps: Vec<String>,
}

/// Who a caller is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// Number or user name; `anonymous` in all that is shown where `private`.
    pub number: String,
    /// Display name, may be empty.
    pub name: String,
    /// Where it was read.
    pub source: IdentitySource,
    /// The caller asked for privacy (RFC 3323): number and name are not to be shown.
    pub private: bool,
}

impl Identity {
    /// Number for logs: `anonymous` where the caller asked for privacy.
    pub fn shown(&self) -> &str {
        if self.private { "anonymous" } else { &self.number }
    }
}

/// Where a caller's identity was read, the best first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IdentitySource {
    /// Proven by digest: one of our own devices.
    Account,
    /// P-Asserted-Identity of a trusted trunk (RFC 3325).
    Asserted,
    /// Remote-Party-ID of a trusted trunk.
    RemoteParty,
    /// From of a trusted trunk.
    TrustedFrom,
    /// From of somebody who may write there what he wants: no proof of anything.
    #[default]
    From,
}

impl IdentitySource {
    /// Whether somebody we trust vouches for it.
    pub fn is_trusted(self) -> bool {
        self != IdentitySource::From
    }
}

/// One SIP message of a call, without header fields and body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LadderLine {
    /// When.
    pub at: Instant,
    /// Received or sent.
    pub direction: passline_sip::Direction,
    /// Request or status line.
    pub first_line: String,
    /// CSeq, e.g. `1 INVITE`.
    pub cseq: String,
    /// The peer's address.
    pub peer: SocketAddr,
}
