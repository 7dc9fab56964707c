//! `rtp:` in the configuration.
use serde::{Deserialize, Deserializer, de::Error};
use std::net::IpAddr;

/// Media.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rtp {
    /// Address for RTP; by default that of the first listener.
    pub address: Option<IpAddr>,
    /// UDP ports for RTP and RTCP, as `FIRST-LAST`.
    pub ports: Ports,
    /// DSCP of RTP and RTCP (EF = 46).
    pub dscp: u8,
    /// A call without any received RTP ends after this many seconds.
    pub timeout_s: u64,
}

impl Default for Rtp {
    fn default() -> Self {
        Self { address: None, ports: Ports { first: 16384, last: 32767 }, dscp: 46, timeout_s: 30 }
    }
}

/// A range of UDP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// First.
    pub first: u16,
    /// Last, included.
    pub last: u16,
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let range = text
            .split_once('-')
            .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
        match range {
            Some((first, last)) if first >= 1024 && last > first => Ok(Self { first, last }),
            _ => Err(D::Error::custom(format!(
                "`{text}` is no range of ports; write FIRST-LAST, from 1024 on, e.g. 16384-32767"
            ))),
        }
    }
}
