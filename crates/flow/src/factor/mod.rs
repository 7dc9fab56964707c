//! Ways to prove who one is: one file each, one row each in [`FACTORS`].
mod pin;
mod questions;

use crate::{
    fields::Fields,
    parser::{Parser, PromptRef},
    run::{Context, Event},
    step::Names,
};
use passline_identity::{Fault, Proof};
use std::fmt;

/// A factor as a flow offers it.
pub(crate) trait Factor: fmt::Debug + Send + Sync {
    /// Name in the language and in `policy.points`.
    fn name(&self) -> &'static str;
    /// Gathers one proof from the caller.
    fn begin(&self) -> Box<dyn Gathering>;
    /// Prompts that must exist.
    fn prompts(&self) -> Vec<PromptRef>;
    /// Spoken names that must exist.
    fn names(&self) -> Option<Names> {
        None
    }
    /// Keys that it uses.
    fn keys(&self) -> Vec<char>;
}

/// A proof being gathered. What was keyed is judged only when all factors are gathered, so that nobody learns which
/// of them was wrong.
pub(crate) trait Gathering: Send {
    /// Begins; `retry` after an attempt that failed.
    fn start(&mut self, cx: &mut Context) -> Gathered;
    /// Something happened.
    fn event(&mut self, cx: &mut Context, event: Event) -> Gathered;
}

/// Where a factor stands.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// It waits.
    More,
    /// Here it is.
    Proof(Proof),
    /// There can be none; the attempt fails like any other.
    Nothing,
    /// The caller is silent.
    NoInput,
    /// The identity side failed.
    Fail(Fault),
}

/// Reads a factor; `None` with faults reported if it cannot.
pub(crate) type Parse = fn(&mut Fields, &mut Parser<'_>) -> Option<Box<dyn Factor>>;

/// Every factor that runs.
pub(crate) const FACTORS: &[(&str, Parse)] = &[("pin", pin::parse), ("questions", questions::parse)];

/// Factors of the language that do not run yet.
pub(crate) const NOT_YET: &[&str] = &["otp", "radius", "callback", "voice"];
