//! One call joined: user agent, media streams and flows, as two machines without sockets, clock or runtime.
//!
//! [`Control`] holds the SIP user agent, one session per call and the flows. [`MediaShard`] holds the RTP streams and
//! moves them on a frame clock. They meet only by plain data: [`ShardCommand`] one way, [`MediaEvent`] the other, so
//! that a shell may run each in a task of its own and a replay may run both in virtual time.
#![forbid(unsafe_code)]

mod bridge;
mod config;
mod control;
mod core;
mod diagnosis;
mod id;
mod info;
mod input;
mod ledger;
mod output;
mod policy;
mod ports;
mod probe;
mod record;
mod session;
mod shard;
mod shared;
mod slots;
mod status;
mod trunk;

pub use config::EngineConfig;
pub use control::Control;
pub use diagnosis::{Blame, Diagnosis};
pub use id::{LegId, StreamId};
pub use info::parse as parse_info;
pub use input::{ControlInput, Dial, LegCommand};
pub use ledger::{DigitLedger, PressEvidence};
pub use output::{ControlOutput, LegEvent, Trace, TraceKind};
pub use policy::{Device, Policy, Reach, Route};
pub use ports::PortPool;
pub use probe::{Probe, ProbeAnswer, ProbeRequest};
pub use record::{CallRecord, Direction, Identity, IdentitySource, LadderLine};
pub use shard::{
    Channel, MediaEvent, MediaShard, OpenStream, PACKET, PacketSink, Received, ShardCommand, ShardConfig,
};
pub use status::{
    Census, DeviceStatus, LiveCall, RegistrationStatus, Snapshot, StatusEvent, TrunkState, TrunkStatus,
};
pub use trunk::{Dtmf, RegisterTerms, Rewrite, Trunk, TrunkAuth};

// The vocabulary of this crate's own interface, so that the shell need depend on nothing else.
pub use passline_flow as flow;
pub use passline_identity as identity;
pub use passline_prompt as prompt;
pub use passline_rtp as rtp;
pub use passline_sdp::Encryption;
pub use passline_sip as sip;
