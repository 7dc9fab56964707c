//! What all sessions share: user agent, ports, slots, prompts, the way out.
use crate::shared::SharedPorts;
use crate::slots::Slots;
use crate::{ControlOutput, EngineConfig, LegEvent, LegId, PortPool, Trace, TraceKind};
use passline_flow::Program;
use passline_identity::CallId;
use passline_prompt::Library;
use passline_rtp::Press;
use passline_sip::{CallHandle, Command, UserAgent};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Everything of [`Control`](crate::Control) but its sessions; handed to a session while it moves.
pub(crate) struct Core {
    pub(crate) config: EngineConfig,
    pub(crate) sip: UserAgent,
    pub(crate) program: Arc<Program>,
    pub(crate) library: Arc<Library>,
    pub(crate) languages: Vec<String>,
    pub(crate) ports: PortPool,
    pub(crate) shared: SharedPorts,
    pub(crate) slots: Slots,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) outputs: VecDeque<ControlOutput>,
    /// What sessions have to tell whoever joins them.
    pub(crate) notices: VecDeque<(CallHandle, Notice)>,
}

/// What a session tells [`Control`](crate::Control) about the call that it is part of.
pub(crate) enum Notice {
    /// An incoming leg has its sockets.
    Ready,
    /// An outgoing leg rings.
    Ringing,
    /// An outgoing leg was answered; its stream is open.
    Answered,
    /// The ACK of an incoming leg came.
    Confirmed,
    /// An outgoing leg was refused.
    Refused {
        /// SIP status; 0 if no INVITE left.
        status: u16,
    },
    /// One side has left; nothing more comes of this session.
    Left,
    /// A key.
    Digit(Press),
    /// The peer asks us to call somebody else.
    Referred {
        /// URI.
        to: String,
        /// Raw Replaces.
        replaces: Option<String>,
    },
    /// The peer tells how it fares with our REFER.
    Progress {
        /// SIP status.
        status: u16,
        /// The last news.
        done: bool,
    },
    /// A flow hands its caller over.
    Transfer {
        /// Number.
        to: String,
    },
}

impl Core {
    pub(crate) fn sip(&mut self, now: Instant, command: Command) {
        self.sip.handle(now, passline_sip::Input::Command(command));
    }

    pub(crate) fn notice(&mut self, from: CallHandle, notice: Notice) {
        self.notices.push_back((from, notice));
    }

    pub(crate) fn push(&mut self, output: ControlOutput) {
        self.outputs.push_back(output);
    }

    pub(crate) fn leg(&mut self, leg: LegId, event: LegEvent) {
        self.push(ControlOutput::Leg { leg, event });
    }

    pub(crate) fn trace(&mut self, at: Instant, call: Option<&CallId>, what: impl FnOnce() -> TraceKind) {
        if self.config.trace {
            self.outputs.push_back(ControlOutput::Trace(Trace { at, call: call.cloned(), what: what() }));
        }
    }

    /// A name for a new call: 16 hexadecimal digits.
    pub(crate) fn draw_call(&mut self) -> CallId {
        CallId(format!("{:016x}", self.rng.next_u64()))
    }

    /// A generator of its own for a part that must not see the draws of the others.
    pub(crate) fn draw_rng(&mut self) -> ChaCha20Rng {
        ChaCha20Rng::from_rng(&mut self.rng)
    }
}
