//! Where a trunk is, as an administrator writes it.
use serde::{Deserialize, Deserializer, de::Error};
use std::{fmt, net::IpAddr, str::FromStr};

/// `pbx.example.org`, `192.0.2.20:5061;transport=tls`, or the same as a SIP URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// As a URI, e.g. `sip:pbx.example.org;transport=tcp`.
    pub uri: String,
    /// Name or address, without brackets.
    pub host: String,
    /// Reached over TLS.
    pub tls: bool,
}

impl Host {
    /// The address, where it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// As it stands behind an @, with brackets where it needs them.
    pub fn domain(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let remedy =
            "write e.g. pbx.example.org, 192.0.2.20:5070, [2001:db8::1] or pbx.example.org;transport=tls";
        let wrong = |what: &str| Err(format!("`{text}` {what}; {remedy}"));
        // An address of IPv6 without brackets could be an address with a port.
        if text.parse::<std::net::Ipv6Addr>().is_ok() {
            return wrong("is an IPv6 address without brackets");
        }
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme @ ("sip" | "sips"), rest)) => (scheme, rest),
            Some((scheme @ ("udp" | "tcp" | "tls" | "http" | "https" | "tel" | "ws" | "wss"), _)) => {
                return wrong(&format!("begins with `{scheme}:`, which is no scheme of a trunk"));
            }
            _ => ("sip", text),
        };
        if rest.contains('@') {
            return wrong("names a user; the account belongs into `user`");
        }
        if rest.starts_with("//") || rest.contains('/') {
            return wrong("has a slash in it, as web addresses have");
        }
        let uri = format!("{scheme}:{rest}");
        let parsed = passline_sip::message::Uri::parse(&uri);
        let Some(host) = parsed.as_ref().and_then(|uri| uri.host.as_ref()) else {
            return wrong("is no host");
        };
        let host = host.to_string();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || host.contains(char::is_whitespace) {
            return wrong("is no host");
        }
        let transport = uri.split(';').skip(1).find_map(|parameter| parameter.strip_prefix("transport="));
        match transport {
            None | Some("udp" | "tcp" | "tls") => {}
            Some(other) => {
                return wrong(&format!("asks for transport `{other}`, which is not udp, tcp or tls"));
            }
        }
        if scheme == "sips" && transport.is_some_and(|transport| transport == "udp") {
            return wrong("asks for TLS over UDP");
        }
        let tls = scheme == "sips" || transport == Some("tls");
        Ok(Self { uri, host, tls })
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_they_are_written() {
        for (text, uri, address, tls) in [
            ("pbx.example.org", "sip:pbx.example.org", false, false),
            ("192.0.2.20", "sip:192.0.2.20", true, false),
            ("192.0.2.20:5070;transport=tcp", "sip:192.0.2.20:5070;transport=tcp", true, false),
            ("[2001:db8::1]:5061;transport=tls", "sip:[2001:db8::1]:5061;transport=tls", true, true),
            ("sips:pbx.example.org", "sips:pbx.example.org", false, true),
        ] {
            let host: Host = text.parse().unwrap();
            assert_eq!(
                (host.uri.as_str(), host.address().is_some(), host.tls),
                (uri, address, tls),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_a_remedy() {
        for (text, why) in [
            ("http://pbx.example.org", "http"),
            ("tls:pbx.example.org", "no scheme"),
            ("sip:me@pbx.example.org", "`user`"),
            ("2001:db8::1", "brackets"),
            ("pbx.example.org;transport=pigeon", "pigeon"),
            ("", "no host"),
            ("pbx/5060", "slash"),
        ] {
            let fault = text.parse::<Host>().unwrap_err();
            assert!(fault.contains(why) && fault.contains("write e.g."), "{text} → {fault}");
        }
    }
}
