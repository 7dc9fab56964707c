//! The hashes of RFC 7616 §3.4 over raw texts.

use super::Qop;
use crate::Algorithm;
use md5::Md5;
use passline_identity::Secret;
use sha2::{Digest, Sha256, Sha512_256};
use std::fmt::Write;
use zeroize::Zeroizing;

impl Algorithm {
    /// The token of the `algorithm` parameter.
    pub fn token(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512256 => "SHA-512-256",
        }
    }

    /// Reads the `algorithm` parameter; the flag is set for `-sess`. `None`: we do not know it.
    pub fn from_token(token: &str) -> Option<(Algorithm, bool)> {
        let known = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512256];
        known.into_iter().find_map(|algorithm| {
            let rest = token.get(..algorithm.token().len())?;
            if !rest.eq_ignore_ascii_case(algorithm.token()) {
                return None;
            }
            match &token[rest.len()..] {
                "" => Some((algorithm, false)),
                suffix if suffix.eq_ignore_ascii_case("-sess") => Some((algorithm, true)),
                _ => None,
            }
        })
    }
}

/// Lower-case hexadecimal of a hash; wiped, as many of them can stand for a password.
pub(super) type Hex = Zeroizing<String>;

/// H(parts joined by colons), in lower-case hexadecimal.
pub(super) fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> Hex {
    fn run<D: Digest>(parts: &[&[u8]]) -> Hex {
        let mut hash = D::new();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                hash.update(b":");
            }
            hash.update(part);
        }
        hex(&hash.finalize())
    }
    match algorithm {
        Algorithm::Md5 => run::<Md5>(parts),
        Algorithm::Sha256 => run::<Sha256>(parts),
        Algorithm::Sha512256 => run::<Sha512_256>(parts),
    }
}

fn hex(octets: &[u8]) -> Hex {
    let mut text = Zeroizing::new(String::with_capacity(octets.len() * 2));
    for octet in octets {
        // Writing to a string does not fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// All that a `response` is made of (RFC 7616 §3.4.1).
pub(super) struct Calculation<'a> {
    pub algorithm: Algorithm,
    /// `-sess`: HA1 takes in nonce and cnonce.
    pub session: bool,
    pub user: &'a str,
    pub realm: &'a str,
    pub nonce: &'a str,
    /// `None`: as in RFC 2069, without cnonce and nc.
    pub qop: Option<Qop>,
    /// As on the wire, 8 hexadecimal digits.
    pub nc: &'a str,
    pub cnonce: &'a str,
    pub method: &'a str,
    pub uri: &'a str,
    pub body: &'a [u8],
}

impl Calculation<'_> {
    /// The `response` that proves the password.
    pub fn response(&self, password: &Secret) -> Hex {
        let Calculation { algorithm, nonce, cnonce, .. } = *self;
        let mut ha1 =
            hash(algorithm, &[self.user.as_bytes(), self.realm.as_bytes(), password.expose().as_bytes()]);
        if self.session {
            ha1 = hash(algorithm, &[ha1.as_bytes(), nonce.as_bytes(), cnonce.as_bytes()]);
        }
        let (method, uri) = (self.method.as_bytes(), self.uri.as_bytes());
        let ha2 = match self.qop {
            Some(Qop::AuthInt) => hash(algorithm, &[method, uri, hash(algorithm, &[self.body]).as_bytes()]),
            _ => hash(algorithm, &[method, uri]),
        };
        match self.qop {
            None => hash(algorithm, &[ha1.as_bytes(), nonce.as_bytes(), ha2.as_bytes()]),
            Some(qop) => hash(
                algorithm,
                &[
                    ha1.as_bytes(),
                    nonce.as_bytes(),
                    self.nc.as_bytes(),
                    cnonce.as_bytes(),
                    qop.token().as_bytes(),
                    ha2.as_bytes(),
                ],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(calculation: &Calculation<'_>, password: &str) -> String {
        calculation.response(&Secret::new(password)).as_str().to_owned()
    }

    /// RFC 7616 §3.9.1: MD5 and SHA-256, qop auth.
    #[test]
    fn examples_of_rfc_7616() {
        for (algorithm, expected) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let calculation = Calculation {
                algorithm,
                session: false,
                user: "Mufasa",
                realm: "http-auth@example.org",
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                qop: Some(Qop::Auth),
                nc: "00000001",
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                method: "GET",
                uri: "/dir/index.html",
                body: b"",
            };
            assert_eq!(response(&calculation, "Circle of Life"), expected);
        }
    }

    /// RFC 7616 §3.9.2 as corrected by its erratum 4897: SHA-512-256, a user name outside ASCII, and its hash.
    #[test]
    fn example_of_rfc_7616_with_a_hashed_user_name() {
        let calculation = Calculation {
            algorithm: Algorithm::Sha512256,
            session: false,
            user: "Jäsøn Doe",
            realm: "api@example.org",
            nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            qop: Some(Qop::Auth),
            nc: "00000001",
            cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            method: "GET",
            uri: "/doe.json",
            body: b"",
        };
        assert_eq!(
            response(&calculation, "Secret, or not?"),
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        );
        assert_eq!(
            hash(Algorithm::Sha512256, &["Jäsøn Doe".as_bytes(), b"api@example.org"]).as_str(),
            "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
        );
    }

    /// RFC 2617 §3.5, and RFC 3665 §2.1 (a REGISTER without qop).
    #[test]
    fn examples_of_older_rfcs() {
        let calculation = Calculation {
            algorithm: Algorithm::Md5,
            session: false,
            user: "Mufasa",
            realm: "testrealm@host.com",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            qop: Some(Qop::Auth),
            nc: "00000001",
            cnonce: "0a4f113b",
            method: "GET",
            uri: "/dir/index.html",
            body: b"",
        };
        assert_eq!(response(&calculation, "Circle Of Life"), "6629fae49393a05397450978507c4ef1");
        // RFC 2069 §2.4 as corrected by its erratum 749.
        let older = Calculation { qop: None, ..calculation };
        assert_eq!(response(&older, "Circle Of Life"), "670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn algorithm_tokens() {
        for (token, known) in [
            ("MD5", Some((Algorithm::Md5, false))),
            ("md5-SESS", Some((Algorithm::Md5, true))),
            ("SHA-256", Some((Algorithm::Sha256, false))),
            ("SHA-512-256-sess", Some((Algorithm::Sha512256, true))),
            ("SHA-512", None),
            ("SHA-2567", None),
            ("AKAv1-MD5", None),
            ("", None),
        ] {
            assert_eq!(Algorithm::from_token(token), known, "{token}");
        }
    }
}
