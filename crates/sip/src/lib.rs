//! SIP messages, transactions, dialogs and user agent; bytes in, bytes out.
//!
//! [`UserAgent`] is a pure machine: it is handed octets and the time, and hands back octets, events and the next
//! deadline. It knows nothing of SDP, RTP, sockets or a runtime. The message layer stands on raw bytes of its own
//! making, because it meets the open network (see [`message`]).
#![forbid(unsafe_code)]

mod account;
mod api;
pub mod auth;
mod config;
mod debug;
mod dialog;
mod invite;
pub mod message;
pub mod transaction;
mod ua;

pub use account::{
    Account, Algorithm, AskId, Binding, Credentials, Registration, RegistrationId, RegistrationState,
    UnboundCause,
};
pub use api::{
    CallHandle, CallPolicy, Command, Direction, EndCause, Event, Flow, IncomingCall, Input, Output,
    Refresher, Rel100, SessionPolicy, Trace, Transport, Warning,
};
pub use config::{Config, Listener};
pub use invite::{Invite, REDIRECTIONS};
pub use ua::UserAgent;
