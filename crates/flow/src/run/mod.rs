//! What runs in one call: the context that all steps share, and the small machines that steps are made of.
mod asking;
mod choice;
mod context;
mod digits;
mod settle;
mod voice;

pub(crate) use asking::{Arrived, Asking, Late};
pub(crate) use choice::{Choice, Chosen};
pub(crate) use context::{Context, Variable};
pub(crate) use digits::{DigitSpec, Digits, Read};
pub(crate) use settle::Settle;
pub(crate) use voice::{Utterance, Voice, items};

use crate::graph::NodeId;
use passline_identity::{Answer, Fault, Key};

/// A step that runs.
pub(crate) trait Running: Send {
    /// The step is entered.
    fn start(&mut self, cx: &mut Context) -> Next;
    /// Something happened that the step waits for.
    fn event(&mut self, cx: &mut Context, event: Event) -> Next;
    /// How the transfer went that the step asked for.
    fn transferred(&mut self, _cx: &mut Context, _done: bool) -> Next {
        Next::Stay
    }
}

/// What may happen to a running step.
#[derive(Debug)]
pub(crate) enum Event {
    /// Everything was said.
    Spoken,
    /// A key; never while something is said that cannot be interrupted, or while a query runs.
    Key(Key),
    /// The answer to the step's query.
    Answer(Answer),
    /// The step's timer.
    Timer,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It waits.
    Stay,
    /// Done: to the next step.
    Done,
    /// Through an exit.
    Exit(NodeId),
    /// The identity side failed: to the error handler.
    Fail(Fault),
    /// The time since `auth` is up: to that handler.
    SessionOver,
    /// The call ends.
    HangUp(&'static str),
}

/// An answer that does not fit its query is our own fault.
pub(crate) fn unexpected(answer: &Answer) -> Next {
    match answer {
        Answer::Failed(fault) => Next::Fail(*fault),
        _ => Next::Fail(Fault::Internal),
    }
}
