//! Settings of the user agent.

use crate::{Account, Algorithm, CallPolicy, Transport};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

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
    /// Most transactions alive at once; beyond it the oldest answered one makes room, and where there is none new requests
    /// get a stateless 503 (or silence for ACK).
    pub max_transactions: usize,
    /// Most server transactions of one call alive at once, so that one caller cannot use up all; beyond it 503.
    pub max_call_transactions: usize,
    /// Most calls known at once (incoming and outgoing, answered or not); beyond it INVITE gets 503.
    pub max_calls: usize,
    /// Most stream connections with a partial message kept.
    pub max_connections: usize,
    /// Requests larger than this do not go by UDP but by TCP, if the peer takes it (RFC 3261 §18.1.1); 0 = all go by
    /// UDP.
    pub udp_limit: usize,
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
    /// Realm of our challenges (RFC 7616 §3.3); phones keep their password under it.
    pub realm: String,
    /// Algorithms of our challenges, the preferred first (RFC 8760 §2.4). MD5 alone is what every phone takes: many give
    /// up when they meet another beside it, whatever its place. Where challenges of all would be longer than the
    /// request, the last ones remain. Empty: nobody can prove anything.
    pub algorithms: Vec<Algorithm>,
    /// Phones' accounts.
    pub accounts: Vec<Account>,
    /// Whether REGISTER is served; when not, 405.
    pub registrar: bool,
    /// Shortest registration taken, in seconds; shorter ones get 423.
    pub min_expires: u32,
    /// Longest registration granted, in seconds.
    pub max_expires: u32,
    /// Registration granted where the phone names no time, in seconds.
    pub default_expires: u32,
    /// How long a nonce of ours is good.
    pub nonce_lifetime: Duration,
    /// Our `+sip.instance` (RFC 5626 §4.1), a `urn:uuid:` that outlives restarts; `None` registers without outbound.
    pub instance: Option<String>,
    /// How long a path may be silent before an INVITE tries the next one.
    pub failover_after: Duration,
    /// Wait before the second attempt of a failed registration (RFC 5626 §4.5); it doubles with each failure …
    pub retry_base: Duration,
    /// … up to this.
    pub retry_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listeners: Vec::new(),
            advertise: None,
            user_agent: "Passline".into(),
            max_transactions: 10_000,
            max_call_transactions: 256,
            max_calls: 4_000,
            max_connections: 2_000,
            udp_limit: 1300,
            max_message: 65_535,
            max_headers: 256,
            retry_after: 10,
            info_types: vec!["application/dtmf-relay".into(), "application/dtmf".into()],
            policy: CallPolicy::default(),
            trace: false,
            realm: "passline".into(),
            algorithms: vec![Algorithm::Md5],
            accounts: Vec::new(),
            registrar: false,
            min_expires: 60,
            max_expires: 3600,
            default_expires: 3600,
            nonce_lifetime: Duration::from_secs(300),
            instance: None,
            failover_after: Duration::from_secs(4),
            retry_base: Duration::from_secs(30),
            retry_max: Duration::from_secs(1800),
        }
    }
}
