//! The side that is challenged (RFC 3261 §22.2, RFC 7616 §3.4, RFC 8760 §2.5).

use super::hash::{Calculation, hash};
use super::{Challenge, Qop};
use crate::message::text::text;
use crate::message::{Message, Name};
use crate::{Algorithm, Credentials};

/// Most challenges answered before one request must have gone through: proxy, server, and each once more as stale.
const MAX_ROUNDS: u8 = 4;
/// Most realms, of proxies and of the server.
const MAX_SPACES: usize = 2;

/// One protection space: a realm of a proxy or of the server, and how we last answered it.
#[derive(Clone, Debug)]
struct Space {
    proxy: bool,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    session: bool,
    qop: Option<Qop>,
    userhash: bool,
    /// Times this nonce was used.
    count: u32,
}

/// Credentials at work: they answer the realm that is theirs, never a weaker challenge than before, and not for ever.
#[derive(Clone, Debug)]
pub struct Answerer {
    credentials: Credentials,
    spaces: Vec<Space>,
    rounds: u8,
}

impl Answerer {
    /// Nobody has asked yet.
    pub fn new(credentials: Credentials) -> Self {
        Answerer { credentials, spaces: Vec::new(), rounds: 0 }
    }

    /// Whether these are the credentials at work.
    pub fn holds(&self, credentials: &Credentials) -> bool {
        self.credentials == *credentials
    }

    /// The request went through: the next one may be challenged anew.
    pub fn accepted(&mut self) {
        self.rounds = 0;
    }

    /// Takes the challenges of a 401 or 407; `carried`: the request had credentials. `false`: sending again would lead
    /// nowhere.
    pub fn challenged(&mut self, message: &Message<'_>, carried: bool) -> bool {
        let user = &self.credentials.user;
        if self.rounds >= MAX_ROUNDS || user.contains(['"', '\\']) || user.contains(char::is_control) {
            return false;
        }
        self.rounds += 1;
        let mut answered = false;
        for (proxy, name) in [(false, Name::WwwAuthenticate), (true, Name::ProxyAuthenticate)] {
            let values: Vec<_> = message.all(name).map(text).collect();
            let mut offers: Vec<Challenge<'_>> =
                values.iter().filter_map(|value| Challenge::parse(value)).collect();
            // The strongest that we know; of equals the first (RFC 8760 §2.4).
            offers.sort_by_key(|challenge| std::cmp::Reverse(challenge.algorithm));
            let best = offers.iter().find(|challenge| self.is_ours(challenge.realm));
            if let Some(challenge) = best {
                if !self.take(proxy, challenge, carried) {
                    return false;
                }
                answered = true;
            }
        }
        answered
    }

    /// As [`challenged`](Self::challenged), for realms that were answered before.
    pub fn challenged_again(&mut self, message: &Message<'_>, carried: bool) -> bool {
        let known = self.spaces.len();
        let worth = known > 0 && self.challenged(message, carried);
        let same = self.spaces.len() == known;
        self.spaces.truncate(known);
        worth && same
    }

    /// The realm of the credentials, or else the one answered first.
    fn is_ours(&self, realm: &str) -> bool {
        match (&self.credentials.realm, self.spaces.first()) {
            (Some(only), _) => only == realm,
            (None, Some(first)) => first.realm == realm,
            (None, None) => true,
        }
    }

    fn take(&mut self, proxy: bool, challenge: &Challenge<'_>, carried: bool) -> bool {
        let space = Space {
            proxy,
            realm: challenge.realm.to_owned(),
            nonce: challenge.nonce.to_owned(),
            opaque: challenge.opaque.map(str::to_owned),
            algorithm: challenge.algorithm,
            session: challenge.session,
            qop: challenge.qop,
            userhash: challenge.userhash,
            count: 0,
        };
        let full = self.spaces.len() >= MAX_SPACES;
        match self.spaces.iter_mut().find(|s| s.proxy == proxy && s.realm == space.realm) {
            Some(known) => {
                // Our answer was refused: only a nonce that had grown old excuses that.
                let old = !carried || challenge.stale || known.count > 1;
                let weaker =
                    space.algorithm < known.algorithm || (space.qop.is_none() && known.qop.is_some());
                if !old || weaker || (carried && space.nonce == known.nonce) {
                    return false;
                }
                *known = space;
            }
            None if full => return false,
            None => self.spaces.push(space),
        }
        true
    }

