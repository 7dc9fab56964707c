//! Settings of an LDAP target, checked before the first call.
use super::link::Link;
use ldap3::LdapConnSettings;
use passline_identity::Secret;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde::{Deserialize, Serialize};
use std::{fs, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};
use zeroize::Zeroizing;

/// How passwords and lockouts are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LdapDialect {
    /// Password Modify (RFC 3062), `pwdAccountLockedTime` and `pwdReset` (draft-behera-ldap-password-policy): OpenLDAP
    /// and its kin.
    #[default]
    Standard,
    /// `unicodePwd`, `lockoutTime`, `pwdLastSet` (MS-ADTS 3.1.1.3.1.5); needs TLS.
    ActiveDirectory,
}

/// Protection of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LdapTls {
    /// As the URL says: `ldaps://` is TLS, `ldapi://` is local; `ldap://` is clear and only allowed to loopback.
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
    /// `ldap://host:port`, `ldaps://host:port` or `ldapi://%2Fpath`.
    pub url: String,
    /// Protection.
    #[serde(default)]
    pub tls: LdapTls,
    /// PEM file of the certificate authorities to trust; the system's if absent.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Who changes passwords.
    pub bind_dn: String,
    /// File whose first line is that account's password.
    pub password_file: PathBuf,
    /// DN of an account, e.g. `uid={account},ou=people,dc=example,dc=org`. With neither this nor `search_filter`, the
    /// account itself is a DN.
    #[serde(default)]
    pub user_dn: Option<String>,
    /// Below which entry to search.
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

/// Why an LDAP target cannot be set up; says what to change.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LdapError(pub String);

impl LdapConfig {
    fn default_timeout_ms() -> u64 {
        5_000
    }

    /// The time limit.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.max(1))
    }

    /// Checks everything that can be checked without a connection.
    pub(super) fn link(&self) -> Result<Link, LdapError> {
        let fail = |text: String| Err(LdapError(text));
        if self.id.is_empty() {
            return fail("`id` is empty".into());
        }
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return fail(format!("`url: {}` is no ldap://, ldaps:// or ldapi:// URL", self.url));
        };
        let start_tls = self.tls == LdapTls::StartTls;
        let encrypted = match scheme {
            "ldaps" if start_tls => {
                return fail("`tls: start_tls` is for ldap://, ldaps:// is TLS already".into());
            }
            "ldaps" => true,
            "ldap" => start_tls,
            "ldapi" => false,
            _ => return fail(format!("`url`: unknown scheme `{scheme}`; use ldap, ldaps or ldapi")),
        };
        if scheme == "ldap" && !start_tls && !is_loopback(rest) {
            return fail(format!(
                "`url: {}` would send passwords in clear; use ldaps:// or `tls: start_tls`",
                self.url
            ));
        }
        if self.dialect == LdapDialect::ActiveDirectory && !encrypted {
            return fail(
                "Active Directory takes passwords over TLS only; use ldaps:// or `tls: start_tls`".into(),
            );
        }
        self.check_lookup()?;
        let settings = LdapConnSettings::new().set_conn_timeout(self.timeout()).set_starttls(start_tls);
        let settings = if encrypted { settings.set_config(Arc::new(self.tls_config()?)) } else { settings };
        Ok(Link::new(settings, self.url.clone(), self.bind_dn.clone(), self.password()?, self.timeout()))
    }

    fn check_lookup(&self) -> Result<(), LdapError> {
        let placeholder = |name: &str, value: &Option<String>| match value {
            Some(value) if !value.contains("{account}") => {
                Err(LdapError(format!("`{name}` lacks {{account}}")))
            }
            _ => Ok(()),
        };
        placeholder("user_dn", &self.user_dn)?;
        placeholder("search_filter", &self.search_filter)?;
        if self.user_dn.is_some() && self.search_filter.is_some() {
            return Err(LdapError("`user_dn` and `search_filter` exclude each other".into()));
        }
        if self.search_filter.is_some() != self.search_base.is_some() {
            return Err(LdapError("`search_filter` and `search_base` go together".into()));
        }
        Ok(())
    }

    fn password(&self) -> Result<Secret, LdapError> {
        let name = self.password_file.display();
        let text =
            fs::read_to_string(&self.password_file).map_err(|fault| LdapError(format!("{name}: {fault}")))?;
        let text = Zeroizing::new(text);
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Secret::new(line)),
            // An empty password would be an anonymous bind (RFC 4513 §5.1.2).
            _ => Err(LdapError(format!("{name}: the first line must be the password"))),
        }
    }

    fn tls_config(&self) -> Result<ClientConfig, LdapError> {
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            Some(file) => {
                let bad = |fault: String| LdapError(format!("`ca_file`, {}: {fault}", file.display()));
                for certificate in
                    CertificateDer::pem_file_iter(file).map_err(|fault| bad(fault.to_string()))?
                {
                    let certificate = certificate.map_err(|fault| bad(fault.to_string()))?;
                    roots.add(certificate).map_err(|fault| bad(fault.to_string()))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(LdapError("no certificate authority is known; set `ca_file`".into()));
        }
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
            .map_err(|fault| LdapError(format!("TLS: {fault}")))
    }
}

/// Whether `host[:port][/…]` is this machine.
fn is_loopback(rest: &str) -> bool {
    let authority = rest.split(['/', '?']).next().unwrap_or("");
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognised() {
        for host in ["localhost", "localhost:389", "127.0.0.1:3890", "127.9.9.9", "[::1]:389/dc=x"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.org",
            "10.0.0.1:389",
            "localhost.example.org",
            "[2001:db8::1]",
            "127.0.0.1.example.org",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn unsafe_or_incomplete_settings_are_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        fs::write(&password, "secret\n").unwrap();
        let good = LdapConfig {
            id: "ldap".into(),
            url: "ldap://127.0.0.1:389".into(),
            tls: LdapTls::Url,
            ca_file: None,
            bind_dn: "cn=admin".into(),
            password_file: password.clone(),
            user_dn: Some("uid={account},dc=x".into()),
            search_base: None,
            search_filter: None,
            dialect: LdapDialect::Standard,
            timeout_ms: 100,
        };
        assert!(good.link().is_ok());
        let changed = |change: &dyn Fn(&mut LdapConfig)| {
            let mut config = good.clone();
            change(&mut config);
            config.link().err().map(|error| error.0).unwrap_or_default()
        };
        assert!(changed(&|c| c.url = "ldap://ldap.example.org".into()).contains("in clear"));
        assert!(changed(&|c| c.url = "http://localhost".into()).contains("unknown scheme"));
        assert!(changed(&|c| c.url = "localhost".into()).contains("no ldap://"));
        assert!(changed(&|c| c.dialect = LdapDialect::ActiveDirectory).contains("TLS only"));
        assert!(changed(&|c| c.user_dn = Some("uid=x".into())).contains("{account}"));
        assert!(changed(&|c| c.search_filter = Some("(uid={account})".into())).contains("exclude"));
        assert!(changed(&|c| c.search_base = Some("dc=x".into())).contains("together"));
        assert!(changed(&|c| c.password_file = folder.path().join("none")).contains("none"));
        fs::write(&password, "\n").unwrap();
        assert!(changed(&|_| ()).contains("first line"));
    }
}
