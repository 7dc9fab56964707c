//! The flow language: parse, lint, run.
#![forbid(unsafe_code)]

mod io;

pub use io::{CallContext, Input, Output};
