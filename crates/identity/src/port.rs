//! The ports through which identity systems are reached; `connectors` implements them.
use crate::{CallId, IdentifyBy, Key, Person, Proof, QuestionId, Secret, SecretDigits, TargetId};
use serde::{Deserialize, Serialize};
use std::{future::Future, pin::Pin, time::Duration};

/// What a port returns: a future without a runtime's name in it.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// Why something did not happen; the caller hears one neutral sentence, the log has the detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// No such account, machine or journal entry.
    #[error("not found")]
    NotFound,
    /// The system refused, e.g. by its password policy.
    #[error("refused by the system")]
    Refused,
    /// No answer within the time limit. Whether it took effect is not known.
    #[error("no answer in time")]
    Timeout,
    /// Cannot be reached, or the breaker is open: nothing was changed.
    #[error("not reachable")]
    Unavailable,
    /// The subject has not earned the points that this needs.
    #[error("not authenticated")]
    NotAuthenticated,
    /// Our own fault; the log has it.
    #[error("internal fault")]
    Internal,
}

impl Fault {
    /// Its name in logs, flows and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Fault::NotFound => "not_found",
            Fault::Refused => "refused",
            Fault::Timeout => "timeout",
            Fault::Unavailable => "unavailable",
            Fault::NotAuthenticated => "not_authenticated",
            Fault::Internal => "internal",
        }
    }
}

/// An account's name on one target: a login name or a DN.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub String);

/// State of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountStatus {
    /// An intruder lockout is in force.
    pub locked: bool,
    /// The password has expired or must be changed.
    pub expired: bool,
}

/// One target system. Every call is idempotent.
pub trait Connector: Send + Sync {
    /// Which target this is.
    fn id(&self) -> &TargetId;
    /// State of an account.
    fn status<'a>(&'a self, account: &'a AccountId) -> Task<'a, AccountStatus>;
    /// Sets a new password (also of an expired account) and clears an intruder lockout.
    fn set_password<'a>(
        &'a self,
        account: &'a AccountId,
        password: &'a Secret,
        must_change: bool,
    ) -> Task<'a, ()>;
    /// [`Connector::set_password`] for a password that stops working after `expires`, where the system can do that.
    fn set_temporary_password<'a>(
        &'a self,
        account: &'a AccountId,
        password: &'a Secret,
        must_change: bool,
        expires: Duration,
    ) -> Task<'a, ()> {
        let _ = expires;
        self.set_password(account, password, must_change)
    }
    /// Clears an intruder lockout and leaves the password as it is.
    fn unlock<'a>(&'a self, account: &'a AccountId) -> Task<'a, ()>;
    /// Whether the password binds, asked as a client would ask. An empty password never does.
    fn check_password<'a>(&'a self, account: &'a AccountId, password: &'a Secret) -> Task<'a, bool>;
}

/// Where people, their proofs and their escrowed codes are kept.
pub trait Directory: Send + Sync {
    /// `Ok(None)` takes as long as `Ok(Some(_))`.
    fn find<'a>(&'a self, id: &'a SecretDigits, by: &'a [IdentifyBy]) -> Task<'a, Option<Person>>;
    /// Compares a proof with what is stored; constant time, slow hash. `None` = nobody: same work, never true.
    fn verify<'a>(&'a self, login: Option<&'a str>, proof: &'a Proof) -> Task<'a, bool>;
    /// The escrowed recovery code.
    fn disk_code<'a>(&'a self, login: &'a str, machine: &'a str) -> Task<'a, Secret>;
    /// Every question that anyone has enrolled, sorted: what an unknown caller may be asked.
    fn questions(&self) -> Task<'_, Vec<QuestionId>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// One line of the audit log. Holds no secret by construction: there is no field for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// In which call; `None` for what an administrator or a restart did.
    pub call: Option<CallId>,
    /// Login name if the caller is identified (never a keyed ID).
    pub login: Option<String>,
    /// What happened: `identified`, `verify`, `reset`, `reset_unheard`, `caller_left`, …
    pub event: String,
    /// On which target.
    pub target: Option<TargetId>,
    /// `ok`, `failed`, `locked`, `timeout`, …
    pub result: String,
    /// One more sentence without secrets.
    pub detail: Option<String>,
}

/// Where audit events go.
pub trait AuditLog: Send + Sync {
    /// Appends durably.
    fn append<'a>(&'a self, event: &'a AuditEvent) -> Task<'a, ()>;
}

/// The keypad digit for a letter or digit of a login name (ITU-T E.161); `None` for punctuation, which is skipped.
pub fn keypad(letter: char) -> Option<Key> {
    let key = match letter.to_ascii_lowercase() {
        'a'..='c' => '2',
        'd'..='f' => '3',
        'g'..='i' => '4',
        'j'..='l' => '5',
        'm'..='o' => '6',
        'p'..='s' => '7',
        't'..='v' => '8',
        'w'..='z' => '9',
        digit @ '0'..='9' => digit,
        _ => return None,
    };
    Key::new(key)
}
