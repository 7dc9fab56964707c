//! `trunks:` and `routes:` in the configuration: other PBXs and providers.
use super::{Network, Srtp, host::Host};
use passline_rtp::{CODECS, Codec};
use serde::{Deserialize, Deserializer, de::Error};
use serde_saphyr::Spanned;
use std::path::PathBuf;

/// A named peer that calls come from and go to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    /// Its name in all logs and commands.
    pub name: Spanned<String>,
    /// Where it is: `pbx.example.org`, `192.0.2.20:5061;transport=tls`; without it, it only calls us.
    #[serde(default)]
    pub host: Option<Host>,
    /// Addresses its calls come from; by default the address in `host`.
    #[serde(default)]
    pub networks: Vec<Spanned<Network>>,
    /// User of our account there.
    #[serde(default)]
    pub user: Option<String>,
    /// File whose first line is that account's password.
    #[serde(default)]
    pub password_file: Option<Spanned<PathBuf>>,
    /// Realm whose challenges are answered; any that comes first, without it.
    #[serde(default)]
    pub realm: Option<String>,
    /// Register there with this account.
    #[serde(default)]
    pub register: bool,
    /// Lifetime of the registration that is asked for, in seconds.
    #[serde(default = "hour")]
    pub register_s: u32,
    /// How its calls prove where they come from.
    #[serde(default)]
    pub inbound: Inbound,
    /// User of our From, where it insists on one; else the caller's number.
    #[serde(default)]
    pub from_user: Option<String>,
    /// Codecs, the best first; those of everybody, without it.
    #[serde(default)]
    pub codecs: Option<Vec<CodecName>>,
    /// How keys travel.
    #[serde(default)]
    pub dtmf: Dtmf,
    /// Its calls may share RTP ports: there is no NAT between, and it sends from where its descriptions say.
    #[serde(default)]
    pub shared_ports: bool,
    /// Whether its audio is encrypted; as `rtp.srtp` says, without it.
    #[serde(default)]
    pub srtp: Option<Srtp>,
    /// Whether an encrypted call may become less so; as `rtp.srtp_may_weaken` says, without it.
    #[serde(default)]
    pub srtp_may_weaken: Option<bool>,
    /// Believe the caller's number that it asserts.
    #[serde(default)]
    pub trust_identity: bool,
    /// Calls at one time.
    #[serde(default)]
    pub max_calls: Option<usize>,
    /// Rewrites numbers that it dials; the first rule that fits.
    #[serde(default)]
    pub rewrite_in: Vec<Rewrite>,
    /// Rewrites numbers that we dial there; the first rule that fits.
    #[serde(default)]
    pub rewrite_out: Vec<Rewrite>,
    /// What its callers may dial.
    #[serde(default)]
    pub may_dial: MayDial,
    /// Ask so often by OPTIONS whether it is there, in seconds; 0 = never.
    #[serde(default = "half_a_minute")]
    pub options_s: u64,
    /// TLS: PEM file of the only authorities that may have signed its certificate; the system's, without it.
    #[serde(default)]
    pub ca: Option<Spanned<PathBuf>>,
    /// TLS: PEM file of the certificate that we show to it.
    #[serde(default)]
    pub certificate: Option<Spanned<PathBuf>>,
    /// TLS: PEM file of that certificate's key.
    #[serde(default)]
    pub key: Option<Spanned<PathBuf>>,
    /// TLS: the name that its certificate carries, where that is not its host.
    #[serde(default)]
    pub certificate_name: Option<String>,
    /// Ways in which it differs from what the RFCs say.
    #[serde(default)]
    pub quirks: Quirks,
}

fn hour() -> u32 {
    3600
}

fn half_a_minute() -> u64 {
    30
}

/// How calls of a trunk prove where they come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inbound {
    /// By their source address.
    #[default]
    Ip,
    /// By it, and by digest with `user` and `password_file`.
    Digest,
}

/// How keys travel on a trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtmf {
    /// As its description says.
    #[default]
    Auto,
    /// Telephone events alone.
    Rfc4733,
    /// Tones in the audio alone.
    Inband,
    /// SIP INFO alone.
    Info,
}

/// What callers of one kind may dial.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MayDial {
    /// Numbers of flows; all, without it.
    pub flows: Option<Vec<Number>>,
    /// Extensions of devices.
    pub extensions: bool,
    /// Numbers that a route leads over a trunk.
    pub routes: bool,
    /// Transfer calls to whatever they may dial.
    pub transfer: bool,
}

/// Ways in which a trunk differs from what the RFCs say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// It copes with reliable provisional responses (RFC 3262).
    pub prack: bool,
    /// It wants an INVITE without an offer.
    pub delayed_offer: bool,
    /// Its media may come from another address than its description names.
    pub nat: bool,
    /// It takes REFER; otherwise transfers are bridged here.
    pub refer: bool,
    /// Who refreshes the session (RFC 4028).
    pub session_timer: SessionTimer,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            prack: true,
            delayed_offer: false,
            nat: true,
            refer: true,
            session_timer: SessionTimer::Negotiated,
        }
    }
}

/// Who refreshes the session (RFC 4028).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionTimer {
    /// Whoever is found by the rules of the RFC.
    #[default]
    Negotiated,
    /// We.
    Ours,
    /// The trunk.
    Theirs,
}

/// One rule that rewrites numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rewrite {
    /// Beginning that must be there, and is taken away.
    pub strip: Number,
    /// What is put in its place.
    pub prepend: Number,
}

/// A number's way over a trunk.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Beginning of the numbers; empty: all.
    #[serde(default)]
    pub prefix: Number,
    /// Name of the trunk.
    pub trunk: Spanned<String>,
    /// Registered devices may use it.
    #[serde(default = "yes")]
    pub devices: bool,
    /// Callers of trunks whose `may_dial` says `routes` may use it.
    #[serde(default)]
    pub trunks: bool,
}

fn yes() -> bool {
    true
}

/// A number or a part of one: `+`, digits, `*`, `#`, letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub String);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let good = |c: char| c.is_ascii_alphanumeric() || "+*#-_.".contains(c);
        if text.chars().all(good) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format!("`{text}` is no number; write it without blanks, e.g. +4930555010")))
        }
    }
}

/// A codec by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecName(pub Codec);

impl<'de> Deserialize<'de> for CodecName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Codec::from_label(&text).map(Self).ok_or_else(|| {
            let known: Vec<_> = CODECS.iter().map(|info| info.label).collect();
            D::Error::custom(format!("`{text}` is no codec that Passline has; it has {}", known.join(", ")))
        })
    }
}
