//! A second digest, written apart from the stack's: the phone's side of these tests.

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

fn hash(algorithm: &str, text: &[u8]) -> String {
    let octets = match algorithm {
        "MD5" => Md5::digest(text).to_vec(),
        "SHA-256" => Sha256::digest(text).to_vec(),
        "SHA-512-256" => Sha512_256::digest(text).to_vec(),
        other => panic!("{other}"),
    };
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Values of all WWW-Authenticate fields of a message.
pub fn challenges(message: &str) -> Vec<String> {
    message.lines().filter_map(|line| line.strip_prefix("WWW-Authenticate: ")).map(str::to_owned).collect()
}

/// A parameter of a challenge or of credentials, without quotes.
pub fn param(value: &str, name: &str) -> String {
    let start =
        value.find(&format!("{name}=")).unwrap_or_else(|| panic!("{name} in {value}")) + name.len() + 1;
    let rest = &value[start..];
    match rest.strip_prefix('"') {
        Some(quoted) => quoted[..quoted.find('"').expect("a closing quote")].to_owned(),
        None => rest[..rest.find(',').unwrap_or(rest.len())].to_owned(),
    }
}

/// What a phone knows when it answers a challenge.
#[derive(Clone)]
pub struct Phone {
    pub user: &'static str,
    pub password: &'static str,
    pub method: &'static str,
    pub uri: &'static str,
    pub qop: &'static str,
    pub nc: u32,
    pub body: &'static str,
}

impl Phone {
    pub fn new(user: &'static str, password: &'static str) -> Self {
        let (method, uri) = ("REGISTER", "sip:192.0.2.1");
        Phone { user, password, method, uri, qop: "auth", nc: 1, body: "" }
    }

    /// The Authorization line that answers a challenge.
    pub fn answers(&self, challenge: &str) -> String {
        let Phone { user, password, method, uri, qop, body, .. } = self;
        let (realm, nonce) = (param(challenge, "realm"), param(challenge, "nonce"));
        let algorithm = param(challenge, "algorithm");
        let h = |text: String| hash(&algorithm, text.as_bytes());
        let ha1 = h(format!("{user}:{realm}:{password}"));
        let ha2 = match *qop {
            "auth-int" => h(format!("{method}:{uri}:{}", h((*body).to_owned()))),
            _ => h(format!("{method}:{uri}")),
        };
        let nc = format!("{:08x}", self.nc);
        let response = h(format!("{ha1}:{nonce}:{nc}:cn:{qop}:{ha2}"));
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}, cnonce=\"cn\", qop={qop}, nc={nc}\r\n"
        )
    }
}

/// Whether credentials that our stack wrote prove a password.
pub fn proves(value: &str, method: &str, password: &str, body: &str) -> bool {
    let get = |name| param(value, name);
    let algorithm = get("algorithm");
    let h = |text: String| hash(&algorithm, text.as_bytes());
    let ha1 = h(format!("{}:{}:{password}", get("username"), get("realm")));
    let ha2 = match get("qop").as_str() {
        "auth-int" => h(format!("{method}:{}:{}", get("uri"), h(body.to_owned()))),
        _ => h(format!("{method}:{}", get("uri"))),
    };
    let middle = format!("{}:{}:{}:{}", get("nonce"), get("nc"), get("cnonce"), get("qop"));
    get("response") == h(format!("{ha1}:{middle}:{ha2}"))
}
