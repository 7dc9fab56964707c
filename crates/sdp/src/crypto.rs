//! Keys for SRTP in session descriptions (RFC 4568): `a=crypto` read, written, agreed on.
//!
//! Names of suites and lengths of keys are given by the caller; what the suites do is none of this crate's business.

use std::fmt;

use base64ct::{Base64, Base64Unpadded, Encoding};
use zeroize::{Zeroize, Zeroizing};

use crate::agreement::{Cause, Refusal};
use crate::media::{Profile, Section};

/// Most `a=crypto` lines of one section that are read.
const MAX_LINES: usize = 32;
/// Most keys of one line that are taken.
const MAX_KEYS: usize = 4;
/// The longest key with its salt, in octets.
const MAX_KEY: usize = 64;

/// Whether audio is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Encryption {
    /// Never.
    #[default]
    Off,
    /// Where the other side wants it, too.
    Optional,
    /// Always: better no call than one that can be listened to.
    Required,
}

/// A master key with its salt. It is wiped when it is dropped, and `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// Key and salt, one behind the other.
    pub fn new(octets: Vec<u8>) -> Key {
        Key(octets)
    }

    /// Key and salt, for the cipher alone.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} octets)", self.0.len())
    }
}

/// A suite that we have, with the key that we send under if it is agreed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalKey {
    /// Name of the suite, as `AES_CM_128_HMAC_SHA1_80`.
    pub suite: &'static str,
    /// Our key; the peer's must be as long.
    pub key: Key,
    /// It is one of those that we offer; all are accepted.
    pub offered: bool,
}

/// What our side does about encryption in one call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Crypto {
    /// What is done with the other side's offers.
    pub accept: Encryption,
    /// What our own offers say: `Optional` is RTP/AVP with keys, `Required` RTP/SAVP.
    pub offer: Encryption,
    /// Our suites, the strongest first: the order of our offers.
    pub keys: Vec<LocalKey>,
    /// The suite of a call that is encrypted already: plain audio and the suites behind it in `keys` are no longer good
    /// enough, neither in offers nor in answers.
    pub at_least: Option<&'static str>,
}

impl Crypto {
    /// The suites that are strong enough.
    fn usable(&self) -> &[LocalKey] {
        let last = self.at_least.and_then(|suite| self.keys.iter().position(|key| key.suite == suite));
        last.and_then(|last| self.keys.get(..=last)).unwrap_or(&self.keys)
    }

    /// Those of them that our offer names, in its order.
    fn offered(&self) -> impl Iterator<Item = &LocalKey> {
        self.usable().iter().filter(|key| key.offered)
    }

    /// A policy, with what the call has reached already.
    fn raised(&self, policy: Encryption) -> Encryption {
        if self.at_least.is_some() { Encryption::Required } else { policy }
    }
}

/// A key of the other side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteKey {
    /// Key and salt.
    pub key: Key,
    /// What its packets carry to say that they are under this key: a number and the octets that it takes.
    pub mki: Option<(u64, u8)>,
    /// Most packets of RTP, and most of RTCP, that may come under it; what its cipher allows, without one.
    pub lifetime: Option<u64>,
}

/// The encryption that was agreed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// Name of the suite, as in [`LocalKey::suite`].
    pub suite: &'static str,
    /// Our key.
    pub local: Key,
    /// The other side's keys, at least one.
    pub remote: Vec<RemoteKey>,
    /// It was agreed on under RTP/SAVP, and not beside plain audio.
    pub secure_profile: bool,
    /// Tag of the line, and the suite's name as it was offered: the answer repeats both.
    line: (u32, String),
}

impl Agreed {
    /// The value of our answer's `a=crypto`.
    pub(crate) fn answer(&self) -> String {
        line(self.line.0, &self.line.1, &self.local)
    }
}

/// The values of the `a=crypto` lines that we offer.
pub(crate) fn offers(crypto: &Crypto) -> Vec<String> {
    (1..).zip(crypto.offered()).map(|(tag, key)| line(tag, key.suite, &key.key)).collect()
}

fn line(tag: u32, suite: &str, key: &Key) -> String {
    // No lifetime and no MKI: what is not said is 2^48 packets under one key (RFC 4568 §6.1).
    let text = Zeroizing::new(Base64::encode_string(key.octets()));
    format!("{tag} {suite} inline:{}", *text)
}

