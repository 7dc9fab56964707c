//! A call that comes in: taken at once, spoken to when its ACK has come.
use super::bridged::BridgedSide;
use super::record::Draft;
use super::{Dialog, FlowSide, Session, Side, Terms};
use crate::core::{Core, Notice};
use crate::session::media::Media;
use crate::{ControlOutput, Diagnosis, Direction, Identity};
use passline_flow::{CallContext, Flow, FlowId};
use passline_identity::CallId;
use passline_sip::{CallHandle, Command, EndCause, IncomingCall};
use std::sync::Arc;
use std::time::Instant;

/// Seconds after which a caller that found us full may try again.
const RETRY_AFTER: u32 = 10;

/// An INVITE with all that was found out about its sender.
pub(crate) struct Arrival {
    pub(crate) info: IncomingCall,
    /// The number dialled, after the trunk's rules.
    pub(crate) number: String,
    pub(crate) identity: Identity,
    pub(crate) diversions: Vec<String>,
    pub(crate) trunk: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) terms: Terms,
}

/// What an incoming call is connected with.
pub(crate) enum Target {
    /// A flow.
    Flow(FlowId),
    /// Another call of ours.
    Bridge,
}

/// Says no to an INVITE for which there is no session.
pub(crate) fn reject(now: Instant, core: &mut Core, call: CallHandle, status: u16, why: Option<&Diagnosis>) {
    let retry_after = (status == 503).then_some(RETRY_AFTER);
    let warning = why.and_then(Diagnosis::warning);
    core.sip(now, Command::Reject { call, status, reason: None, retry_after, warning });
}

impl Session {
    /// Takes a call, or says why not; then nothing has been answered yet.
    pub(crate) fn incoming(
        now: Instant,
        core: &mut Core,
        handle: CallHandle,
        call: CallId,
        arrival: &Arrival,
        target: Target,
        beside: Option<u16>,
    ) -> Result<Session, (u16, Diagnosis)> {
        let info = &arrival.info;
        let signalling = info.path.remote.ip();
        let (terms, offer) = (arrival.terms.clone(), info.sdp.as_deref());
        let Some(mut media) = Media::new(now, core, handle, signalling, terms, beside, offer) else {
            return Err((503, Diagnosis::NoPort));
        };
        if let Some(offer) = &info.sdp
            && let Err(refusal) = media.answer(core, offer)
        {
            media.close(now, core);
            return Err((refusal.status, Diagnosis::of_description(&refusal)));
        }
        core.push(ControlOutput::CallStarted {
            call: call.clone(),
            from: arrival.identity.shown().to_owned(),
            to: arrival.number.clone(),
        });
        let mut patience = core.config.setup_timeout;
        let public = matches!(&target, Target::Flow(flow) if core.program.is_public(*flow));
        let side = match target {
            Target::Flow(flow) => Side::Flow(Box::new(FlowSide::new(
                core,
                call.clone(),
                &arrival.number,
                arrival.caller(),
                flow,
            ))),
            Target::Bridge => {
                patience += core.config.ring_timeout;
                Side::Bridged(BridgedSide { invite: None })
            }
        };
        let mut draft = Draft::new(
            now,
            Direction::Incoming,
            arrival.identity.shown().to_owned(),
            arrival.number.clone(),
            info.path.remote,
            info.user_agent.clone(),
        );
        draft.identity = arrival.identity.clone();
        draft.diversions = arrival.diversions.clone();
        draft.trunk = arrival.trunk.clone();
        draft.account = arrival.account.clone();
        draft.via_hops = info.via_hops.saturating_sub(1);
        draft.max_forwards = info.max_forwards;
        Ok(Session {
            handle,
            call,
            sip_call_id: info.call_id.clone(),
            side,
            dialog: Dialog::Fresh,
            media: media.with_offer(info.sdp.clone()).public(public),
            draft,
            transport: info.path.transport,
            listed: false,
            credentials: false,
            timer: Some(now + patience),
        })
    }

