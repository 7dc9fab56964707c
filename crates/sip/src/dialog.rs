//! Dialogs (RFC 3261 §12): who, in which order, and by which way.

use crate::message::{Address, Scheme, Uri, Writer};
use crate::{Flow, Transport};
use std::net::{IpAddr, SocketAddr};

/// Call-ID, our tag, the peer's tag.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag; empty for RFC 2543 peers.
    pub remote_tag: String,
}

/// State of one dialog.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// Its name.
    pub id: DialogId,
    /// Our From (or To) value, tag included.
    pub local: String,
    /// The peer's value, tag included.
    pub remote: String,
    /// CSeq of our last request.
    pub local_seq: u32,
    /// CSeq of the peer's last request.
    pub remote_seq: Option<u32>,
    /// Route values in the order in which they go out.
    pub routes: Vec<String>,
    /// Remote target: URI of the peer's Contact.
    pub target: String,
    /// Path by which the peer was last heard.
    pub path: Flow,
    /// The peer sits behind NAT: its Via names another address than the one it was heard from.
    pub nat: bool,
}

/// A request that is about to go: everything that an ACK or a CANCEL of it has to repeat.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Request-URI.
    pub uri: String,
    /// Via value.
    pub via: String,
    /// Route values.
    pub routes: Vec<String>,
    /// From value.
    pub from: String,
    /// To value.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
    /// CSeq number.
    pub cseq: u32,
    /// Max-Forwards; 70 but for calls passed on (RFC 7332).
    pub max_forwards: u8,
}

/// Max-Forwards of requests that begin here (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: u8 = 70;

impl Outgoing {
    /// Start line and the fields that every request has.
    pub fn writer(&self, method: &str) -> Writer {
        let mut writer = Writer::request(method, &self.uri);
        writer.header("Via", &self.via).header("Max-Forwards", self.max_forwards.to_string());
        for route in &self.routes {
            writer.header("Route", route);
        }
        writer.header("From", &self.from).header("To", &self.to).header("Call-ID", &self.call_id);
        writer.header("CSeq", format!("{} {method}", self.cseq));
        writer
    }
}

impl Dialog {
    /// A request in this dialog; `cseq` as given (ACK repeats that of its INVITE).
    pub fn request(&self, via: String, cseq: u32) -> Outgoing {
        let (uri, routes) = self.routing();
        Outgoing {
            max_forwards: MAX_FORWARDS,
            uri,
            via,
            routes,
            from: self.local.clone(),
            to: self.remote.clone(),
            call_id: self.id.call_id.clone(),
            cseq,
        }
    }

    /// Request-URI and Route values (RFC 3261 §12.2.1.1): a first hop without `lr` gets itself as Request-URI.
    fn routing(&self) -> (String, Vec<String>) {
        match self.routes.split_first() {
            Some((first, rest)) if !self.first_hop().is_some_and(|uri| uri.is_loose()) => {
                let uri = Address::parse(first).map_or(first.as_str(), |a| a.uri).to_owned();
                let mut routes = rest.to_vec();
                routes.push(format!("<{}>", self.target));
                (uri, routes)
            }
            _ => (self.target.clone(), self.routes.clone()),
        }
    }

    fn first_hop(&self) -> Option<Uri<'_>> {
        self.routes.first().and_then(|route| Address::parse(route).ok()).and_then(|a| a.uri())
    }

    /// Where the next request goes: the first hop's address if it is a literal that can be reached, else back by the path
    /// by which the peer was heard (names are not resolved; NAT makes private addresses useless).
    /// `alive`: the path by which the peer was heard can still be used.
    pub fn next_path(&self, alive: bool) -> Flow {
        let hop = if self.routes.is_empty() { Uri::parse(&self.target) } else { self.first_hop() };
        let heard = self.path;
        let Some((uri, address)) = hop.and_then(|uri| uri.socket_addr().map(|address| (uri, address))) else {
            return heard;
        };
        let transport = match uri.param("transport") {
            Some(t) if t.eq_ignore_ascii_case("tcp") && uri.scheme == Scheme::Sip => Transport::Tcp,
            Some(t) if t.eq_ignore_ascii_case("udp") => Transport::Udp,
            Some(_) => return heard,
            None if uri.scheme == Scheme::Sips => return heard,
            None => heard.transport,
        };
        let same_host = address.ip() == heard.remote.ip();
        let behind_nat = self.routes.is_empty() && self.nat && (same_host || is_inner(address.ip()));
        let inward = is_inner(address.ip()) && !is_inner(heard.remote.ip());
        // A call that began on a protected path does not leave it, whatever the peer's Contact says.
        if [transport, heard.transport].contains(&Transport::Tls)
            || behind_nat
            || inward
            || unreachable(address)
            || address.is_ipv4() != heard.remote.is_ipv4()
            || (transport.is_reliable() && alive && transport == heard.transport && same_host)
        {
            return heard;
        }
        Flow { transport, local: heard.local, remote: address, connection: None }
    }
}

