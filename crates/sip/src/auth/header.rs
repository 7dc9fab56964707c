//! Challenges and credentials as header fields (RFC 7616 §3.3, §3.4; RFC 8760 §2.6).
//!
//! Strict where two readers could see two things: a parameter that stands twice, an unbalanced quote, text after a quoted
//! value. Quotes are tolerated where they need not stand, and missing ones where the value is a token.

use crate::Algorithm;

/// Quality of protection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Qop {
    /// Method and URI are covered.
    Auth,
    /// The body too.
    AuthInt,
}

impl Qop {
    /// The token of the `qop` parameter.
    pub fn token(self) -> &'static str {
        match self {
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        }
    }

    fn from_token(token: &str) -> Option<Self> {
        [Qop::Auth, Qop::AuthInt].into_iter().find(|qop| token.trim().eq_ignore_ascii_case(qop.token()))
    }
}

/// A WWW-Authenticate or Proxy-Authenticate value whose algorithm we know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge<'a> {
    /// Realm, between its quotes.
    pub realm: &'a str,
    /// Nonce.
    pub nonce: &'a str,
    /// Opaque, to be sent back.
    pub opaque: Option<&'a str>,
    /// Algorithm; MD5 if it names none.
    pub algorithm: Algorithm,
    /// The `-sess` variant.
    pub session: bool,
    /// The nonce was too old; the password may be right.
    pub stale: bool,
    /// The user name is to be hashed (RFC 7616 §3.4.4).
    pub userhash: bool,
    /// What we answer with: `auth` where it is offered, else `auth-int`; `None` as in RFC 2069 where nothing is offered.
    pub qop: Option<Qop>,
}

impl<'a> Challenge<'a> {
    /// Parses one challenge; `None` if it is malformed, no digest, or wants an algorithm or a protection that we do not
    /// know.
    pub fn parse(value: &'a str) -> Option<Self> {
        let params = Params::parse(value)?;
        let (algorithm, session) = match params.get("algorithm") {
            Some(token) => Algorithm::from_token(token)?,
            None => (Algorithm::Md5, false),
        };
        let qop = match params.get("qop") {
            Some(list) => {
                let offered =
                    |wanted: &Qop| list.split(',').any(|token| Qop::from_token(token) == Some(*wanted));
                Some([Qop::Auth, Qop::AuthInt].into_iter().find(offered)?)
            }
            None => None,
        };
        let yes = |name| params.get(name).is_some_and(|v| v.eq_ignore_ascii_case("true"));
        Some(Challenge {
            realm: params.get("realm")?,
            nonce: params.get("nonce").filter(|nonce| !nonce.is_empty())?,
            opaque: params.get("opaque"),
            algorithm,
            session,
            stale: yes("stale"),
            userhash: yes("userhash"),
            qop,
        })
    }
}

/// An Authorization or Proxy-Authorization value, as far as a server must look at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authorization<'a> {
    /// User name, between its quotes.
    pub user: &'a str,
    /// Realm.
    pub realm: &'a str,
    /// Nonce.
    pub nonce: &'a str,
    /// Digest URI.
    pub uri: &'a str,
    /// The proof.
    pub response: &'a str,
    /// Algorithm; MD5 if it names none. `None`: one that we do not know.
    pub algorithm: Option<(Algorithm, bool)>,
    /// Quality of protection.
    pub qop: Option<Qop>,
    /// The client's nonce.
    pub cnonce: &'a str,
    /// Nonce count as on the wire: 8 hexadecimal digits.
    pub nc: &'a str,
}

impl<'a> Authorization<'a> {
    /// Parses one value; `None` if it is malformed or no digest.
    pub fn parse(value: &'a str) -> Option<Self> {
        let params = Params::parse(value)?;
        let qop = match params.get("qop") {
            Some(token) => Some(Qop::from_token(token)?),
            None => None,
        };
        let nc = params.get("nc").unwrap_or("");
        let counted = nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit());
        if qop.is_some() != params.get("nc").is_some() || (qop.is_some() && !counted) {
            return None;
        }
        let cnonce = params.get("cnonce").unwrap_or("");
        if qop.is_some() && cnonce.is_empty() {
            return None;
        }
        Some(Authorization {
            user: params.get("username")?,
            realm: params.get("realm")?,
            nonce: params.get("nonce")?,
            uri: params.get("uri")?,
            response: params.get("response")?,
            algorithm: params.get("algorithm").map_or(Some((Algorithm::Md5, false)), Algorithm::from_token),
            qop,
            cnonce,
            nc,
        })
    }

    /// The nonce count as a number.
    pub fn count(&self) -> Option<u32> {
        u32::from_str_radix(self.nc, 16).ok()
    }
}

/// Parameters of a `Digest` value, names as received, values without their quotes.
struct Params<'a>(Vec<(&'a str, &'a str)>);

/// More parameters than any peer sends.
const MAX_PARAMS: usize = 24;

