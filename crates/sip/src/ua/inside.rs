//! Requests inside dialogs: ACK, BYE, re-INVITE, UPDATE, INFO, OPTIONS (RFC 3261 §12.2.2, §14.2; RFC 3311; RFC 6086).

use super::UserAgent;
use super::call::{Exchange, Phase};
use super::incoming::{contact_uri, sdp, timer_extras};
use super::request::{Extra, Request, allows_update, status};
use super::session::{Granted, Session, Wanted, grant};
use crate::dialog::DialogId;
use crate::message::multipart::{Body, media_type, session_description};
use crate::message::text::inert;
use crate::message::{Flaw, Method, Name};
use crate::{CallHandle, EndCause, Event};
use rand_core::Rng;
use std::time::Instant;

impl UserAgent {
    fn find_dialog(&self, request: &Request<'_>) -> Option<CallHandle> {
        let found = &request.found;
        let id = DialogId {
            call_id: found.call_id.clone(),
            local_tag: found.to_tag.clone(),
            remote_tag: found.from_tag.clone(),
        };
        self.dialogs.get(&id).copied()
    }

    pub(super) fn inside(&mut self, now: Instant, request: &Request<'_>) {
        let Some(handle) = self.find_dialog(request) else { return self.refuse(request, status(481), &[]) };
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(dialog) = call.dialog.as_mut() else { return };
        // A lower number is out of order; the same one is no retransmission, or its transaction would have taken it.
        if dialog.remote_seq.is_some_and(|seq| request.found.cseq <= seq) {
            return self.refuse(request, Flaw { status: 500, sentence: "CSeq Out Of Order" }, &[]);
        }
        let closing = matches!(call.phase, Phase::Closing(_));
        if closing && request.found.method != Method::Bye {
            return self.refuse(request, status(481), &[]);
        }
        dialog.remote_seq = Some(request.found.cseq);
        dialog.path = request.path;
        match request.found.method {
            Method::Prack => self.prack(now, request, handle),
            Method::Refer => self.referred(now, request, handle),
            Method::Notify => self.notified(now, request, handle),
            Method::Subscribe => self.subscribed(now, request, handle),
            Method::Bye => self.bye(now, request, handle),
            Method::Invite => self.reinvite(now, request, handle),
            Method::Update => self.update(now, request, handle),
            Method::Info => self.info(now, request, handle),
            _ => {
                self.agree(
                    now,
                    request,
                    handle,
                    &[Extra::must("Allow", super::ALLOW), Extra::must("Accept", super::ACCEPT)],
                );
            }
        }
    }

    /// ACK of a 2xx of ours.
    pub(super) fn ack(&mut self, now: Instant, request: &Request<'_>) {
        let Some(handle) = self.find_dialog(request) else { return };
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if call.unacked.take_if(|u| u.cseq == request.found.cseq).is_none() {
            return;
        }
        if call.phase == Phase::Accepted {
            call.phase = Phase::Confirmed;
            call.session = call.session.map(|session| Session::start(now, session.terms));
        }
        // A body that is not understood cannot be refused any more; the session then stands without an answer.
        // Where the offer was the peer's, a body in the ACK means nothing.
        let mut answer = None;
        if call.exchange == Exchange::Ours {
            call.exchange = Exchange::Idle;
            call.described = true;
            answer = session_description(request.message).ok().and_then(sdp);
            call.remote_sdp = answer.as_deref().map(super::offer::digest);
        }
        let hang_up = call.hang_up.take();
        self.reschedule_call(handle);
        if let Some(reason) = hang_up {
            return self.send_bye(now, handle, reason.as_deref(), EndCause::LocalHangUp);
        }
        self.event(Event::Confirmed { call: handle, sdp: answer });
        self.offer_next(now, handle);
        self.reschedule_call(handle);
    }

    fn bye(&mut self, now: Instant, request: &Request<'_>, handle: CallHandle) {
        if !self.agree(now, request, handle, &[]) {
            return;
        }
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let (phase, tag) = (call.phase, call.local_tag.clone());
        for id in [call.pending.take(), call.reoffered.take()].into_iter().flatten() {
            self.respond_plain(now, id, 487, None, &tag, &[]);
        }
        if let Phase::Closing(cause) = phase {
            return self.end_at(Some(now), handle, cause);
        }
        let reason = request.message.text(Name::Reason).map(|r| inert(&r));
        self.event(Event::Bye { call: handle, reason });
        self.end_at(Some(now), handle, EndCause::RemoteBye);
    }

    fn reinvite(&mut self, now: Instant, request: &Request<'_>, handle: CallHandle) {
        let Some(call) = self.calls.get(&handle) else { return };
        if call.reoffered.is_some() || call.pending.is_some() {
            return self.decline_later(now, request, handle);
        }
        // Glare (RFC 3261 §14.2): our own INVITE or offer is open. Also before the ACK of our 2xx (RFC 5407 §3.1.4).
        let glare = call.offering.is_active() || call.exchange != Exchange::Idle || call.owed.is_some();
        if glare || call.phase != Phase::Confirmed || call.unacked.is_some() {
            return self.decline(now, request, handle, status(491), &[]);
        }
        let Some((body, granted)) = self.read_offer(now, request, handle) else { return };
        self.offer_again(now, request, handle, body, granted);
    }

