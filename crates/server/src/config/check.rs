//! Faults that no single value shows: what does not go together, with file, line, column and remedy.
use super::{Config, Network, Transport, network::overlap, trunk::Inbound};
use passline_identity::Secret;
use serde_saphyr::{Location, Spanned};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Everything wrong with it, one line each.
pub fn faults(config: &Config, file: &str) -> Vec<String> {
    let mut faults = Faults { file, found: Vec::new() };
    general(config, &mut faults);
    tls(config, &mut faults);
    trunks(config, &mut faults);
    networks(config, &mut faults);
    devices(config, &mut faults);
    routes(config, &mut faults);
    faults.found
}

/// Files that are named must be there and hold what they should. Paths in `config` are already joined with its folder.
pub fn files(config: &Config, file: &str) -> Vec<String> {
    let mut faults = Faults { file, found: Vec::new() };
    let passwords = config.trunks.iter().filter_map(|trunk| trunk.password_file.as_ref());
    for path in passwords.chain(config.devices.iter().map(|device| &device.password_file)) {
        if let Err(fault) = password(&path.value) {
            faults.at(path.referenced, fault);
        }
    }
    let pems = config.trunks.iter().flat_map(|trunk| [&trunk.ca, &trunk.certificate, &trunk.key]);
    for path in pems.flatten() {
        if let Err(error) = std::fs::File::open(&path.value) {
            faults.at(path.referenced, format!("{}: cannot be read: {error}", path.value.display()));
        }
    }
    let tls = &config.sip.tls;
    for path in [&tls.certificate, &tls.key, &tls.client_ca].into_iter().flatten().chain(&tls.extra_roots) {
        if let Err(error) = std::fs::File::open(path) {
            faults.anywhere(format!("sip.tls: {}: cannot be read: {error}", path.display()));
        }
    }
    faults.found
}

/// The password in the first line of a file.
pub fn password(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    match text.lines().next().map(str::trim_end) {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(format!("{}: the first line must be the password", path.display())),
    }
}

/// Where it is readable for others than its owner and group, `Some` of what to do about it.
pub fn exposed(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o007 != 0).then(|| {
        format!("{}: everybody on this machine can read this password; chmod o= {0}", path.display())
    })
}

struct Faults<'a> {
    file: &'a str,
    found: Vec<String>,
}

impl Faults<'_> {
    fn at(&mut self, place: Location, fault: impl std::fmt::Display) {
        let place = match place.line() {
            0 => String::new(),
            line => format!(":{line}:{}", place.column()),
        };
        self.found.push(format!("{}{place}: {fault}", self.file));
    }

    fn anywhere(&mut self, fault: impl std::fmt::Display) {
        self.found.push(format!("{}: {fault}", self.file));
    }
}

fn general(config: &Config, faults: &mut Faults<'_>) {
    if config.sip.listen.is_empty() {
        faults.anywhere("sip.listen is empty, so nobody could call; name at least one udp:ADDRESS:PORT");
    }
    if config.sip.dscp > 63 || config.rtp.dscp > 63 {
        faults.anywhere("a DSCP is a number from 0 to 63 (CS3 = 24, EF = 46)");
    }
    let realm = &config.sip.realm;
    if realm.is_empty() || realm.chars().any(|c| c.is_control() || c == '"' || c == '\\') {
        faults.anywhere("sip.realm must be a word or a host name without quotes, e.g. passline");
    }
    if config.sip.digest.is_empty() {
        faults.anywhere("sip.digest is empty, so no phone could register; name at least MD5");
    }
    let limits = &config.sip.limits;
    for (setting, limit) in [
        ("connections", limits.connections),
        ("connections_per_source", limits.connections_per_source),
        ("handshakes", limits.handshakes),
        ("handshakes_per_source", limits.handshakes_per_source),
        ("sources", limits.sources),
        ("bans", limits.bans),
    ] {
        if limit == 0 {
            faults
                .anywhere(format!("sip.limits.{setting} is 0, so that nothing would work; take at least 1"));
        }
    }
    let rates =
        [limits.messages, limits.all_messages, limits.calls, limits.all_calls, limits.new_connections];
    if rates.iter().any(|rate| rate.at_once == 0 && rate.per_minute != 0) {
        faults.anywhere("sip.limits: a rate with `at_once: 0` lets nothing through; take at least 1");
    }
}

fn tls(config: &Config, faults: &mut Faults<'_>) {
    let tls = &config.sip.tls;
    if tls.certificate.is_some() != tls.key.is_some() {
        faults
            .anywhere("sip.tls: `certificate` and `key` go together; name both, or none to let one be made");
    }
    if (tls.certificate.is_some() || tls.client_ca.is_some())
        && config.sip.listeners(Transport::Tls).next().is_none()
    {
        let needed = config.trunks.iter().any(|trunk| trunk.host.as_ref().is_some_and(|host| host.tls));
        if !needed {
            faults.anywhere("sip.tls is set, but nothing listens on TLS; add tls:ADDRESS:5061 to sip.listen");
        }
    }
}

