//! Via (RFC 3261 §20.42) with `rport` and `received` (RFC 3581).

use super::param;
use super::parse::Flaw;
use super::uri::{Host, host_port};
use std::net::SocketAddr;

/// One Via value, as a view of its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Via<'a> {
    /// Transport token as received.
    pub transport: &'a str,
    /// Host of sent-by.
    pub host: Host<'a>,
    /// Port of sent-by.
    pub port: Option<u16>,
    /// sent-by as received.
    pub sent_by: &'a str,
    /// Parameters, without the first `;`.
    pub params: &'a str,
}

impl<'a> Via<'a> {
    /// Parses one value (not a list).
    pub fn parse(text: &'a str) -> Result<Self, Flaw> {
        Self::try_parse(text).ok_or(Flaw::bad("Bad Via"))
    }

    fn try_parse(text: &'a str) -> Option<Self> {
        let (protocol, rest) = text.split_once('/')?;
        let (version, rest) = rest.split_once('/')?;
        let rest = rest.trim_start();
        let (transport, rest) = rest.split_once(|c: char| c.is_ascii_whitespace())?;
        let (sent_by, params) = rest.split_once(';').unwrap_or((rest, ""));
        let sent_by = sent_by.trim();
        let token = |t: &str| !t.is_empty() && t.bytes().all(super::text::is_token);
        if !protocol.trim().eq_ignore_ascii_case("SIP") || !token(version.trim()) || !token(transport) {
            return None;
        }
        let (host, port) = host_port(sent_by)?;
        Some(Via { transport, host, port, sent_by, params })
    }

    /// The branch if it is unique by RFC 3261 (begins with the magic cookie and goes on after it).
    pub fn branch(&self) -> Option<&'a str> {
        let (_, value) = param::pairs(self.params).find(|(key, _)| key.eq_ignore_ascii_case("branch"))?;
        value.filter(|v| {
            v.len() > 7 && v.get(..7).is_some_and(|cookie| cookie.eq_ignore_ascii_case("z9hG4bK"))
        })
    }

    /// Whether the client asks for the response at its source port (RFC 3581 §4).
    pub fn wants_rport(&self) -> bool {
        param::pairs(self.params).any(|(key, _)| key.eq_ignore_ascii_case("rport"))
    }

    /// Where the response goes over UDP (RFC 3261 §18.2.2, RFC 3581 §4): never to another host than the source.
    pub fn response_address(&self, source: SocketAddr) -> SocketAddr {
        if self.wants_rport() { source } else { SocketAddr::new(source.ip(), self.port.unwrap_or(5060)) }
    }

    /// The value as it goes back in a response: `received` and `rport` filled in by what was seen.
    pub fn stamped(&self, source: SocketAddr) -> String {
        let mut out = format!("SIP/2.0/{} {}", self.transport, self.sent_by);
        for (name, value) in param::pairs(self.params) {
            if name.eq_ignore_ascii_case("received") || name.eq_ignore_ascii_case("rport") {
                continue;
            }
            out.push(';');
            out.push_str(name);
            if let Some(value) = value {
                out.push('=');
                out.push_str(value);
            }
        }
        let rport = self.wants_rport();
        if rport || self.host.ip() != Some(source.ip()) {
            out.push_str(&format!(";received={}", source.ip()));
        }
        if rport {
            out.push_str(&format!(";rport={}", source.port()));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_ipv6() {
        let table: &[(&str, &str, Option<u16>, Option<&str>)] = &[
            ("SIP/2.0/UDP a.example:5070;branch=z9hG4bKx", "a.example", Some(5070), Some("z9hG4bKx")),
            ("SIP  /   2.0 /UDP    192.0.2.2;branch=390skdjuw", "192.0.2.2", None, None),
            (
                "SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8",
                "spindle.example.com",
                None,
                Some("z9hG4bK9ikj8"),
            ),
            (
                "SIP/2.0/UDP [2001:db8::9:1]:6050;received=[2001:db8::9:255]",
                "[2001:db8::9:1]",
                Some(6050),
                None,
            ),
            ("SIP/2.0/UNKNOWN h_x : 7;received=2001:db8::9:255;branch=z9hG4bK", "h_x", Some(7), None),
        ];
        for (text, host, port, branch) in table {
            let via = Via::parse(text).unwrap();
            assert_eq!(
                (via.host.to_string().as_str(), via.port, via.branch()),
                (*host, *port, *branch),
                "{text}"
            );
        }
        for text in [
            "",
            ";",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ;branch=x",
            "HTTP/2.0/UDP h",
            "SIP/2.0/UDP [::1",
            "SIP/2.0/UDP 2001:db8::1",
        ] {
            assert!(Via::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn responses_go_where_rfc_3581_wants() {
        let source: SocketAddr = "192.0.2.9:40000".parse().unwrap();
        let table: &[(&str, &str, &str)] = &[
            (
                "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKx;rport",
                "192.0.2.9:40000",
                "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKx;received=192.0.2.9;rport=40000",
            ),
            (
                "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKx",
                "192.0.2.9:5070",
                "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKx;received=192.0.2.9",
            ),
            ("SIP/2.0/UDP 192.0.2.9", "192.0.2.9:5060", "SIP/2.0/UDP 192.0.2.9"),
            ("SIP/2.0/UDP 192.0.2.9;received=6.6.6.6", "192.0.2.9:5060", "SIP/2.0/UDP 192.0.2.9"),
        ];
        for (text, address, stamped) in table {
            let via = Via::parse(text).unwrap();
            assert_eq!(via.response_address(source).to_string(), *address);
            assert_eq!(via.stamped(source), *stamped);
        }
    }
}
