//! The steps of the language: one file each, one row each in [`KINDS`].
mod audit;
mod choose_computer;
mod choose_targets;

mod confirm;
mod disk_code;
mod echo_keys;
mod goto;
mod hangup;
mod identify;
mod r#if;
mod language;
mod list;
mod menu;
mod reset;
mod say;
mod speak_secret;
mod ticket;
mod transfer;
mod unlock;

pub(crate) mod auth;
pub(crate) mod block;
pub(crate) mod collect;
pub(crate) mod condition;

pub(crate) use audit::AuditStep;
pub(crate) use hangup::HangUp;
pub(crate) use say::Say;
pub(crate) use ticket::Ticket;

use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef, VarRef},
    run::Running,
    yaml::Place,
};
use std::fmt;

/// What a step is to the linter and to the runner.
pub(crate) trait Step: fmt::Debug + Send + Sync {
    /// Name in the language, as in [`KINDS`].
    fn kind(&self) -> &'static str;
    /// A run of this step in one call.
    fn begin(&self) -> Box<dyn Running>;
    /// Ways out beside "done".
    fn exits(&self) -> Vec<Exit> {
        Vec::new()
    }
    /// Whether "done" exists and leads to the next step.
    fn falls_through(&self) -> bool {
        true
    }
    /// What holds after "done".
    fn gains(&self) -> Vec<Gain> {
        Vec::new()
    }
    /// What must hold before.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }
    /// Prompts that must exist in every language of the flow.
    fn prompts(&self) -> Vec<PromptRef> {
        Vec::new()
    }
    /// Spoken names that must exist for everything configured.
    fn names(&self) -> Option<Names> {
        None
    }
    /// Languages that it may choose.
    fn languages(&self) -> Vec<String> {
        Vec::new()
    }
    /// True if the caller must do something before it ends: a cycle through it cannot spin.
    fn waits(&self) -> bool {
        false
    }
    /// True if its keys may be shown in call records and traces.
    fn public(&self) -> bool {
        false
    }
    /// True if nothing secret is keyed or said in it. Only steps that nobody need think about twice say so.
    fn harmless(&self) -> bool {
        false
    }
    /// Keys that it uses itself, for collisions with global keys.
    fn keys(&self) -> Vec<char> {
        Vec::new()
    }
    /// Label to jump to instead of the next step.
    fn jump(&self) -> Option<(&str, Place)> {
        None
    }
}

/// One way out of a step.
#[derive(Clone, Debug)]
pub(crate) struct Exit {
    pub name: String,
    pub to: NodeId,
    pub gains: Vec<Gain>,
}

impl Exit {
    /// An exit after which nothing new holds.
    pub fn plain(name: impl Into<String>, to: NodeId) -> Self {
        Self { name: name.into(), to, gains: Vec::new() }
    }
}

/// What a step brings about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gain {
    /// Somebody, real or decoy, is spoken to.
    Identified,
    /// The caller has proven to be that person, with this many points.
    Points(u8),
    /// A variable is set.
    Variable(String, Kind),
}

/// What a step relies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// L2.
    Identified,
    /// L1: points, and the operation's name.
    Points(u8, &'static str),
    /// A variable of one of these kinds.
    Variable(VarRef, &'static [Kind]),
}

/// Type of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Keyed digits that may be compared and shown.
    Digits,
    /// Keyed digits that may not.
    SecretDigits,
    /// Systems.
    Targets,
    /// One computer.
    Computer,
    /// What became of a reset, with the password.
    Reset,
    /// What became of an unlock.
    Unlock,
    /// A disk recovery code.
    Code,
}

/// Spoken names that come from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// `target_<id>`.
    Targets,
    /// `question_<id>`.
    Questions,
}

/// Reads a step; `None` with faults reported if it cannot.
pub(crate) type Parse = fn(&mut Fields, &mut Parser<'_>, NodeId) -> Option<Box<dyn Step>>;

/// Every step of the language that runs.
pub(crate) const KINDS: &[(&str, Parse)] = &[
    ("language", language::parse),
    ("say", say::parse),
    ("play", say::parse),
    ("collect", collect::parse),
    ("menu", menu::parse),
    ("confirm", confirm::parse),
    ("identify", identify::parse),
    ("auth", auth::parse),
    ("choose_targets", choose_targets::parse),
    ("choose_computer", choose_computer::parse),
    ("operation", operation),
    ("speak_secret", speak_secret::parse),
    ("list", list::parse),
    ("ticket", ticket::parse),
    ("audit", audit::parse),
    ("if", r#if::parse),
    ("goto", goto::parse),
    ("hangup", hangup::parse),
    ("transfer", transfer::parse),
    ("echo_keys", echo_keys::parse),
];

/// Steps of the language that no call can run yet, and what to use meanwhile.
pub(crate) const NOT_YET: &[(&str, &str)] = &[
    ("risk", "ask for more points in `auth` instead"),
    ("http", "use a connector"),
    ("notify", "use `ticket`"),
    ("record", "leave it out"),
    ("set", "steps set variables by `into`"),
    ("switch", "use `if` or `menu`"),
    ("for_each", "use `list`"),
    ("loop", "use `goto` and a step that waits for the caller"),
    ("call", "use `goto`"),
    ("return", "use `goto`"),
    ("wait", "operations say `one_moment` by themselves"),
    ("parallel", "leave it out"),
    ("dial", "leave it out"),
    ("watch_sign_in", "use `confirm: { digits_of: … }` of `speak_secret`"),
    ("guard", "the linter checks points by itself"),
];

/// The operations, each a step of its own.
const OPERATIONS: &[(&str, Parse)] =
    &[("reset", reset::parse), ("unlock", unlock::parse), ("disk_code", disk_code::parse)];

fn operation(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let Some(head) = fields.head("name") else {
        fields.missing(p, "name");
        return None;
    };
    let name = p.text(&head, "operation")?;
    match OPERATIONS.iter().find(|(known, _)| *known == name) {
        Some((_, parse)) => parse(fields, p, id),
        None => {
            let known: Vec<&str> = OPERATIONS.iter().map(|(known, _)| *known).collect();
            let message = format!("operation `{name}` is not known, or not supported yet");
            p.fault(head.place, "syntax", message, crate::parser::did_you_mean(&name, &known));
            None
        }
    }
}
