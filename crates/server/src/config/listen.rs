//! Where to listen.
use serde::{Deserialize, Deserializer, de::Error};
use std::{fmt, net::SocketAddr, str::FromStr};

/// A transport of SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl Transport {
    /// As it stands in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// A listening address, e.g. `udp:192.0.2.1:5060`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Over what.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.name(), self.address)
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (transport, address) = match text.split_once(':') {
            Some(("udp", address)) => (Transport::Udp, address),
            Some(("tcp", address)) => (Transport::Tcp, address),
            Some(("tls", address)) => (Transport::Tls, address),
            _ => {
                return Err(format!(
                    "`{text}` names no transport; write udp:ADDRESS:PORT, tcp:ADDRESS:PORT or tls:ADDRESS:PORT"
                ));
            }
        };
        let address = address.parse().map_err(|_| {
            format!("`{address}` is no address with port; write e.g. udp:192.0.2.1:5060 or udp:[::1]:5060")
        })?;
        Ok(Self { transport, address })
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
