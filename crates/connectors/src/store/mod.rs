//! The SQLite store.
use crate::{CallRecord, HashCost};
use passline_identity::{
    AuditEvent, AuditLog, MachineId, QuestionId, Secret, SecretDigits, TargetId, Task,
};
use serde::Serialize;
use std::{path::Path, sync::Arc};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// From SQLite.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// Reading or writing a file.
    #[error("{0}: {1}")]
    File(std::path::PathBuf, std::io::Error),
    /// No such user, account, machine.
    #[error("no {0}")]
    NotFound(String),
    /// What was given cannot be kept.
    #[error("{0}")]
    Invalid(String),
    /// The database and its key file do not belong together, or were made by a newer version.
    #[error("{0}")]
    Unusable(String),
    /// The store's thread is gone.
    #[error("the store is closed")]
    Closed,
}

/// The wall clock, or one that tests move.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>);

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(jiff::Timestamp::now))
    }
}

impl Clock {
    /// A clock of one's own.
    pub fn new(now: impl Fn() -> jiff::Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
    /// Now.
    pub fn now(&self) -> jiff::Timestamp {
        (self.0)()
    }
}

/// How a store is opened.
#[derive(Clone, Default)]
pub struct StoreOptions {
    /// Cost of new hashes.
    pub hash: HashCost,
    /// Hashes computed at once; 0 = 2.
    pub hashes_at_once: usize,
    /// Time.
    pub clock: Clock,
}

/// The store; cheap to clone.
#[derive(Clone)]
pub struct Store {}

/// A person to add.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// Login name, unique.
    pub login: String,
    /// Name for people.
    pub name: String,
    /// What the caller keys; unique.
    pub employee_id: String,
    /// Account per target: `(target, account name)`.
    pub accounts: Vec<(TargetId, String)>,
}

/// A person, for `user show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserInfo {
    /// Login name.
    pub login: String,
    /// Name for people.
    pub name: String,
    /// Employee ID.
    pub employee_id: String,
    /// Whether a PIN is set.
    pub has_pin: bool,
    /// Enrolled questions.
    pub questions: Vec<QuestionId>,
    /// Computers with an escrowed code.
    pub machines: Vec<MachineId>,
    /// Accounts.
    pub accounts: Vec<AccountInfo>,
    /// Wrong proofs since the last success.
    pub failures: u32,
    /// `None` = free; `forever` or an RFC 3339 time until which no proof is compared.
    pub locked_until: Option<String>,
}

/// An account, for `user show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountInfo {
    /// Where.
    pub target: TargetId,
    /// Account name there.
    pub account: String,
    /// Locked out (embedded targets only).
    pub locked: bool,
    /// The password must be changed (embedded targets only).
    pub must_change: bool,
    /// Until when the password works, RFC 3339 (embedded targets only).
    pub expires: Option<String>,
}

/// One line of the audit log as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditLine {
    /// RFC 3339, UTC.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub event: AuditEvent,
}

/// One ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketLine {
    /// Number.
    pub id: i64,
    /// Call.
    pub call: Option<String>,
    /// Login.
    pub login: Option<String>,
    /// One line.
    pub summary: String,
    /// RFC 3339.
    pub opened: String,
    /// RFC 3339; `None` while open.
    pub closed: Option<String>,
}

/// One password change in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResetLine {
    /// Id.
    pub reset: String,
    /// Call.
    pub call: String,
    /// Login.
    pub login: String,
    /// `pending`, `applied`, `failed`, `heard`, `unheard`, `randomised`.
    pub state: String,
    /// `(target, pending|applied|refused|unknown|randomised|gone)`.
    pub targets: Vec<(TargetId, String)>,
    /// RFC 3339.
    pub at: String,
}

/// A number with all but its last two digits masked, for logs and call records.
pub fn mask_number(number: &str) -> String {
    let digits = number.chars().count();
    number
        .chars()
        .enumerate()
        .map(|(i, c)| {
            if i + 2 < digits && c.is_ascii_digit() {
                '•'
            } else {
                c
            }
        })
        .collect()
}

impl Store {
    /// Opens or creates the database (0600), its key file beside it (`<path>.key`), and migrates.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, StoreOptions::default())
    }
    /// The same with options.
    pub fn open_with(_path: &Path, _options: StoreOptions) -> Result<Self, StoreError> {
        todo!()
    }
    /// Adds a person.
    pub async fn add_user(&self, _user: NewUser) -> Result<(), StoreError> {
        todo!()
    }
    /// All people, by login.
    pub async fn users(&self) -> Result<Vec<UserInfo>, StoreError> {
        todo!()
    }
    /// One person.
    pub async fn user(&self, _login: &str) -> Result<UserInfo, StoreError> {
        todo!()
    }
    /// Sets the phone PIN, 4-16 digits.
    pub async fn set_pin(&self, _login: &str, _pin: &SecretDigits) -> Result<(), StoreError> {
        todo!()
    }
    /// Replaces all answers, 4-16 digits each.
    pub async fn set_answers(
        &self,
        _login: &str,
        _answers: &[(QuestionId, SecretDigits)],
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// Replaces a person's accounts; kept ones keep their passwords.
    pub async fn set_accounts(
        &self,
        _login: &str,
        _accounts: &[(TargetId, String)],
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// Sets the password of an embedded account.
    pub async fn set_password(
        &self,
        _login: &str,
        _target: &TargetId,
        _pw: &Secret,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// Keeps a disk recovery code, encrypted.
    pub async fn set_disk_code(
        &self,
        _login: &str,
        _machine: &MachineId,
        _code: &Secret,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// Locks the embedded accounts of a person, all or on one target, as intruder detection would.
    pub async fn lock(&self, _login: &str, _target: Option<&TargetId>) -> Result<(), StoreError> {
        todo!()
    }
    /// Clears the lockout of the embedded accounts (all or one target) and, for all, the failures on the phone.
    pub async fn unlock(&self, _login: &str, _target: Option<&TargetId>) -> Result<(), StoreError> {
        todo!()
    }
    /// Whether the password signs in at an embedded target.
    pub async fn check_password(
        &self,
        _login: &str,
        _target: &TargetId,
        _pw: &Secret,
    ) -> Result<bool, StoreError> {
        todo!()
    }
    /// Keeps a call record.
    pub async fn add_call(&self, _call: &CallRecord) -> Result<(), StoreError> {
        todo!()
    }
    /// The last records, oldest first.
    pub async fn calls(&self, _last: usize) -> Result<Vec<CallRecord>, StoreError> {
        todo!()
    }
    /// The last audit lines, oldest first.
    pub async fn audit(&self, _last: usize) -> Result<Vec<AuditLine>, StoreError> {
        todo!()
    }
    /// The last tickets, oldest first.
    pub async fn tickets(&self, _last: usize) -> Result<Vec<TicketLine>, StoreError> {
        todo!()
    }
    /// The last password changes in the journal, oldest first.
    pub async fn resets(&self, _last: usize) -> Result<Vec<ResetLine>, StoreError> {
        todo!()
    }
    /// Time, as the store sees it.
    pub fn now(&self) -> jiff::Timestamp {
        todo!()
    }
}

impl AuditLog for Store {
    fn append<'a>(&'a self, _event: &'a AuditEvent) -> Task<'a, ()> {
        todo!()
    }
}
