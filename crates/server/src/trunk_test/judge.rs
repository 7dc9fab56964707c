//! What answers mean, and what to do about them.
use super::{Finding, Side, examine::networks};
use crate::{
    config::{Config, Host, Transport as Listens, Trunk, exposed, networks_of, trunk::Dtmf},
    news::sentence,
    record::printable,
};
use passline_engine::{Probe, ProbeAnswer, sip::Transport};
use std::net::SocketAddr;

/// Whether its name has addresses.
pub fn lookup(trunk: &Trunk, host: &Host, probe: &Probe) -> Option<Finding> {
    let name = &trunk.name.value;
    let Some(first) = probe.paths.first() else {
        return Some(Finding::bad(
            "name",
            Side::Network,
            format!("no address was found for {}: {}", host.host, sentence(&probe.reason)),
            format!(
                "correct `host` of trunk {name}, or the name server of this machine (try: getent hosts {})",
                host.host
            ),
        ));
    };
    let more = match probe.paths.len() {
        1 => String::new(),
        count => format!(" and {} more, which are tried after it", count - 1),
    };
    let transport = first.transport.token();
    Some(Finding::good("name", format!("{} is at {} over {transport}{more}", host.host, first.remote)))
}

/// Whether calls from its addresses would be taken as its own.
pub fn source(trunk: &Trunk, probe: &Probe) -> Option<Finding> {
    let networks_of = networks_of(trunk);
    let mut strange: Vec<_> = probe
        .paths
        .iter()
        .map(|path| path.remote.ip().to_canonical())
        .filter(|address| !networks_of.iter().any(|network| network.contains(address)))
        .map(|address| address.to_string())
        .collect();
    strange.sort();
    strange.dedup();
    if probe.paths.is_empty() {
        return None;
    }
    if strange.is_empty() {
        let says = format!("calls from {} are taken as this trunk's", networks(trunk));
        return Some(Finding::good("source", says));
    }
    Some(Finding::bad(
        "source",
        Side::Passline,
        format!("{} is the trunk's, but calls from there would not be taken as its own", strange.join(", ")),
        format!("add it to `networks` of trunk {} (now {})", trunk.name.value, networks(trunk)),
    ))
}

/// What the answer to OPTIONS means.
pub fn answer(
    trunk: &Trunk,
    host: &Host,
    path: Option<(Transport, SocketAddr)>,
    answer: &ProbeAnswer,
) -> Option<Finding> {
    let (transport, remote) = path?;
    let reason = printable(&answer.reason);
    let who = answer.server.as_deref().map(|server| format!(" by {}", printable(server))).unwrap_or_default();
    let credentials = trunk.user.is_some();
    let status = answer.status;
    let bad = |side, says: String, remedy: &str| Some(Finding::bad("OPTIONS", side, says, remedy));
    match status {
        200..=299 => Some(Finding::good("OPTIONS", format!("answered{who}"))),
        408 if transport == Transport::Udp => bad(
            Side::Network,
            format!("{remote} does not answer OPTIONS over UDP"),
            "look whether the PBX is on and listens there, whether a firewall lets UDP through both ways, and whether the PBX \
             must first be told Passline's address (some are silent to strangers)",
        ),
        408 => bad(
            Side::Pbx,
            format!("{remote} took the connection but does not answer OPTIONS"),
            "look whether it is the SIP port of the PBX, and whether the PBX must first be told Passline's address",
        ),
        503 if transport == Transport::Tls => tls(trunk, host, remote, &reason),
        503 => bad(
            Side::Network,
            format!("{remote} cannot be reached over {}: {reason}", transport.token()),
            "look whether the PBX listens on that port and transport (`host` may name another, e.g. ;transport=tcp), and \
             whether a firewall rejects it",
        ),
        401 | 407 if !credentials => bad(
            Side::Passline,
            format!("the PBX asks for user and password ({status})"),
            "set `user` and `password_file` of this trunk, or let the PBX know the trunk by Passline's address",
        ),
        401 | 407 => {
            let realm = trunk.realm.as_deref().map(|realm| format!(
                " `realm` is set to {realm}; a challenge of another realm is not answered, so take it out to try."
            ));
            Some(Finding::bad(
                "OPTIONS",
                Side::Passline,
                format!("the PBX does not take our user and password ({status})"),
                format!(
                    "compare `user` and the file of `password_file` with the account on the PBX.{}",
                    realm.unwrap_or_default()
                ),
            ))
        }
        403 => bad(
            Side::Pbx,
            format!("the PBX knows us and refuses (403 {reason})"),
            "allow Passline's address (or this account) for the trunk on the PBX",
        ),
        404 | 405 | 406 | 415 | 416 | 420 | 480..=489 | 501 => Some(Finding::note(
            "OPTIONS",
            format!("answered with {status} {reason}{who}: it is there, though it does not serve OPTIONS"),
        )),
        500..=599 => bad(
            Side::Pbx,
            format!("the PBX fails ({status} {reason})"),
            "look into the log of the PBX at this minute",
        ),
        300..=399 => bad(
            Side::Pbx,
            format!("the PBX sends us elsewhere ({status} {reason})"),
            "set `host` to where it sends us, or correct the redirection on the PBX",
        ),
        _ => bad(
            Side::Pbx,
            format!("the PBX refuses OPTIONS with {status} {reason}"),
            "look into the log of the PBX at this minute",
        ),
    }
}

