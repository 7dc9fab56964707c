//! TLS 1.2 and 1.3 with our certificates and those whom we believe.

mod certificate;
mod verify;

use crate::{TlsConfig, TlsPeer};
use certificate::{Identity, certificates, roots};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use verify::Verifier;
pub(crate) use verify::sentence;

/// Hosts remembered by the address that they led to.
const HOSTS: usize = 4096;

/// What a handshake needs; replaced as a whole by a reload.
#[derive(Clone)]
pub(crate) struct Setup {
    /// `None`: we have no certificate and accept nobody.
    pub(crate) acceptor: Option<TlsAcceptor>,
    others: Arc<ClientConfig>,
    peers: BTreeMap<String, Arc<ClientConfig>>,
}

/// The current setup, and which host name stands behind an address.
pub(crate) struct Tls {
    setup: Mutex<Arc<Setup>>,
    hosts: Mutex<BTreeMap<SocketAddr, String>>,
}

impl Tls {
    pub(crate) fn new(setup: Setup) -> Tls {
        Tls { setup: Mutex::new(Arc::new(setup)), hosts: Mutex::new(BTreeMap::new()) }
    }

    /// For handshakes that begin now.
    pub(crate) fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.setup.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, setup: Setup) {
        *self.setup.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(setup);
    }

    /// A look-up for `host` led to `address`: this is the name that its certificate must bear (RFC 5922 §4: the name
    /// of the URI, not what DNS made of it).
    pub(crate) fn remember(&self, address: SocketAddr, host: &str) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS && !hosts.contains_key(&address) {
            hosts.pop_first();
        }
        hosts.insert(address, host.to_ascii_lowercase());
    }

    /// The host behind an address; the address itself if no name led there.
    pub(crate) fn host(&self, address: SocketAddr) -> String {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.get(&address).cloned().unwrap_or_else(|| address.ip().to_string())
    }
}

impl Setup {
    /// Reads all files; the error is a sentence.
    pub(crate) fn load(config: &TlsConfig, listeners: &[SocketAddr]) -> Result<Setup, String> {
        let own = Identity::own(&config.certificate, listeners)?;
        if own.is_none() && !listeners.is_empty() {
            return Err("a TLS listener needs a certificate: name certificate and key".to_owned());
        }
        let acceptor = own.as_ref().map(|own| acceptor(config, own)).transpose()?;
        let common = roots(&config.extra_roots, config.system_roots)?;
        let extra: Result<Vec<_>, _> = config.extra_roots.iter().map(|path| certificates(path)).collect();
        let others = client(Arc::clone(&common), extra?.into_iter().flatten().collect(), None, own.as_ref())?;
        let mut peers = BTreeMap::new();
        for peer in &config.peers {
            let (roots, pinned) = match &peer.ca {
                Some(ca) => (roots(std::slice::from_ref(ca), false)?, certificates(ca)?),
                None => (Arc::clone(&common), Vec::new()),
            };
            let shown = peer
                .client_certificate
                .as_ref()
                .map(|(certificate, key)| Identity::read(certificate, key))
                .transpose()?;
            let config = client(roots, pinned, Some(peer), shown.as_ref().or(own.as_ref()))?;
            peers.insert(peer.host.to_ascii_lowercase(), config);
        }
        Ok(Setup { acceptor, others, peers })
    }

    /// For a connection to this host.
    pub(crate) fn connector(&self, host: &str) -> TlsConnector {
        let config = self.peers.get(host).unwrap_or(&self.others);
        TlsConnector::from(Arc::clone(config))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn acceptor(config: &TlsConfig, own: &Identity) -> Result<TlsAcceptor, String> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let roots = roots(std::slice::from_ref(ca), false)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            let verifier =
                if config.require_client_certificate { verifier } else { verifier.allow_unauthenticated() };
            let verifier =
                verifier.build().map_err(|error| format!("{} cannot be used: {error}", ca.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder
        .with_single_cert(own.chain.clone(), own.key.clone_key())
        .map_err(|error| format!("our certificate cannot be used: {error}"))?;
    // Connections stay; and there are programs that take a ticket for a broken answer (sipsak 0.9.8).
    server.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn client(
    roots: Arc<RootCertStore>,
    pinned: Vec<rustls::pki_types::CertificateDer<'static>>,
    peer: Option<&TlsPeer>,
    shown: Option<&Identity>,
) -> Result<Arc<ClientConfig>, String> {
    let (is_own, name) = (peer.is_some_and(|p| p.ca.is_some()), peer.and_then(|p| p.name.clone()));
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { roots, pinned, is_own, name, algorithms }));
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some(own) => builder
            .with_client_auth_cert(own.chain.clone(), own.key.clone_key())
            .map_err(|error| format!("our certificate cannot be shown: {error}"))?,
    };
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
