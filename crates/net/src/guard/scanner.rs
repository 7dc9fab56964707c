//! Scanners that say who they are.
use super::glance::{Glance, contains};

/// Names in lower case, as they stand in User-Agent, From or To of tools that search the network for PBXs.
const NAMES: [&str; 17] = [
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sip-scan",
    "sipscan",
    "sipcli",
    "sundayddr",
    "siparmyknife",
    "vaxsipuseragent",
    "vaxipuseragent",
    "pplsip",
    "gulp",
    "iwar",
    "smap 0",
    "nmap",
    "sipsscuser",
    "svmap",
];

/// The name by which the sender of a request is known as a scanner.
pub(crate) fn name<'a>(glance: &Glance<'_>, further: &'a [String]) -> Option<&'a str> {
    let is_in = |name: &str| {
        contains(glance.user_agent, name.as_bytes())
            // A word as short as "gulp" is a name that people have; only as a program's name does it count.
            || (name.len() > 6
                && (contains(glance.from, name.as_bytes()) || contains(glance.to, name.as_bytes())))
    };
    let own = NAMES.iter().copied().find(|name| is_in(name));
    own.or_else(|| further.iter().map(String::as_str).find(|name| is_in(&name.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scanners_are_known_by_name_and_phones_are_not() {
        let by = |user_agent: &'static str, from: &'static str| {
            let glance =
                Glance { user_agent: user_agent.as_bytes(), from: from.as_bytes(), ..Glance::default() };
            name(&glance, &["evil-dialer".to_owned()]).map(str::to_owned)
        };
        assert_eq!(by("Friendly-Scanner", ""), Some("friendly-scanner".into()));
        assert_eq!(by("", "\"sipvicious\"<sip:100@1.1.1.1>;tag=1"), Some("sipvicious".into()));
        assert_eq!(by("Evil-Dialer 2", ""), Some("evil-dialer".into()));
        for phone in
            ["Yealink SIP-T46S", "baresip v1.0.0", "Asterisk PBX 20", "sipsak 0.9.8", "Linphone/5", ""]
        {
            assert_eq!(by(phone, "\"Gulpener\" <sip:gulp@x>"), None, "{phone}");
        }
    }
}
