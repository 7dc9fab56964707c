//! Networks as an administrator writes them.
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error};
use std::{net::IpAddr, str::FromStr};

/// `192.0.2.0/24`, or an address, which is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub IpNet);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let network: IpNet = network.ok_or_else(|| {
            format!("`{text}` is no network; write ADDRESS or ADDRESS/BITS, e.g. 192.0.2.20 or 192.0.2.0/24")
        })?;
        Ok(Self(network.trunc()))
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Whether two networks have an address in common.
pub fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_networks_of_one() {
        let network = |text: &str| text.parse::<Network>().map(|network| network.0.to_string());
        assert_eq!(network("192.0.2.20").as_deref(), Ok("192.0.2.20/32"));
        assert_eq!(network("192.0.2.20/24").as_deref(), Ok("192.0.2.0/24"));
        assert_eq!(network("2001:db8::1").as_deref(), Ok("2001:db8::1/128"));
        assert!(network("pbx.example.org").unwrap_err().contains("192.0.2.0/24"));
        assert!(overlap("10.0.0.0/8".parse().unwrap(), "10.1.0.0/16".parse().unwrap()));
        assert!(!overlap("10.0.0.0/16".parse().unwrap(), "10.1.0.0/16".parse().unwrap()));
        assert!(!overlap("10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()));
    }
}
