//! `devices:` in the configuration: telephones that register here.
use super::{Srtp, trunk::Number};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::path::PathBuf;

/// A telephone that registers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its extension, which is also the user of its account.
    pub extension: Spanned<Number>,
    /// File whose first line is its password.
    pub password_file: Spanned<PathBuf>,
    /// Name shown to those it calls.
    #[serde(default)]
    pub name: String,
    /// Whether its audio is encrypted; as `rtp.srtp` says, without it.
    #[serde(default)]
    pub srtp: Option<Srtp>,
    /// Places it may be registered from at one time.
    #[serde(default = "few")]
    pub max_contacts: usize,
}

fn few() -> usize {
    3
}
