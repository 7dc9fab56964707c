//! Look-ups at a name server of our own on loopback.
use super::*;
use crate::resolve::target;
use std::net::Ipv4Addr;
use tokio::net::UdpSocket;

/// Records of the little server: name, type, data.
struct Zone(Vec<(String, u16, Vec<u8>)>);

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> = labels.flat_map(|l| std::iter::once(l.len() as u8).chain(l.bytes())).collect();
    bytes.push(0);
    bytes
}

impl Zone {
    fn new() -> Zone {
        Zone(Vec::new())
    }

    fn with(mut self, owner: &str, kind: u16, data: Vec<u8>) -> Zone {
        self.0.push((owner.to_owned(), kind, data));
        self
    }

    fn a(self, owner: &str, last: u8) -> Zone {
        self.with(owner, A, vec![192, 0, 2, last])
    }

    fn aaaa(self, owner: &str, last: u16) -> Zone {
        let ip = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
        self.with(owner, AAAA, ip.octets().to_vec())
    }

    fn srv(self, owner: &str, priority: u16, port: u16, host: &str) -> Zone {
        let mut data: Vec<u8> = [priority, 10, port].iter().flat_map(|n| n.to_be_bytes()).collect();
        data.extend(name(host));
        self.with(owner, SRV, data)
    }

    fn naptr(self, owner: &str, order: u16, service: &str, to: &str) -> Zone {
        let mut data: Vec<u8> = [order, 50].iter().flat_map(|n: &u16| n.to_be_bytes()).collect();
        for text in ["s", service, ""] {
            data.push(text.len() as u8);
            data.extend(text.bytes());
        }
        data.extend(name(to));
        self.with(owner, NAPTR, data)
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let mut at = 12;
        let mut labels: Vec<String> = Vec::new();
        while *query.get(at)? != 0 {
            let length = usize::from(query[at]);
            labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_ascii_lowercase());
            at += 1 + length;
        }
        let question = query.get(12..at + 5)?;
        let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
        let asked = labels.join(".");
        let found: Vec<_> = self.0.iter().filter(|(owner, of, _)| *owner == asked && *of == kind).collect();
        let exists = self.0.iter().any(|(owner, _, _)| *owner == asked);
        let mut reply = query[..2].to_vec();
        reply.extend([0x85, if exists { 0x80 } else { 0x83 }, 0, 1, 0, found.len() as u8, 0, 0, 0, 0]);
        reply.extend(question);
        for (_, kind, data) in found {
            reply.extend([0xC0, 12]);
            reply.extend(kind.to_be_bytes());
            reply.extend([0, 1, 0, 0, 0, 60]);
            reply.extend((data.len() as u16).to_be_bytes());
            reply.extend(data);
        }
        Some(reply)
    }

    /// Serves for as long as the test runs.
    async fn serve(self) -> Dns {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let server = socket.local_addr().expect("bound");
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                if let Some(reply) = self.answer(&buffer[..length]) {
                    let _ = socket.send_to(&reply, from).await;
                }
            }
        });
        Dns::new(&DnsConfig { servers: vec![server], ..DnsConfig::default() })
    }
}

fn all() -> Ours {
    let transports = [Transport::Udp, Transport::Tcp, Transport::Tls];
    Ours(transports.into_iter().flat_map(|t| [(t, true), (t, false)]).collect())
}

fn udp_v4() -> Ours {
    Ours([(Transport::Udp, true)].into())
}

async fn paths(dns: &Dns, uri: &str, ours: &Ours) -> Result<Vec<String>, String> {
    let found = dns.resolve(&target(uri)?, None, ours).await?;
    Ok(found.iter().map(|(transport, to)| format!("{} {to}", transport.token())).collect())
}

