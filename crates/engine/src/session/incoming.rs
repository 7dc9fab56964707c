//! A call that comes in: taken at once, spoken to when its ACK has come.
use super::record::Draft;
use super::{Dialog, FlowSide, Session, Side};
use crate::core::Core;
use crate::session::media::Media;
use crate::{ControlOutput, Direction};
use passline_flow::{CallContext, Flow, FlowId};
use passline_identity::CallId;
use passline_sip::{CallHandle, Command, EndCause, IncomingCall};
use std::sync::Arc;
use std::time::Instant;

/// Seconds after which a caller that found us full may try again.
const RETRY_AFTER: u32 = 10;

/// Says no to an INVITE for which there is no session.
pub(crate) fn refuse(now: Instant, core: &mut Core, call: CallHandle, status: u16) {
    core.sip(
        now,
        Command::Reject { call, status, reason: None, retry_after: (status == 503).then_some(RETRY_AFTER) },
    );
}

impl Session {
    /// Takes a call for a flow, or refuses it.
    pub(crate) fn incoming(
        now: Instant,
        core: &mut Core,
        handle: CallHandle,
        call: CallId,
        flow: FlowId,
        info: IncomingCall,
    ) -> Option<Session> {
        let signalling = info.path.remote.ip();
        let inband = core.config.inband;
        let Some(mut media) = Media::new(now, core, handle, signalling, true, inband) else {
            refuse(now, core, handle, 503);
            return None;
        };
        if let Some(offer) = &info.sdp
            && let Err(refusal) = media.answer(offer)
        {
            media.close(now, core);
            core.sip(
                now,
                Command::Reject { call: handle, status: refusal.status, reason: None, retry_after: None },
            );
            return None;
        }
        let context = CallContext {
            call: call.clone(),
            dialled: info.number.clone(),
            languages: core.languages.clone(),
        };
        let rng = core.draw_rng();
        let flow = Flow::new(Arc::clone(&core.program), flow, context, rng);
        core.push(ControlOutput::CallStarted {
            call: call.clone(),
            from: info.from_user.clone(),
            to: info.number.clone(),
        });
        Some(Session {
            handle,
            call,
            sip_call_id: info.call_id,
            side: Side::Flow(Box::new(FlowSide {
                flow: Some(flow),
                started: false,
                speaking: None,
                spoke: false,
                leave_at: None,
                secret: true,
                caller: info.from_user.clone(),
            })),
            dialog: Dialog::Fresh,
            media: media.with_offer(info.sdp),
            draft: Draft::new(
                now,
                Direction::Incoming,
                info.from_user,
                info.number,
                info.path.remote,
                info.user_agent,
            ),
            timer: Some(now + core.config.setup_timeout),
        })
    }

    /// The sockets stand: 200.
    pub(super) fn accept(&mut self, now: Instant, core: &mut Core) {
        if self.dialog != Dialog::Fresh {
            return;
        }
        let sdp = match self.media.take_offer() {
            None => self.media.offer(),
            Some(offer) => match self.media.answer(&offer) {
                Ok(answer) => answer,
                Err(refusal) => return self.reject(now, core, refusal.status, None),
            },
        };
        self.dialog = Dialog::Pending;
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
            Dialog::Pending if !self.is_leg() => {}
            _ => return,
        }
        self.dialog = Dialog::Confirmed;
        self.draft.answered(now);
        self.timer = Some(now + core.config.max_call);
        if self.media.awaits_answer() {
            let accepted = sdp.is_some_and(|sdp| self.media.accept(&sdp).is_ok());
            if !accepted {
                self.draft.outcome("no_media");
                return self.hang_up(now, core, Some("no usable answer in ACK"));
            }
            self.media.open(core, true, false);
        } else {
            self.media.enable(core);
        }
        self.draft.codec = Some(self.media.codec().info().name);
        self.start_flow(now, core);
    }
}
