//! LDAP directories as targets.
use passline_identity::{AccountId, AccountStatus, Connector, Secret, TargetId, Task};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

/// How passwords and lockouts are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LdapDialect {
    /// Password Modify (RFC 3062) and `pwdAccountLockedTime` (draft-behera-ldap-password-policy): OpenLDAP and kin.
    #[default]
    Standard,
    /// `unicodePwd`, `lockoutTime`, `pwdLastSet`; needs TLS.
    ActiveDirectory,
}

/// Protection of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LdapTls {
    /// As the URL says: `ldaps://` is TLS; `ldap://` is clear and only allowed to a loopback address.
    #[default]
    Url,
    /// StartTLS on `ldap://`.
    StartTls,
}

/// Settings of one LDAP target.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LdapConfig {
    /// Target id; its spoken name is the prompt `target_<id>`.
    pub id: String,
    /// `ldap://host:port`, `ldaps://host:port` or `ldapi://…`.
    pub url: String,
    /// Protection.
    #[serde(default)]
    pub tls: LdapTls,
    /// PEM file of certificate authorities to trust; the system's if absent.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Who changes passwords.
    pub bind_dn: String,
    /// File with that account's password in its first line.
    pub password_file: PathBuf,
    /// DN of an account, e.g. `uid={account},ou=people,dc=example,dc=org`. One of this and `search_filter`.
    #[serde(default)]
    pub user_dn: Option<String>,
    /// Where to search.
    #[serde(default)]
    pub search_base: Option<String>,
    /// Filter that finds exactly one entry, e.g. `(&(objectClass=person)(uid={account}))`.
    #[serde(default)]
    pub search_filter: Option<String>,
    /// Dialect.
    #[serde(default)]
    pub dialect: LdapDialect,
    /// Time limit of connecting and of each operation, ms.
    #[serde(default = "LdapConfig::default_timeout_ms")]
    pub timeout_ms: u64,
}

impl LdapConfig {
    fn default_timeout_ms() -> u64 {
        5_000
    }
    /// The time limit.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// Why an [`LdapConnector`] cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LdapError(pub String);

/// An LDAP directory as a target.
pub struct LdapConnector {
    id: TargetId,
}

impl LdapConnector {
    /// Checks the settings and reads the files; does not connect yet.
    pub fn new(config: LdapConfig) -> Result<Self, LdapError> {
        Ok(Self { id: TargetId(config.id) })
    }
}

impl Connector for LdapConnector {
    fn id(&self) -> &TargetId {
        &self.id
    }
    fn status<'a>(&'a self, _account: &'a AccountId) -> Task<'a, AccountStatus> {
        todo!()
    }
    fn set_password<'a>(
        &'a self,
        _account: &'a AccountId,
        _password: &'a Secret,
        _must: bool,
    ) -> Task<'a, ()> {
        todo!()
    }
    fn unlock<'a>(&'a self, _account: &'a AccountId) -> Task<'a, ()> {
        todo!()
    }
    fn check_password<'a>(&'a self, _account: &'a AccountId, _password: &'a Secret) -> Task<'a, bool> {
        todo!()
    }
}
