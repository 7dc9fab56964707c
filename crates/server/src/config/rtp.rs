//! `rtp:` in the configuration.
use super::trunk::CodecName;
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
    /// Media threads; 0: one less than there are cores, at least one.
    pub shards: u16,
    /// Cores that they run on, one each in turn; empty: wherever the system lets them.
    pub cores: Vec<usize>,
    /// Their nice value; without it, as everything else.
    pub nice: Option<Nice>,
    /// How packets pass between us and the kernel.
    pub io: Io,
    /// New calls are refused while the media threads are at work for so much of the time, percent.
    pub busy_limit: u8,
    /// Most calls on one port, of trunks that allow it.
    pub calls_per_port: usize,
    /// Whether audio is encrypted, where neither trunk nor device says; without it, it is where the other side offers it.
    pub srtp: Option<Srtp>,
    /// An encrypted call may go over to a weaker suite, or to plain audio, where the other side offers that.
    pub srtp_may_weaken: bool,
    /// Codecs offered, in this order, and accepted; empty: all that the engine usually has.
    pub codecs: Vec<CodecName>,
}

/// Whether audio is encrypted (SRTP, RFC 3711, with keys by SDES, RFC 4568).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Srtp {
    /// Never; who offers nothing else is refused.
    Off,
    /// Taken where it is offered, and offered by us, beside plain audio.
    Optional,
    /// Always; who offers or answers plain audio is refused.
    Required,
}

/// A nice value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nice(pub i32);

impl<'de> Deserialize<'de> for Nice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i32::deserialize(deserializer)?;
        let refused =
            || D::Error::custom(format!("`{value}` is no nice value; write -20 (first) to 19 (last)"));
        (-20..=19).contains(&value).then_some(Self(value)).ok_or_else(refused)
    }
}

/// How packets pass between us and the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Io {
    /// The best that the kernel allows.
    #[default]
    Auto,
    /// Many in one call (recvmmsg, sendmmsg).
    Mmsg,
    /// One by one.
    Single,
}

impl Rtp {
    /// Media threads, at least one.
    pub fn shards(&self) -> u16 {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        match self.shards {
            0 => u16::try_from(cores().saturating_sub(1).max(1)).unwrap_or(1),
            shards => shards,
        }
    }
}

impl Default for Rtp {
    fn default() -> Self {
        Self {
            address: None,
            ports: Ports { first: 16384, last: 32767 },
            dscp: 46,
            timeout_s: 30,
            shards: 0,
            cores: Vec::new(),
            nice: None,
            io: Io::Auto,
            busy_limit: 85,
            calls_per_port: 16,
            srtp: None,
            srtp_may_weaken: false,
            codecs: Vec::new(),
        }
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
