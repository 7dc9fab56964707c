//! Who is served: the source networks that an administrator named.
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// Source networks; empty = everybody. Whoever is not in the list gets no answer of any kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowList(Arc<[IpNet]>);

impl AllowList {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        AllowList(networks.into())
    }

    /// Whether this source is served. An IPv4 source on an IPv6 socket counts as what it is.
    pub(crate) fn admits(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.0.is_empty() || self.0.iter().any(|network| network.contains(&source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_networks_are_served() {
        let list =
            |text: &[&str]| AllowList::new(&text.iter().map(|t| t.parse().unwrap()).collect::<Vec<_>>());
        let admits = |list: &AllowList, source: &str| list.admits(source.parse().unwrap());
        assert!(admits(&list(&[]), "203.0.113.1"));
        let some = list(&["192.0.2.0/24", "2001:db8::/32"]);
        assert!(admits(&some, "192.0.2.200"));
        assert!(admits(&some, "::ffff:192.0.2.200"));
        assert!(admits(&some, "2001:db8::1"));
        assert!(!admits(&some, "192.0.3.1"));
        assert!(!admits(&some, "127.0.0.1"));
    }
}
