//! Call records.
use passline_identity::CallId;
use serde::{Deserialize, Serialize};

/// What is kept of a finished call; one JSON object per call in `passline calls --json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallRecord {
    /// The call's id, as in every log line.
    pub call: String,
    /// Start, RFC 3339 in UTC.
    pub start: String,
    /// End, RFC 3339 in UTC.
    pub end: String,
    /// Caller's number or URI, as the operator wants it kept (see [`crate::mask_number`]).
    pub from: String,
    /// Dialled number.
    pub to: String,
    /// Codec name, e.g. `PCMU`.
    pub codec: Option<String>,
    /// How keys came: `rfc4733`, `inband`, `info`, or several joined by `+`.
    pub dtmf: Option<String>,
    /// The keys in clear, only those that a flow declared public (the line test).
    pub digits: Option<String>,
    /// Number of keys pressed, secret ones included.
    pub digit_count: u32,
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets received.
    pub received: u64,
    /// RTP packets that never came.
    pub lost: u64,
    /// RTP packets that came more than once.
    pub duplicated: u64,
    /// RTP packets that came out of order.
    pub reordered: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) at the end, ms.
    pub jitter_ms: f64,
    /// `completed`, `not_verified`, `caller_left`, …
    pub outcome: String,
    /// Login name, if the caller was verified.
    pub login: Option<String>,
    /// Flow steps entered, in order.
    pub steps: Vec<String>,
}

impl CallRecord {
    /// A record with its id and nothing else.
    pub fn new(call: &CallId) -> Self {
        Self { call: call.0.clone(), ..Self::default() }
    }
}
