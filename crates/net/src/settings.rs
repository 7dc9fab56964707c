//! Settings of TLS, of the guard and of name look-ups.
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// TLS over TCP (RFC 3261 §26.3.1, RFC 5922); the default has no certificate and trusts the system's authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Whom we say we are; needed where `sip_tls` listens.
    pub certificate: OwnCertificate,
    /// PEM file of the authorities whose client certificates are believed; `None`: none is asked for.
    pub client_ca: Option<PathBuf>,
    /// A client without a certificate of `client_ca` is turned away in the handshake.
    pub require_client_certificate: bool,
    /// Whether the authorities of the system (`/etc/ssl/certs`) vouch for servers that we connect to.
    pub system_roots: bool,
    /// PEM files of further authorities that vouch for servers.
    pub extra_roots: Vec<PathBuf>,
    /// What is special about some peers.
    pub peers: Vec<TlsPeer>,
    /// A handshake that takes longer is given up.
    pub handshake: Duration,
    /// Most handshakes under way at once with those who connect to us; beyond it the oldest is given up.
    pub handshakes: usize,
    /// Most handshakes under way with one address; beyond it the oldest of that address is given up.
    pub handshakes_per_peer: usize,
}

impl Default for TlsConfig {
    fn default() -> Self {
        TlsConfig {
            certificate: OwnCertificate::None,
            client_ca: None,
            require_client_certificate: false,
            system_roots: true,
            extra_roots: Vec::new(),
            peers: Vec::new(),
            handshake: Duration::from_secs(5),
            handshakes: 256,
            handshakes_per_peer: 16,
        }
    }
}

/// Where our own certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum OwnCertificate {
    /// There is none: we connect to servers, and show no certificate to them.
    #[default]
    None,
    /// PEM files.
    Files {
        /// The chain, our own certificate first.
        certificate: PathBuf,
        /// Its private key: PKCS#8, PKCS#1 or SEC1.
        key: PathBuf,
    },
    /// Self-signed, made at the first start as `tls-certificate.pem` and `tls-key.pem` (mode 0600) in this folder.
    Folder {
        /// The folder; must exist.
        folder: PathBuf,
        /// Host names and addresses for which it is made; empty: the machine's host name, `localhost` and the
        /// listeners' addresses.
        names: Vec<String>,
    },
}

/// What is special about one server that we connect to by TLS.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TlsPeer {
    /// Host as in its SIP URI: name or address.
    pub host: String,
    /// PEM file of the only authorities (or the only certificate) that vouch for it.
    pub ca: Option<PathBuf>,
    /// PEM files of certificate chain and key that we show it, in place of our own.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// The name that its certificate must carry, where that is not `host`.
    pub name: Option<String>,
}

/// Where the media threads run. There is one per shard, apart from the tasks of everything else, so that nothing can be in
/// a tick's way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaThreads {
    /// Cores, one per shard in turn; empty: wherever the system lets them run.
    pub cores: Vec<usize>,
    /// Nice value, -20 to 19; below 0 needs CAP_SYS_NICE. `None`: as everything else.
    pub nice: Option<i32>,
}

/// Limits by source: what one address, and what all unknown ones together may ask of us. A rate is a bucket that
/// holds `burst` and gains `per_second`. Sources are addresses; of IPv6 the first 64 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardConfig {
    /// Networks that are never limited nor banned: trunks, and by default `127.0.0.1` and `::1`.
    pub trusted: Vec<IpNet>,
    /// Messages (datagrams, or reads of a stream) of one source; of a verified one ten times as many.
    pub messages: Rate,
    /// Messages of all unknown sources together.
    pub all_messages: Rate,
    /// New INVITEs of one source.
    pub invites: Rate,
    /// New INVITEs of all unknown sources together.
    pub all_invites: Rate,
    /// Calls of unknown sources that are not yet confirmed by an ACK, all together.
    pub half_open: usize,
    /// Of one source; of a verified one four times as many.
    pub half_open_per_source: usize,
    /// New connections of one source.
    pub connections: Rate,
    /// A source that is told 401, 403 or 407 in answer to credentials more often than this is banned.
    pub failed_logins: Rate,
    /// A source that is told 404, 484 and the like more often than this is banned: it tries out numbers.
    pub wrong_numbers: Rate,
    /// A source that sends more that is no SIP than this is banned.
    pub garbage: Rate,
    /// A source that goes on for so many messages beyond its rate is banned; 0 = never.
    pub ban_over_rate: u32,
    /// How long a ban lasts.
    pub ban: Duration,
    /// Whether scanners are known by their names (User-Agent, From, To, Subject) and banned at their first request.
    pub scanners: bool,
    /// Further names of scanners, in lower case; part of the header's value suffices.
    pub scanner_names: Vec<String>,
    /// Whether an unverified UDP source never gets more octets than it sent (attack: reflection).
    pub no_amplification: bool,
    /// Sources remembered at once; the least active are forgotten first.
    pub sources: usize,
    /// Bans kept at once; the oldest goes first.
    pub bans: usize,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What the bucket holds; 0 with `per_second` 0 = no limit.
    pub burst: u32,
    /// What it gains a second, in thousandths.
    pub per_1000_s: u32,
}

impl Rate {
    /// `burst` at once, `per_second` in the long run.
    pub const fn per_second(burst: u32, per_second: u32) -> Self {
        Rate { burst, per_1000_s: per_second.saturating_mul(1000) }
    }

    /// `burst` at once, `per_minute` in the long run.
    pub const fn per_minute(burst: u32, per_minute: u32) -> Self {
        Rate { burst, per_1000_s: per_minute.saturating_mul(1000) / 60 }
    }

    /// So many times as much.
    pub const fn times(self, factor: u32) -> Self {
        Rate { burst: self.burst.saturating_mul(factor), per_1000_s: self.per_1000_s.saturating_mul(factor) }
    }

    /// No limit.
    pub const NONE: Rate = Rate { burst: 0, per_1000_s: 0 };
}

impl Default for GuardConfig {
    fn default() -> Self {
        GuardConfig {
            trusted: vec![loopback_v4(), loopback_v6()],
            messages: Rate::per_second(400, 100),
            all_messages: Rate::per_second(5_000, 2_500),
            invites: Rate::per_second(40, 10),
            all_invites: Rate::per_second(200, 100),
            half_open: 100,
            half_open_per_source: 20,
            connections: Rate::per_second(50, 10),
            failed_logins: Rate::per_minute(10, 2),
            wrong_numbers: Rate::per_minute(20, 10),
            garbage: Rate::per_minute(50, 60),
            ban_over_rate: 5_000,
            ban: Duration::from_secs(3600),
            scanners: true,
            scanner_names: Vec::new(),
            no_amplification: true,
            sources: 16_384,
            bans: 65_536,
        }
    }
}

fn loopback_v4() -> IpNet {
    IpNet::V4(ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::LOCALHOST, 32))
}

fn loopback_v6() -> IpNet {
    IpNet::V6(ipnet::Ipv6Net::new_assert(std::net::Ipv6Addr::LOCALHOST, 128))
}

/// Name look-ups (RFC 3263).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsConfig {
    /// Name servers; empty: those of the system (`/etc/resolv.conf`).
    pub servers: Vec<SocketAddr>,
    /// All look-ups for one URI must be done by then.
    pub timeout: Duration,
    /// Paths kept of one look-up, in the order in which they are tried.
    pub paths: usize,
}

impl Default for DnsConfig {
    fn default() -> Self {
        DnsConfig { servers: Vec::new(), timeout: Duration::from_secs(4), paths: 8 }
    }
}