/// Why TLS does not stand.
fn tls(trunk: &Trunk, host: &Host, remote: SocketAddr, reason: &str) -> Option<Finding> {
    let low = reason.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| low.contains(word));
    let bad = |side, says: String, remedy: String| Some(Finding::bad("TLS", side, says, remedy));
    if has(&["unknownissuer", "unknown issuer", "not trusted", "selfsigned", "self-signed", "unknownca"]) {
        bad(
            Side::Passline,
            format!("the certificate of {remote} is signed by nobody that we trust ({reason})"),
            "set `ca` of this trunk to a PEM file of the authority that signed it (or of the certificate itself)".into(),
        )
    } else if has(&["notvalidforname", "not valid for name", "valid for name", "name mismatch"]) {
        bad(
            Side::Pbx,
            format!("the certificate of {remote} is for another name than {} ({reason})", host.host),
            format!(
                "set `host` of trunk {} to the name in the certificate, or `certificate_name`, or give the PBX another \
                 certificate",
                trunk.name.value
            ),
        )
    } else if has(&["expired"]) {
        bad(
            Side::Pbx,
            format!("the certificate of {remote} has expired ({reason})"),
            "renew it on the PBX; and compare the clocks of both machines".into(),
        )
    } else if has(&["notvalidyet", "not valid yet"]) {
        bad(
            Side::Pbx,
            format!("the certificate of {remote} is not valid yet ({reason})"),
            "compare the clocks of both machines".into(),
        )
    } else if has(&[
        "certificaterequired",
        "certificate required",
        "handshakefailure",
        "bad certificate",
        "badcertificate",
        "access_denied",
    ]) {
        bad(
            Side::Pbx,
            format!("the PBX does not take our certificate, or wants one ({reason})"),
            "set `certificate` and `key` of this trunk to what the PBX trusts, or switch its check of client certificates off"
                .into(),
        )
    } else if has(&[
        "protocolversion",
        "protocol version",
        "invalidcontenttype",
        "corrupt message",
        "invalidmessage",
    ]) {
        bad(
            Side::Pbx,
            format!("{remote} does not speak TLS 1.2 or 1.3 there ({reason})"),
            "look whether it is the TLS port of the PBX (usually 5061), and which versions of TLS it has switched on".into(),
        )
    } else {
        bad(
            Side::Network,
            format!("no TLS connection to {remote}: {reason}"),
            "look whether the PBX listens on that port, and whether a firewall lets TCP through".into(),
        )
    }
}

