//! Sockets and the loops that drive the engine.
//!
//! One task owns [`passline_engine::Control`], one task per shard owns a [`passline_engine::MediaShard`] and the RTP
//! sockets of its calls. Everything between them is a bounded or naturally bounded queue. Nothing here knows what a
//! flow means.

mod api;

pub use api::{Command, DialRequest, Handle, NetConfig, NetError, NetEvent, start};
