//! The flow language: parse, lint, run.
//!
//! A flow is a YAML file that says what a caller hears and does. [`load`] parses and lints all files at once;
//! [`Flow`] runs one of them for one call, as a machine: inputs in, outputs out, no clock and no sockets.
//!
//! # The language, as far as it runs
//!
//! | step | does | ways out beside "next" |
//! |---|---|---|
//! | `language: { menu: { "1": en } }` | offers each language in itself; silence chooses the first | |
//! | `say`, `play` | prompts by name, one or a list; `interrupt: false` makes them firm | |
//! | `collect` | digits `into` a variable; secret unless `secret: false` | `no_input`, `no_match` |
//! | `menu` | one key; options with `text`, `if`, `repeat` | each option, `no_input`, `no_match`, `empty` |
//! | `confirm` | 1 = `yes`, 2 = `no` | `yes`, `no`, `no_input`, `no_match` |
//! | `identify` | an ID; unknown ones go the same way | `no_input`, `no_match` |
//! | `auth` | factors `pin`, `questions`; judged together | `failed`, `locked`, `no_input` |
//! | `choose_targets`, `choose_computer` | one or all; not asked where there is one | `none`, `no_input`, `no_match` |
//! | `operation: reset` | one new password on `targets` | `partial`, `failed`, `unknown` |
//! | `operation: unlock` | `targets: all_locked` or a variable | `none`, `partial`, `failed` |
//! | `operation: disk_code` | the code of a `computer` | `failed` |
//! | `speak_secret` | parts, spelling, keys 1 7 0 `*` `#`, `confirm` | `unconfirmed` |
//! | `list: $result` or `$result.failed` | what became of it, per system | |
//! | `ticket`, `audit` | notes; nobody waits for them, and they stop no call | |
//! | `if` / `then` / `else`, `label`, `goto`, `hangup` | the way | `then`, `else` |
//! | `echo_keys` | the line test | |
//!
//! `on:` at flow level: `hangup`, `error`, `call_limit`, `session_over` (blocks that end the call), `no_input` and
//! `no_match` (for every step without its own), `keys` (one key that leads away from steps of some kinds).
//!
//! # What holds in every call
//!
//! * Keys are secret except in `language`, `menu`, `confirm`, `choose_*`, `echo_keys` and a `collect` that says so.
//! * Keys that interrupt a prompt, and keys pressed while a query runs, go to the next question; keys during a firm
//!   prompt are dropped, and so is everything typed ahead when an input was wrong.
//! * A password that the store handed out is reported as heard or as unheard, exactly once, whatever happens to the
//!   call; only keying its digits back counts as heard.
//! * A query that takes longer than 1 s is bridged by words, after 30 s it counts as failed.
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
