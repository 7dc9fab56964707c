//! What counts as one source.
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or an IPv6 network of 64 bits: who has one of its addresses has them all (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(u128);

impl Key {
    pub(crate) fn of(source: IpAddr) -> Key {
        match source.to_canonical() {
            IpAddr::V4(v4) => Key(v4.to_ipv6_mapped().to_bits()),
            IpAddr::V6(v6) => Key(v6.to_bits() & !u128::from(u64::MAX)),
        }
    }

    /// The address, or the first of the network.
    pub(crate) fn address(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from_bits(self.0)).to_canonical()
    }
}

/// A few networks, asked for each datagram.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks(Vec<IpNet>);

impl Networks {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        Networks(networks.to_vec())
    }

    pub(crate) fn contain(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.0.iter().any(|network| network.contains(&source))
    }
}

/// A source for tests.
#[cfg(test)]
pub(crate) fn v4(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_source_and_so_is_a_home_network_of_ipv6() {
        let key = |text: &str| Key::of(text.parse().expect("an address"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("192.0.2.1").address().to_string(), "192.0.2.1");
        assert_eq!(key("2001:db8::1").address().to_string(), "2001:db8::");
    }
}
