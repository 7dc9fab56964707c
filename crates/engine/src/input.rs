//! What goes into [`Control`](crate::Control).
use crate::{EngineConfig, LegId, MediaEvent, ProbeRequest, StreamId};
use passline_flow::Program;
use passline_identity::{Answer, CallId};
use passline_prompt::{Library, Script};
use passline_rtp::{Digit, Method};
use passline_sdp::Encryption;
use std::sync::Arc;

/// What happens to the control machine.
pub enum ControlInput<'a> {
    /// From the SIP sockets. Not `Command`: calls are the sessions' business.
    Sip(passline_sip::Input<'a>),
    /// From a shard.
    Media(MediaEvent),
    /// The sockets of [`ControlOutput::OpenPort`](crate::ControlOutput::OpenPort) stand.
    PortOpened(StreamId),
    /// They could not be bound; another port will be asked for.
    PortFailed(StreamId),
    /// The answer to [`ControlOutput::Ask`](crate::ControlOutput::Ask).
    Answer {
        /// Which call asked.
        call: CallId,
        /// The query's number.
        number: u32,
        /// What came back.
        answer: Answer,
    },
    /// Place a call.
    Dial(Dial),
    /// Steer a call placed by `Dial`.
    Leg {
        /// Which.
        leg: LegId,
        /// What to do.
        command: LegCommand,
    },
    /// How busy the media shards are, measured: share of the time in which the least busy one was at work, percent. From
    /// [`EngineConfig::busy_limit`] on, new calls are refused, so that those in progress go on as they should.
    Load(u8),
    /// Take no new calls; [`ControlOutput::Drained`](crate::ControlOutput::Drained) comes when the last one is over.
    Drain,
    /// Hang up all calls (after `Drain`, when patience is over).
    HangUpAll,
    /// New calls use these; running ones keep what they began with.
    Reload {
        /// Flows.
        program: Arc<Program>,
        /// Prompts.
        library: Arc<Library>,
    },
    /// The answer to [`ControlOutput::Resolve`](crate::ControlOutput::Resolve).
    Resolved {
        /// Which question.
        id: u64,
        /// Paths in the order in which they are to be tried (RFC 3263 §4); empty: none.
        paths: Vec<passline_sip::Flow>,
        /// Why there is none, in a few words.
        reason: String,
    },
    /// Trunks, devices, routes, limits and times become these; calls go on. `sip` (but its accounts), `shards`,
    /// `shard_capacity` and `trace` stay as they were.
    Configure(Box<EngineConfig>),
    /// Ask a peer by OPTIONS; answered by [`ControlOutput::Probed`](crate::ControlOutput::Probed).
    Probe(ProbeRequest),
    /// The deadline has come.
    Timer,
}

/// An outgoing call.
#[derive(Clone, Debug)]
pub struct Dial {
    /// How it is named from now on.
    pub leg: LegId,
    /// Whom to call, e.g. `sip:5000@127.0.0.1:5060`.
    pub uri: String,
    /// Our own URI, e.g. `sip:demo@127.0.0.1`; a display name may precede it.
    pub from: String,
    /// The path by which the INVITE goes; the shell resolves the URI's host.
    pub path: passline_sip::Flow,
    /// Hand every received frame to [`PacketSink::heard`](crate::PacketSink::heard).
    pub tap: bool,
    /// Offer telephone-event.
    pub events: bool,
    /// Listen for tones in the callee's audio.
    pub inband: bool,
    /// Whether the audio is encrypted.
    pub srtp: Encryption,
    /// What answers challenges of the callee or of a proxy; without it they refuse the call.
    pub credentials: Option<passline_sip::Credentials>,
}

/// What the owner of an outgoing call may do.
#[derive(Debug)]
pub enum LegCommand {
    /// Press a key.
    Press {
        /// Which.
        digit: Digit,
        /// How long, in ms.
        duration_ms: u16,
        /// By which method. RFC 4733 falls back to inband when the callee does not take events.
        method: Method,
    },
    /// Play this in place of silence.
    Play(Script),
    /// BYE, or CANCEL before the answer.
    HangUp,
    /// Hand the callee over to somebody else, by REFER.
    Transfer {
        /// Whom to call, a URI.
        to: String,
    },
}
