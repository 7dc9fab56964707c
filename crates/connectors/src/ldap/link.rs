//! The connection that changes passwords: opened when needed, shared, opened anew when it is lost.
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError};
use passline_identity::{Fault, Secret};
use std::{future::Future, time::Duration};
use tokio::{sync::Mutex, time::timeout};

/// See the module.
pub(super) struct Link {
    settings: LdapConnSettings,
    url: String,
    bind_dn: String,
    password: Secret,
    limit: Duration,
    /// The shared connection and its number.
    shared: Mutex<(u64, Option<Ldap>)>,
}

impl Link {
    pub(super) fn new(
        settings: LdapConnSettings,
        url: String,
        bind_dn: String,
        password: Secret,
        limit: Duration,
    ) -> Self {
        Self { settings, url, bind_dn, password, limit, shared: Mutex::new((0, None)) }
    }

    /// A new connection that is nobody's yet.
    pub(super) async fn connect(&self) -> Result<Ldap, Fault> {
        let connected =
            timeout(self.limit, LdapConnAsync::with_settings(self.settings.clone(), &self.url)).await;
        let (connection, ldap) = connected.map_err(|_| Fault::Unavailable)?.map_err(|fault| {
            tracing::warn!(url = self.url, %fault, "LDAP: cannot connect");
            Fault::Unavailable
        })?;
        tokio::spawn(async move {
            if let Err(fault) = connection.drive().await {
                tracing::debug!(%fault, "LDAP: connection lost");
            }
        });
        Ok(ldap)
    }

    /// Binds a connection; the result code. The password must not be empty (RFC 4513 §5.1.2).
    pub(super) async fn bind(
        &self,
        ldap: &mut Ldap,
        dn: &str,
        password: &Secret,
    ) -> Result<(u32, String), Fault> {
        if password.expose().is_empty() || dn.is_empty() {
            return Err(Fault::Refused);
        }
        let bound = ldap.with_timeout(self.limit).simple_bind(dn, password.expose()).await;
        bound.map(|result| (result.rc, result.text)).map_err(|fault| {
            tracing::warn!(url = self.url, %fault, "LDAP: no answer to a bind");
            Fault::Unavailable
        })
    }

    /// The shared connection, its number, and whether it was used before.
    async fn shared(&self) -> Result<(u64, Ldap, bool), Fault> {
        let mut shared = self.shared.lock().await;
        if let (number, Some(ldap)) = &mut *shared
            && !ldap.is_closed()
        {
            return Ok((*number, ldap.clone(), true));
        }
        let mut ldap = self.connect().await?;
        match self.bind(&mut ldap, &self.bind_dn, &self.password).await? {
            (0, _) => {}
            (rc, text) => {
                tracing::error!(
                    url = self.url,
                    dn = self.bind_dn,
                    rc,
                    text,
                    "LDAP: the service account cannot bind"
                );
                return Err(Fault::Unavailable);
            }
        }
        let number = shared.0 + 1;
        *shared = (number, Some(ldap.clone()));
        Ok((number, ldap, false))
    }

    async fn lost(&self, number: u64) {
        let mut shared = self.shared.lock().await;
        if shared.0 == number {
            shared.1 = None;
        }
    }

    /// Runs one idempotent operation. On a connection that turns out to be dead it is tried once more on a new one.
    ///
    /// [`Fault::Unavailable`]: nothing was sent. [`Fault::Timeout`]: sent, effect not known.
    pub(super) async fn run<T, F>(&self, operation: impl Fn(Ldap) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, LdapError>>,
    {
        let mut sent = false;
        loop {
            let shared = self.shared().await;
            let (number, mut ldap, used) =
                shared.map_err(|fault| if sent { Fault::Timeout } else { fault })?;
            ldap.with_timeout(self.limit);
            let fault = match operation(ldap).await {
                Ok(result) => return Ok(result),
                Err(fault) => fault,
            };
            tracing::warn!(url = self.url, %fault, "LDAP: operation");
            self.lost(number).await;
            match fault {
                LdapError::Timeout { .. } => return Err(Fault::Timeout),
                LdapError::OpSend { .. } if used && !sent => {}
                LdapError::Io { .. } | LdapError::ResultRecv { .. } | LdapError::EndOfStream
                    if used && !sent =>
                {
                    sent = true;
                }
                LdapError::OpSend { .. } if !sent => return Err(Fault::Unavailable),
                LdapError::FilterParsing => return Err(Fault::Refused),
                // Whatever it was, the operation may have reached the server.
                _ => return Err(Fault::Timeout),
            }
        }
    }
}
