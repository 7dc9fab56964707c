//! URIs: `sip:`, `sips:`, `tel:`, and all others as opaque text (RFC 3261 §19.1, RFC 3966, RFC 5118 for IPv6).

use super::text::unescape;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The scheme.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Anything else.
    Other,
}

/// Host of a `sip:` URI or of a Via.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host<'a> {
    /// An address literal.
    Ip(IpAddr),
    /// A domain name.
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Parses a host without port; IPv6 in brackets.
    pub fn parse(text: &'a str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']')?;
            return inner
                .parse::<Ipv6Addr>()
                .or_else(|_| three_colons(inner))
                .ok()
                .map(|ip| Host::Ip(ip.into()));
        }
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Some(Host::Ip(ip.into()));
        }
        let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        fits.then_some(Host::Name(text))
    }

    /// The address, if it is a literal.
    pub fn ip(&self) -> Option<IpAddr> {
        if let Host::Ip(ip) = self { Some(*ip) } else { None }
    }
}

/// The first grammar of RFC 3261 let `:::` before an embedded IPv4 address pass; RFC 5118 §4.10 asks for lenience.
fn three_colons(text: &str) -> Result<Ipv6Addr, std::net::AddrParseError> {
    text.replacen(":::", "::", 1).parse()
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

/// Splits `host[:port]`; white space around the colon is tolerated (RFC 3261 §25.1, sent-by).
pub fn host_port(text: &str) -> Option<(Host<'_>, Option<u16>)> {
    let colon = match text.strip_prefix('[') {
        Some(inner) => inner.find(']').and_then(|at| text[at + 2..].find(':').map(|c| c + at + 2)),
        None => text.find(':'),
    };
    let (host, port) = match colon {
        Some(at) => (text[..at].trim(), Some(text[at + 1..].trim())),
        None => (text.trim(), None),
    };
    let port = match port {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
        None => None,
    };
    Some((Host::parse(host)?, port))
}

/// A URI as a view of its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uri<'a> {
    /// The whole text.
    pub raw: &'a str,
    /// The scheme.
    pub scheme: Scheme,
    /// User part as received, escapes in it; the number for `tel:`.
    pub user: Option<&'a str>,
    /// Host; `None` for `tel:` and unknown schemes.
    pub host: Option<Host<'a>>,
    /// Port.
    pub port: Option<u16>,
    /// Parameters after the host (or after the number), without the first `;`.
    pub params: &'a str,
    /// Headers after `?`.
    pub headers: &'a str,
}

impl<'a> Uri<'a> {
    /// Parses a URI; `None` if it breaks the grammar of a scheme that we know, or has no scheme.
    pub fn parse(raw: &'a str) -> Option<Self> {
        let (scheme, rest) = raw.split_once(':')?;
        let mut letters = scheme.bytes();
        if !letters.next()?.is_ascii_alphabetic()
            || !letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        {
            return None;
        }
        if raw.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control() || b"<>\"".contains(&b)) {
            return None;
        }
        let bare =
            Uri { raw, scheme: Scheme::Other, user: None, host: None, port: None, params: "", headers: "" };
        if scheme.eq_ignore_ascii_case("sip") {
            sip(rest, Uri { scheme: Scheme::Sip, ..bare })
        } else if scheme.eq_ignore_ascii_case("sips") {
            sip(rest, Uri { scheme: Scheme::Sips, ..bare })
        } else if scheme.eq_ignore_ascii_case("tel") {
            let (number, params) = rest.split_once(';').unwrap_or((rest, ""));
            let fits = !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_hexdigit() || b"+-.()*#%".contains(&b));
            fits.then_some(Uri { scheme: Scheme::Tel, user: Some(number), params, ..bare })
        } else {
            Some(bare)
        }
    }

    /// A URI parameter; `Some("")` if it has no value.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params
            .split(';')
            .map(|p| p.split_once('=').unwrap_or((p, "")))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Who is meant: the user part unescaped; for telephone numbers without parameters and visual separators.
    pub fn number(&self) -> String {
        let user = self.user.unwrap_or("");
        let user = user.split_once(':').map_or(user, |(name, _password)| name);
        let dialled = user.starts_with(|c: char| c.is_ascii_digit() || "+*#".contains(c));
        let telephone =
            self.scheme == Scheme::Tel || self.param("user").is_some_and(|v| v.eq_ignore_ascii_case("phone"));
        let user = if dialled || telephone { user.split(';').next().unwrap_or("") } else { user };
        let user = unescape(user);
        if telephone { user.chars().filter(|c| !"-.()".contains(*c)).collect() } else { user.into_owned() }
    }

    /// Address to send to, if the host is a literal; the default port depends on the scheme.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        let ip = match self.param("maddr") {
            Some(maddr) => Host::parse(maddr)?.ip()?,
            None => self.host?.ip()?,
        };
        Some(SocketAddr::new(ip, self.port.unwrap_or(if self.scheme == Scheme::Sips { 5061 } else { 5060 })))
    }

    /// Whether the URI asks for loose routing (RFC 3261 §16.12).
    pub fn is_loose(&self) -> bool {
        self.param("lr").is_some()
    }
}

