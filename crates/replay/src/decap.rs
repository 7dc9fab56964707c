//! From link-layer frames to UDP datagrams and TCP segments: VLAN, PPPoE, cooked captures, tunnels, IP fragments.
use etherparse::{
    EtherType, LaxNetSlice, LaxSlicedPacket, SlicedPacket, TransportSlice,
    defrag::{IpDefragPayloadVec, IpDefragPool},
};
use std::net::{IpAddr, SocketAddr};

/// What a frame carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// A UDP datagram.
    Udp {
        /// Sender.
        from: SocketAddr,
        /// Receiver.
        to: SocketAddr,
        /// Octets.
        payload: Vec<u8>,
    },
    /// A TCP segment.
    Tcp {
        /// Sender.
        from: SocketAddr,
        /// Receiver.
        to: SocketAddr,
        /// Sequence number of the first octet (of the SYN itself where `syn`).
        sequence: u32,
        /// Starts a connection.
        syn: bool,
        /// Octets.
        payload: Vec<u8>,
    },
}

/// Tunnels inside tunnels are followed this deep.
const MAX_DEPTH: u8 = 4;
/// Datagrams whose fragments are waited for at one time; a capture of nothing but first fragments must not fill memory.
const MAX_FRAGMENTED: usize = 1024;

/// Undoes the layers below UDP and TCP.
#[derive(Default)]
pub struct Decapsulator {
    fragments: IpDefragPool<(), ()>,
    pending: usize,
}

impl Decapsulator {
    /// What a frame of this LINKTYPE carries; `None` for everything that is no UDP or TCP (yet).
    pub fn frame(&mut self, link: u32, bytes: &[u8]) -> Option<Carried> {
        match link {
            1 => {
                let ether_type = u16::from_be_bytes(bytes.get(12..14)?.try_into().ok()?);
                self.ether(ether_type, &bytes[14..], MAX_DEPTH)
            }
            // NULL and LOOP: four octets of address family, then IP.
            0 | 108 => self.ip(bytes.get(4..)?, MAX_DEPTH),
            // RAW in its three spellings, IPv4, IPv6.
            12 | 14 | 101 | 228 | 229 => self.ip(bytes, MAX_DEPTH),
            // Linux cooked v1 and v2.
            113 => {
                let ether_type = u16::from_be_bytes(bytes.get(14..16)?.try_into().ok()?);
                self.ether(ether_type, &bytes[16..], MAX_DEPTH)
            }
            276 => {
                let ether_type = u16::from_be_bytes(bytes.get(0..2)?.try_into().ok()?);
                self.ether(ether_type, bytes.get(20..)?, MAX_DEPTH)
            }
            // PPP, with or without the HDLC address octets.
            9 | 50 => {
                let bytes = bytes.strip_prefix(&[0xff, 0x03]).unwrap_or(bytes);
                self.ppp(bytes, MAX_DEPTH)
            }
            _ => None,
        }
    }

    fn ether(&mut self, ether_type: u16, bytes: &[u8], depth: u8) -> Option<Carried> {
        let depth = depth.checked_sub(1)?;
        match ether_type {
            // VLAN tags: 802.1Q, 802.1ad, QinQ.
            0x8100 | 0x88a8 | 0x9100 => {
                let inner = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
                self.ether(inner, &bytes[4..], depth)
            }
            // PPPoE session (RFC 2516): six octets, then PPP.
            0x8864 => self.ppp(bytes.get(6..)?, depth),
            // MPLS: labels until the bottom of the stack.
            0x8847 | 0x8848 => {
                let labels = bytes.chunks_exact(4).position(|label| label[2] & 1 == 1)? + 1;
                self.ip(&bytes[labels * 4..], depth)
            }
            0x0800 | 0x86dd => self.ip(bytes, depth),
            _ => None,
        }
    }

    fn ppp(&mut self, bytes: &[u8], depth: u8) -> Option<Carried> {
        match bytes.get(..2)? {
            [0x00, 0x21 | 0x57] => self.ip(&bytes[2..], depth),
            [0x21 | 0x57, ..] => self.ip(&bytes[1..], depth),
            _ => None,
        }
    }

    fn ip(&mut self, bytes: &[u8], depth: u8) -> Option<Carried> {
        let depth = depth.checked_sub(1)?;
        let packet = LaxSlicedPacket::from_ip(bytes).ok()?;
        let (from, to) = match packet.net.as_ref()? {
            LaxNetSlice::Ipv4(ip) => {
                (IpAddr::V4(ip.header().source_addr()), IpAddr::V4(ip.header().destination_addr()))
            }
            LaxNetSlice::Ipv6(ip) => {
                (IpAddr::V6(ip.header().source_addr()), IpAddr::V6(ip.header().destination_addr()))
            }
            LaxNetSlice::Arp(_) => return None,
        };
        let payload = packet.ip_payload()?;
        if payload.fragmented {
            let whole = self.defragment(bytes)?;
            return self.protocol(whole.ip_number.0, &whole.payload, from, to, depth);
        }
        match &packet.transport {
            Some(TransportSlice::Udp(udp)) => Some(Carried::Udp {
                from: SocketAddr::new(from, udp.source_port()),
                to: SocketAddr::new(to, udp.destination_port()),
                payload: udp.payload().to_vec(),
            }),
            Some(TransportSlice::Tcp(tcp)) => Some(Carried::Tcp {
                from: SocketAddr::new(from, tcp.source_port()),
                to: SocketAddr::new(to, tcp.destination_port()),
                sequence: tcp.sequence_number(),
                syn: tcp.syn(),
                payload: tcp.payload().to_vec(),
            }),
            Some(_) => None,
            None => self.protocol(payload.ip_number.0, payload.payload, from, to, depth),
        }
    }

