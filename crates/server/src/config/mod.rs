//! The configuration file: every setting, its default, and errors with file, line, column and remedy.
mod check;
mod device;
mod host;
mod http;
mod identity;
mod limits;
mod listen;
mod log;
mod network;
mod rtp;
mod sip;
#[cfg(test)]
mod tests;
pub mod trunk;

pub use check::{exposed, networks_of, password};
pub use device::Device;
pub use host::Host;
pub use http::Http;
pub use identity::{Identity, Target};
pub use limits::Limits;
pub use listen::{Listen, Transport};
pub use log::{Calls, Log, LogFormat};
pub use network::Network;
pub use rtp::{Io, Rtp, Srtp};
pub use sip::{Digest, Sip, Tls};
pub use trunk::{Route, Trunk};

use crate::exit::Failure;
use serde::Deserialize;
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
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
    /// Other PBXs and providers.
    pub trunks: Vec<Trunk>,
    /// Telephones that register here.
    pub devices: Vec<Device>,
    /// Where numbers go that are neither a flow's nor an extension.
    pub routes: Vec<Route>,
    /// The embedded store.
    pub identity: Identity,
    /// Lockout and time limits.
    pub policy: passline_connectors::AuthorityConfig,
    /// Target systems beside the embedded ones.
    pub targets: Vec<Target>,
    /// Metrics and health.
    pub http: Http,
    /// Call records.
    pub calls: Calls,
    /// Log output.
    pub log: Log,
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
        let name = path.display().to_string();
        let mut config = Self::parse(&text, &name).map_err(Failure::Input)?;
        config.join(path.parent().unwrap_or(Path::new("")));
        Ok((config, Some(path.to_owned())))
    }

    /// What is wrong with the files that it names. For commands that open them anyway, or that serve or check.
    pub fn check_files(&self, file: Option<&Path>) -> Result<(), Failure> {
        let name = file.map(|path| path.display().to_string()).unwrap_or_default();
        let faults = check::files(self, &name);
        if faults.is_empty() { Ok(()) } else { Err(Failure::Input(faults)) }
    }

    /// A path in the file is meant from where the file lies.
    fn join(&mut self, folder: &Path) {
        let plain = [&mut self.data, &mut self.media, &mut self.flows];
        let Tls { certificate, key, client_ca, extra_roots, .. } = &mut self.sip.tls;
        let tls = [certificate, key, client_ca];
        for inside in plain.into_iter().chain(tls).flatten().chain(extra_roots) {
            check::join(folder, inside);
        }
        for trunk in &mut self.trunks {
            let files = [&mut trunk.password_file, &mut trunk.ca, &mut trunk.certificate, &mut trunk.key];
            files.into_iter().flatten().for_each(|file| check::join(folder, &mut file.value));
        }
        for device in &mut self.devices {
            check::join(folder, &mut device.password_file.value);
        }
    }

    /// Parses a configuration; each fault names file, line, column and remedy.
    pub fn parse(text: &str, file: &str) -> Result<Self, Vec<String>> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Self::default());
        }
        // A snippet would print the lines around the fault, and a secret may stand there.
        let options = serde_saphyr::options! { with_snippet: false };
        let config: Self = serde_saphyr::from_str_with_options(text, options).map_err(|e| {
            let place = e.location().map(|l| format!(":{}:{}", l.line(), l.column())).unwrap_or_default();
            vec![format!("{file}{place}: {}", strip_location(&e.to_string()))]
        })?;
        let faults = check::faults(&config, file);
        if faults.is_empty() { Ok(config) } else { Err(faults) }
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

    /// Source networks that are served: those of `sip.allow` and of the trunks; empty = all.
    pub fn allow(&self) -> Vec<ipnet::IpNet> {
        if self.sip.allow.is_empty() {
            return Vec::new();
        }
        let trunks = self.trunks.iter().flat_map(networks_of);
        self.sip.allow.iter().map(|network| network.0).chain(trunks).collect()
    }

    /// What an administrator should hear of this configuration before somebody else does.
    pub fn warnings(&self) -> Vec<String> {
        let files = self.trunks.iter().filter_map(|trunk| trunk.password_file.as_ref());
        let files = files.chain(self.devices.iter().map(|device| &device.password_file));
        let mut warnings: Vec<_> =
            files.filter_map(|file| exposed(&file.value)).map(|text| format!("WARNING: {text}")).collect();
        if self.sip.allow.is_empty() {
            let open = self.sip.listen.iter().filter(|listen| is_public(listen.address.ip()));
            warnings.extend(open.map(|listen| {
                let clear = if listen.transport == Transport::Tls { "" } else { ", without TLS" };
                format!(
                    "WARNING: {} can be reached from networks that are not yours{clear} and without an allow-list: PINs and \
                     passwords can be overheard, and everyone may call. Set sip.allow to the networks of your PBX.",
                    listen.address
                )
            }));
        }
        warnings.extend(self.readable_keys().map(|who| {
            format!(
                "WARNING: audio of {who} is to be encrypted (`srtp`), but its keys travel in SIP without TLS, where whoever \
                 can hear the audio can read them. Use TLS for SIP there, too."
            )
        }));
        if let Some(listen) = self.http.listen.filter(|listen| is_public(listen.ip())) {
            warnings.push(format!(
                "WARNING: http.listen {listen} can be reached from networks that are not yours, and everyone may read the \
                 metrics there. Set it to an address of this machine alone, e.g. 127.0.0.1:{}.",
                listen.port()
            ));
        }
        warnings
    }

    /// Whose audio is encrypted with keys that go over the network in clear.
    fn readable_keys(&self) -> impl Iterator<Item = String> + '_ {
        let wanted =
            |srtp: Option<Srtp>| matches!(srtp.or(self.rtp.srtp), Some(Srtp::Optional | Srtp::Required));
        let in_clear = |listen: &Listen| listen.transport != Transport::Tls;
        let listens = self.sip.listen.iter().any(in_clear);
        let trunks = self
            .trunks
            .iter()
            .filter(move |trunk| wanted(trunk.srtp) && trunk.host.as_ref().map_or(listens, |host| !host.tls));
        let devices = self.devices.iter().filter(move |device| wanted(device.srtp) && listens);
        let trunks = trunks.map(|trunk| format!("trunk `{}`", trunk.name.value));
        trunks.chain(devices.map(|device| format!("device {}", device.extension.value.0)))
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