impl<'a> Params<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let value = value.trim();
        let (scheme, mut rest) = value.split_once(|c: char| c.is_ascii_whitespace())?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut params: Vec<(&str, &str)> = Vec::new();
        loop {
            rest = rest.trim_start();
            // Empty list members are allowed (RFC 9110 §5.6.1).
            if let Some(after) = rest.strip_prefix(',') {
                rest = after;
                continue;
            }
            if rest.is_empty() {
                break;
            }
            let (name, after) = rest.split_once('=')?;
            let name = name.trim_end();
            let after = after.trim_start();
            if name.is_empty() || !name.bytes().all(crate::message::text::is_token) {
                return None;
            }
            let (text, after) = match after.strip_prefix('"') {
                Some(quoted) => {
                    let close = closing_quote(quoted)?;
                    (&quoted[..close], &quoted[close + 1..])
                }
                None => {
                    let end = after.find(',').unwrap_or(after.len());
                    let text = after[..end].trim_end();
                    if text.is_empty() || text.contains(|c: char| c == '"' || c.is_ascii_whitespace()) {
                        return None;
                    }
                    (text, &after[end..])
                }
            };
            let after = after.trim_start();
            if !(after.is_empty() || after.starts_with(',')) || text.contains(char::is_control) {
                return None;
            }
            if params.len() == MAX_PARAMS || params.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                return None;
            }
            params.push((name, text));
            rest = after;
        }
        Some(Params(params))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// Index of the quote that closes a string which begins at the start.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_of_real_servers() {
        let challenge = Challenge::parse(
            "Digest realm=\"atlanta.com\", domain=\"sip:ss1.carrier.com\", qop=\"auth,auth-int\",\
             nonce=\"f84f1cec41e6cbe5aea9c8e88d359\" , opaque=\"\", stale=FALSE, algorithm=MD5",
        )
        .unwrap();
        assert_eq!((challenge.realm, challenge.nonce), ("atlanta.com", "f84f1cec41e6cbe5aea9c8e88d359"));
        assert_eq!((challenge.opaque, challenge.stale, challenge.qop), (Some(""), false, Some(Qop::Auth)));
        let table: &[(&str, Option<Qop>, Algorithm)] = &[
            ("digest nonce=x,realm=\"a, b=c\",stale=true", None, Algorithm::Md5),
            (
                "Digest realm=\"\",nonce=\"n\",qop=auth-int,algorithm=\"SHA-256\"",
                Some(Qop::AuthInt),
                Algorithm::Sha256,
            ),
            (
                "Digest  realm=\"r\",,nonce=\"n\",qop=\"x, auth \",algorithm=sha-512-256",
                Some(Qop::Auth),
                Algorithm::Sha512256,
            ),
        ];
        for (text, qop, algorithm) in table {
            let challenge = Challenge::parse(text).unwrap();
            assert_eq!((challenge.qop, challenge.algorithm), (*qop, *algorithm), "{text}");
        }
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        for text in [
            "",
            "Digest",
            "Basic realm=\"a\"",
            "Digest realm=\"a\"",
            "Digest realm=\"a\", nonce=\"\"",
            "Digest realm=\"a\", nonce=\"n\", realm=\"b\"",
            "Digest realm=\"a\", nonce=\"n\", REALM=\"a\"",
            "Digest realm=\"a\" nonce=\"n\"",
            "Digest realm=\"a\"x, nonce=\"n\"",
            "Digest realm=\"a, nonce=\"n\"",
            "Digest realm=\"a\", nonce=n\"m",
            "Digest realm=\"a\\\", nonce=\"n\"",
            "Digest realm=\"a\", nonce=\"n\", algorithm=SHA-512",
            "Digest realm=\"a\", nonce=\"n\", qop=\"token\"",
            "Digest realm=\"a\", nonce=\"n\", Digest realm=\"b\"",
            "Digest realm=\"a\u{7}\", nonce=\"n\"",
        ] {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }

    #[test]
    fn credentials_and_their_faults() {
        let good = "Digest username=\"bob\", realm=\"r\", nonce=\"n\", uri=\"sip:h\", response=\"0\", cnonce=\"c\", qop=\"auth\", nc=0000000a";
        let read = Authorization::parse(good).unwrap();
        assert_eq!((read.user, read.count(), read.qop), ("bob", Some(10), Some(Qop::Auth)));
        for (old, new) in [
            ("nc=0000000a", "nc=a"),
            ("nc=0000000a", "nc=+000000a"),
            (", nc=0000000a", ""),
            (", cnonce=\"c\"", ""),
            (", qop=\"auth\"", ""),
            ("username=\"bob\", ", ""),
            ("qop=\"auth\"", "qop=\"else\""),
            ("uri=\"sip:h\"", "uri=\"sip:h\", uri=\"sip:h\""),
        ] {
            assert_eq!(Authorization::parse(&good.replace(old, new)), None, "{new}");
        }
    }
}