    /// A tunnel's inside, or a transport that was put together from fragments.
    fn protocol(&mut self, number: u8, bytes: &[u8], from: IpAddr, to: IpAddr, depth: u8) -> Option<Carried> {
        match number {
            4 | 41 => self.ip(bytes, depth),
            // GRE (RFC 2784, 2890): optional checksum, key and sequence words.
            47 => {
                let flags = *bytes.first()?;
                let words = [0x80, 0x20, 0x10].iter().filter(|bit| flags & **bit != 0).count();
                let ether_type = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
                self.ether(ether_type, bytes.get(4 + 4 * words..)?, depth)
            }
            17 => {
                let udp = etherparse::UdpSlice::from_slice_lax(bytes).ok()?;
                Some(Carried::Udp {
                    from: SocketAddr::new(from, udp.source_port()),
                    to: SocketAddr::new(to, udp.destination_port()),
                    payload: udp.payload().to_vec(),
                })
            }
            6 => {
                let tcp = etherparse::TcpSlice::from_slice(bytes).ok()?;
                Some(Carried::Tcp {
                    from: SocketAddr::new(from, tcp.source_port()),
                    to: SocketAddr::new(to, tcp.destination_port()),
                    sequence: tcp.sequence_number(),
                    syn: tcp.syn(),
                    payload: tcp.payload().to_vec(),
                })
            }
            _ => None,
        }
    }

    fn defragment(&mut self, bytes: &[u8]) -> Option<IpDefragPayloadVec> {
        let ether_type = if bytes.first()? >> 4 == 6 { EtherType::IPV6 } else { EtherType::IPV4 };
        let sliced = SlicedPacket::from_ether_type(ether_type, bytes).ok()?;
        if self.pending >= MAX_FRAGMENTED {
            self.fragments = IpDefragPool::new();
            self.pending = 0;
        }
        self.pending += 1;
        let whole = self.fragments.process_sliced_packet(&sliced, (), ()).ok()??;
        self.pending = self.pending.saturating_sub(2);
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    fn udp_packet() -> Vec<u8> {
        let builder = PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).udp(5060, 5062);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, b"OPTIONS").unwrap();
        bytes
    }

    fn expect(carried: Option<Carried>) {
        let Some(Carried::Udp { from, to, payload }) = carried else { panic!("no datagram: {carried:?}") };
        assert_eq!(
            (from.to_string().as_str(), to.to_string().as_str()),
            ("192.0.2.1:5060", "192.0.2.2:5062")
        );
        assert_eq!(payload, b"OPTIONS");
    }

    #[test]
    fn every_layer_below_ip_is_undone() {
        let ip = udp_packet();
        let with = |prefix: &[u8]| [prefix, &ip].concat();
        let mac = [0u8; 12];
        let table: Vec<(u32, Vec<u8>)> = vec![
            (101, ip.clone()),
            (0, with(&[2, 0, 0, 0])),
            (1, with(&[&mac[..], &[8, 0]].concat())),
            (1, with(&[&mac[..], &[0x81, 0, 0, 5, 8, 0]].concat())),
            (1, with(&[&mac[..], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0]].concat())),
            (1, with(&[&mac[..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 40, 0, 0x21]].concat())),
            (1, with(&[&mac[..], &[0x88, 0x47, 0, 0, 0x11, 64]].concat())),
            (113, with(&[&[0u8; 14][..], &[8, 0]].concat())),
            (276, with(&[&[8, 0][..], &[0u8; 18]].concat())),
            (9, with(&[0xff, 0x03, 0x00, 0x21])),
        ];
        for (link, frame) in table {
            expect(Decapsulator::default().frame(link, &frame));
        }
    }

    #[test]
    fn ip_in_ip_is_followed_and_loops_end() {
        let mut tunnelled = udp_packet();
        for depth in 0..8 {
            let carried = Decapsulator::default().frame(101, &tunnelled);
            if depth < 3 {
                expect(carried);
            } else if depth > 4 {
                assert_eq!(carried, None);
            }
            let mut outer = Vec::new();
            let builder = PacketBuilder::ipv4([198, 51, 100, 1], [198, 51, 100, 2], 64);
            builder.write(&mut outer, etherparse::IpNumber::IPV4, &tunnelled).unwrap();
            tunnelled = outer;
        }
    }

    #[test]
    fn fragments_are_put_together() {
        let whole = udp_packet();
        let mut fragments = Vec::new();
        // 8 + 7 octets of UDP in two fragments.
        for (offset, more, part) in [(0u16, true, &whole[20..28]), (1, false, &whole[28..])] {
            let mut header = whole[..20].to_vec();
            header[2..4].copy_from_slice(&((20 + part.len()) as u16).to_be_bytes());
            header[6..8].copy_from_slice(&(offset | if more { 0x2000 } else { 0 }).to_be_bytes());
            fragments.push([&header[..], part].concat());
        }
        let mut decapsulator = Decapsulator::default();
        assert_eq!(decapsulator.frame(101, &fragments[0]), None);
        expect(decapsulator.frame(101, &fragments[1]));
    }

    #[test]
    fn short_frames_carry_nothing() {
        let frame = [&[0u8; 12][..], &[8, 0], &udp_packet()].concat();
        for length in 0..frame.len() {
            for link in [0, 1, 9, 101, 113, 276, 999] {
                let _ = Decapsulator::default().frame(link, &frame[..length]);
            }
        }
    }
}
