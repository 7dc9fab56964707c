//! From a URI to paths, in tasks of their own where names must be looked up.
use crate::control::{ControlTask, Found, FromSip};
use crate::{DialRequest, NetEvent, resolve};
use passline_engine::sip::{self, Flow, Transport};
use passline_engine::{ControlInput, Dial, LegEvent, LegId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Who asked where a URI leads.
pub(crate) enum Asker {
    Dial(Box<DialRequest>),
    Engine(u64),
}

impl ControlTask {
    /// Finds out where a URI leads; [`FromSip::Resolved`] comes back.
    pub(crate) fn resolve(&mut self, uri: &str, transport: Option<Transport>, asker: Asker) {
        let target = match resolve::target(uri) {
            Ok(target) => target,
            Err(reason) => return self.resolved(asker, Err(reason)),
        };
        // A name must be looked up even where the address is known: it is what TLS asks for.
        let (dns, ours, news) = (self.dns.clone(), self.ours.clone(), self.sip_sender.clone());
        self.tasks.spawn(async move {
            let to = dns.resolve(&target, transport, &ours).await;
            let found = to.map(|to| Found { host: target.host, to });
            let _ = news.send(FromSip::Resolved { asker, found }).await;
        });
    }

    pub(crate) fn resolved(&mut self, asker: Asker, found: Result<Found, String>) {
        let paths = found.and_then(|found| self.paths(found));
        match asker {
            Asker::Engine(id) => {
                let (paths, reason) = match paths {
                    Ok(paths) => (paths, String::new()),
                    Err(reason) => (Vec::new(), reason),
                };
                self.handle(ControlInput::Resolved { id, paths, reason });
            }
            Asker::Dial(dial) => match paths.map(|paths| paths.first().copied()) {
                Ok(Some(path)) => self.place(*dial, path),
                Ok(None) => self.refuse(dial.leg, "no path leads there".to_owned()),
                Err(reason) => self.refuse(dial.leg, reason),
            },
        }
    }

    fn paths(&self, found: Found) -> Result<Vec<Flow>, String> {
        let mut paths = Vec::new();
        for (transport, remote) in &found.to {
            if *transport == Transport::Tls {
                self.trust.remember(*remote, &found.host);
            }
            if let Some(local) = self.local(*transport, *remote) {
                paths.push(Flow { transport: *transport, local, remote: *remote, connection: None });
            }
        }
        match (paths.is_empty(), found.to.first()) {
            (true, Some((transport, remote))) => {
                Err(format!("no {} address of ours reaches {remote}", transport.token()))
            }
            _ => Ok(paths),
        }
    }

    fn place(&mut self, dial: DialRequest, path: Flow) {
        self.handle(ControlInput::Dial(Dial {
            leg: dial.leg,
            uri: dial.uri,
            from: dial.from,
            path,
            tap: dial.tap,
            events: dial.events,
            inband: dial.inband,
            srtp: dial.srtp,
            credentials: dial.credentials,
        }));
    }

    /// The listening address that a path to `remote` begins at.
    fn local(&self, transport: Transport, remote: SocketAddr) -> Option<SocketAddr> {
        let fits = |local: &SocketAddr| local.is_ipv4() == remote.is_ipv4();
        let udp = || self.udp.iter().map(|socket| socket.local).find(fits);
        let tcp = || self.tcp.iter().copied().find(fits);
        let tls = || self.tls.iter().copied().find(fits);
        let local = match transport {
            Transport::Udp => udp()?,
            // A caller without a listener names another of its addresses; connections leave from any port anyway.
            Transport::Tls => tls().or_else(tcp).or_else(udp)?,
            _ => tcp().or_else(udp).or_else(tls)?,
        };
        if !local.ip().is_unspecified() {
            return Some(local);
        }
        Some(SocketAddr::new(source_towards(remote)?, local.port()))
    }

    fn refuse(&mut self, leg: LegId, reason: String) {
        let refused = LegEvent::Refused { status: 0, reason };
        self.outbox.push(NetEvent::Leg { leg, event: refused });
        self.outbox.push(NetEvent::Leg { leg, event: LegEvent::Ended(sip::EndCause::Refused) });
    }
}

/// Our address that packets to `remote` leave from, by the routing table.
fn source_towards(remote: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
