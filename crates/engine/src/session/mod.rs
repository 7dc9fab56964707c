//! One call: the only place that knows a dialog and a stream. Holds ids, not references.

mod bridged;
mod flow;
mod incoming;
mod leg;
mod media;
mod record;
mod secure;
mod terms;

pub(crate) use bridged::{BridgedSide, Placing};
pub(crate) use incoming::{Arrival, Target, reject};
pub(crate) use terms::Terms;

use crate::core::Core;
use crate::{Diagnosis, Direction, LegId, MediaEvent};
use media::Media;
use passline_flow::Flow;
use passline_identity::{Answer, CallId};
use passline_sip::{CallHandle, Event};
use record::Draft;
use std::time::Instant;

/// Where the dialog stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialog {
    /// Waiting for RTP sockets; nothing of ours was said in SIP yet.
    Fresh,
    /// Incoming: 200 has gone. Outgoing: the INVITE has gone.
    Pending,
    /// ACK came or went.
    Confirmed,
    /// We hung up; the user agent winds up.
    Leaving,
    /// Over.
    Over,
}

/// Who steers the call.
pub(crate) enum Side {
    /// A flow.
    Flow(Box<FlowSide>),
    /// Somebody outside.
    Leg(LegSide),
    /// The other half of a call put through.
    Bridged(BridgedSide),
}

pub(crate) struct FlowSide {
    flow: Option<Flow>,
    started: bool,
    /// The phrase being said.
    speaking: Option<u32>,
    /// The first phrase was said.
    spoke: bool,
    /// The flow is done with the call: hang up then.
    leave_at: Option<Instant>,
    /// Keys are not for anyone's eyes; so until the flow says otherwise.
    secret: bool,
    /// User part of From.
    caller: String,
}

pub(crate) struct LegSide {
    leg: LegId,
    uri: String,
    from: String,
    path: passline_sip::Flow,
    tap: bool,
    credentials: Option<passline_sip::Credentials>,
}

/// One call.
pub(crate) struct Session {
    pub(crate) handle: CallHandle,
    pub(crate) call: CallId,
    pub(crate) sip_call_id: String,
    side: Side,
    dialog: Dialog,
    media: Media,
    draft: Draft,
    transport: passline_sip::Transport,
    /// Its Call-ID is known to the ladder.
    pub(crate) listed: bool,
    /// We have credentials for this peer's challenges.
    credentials: bool,
    /// When the session itself must act: set-up, longest call, or end of wind-up.
    timer: Option<Instant>,
}

