//! The flow language: parse, lint, run.
//!
//! A flow is a YAML file that says what a caller hears and does. [`load`] parses and lints all files at once;
//! [`Flow`] runs one of them for one call, as a machine: inputs in, outputs out, no clock and no sockets.
#![forbid(unsafe_code)]

mod fault;
mod flow;
mod io;
mod program;

pub use fault::Fault;
pub use flow::Flow;
pub use io::{CallContext, Input, Output};
pub use program::{FlowId, Program, PromptCheck, load};
