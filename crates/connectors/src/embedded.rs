//! The directory and the target systems that live in the store.
use crate::Store;
use passline_identity::{
    AccountId, AccountStatus, Connector, Directory, Fault, IdentifyBy, Person, Proof, QuestionId, Secret,
    SecretDigits, TargetId, Task,
};
use std::{sync::Arc, time::Duration};

/// Targets that a store has from the start.
const TARGETS: [&str; 2] = ["directory", "crm"];

/// The [`Directory`] kept in a [`Store`].
#[derive(Clone)]
pub struct EmbeddedDirectory(Store);

impl EmbeddedDirectory {
    /// Over this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// The two embedded targets, `directory` and `crm`.
    pub fn connectors(store: &Store) -> Vec<Arc<dyn Connector>> {
        TARGETS.iter().map(|id| Arc::new(EmbeddedConnector::new(store.clone(), (*id).into())) as _).collect()
    }
}

impl Directory for EmbeddedDirectory {
    fn find<'a>(&'a self, id: &'a SecretDigits, by: &'a [IdentifyBy]) -> Task<'a, Option<Person>> {
        let columns = by.iter().map(|by| match by {
            IdentifyBy::EmployeeId => "employee_keys",
            IdentifyBy::KeypadLogin => "login_keys",
        });
        let columns = columns.collect();
        Box::pin(async move { Ok(self.0.find(id, columns).await?) })
    }

    fn verify<'a>(&'a self, login: Option<&'a str>, proof: &'a Proof) -> Task<'a, bool> {
        Box::pin(async move {
            Ok(match proof {
                Proof::Pin(pin) => self.0.pin_matches(login, pin).await?,
                Proof::Answers(answers) => self.0.answers_match(login, answers).await?,
            })
        })
    }

    fn disk_code<'a>(&'a self, login: &'a str, machine: &'a str) -> Task<'a, Secret> {
        Box::pin(async move { Ok(self.0.disk_code(login, machine).await?) })
    }

    fn questions(&self) -> Task<'_, Vec<QuestionId>> {
        Box::pin(async move { Ok(self.0.question_pool().await?) })
    }
}

/// A target system whose accounts are kept in a [`Store`]: five wrong passwords lock, expiry is enforced.
#[derive(Clone)]
pub struct EmbeddedConnector {
    store: Store,
    id: TargetId,
}

impl EmbeddedConnector {
    /// The target `id` of this store.
    pub fn new(store: Store, id: TargetId) -> Self {
        Self { store, id }
    }
}

impl EmbeddedConnector {
    async fn set(
        &self,
        account: &str,
        password: &Secret,
        must: bool,
        expires: Option<Duration>,
    ) -> Result<(), Fault> {
        if password.expose().is_empty() {
            return Err(Fault::Refused);
        }
        Ok(self.store.account_set(&self.id, account, password, must, expires).await?)
    }
}

impl Connector for EmbeddedConnector {
    fn id(&self) -> &TargetId {
        &self.id
    }

    fn status<'a>(&'a self, account: &'a AccountId) -> Task<'a, AccountStatus> {
        Box::pin(async move { Ok(self.store.account_status(&self.id, &account.0).await?) })
    }

    fn set_password<'a>(
        &'a self,
        account: &'a AccountId,
        password: &'a Secret,
        must_change: bool,
    ) -> Task<'a, ()> {
        Box::pin(self.set(&account.0, password, must_change, None))
    }

    fn set_temporary_password<'a>(
        &'a self,
        account: &'a AccountId,
        password: &'a Secret,
        must_change: bool,
        expires: Duration,
    ) -> Task<'a, ()> {
        Box::pin(self.set(&account.0, password, must_change, Some(expires)))
    }

    fn unlock<'a>(&'a self, account: &'a AccountId) -> Task<'a, ()> {
        Box::pin(async move { Ok(self.store.account_unlock(&self.id, &account.0).await?) })
    }

    fn check_password<'a>(&'a self, account: &'a AccountId, password: &'a Secret) -> Task<'a, bool> {
        Box::pin(async move { Ok(self.store.account_check(&self.id, &account.0, password).await?) })
    }
}
