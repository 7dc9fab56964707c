//! Ends of calls: our BYE and CANCEL, lost ACKs, session timers, and the last event.

use super::call::{Owed, Phase};
use super::request::Extra;
use super::{Owner, Purpose, UserAgent};
use crate::dialog::Dialog;
use crate::transaction::{T1, T2};
use crate::{CallHandle, EndCause, Event};
use std::time::Instant;

impl UserAgent {
    pub(super) fn hang_up(&mut self, now: Instant, handle: CallHandle, reason: Option<String>) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        match call.phase {
            Phase::Incoming => {
                if self.reject_invite(now, handle, 603, None, None, None) {
                    self.end(handle, EndCause::LocalHangUp);
                }
            }
            // The callee must not send BYE before the ACK (RFC 3261 §15).
            Phase::Accepted => call.hang_up = Some(reason),
            Phase::Calling => {
                call.phase = Phase::Cancelling;
                if let Some(placed) = call.placed.as_mut() {
                    placed.reason = reason;
                }
                self.send_cancel(now, handle);
            }
            Phase::Confirmed if call.unacked.is_some() => call.hang_up = Some(reason),
            Phase::Confirmed => self.send_bye(now, handle, reason.as_deref(), EndCause::LocalHangUp),
            Phase::Cancelling | Phase::Closing(_) => {}
        }
    }

    /// Sends BYE; the call ends with `cause` when it is answered or given up.
    pub(super) fn send_bye(
        &mut self,
        now: Instant,
        handle: CallHandle,
        reason: Option<&str>,
        cause: EndCause,
    ) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let tag = call.local_tag.clone();
        call.phase = Phase::Closing(cause);
        call.unacked = None;
        call.session = None;
        let open = [call.pending.take(), call.reoffered.take()];
        let owed = call.owed.take();
        self.reschedule_call(handle);
        for id in open.into_iter().flatten() {
            self.respond_plain(now, id, 487, None, &tag, &[]);
        }
        // Without its answer, but a 2xx wants an ACK before the BYE.
        if let Some(Owed::Ack { client, cseq }) = owed {
            let tag =
                self.calls.get(&handle).and_then(|c| c.dialog.as_ref()).map(|d| d.id.remote_tag.clone());
            self.send_ack(handle, client, cseq, &tag.unwrap_or_default(), &[]);
        }
        self.send_inside(now, handle, "BYE", reason_extra(reason), "", &[], Purpose::Bye(handle));
    }

    /// Sends a request inside the call's dialog; the name of its client transaction.
    #[allow(clippy::too_many_arguments)] // one call site per method; a struct would only rename the list
    pub(super) fn send_inside(
        &mut self,
        now: Instant,
        handle: CallHandle,
        method: &str,
        extras: Vec<Extra>,
        content_type: &str,
        body: &[u8],
        purpose: Purpose,
    ) -> Option<u64> {
        let mut dialog = self.calls.get(&handle).and_then(|c| c.dialog.clone())?;
        let id = self.send_by(now, &mut dialog, method, extras, content_type, body, purpose);
        if let Some(kept) = self.calls.get_mut(&handle).and_then(|c| c.dialog.as_mut()) {
            kept.local_seq = dialog.local_seq;
        }
        Some(id)
    }

    /// Sends a request inside any dialog.
    #[allow(clippy::too_many_arguments)] // as above
    pub(super) fn send_by(
        &mut self,
        now: Instant,
        dialog: &mut Dialog,
        method: &str,
        extras: Vec<Extra>,
        content_type: &str,
        body: &[u8],
        purpose: Purpose,
    ) -> u64 {
        dialog.local_seq += 1;
        let path = self.outbound(dialog);
        let via = self.via(&path);
        let request = dialog.request(via, dialog.local_seq);
        let mut writer = request.writer(method);
        for extra in extras {
            extra.write(&mut writer);
        }
        if !self.config.user_agent.is_empty() {
            writer.header("User-Agent", &self.config.user_agent);
        }
        let bytes = writer.finish_with(content_type, body);
        self.begin(now, path, request, method, bytes, purpose)
    }

    pub(super) fn send_info(&mut self, now: Instant, handle: CallHandle, content_type: &str, body: &[u8]) {
        if self.calls.get(&handle).is_some_and(|c| !matches!(c.phase, Phase::Closing(_) | Phase::Cancelling))
        {
            self.send_inside(now, handle, "INFO", Vec::new(), content_type, body, Purpose::Info(handle));
        }
    }

    /// The last word on a call: forgets it and says so.
    pub(super) fn end(&mut self, handle: CallHandle, cause: EndCause) {
        self.end_at(None, handle, cause);
    }

    /// As [`end`](Self::end); with the time, a referrer that still waits for news goes on getting it.
    pub(super) fn end_at(&mut self, now: Option<Instant>, handle: CallHandle, cause: EndCause) {
        let Some(mut call) = self.calls.remove(&handle) else { return };
        self.referrals_end(now, handle, &mut call);
        // An INVITE of ours that only has been promised an answer would wait for it without end.
        let open = [call.offering.client(), call.placed.as_ref().map(|p| p.client)];
        if let Some(now) = now {
            open.into_iter().flatten().for_each(|id| self.cancel_client(now, id, None));
        }
        if let Some(dialog) = call.dialog {
            self.dialogs.remove(&dialog.id);
        }
        if let Some(id) = call.reoffered {
            self.forget_server(id);
        }
        self.schedule.set(Owner::Call(handle), None);
        self.event(Event::Ended { call: handle, cause });
    }

    pub(super) fn call_timer(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if let Some(unacked) = call.unacked.as_mut() {
            let repeat = &mut unacked.repeat;
            if repeat.end <= now {
                // RFC 3261 §13.3.1.4: the dialog stands, but the session should end.
                let cause =
                    if call.hang_up.take().is_some() { EndCause::LocalHangUp } else { EndCause::NoAck };
                self.send_bye(now, handle, None, cause);
                if cause == EndCause::NoAck {
                    self.end_at(Some(now), handle, cause);
                }
                return;
            }
            if repeat.next <= now {
                repeat.interval = (repeat.interval * 2).min(T2);
                repeat.next = now + repeat.interval;
                let (path, fallback, bytes) = (repeat.path, repeat.fallback, repeat.bytes.clone());
                self.send_back(path, fallback, bytes);
            }
        }
        self.reliable_timer(now, handle);
        self.offering_timer(now, handle);
        self.refer_timer(now, handle);
        self.session_timer(now, handle);
        self.failover_timer(now, handle);
        self.trying_timer(now, handle);
        // Whatever was due has been dealt with; a machine that forgot to say so must not hold up all the others.
        let at = self.calls.get(&handle).and_then(|call| call.deadline());
        self.schedule.set(Owner::Call(handle), at.map(|at| if at <= now { now + T1 } else { at }));
    }
}

/// Reason header (RFC 3326): the text of the layer above, which cannot break out of its quotes.
pub(super) fn reason_extra(reason: Option<&str>) -> Vec<Extra> {
    let value = |text: &str| format!("SIP;cause=200;text=\"{}\"", text.replace(['"', '\\'], "'"));
    reason.map(|text| Extra::must("Reason", value(text))).into_iter().collect()
}
