//! Runs the calls of a capture through the media engine in virtual time.
//!
//! A capture is read whole ([`capture`]), undone to datagrams and segments ([`decap`]), its SIP dialogs are followed
//! from outside ([`watch`]), and each RTP stream is run through [`passline_rtp::Stream`] on the frame clock that live
//! calls have ([`runner`]). Nothing depends on the speed of the machine: the same file gives the same report.
#![forbid(unsafe_code)]

pub mod capture;
pub mod decap;
mod payload;
mod plot;
mod report;
mod runner;
mod tcp;
mod track;
pub mod watch;

pub use plot::{Picture, Window};
pub use report::{CallReport, Options, Report, StreamReport, replay, replay_drawn};
pub use runner::{Counts, HeardDigit, Ledger};