/// What one section of an offer gives; `None`: plain audio.
///
/// # Errors
/// [`Refusal`] where the section and our side want different things.
pub(crate) fn of_offer(section: Section<'_>, crypto: &Crypto) -> Result<Option<Agreed>, Refusal> {
    let profile = rtp(section)?;
    let offered = || lines(section).find_map(|line| agreed(line, profile, crypto, |_| true));
    let lines = lines(section).count();
    match (profile, crypto.raised(crypto.accept)) {
        (Profile::Secure, Encryption::Off) => {
            let sentence = format!(
                "Only encrypted audio ({}) was offered, and it is switched off here.",
                section.media.proto
            );
            Err(Refusal::because(Cause::EncryptionOff, sentence))
        }
        (Profile::Secure, _) => offered().map(Some).ok_or_else(|| unknown(section, crypto)),
        (_, Encryption::Off) => Ok(None),
        (_, Encryption::Optional) => Ok(offered()),
        (_, Encryption::Required) if lines == 0 => {
            let sentence = "Only plain audio was offered, and encrypted audio is required here.";
            Err(Refusal::because(Cause::EncryptionRequired, sentence))
        }
        (_, Encryption::Required) => offered().map(Some).ok_or_else(|| unknown(section, crypto)),
    }
}

/// What the section that answers our offer gives; `None`: plain audio.
///
/// # Errors
/// [`Refusal`] where the answer is not one to our offer, or plain where we required more.
pub(crate) fn of_answer(section: Section<'_>, crypto: &Crypto) -> Result<Option<Agreed>, Refusal> {
    let profile = rtp(section)?;
    let offered: Vec<&LocalKey> = crypto.offered().collect();
    let is_ours = |line: &Line<'_>| {
        let index = usize::try_from(line.tag).ok().and_then(|tag| tag.checked_sub(1));
        let key = index.and_then(|index| offered.get(index));
        key.is_some_and(|key| Some(key.suite) == known(line.suite, crypto).map(|key| key.suite))
    };
    let answered = match crypto.offer {
        Encryption::Off => None,
        _ => lines(section).find_map(|line| agreed(line, profile, crypto, is_ours)),
    };
    match (answered, profile, crypto.raised(crypto.offer)) {
        (Some(agreed), ..) => Ok(Some(agreed)),
        (None, Profile::Secure, _) => Err(unknown(section, crypto)),
        (None, _, Encryption::Required) => {
            let sentence = "The answer has plain audio, and encrypted audio is required here.";
            Err(Refusal::because(Cause::EncryptionRequired, sentence))
        }
        (None, ..) => Ok(None),
    }
}

fn rtp(section: Section<'_>) -> Result<Profile, Refusal> {
    match section.profile() {
        Profile::Other => {
            let sentence = format!("Audio was offered over {} and not over RTP.", section.media.proto);
            Err(Refusal::new(488, sentence))
        }
        profile => Ok(profile),
    }
}

/// Encrypted, but not in a way that we have.
fn unknown(section: Section<'_>, crypto: &Crypto) -> Refusal {
    let suites: Vec<&str> = lines(section).map(|line| line.suite).take(8).collect();
    let ours: Vec<&str> = crypto.usable().iter().map(|key| key.suite).collect();
    let sentence = match suites.is_empty() {
        true => "The encrypted audio has no key that can be used (a=crypto, RFC 4568): by DTLS it cannot be agreed on."
            .to_owned(),
        false => format!(
            "No usable encryption of the audio: offered {}, supported {}.",
            suites.join(", "),
            ours.join(", ")
        ),
    };
    Refusal::because(Cause::EncryptionUnknown, sentence)
}

/// One `a=crypto` line.
struct Line<'a> {
    tag: u32,
    suite: &'a str,
    keys: &'a str,
    session: Vec<&'a str>,
}

/// The lines that can be read, in order.
fn lines(section: Section<'_>) -> impl Iterator<Item = Line<'_>> {
    section.values("crypto").take(MAX_LINES).filter_map(|value| {
        let mut words = value.split_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9)?.parse().ok()?;
        let (suite, keys) = (words.next()?, words.next()?);
        let plain = suite.len() <= 64 && suite.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        plain.then(|| Line { tag, suite, keys, session: words.collect() })
    })
}

