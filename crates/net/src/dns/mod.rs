//! Look-ups: NAPTR, SRV, A and AAAA (RFC 3263 §4), within a time limit.
use crate::DnsConfig;
use crate::resolve::{Service, Target, default_port, in_order};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use passline_engine::sip::Transport;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// One look-up of the many that a URI may need.
const EACH: Duration = Duration::from_millis(1500);

/// The resolver; a clone shares its cache.
#[derive(Clone)]
pub(crate) struct Dns {
    /// The sentence, where the system's settings cannot be read.
    resolver: Result<Arc<TokioResolver>, String>,
    timeout: Duration,
    paths: usize,
}

/// Transports and address families that we have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ours(pub(crate) BTreeSet<(Transport, bool)>);

impl Ours {
    /// Whether we can send to such an address by such a transport.
    pub(crate) fn reach(&self, transport: Transport, address: SocketAddr) -> bool {
        self.0.contains(&(transport, address.is_ipv4()))
    }

    fn have(&self, transport: Transport) -> bool {
        self.0.iter().any(|(ours, _)| *ours == transport)
    }
}

impl Dns {
    /// Must be called within the runtime.
    pub(crate) fn new(config: &DnsConfig) -> Dns {
        let provider = TokioRuntimeProvider::default();
        let builder = if config.servers.is_empty() {
            TokioResolver::builder(provider)
                .map_err(|error| format!("the name servers of the system are not known: {error}"))
        } else {
            let servers = config.servers.iter().map(|server| {
                let mut settings = NameServerConfig::udp_and_tcp(server.ip());
                for connection in &mut settings.connections {
                    connection.port = server.port();
                }
                settings
            });
            let settings = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            Ok(TokioResolver::builder_with_config(settings, provider))
        };
        let resolver = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            options.timeout = EACH;
            options.attempts = 2;
            builder.build().map(Arc::new).map_err(|error| format!("no names can be looked up: {error}"))
        });
        Dns { resolver, timeout: config.timeout, paths: config.paths.max(1) }
    }

    /// The places to which a request for the target goes, the first to be tried first; or why there are none, in one
    /// sentence. Only such as `ours` can reach.
    pub(crate) async fn resolve(
        &self,
        target: &Target,
        wanted: Option<Transport>,
        ours: &Ours,
    ) -> Result<Vec<(Transport, SocketAddr)>, String> {
        let found = match tokio::time::timeout(self.timeout, self.look_up(target, wanted, ours)).await {
            Ok(found) => found?,
            Err(_) => {
                return Err(format!("the name servers gave no answer about {} in time", target.host));
            }
        };
        let mut seen = BTreeSet::new();
        let mut reachable: Vec<_> = found
            .iter()
            .copied()
            .filter(|(transport, address)| {
                ours.reach(*transport, *address) && seen.insert((*transport, *address))
            })
            .collect();
        reachable.truncate(self.paths);
        match (reachable.is_empty(), found.first()) {
            (false, _) => Ok(reachable),
            (true, None) => Err(format!("the name {} is not known to the name servers", target.host)),
            (true, Some((transport, address))) => Err(format!(
                "{} is at {address} by {}, and there is no listener of ours for that",
                target.host,
                transport.token()
            )),
        }
    }

    async fn look_up(
        &self,
        target: &Target,
        wanted: Option<Transport>,
        ours: &Ours,
    ) -> Result<Vec<(Transport, SocketAddr)>, String> {
        let transport = wanted.or(target.prescribed());
        if let Some(ip) = target.address() {
            let transport = transport.unwrap_or(Transport::Udp);
            return Ok(vec![(
                transport,
                SocketAddr::new(ip, target.port.unwrap_or(default_port(transport))),
            )]);
        }
        let resolver = self.resolver.as_deref().map_err(Clone::clone)?;
        if let Some(port) = target.port {
            let transport = transport.unwrap_or(Transport::Udp);
            return Ok(at(transport, addresses(resolver, &target.host).await, port));
        }
        let services = match transport {
            Some(transport) => services(resolver, &service_name(transport, &target.host), transport).await,
            None => self.services(resolver, &target.host, ours).await,
        };
        if services.is_empty() {
            let transport = transport.unwrap_or(Transport::Udp);
            return Ok(at(transport, addresses(resolver, &target.host).await, default_port(transport)));
        }
        let mut found = Vec::new();
        for service in services {
            if found.len() >= self.paths {
                break;
            }
            found.extend(at(service.transport, addresses(resolver, &service.host).await, service.port));
        }
        Ok(found)
    }

    /// By NAPTR, or without it by SRV of each transport that we have (RFC 3263 §4.1).
    async fn services(&self, resolver: &TokioResolver, host: &str, ours: &Ours) -> Vec<Service> {
        let mut pointers = Vec::new();
        for data in answers(resolver, host, RecordType::NAPTR).await {
            let RData::NAPTR(naptr) = data else { continue };
            let transport = match naptr.services.to_ascii_uppercase().as_slice() {
                b"SIP+D2U" => Transport::Udp,
                b"SIP+D2T" => Transport::Tcp,
                b"SIPS+D2T" => Transport::Tls,
                _ => continue,
            };
            if naptr.flags.eq_ignore_ascii_case(b"s") && ours.have(transport) {
                pointers.push((naptr.order, naptr.preference, transport, naptr.replacement.to_ascii()));
            }
        }
        pointers.sort();
        let mut found = Vec::new();
        for (_, _, transport, name) in pointers {
            found.extend(services(resolver, &name, transport).await);
        }
        if !found.is_empty() {
            return found;
        }
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
            if ours.have(transport) {
                found.extend(services(resolver, &service_name(transport, host), transport).await);
            }
        }
        found
    }
}

