//! Telephone-event packets (RFC 4733): receiving and sending.

mod sender;

pub use sender::{EventPacket, EventSender};
