//! A trunk: another PBX or a provider, and how it wants to be spoken to.
use ipnet::IpNet;
use passline_rtp::codec::Codec;
use passline_sdp::Encryption;
use passline_sip::{CallPolicy, Credentials, Rel100, SessionPolicy};

use std::net::IpAddr;
use std::time::Duration;

use crate::Reach;

/// A named peer that calls come from and go to.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Its name in the configuration and in all logs.
    pub name: String,
    /// Addresses its calls come from.
    pub networks: Vec<IpNet>,
    /// Where our calls to it go, `sip:host[:port][;transport=tls]`; `None`: it only calls us.
    pub address: Option<String>,
    /// With which we answer its challenges.
    pub credentials: Option<Credentials>,
    /// How it proves itself when it calls.
    pub inbound: TrunkAuth,
    /// We register with it.
    pub register: Option<RegisterTerms>,
    /// User of our From in calls to it, where it insists on one; else the caller's number.
    pub from_user: Option<String>,
    /// Codecs in our order; the engine's own list when `None`.
    pub codecs: Option<Vec<Codec>>,
    /// How digits travel.
    pub dtmf: Dtmf,
    /// P-Asserted-Identity, Remote-Party-ID, Privacy, Diversion and History-Info count (RFC 3325 §5).
    pub trust_identity: bool,
    /// Most calls at once, both directions; no limit of its own when `None`.
    pub max_calls: Option<usize>,
    /// Applied to the number dialled by a call from it; the first that fits.
    pub rewrite_in: Vec<Rewrite>,
    /// Applied to the number dialled by a call to it; the first that fits.
    pub rewrite_out: Vec<Rewrite>,
    /// What its callers may dial.
    pub reach: Reach,
    /// OPTIONS go to it so often; `None`: its health is not asked.
    pub options: Option<Duration>,
    /// Reliable provisional responses (RFC 3262) may be used with it.
    pub rel100: bool,
    /// Session timers with it (RFC 4028); the user agent's own terms when `None`.
    pub session: Option<SessionPolicy>,
    /// Our INVITE brings no offer (some gateways insist).
    pub delayed_offer: bool,
    /// Whether its audio is encrypted; as for everybody when `None`.
    pub srtp: Option<Encryption>,
    /// Whether an encrypted call may go over to a weaker suite, or to plain audio; as for everybody when `None`.
    pub srtp_may_weaken: Option<bool>,
    /// Its media may come from the signalling address in place of the one its description names.
    pub nat: bool,
    /// Its calls may share RTP ports: it sends from where its descriptions say, and there is no NAT between.
    pub shared_ports: bool,
    /// A REFER of ours may be sent to it; else a transfer is bridged here.
    pub refer: bool,
}

impl Default for Trunk {
    fn default() -> Self {
        Trunk {
            name: String::new(),
            networks: Vec::new(),
            address: None,
            credentials: None,
            inbound: TrunkAuth::Ip,
            register: None,
            from_user: None,
            codecs: None,
            dtmf: Dtmf::Auto,
            trust_identity: false,
            max_calls: None,
            rewrite_in: Vec::new(),
            rewrite_out: Vec::new(),
            reach: Reach::default(),
            options: Some(Duration::from_secs(30)),
            rel100: true,
            session: None,
            delayed_offer: false,
            srtp: None,
            srtp_may_weaken: None,
            nat: true,
            shared_ports: false,
            refer: true,
        }
    }
}

impl Trunk {
    /// Terms of its calls, where they are others than the user agent's own.
    pub(crate) fn terms(&self, usual: CallPolicy) -> Option<CallPolicy> {
        let rel100 = if self.rel100 { usual.rel100 } else { Rel100::Never };
        let terms = CallPolicy { rel100, session: self.session.unwrap_or(usual.session) };
        (terms != usual).then_some(terms)
    }

    /// Whether this source address is one of its own.
    pub fn owns(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.networks.iter().any(|network| network.contains(&source))
    }
}

/// How a trunk proves itself when it calls.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum TrunkAuth {
    /// By its address alone.
    #[default]
    Ip,
    /// By its address and by digest with this account of the user agent.
    Digest {
        /// User of the account.
        account: String,
    },
}

/// How we register with a trunk (RFC 3261 §10).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegisterTerms {
    /// Address of record, e.g. `sip:4711@provider.example`.
    pub aor: String,
    /// Lifetime asked for, in seconds.
    pub expires: u32,
}

/// How digits travel on a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dtmf {
    /// As the peer's description says: telephone-event if it takes them, else tones; all three are listened to.
    #[default]
    Auto,
    /// RFC 4733 alone.
    Rfc4733,
    /// Tones in the audio alone.
    Inband,
    /// SIP INFO; tones are not listened to.
    Info,
}

/// One rule that rewrites numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rewrite {
    /// Beginning that must be there, and is taken away.
    pub strip: String,
    /// What is put in its place.
    pub prepend: String,
}

impl Rewrite {
    /// The number under the first rule that fits; unchanged if none does.
    pub fn apply(rules: &[Rewrite], number: &str) -> String {
        rules
            .iter()
            .find_map(|rule| number.strip_prefix(&rule.strip).map(|rest| format!("{}{rest}", rule.prepend)))
            .unwrap_or_else(|| number.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_rewrites() {
        let rule = |strip: &str, prepend: &str| Rewrite { strip: strip.into(), prepend: prepend.into() };
        let rules = [rule("00", "+"), rule("0", "+49"), rule("", "x")];
        let cases = [("0044123", "+44123"), ("030555", "+4930555"), ("5000", "x5000"), ("", "x")];
        for (number, wanted) in cases {
            assert_eq!(Rewrite::apply(&rules, number), wanted);
        }
        assert_eq!(Rewrite::apply(&rules[..2], "5000"), "5000");
    }

    #[test]
    fn a_mapped_address_is_the_same_source() {
        let networks = vec!["192.0.2.0/24".parse().expect("a network")];
        let trunk = Trunk { networks, ..Trunk::default() };
        assert!(trunk.owns("192.0.2.7".parse().expect("an address")));
        assert!(trunk.owns("::ffff:192.0.2.7".parse().expect("an address")));
        assert!(!trunk.owns("198.51.100.1".parse().expect("an address")));
    }
}
