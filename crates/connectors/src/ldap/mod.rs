//! LDAP directories as targets.
mod config;
mod dialect;
mod link;

pub use config::{LdapConfig, LdapDialect, LdapError, LdapTls};

use dialect::{Change, unicode_pwd};
use ldap3::{LdapResult, Scope, SearchEntry, SearchOptions, dn_escape, exop::PasswordModify, ldap_escape};
use link::Link;
use passline_identity::{AccountId, AccountStatus, Connector, Fault, Secret, TargetId, Task};

/// Result codes of RFC 4511 Appendix A that mean something here.
mod code {
    pub(super) const SUCCESS: u32 = 0;
    pub(super) const STRONGER_AUTH_REQUIRED: u32 = 8;
    pub(super) const CONFIDENTIALITY_REQUIRED: u32 = 13;
    pub(super) const UNDEFINED_ATTRIBUTE_TYPE: u32 = 17;
    pub(super) const NO_SUCH_OBJECT: u32 = 32;
    pub(super) const INVALID_CREDENTIALS: u32 = 49;
    pub(super) const BUSY: u32 = 51;
    pub(super) const UNAVAILABLE: u32 = 52;
    pub(super) const OBJECT_CLASS_VIOLATION: u32 = 65;
}

/// An LDAP directory as a target. Connects when first asked and again when the connection is lost.
pub struct LdapConnector {
    id: TargetId,
    config: LdapConfig,
    link: Link,
}

impl LdapConnector {
    /// Checks the settings and reads their files; does not connect yet.
    ///
    /// # Errors
    /// If passwords would travel in clear, a file cannot be read, or settings contradict each other.
    pub fn new(config: LdapConfig) -> Result<Self, LdapError> {
        let link = config.link()?;
        Ok(Self { id: TargetId(config.id.clone()), config, link })
    }

    /// The DN of an account: from the template, by search, or the account itself.
    async fn dn(&self, account: &AccountId) -> Result<String, Fault> {
        if account.0.is_empty() {
            return Err(Fault::NotFound);
        }
        if let Some(template) = &self.config.user_dn {
            return Ok(template.replace("{account}", &dn_escape(account.0.as_str())));
        }
        let (Some(base), Some(filter)) = (&self.config.search_base, &self.config.search_filter) else {
            return Ok(account.0.clone());
        };
        let filter = filter.replace("{account}", &ldap_escape(account.0.as_str()));
        let found = self.search(base, Scope::Subtree, &filter, vec!["1.1"]).await?;
        match &found[..] {
            [entry] => Ok(entry.dn.clone()),
            [] => Err(Fault::NotFound),
            _ => {
                tracing::error!(target = %self.id, "LDAP: `search_filter` finds more than one entry");
                Err(Fault::Refused)
            }
        }
    }

    async fn search(
        &self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: Vec<&'static str>,
    ) -> Result<Vec<SearchEntry>, Fault> {
        const SIZE_LIMIT_EXCEEDED: u32 = 4;
        let found = self.link.run(|mut ldap| {
            let (base, filter, attributes) = (base.to_owned(), filter.to_owned(), attributes.clone());
            async move {
                // Two are enough to see that one was not found.
                ldap.with_search_options(SearchOptions::new().sizelimit(2));
                ldap.search(&base, scope, &filter, attributes).await
            }
        });
        let (entries, result) = { found.await.map(|found| (found.0, found.1))? };
        let entries =
            entries.into_iter().filter(|entry| !entry.is_ref()).map(SearchEntry::construct).collect();
        if result.rc == SIZE_LIMIT_EXCEEDED { Ok(entries) } else { self.done(&result).map(|()| entries) }
    }

    async fn modify(&self, dn: &str, changes: Vec<Change>) -> Result<LdapResult, Fault> {
        self.link
            .run(|mut ldap| {
                let (dn, changes) = (dn.to_owned(), changes.clone());
                async move { ldap.modify(&dn, changes).await }
            })
            .await
    }

