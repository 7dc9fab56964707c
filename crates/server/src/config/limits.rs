//! `sip.limits:` in the configuration: what one source, and all unknown ones together, may ask of us.
use super::Network;
use passline_net::{GuardConfig, NetConfig};
use serde::Deserialize;
use std::time::Duration;

/// Limits against floods and guessers. Networks of trunks and those of `trusted` are neither limited nor banned.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Networks that are neither limited nor banned, beside those of the trunks.
    pub trusted: Vec<Network>,
    /// Messages of one source.
    pub messages: Rate,
    /// Messages of all unknown sources together.
    pub all_messages: Rate,
    /// New calls of one source.
    pub calls: Rate,
    /// New calls of all unknown sources together.
    pub all_calls: Rate,
    /// Calls being set up at one time by one source.
    pub half_open_per_source: usize,
    /// Calls being set up at one time by all unknown sources together.
    pub half_open: usize,
    /// New connections of one source.
    pub new_connections: Rate,
    /// Wrong passwords of one source; beyond it, it is banned.
    pub failed_logins: Rate,
    /// Wrong numbers of one source; beyond it, it is banned: it tries them out.
    pub wrong_numbers: Rate,
    /// What is no SIP, of one source; beyond it, it is banned.
    pub garbage: Rate,
    /// A source that goes on for so many messages beyond its rate is banned; 0 = never.
    pub ban_over_rate: u32,
    /// How long a ban holds, in seconds.
    pub ban_s: u64,
    /// Whether scanners are known by their names and banned at their first request.
    pub scanners: bool,
    /// Further names of scanners; a part of the name suffices.
    pub scanner_names: Vec<String>,
    /// Whether an unverified UDP source never gets more octets than it sent.
    pub no_amplification: bool,
    /// Sources remembered at one time.
    pub sources: usize,
    /// Bans kept at one time.
    pub bans: usize,
    /// SIP connections at one time.
    pub connections: usize,
    /// SIP connections at one time with one address.
    pub connections_per_source: usize,
    /// A connection without an octet for so long is closed, in seconds.
    pub idle_s: u64,
    /// A connection must have brought its first whole message by then, in seconds.
    pub first_message_s: u64,
    /// TLS handshakes under way at one time.
    pub handshakes: usize,
    /// TLS handshakes under way at one time with one address.
    pub handshakes_per_source: usize,
    /// A TLS handshake that takes longer is given up, in seconds.
    pub handshake_s: u64,
}

/// A bucket: so many at once, and so many a minute in the long run. Both 0: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// At once.
    pub at_once: u32,
    /// In the long run.
    pub per_minute: u32,
}

impl From<Rate> for passline_net::Rate {
    fn from(rate: Rate) -> Self {
        Self::per_minute(rate.at_once, rate.per_minute)
    }
}

impl From<passline_net::Rate> for Rate {
    fn from(rate: passline_net::Rate) -> Self {
        // Rounded, as a rate may have been made from one a minute.
        let per_minute = (u64::from(rate.per_1000_s) * 60 + 500) / 1000;
        Self { at_once: rate.burst, per_minute: u32::try_from(per_minute).unwrap_or(u32::MAX) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let (guard, net) = (GuardConfig::default(), NetConfig::default());
        Self {
            trusted: guard.trusted.iter().copied().map(Network).collect(),
            messages: guard.messages.into(),
            all_messages: guard.all_messages.into(),
            calls: guard.invites.into(),
            all_calls: guard.all_invites.into(),
            half_open_per_source: guard.half_open_per_source,
            half_open: guard.half_open,
            new_connections: guard.connections.into(),
            failed_logins: guard.failed_logins.into(),
            wrong_numbers: guard.wrong_numbers.into(),
            garbage: guard.garbage.into(),
            ban_over_rate: guard.ban_over_rate,
            ban_s: guard.ban.as_secs(),
            scanners: guard.scanners,
            scanner_names: guard.scanner_names,
            no_amplification: guard.no_amplification,
            sources: guard.sources,
            bans: guard.bans,
            connections: net.tcp_connections,
            connections_per_source: net.tcp_connections_per_peer,
            idle_s: net.tcp_idle.as_secs(),
            first_message_s: net.tcp_first_message.as_secs(),
            handshakes: net.tls.handshakes,
            handshakes_per_source: net.tls.handshakes_per_peer,
            handshake_s: net.tls.handshake.as_secs(),
        }
    }
}

impl Limits {
    /// The guard's settings; `trunks` are trusted, too.
    pub fn guard(&self, trunks: impl Iterator<Item = ipnet::IpNet>) -> GuardConfig {
        GuardConfig {
            trusted: self.trusted.iter().map(|network| network.0).chain(trunks).collect(),
            messages: self.messages.into(),
            all_messages: self.all_messages.into(),
            invites: self.calls.into(),
            all_invites: self.all_calls.into(),
            half_open_per_source: self.half_open_per_source,
            half_open: self.half_open,
            connections: self.new_connections.into(),
            failed_logins: self.failed_logins.into(),
            wrong_numbers: self.wrong_numbers.into(),
            garbage: self.garbage.into(),
            ban_over_rate: self.ban_over_rate,
            ban: Duration::from_secs(self.ban_s),
            scanners: self.scanners,
            scanner_names: self.scanner_names.iter().map(|name| name.to_lowercase()).collect(),
            no_amplification: self.no_amplification,
            sources: self.sources,
            bans: self.bans,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_guard() {
        let guard = GuardConfig::default();
        let ours = Limits::default().guard(std::iter::empty());
        let per_minute = |rate: passline_net::Rate| Rate::from(rate);
        assert_eq!(per_minute(ours.failed_logins), per_minute(guard.failed_logins));
        assert_eq!(
            GuardConfig { failed_logins: guard.failed_logins, wrong_numbers: guard.wrong_numbers, ..ours },
            guard
        );
    }
}
