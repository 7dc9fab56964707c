//! The flow language: parse, lint, run.
//!
//! A flow is a YAML file that says what a caller hears and does. [`load`] parses and lints all files at once;
//! [`Flow`] runs one of them for one call, as a machine: inputs in, outputs out, no clock and no sockets.
#![forbid(unsafe_code)]

mod factor;
mod fault;
mod fields;
mod file;
mod flow;
mod graph;
mod io;
mod lint;
mod parser;
mod program;
mod run;
mod step;
mod yaml;

pub use fault::Fault;
pub use flow::Flow;
pub use io::{CallContext, Input, Output};
pub use program::{FlowId, Program, PromptCheck, load};
