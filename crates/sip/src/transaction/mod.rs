//! Transactions (RFC 3261 §17 with RFC 6026): small machines that know states and timers, not messages.

mod client;
mod key;
mod schedule;
mod server;

pub use client::{ClientStep, ClientTransaction};
pub use key::{client_key, merge_key, server_key};
pub use schedule::Schedule;
pub use server::{ServerStep, ServerTransaction};

use std::time::Duration;

/// Round-trip time estimate (RFC 3261 §17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// Longest retransmission interval of non-INVITE requests and INVITE responses.
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network.
pub const T4: Duration = Duration::from_secs(5);
/// 64*T1: timers B, F, H, J, L, M, and the patience of a 2xx without ACK.
pub const T1X64: Duration = Duration::from_secs(32);
/// Timer D over UDP: at least 32 s.
pub const TIMER_D: Duration = Duration::from_secs(32);

/// What kind of request began the transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// INVITE: three-way.
    Invite,
    /// Anything else: two-way.
    NonInvite,
}
