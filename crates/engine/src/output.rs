//! What [`Control`](crate::Control) wants from the shell.
use crate::{CallRecord, LegId, Probe, ShardCommand, StatusEvent, StreamId};
use passline_identity::{CallId, Query};
use passline_rtp::{Method, Press};
use passline_sip::EndCause;
use std::time::Instant;

/// What the control machine wants.
#[must_use]
pub enum ControlOutput {
    /// Send, connect or close on the SIP sockets. Never `Event` or `Trace`.
    Sip(passline_sip::Output),
    /// Bind `port` (RTP) and `port + 1` (RTCP) for a stream; answer with `PortOpened` or `PortFailed`.
    OpenPort {
        /// For which stream; the sockets go with it to its shard.
        stream: StreamId,
        /// Even UDP port.
        port: u16,
        /// Streams of other calls on the same shard may use it too; those after the first find it open.
        shared: bool,
    },
    /// Close a port that was shared: its last stream is gone.
    CloseShared {
        /// Whose it was.
        shard: u16,
        /// Its even number.
        port: u16,
    },
    /// Close the sockets of a stream that never got as far as its shard.
    ClosePort(StreamId),
    /// For a shard.
    Shard {
        /// Which shard.
        shard: usize,
        /// What.
        command: ShardCommand,
    },
    /// A flow asks the identity side; answer with [`ControlInput::Answer`](crate::ControlInput::Answer).
    Ask {
        /// Which call.
        call: CallId,
        /// User part of the caller's From (not trusted).
        caller: String,
        /// Comes back in the answer.
        number: u32,
        /// What.
        query: Query,
    },
    /// A call came in and was taken.
    CallStarted {
        /// Its name.
        call: CallId,
        /// User part of the caller's From (not trusted).
        from: String,
        /// Number dialled.
        to: String,
    },
    /// A call is over: dialog, stream and flow.
    Record(Box<CallRecord>),
    /// News of a call placed by `Dial`.
    Leg {
        /// Which.
        leg: LegId,
        /// What.
        event: LegEvent,
    },
    /// Find the addresses of a URI (RFC 3263); answer with [`ControlInput::Resolved`](crate::ControlInput::Resolved).
    Resolve {
        /// Comes back in the answer.
        id: u64,
        /// E.g. `sip:pbx.example.org;transport=tls`.
        uri: String,
        /// Prescribed protocol; else as the URI and DNS say.
        transport: Option<passline_sip::Transport>,
    },
    /// The answer to [`ControlInput::Probe`](crate::ControlInput::Probe).
    Probed {
        /// Which question.
        id: u64,
        /// What came of it.
        probe: Box<Probe>,
    },
    /// News of trunks, registrations and devices.
    Status(StatusEvent),
    /// For demo and tests; only with [`EngineConfig::trace`](crate::EngineConfig::trace).
    Trace(Trace),
    /// After `Drain`: no call is left.
    Drained,
}

/// News of an outgoing call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// The INVITE is under way; this stream carries its media.
    Trying(StreamId),
    /// It rings.
    Ringing,
    /// It was answered.
    Answered {
        /// Codec name, e.g. `PCMU`.
        codec: &'static str,
        /// Whether the callee takes telephone-event.
        events: bool,
    },
    /// It was refused, or could not be placed.
    Refused {
        /// SIP status; 0 if no INVITE left.
        status: u16,
        /// Why, in one sentence.
        reason: String,
    },
    /// A digit from the callee.
    Digit(Press),
    /// A script given by `Play` has been played to its end.
    Played,
    /// How a transfer goes: SIP status as the callee reports it.
    Transferred {
        /// 1xx: under way; 2xx: done; else: failed.
        status: u16,
    },
    /// The call is over; the last event (also after `Refused`).
    Ended(EndCause),
}

/// Something that a watcher of a call wants to see. Digits that are secret are masked before they get here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// When.
    pub at: Instant,
    /// In which call; `None` for SIP messages outside calls.
    pub call: Option<CallId>,
    /// What.
    pub what: TraceKind,
}

/// Kinds of trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceKind {
    /// A SIP message came in.
    SipIn {
        /// Request or status line.
        first_line: String,
        /// CSeq, e.g. `1 INVITE`.
        cseq: String,
        /// Call-ID.
        call_id: String,
    },
    /// A SIP message went out.
    SipOut {
        /// Request or status line.
        first_line: String,
        /// CSeq, e.g. `1 INVITE`.
        cseq: String,
        /// Call-ID.
        call_id: String,
    },
    /// A phrase began: language and prompt ids, secrets replaced by `secret`.
    Spoken {
        /// Language folder.
        language: String,
        /// Prompt ids.
        log: String,
    },
    /// A phrase was stopped or replaced before its end.
    Interrupted,
    /// A digit was heard.
    Digit {
        /// The key, or `•` where keys are secret.
        shown: char,
        /// How it came.
        method: Method,
    },
    /// The flow entered a step.
    Step(String),
    /// The flow asked the identity side: the query's name.
    Query(&'static str),
    /// And got this: the answer's name.
    Answer(&'static str),
}