fn sip<'a>(rest: &'a str, uri: Uri<'a>) -> Option<Uri<'a>> {
    let (user, rest) = match rest.split_once('@') {
        Some((user, rest)) if !user.is_empty() && !rest.contains('@') => (Some(user), rest),
        Some(_) => return None,
        None => (None, rest),
    };
    let (rest, headers) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, params) = rest.split_once(';').unwrap_or((rest, ""));
    if authority.bytes().any(|b| b.is_ascii_whitespace()) {
        return None;
    }
    let (host, port) = host_port(authority)?;
    Some(Uri { user, host: Some(host), port, params: params.trim_matches(';'), headers, ..uri })
}

/// Whether two URIs are equivalent (RFC 3261 §19.1.4), as far as bindings and redirections need it: scheme, user, host,
/// port, and the parameters that must match when only one of them has them.
pub fn same_uri(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let (Some(a), Some(b)) = (Uri::parse(a), Uri::parse(b)) else { return false };
    if a.scheme == Scheme::Other || a.scheme != b.scheme || a.port != b.port {
        return false;
    }
    let host = |uri: &Uri<'_>| uri.host.map(|h| h.to_string().to_ascii_lowercase());
    let user = |uri: &Uri<'_>| uri.user.map(|u| unescape(u).into_owned());
    let equal = |name: &str| match (a.param(name), b.param(name)) {
        (Some(x), Some(y)) => x.eq_ignore_ascii_case(y),
        (None, None) => true,
        _ => false,
    };
    host(&a) == host(&b)
        && user(&a) == user(&b)
        && ["user", "ttl", "method", "maddr", "transport"].into_iter().all(equal)
}

/// Prints what was parsed in canonical form: the same URI, IPv6 in brackets. Unknown schemes as received.
impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other => return f.write_str(self.raw),
        };
        write!(f, "{scheme}:")?;
        match (self.user, self.host) {
            (Some(user), Some(host)) => write!(f, "{user}@{host}")?,
            (Some(user), None) => f.write_str(user)?,
            (None, Some(host)) => write!(f, "{host}")?,
            (None, None) => {}
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if !self.params.is_empty() {
            write!(f, ";{}", self.params)?;
        }
        if !self.headers.is_empty() {
            write!(f, "?{}", self.headers)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_was_dialled() {
        let table: &[(&str, &str)] = &[
            ("sip:5000@127.0.0.1:5060", "5000"),
            ("sip:+16505552222@ss1.example.net;user=phone", "+16505552222"),
            ("sip:+1-650-555;phone-context=x@h;user=phone", "+1650555"),
            ("sip:5000;npdi=yes@h", "5000"),
            ("sip:%35000@h", "5000"),
            ("tel:+49-(0)12.3;ext=4", "+490123"),
            ("sip:sips%3Auser%40example.com@example.net", "sips:user@example.com"),
            ("sip:user;par=u%40example.net@example.com", "user;par=u@example.net"),
            ("sip:alice:secret@h", "alice"),
            ("sip:h", ""),
            ("sip:*98#@[2001:db8::1]:5070;transport=foo?Replaces=a%3Bb", "*98#"),
        ];
        for (text, number) in table {
            assert_eq!(Uri::parse(text).unwrap().number(), *number, "{text}");
        }
    }

    #[test]
    fn equivalent_uris() {
        for (a, b, same) in [
            ("sip:%61lice@AtLanTa.CoM;Transport=tcp", "SIP:alice@AtLanta.CoM;Transport=tCP", true),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true),
            ("sip:carol@chicago.com", "sip:Carol@chicago.com", false),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com", false),
            ("mailto:a@b", "mailto:a@c", false),
        ] {
            assert_eq!(same_uri(a, b), same, "{a} {b}");
        }
    }

    #[test]
    fn ipv6_prints_with_brackets() {
        let uri = Uri::parse("sip:a@[2001:db8::10]:5070;lr").unwrap();
        assert_eq!((uri.port, uri.is_loose()), (Some(5070), true));
        assert_eq!(uri.to_string(), "sip:a@[2001:db8::10]:5070;lr");
        assert_eq!(uri.socket_addr().unwrap().to_string(), "[2001:db8::10]:5070");
        assert!(Uri::parse("sip:user@[2001:db8:::192.0.2.1]").is_some());
    }

    #[test]
    fn broken_uris_do_not_parse() {
        for text in [
            "",
            "sip:",
            "5000",
            "sip:2001:db8::10",
            "sip:a@b@c",
            "sip:@h",
            "sip:a@h:99999",
            "sip:a@h:",
            "sip:a@h;x y",
            "sip:a@[::1",
            "tel:",
            "tel:x y",
            "sip:a@h\u{7}",
        ] {
            assert_eq!(Uri::parse(text), None, "{text}");
        }
        assert_eq!(Uri::parse("soap.beep://192.0.2.103:3002").unwrap().scheme, Scheme::Other);
    }
}
