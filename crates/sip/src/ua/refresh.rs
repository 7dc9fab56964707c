//! The session timer of a call at work: refreshes, and the end of dead calls (RFC 4028 §7.4, §10).

use super::call::Phase;
use super::session::{Session, granted, min_se};
use super::{Purpose, UserAgent};
use crate::message::Message;
use crate::{CallHandle, EndCause};
use std::time::{Duration, Instant};

impl UserAgent {
    pub(super) fn session_timer(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(session) = call.session.as_mut() else { return };
        if session.expires <= now {
            return match call.phase {
                // It begins with the ACK.
                Phase::Incoming | Phase::Accepted | Phase::Calling | Phase::Cancelling => call.session = None,
                _ => self.send_bye(now, handle, Some("Session Timer Expired"), EndCause::Expired),
            };
        }
        if session.refresh.is_some_and(|at| at <= now) {
            session.refresh = None;
            if call.phase == Phase::Confirmed {
                self.refresh(now, handle);
            }
        }
    }

    /// UPDATE without a body where the peer takes it, else a re-INVITE with the last description unchanged.
    fn refresh(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if call.peer_updates {
            let extras = self.refresh_extras(handle);
            self.send_inside(now, handle, "UPDATE", extras, "", &[], Purpose::Refresh(handle));
        } else if !self.refresh_by_invite(now, handle) {
            self.refresh_later(now, handle);
        }
    }

    fn refresh_later(&mut self, now: Instant, handle: CallHandle) {
        if let Some(session) = self.calls.get_mut(&handle).and_then(|c| c.session.as_mut()) {
            session.later(now);
        }
    }

    /// The final response to our UPDATE without a body; 408 and 481 are dealt with before.
    pub(super) fn refresh_answered(
        &mut self,
        now: Instant,
        handle: CallHandle,
        message: &Message<'_>,
        code: u16,
    ) {
        let Some(call) = self.calls.get_mut(&handle).filter(|c| c.phase == Phase::Confirmed) else { return };
        let Some(session) = call.session.as_mut() else { return };
        match code {
            200..=299 => {
                let asked = session.terms.interval.max(call.min_se);
                call.session = granted(message, Some(asked)).map(|terms| Session::start(now, terms));
                let contact = super::incoming::contact_uri(message).ok().flatten();
                if let (Some(dialog), Some(contact)) = (call.dialog.as_mut(), contact) {
                    dialog.target = contact;
                }
            }
            422 => {
                let least = min_se(message);
                let raised = least > call.min_se.max(session.terms.interval);
                call.min_se = call.min_se.max(least);
                if raised {
                    session.refresh = Some(now + Duration::from_secs(1));
                } else {
                    session.later(now);
                }
            }
            // The peer takes no UPDATE after all.
            405 | 501 => {
                call.peer_updates = false;
                session.refresh = Some(now);
            }
            491 => session.refresh = Some(now + Duration::from_secs(2)),
            _ => session.later(now),
        }
        self.reschedule_call(handle);
    }
}
