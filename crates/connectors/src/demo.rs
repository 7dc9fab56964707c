//! Three people to try everything with. Their secrets are public: they stand here and in the README.
use crate::{Store, StoreError};

/// One demo person, for printing.
#[derive(Clone, Debug)]
pub struct DemoUser {
    /// Login name.
    pub login: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// What to key as ID.
    pub employee_id: &'static str,
    /// What to key as PIN.
    pub pin: &'static str,
    /// Question id and what to key as its answer.
    pub answers: &'static [(&'static str, &'static str)],
    /// Accounts.
    pub accounts: &'static [DemoAccount],
    /// Computer and its disk recovery code, if any.
    pub machine: Option<(&'static str, &'static str)>,
}

/// One account of a demo person.
#[derive(Clone, Debug)]
pub struct DemoAccount {
    /// `directory` or `crm`.
    pub target: &'static str,
    /// Account name there.
    pub account: &'static str,
    /// The password before any reset.
    pub old_password: &'static str,
    /// Locked out by intruder detection at the start.
    pub locked: bool,
}

/// The demo people; the first is the one to show.
pub fn demo_users() -> &'static [DemoUser] {
    todo!()
}

/// Adds the demo people to a store. Does nothing for those that are there already.
pub async fn seed_demo(_store: &Store) -> Result<Vec<DemoUser>, StoreError> {
    todo!()
}
