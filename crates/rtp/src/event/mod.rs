//! Telephone-event packets (RFC 4733): receiving and sending.

mod detector;
mod name;
mod packet;
mod press;
mod sender;

pub(crate) use detector::EventDetector;
pub use name::EventName;
pub use packet::EventPayload;
pub(crate) use press::EventReport;
pub use sender::{EventPacket, EventSender};
