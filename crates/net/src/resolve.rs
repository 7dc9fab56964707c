//! Where a SIP URI leads: address records only; NAPTR and SRV (RFC 3263) are the registrar's and trunk's business.
use passline_engine::sip::Transport;
use std::net::{IpAddr, SocketAddr};

/// Default port of SIP over UDP and TCP.
const PORT: u16 = 5060;

/// What a URI says about the next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) transport: Option<Transport>,
}

/// Reads host, port and `transport` of a `sip:` URI (RFC 3261 §19.1); the error is a sentence.
pub(crate) fn target(uri: &str) -> Result<Target, String> {
    let rest = match uri.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sip") => rest,
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("sips") => {
            return Err("sips URIs need TLS, which is not configured".to_owned());
        }
        _ => return Err(format!("{uri:?} is no sip: URI")),
    };
    let rest = rest.split('?').next().unwrap_or_default();
    // The last `@`: a user part may hold an escaped one only.
    let after_user = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let mut parts = after_user.split(';');
    let (host, port) = host_port(parts.next().unwrap_or_default())
        .ok_or_else(|| format!("{uri:?} has no usable host and port"))?;
    let mut transport = None;
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.eq_ignore_ascii_case("transport") {
            transport = Some(match value.to_ascii_lowercase().as_str() {
                "udp" => Transport::Udp,
                "tcp" => Transport::Tcp,
                other => return Err(format!("transport {other:?} is not supported")),
            });
        }
    }
    Ok(Target { host, port, transport })
}

fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => match text.find(':') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        },
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None if rest.is_empty() => PORT,
        None => return None,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// The first address of the target; the error is a sentence.
pub(crate) async fn resolve(target: &Target) -> Result<SocketAddr, String> {
    if let Ok(ip) = target.host.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, target.port));
    }
    let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
    match found.map(|mut addresses| addresses.next()) {
        Ok(Some(address)) => Ok(address),
        Ok(None) | Err(_) => Err(format!("the host {:?} has no address", target.host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_lead_to_host_port_and_transport() {
        let cases = [
            ("sip:5000@127.0.0.1", "127.0.0.1", 5060, None),
            ("sip:5000@127.0.0.1:5080;transport=TCP", "127.0.0.1", 5080, Some(Transport::Tcp)),
            ("SIP:a%40b@[::1]:5070;lr", "::1", 5070, None),
            ("sip:example.net?subject=x", "example.net", 5060, None),
            ("sip:x@[2001:db8::1]", "2001:db8::1", 5060, None),
        ];
        for (uri, host, port, transport) in cases {
            let want = Target { host: host.to_owned(), port, transport };
            assert_eq!(target(uri), Ok(want), "{uri}");
        }
        for bad in [
            "",
            "5000",
            "tel:5000",
            "sip:",
            "sip:x@",
            "sip:x@h:0",
            "sip:x@h:99999",
            "sip:x@[::1",
            "sip:x@h;transport=sctp",
            "sips:x@h",
        ] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