/// What the methods that it allows mean for our settings.
pub fn allow(trunk: &Trunk, answer: &ProbeAnswer) -> Vec<Finding> {
    let Some(allow) = answer.allow.as_deref().filter(|_| (200..300).contains(&answer.status)) else {
        return Vec::new();
    };
    let has = |method: &str| allow.split(',').any(|other| other.trim().eq_ignore_ascii_case(method));
    let mut findings = Vec::new();
    if !has("INVITE") {
        findings.push(Finding::bad(
            "methods",
            Side::Pbx,
            "it does not take calls (INVITE is not in its Allow)",
            "allow calls on this trunk, or correct `host`: this may be another service",
        ));
    }
    if trunk.dtmf == Dtmf::Info && !has("INFO") {
        findings.push(Finding::bad(
            "methods",
            Side::Passline,
            "keys are to travel by SIP INFO, which it does not take",
            "set `dtmf: auto` for this trunk",
        ));
    }
    if trunk.quirks.refer && !has("REFER") {
        findings.push(Finding::note(
            "methods",
            "it takes no REFER: calls that are transferred stay bridged through Passline (`quirks: { refer: false }` says so)",
        ));
    }
    findings
}

/// Why our registration was refused.
pub fn registration(trunk: &Trunk, status: u16, diagnosis: &str) -> Finding {
    let user = trunk.user.as_deref().unwrap_or_default();
    let bad = |side, says: String, remedy: &str| Finding::bad("registration", side, says, remedy);
    match status {
        401 | 407 => bad(
            Side::Passline,
            format!("the registrar does not take user {user} with this password ({status})"),
            "compare `user` and the file of `password_file` with the account on the PBX; and `realm`, if it is set",
        ),
        403 => bad(
            Side::Pbx,
            format!("the registrar forbids user {user} to register (403)"),
            "look whether the account is enabled there, and may register from Passline's address; some PBXs say 403 for a \
             wrong password, too",
        ),
        404 => bad(
            Side::Passline,
            format!("the registrar knows no user {user} (404)"),
            "correct `user`, or make the account on the PBX; some want the domain in `host` to be their own name",
        ),
        405 | 501 => bad(
            Side::Passline,
            format!("the PBX is no registrar ({status})"),
            "take `register: true` out: the PBX tells this trunk by Passline's address",
        ),
        408 | 0 => bad(Side::Network, diagnosis.to_owned(), "look at the checks above"),
        423 => bad(
            Side::Passline,
            "the registrar grants longer registrations only (423)".into(),
            "raise `register_s`",
        ),
        _ => bad(
            Side::Pbx,
            format!("the registrar refuses with {status}: {diagnosis}"),
            "look into the log of the PBX at this minute",
        ),
    }
}

/// What can be seen without asking anybody.
pub fn ours(config: &Config, trunk: &Trunk) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (reached, name) = (&config.sip.listen, &trunk.name.value);
    if !networks_of(trunk).is_empty() && reached.iter().all(|listen| listen.address.ip().is_loopback()) {
        let outside = networks_of(trunk).iter().any(|network| !network.network().is_loopback());
        if outside {
            findings.push(Finding::bad(
                "listeners",
                Side::Passline,
                "Passline listens on this machine's loopback address only, which no PBX elsewhere reaches",
                "name an address of the network in `sip.listen`, e.g. udp:192.0.2.10:5060",
            ));
        }
    }
    let wants = match &trunk.host {
        Some(host) if host.tls => Some(Listens::Tls),
        Some(host) if host.uri.contains("transport=tcp") => Some(Listens::Tcp),
        _ => None,
    };
    if let Some(wanted) = wants
        && config.sip.listeners(wanted).next().is_none()
    {
        findings.push(Finding::note(
            "listeners",
            format!(
                "we call trunk {name} over {0}, but do not listen on {0}: its own calls must come over another transport",
                wanted.name()
            ),
        ));
    }
    let files = trunk.password_file.iter().chain(&trunk.key).filter_map(|file| exposed(&file.value));
    findings.extend(files.map(|says| {
        let (says, remedy) = says.split_once("; ").map_or((says.as_str(), ""), |parts| parts);
        Finding::bad("password", Side::Passline, says, remedy)
    }));
    findings
}

#[cfg(test)]
mod tests;
