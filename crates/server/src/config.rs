//! The configuration file: every setting, its default, and errors with file, line, column and remedy.
use crate::exit::Failure;
use serde::{Deserialize, Deserializer, de::Error};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

/// Everything that can be set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of the store; created if missing.
    pub data: Option<PathBuf>,
    /// Folder that holds `prompts/<language>`.
    pub media: Option<PathBuf>,
    /// Folder of the flow files.
    pub flows: Option<PathBuf>,
    /// Languages in the order of the menu, the default first; others that have a folder follow.
    pub languages: Vec<String>,
    /// Signalling.
    pub sip: Sip,
    /// Media.
    pub rtp: Rtp,
    /// The embedded store.
    pub identity: Identity,
    /// Lockout and time limits.
    pub policy: passline_connectors::AuthorityConfig,
    /// Target systems beside the embedded ones.
    pub targets: Vec<Target>,
    /// Log output.
    pub log: Log,
}

/// Signalling.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sip {
    /// Where to listen, as `udp:ADDRESS:PORT` or `tcp:ADDRESS:PORT`.
    pub listen: Vec<Listen>,
    /// Source networks that are served, as `ADDRESS/BITS`; empty = all.
    pub allow: Vec<ipnet::IpNet>,
    /// Calls at one time; further ones get 503 with Retry-After.
    pub max_calls: usize,
    /// DSCP of signalling (CS3 = 24).
    pub dscp: u8,
}

impl Default for Sip {
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 5060));
        Self {
            listen: vec![
                Listen { transport: Transport::Udp, address: loopback },
                Listen { transport: Transport::Tcp, address: loopback },
            ],
            allow: Vec::new(),
            max_calls: 200,
            dscp: 24,
        }
    }
}

/// Media.
#[derive(Clone, Debug, Deserialize)]
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

/// The embedded store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Put the demo users into a new store. By default only where no configuration file is.
    pub demo: Option<bool>,
    /// Slow hashes at one time; more would starve the media of a small machine.
    pub hashes_at_once: usize,
    /// Targets that live in the store.
    pub embedded_targets: Vec<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { demo: None, hashes_at_once: 2, embedded_targets: vec!["directory".into(), "crm".into()] }
    }
}

/// A target system.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// LDAP or Active Directory.
    Ldap(passline_connectors::LdapConfig),
}

