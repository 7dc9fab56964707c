//! What we can do, what was agreed, and why not.

use std::net::{IpAddr, SocketAddr};

use crate::crypto::{Agreed, Crypto};
use crate::extended::ExtendedReports;

/// An audio codec as session descriptions name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Codec {
    /// Encoding name, as `PCMU`.
    pub name: String,
    /// Payload type: the static one, or the dynamic one that we offer.
    pub payload_type: u8,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Channels in `a=rtpmap`; told only where they are not one.
    pub channels: u8,
    /// What `a=fmtp` says of it in our descriptions.
    pub fmtp: Option<String>,
}

impl Codec {
    /// A codec of one channel without parameters.
    pub fn new(name: &str, payload_type: u8, clock_rate: u32) -> Self {
        Codec { name: name.into(), payload_type, clock_rate, channels: 1, fmtp: None }
    }

    /// PCMU, payload type 0 (RFC 3551).
    pub fn pcmu() -> Self {
        Codec::new("PCMU", 0, 8000)
    }

    /// PCMA, payload type 8 (RFC 3551).
    pub fn pcma() -> Self {
        Codec::new("PCMA", 8, 8000)
    }
}

/// What our side can do in one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// Codecs; the order is ours and counts in offers only.
    pub codecs: Vec<Codec>,
    /// Whether telephone-event (RFC 4733) is offered and accepted.
    pub events: bool,
    /// Our media address.
    pub address: IpAddr,
    /// Our RTP port; RTCP is on the next one unless multiplexed.
    pub rtp_port: u16,
    /// The packet time that we ask for, and send where the other side asks for none, in milliseconds.
    pub ptime: u8,
    /// Session id of the origin line, the same for the whole call.
    pub session_id: u64,
    /// Session version of the origin line, one more with each changed description.
    pub session_version: u64,
    /// Encryption.
    pub crypto: Crypto,
}

impl Capabilities {
    /// Both G.711 codecs, events, 20 ms, session version 1.
    pub fn new(address: IpAddr, rtp_port: u16, session_id: u64) -> Self {
        Capabilities {
            codecs: vec![Codec::pcmu(), Codec::pcma()],
            events: true,
            address,
            rtp_port,
            ptime: 20,
            session_id,
            session_version: 1,
            crypto: Crypto::default(),
        }
    }
}

/// Which way audio flows, seen from our side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// We send only.
    SendOnly,
    /// We receive only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The attribute's name: `sendrecv` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// The same flow seen from the other side.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            same => same,
        }
    }

    /// Whether our side may send.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether our side will receive.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
}

/// What both sides agreed on for the one audio stream of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreement {
    /// Encoding name as in our capabilities, as `PCMU`.
    pub codec: String,
    /// Its payload type, both ways.
    pub payload_type: u8,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Payload type of the telephone-events that we send, if agreed.
    pub event_payload_type: Option<u8>,
    /// Payload type of the telephone-events that we receive, if agreed.
    pub event_receive_type: Option<u8>,
    /// Clock rate of the telephone-events in Hz: the codec's (RFC 4733 §2.1), or 8000 where the peer has no other.
    pub event_clock_rate: u32,
    /// Payload type of comfort noise (RFC 3389), if offered in the codec's clock. It is understood, but no description of
    /// ours names it: a stream without pauses shows its losses as what they are.
    pub comfort: Option<u8>,
    /// Payload type of redundant packets (RFC 2198) that we receive, if offered, with the list of what is in them.
    pub redundancy: Option<(u8, String)>,
    /// Where to send RTP; the address is unspecified (`0.0.0.0`) on an old-style hold.
    pub remote_rtp: SocketAddr,
    /// Where to send RTCP (RFC 3605); the same as `remote_rtp` when multiplexed.
    pub remote_rtcp: SocketAddr,
    /// The packet time that we send, in milliseconds: what the other side asks for, 10 to 60.
    pub ptime: u8,
    /// The direction from our side.
    pub direction: Direction,
    /// RTP and RTCP share one port (RFC 5761).
    pub rtcp_mux: bool,
    /// Extended reports of RTCP that we may send.
    pub extended: ExtendedReports,
    /// How packets are encrypted; `None`: not at all.
    pub crypto: Option<Agreed>,
}

impl Agreement {
    /// Whether the other side put us on hold: by direction, or by the address `0.0.0.0` of RFC 2543.
    pub fn on_hold(&self) -> bool {
        !self.direction.sends() || self.remote_rtp.ip().is_unspecified()
    }
}

/// Why a description was refused, in terms of SIP.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{status}: {sentence}")]
pub struct Refusal {
    /// 400 for a body that cannot be read, 488 for one that cannot be agreed on.
    pub status: u16,
    /// A plain sentence for the log and the Warning header.
    pub sentence: String,
    /// Whether encryption is the matter.
    pub cause: Cause,
}

/// What the matter is with a description, so far as it can be told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cause {
    /// The description itself, codecs, addresses.
    #[default]
    Media,
    /// It wants encryption, which is off.
    EncryptionOff,
    /// It has no encryption, which is required.
    EncryptionRequired,
    /// It has encryption of a kind that we do not have.
    EncryptionUnknown,
}

impl Refusal {
    pub(crate) fn new(status: u16, sentence: impl Into<String>) -> Self {
        Refusal { status, sentence: sentence.into(), cause: Cause::Media }
    }

    pub(crate) fn because(cause: Cause, sentence: impl Into<String>) -> Self {
        Refusal { status: 488, sentence: sentence.into(), cause }
    }
}