    fn update(&mut self, now: Instant, request: &Request<'_>, handle: CallHandle) {
        let Some((body, granted)) = self.read_offer(now, request, handle) else { return };
        if body == Body::None {
            let Some(id) = self.open_server(request, Some(handle)) else { return };
            self.refreshed(now, request, handle, granted);
            let dialog = self.calls.get(&handle).and_then(|c| c.dialog.as_ref());
            let target = dialog.map_or("", |d| d.target.as_str());
            let contact = self.contact_for(&request.path, target);
            let mut extras = vec![Extra::must("Contact", contact), Extra::must("Allow", super::ALLOW)];
            extras.extend(timer_extras(granted));
            return self.respond_plain(now, id, 200, None, "", &extras);
        }
        let Some(call) = self.calls.get(&handle) else { return };
        // RFC 3311 §5.2: 491 where our offer is open, 500 where the peer's is. Before the first answer theirs is.
        let ours = call.exchange == Exchange::Ours || call.offering.is_active();
        if ours {
            return self.decline(now, request, handle, status(491), &[]);
        }
        let first =
            matches!(call.phase, Phase::Incoming | Phase::Calling | Phase::Cancelling) && !call.described;
        if call.reoffered.is_some() || call.exchange == Exchange::Theirs || call.owed.is_some() || first {
            return self.decline_later(now, request, handle);
        }
        self.offer_again(now, request, handle, body, granted);
    }

    fn offer_again(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        handle: CallHandle,
        body: Body<'_>,
        granted: Option<Granted>,
    ) {
        let Some(id) = self.open_server(request, Some(handle)) else { return };
        if let Some(server) = self.servers.get_mut(&id) {
            server.granted = Some(granted);
            server.target = contact_uri(request.message).ok().flatten();
        }
        if let Some(call) = self.calls.get_mut(&handle) {
            call.peer_updates = call.peer_updates || allows_update(request.message);
        }
        if request.found.method == Method::Invite {
            self.respond_plain(now, id, 100, None, "", &[]);
        }
        self.offered(handle, id, sdp(body));
    }

    /// Body and session timer of a target refresh request; refuses what cannot be taken.
    fn read_offer<'m>(
        &mut self,
        now: Instant,
        request: &Request<'m>,
        handle: CallHandle,
    ) -> Option<(Body<'m>, Option<Granted>)> {
        let message = request.message;
        let call = self.calls.get(&handle)?;
        let (policy, current) = (call.policy, call.session.as_ref().map(|s| s.terms.ours));
        let read = session_description(message).and_then(|body| {
            contact_uri(message)?;
            Ok((body, grant(&Wanted::read(message)?, &policy.session, current)?))
        });
        match read {
            Ok(read) => Some(read),
            Err(flaw) => {
                let extras = self.flaw_extras(flaw, &policy);
                self.decline(now, request, handle, flaw, &extras);
                None
            }
        }
    }

    /// An UPDATE without a description was taken: new Contact, session timer from now.
    fn refreshed(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        handle: CallHandle,
        granted: Option<Granted>,
    ) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if let (Some(dialog), Ok(Some(contact))) = (call.dialog.as_mut(), contact_uri(request.message)) {
            dialog.target = contact;
        }
        call.peer_updates = call.peer_updates || allows_update(request.message);
        call.session = granted.map(|g| Session::start(now, g.terms));
        self.reschedule_call(handle);
    }

    /// 500 with a short random wait (RFC 3261 §14.2, RFC 3311 §5.2): our answer to an earlier offer is still open.
    fn decline_later(&mut self, now: Instant, request: &Request<'_>, handle: CallHandle) {
        let wait = self.rng.next_u32() % 11;
        let flaw = Flaw { status: 500, sentence: "Another Offer Is Pending" };
        self.decline(now, request, handle, flaw, &[Extra::must("Retry-After", wait.to_string())]);
    }

    /// Refuses by a transaction, so that copies of the request get the same answer.
    pub(super) fn decline(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        handle: CallHandle,
        flaw: Flaw,
        extras: &[Extra],
    ) {
        let Some(id) = self.open_server(request, Some(handle)) else { return };
        let reason = (!flaw.sentence.is_empty()).then_some(flaw.sentence);
        self.respond_plain(now, id, flaw.status, reason, "", extras);
    }

    fn info(&mut self, now: Instant, request: &Request<'_>, handle: CallHandle) {
        let message = request.message;
        if message.first(Name::InfoPackage).is_some_and(|p| !p.is_empty()) {
            return self.decline(now, request, handle, status(469), &[]);
        }
        let content_type = media_type(message).unwrap_or_default();
        if !message.body.is_empty() && !self.config.info_types.contains(&content_type) {
            let accept = self.config.info_types.join(", ");
            return self.decline(now, request, handle, status(415), &[Extra::must("Accept", accept)]);
        }
        if self.agree(now, request, handle, &[]) && !message.body.is_empty() {
            self.event(Event::Info { call: handle, content_type, body: message.body.to_vec() });
        }
    }
}
