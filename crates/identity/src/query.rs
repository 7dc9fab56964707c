//! What a flow asks of the identity side, and what comes back.
//!
//! A flow never sees a stored PIN, answer or password hash; it hands over what the caller keyed and learns pass or
//! fail. An unknown caller gets a decoy [`Subject`] that behaves like a real one and never passes.
use crate::{AccountId, AuditEvent, Fault, PasswordStyle, Secret, SecretDigits};
use serde::{Deserialize, Serialize};
use std::time::Duration;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// One system whose passwords are changed; its spoken name is the prompt `target_<id>`.
    TargetId
);
name!(
    /// A question's key; its spoken form is the prompt `question_<id>`.
    QuestionId
);
name!(
    /// A computer of the caller with an escrowed disk recovery code.
    MachineId
);
name!(
    /// One password change, from intent to "heard"; the key of the reset journal.
    ResetId
);
name!(
    /// One call, as in the call record and in every log line.
    CallId
);

/// Handle of the identified (or decoy) caller, valid within one call, meaningless outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubjectId(pub u128);

/// By what a caller's keyed ID is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifyBy {
    /// The number that HR or the directory gave.
    EmployeeId,
    /// The login name typed on the letters of the keypad (ITU-T E.161): `smith01` = `7648401`.
    KeypadLogin,
}

/// What a caller offers as proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The phone PIN.
    Pin(SecretDigits),
    /// One keyed answer per question asked, in the order asked; all must be right.
    Answers(Vec<(QuestionId, SecretDigits)>),
}

/// Result of a proof. The caller hears the same words for `Failed` and `Locked`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right.
    Passed,
    /// Wrong; counted.
    Failed,
    /// Too many failures for this user (or caller number): nothing is compared any more.
    Locked,
}

/// What the call asks; every query also carries the call's id beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// → [`Answer::Identified`], for known and unknown IDs alike.
    Identify {
        /// What the caller keyed.
        id: SecretDigits,
        /// Ways to look it up, tried in order.
        by: Vec<IdentifyBy>,
    },
    /// → [`Answer::Questions`]: a random subset, the same one until it is answered rightly.
    Questions {
        /// Who.
        subject: SubjectId,
        /// How many.
        ask: u8,
    },
    /// → [`Answer::Verdict`]. Failures are counted by the store, per user and over calls.
    Verify {
        /// Who.
        subject: SubjectId,
        /// What was keyed.
        proof: Proof,
        /// Points that this proof earns; the store sums them and refuses operations below what they need.
        points: u8,
    },
    /// → [`Answer::Capabilities`], only for a verified subject.
    Capabilities {
        /// Who.
        subject: SubjectId,
    },
    /// → [`Answer::Reset`]: generates one password, applies it to each target.
    Reset {
        /// Who.
        subject: SubjectId,
        /// Where.
        targets: Vec<TargetId>,
        /// Shape of the password.
        style: PasswordStyle,
        /// Language whose word list is used, e.g. `en`.
        language: String,
        /// How long the temporary password may be used.
        expires: Duration,
        /// The user must choose a new one at the next sign-in.
        must_change: bool,
        /// Points needed.
        needs: u8,
    },
    /// → [`Answer::Done`]: the caller confirmed the password, the journal entry is closed.
    ResetHeard {
        /// Which.
        reset: ResetId,
    },
    /// → [`Answer::Done`]: applied but not heard; the store re-randomises it on each target.
    ResetUnheard {
        /// Which.
        reset: ResetId,
    },
    /// → [`Answer::Unlock`].
    Unlock {
        /// Who.
        subject: SubjectId,
        /// Where.
        targets: Vec<TargetId>,
        /// Points needed.
        needs: u8,
    },
    /// → [`Answer::DiskCode`].
    DiskCode {
        /// Who.
        subject: SubjectId,
        /// Which computer.
        machine: MachineId,
        /// Points needed.
        needs: u8,
    },
    /// → [`Answer::Done`]: appends to the audit log.
    Audit(AuditEvent),
    /// → [`Answer::Done`]: opens (and at once closes, if `resolved`) a ticket in the ticket journal.
    Ticket {
        /// Who, if identified.
        subject: Option<SubjectId>,
        /// One line without secrets.
        summary: String,
        /// True when nothing is left to do.
        resolved: bool,
    },
}

impl Query {
    /// What every query can be called, in logs, traces and metrics.
    pub const NAMES: [&str; 11] = [
        "identify",
        "questions",
        "verify",
        "capabilities",
        "reset",
        "reset_heard",
        "reset_unheard",
        "unlock",
        "disk_code",
        "audit",
        "ticket",
    ];

    /// What this one is called; nothing of what it asks.
    pub fn name(&self) -> &'static str {
        let at = match self {
            Query::Identify { .. } => 0,
            Query::Questions { .. } => 1,
            Query::Verify { .. } => 2,
            Query::Capabilities { .. } => 3,
            Query::Reset { .. } => 4,
            Query::ResetHeard { .. } => 5,
            Query::ResetUnheard { .. } => 6,
            Query::Unlock { .. } => 7,
            Query::DiskCode { .. } => 8,
            Query::Audit(_) => 9,
            Query::Ticket { .. } => 10,
        };
        Self::NAMES[at]
    }
}

/// What comes back; [`Answer::Failed`] may stand for any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A real or decoy subject.
    Identified(Subject),
    /// The questions to ask, in order.
    Questions(Vec<QuestionId>),
    /// Pass or fail.
    Verdict(Verdict),
    /// What the subject may do.
    Capabilities(Capabilities),
    /// What became of a reset.
    Reset(ResetOutcome),
    /// What became of an unlock, per target.
    Unlock(Vec<TargetResult>),
    /// The disk recovery code, in blocks separated by `-`.
    DiskCode(Secret),
    /// Done; nothing to say.
    Done,
    /// It did not happen.
    Failed(Fault),
}

/// The identified caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Handle for further queries.
    pub id: SubjectId,
}

/// What a verified subject may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Systems on which the subject has an account.
    pub targets: Vec<Target>,
    /// Computers with an escrowed code.
    pub machines: Vec<MachineId>,
}

/// A subject's account on one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which system.
    pub id: TargetId,
    /// True if an intruder lockout is in force; `None` if the system could not be asked in time.
    pub locked: Option<bool>,
}

/// What became of a password change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetOutcome {
    /// Journal key; must be closed by `ResetHeard` or `ResetUnheard`.
    pub reset: ResetId,
    /// The password, `None` if no target took it. Parts are separated by `-`.
    pub password: Option<Secret>,
    /// Per target, in the order asked.
    pub results: Vec<TargetResult>,
    /// Local time of day (hour, minute) until which the password works.
    pub valid_until: (u8, u8),
}

/// What became of one operation on one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetResult {
    /// Where.
    pub target: TargetId,
    /// `Ok` or why not.
    pub result: Result<(), Fault>,
}

/// The person behind an ID, as a [`crate::Directory`] knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Login name, unique in the directory.
    pub login: String,
    /// Account on each target.
    pub accounts: Vec<(TargetId, AccountId)>,
    /// Enrolled questions.
    pub questions: Vec<QuestionId>,
    /// Computers with an escrowed code.
    pub machines: Vec<MachineId>,
}
