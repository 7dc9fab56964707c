//! `identity:` and `targets:` in the configuration.
use serde::Deserialize;

/// The embedded store.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Put the demo users into a new store. By default only where no configuration file is.
    pub demo: Option<bool>,
    /// Slow hashes at one time; more would starve the media of a small machine.
    pub hashes_at_once: usize,
    /// Targets that live in the store.
    pub embedded_targets: Vec<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { demo: None, hashes_at_once: 2, embedded_targets: vec!["directory".into(), "crm".into()] }
    }
}

/// A target system.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// LDAP or Active Directory.
    Ldap(passline_connectors::LdapConfig),
}