fn trunks(config: &Config, faults: &mut Faults<'_>) {
    let mut names: BTreeMap<&str, Location> = BTreeMap::new();
    for trunk in &config.trunks {
        let (name, place) = (trunk.name.value.as_str(), trunk.name.referenced);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            faults.at(place, format!("a trunk's name is a word, not `{name}`; write e.g. name: pbx"));
        }
        if let Some(first) = names.insert(name, place) {
            let line = first.line();
            faults.at(place, format!("line {line} has a trunk `{name}` already; give each its own name"));
        }
        if trunk.host.is_none() && trunk.networks.is_empty() {
            faults.at(
                place,
                format!(
                    "nothing says where trunk `{name}` is; set `host`, or `networks` if it only calls us"
                ),
            );
        }
        let address = trunk.host.as_ref().and_then(super::Host::address);
        if trunk.host.is_some() && trunk.networks.is_empty() && address.is_none() {
            faults.at(
                place,
                format!(
                    "the host of trunk `{name}` is a name, so its calls cannot be told by their address; set \
                     `networks` to the addresses that it calls from"
                ),
            );
        }
        if trunk.user.is_some() != trunk.password_file.is_some() {
            faults.at(place, format!("trunk `{name}`: `user` and `password_file` go together"));
        }
        if trunk.user.is_none() && (trunk.register || trunk.inbound == Inbound::Digest) {
            let wanted = if trunk.register { "register: true" } else { "inbound: digest" };
            faults.at(place, format!("trunk `{name}`: `{wanted}` needs `user` and `password_file`"));
        }
        if trunk.register && trunk.host.is_none() {
            faults.at(place, format!("trunk `{name}`: `register: true` needs `host`, the registrar"));
        }
        if trunk.register && trunk.register_s < 60 {
            faults.at(place, format!("trunk `{name}`: `register_s` is below 60, which no registrar grants"));
        }
        if trunk.certificate.is_some() != trunk.key.is_some() {
            faults.at(place, format!("trunk `{name}`: `certificate` and `key` go together"));
        }
        let wants_tls = trunk.ca.is_some() || trunk.certificate.is_some();
        if wants_tls && !trunk.host.as_ref().is_some_and(|host| host.tls) {
            faults.at(
                place,
                format!("trunk `{name}`: `ca` and `certificate` are for TLS; add ;transport=tls to `host`"),
            );
        }
        if trunk.codecs.as_ref().is_some_and(Vec::is_empty) {
            faults.at(place, format!("trunk `{name}`: `codecs` is empty; name one, or leave it out"));
        }
        if trunk.max_calls == Some(0) {
            faults.at(place, format!("trunk `{name}`: `max_calls: 0` lets no call through; leave it out"));
        }
    }
}

/// A source address must tell one trunk.
fn networks(config: &Config, faults: &mut Faults<'_>) {
    let mut seen: Vec<(&str, ipnet::IpNet)> = Vec::new();
    for trunk in &config.trunks {
        let name = trunk.name.value.as_str();
        let own = trunk.host.as_ref().and_then(super::Host::address).filter(|_| trunk.networks.is_empty());
        let own = own.map(|address| (address.into(), trunk.name.referenced));
        let named = trunk.networks.iter().map(|network| (network.value.0, network.referenced));
        for (network, place) in named.chain(own) {
            for (other, taken) in &seen {
                if *other != name && overlap(network, *taken) {
                    faults.at(
                        place,
                        format!(
                            "{network} of trunk `{name}` and {taken} of trunk `{other}` have addresses in common, \
                             so a call from there could be of either; make them apart"
                        ),
                    );
                }
            }
            seen.push((name, network));
        }
    }
}

fn devices(config: &Config, faults: &mut Faults<'_>) {
    let mut extensions: BTreeMap<&str, Location> = BTreeMap::new();
    for device in &config.devices {
        let Spanned { value, referenced: place, .. } = &device.extension;
        if value.0.is_empty() {
            faults.at(*place, "an extension is empty; write e.g. extension: \"2001\"");
        }
        if let Some(first) = extensions.insert(&value.0, *place) {
            let line = first.line();
            faults.at(*place, format!("line {line} has a device `{}` already; each needs its own", value.0));
        }
        if device.max_contacts == 0 {
            faults.at(*place, format!("device {}: `max_contacts: 0` lets it never register", value.0));
        }
        if let Some(trunk) = config
            .trunks
            .iter()
            .find(|trunk| trunk.inbound == Inbound::Digest && trunk.user.as_deref() == Some(value.0.as_str()))
        {
            faults.at(
                *place,
                format!(
                    "device {} and trunk `{}` (inbound: digest) have the same user; give one another",
                    value.0, trunk.name.value
                ),
            );
        }
    }
}

fn routes(config: &Config, faults: &mut Faults<'_>) {
    for route in &config.routes {
        let Some(trunk) = config.trunks.iter().find(|trunk| trunk.name.value == route.trunk.value) else {
            let known: Vec<_> = config.trunks.iter().map(|trunk| trunk.name.value.as_str()).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            faults.at(
                route.trunk.referenced,
                format!("there is no trunk `{}`; the trunks are: {known}", route.trunk.value),
            );
            continue;
        };
        if trunk.host.is_none() {
            faults.at(
                route.trunk.referenced,
                format!("trunk `{}` has no `host`, so nothing can be routed to it", route.trunk.value),
            );
        }
    }
}

/// The networks of a trunk: those named, else its host's address.
pub fn networks_of(trunk: &super::Trunk) -> Vec<ipnet::IpNet> {
    if trunk.networks.is_empty() {
        let address = trunk.host.as_ref().and_then(super::Host::address);
        return address.map(ipnet::IpNet::from).into_iter().collect();
    }
    trunk
        .networks
        .iter()
        .map(|network| {
            let Network(network) = network.value;
            network
        })
        .collect()
}

/// Joins a path with the folder of the file that it stands in.
pub fn join(folder: &Path, path: &mut PathBuf) {
    *path = folder.join(&*path);
}
