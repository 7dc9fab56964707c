//! A question to a peer on demand: can it be found, does it answer OPTIONS, and what can it do?
use passline_sip::{Credentials, Flow, Transport};

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeRequest {
    /// Comes back in the answer; chosen by the asker.
    pub id: u64,
    /// Whom, e.g. `sip:pbx.example.org;transport=tls`.
    pub uri: String,
    /// Prescribed protocol; else as the URI and DNS say.
    pub transport: Option<Transport>,
    /// What answers a challenge.
    pub credentials: Option<Credentials>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Probe {
    /// Paths found, in the order in which they are tried (RFC 3263 §4); empty: none.
    pub paths: Vec<Flow>,
    /// Why none was found.
    pub reason: String,
    /// What the first of them said.
    pub answer: Option<ProbeAnswer>,
}

/// An answer to OPTIONS (RFC 3261 §11).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProbeAnswer {
    /// Final status; 408 for none, 503 for a peer that could not be reached.
    pub status: u16,
    /// Reason phrase, or why it could not be reached.
    pub reason: String,
    /// Server or User-Agent.
    pub server: Option<String>,
    /// Allow.
    pub allow: Option<String>,
    /// A session description: what it can.
    pub sdp: Option<Vec<u8>>,
}