/// Our key for a suite; `AES_CM_256_…` is what some telephones call `AES_256_CM_…`.
fn known<'a>(suite: &str, crypto: &'a Crypto) -> Option<&'a LocalKey> {
    let other = suite.to_ascii_uppercase().replace("AES_CM_256_", "AES_256_CM_");
    crypto.usable().iter().find(|key| key.suite == other)
}

/// What a line and our side come to; `None` if it is not for us.
fn agreed<'a>(
    line: Line<'a>,
    profile: Profile,
    crypto: &Crypto,
    fits: impl Fn(&Line<'a>) -> bool,
) -> Option<Agreed> {
    let ours = known(line.suite, crypto)?;
    if !fits(&line) || !line.session.iter().all(|parameter| is_harmless(parameter)) {
        return None;
    }
    let parts: Vec<&str> = line.keys.split(';').collect();
    let remote: Option<Vec<RemoteKey>> =
        parts.iter().map(|part| remote_key(part, ours.key.octets().len())).collect();
    let remote = remote?;
    // Of several keys, packets must say which one is theirs, all in as many octets (RFC 4568 §6.1).
    let first = remote.first()?.mki.map(|(_, length)| length);
    let alike = remote.iter().all(|key| key.mki.map(|(_, length)| length) == first);
    let twice = |(at, key): (usize, &RemoteKey)| {
        remote.iter().take(at).any(|other| other.mki == key.mki || other.key == key.key)
    };
    let told = remote.len() == 1
        || (alike && first.is_some() && remote.len() <= MAX_KEYS && !remote.iter().enumerate().any(twice));
    told.then(|| Agreed {
        suite: ours.suite,
        local: ours.key.clone(),
        remote,
        secure_profile: profile == Profile::Secure,
        line: (line.tag, line.suite.to_owned()),
    })
}

/// Whether a session parameter leaves all packets encrypted and authenticated under one derivation (RFC 4568 §6.3). One
/// that is unknown refuses the line unless it says that it may be ignored.
fn is_harmless(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    match name.to_ascii_uppercase().as_str() {
        "WSH" => true,
        "KDR" => value == "0",
        "FEC_ORDER" => true,
        other => other.starts_with('-'),
    }
}

/// `inline:` key and salt, then lifetime and MKI if there are.
fn remote_key(text: &str, length: usize) -> Option<RemoteKey> {
    let (method, rest) = text.split_once(':')?;
    if !method.eq_ignore_ascii_case("inline") {
        return None;
    }
    let mut parts = rest.split('|');
    let key = decode(parts.next()?, length)?;
    let (mut mki, mut lifetime) = (None, None);
    for part in parts {
        match part.split_once(':') {
            Some((value, length)) if mki.is_none() => {
                let (value, length) = (value.parse::<u64>().ok()?, length.parse::<u8>().ok()?);
                let fits = length >= 8 || value >> (8 * u32::from(length)) == 0;
                mki = Some((value, length)).filter(|_| fits && (1..=128).contains(&length));
                mki?;
            }
            None if lifetime.is_none() => lifetime = Some(packets(part)?),
            _ => return None,
        }
    }
    Some(RemoteKey { key, mki, lifetime })
}

/// `2^20` or `1048576`: at least one packet, at most 2^48.
fn packets(text: &str) -> Option<u64> {
    let packets: u64 = match text.split_once('^') {
        Some(("2", power)) => 1u64.checked_shl(power.parse().ok()?)?,
        Some(_) => return None,
        None => text.parse().ok()?,
    };
    (1..=1 << 48).contains(&packets).then_some(packets)
}

/// Key and salt of this length in Base64, with or without its padding.
fn decode(text: &str, length: usize) -> Option<Key> {
    let mut buffer = Zeroizing::new([0u8; MAX_KEY]);
    let octets = Base64Unpadded::decode(text.trim_end_matches('='), &mut buffer[..]).ok()?;
    (octets.len() == length).then(|| Key::new(octets.to_vec()))
}

#[cfg(test)]
#[path = "crypto_tests.rs"]
mod tests;