    /// The sockets stand: 200.
    pub(super) fn accept(&mut self, now: Instant, core: &mut Core) {
        if self.dialog != Dialog::Fresh {
            return;
        }
        let sdp = match self.media.take_offer() {
            None => self.media.offer(core),
            Some(offer) => match self.media.answer(core, &offer) {
                Ok(answer) => answer,
                Err(refusal) => {
                    self.draft.diagnose(Diagnosis::of_description(&refusal));
                    return self.reject(now, core, refusal.status, None);
                }
            },
        };
        self.dialog = Dialog::Pending;
        if matches!(self.side, Side::Bridged(_)) {
            self.timer = Some(now + core.config.setup_timeout);
        }
        core.sip(now, Command::Accept { call: self.handle, sdp });
        // We listen from now on, but no packet leaves before the ACK: an INVITE's source may be forged.
        self.media.open(core, false, false);
    }

    /// Says no, after all.
    pub(super) fn reject(&mut self, now: Instant, core: &mut Core, status: u16, reason: Option<String>) {
        core.sip(
            now,
            Command::Reject {
                call: self.handle,
                status,
                reason,
                retry_after: (status == 503).then_some(RETRY_AFTER),
                warning: self.draft.diagnosis.as_ref().and_then(Diagnosis::warning),
            },
        );
        self.ended(now, core, EndCause::Rejected);
    }

    /// The ACK of our 200.
    pub(super) fn confirmed(&mut self, now: Instant, core: &mut Core, sdp: Option<Vec<u8>>) {
        match self.dialog {
            Dialog::Confirmed => {
                if self.media.awaits_answer()
                    && let Some(sdp) = sdp
                {
                    self.reanswered(core, &sdp);
                }
                return;
            }
            Dialog::Pending if !self.calls_out() => {}
            _ => return,
        }
        self.dialog = Dialog::Confirmed;
        self.draft.answered(now);
        self.timer = Some(now + core.config.max_call);
        if self.media.awaits_answer() {
            if let Err(why) = self.accept_answer(core, sdp) {
                self.draft.outcome("no_media");
                self.draft.diagnose(why);
                return self.hang_up(now, core, Some("no usable answer in ACK"));
            }
            self.media.open(core, true, false);
        } else {
            self.media.enable(core);
        }
        self.draft.codec = Some(self.media.codec().label());
        self.draft.encryption = self.media.encryption();
        match &self.side {
            Side::Bridged(_) => core.notice(self.handle, Notice::Confirmed),
            _ => self.start_flow(now, core),
        }
    }

    /// Takes the answer to our offer, or says what is wrong with it.
    pub(super) fn accept_answer(&mut self, core: &mut Core, sdp: Option<Vec<u8>>) -> Result<(), Diagnosis> {
        let sdp = sdp.ok_or_else(|| Diagnosis::NoAnswer { detail: "it had none".to_owned() })?;
        self.media.accept(core, &sdp).map_err(|refusal| Diagnosis::of_answer(&refusal))
    }
}

impl Arrival {
    /// Who calls, for the identity side.
    fn caller(&self) -> String {
        match self.identity.number.is_empty() {
            true => self.info.from_user.clone(),
            false => self.identity.number.clone(),
        }
    }
}

impl FlowSide {
    /// A flow that has not begun.
    pub(super) fn new(
        core: &mut Core,
        call: CallId,
        dialled: &str,
        caller: String,
        flow: FlowId,
    ) -> FlowSide {
        let context = CallContext { call, dialled: dialled.to_owned(), languages: core.languages.clone() };
        let rng = core.draw_rng();
        FlowSide {
            flow: Some(Flow::new(Arc::clone(&core.program), flow, context, rng)),
            started: false,
            speaking: None,
            spoke: false,
            leave_at: None,
            secret: true,
            caller,
        }
    }
}