impl Session {
    /// Next instant at which [`timer`](Self::timer) must be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let (flow, leave) = match &self.side {
            Side::Flow(side) => (side.flow.as_ref().and_then(Flow::deadline), side.leave_at),
            Side::Leg(_) | Side::Bridged(_) => (None, None),
        };
        [self.timer, flow, leave].into_iter().flatten().min()
    }

    /// Nothing is left: no dialog, no stream, no flow.
    pub(crate) fn is_over(&self) -> bool {
        let flow_over = match &self.side {
            Side::Flow(side) => side.flow.is_none(),
            Side::Leg(_) | Side::Bridged(_) => true,
        };
        self.dialog == Dialog::Over && self.media.is_closed() && flow_over
    }

    /// News from the user agent.
    pub(crate) fn event(&mut self, now: Instant, core: &mut Core, event: Event) {
        match event {
            Event::Confirmed { sdp, .. } => self.confirmed(now, core, sdp),
            Event::Reoffered { sdp, .. } => self.reoffered(now, core, sdp),
            Event::Info { content_type, body, .. } => self.info(now, core, &content_type, &body),
            Event::Reanswered { .. } => {}
            Event::Referred { to, replaces, .. } => self.referred(now, core, to, replaces),
            Event::ReferProgress { status, done, .. } => self.refer_progress(core, status, done),
            Event::Cancelled { .. } => {
                self.draft.outcome("cancelled");
                self.draft.cancelled(now);
                self.left(now, core);
            }
            Event::Bye { .. } => {
                self.draft.outcome(match self.draft.direction {
                    Direction::Incoming => "caller_left",
                    Direction::Outgoing => "callee_left",
                });
                self.left(now, core);
            }
            Event::Ringing { sdp, .. } => self.ringing(core, sdp),
            Event::Answered { sdp, .. } => self.answered(now, core, sdp),
            Event::Refused { status, reason, .. } => {
                self.diagnose_refusal(status, &reason);
                self.refused(core, status, reason);
            }
            Event::Ended { cause, .. } => self.ended(now, core, cause),
            Event::EarlyAnswer { .. } => {}
            Event::Incoming { .. } => {}
            // These are of no call.
            Event::Bound { .. }
            | Event::Unbound { .. }
            | Event::AuthFailed { .. }
            | Event::Registration { .. }
            | Event::Asked { .. } => {}
        }
    }

    /// News from the shard.
    pub(crate) fn media(&mut self, now: Instant, core: &mut Core, event: MediaEvent) {
        match event {
            MediaEvent::Digit { press, .. } => {
                self.draft.digit_ledger.press(&press);
                self.digit(now, core, press);
            }
            MediaEvent::DigitEnd { end, .. } => self.draft.digit_ledger.end(&end),
            MediaEvent::PlayFinished { number, .. } => self.played(now, core, number),
            // Before the ACK nobody need have spoken; the user agent gives up by itself.
            MediaEvent::Silent { .. } if self.dialog != Dialog::Confirmed => {}
            MediaEvent::Silent { .. } => {
                self.draft.outcome("media_timeout");
                self.draft.silent(core.config.media_timeout);
                self.hang_up(now, core, Some("no media"));
            }
            MediaEvent::Closed { statistics, foreign, foreign_source, srtp, .. } => {
                self.draft.media(*statistics, foreign, foreign_source);
                self.draft.srtp = srtp;
                self.media.closed(now, core);
            }
        }
    }

    /// The answer to a query of the flow.
    pub(crate) fn answer(&mut self, now: Instant, core: &mut Core, number: u32, answer: Answer) {
        core.trace(now, Some(&self.call), || crate::TraceKind::Answer(flow::answer_name(&answer)));
        self.drive(now, core, passline_flow::Input::Answer(number, answer));
    }

    /// The deadline has come.
    pub(crate) fn timer(&mut self, now: Instant, core: &mut Core) {
        if self.timer.is_some_and(|at| at <= now) {
            self.timer = None;
            match self.dialog {
                Dialog::Over | Dialog::Leaving => self.abandon_flow(now, core),
                Dialog::Fresh | Dialog::Pending => {
                    self.draft.outcome("setup_timeout");
                    self.draft.diagnose(match self.calls_out() {
                        true => Diagnosis::NotAnswered { callee: self.draft.to.clone() },
                        false => Diagnosis::SetupTimeout,
                    });
                    self.hang_up(now, core, None);
                }
                Dialog::Confirmed => {
                    self.draft.outcome("too_long");
                    self.draft.diagnose(Diagnosis::TooLong { limit: core.config.max_call });
                    self.hang_up(now, core, Some("longest call reached"));
                }
            }
        }
        self.leave_if_due(now, core);
        self.drive_timer(now, core);
    }

    /// Ends the call from our side.
    pub(crate) fn hang_up(&mut self, now: Instant, core: &mut Core, reason: Option<&str>) {
        match self.dialog {
            Dialog::Leaving | Dialog::Over => return,
            Dialog::Fresh if self.calls_out() => {
                // No INVITE has left: the user agent does not know the call.
                self.ended(now, core, passline_sip::EndCause::LocalHangUp);
                return;
            }
            Dialog::Fresh | Dialog::Pending | Dialog::Confirmed => {}
        }
        self.dialog = Dialog::Leaving;
        core.sip(now, passline_sip::Command::HangUp { call: self.handle, reason: reason.map(str::to_owned) });
        self.left(now, core);
    }

    /// One side has left: media ends, the flow winds up.
    fn left(&mut self, now: Instant, core: &mut Core) {
        if self.dialog != Dialog::Over {
            self.dialog = Dialog::Leaving;
        }
        self.tell_left(core);
        self.draft.end(now);
        self.media.close(now, core);
        self.wind_up(now, core);
    }

    /// The dialog is over.
    fn ended(&mut self, now: Instant, core: &mut Core, cause: passline_sip::EndCause) {
        if self.dialog == Dialog::Over {
            return;
        }
        self.draft.cause(cause, self.transport);
        self.left(now, core);
        self.dialog = Dialog::Over;
        if let Side::Leg(side) = &self.side {
            core.leg(side.leg, crate::LegEvent::Ended(cause));
        }
    }

    /// Whether we placed this call.
    fn calls_out(&self) -> bool {
        self.draft.direction == Direction::Outgoing
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test's epoch
pub(crate) fn tests_epoch() -> Instant {
    Instant::now()
}
