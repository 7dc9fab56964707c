//! What the parser and the linter report to the person who edits a flow.
use std::fmt;

/// One fault of a flow file, with its place and its remedy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Path as given to [`crate::load`].
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Rule that was broken: `L1`…`L11` of the linter, or `syntax`.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, rule, message, remedy } = self;
        write!(f, "{file}:{line}:{column}: {message} [{rule}]\n  remedy: {remedy}")
    }
}

impl std::error::Error for Fault {}
