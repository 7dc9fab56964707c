//! What the admin socket shows: no secrets, and numbers of callers masked.
use passline_connectors::CallRecord;
use serde::{Deserialize, Serialize};

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
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// A call came in.
    Started(RunningCall),
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