    /// Authorization and Proxy-Authorization for a request; `cnonce` is fresh and random.
    pub fn headers(
        &mut self,
        method: &str,
        uri: &str,
        body: &[u8],
        cnonce: &str,
    ) -> Vec<(&'static str, String)> {
        let Credentials { user, password, .. } = &self.credentials;
        let mut headers = Vec::with_capacity(self.spaces.len());
        for space in &mut self.spaces {
            space.count = space.count.saturating_add(1);
            let nc = format!("{:08x}", space.count);
            let Space { realm, nonce, algorithm, session, qop, .. } = &*space;
            let response = Calculation {
                algorithm: *algorithm,
                session: *session,
                user,
                realm,
                nonce,
                qop: *qop,
                nc: &nc,
                cnonce,
                method,
                uri,
                body,
            }
            .response(password);
            let hashed = space.userhash.then(|| hash(*algorithm, &[user.as_bytes(), realm.as_bytes()]));
            let user = hashed.as_ref().map_or(user.as_str(), |h| h.as_str());
            let suffix = if *session { "-sess" } else { "" };
            let mut value = format!(
                "Digest username=\"{user}\",realm=\"{realm}\",nonce=\"{nonce}\",uri=\"{uri}\",response=\"{}\",algorithm={}{suffix}",
                response.as_str(),
                algorithm.token()
            );
            if space.userhash {
                value.push_str(",userhash=true");
            }
            if qop.is_some() || *session {
                value.push_str(&format!(",cnonce=\"{cnonce}\""));
            }
            if let Some(qop) = qop {
                value.push_str(&format!(",qop={},nc={nc}", qop.token()));
            }
            if let Some(opaque) = &space.opaque {
                value.push_str(&format!(",opaque=\"{opaque}\""));
            }
            headers.push((if space.proxy { "Proxy-Authorization" } else { "Authorization" }, value));
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use passline_identity::Secret;
    use std::sync::Arc;

    fn answerer(realm: Option<&str>) -> Answerer {
        Answerer::new(Credentials {
            user: "bob".into(),
            password: Arc::new(Secret::new("zanzibar")),
            realm: realm.map(str::to_owned),
        })
    }

    fn challenged(answerer: &mut Answerer, lines: &[&str]) -> bool {
        let text = format!("SIP/2.0 401 X\r\n{}\r\n\r\n", lines.join("\r\n"));
        let carried = answerer.spaces.iter().any(|s| s.count > 0);
        answerer.challenged(&Message::parse(text.as_bytes(), 64).unwrap(), carried)
    }

    fn headers(answerer: &mut Answerer) -> Vec<(&'static str, String)> {
        answerer.headers("INVITE", "sip:bob@biloxi.com", b"v=0", "0a4f113b")
    }

    /// Values of the published digest example with INVITE (draft-smith-sipping-auth-examples §3.1, §3.3, §3.5).
    #[test]
    fn published_answers() {
        let challenge =
            "WWW-Authenticate: Digest realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        for (extra, response) in [
            ("", "bf57e4e0d0bffc0fbaedce64d59add5e"),
            (", qop=\"auth,auth-int\"", "89eb0059246c02b2f6ee02c7961d5ea3"),
            (", algorithm=MD5-sess, qop=\"auth\"", "e4e4ea61d186d07a92c9e1f6919902e9"),
        ] {
            let mut answerer = answerer(None);
            assert!(challenged(&mut answerer, &[&format!("{challenge}{extra}")]));
            let headers = headers(&mut answerer);
            assert!(headers[0].1.contains(&format!("response=\"{response}\"")), "{extra}: {}", headers[0].1);
        }
    }

    #[test]
    fn of_several_challenges_the_strongest_known_is_answered() {
        let mut a = answerer(None);
        let offers = [
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\", algorithm=MD5, qop=\"auth\"",
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"2\", algorithm=SHA-3, qop=\"auth\"",
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"3\", algorithm=SHA-512-256, qop=\"token\"",
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"4\", algorithm=SHA-256, qop=\"auth\", opaque=\"o\"",
        ];
        assert!(challenged(&mut a, &offers));
        let value = &headers(&mut a)[0].1;
        assert!(
            value.contains("algorithm=SHA-256,") && value.ends_with("qop=auth,nc=00000001,opaque=\"o\""),
            "{value}"
        );
        assert!(headers(&mut a)[0].1.contains("nc=00000002"));
    }

    #[test]
    fn neither_loops_nor_weaker_nor_foreign_challenges_are_answered() {
        let sha = "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\", algorithm=SHA-256, qop=\"auth\"";
        let mut a = answerer(None);
        assert!(challenged(&mut a, &[sha]));
        headers(&mut a);
        assert!(!challenged(&mut a, &[&sha.replace("\"1\"", "\"2\"")]), "refused means wrong");
        assert!(!challenged(&mut a, &[&format!("{sha}, stale=true")]), "the same nonce again");
        assert!(!challenged(
            &mut a,
            &["WWW-Authenticate: Digest realm=\"r\", nonce=\"2\", stale=true, qop=\"auth\""]
        ));
        let mut a = answerer(None);
        assert!(challenged(&mut a, &[sha]));
        for n in 2..5 {
            headers(&mut a);
            assert!(challenged(
                &mut a,
                &[&format!("{}, stale=true", sha.replace("\"1\"", &format!("\"{n}\"")))]
            ));
        }
        assert!(!challenged(&mut a, &[&format!("{}, stale=true", sha.replace("\"1\"", "\"9\""))]), "no end");
        let mut a = answerer(Some("mine"));
        assert!(!challenged(&mut a, &[sha]));
        let mut a = answerer(None);
        assert!(challenged(&mut a, &[sha]));
        headers(&mut a);
        a.accepted();
        assert!(!challenged(&mut a, &[&sha.replace("\"r\"", "\"other\"")]), "only the realm answered first");
        headers(&mut a);
        assert!(challenged(&mut a, &[&sha.replace("\"1\"", "\"2\"")]), "a nonce in use may have grown old");
    }

    #[test]
    fn proxy_and_server_of_one_realm_are_both_answered() {
        let mut a = answerer(Some("r"));
        assert!(challenged(&mut a, &["Proxy-Authenticate: Digest realm=\"r\", nonce=\"p\""]));
        headers(&mut a);
        assert!(challenged(&mut a, &["WWW-Authenticate: Digest realm=\"r\", nonce=\"w\", userhash=true"]));
        let headers = headers(&mut a);
        assert_eq!(headers.iter().map(|h| h.0).collect::<Vec<_>>(), ["Proxy-Authorization", "Authorization"]);
        assert!(!headers[1].1.contains("\"bob\"") && headers[1].1.contains("userhash=true"));
    }
}