    /// A modification that servers without a password policy do not know; they have nothing to clear or to mark.
    async fn modify_policy(&self, dn: &str, change: Change) -> Result<(), Fault> {
        let result = self.modify(dn, vec![change]).await?;
        match result.rc {
            code::UNDEFINED_ATTRIBUTE_TYPE | code::OBJECT_CLASS_VIOLATION => {
                tracing::debug!(target = %self.id, "LDAP: no password policy there");
                Ok(())
            }
            _ => self.done(&result),
        }
    }

    async fn set_standard(&self, dn: &str, password: &Secret, must_change: bool) -> Result<(), Fault> {
        let modified = self.link.run(|mut ldap| async move {
            let request =
                PasswordModify { user_id: Some(dn), old_pass: None, new_pass: Some(password.expose()) };
            Ok(ldap.extended(request).await?.1)
        });
        self.done(&modified.await?)?;
        self.modify_policy(dn, self.config.dialect.unlock()).await?;
        if must_change {
            self.modify_policy(dn, self.config.dialect.must_change()).await?;
        }
        Ok(())
    }

    /// Result code to result.
    fn done(&self, result: &LdapResult) -> Result<(), Fault> {
        let fault = match result.rc {
            code::SUCCESS => return Ok(()),
            code::NO_SUCH_OBJECT => Fault::NotFound,
            code::BUSY | code::UNAVAILABLE => Fault::Unavailable,
            _ => Fault::Refused,
        };
        tracing::warn!(target = %self.id, rc = result.rc, text = result.text, "LDAP: refused");
        Err(fault)
    }
}

impl Connector for LdapConnector {
    fn id(&self) -> &TargetId {
        &self.id
    }

    fn status<'a>(&'a self, account: &'a AccountId) -> Task<'a, AccountStatus> {
        Box::pin(async move {
            let dn = self.dn(account).await?;
            let dialect = self.config.dialect;
            let found = self.search(&dn, Scope::Base, "(objectClass=*)", dialect.status_attributes()).await?;
            found.first().map(|entry| dialect.status(entry)).ok_or(Fault::NotFound)
        })
    }

    fn set_password<'a>(
        &'a self,
        account: &'a AccountId,
        password: &'a Secret,
        must_change: bool,
    ) -> Task<'a, ()> {
        Box::pin(async move {
            if password.expose().is_empty() {
                return Err(Fault::Refused);
            }
            let dn = self.dn(account).await?;
            match self.config.dialect {
                LdapDialect::Standard => self.set_standard(&dn, password, must_change).await,
                LdapDialect::ActiveDirectory => {
                    let dialect = self.config.dialect;
                    let mut changes = vec![unicode_pwd(password), dialect.unlock()];
                    changes.extend(must_change.then(|| dialect.must_change()));
                    self.done(&self.modify(&dn, changes).await?)
                }
            }
        })
    }

    fn unlock<'a>(&'a self, account: &'a AccountId) -> Task<'a, ()> {
        Box::pin(async move {
            let dn = self.dn(account).await?;
            self.done(&self.modify(&dn, vec![self.config.dialect.unlock()]).await?)
        })
    }

    /// A bind on a connection of its own. In Active Directory a right password that must be changed counts as right.
    fn check_password<'a>(&'a self, account: &'a AccountId, password: &'a Secret) -> Task<'a, bool> {
        Box::pin(async move {
            // RFC 4513 §5.1.2: a bind with an empty password is anonymous and always succeeds.
            if password.expose().is_empty() {
                return Ok(false);
            }
            let dn = self.dn(account).await?;
            let mut ldap = self.link.connect().await?;
            let (rc, text) = self.link.bind(&mut ldap, &dn, password).await?;
            let _ = ldap.unbind().await;
            match rc {
                code::SUCCESS => Ok(true),
                // ERROR_PASSWORD_EXPIRED and ERROR_PASSWORD_MUST_CHANGE are only told for the right password.
                code::INVALID_CREDENTIALS => {
                    Ok(["data 532", "data 773"].iter().any(|data| text.contains(data)))
                }
                code::BUSY | code::UNAVAILABLE => Err(Fault::Unavailable),
                code::STRONGER_AUTH_REQUIRED | code::CONFIDENTIALITY_REQUIRED => {
                    tracing::error!(target = %self.id, rc, text, "LDAP: the directory wants TLS for a bind");
                    Err(Fault::Unavailable)
                }
                _ => Ok(false),
            }
        })
    }
}
