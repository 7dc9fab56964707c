//! The side that challenges (RFC 7616 §3.3, RFC 8760 §2.4): without memory of whom it asked.

use super::hash::Calculation;
use super::nonce::{self, Serial};
use super::{Authorization, Qop};
use crate::message::text::{inert, text};
use crate::message::{Message, Name, Uri};
use crate::{Account, Algorithm, Config};
use passline_identity::Secret;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// Nonces in use whose counts are remembered; only proven ones are. Beyond it the oldest become stale.
const MAX_WINDOWS: usize = 16_384;

/// What a request's credentials are worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// There are none for our realm.
    Missing,
    /// They are wrong; with the user name as claimed.
    Wrong(String),
    /// They are right, but their nonce is too old, of another source, or was used with this count before.
    Stale,
    /// They are right; with the account's user.
    Proven(String),
}

/// Nonce counts seen: the highest and the 63 below it.
#[derive(Clone, Copy)]
struct Window {
    highest: u32,
    seen: u64,
}

impl Window {
    /// Takes a count once; `false` if it was taken before or lies too far back.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let step = count - self.highest;
            self.seen = if step < 64 { self.seen << step | 1 } else { 1 };
            self.highest = count;
            return true;
        }
        let back = self.highest - count;
        let bit = if back < 64 { 1u64 << back } else { return false };
        let fresh = self.seen & bit == 0;
        self.seen |= bit;
        fresh && count != 0
    }
}

/// Accounts, the key of the nonces, and the counts of those in use.
pub(crate) struct Doorkeeper {
    key: [u8; 32],
    realm: String,
    algorithms: Vec<Algorithm>,
    lifetime: Duration,
    accounts: BTreeMap<String, Account>,
    /// Stands in for the password of users that do not exist, so that they cost the same time.
    nobody: Arc<Secret>,
    /// Time zero of nonces: the first instant seen.
    epoch: Option<Instant>,
    windows: BTreeMap<Serial, Window>,
    /// Serials up to this one are stale whatever their age: their counts were forgotten.
    floor: Option<Serial>,
}

impl Doorkeeper {
    pub fn new(config: &Config, key: [u8; 32]) -> Self {
        let mut doorkeeper = Doorkeeper {
            key,
            realm: config.realm.replace(['"', '\\'], "").replace(char::is_control, ""),
            algorithms: config.algorithms.clone(),
            lifetime: config.nonce_lifetime,
            accounts: BTreeMap::new(),
            nobody: Arc::new(Secret::new("nobody has this one")),
            epoch: None,
            windows: BTreeMap::new(),
            floor: None,
        };
        doorkeeper.set_accounts(&config.accounts);
        doorkeeper
    }

    /// Replaces all accounts.
    pub fn set_accounts(&mut self, accounts: &[Account]) {
        self.accounts = accounts.iter().map(|a| (a.user.clone(), a.clone())).collect();
    }

    pub fn account(&self, user: &str) -> Option<&Account> {
        self.accounts.get(user)
    }

    fn milliseconds(&mut self, now: Instant) -> u64 {
        let epoch = *self.epoch.get_or_insert(now);
        u64::try_from(now.saturating_duration_since(epoch).as_millis()).unwrap_or(u64::MAX)
    }

    /// Challenges, as lists of WWW-Authenticate values, one value per algorithm, the preferred first. Each list is shorter
    /// than the one before it: one for each length of answer that may be sent.
    pub fn challenges(&mut self, now: Instant, source: IpAddr, chance: u32, stale: bool) -> Vec<Vec<String>> {
        let serial = Serial::new(self.milliseconds(now), chance);
        let nonce = nonce::issue(&self.key, serial, source);
        let stale = if stale { ",stale=true" } else { "" };
        let mut lists = Vec::new();
        for first in 0..self.algorithms.len().max(1) {
            for qop in ["auth,auth-int", "auth"] {
                let value = |algorithm: &Algorithm| {
                    let (realm, token) = (&self.realm, algorithm.token());
                    format!(
                        "Digest realm=\"{realm}\",nonce=\"{nonce}\",algorithm={token},qop=\"{qop}\"{stale}"
                    )
                };
                lists.push(self.algorithms.iter().skip(first).map(value).collect());
            }
        }
        lists
    }

