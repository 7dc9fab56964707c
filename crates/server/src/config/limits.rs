//! `sip.limits:` in the configuration: what one source, and all together, may ask of us.
use serde::Deserialize;

/// Limits against floods and guessers. Trunks and `sip.allow` are never banned.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Ban sources that scan, guess or flood.
    pub ban: bool,
    /// How long a ban holds, in seconds.
    pub ban_s: u64,
    /// Requests a second from one source that is neither trunk nor registered.
    pub requests_per_second: u32,
    /// New calls a second from one such source.
    pub calls_per_second: u32,
    /// Wrong passwords from one source before it is banned.
    pub failed_logins: u32,
    /// SIP connections at one time.
    pub connections: usize,
    /// SIP connections at one time from one source.
    pub connections_per_source: usize,
    /// A connection without an octet for so long is closed, in seconds.
    pub idle_s: u64,
    /// A connection must have brought its first whole message by then, in seconds.
    pub first_message_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ban: true,
            ban_s: 3600,
            requests_per_second: 50,
            calls_per_second: 10,
            failed_logins: 5,
            connections: 2000,
            connections_per_source: 200,
            idle_s: 600,
            first_message_s: 10,
        }
    }
}