/// Log output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or a filter such as `info,passline_net=debug`.
    pub level: String,
    /// Form of the lines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// A transport of SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// A listening address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Over what.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (transport, address) = match text.split_once(':') {
            Some(("udp", address)) => (Transport::Udp, address),
            Some(("tcp", address)) => (Transport::Tcp, address),
            _ => {
                return Err(format!(
                    "`{text}` names no transport; write udp:ADDRESS:PORT or tcp:ADDRESS:PORT"
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

impl Config {
    /// Reads the file named, or `passline.yaml` here, or takes the embedded defaults (`None` as second value).
    pub fn load(named: Option<&Path>) -> Result<(Self, Option<PathBuf>), Failure> {
        let default = Path::new("passline.yaml");
        let path = match named {
            Some(path) => path,
            None if default.exists() => default,
            None => return Ok((Self::default(), None)),
        };
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::input(format!("{}: cannot be read: {e}", path.display())))?;
        let mut config = Self::parse(&text, &path.display().to_string()).map_err(Failure::input)?;
        // A path in the file is meant from where the file lies.
        let folder = path.parent().unwrap_or(Path::new(""));
        for inside in [&mut config.data, &mut config.media, &mut config.flows].into_iter().flatten() {
            *inside = folder.join(&*inside);
        }
        Ok((config, Some(path.to_owned())))
    }

    /// Parses a configuration; the fault names file, line, column and remedy.
    pub fn parse(text: &str, file: &str) -> Result<Self, String> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Self::default());
        }
        // A snippet would print the lines around the fault, and a secret may stand there.
        let options = serde_saphyr::options! { with_snippet: false };
        let config: Self = serde_saphyr::from_str_with_options(text, options).map_err(|e| {
            let place = e.location().map(|l| format!(":{}:{}", l.line(), l.column())).unwrap_or_default();
            format!("{file}{place}: {}", strip_location(&e.to_string()))
        })?;
        if config.sip.listen.is_empty() {
            return Err(format!(
                "{file}: sip.listen is empty, so nobody could call; name at least one udp:ADDRESS:PORT"
            ));
        }
        if config.sip.dscp > 63 || config.rtp.dscp > 63 {
            return Err(format!("{file}: a DSCP is a number from 0 to 63 (CS3 = 24, EF = 46)"));
        }
        Ok(config)
    }

    /// Folder of the store.
    pub fn data(&self) -> PathBuf {
        let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        self.data
            .clone()
            .or_else(|| from("PASSLINE_DATA"))
            .or_else(|| from("XDG_DATA_HOME").map(|home| home.join("passline")))
            .or_else(|| from("HOME").map(|home| home.join(".local/share/passline")))
            .unwrap_or_else(|| PathBuf::from("passline-data"))
    }

    /// Address for RTP.
    pub fn media_address(&self) -> IpAddr {
        self.rtp.address.unwrap_or_else(|| self.sip.listen[0].address.ip())
    }

    /// What an administrator should hear of this configuration before somebody else does.
    pub fn warnings(&self) -> Vec<String> {
        let open: Vec<_> = self.sip.listen.iter().filter(|listen| is_public(listen.address.ip())).collect();
        if open.is_empty() || !self.sip.allow.is_empty() {
            return Vec::new();
        }
        open.iter()
            .map(|listen| {
                format!(
                    "WARNING: {} can be reached from networks that are not yours, without TLS and without an allow-list: PINs and \
                     passwords can be overheard, and everyone may call. Set sip.allow to the networks of your PBX.",
                    listen.address
                )
            })
            .collect()
    }
}

/// The position stands in front already.
fn strip_location(message: &str) -> &str {
    message.split(" at line ").next().unwrap_or(message).trim_end_matches(',')
}

/// True where the world may reach it: public addresses, and the wildcard, which includes them.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_private() || v4.is_link_local()),
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local())
                && v6.to_ipv4_mapped().is_none_or(|v4| is_public(v4.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_place_and_remedy() {
        let table = [
            ("sip:\n  listn: []\n", "f.yaml:2:3", "listn"),
            ("sip:\n  listen: [\"127.0.0.1:5060\"]\n", "f.yaml:2:", "udp:ADDRESS:PORT"),
            ("rtp:\n  ports: 9-5\n", "f.yaml:2:", "16384-32767"),
            ("sip: { listen: [] }\n", "f.yaml", "at least one"),
            ("sip: { dscp: 64 }\n", "f.yaml", "0 to 63"),
            ("targets:\n  - kind: telepathy\n", "f.yaml:2:", "telepathy"),
        ];
        for (text, place, remedy) in table {
            let fault = Config::parse(text, "f.yaml").unwrap_err();
            assert!(fault.contains(place) && fault.contains(remedy), "{text:?} → {fault}");
        }
    }

    #[test]
    fn nothing_written_is_the_default() {
        for text in ["", "# only a remark\n"] {
            assert_eq!(Config::parse(text, "f").unwrap().sip.listen, Sip::default().listen);
        }
    }

    #[test]
    fn only_public_listeners_without_a_list_are_warned_of() {
        let warned = |listen: &str, allow: &str| {
            !Config::parse(&format!("sip: {{ listen: [\"{listen}\"], allow: [{allow}] }}"), "f")
                .unwrap()
                .warnings()
                .is_empty()
        };
        assert!(warned("udp:0.0.0.0:5060", ""));
        assert!(warned("udp:203.0.113.9:5060", ""));
        assert!(warned("tcp:[::]:5060", ""));
        assert!(!warned("udp:0.0.0.0:5060", "10.0.0.0/8"));
        assert!(!warned("udp:10.1.1.1:5060", ""));
        assert!(!warned("udp:[fd00::1]:5060", ""));
        assert!(!warned("udp:127.0.0.1:5060", ""));
    }
}
