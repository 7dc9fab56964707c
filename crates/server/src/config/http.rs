//! `http:` in the configuration.
use serde::{Deserialize, Deserializer, de::Error};
use std::net::SocketAddr;

/// Metrics and health over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address of `/metrics`, `/healthz` and `/readyz`; without it there is no HTTP. Nobody is asked who he is.
    #[serde(deserialize_with = "address")]
    pub listen: Option<SocketAddr>,
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fault = || {
        D::Error::custom(format!(
            "`{text}` is no address with a port; write e.g. 127.0.0.1:9464 or \"[::1]:9464\""
        ))
    };
    text.parse().map(Some).map_err(|_| fault())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn http_is_off_unless_it_has_an_address_and_a_public_one_is_warned_of() {
        let warnings = |text: &str| Config::parse(text, "f").unwrap().warnings().join(" ");
        assert_eq!(Config::parse("", "f").unwrap().http.listen, None);
        assert_eq!(warnings("http: { listen: \"127.0.0.1:9464\" }"), "");
        assert!(warnings("http: { listen: \"0.0.0.0:9464\" }").contains("127.0.0.1:9464"));
        let fault = Config::parse("http:\n  listen: localhost\n", "f").unwrap_err();
        assert!(fault[0].starts_with("f:2:") && fault[0].contains("127.0.0.1:9464"), "{fault:?}");
        assert!(Config::parse("http: { port: 1 }", "f").is_err());
    }
}