#[tokio::test]
async fn naptr_then_srv_then_addresses_in_their_order() {
    let dns = Zone::new()
        .naptr("example.net", 90, "SIP+D2T", "_sip._tcp.example.net")
        .naptr("example.net", 50, "SIPS+D2T", "_sips._tcp.example.net")
        .naptr("example.net", 10, "E2U+sip", "elsewhere.example.net")
        .srv("_sips._tcp.example.net", 1, 5071, "one.example.net")
        .srv("_sip._tcp.example.net", 20, 5080, "two.example.net")
        .srv("_sip._tcp.example.net", 10, 5070, "one.example.net")
        .a("one.example.net", 1)
        .aaaa("one.example.net", 1)
        .a("two.example.net", 2)
        .serve()
        .await;
    let want = [
        "TLS 192.0.2.1:5071",
        "TLS [2001:db8::1]:5071",
        "TCP 192.0.2.1:5070",
        "TCP [2001:db8::1]:5070",
        "TCP 192.0.2.2:5080",
    ];
    assert_eq!(paths(&dns, "sip:5001@example.net", &all()).await, Ok(want.map(str::to_owned).to_vec()));
    // A sips URI goes by TLS or not at all.
    let secure = paths(&dns, "sips:5001@example.net", &all()).await;
    assert_eq!(secure, Ok(want[..2].iter().map(|path| (*path).to_owned()).collect()));
    // What we do not speak is passed over, and if nothing else is there, it is said.
    let fault = paths(&dns, "sip:example.net;transport=tcp", &udp_v4()).await.expect_err("no TCP");
    assert!(fault.contains("by TCP, and there is no listener of ours"), "{fault}");
}

#[tokio::test]
async fn without_naptr_the_services_are_tried_and_without_them_the_name_itself() {
    let dns = Zone::new()
        .srv("_sip._udp.a.example", 10, 5070, "h.a.example")
        .srv("_sip._tcp.a.example", 10, 5080, "h.a.example")
        .a("h.a.example", 3)
        .a("b.example", 4)
        .serve()
        .await;
    let of = async |uri| paths(&dns, uri, &all()).await.expect("found");
    assert_eq!(of("sip:a.example").await, ["UDP 192.0.2.3:5070", "TCP 192.0.2.3:5080"]);
    assert_eq!(of("sip:a.example;transport=tcp").await, ["TCP 192.0.2.3:5080"]);
    assert_eq!(of("sip:b.example").await, ["UDP 192.0.2.4:5060"]);
    assert_eq!(of("sips:b.example").await, ["TLS 192.0.2.4:5061"]);
    // A port forbids SRV (RFC 3263 §4.2).
    assert_eq!(of("sip:b.example:5099").await, ["UDP 192.0.2.4:5099"]);
    assert_eq!(of("sip:192.0.2.9;transport=tls").await, ["TLS 192.0.2.9:5061"]);
    let fault = paths(&dns, "sip:nobody.example", &all()).await.expect_err("unknown");
    assert_eq!(fault, "the name nobody.example is not known to the name servers");
}

#[tokio::test]
async fn a_service_that_points_to_itself_or_nowhere_ends() {
    let mut zone = Zone::new().srv("_sip._udp.loop.example", 1, 5060, "_sip._udp.loop.example").srv(
        "_sip._udp.none.example",
        0,
        0,
        "",
    );
    for last in 0..16 {
        let host = format!("h{last}.many.example");
        zone = zone.srv("_sip._udp.many.example", u16::from(last), 5060, &host).a(&host, last);
    }
    let dns = zone.serve().await;
    assert!(paths(&dns, "sip:loop.example;transport=udp", &all()).await.is_err());
    assert!(paths(&dns, "sip:none.example;transport=udp", &all()).await.is_err());
    assert_eq!(paths(&dns, "sip:many.example", &all()).await.expect("found").len(), 8);
}

#[tokio::test]
async fn a_silent_name_server_costs_no_more_than_the_time_limit() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let servers = vec![socket.local_addr().expect("bound")];
    let timeout = Duration::from_millis(300);
    let dns = Dns::new(&DnsConfig { servers, timeout, ..DnsConfig::default() });
    let fault = paths(&dns, "sip:a.example", &all()).await.expect_err("silence");
    assert_eq!(fault, "the name servers gave no answer about a.example in time");
}
