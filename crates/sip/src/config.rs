//! Settings of the user agent.

use crate::{CallPolicy, Transport};
use std::net::{IpAddr, SocketAddr};

/// An address on which the shell listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Protocol.
    pub transport: Transport,
    /// Bound address; may be unspecified (`0.0.0.0`, `::`).
    pub address: SocketAddr,
}

/// Settings of the user agent; `Config::default()` suits loopback.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Listening addresses. A request that leaves by an outgoing connection names the listener of that transport.
    pub listeners: Vec<Listener>,
    /// Address written into Via and Contact in place of the path's own (behind NAT).
    pub advertise: Option<IpAddr>,
    /// Server and User-Agent header; none when empty.
    pub user_agent: String,
    /// Most transactions alive at once; beyond it new requests get a stateless 503 (or silence for ACK).
    pub max_transactions: usize,
    /// Most calls known at once (incoming and outgoing, answered or not); beyond it INVITE gets 503.
    pub max_calls: usize,
    /// Most stream connections with a partial message kept.
    pub max_connections: usize,
    /// Largest message, in octets, headers and body.
    pub max_message: usize,
    /// Most header fields in a message.
    pub max_headers: usize,
    /// Retry-After of our own 503 responses, in seconds.
    pub retry_after: u32,
    /// INFO bodies handed on, as lower-case media types; others get 415.
    pub info_types: Vec<String>,
    /// Terms of calls for which the layer above gives no others.
    pub policy: CallPolicy,
    /// Emit [`Output::Trace`](crate::Output::Trace).
    pub trace: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listeners: Vec::new(),
            advertise: None,
            user_agent: "Passline".into(),
            max_transactions: 10_000,
            max_calls: 4_000,
            max_connections: 2_000,
            max_message: 65_535,
            max_headers: 256,
            retry_after: 10,
            info_types: vec!["application/dtmf-relay".into(), "application/dtmf".into()],
            policy: CallPolicy::default(),
            trace: false,
        }
    }
}
