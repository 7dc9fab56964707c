//! What the admin socket shows: no secrets, and numbers of callers masked.
use passline_connectors::{CallMessage, CallQuality, CallRecord};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A call that is not over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunningCall {
    /// Its name.
    pub call: String,
    /// Start, RFC 3339 in UTC.
    pub start: String,
    /// Caller's number, masked.
    pub from: String,
    /// Number dialled.
    pub to: String,
    /// Whether it was answered.
    pub answered: bool,
    /// Trunk it goes over.
    pub trunk: Option<String>,
    /// Device that placed or got it.
    pub account: Option<String>,
    /// Codec name.
    pub codec: Option<String>,
    /// Suite that its audio is encrypted with.
    pub encryption: Option<String>,
    /// The other side's address.
    pub peer: String,
    /// The call at the other end of the bridge.
    pub bridged: Option<String>,
    /// How its audio is so far; none before there is any.
    #[serde(flatten)]
    pub media: Option<MediaFigures>,
    /// SIP messages so far; only where one call is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ladder: Vec<CallMessage>,
}

/// How the audio of a call is, with the names that these numbers have in the call record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaFigures {
    /// Packets sent.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Packets lost.
    pub lost: u64,
    /// Packets that came more than once.
    pub duplicated: u64,
    /// Packets that came out of order.
    pub reordered: u64,
    /// Interarrival jitter, ms.
    pub jitter_ms: f64,
    /// Opinion scores, losses, round trip.
    pub quality: CallQuality,
}

impl From<&CallRecord> for MediaFigures {
    fn from(call: &CallRecord) -> Self {
        MediaFigures {
            sent: call.sent,
            received: call.received,
            lost: call.lost,
            duplicated: call.duplicated,
            reordered: call.reordered,
            jitter_ms: call.jitter_ms,
            quality: call.quality.clone(),
        }
    }
}

/// One entry of the ban list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BanLine {
    /// Source address.
    pub source: IpAddr,
    /// Why.
    pub reason: String,
    /// RFC 3339 in UTC.
    pub since: String,
    /// RFC 3339 in UTC; `None`: until it is lifted.
    pub until: Option<String>,
    /// Datagrams and connections dropped since.
    pub dropped: u64,
}

/// A trunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrunkLine {
    /// Its name.
    pub name: String,
    /// `up`, `down` or `unknown`.
    pub state: String,
    /// What it calls itself, or why it is down.
    pub detail: Option<String>,
    /// Our registration there, if one is wanted.
    pub registration: Option<String>,
    /// Calls over it now.
    pub calls: usize,
    /// Most calls at one time.
    pub max_calls: Option<usize>,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceLine {
    /// Its extension.
    pub extension: String,
    /// Its name.
    pub name: String,
    /// Where it is registered from; empty: nowhere.
    pub contacts: Vec<ContactLine>,
}

/// A place at which a device can be reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContactLine {
    /// Contact URI.
    pub uri: String,
    /// Address it registered from.
    pub from: SocketAddr,
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// A call came in.
    Started(Box<RunningCall>),
    /// A call is over.
    Ended(Box<CallRecord>),
    /// A trunk, a registration, a device or a ban changed.
    Status {
        /// RFC 3339 in UTC.
        at: String,
        /// One sentence.
        text: String,
    },
}
