//! What goes into a running flow and what comes out.
use passline_identity::{Answer, CallId, Key, Query};
use passline_prompt::phrase::Phrase;

/// What the flow knows of its call.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// The call.
    pub call: CallId,
    /// Number that was dialled.
    pub dialled: String,
    /// Languages for which prompts are loaded, the default first.
    pub languages: Vec<String>,
}

/// What may happen to a running flow.
#[derive(Clone, Debug)]
pub enum Input {
    /// The call is answered and media flows.
    Start,
    /// One key press.
    Key(Key),
    /// The phrase with this number was said to its end (not sent for a phrase that was stopped or replaced).
    Said(u32),
    /// The answer to the query with this number.
    Answer(u32, Answer),
    /// How [`Output::Transfer`] went: the caller was handed over (nothing can be said any more), or is still here.
    Transferred(bool),
    /// The instant of [`crate::Flow::deadline`] has come.
    Timer,
    /// The caller left; the flow winds up (and may still ask queries).
    HungUp,
}

/// What a running flow wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Say this now, in place of what is being said. Keys go to the flow at all times; the flow decides on barge-in.
    Say {
        /// Comes back in [`Input::Said`].
        number: u32,
        /// Language folder, e.g. `en`.
        language: String,
        /// What.
        phrase: Phrase,
        /// For the log: prompt ids with every secret part replaced by `secret`.
        log: String,
    },
    /// Stop saying (barge-in).
    Hush,
    /// Ask the identity side.
    Ask {
        /// Comes back in [`Input::Answer`].
        number: u32,
        /// What.
        query: Query,
    },
    /// From now on keys are (not) secret: call records, traces and captures count them instead of showing them.
    Secrecy(bool),
    /// A step was entered, for trace and call record, e.g. `main/menu`.
    Step(String),
    /// Keys of the last input in clear, only from steps that are declared public (the line test).
    PublicKeys(String),
    /// Hand the caller over to this number; answer with [`Input::Transferred`].
    Transfer {
        /// As an extension or the routes know it.
        to: String,
    },
    /// End the call; nothing follows but queries that wind up.
    HangUp {
        /// For the call record: `completed`, `not_verified`, `no_input`, `error`, …
        outcome: &'static str,
    },
    /// Nothing is left to do; the flow can be dropped.
    Ended,
}