fn service_name(transport: Transport, host: &str) -> String {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        _ => "_sips._tcp",
    };
    format!("{prefix}.{host}")
}

async fn services(resolver: &TokioResolver, name: &str, transport: Transport) -> Vec<Service> {
    let records = answers(resolver, name, RecordType::SRV).await;
    let found = records.into_iter().filter_map(|data| match data {
        // A target "." says that there is no such service (RFC 2782).
        RData::SRV(srv) if !srv.target.is_root() => Some(Service {
            transport,
            priority: srv.priority,
            weight: srv.weight,
            host: srv.target.to_ascii(),
            port: srv.port,
        }),
        _ => None,
    });
    // Spreads load; nobody is harmed by a guess.
    let random = RandomState::new();
    let mut count = 0u32;
    in_order(found.collect(), |below| {
        count += 1;
        (random.hash_one(count) % u64::from(below.max(1))) as u32
    })
}

/// The addresses of a host, also of those in the hosts file; IPv6 behind IPv4 of the same name.
async fn addresses(resolver: &TokioResolver, host: &str) -> Vec<IpAddr> {
    if host.trim_end_matches('.').eq_ignore_ascii_case("localhost") {
        return vec![std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()];
    }
    let mut found: Vec<IpAddr> = match resolver.lookup_ip(host).await {
        Ok(addresses) => addresses.iter().collect(),
        Err(_) => Vec::new(),
    };
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

async fn answers(resolver: &TokioResolver, name: &str, kind: RecordType) -> Vec<RData> {
    // A final dot: no search domains.
    let name = format!("{}.", name.trim_end_matches('.'));
    match resolver.lookup(name, kind).await {
        Ok(lookup) => lookup.answers().iter().map(|record| record.data.clone()).collect(),
        Err(error) => {
            tracing::debug!(%error, "DNS");
            Vec::new()
        }
    }
}

fn at(transport: Transport, addresses: Vec<IpAddr>, port: u16) -> Vec<(Transport, SocketAddr)> {
    addresses.into_iter().map(|ip| (transport, SocketAddr::new(ip, port))).collect()
}

#[cfg(test)]
mod tests;