    /// Weighs a request's credentials. Of unknown users and of wrong passwords it takes the same way to the same end.
    pub fn verify(
        &mut self,
        now: Instant,
        source: IpAddr,
        method: &str,
        request_uri: &str,
        message: &Message<'_>,
    ) -> Verdict {
        let values: Vec<_> = message.all(Name::Authorization).map(text).collect();
        let (mut found, mut broken) = (None, false);
        for value in &values {
            match Authorization::parse(value) {
                Some(read) if read.realm != self.realm => {}
                Some(read) if found.is_none() => found = Some(read),
                // Two for one realm: which of them counts?
                _ => broken = true,
            }
        }
        let Some(read) = found else {
            return if broken { Verdict::Wrong(String::new()) } else { Verdict::Missing };
        };
        let wrong = Verdict::Wrong(inert(read.user).chars().take(64).collect());
        let Some((algorithm, false)) = read.algorithm.filter(|(a, _)| self.algorithms.contains(a)) else {
            return wrong;
        };
        // Without qop there is no count, and what was heard could be said again.
        let (Some(qop), Some(count)) = (read.qop, read.count()) else { return wrong };
        if broken || !same_resource(read.uri, request_uri) {
            return wrong;
        }
        let account = self.accounts.get(read.user);
        let password = account.map_or(&self.nobody, |a| &a.password);
        let body = if qop == Qop::AuthInt { message.body } else { &[] };
        let expected = Calculation {
            algorithm,
            session: false,
            user: read.user,
            realm: read.realm,
            nonce: read.nonce,
            qop: Some(qop),
            nc: read.nc,
            cnonce: read.cnonce,
            method,
            uri: read.uri,
            body,
        }
        .response(password);
        let given = read.response.to_ascii_lowercase();
        let equal = bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
        let serial = nonce::check(&self.key, read.nonce, source);
        if !(equal & account.is_some()) {
            return wrong;
        }
        let user = read.user.to_owned();
        let Some(serial) = serial else { return Verdict::Stale };
        let age = self.milliseconds(now).checked_sub(serial.milliseconds());
        let lifetime = u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX);
        if age.is_none_or(|age| age > lifetime) || self.floor.is_some_and(|floor| serial <= floor) {
            return Verdict::Stale;
        }
        if self.count(now, serial, count) { Verdict::Proven(user) } else { Verdict::Stale }
    }

    fn count(&mut self, now: Instant, serial: Serial, count: u32) -> bool {
        let lifetime = u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX);
        let oldest = Serial::new(self.milliseconds(now).saturating_sub(lifetime), 0);
        while let Some(entry) = self.windows.first_entry() {
            if *entry.key() >= oldest {
                break;
            }
            entry.remove();
        }
        if self.windows.len() >= MAX_WINDOWS
            && !self.windows.contains_key(&serial)
            && let Some((forgotten, _)) = self.windows.pop_first()
        {
            self.floor = self.floor.max(Some(forgotten));
            if serial <= forgotten {
                return false;
            }
        }
        self.windows.entry(serial).or_insert(Window { highest: 0, seen: 0 }).take(count)
    }
}

/// Whether the digest's URI and the Request-URI mean the same place (RFC 7616 §3.4.6): user and host count, parameters
/// and ports are left to the careless.
fn same_resource(digest: &str, request: &str) -> bool {
    if digest == request {
        return true;
    }
    let (Some(a), Some(b)) = (Uri::parse(digest), Uri::parse(request)) else { return false };
    let host = |uri: &Uri<'_>| uri.host.map(|h| h.to_string().to_ascii_lowercase());
    a.host.is_some() && a.number() == b.number() && host(&a) == host(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_taken_once() {
        let mut window = Window { highest: 0, seen: 0 };
        let table = [
            (1, true),
            (1, false),
            (3, true),
            (2, true),
            (2, false),
            (0, false),
            (70, true),
            (7, true),
            (6, false),
            (3, false),
            (70, false),
            (u32::MAX, true),
            (70, false),
        ];
        for (count, taken) in table {
            assert_eq!(window.take(count), taken, "{count}");
        }
    }

    #[test]
    fn resources() {
        for (a, b, same) in [
            ("sip:h", "sip:h", true),
            ("sip:5000@H:5060;transport=udp", "sip:5000@h", true),
            ("sip:5000@h", "sip:5001@h", false),
            ("sip:5000@h", "sip:5000@i", false),
            ("/index", "sip:h", false),
        ] {
            assert_eq!(same_resource(a, b), same, "{a} {b}");
        }
    }
}
