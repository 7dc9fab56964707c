//! Sockets and the loops that drive the engine.
//!
//! One task owns [`passline_engine::Control`], one thread per shard owns a [`passline_engine::MediaShard`] and the RTP
//! sockets of its calls. Everything between them is a bounded or naturally bounded queue. Nothing here knows what a
//! flow means.

// Only `packet_io`, `media_thread` and `prefetch` have any.
#![deny(unsafe_code)]

mod allow;
mod api;
mod bind;
mod capture;
mod clock;
mod command;
mod connections;
mod control;
mod datagram;
mod dial;
mod dns;
mod figures;
mod gate;
mod guard;
mod handshakes;
mod media;
mod media_capture;
mod media_sockets;
mod media_thread;
mod outbox;
#[allow(unsafe_code)]
mod packet_io;
mod places;
mod prefetch;
mod resolve;
mod settings;
mod shard_metrics;
mod sip_udp;
mod start;
mod stream;
mod tls;

pub use api::{
    Ban, Captured, Command, Counters, DialRequest, Handle, Load, NetConfig, NetError, NetEvent, Queues,
};
pub use figures::Figures;
pub use media_capture::{CapturedMedia, MediaFeed, MediaTap, media_capture};
pub use packet_io::{PacketIoKind, send_whole};
pub use prefetch::prefetch;
pub use settings::{DnsConfig, GuardConfig, MediaThreads, OwnCertificate, Rate, TlsConfig, TlsPeer};
pub use shard_metrics::{ShardMetrics, TICK_BOUNDS_US, TimeHistogram, TimesSeen, UNOPENED};
pub use start::start;
