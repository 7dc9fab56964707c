//! The directory and the target systems that live in the store.
use crate::Store;
use passline_identity::{
    AccountId, AccountStatus, Connector, Directory, IdentifyBy, Person, Proof, Secret,
    SecretDigits, TargetId, Task,
};

/// The [`Directory`] kept in a [`Store`].
#[derive(Clone)]
pub struct EmbeddedDirectory(Store);

impl EmbeddedDirectory {
    /// Over this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }
}

impl Directory for EmbeddedDirectory {
    fn find<'a>(
        &'a self,
        _id: &'a SecretDigits,
        _by: &'a [IdentifyBy],
    ) -> Task<'a, Option<Person>> {
        todo!()
    }
    fn verify<'a>(&'a self, _login: Option<&'a str>, _proof: &'a Proof) -> Task<'a, bool> {
        todo!()
    }
    fn disk_code<'a>(&'a self, _login: &'a str, _machine: &'a str) -> Task<'a, Secret> {
        todo!()
    }
}

/// A target system whose accounts are kept in a [`Store`]: enforces lockout, expiry and `must_change` like a real one.
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

impl Connector for EmbeddedConnector {
    fn id(&self) -> &TargetId {
        let _ = &self.store;
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
    fn check_password<'a>(
        &'a self,
        _account: &'a AccountId,
        _password: &'a Secret,
    ) -> Task<'a, bool> {
        todo!()
    }
}