/// Addresses that mean nothing outside their own network.
fn is_inner(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => {
            ip.is_loopback() || (ip.segments()[0] & 0xfe00) == 0xfc00 || (ip.segments()[0] & 0xffc0) == 0xfe80
        }
    }
}

pub(crate) fn unreachable(address: SocketAddr) -> bool {
    let broadcast = matches!(address.ip(), IpAddr::V4(ip) if ip.is_broadcast());
    address.port() == 0 || address.ip().is_unspecified() || address.ip().is_multicast() || broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(routes: &[&str], target: &str, heard: &str) -> Dialog {
        Dialog {
            id: DialogId { call_id: "c".into(), local_tag: "l".into(), remote_tag: "r".into() },
            local: "<sip:l>;tag=l".into(),
            remote: "<sip:r>;tag=r".into(),
            local_seq: 1,
            remote_seq: None,
            routes: routes.iter().map(|r| (*r).to_owned()).collect(),
            target: target.into(),
            path: Flow {
                transport: Transport::Udp,
                local: "127.0.0.1:5060".parse().unwrap(),
                remote: heard.parse().unwrap(),
                connection: None,
            },
            nat: false,
        }
    }

    #[test]
    fn loose_and_strict_routes() {
        let loose = dialog(&["<sip:p1;lr>", "<sip:p2>"], "sip:t", "1.2.3.4:5060").request("v".into(), 2);
        assert_eq!(
            (loose.uri.as_str(), loose.routes),
            ("sip:t", vec!["<sip:p1;lr>".to_owned(), "<sip:p2>".into()])
        );
        let strict = dialog(&["<sip:p1>", "<sip:p2;lr>"], "sip:t", "1.2.3.4:5060").request("v".into(), 2);
        assert_eq!(
            (strict.uri.as_str(), strict.routes),
            ("sip:p1", vec!["<sip:p2;lr>".to_owned(), "<sip:t>".into()])
        );
    }

    #[test]
    fn next_hops() {
        let table: &[(&[&str], &str, &str, &str)] = &[
            (&[], "sip:a@198.51.100.7:5070", "198.51.100.7:5060", "198.51.100.7:5070"),
            (&["<sip:203.0.113.5;lr>"], "sip:a@10.0.0.9", "203.0.113.9:5060", "203.0.113.5:5060"),
            (&["<sip:proxy.example;lr>"], "sip:a@198.51.100.7", "203.0.113.9:5060", "203.0.113.9:5060"),
            (&[], "sip:a@192.168.1.2:5070", "198.51.100.7:40000", "198.51.100.7:40000"),
            (&[], "sip:a@192.168.1.2:5070", "192.168.1.1:5060", "192.168.1.2:5070"),
            (&[], "sip:a@255.255.255.255", "198.51.100.7:5060", "198.51.100.7:5060"),
            (&[], "sip:a@224.0.0.1", "198.51.100.7:5060", "198.51.100.7:5060"),
            (&[], "sip:a@[2001:db8::1]", "198.51.100.7:5060", "198.51.100.7:5060"),
        ];
        for (routes, target, heard, path) in table {
            assert_eq!(
                dialog(routes, target, heard).next_path(true).remote.to_string(),
                *path,
                "{routes:?} {target}"
            );
        }
        assert_eq!(
            dialog(&[], "sip:a@198.51.100.7;transport=TCP", "198.51.100.7:5060").next_path(true).transport,
            Transport::Tcp
        );
        let mut protected =
            dialog(&["<sip:192.0.2.9;lr>"], "sip:a@198.51.100.7;transport=udp", "198.51.100.7:5061");
        protected.path.transport = Transport::Tls;
        assert_eq!(protected.next_path(true), protected.path);
        protected.routes.clear();
        assert_eq!(protected.next_path(false), protected.path);
    }
}
