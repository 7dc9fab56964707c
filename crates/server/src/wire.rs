//! From the configuration to what engine and net understand.
use crate::config::{
    Config, Digest, Io, Srtp, Transport, networks_of, password,
    trunk::{Dtmf, Inbound, MayDial, Rewrite, SessionTimer, Trunk},
};
use passline_engine::{
    Device, Encryption, EngineConfig, Policy, Reach, RegisterTerms, Route, TrunkAuth,
    sip::{Account, Algorithm, Credentials, Refresher, SessionPolicy},
};
use passline_identity::Secret;
use passline_net::{MediaThreads, NetConfig, OwnCertificate, PacketIoKind, TlsConfig, TlsPeer};
use std::{path::Path, sync::Arc, time::Duration};

/// The engine's settings; reads the passwords of trunks and devices. All faults at once.
pub fn engine(config: &Config, trace: bool) -> Result<EngineConfig, Vec<String>> {
    let mut faults = Vec::new();
    let mut secret = |path: &Path| match password(path) {
        Ok(password) => Arc::new(password),
        Err(fault) => {
            faults.push(fault);
            Arc::new(Secret::new(""))
        }
    };
    let mut accounts = Vec::new();
    for device in &config.devices {
        accounts.push(Account {
            user: device.extension.value.0.clone(),
            password: secret(&device.password_file.value),
            max_contacts: device.max_contacts,
        });
    }
    let mut trunks = Vec::new();
    for named in &config.trunks {
        let credentials = named.user.as_ref().zip(named.password_file.as_ref()).map(|(user, file)| {
            Credentials { user: user.clone(), password: secret(&file.value), realm: named.realm.clone() }
        });
        if let (Inbound::Digest, Some(credentials)) = (named.inbound, &credentials) {
            let (user, password) = (credentials.user.clone(), credentials.password.clone());
            accounts.push(Account { user, password, max_contacts: 0 });
        }
        trunks.push(trunk(named, credentials));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut engine = EngineConfig {
        media_address: config.media_address(),
        max_calls: config.sip.max_calls,
        shard_capacity: u32::try_from(config.sip.max_calls).unwrap_or(u32::MAX).saturating_add(16),
        media_timeout: Duration::from_secs(config.rtp.timeout_s),
        shards: config.rtp.shards(),
        busy_limit: config.rtp.busy_limit,
        calls_per_port: config.rtp.calls_per_port,
        trace,
        policy: Policy {
            trunks,
            devices: config.devices.iter().map(device).collect(),
            routes: config.routes.iter().map(route).collect(),
            host: config.sip.host.clone(),
            ..Policy::default()
        },
        ..EngineConfig::default()
    };
    engine.srtp = config.rtp.srtp.map(srtp);
    engine.srtp_may_weaken = config.rtp.srtp_may_weaken;
    if !config.rtp.codecs.is_empty() {
        engine.codecs = config.rtp.codecs.iter().map(|codec| codec.0).collect();
    }
    engine.sip.realm = config.sip.realm.clone();
    engine.sip.algorithms = config
        .sip
        .digest
        .iter()
        .map(|digest| match digest {
            Digest::Md5 => Algorithm::Md5,
            Digest::Sha256 => Algorithm::Sha256,
            Digest::Sha512256 => Algorithm::Sha512256,
        })
        .collect();
    engine.sip.registrar = !config.devices.is_empty();
    engine.sip.accounts = accounts;
    Ok(engine)
}

fn device(device: &crate::config::Device) -> Device {
    let (user, display) = (device.extension.value.0.clone(), device.name.clone());
    Device { user, display, srtp: device.srtp.map(srtp) }
}

fn srtp(srtp: Srtp) -> Encryption {
    match srtp {
        Srtp::Off => Encryption::Off,
        Srtp::Optional => Encryption::Optional,
        Srtp::Required => Encryption::Required,
    }
}

fn route(route: &crate::config::Route) -> Route {
    Route {
        prefix: route.prefix.0.clone(),
        trunk: route.trunk.value.clone(),
        devices: route.devices,
        trunks: route.trunks,
    }
}

/// What the engine knows of a trunk.
pub fn trunk(trunk: &Trunk, credentials: Option<Credentials>) -> passline_engine::Trunk {
    let rules = |rules: &[Rewrite]| {
        let rule = |rule: &Rewrite| passline_engine::Rewrite {
            strip: rule.strip.0.clone(),
            prepend: rule.prepend.0.clone(),
        };
        rules.iter().map(rule).collect()
    };
    let register = trunk.host.as_ref().filter(|_| trunk.register).zip(trunk.user.as_ref());
    passline_engine::Trunk {
        name: trunk.name.value.clone(),
        networks: networks_of(trunk),
        address: trunk.host.as_ref().map(|host| host.uri.clone()),
        inbound: match (trunk.inbound, &trunk.user) {
            (Inbound::Digest, Some(user)) => TrunkAuth::Digest { account: user.clone() },
            _ => TrunkAuth::Ip,
        },
        register: register.map(|(host, user)| RegisterTerms {
            aor: format!("sip:{user}@{}", host.domain()),
            expires: trunk.register_s,
        }),
        credentials,
        from_user: trunk.from_user.clone(),
        codecs: trunk.codecs.as_ref().map(|codecs| codecs.iter().map(|codec| codec.0).collect()),
        dtmf: match trunk.dtmf {
            Dtmf::Auto => passline_engine::Dtmf::Auto,
            Dtmf::Rfc4733 => passline_engine::Dtmf::Rfc4733,
            Dtmf::Inband => passline_engine::Dtmf::Inband,
            Dtmf::Info => passline_engine::Dtmf::Info,
        },
        srtp: trunk.srtp.map(srtp),
        srtp_may_weaken: trunk.srtp_may_weaken,
        trust_identity: trunk.trust_identity,
        max_calls: trunk.max_calls,
        rewrite_in: rules(&trunk.rewrite_in),
        rewrite_out: rules(&trunk.rewrite_out),
        reach: reach(&trunk.may_dial),
        options: (trunk.options_s > 0).then(|| Duration::from_secs(trunk.options_s)),
        rel100: trunk.quirks.prack,
        session: session(trunk.quirks.session_timer),
        delayed_offer: trunk.quirks.delayed_offer,
        nat: trunk.quirks.nat && !trunk.shared_ports,
        shared_ports: trunk.shared_ports,
        refer: trunk.quirks.refer,
    }
}

/// Session timers of a trunk, where they are not negotiated as usual.
fn session(timer: SessionTimer) -> Option<SessionPolicy> {
    let refresher = refresher(timer);
    (refresher != Refresher::default()).then(|| SessionPolicy { refresher, ..SessionPolicy::default() })
}

fn reach(may_dial: &MayDial) -> Reach {
    Reach {
        flows: may_dial.flows.as_ref().map(|flows| flows.iter().map(|number| number.0.clone()).collect()),
        extensions: may_dial.extensions,
        trunks: may_dial.routes,
        transfer: may_dial.transfer,
    }
}

/// The net's settings, for an engine with these.
pub fn net(config: &Config, engine: &EngineConfig) -> NetConfig {
    let limits = &config.sip.limits;
    NetConfig {
        sip_udp: config.sip.listeners(Transport::Udp).collect(),
        sip_tcp: config.sip.listeners(Transport::Tcp).collect(),
        sip_tls: config.sip.listeners(Transport::Tls).collect(),
        tls: tls(config),
        guard: guard(config),
        allow: config.allow(),
        media_address: config.media_address(),
        dscp_sip: config.sip.dscp,
        dscp_rtp: config.rtp.dscp,
        shards: engine.shards,
        shard_capacity: engine.shard_capacity,
        media_threads: MediaThreads {
            cores: config.rtp.cores.clone(),
            nice: config.rtp.nice.map(|nice| nice.0),
        },
        packet_io: match config.rtp.io {
            Io::Auto => PacketIoKind::Auto,
            Io::Mmsg => PacketIoKind::Mmsg,
            Io::Single => PacketIoKind::Single,
        },
        tcp_connections: limits.connections,
        tcp_connections_per_peer: limits.connections_per_source,
        tcp_idle: Duration::from_secs(limits.idle_s),
        tcp_first_message: Duration::from_secs(limits.first_message_s),
        keep_alive: Duration::from_secs(config.sip.keep_alive_s),
        ..NetConfig::default()
    }
}

/// What one source may ask of us.
pub fn guard(config: &Config) -> passline_net::GuardConfig {
    config.sip.limits.guard(config.trunks.iter().flat_map(networks_of))
}

/// Certificates and whom to believe.
pub fn tls(config: &Config) -> TlsConfig {
    let (tls, limits) = (&config.sip.tls, &config.sip.limits);
    let listens = config.sip.listeners(Transport::Tls).next().is_some();
    let certificate = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            OwnCertificate::Files { certificate: certificate.clone(), key: key.clone() }
        }
        _ if listens => OwnCertificate::Folder { folder: config.data(), names: tls.names.clone() },
        _ => OwnCertificate::None,
    };
    let special = config.trunks.iter().filter_map(|trunk| Some((trunk, trunk.host.as_ref()?)));
    let peers = special.filter(|(_, host)| host.tls).map(|(trunk, host)| TlsPeer {
        host: host.host.clone(),
        ca: trunk.ca.as_ref().map(|path| path.value.clone()),
        client_certificate: trunk
            .certificate
            .as_ref()
            .zip(trunk.key.as_ref())
            .map(|(certificate, key)| (certificate.value.clone(), key.value.clone())),
        name: trunk.certificate_name.clone(),
    });
    TlsConfig {
        certificate,
        client_ca: tls.client_ca.clone(),
        require_client_certificate: tls.client_ca.is_some() && tls.require_client_certificate,
        system_roots: tls.system_roots,
        extra_roots: tls.extra_roots.clone(),
        peers: peers.collect(),
        handshake: Duration::from_secs(limits.handshake_s),
        handshakes: limits.handshakes,
        handshakes_per_peer: limits.handshakes_per_source,
    }
}

/// Who refreshes sessions.
pub fn refresher(timer: SessionTimer) -> passline_engine::sip::Refresher {
    use passline_engine::sip::Refresher;
    match timer {
        SessionTimer::Negotiated => Refresher::Negotiated,
        SessionTimer::Ours => Refresher::Ours,
        SessionTimer::Theirs => Refresher::Theirs,
    }
}
