//! `sip:` in the configuration.
use super::{Limits, Listen, Network, Transport};
use serde::Deserialize;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

/// Signalling.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sip {
    /// Where to listen, as `udp:ADDRESS:PORT`, `tcp:ADDRESS:PORT` or `tls:ADDRESS:PORT`.
    pub listen: Vec<Listen>,
    /// Source networks that are served, as `ADDRESS/BITS`; empty = all. Those of the trunks are always served.
    pub allow: Vec<Network>,
    /// Calls at one time; further ones get 503 with Retry-After.
    pub max_calls: usize,
    /// DSCP of signalling (CS3 = 24).
    pub dscp: u8,
    /// Host in our own URIs towards devices and trunks, e.g. `pbx.example.org`; the media address, without it.
    pub host: Option<String>,
    /// Realm of our digest challenges; phones show it, and hash it into their answers.
    pub realm: String,
    /// Algorithms of our digest challenges, the preferred first: `MD5`, `SHA-256`, `SHA-512-256`. Only MD5, without it:
    /// many phones give up when they meet another beside it.
    pub digest: Vec<Digest>,
    /// After SIGTERM, running calls may go on for so long, in seconds.
    pub shutdown_s: u64,
    /// Pause between keep-alives on connections that we made, in seconds; 0 = none.
    pub keep_alive_s: u64,
    /// Certificate and trust of the `tls:` listeners.
    pub tls: Tls,
    /// What one source, and all together, may ask of us.
    pub limits: Limits,
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
            host: None,
            realm: "passline".into(),
            digest: vec![Digest::Md5],
            shutdown_s: 60,
            keep_alive_s: 95,
            tls: Tls::default(),
            limits: Limits::default(),
        }
    }
}

/// A digest algorithm (RFC 8760).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Digest {
    /// MD5.
    #[serde(rename = "MD5")]
    Md5,
    /// SHA-256.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// SHA-512/256.
    #[serde(rename = "SHA-512-256")]
    Sha512256,
}

/// Certificate and trust of TLS.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file of our certificate and its chain; without it, one is made at the first start and kept in the data folder.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
    /// Names and addresses in the certificate that is made; without them, those of this machine.
    pub names: Vec<String>,
    /// PEM file of the authorities whose client certificates are believed; without it, none is asked for.
    pub client_ca: Option<PathBuf>,
    /// Turn away clients without such a certificate.
    pub require_client_certificate: bool,
    /// Whether the authorities of the system vouch for servers that we connect to.
    pub system_roots: bool,
    /// PEM files of further authorities that vouch for them.
    pub extra_roots: Vec<PathBuf>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificate: None,
            key: None,
            names: Vec::new(),
            client_ca: None,
            require_client_certificate: true,
            system_roots: true,
            extra_roots: Vec::new(),
        }
    }
}

impl Sip {
    /// The addresses of one transport.
    pub fn listeners(&self, transport: Transport) -> impl Iterator<Item = SocketAddr> + '_ {
        let of = move |listen: &&Listen| listen.transport == transport;
        self.listen.iter().filter(of).map(|listen| listen.address)
    }
}
