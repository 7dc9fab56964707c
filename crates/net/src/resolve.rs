//! Where a SIP URI leads: what it says itself, and the order of what DNS says (RFC 3263 §4).
use passline_engine::sip::Transport;
use std::net::IpAddr;

/// What a URI says about the next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    /// As written; `None` lets DNS decide.
    pub(crate) port: Option<u16>,
    pub(crate) transport: Option<Transport>,
    /// A `sips:` URI: TLS and nothing else.
    pub(crate) secure: bool,
}

impl Target {
    /// The address, where the host is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The transport that the URI alone prescribes (RFC 3263 §4.1): by its scheme, its parameter, or because it has an
    /// address or a port; `None`: DNS is asked.
    pub(crate) fn prescribed(&self) -> Option<Transport> {
        match self.transport {
            _ if self.secure => Some(Transport::Tls),
            Some(transport) => Some(transport),
            None if self.address().is_some() || self.port.is_some() => Some(Transport::Udp),
            None => None,
        }
    }
}

/// The port where none is written (RFC 3261 §19.1.2).
pub(crate) fn default_port(transport: Transport) -> u16 {
    if transport == Transport::Tls { 5061 } else { 5060 }
}

/// Reads host, port and `transport` of a `sip:` or `sips:` URI (RFC 3261 §19.1); the error is a sentence.
pub(crate) fn target(uri: &str) -> Result<Target, String> {
    let (secure, rest) = match uri.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sip") => (false, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sips") => (true, rest),
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
                "udp" if secure => return Err(format!("{uri:?} wants TLS and UDP at once")),
                "udp" => Transport::Udp,
                // In a sips URI `tcp` means TLS over TCP (RFC 3261 §26.2.2).
                "tcp" if !secure => Transport::Tcp,
                "tcp" | "tls" => Transport::Tls,
                other => return Err(format!("transport {other:?} is not supported")),
            });
        } else if name.eq_ignore_ascii_case("maddr") {
            return Err(format!("{uri:?} has an maddr parameter, which is not followed"));
        }
    }
    Ok(Target { host, port, transport, secure })
}

fn host_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => match text.find(':') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        },
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        None if rest.is_empty() => None,
        None => return None,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// A record of where a service is (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) transport: Transport,
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Puts the records of one name in the order in which they are tried: by priority, among equals at random by weight
/// (RFC 2782). `draw(n)` gives a number below `n`, which is at least 1.
pub(crate) fn in_order(mut records: Vec<Service>, mut draw: impl FnMut(u32) -> u32) -> Vec<Service> {
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let equals = records.iter().take_while(|record| record.priority == priority).count();
        let total: u32 = records[..equals].iter().map(|record| u32::from(record.weight)).sum();
        let mut left = draw(total + 1);
        let index = records[..equals].iter().position(|record| {
            let weight = u32::from(record.weight);
            let is_it = left <= weight;
            left = left.saturating_sub(weight);
            is_it
        });
        ordered.push(records.remove(index.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_lead_to_host_port_and_transport() {
        let cases = [
            ("sip:5000@127.0.0.1", "127.0.0.1", None, None, false),
            ("sip:5000@127.0.0.1:5080;transport=TCP", "127.0.0.1", Some(5080), Some(Transport::Tcp), false),
            ("SIP:a%40b@[::1]:5070;lr", "::1", Some(5070), None, false),
            ("sip:example.net?subject=x", "example.net", None, None, false),
            ("sip:x@[2001:db8::1];transport=tls", "2001:db8::1", None, Some(Transport::Tls), false),
            ("sips:x@h", "h", None, None, true),
            ("sips:x@h;transport=tcp", "h", None, Some(Transport::Tls), true),
        ];
        for (uri, host, port, transport, secure) in cases {
            let want = Target { host: host.to_owned(), port, transport, secure };
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
            "sips:x@h;transport=udp",
            "sip:x@h;maddr=10.0.0.1",
        ] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_uri_prescribes_the_transport_or_dns_does() {
        let of = |uri: &str| target(uri).expect("a URI").prescribed();
        assert_eq!(of("sip:x@h"), None);
        assert_eq!(of("sip:x@h:5080"), Some(Transport::Udp));
        assert_eq!(of("sip:x@192.0.2.1"), Some(Transport::Udp));
        assert_eq!(of("sip:x@h;transport=tcp"), Some(Transport::Tcp));
        assert_eq!(of("sips:x@192.0.2.1"), Some(Transport::Tls));
    }

    #[test]
    fn services_come_by_priority_and_among_equals_by_weight() {
        let service = |priority, weight, host: &str| Service {
            transport: Transport::Udp,
            priority,
            weight,
            host: host.to_owned(),
            port: 5060,
        };
        let all = vec![
            service(20, 0, "last"),
            service(10, 60, "big"),
            service(10, 20, "small"),
            service(10, 0, "zero"),
        ];
        let hosts = |draw: &mut dyn FnMut(u32) -> u32| -> Vec<String> {
            in_order(all.clone(), draw).into_iter().map(|service| service.host).collect()
        };
        assert_eq!(hosts(&mut |_| 0), ["zero", "small", "big", "last"]);
        assert_eq!(hosts(&mut |below| below - 1), ["big", "small", "zero", "last"]);
        let mut state = 1u64;
        let mut random = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((state >> 33) % u64::from(below)) as u32
        };
        let first = (0..4000).filter(|_| hosts(&mut random)[0] == "big").count();
        assert!((2700..3300).contains(&first), "{first} of 4000, 3000 are expected");
    }
}
