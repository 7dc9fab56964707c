//! Our INVITE and the responses to all our requests (RFC 3261 §13.2, §9.1, §8.1.3).

use super::call::{Call, Exchange, Owed, Phase, Placed};
use super::hangup::reason_extra;
use super::incoming::{record_routes, sdp};
use super::request::{Extra, allows_update};
use super::retry::{Retry, credentials_in};
use super::session::{Session, floor, granted, wish};
use super::{ALLOW, Client, Owner, Purpose, UserAgent, supported};
use crate::dialog::{Dialog, DialogId, Outgoing};
use crate::message::address::bare_uri;
use crate::message::multipart::session_description;
use crate::message::text::inert;
use crate::message::{Address, Essentials, Message, Name, Scheme, Start, Uri, status};
use crate::transaction::ClientStep;
use crate::{CallHandle, EndCause, Event, Flow, Invite, Transport};
use std::time::Instant;

/// Most 2xx responses of different peers to one INVITE that are acknowledged.
const MAX_FORKS: usize = 8;

impl UserAgent {
    pub(super) fn invite(&mut self, now: Instant, invite: Invite) {
        let Invite { call: handle, path, .. } = invite;
        let (to, from, sdp) = (invite.to.as_str(), invite.from.as_str(), invite.sdp.as_slice());
        if self.calls.contains_key(&handle) {
            return;
        }
        let target = bare_uri(to);
        let uri = invite.uri.as_deref().map_or(target, bare_uri);
        let uri = uri.split('?').next().unwrap_or(uri);
        let from_address = Address::parse(from).ok().filter(|a| a.uri().is_some());
        let refusal = match (Uri::parse(target).and(Uri::parse(uri)), from_address) {
            (None, _) => Some((416, "Bad Target URI")),
            (_, None) => Some((400, "Bad From URI")),
            (Some(uri), _) if uri.scheme == Scheme::Sips && path.transport != Transport::Tls => {
                Some((503, "No Protected Path For A SIPS URI"))
            }
            _ if self.calls.len() >= self.config.max_calls => Some((503, "Too Many Calls")),
            _ => None,
        };
        let tag = self.token();
        let mut call = Call::new(Phase::Calling, tag.clone(), invite.policy.unwrap_or(self.config.policy));
        if let Some((code, reason)) = refusal {
            self.calls.insert(handle, Box::new(call));
            return self.refused(handle, code, reason, None);
        }
        let display = from_address
            .map(|a| if a.display.is_empty() { String::new() } else { format!("{} ", a.display) })
            .unwrap_or_default();
        let request = Outgoing {
            max_forwards: invite.max_forwards,
            uri: uri.to_owned(),
            via: self.via(&path),
            routes: invite.routes.clone(),
            from: format!("{display}<{}>;tag={tag}", from_address.map_or(from, |a| a.uri)),
            to: format!("<{target}>"),
            call_id: format!("{}{}", self.token(), self.token()),
            cseq: 1,
        };
        let mut writer = request.writer("INVITE");
        for extra in self.invite_extras(&mut call, &path, uri) {
            extra.write(&mut writer);
        }
        if !self.config.user_agent.is_empty() {
            writer.header("User-Agent", &self.config.user_agent);
        }
        for (name, value) in &invite.headers {
            writer.header(name, value);
        }
        call.retry = Some(Box::new(Retry::new(&invite, uri)));
        let bytes = writer.finish_with("application/sdp", sdp);
        let client = self.begin(now, path, request, "INVITE", bytes, Purpose::Invite(handle));
        call.placed = Some(Placed { client, cancel_sent: false, reason: None });
        if !sdp.is_empty() {
            call.exchange = Exchange::Ours;
            call.local_sdp = sdp.to_vec();
        }
        self.calls.insert(handle, Box::new(call));
        self.arm_failover(now, handle);
    }

    /// The fields of each of our first INVITEs that tell what we can.
    fn invite_extras(&self, call: &mut Call, path: &Flow, uri: &str) -> Vec<Extra> {
        let mut extras = vec![
            Extra::must("Contact", self.contact_for(path, uri)),
            Extra::must("Allow", ALLOW),
            Extra::must("Supported", supported(&call.policy)),
        ];
        let wish = wish(&call.policy.session, call.min_se);
        call.asked_interval = wish.as_ref().map(|(interval, _)| *interval);
        if let Some((_, value)) = wish {
            extras.push(Extra::must("Session-Expires", value));
        }
        let least = floor(&call.policy.session).max(call.min_se);
        if least > super::session::MIN_SE {
            extras.push(Extra::must("Min-SE", least.to_string()));
        }
        extras
    }

    /// CANCEL, as soon as a provisional response has come (RFC 3261 §9.1).
    pub(super) fn send_cancel(&mut self, now: Instant, handle: CallHandle) {
        let Some(placed) = self.calls.get_mut(&handle).and_then(|c| c.placed.as_mut()) else { return };
        let id = placed.client;
        if placed.cancel_sent || !self.clients.get(&id).is_some_and(|c| c.machine.is_proceeding()) {
            return;
        }
        placed.cancel_sent = true;
        let reason = placed.reason.take();
        self.cancel_client(now, id, reason.as_deref());
    }

    /// CANCEL of an INVITE of ours that has a provisional response and no final one.
    pub(super) fn cancel_client(&mut self, now: Instant, id: u64, reason: Option<&str>) {
        // Only a cancelled one has a deadline while it is proceeding: once is enough.
        let fresh = |c: &&mut Client| c.machine.is_proceeding() && c.machine.deadline().is_none();
        let Some(client) = self.clients.get_mut(&id).filter(fresh) else { return };
        client.machine.cancelled(now);
        self.schedule.set(Owner::Client(id), client.machine.deadline());
        let (request, path) = (client.request.clone(), client.path);
        let mut writer = request.writer("CANCEL");
        for extra in reason_extra(reason) {
            extra.write(&mut writer);
        }
        let bytes = writer.finish();
        self.begin(now, path, request, "CANCEL", bytes, Purpose::Nobody);
    }

    pub(super) fn response(
        &mut self,
        now: Instant,
        path: Flow,
        message: &Message<'_>,
        found: &Essentials,
        key: &str,
    ) {
        let Start::Response { status, reason } = message.start else { return };
        let Some(&id) = self.client_keys.get(key) else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        // The branch is hard to guess, but a copy of our own request coming back must not pass for an answer.
        if found.call_id != client.request.call_id || found.cseq != client.request.cseq {
            return;
        }
        let step = client.machine.response(now, status);
        self.schedule.set(Owner::Client(id), client.machine.deadline());
        let purpose = client.purpose;
        match step {
            ClientStep::AckAgain => self.resend_ack(id),
            ClientStep::AckAndPass => {
                let to = message.text(Name::To).unwrap_or_default().into_owned();
                let ack = Outgoing { to, ..client.request.clone() };
                client.ack = Some(ack.writer("ACK").finish());
                self.resend_ack(id);
                self.answered(
                    now,
                    id,
                    path,
                    message,
                    found,
                    purpose,
                    status,
                    &String::from_utf8_lossy(reason),
                );
            }
            ClientStep::Pass => self.answered(
                now,
                id,
                path,
                message,
                found,
                purpose,
                status,
                &String::from_utf8_lossy(reason),
            ),
            _ => {}
        }
    }

    fn resend_ack(&mut self, id: u64) {
        if let Some((path, Some(bytes))) = self.clients.get(&id).map(|c| (c.path, c.ack.clone())) {
            self.send(path, bytes);
        }
    }

    #[allow(clippy::too_many_arguments)] // the parts of one response
    fn answered(
        &mut self,
        now: Instant,
        id: u64,
        path: Flow,
        message: &Message<'_>,
        found: &Essentials,
        purpose: Purpose,
        code: u16,
        reason: &str,
    ) {
        if code >= 200 && self.retried(now, id, message, purpose) {
            return;
        }
        match purpose {
            Purpose::Invite(handle) if code < 200 => {
                self.progress(now, handle, id, path, message, found, code)
            }
            Purpose::Invite(handle) if code < 300 => self.established(now, handle, id, path, message, found),
            Purpose::Invite(handle) => {
                let cause = message.text(Name::Reason).map(|r| inert(&r));
                self.refused(handle, code, &inert(reason), cause);
            }
            Purpose::Bye(handle) if code >= 200 => self.closed_by_bye(now, handle),
            Purpose::Info(handle) | Purpose::Refresh(handle) if matches!(code, 408 | 481) => {
                // RFC 5057 §5.1: these end the dialog.
                self.lost(now, handle);
            }
            Purpose::Refresh(handle) if code >= 200 => self.refresh_answered(now, handle, message, code),
            Purpose::Offer(handle) => self.offer_answered(now, handle, id, message, found, code),
            Purpose::Refer(handle) if code >= 200 => {
                self.refer_answered(now, handle, id, Some(message), code, reason)
            }
            Purpose::Notify(handle) if code >= 300 => self.notify_refused(handle),
            Purpose::Register(registration) if code >= 200 => {
                self.registration_answered(now, registration, path, message, code, reason);
            }
            Purpose::Ask(ask) if code >= 200 => self.asked(ask, code, reason, Some(message)),
            Purpose::Stray { .. } if code < 200 => self.cancel_stray(now, id),
            // Of no call: acknowledged and hung up.
            Purpose::Stray { .. } if code < 300 => {
                self.established(now, CallHandle(0), id, path, message, found);
            }
            // A refusal of a request inside a call: the call goes on.
            _ => {}
        }
    }

    #[allow(clippy::too_many_arguments)] // the parts of one response
    fn progress(
        &mut self,
        now: Instant,
        handle: CallHandle,
        id: u64,
        path: Flow,
        message: &Message<'_>,
        found: &Essentials,
        code: u16,
    ) {
        let Some(phase) = self.calls.get(&handle).map(|c| c.phase) else {
            return self.cancel_client(now, id, None);
        };
        let open = matches!(phase, Phase::Calling | Phase::Cancelling);
        let dialog = self.clients.get(&id).and_then(|c| dialog_of(c, path, message, found));
        let sdp = session_description(message).ok().and_then(sdp);
        if code == 199 {
            // RFC 6228: one branch of a fork is over; nobody rings because of it.
            let reliable = super::prack::rseq(message).is_some();
            let dialog = self.calls.get(&handle).and_then(|call| call.dialog.as_ref());
            if reliable && dialog.is_some_and(|dialog| dialog.id.remote_tag == found.to_tag) {
                self.early_progress(now, handle, message, &found.to_tag, found.cseq, code, None);
            }
        } else if code > 100 && open && !found.to_tag.is_empty() {
            if let Some(dialog) = dialog {
                self.set_dialog(handle, dialog);
                self.early_progress(now, handle, message, &found.to_tag, found.cseq, code, sdp);
            }
        } else if code > 100 && phase == Phase::Calling {
            self.event(Event::Ringing { call: handle, status: code, sdp });
        }
        if phase == Phase::Cancelling {
            self.send_cancel(now, handle);
        }
    }

    /// A 2xx to our INVITE: the first makes the session, copies get the ACK again, others (forks) ACK and BYE.
    fn established(
        &mut self,
        now: Instant,
        handle: CallHandle,
        id: u64,
        path: Flow,
        message: &Message<'_>,
        found: &Essentials,
    ) {
        let Some(client) = self.clients.get(&id) else { return };
        if let Some(fork) = client.forks.iter().find(|f| f.tag == found.to_tag) {
            if let (path, Some(ack)) = (fork.path, fork.ack.clone()) {
                self.send(path, ack);
            }
            return;
        }
        let first = client.forks.is_empty();
        if client.forks.len() >= MAX_FORKS {
            return;
        }
        let Some(mut dialog) = dialog_of(client, path, message, found) else { return };
        let credentials = credentials_in(&client.bytes);
        let phase = self.calls.get(&handle).map(|c| c.phase);
        if let (true, Some(phase @ (Phase::Calling | Phase::Cancelling))) = (first, phase) {
            self.set_dialog(handle, dialog);
            return self.stands(now, handle, id, message, found, phase == Phase::Cancelling);
        }
        let next = self.outbound(&dialog);
        let via = self.via(&next);
        let mut ack = dialog.request(via, found.cseq).writer("ACK");
        for (name, value) in credentials {
            ack.header(name, value);
        }
        self.keep_ack(id, &found.to_tag, next, ack.finish());
        dialog.local_seq += 1;
        let via = self.via(&next);
        let request = dialog.request(via, dialog.local_seq);
        let bytes = request.writer("BYE").finish();
        self.begin(now, next, request, "BYE", bytes, Purpose::Nobody);
    }

    /// The first 2xx: the call stands.
    fn stands(
        &mut self,
        now: Instant,
        handle: CallHandle,
        id: u64,
        message: &Message<'_>,
        found: &Essentials,
        cancelled: bool,
    ) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        call.phase = Phase::Confirmed;
        call.peer_updates |= allows_update(message);
        call.session = granted(message, call.asked_interval).map(|terms| Session::start(now, terms));
        let body = session_description(message).ok().and_then(sdp);
        let early = call.early.iter_mut().find(|e| e.tag == found.to_tag);
        // What came reliably was the answer already (RFC 3261 §13.2.1); a 2xx without a description means the early one.
        let sdp = match early {
            Some(early) if early.answered => early.sdp.take(),
            Some(early) => body.or(early.sdp.take()),
            None => body,
        };
        call.early.clear();
        if let Some(sdp) = &sdp {
            call.remote_sdp = Some(super::offer::digest(sdp));
        }
        // The 2xx ends what forks left open, and an offer that a PRACK would have answered.
        call.owed = None;
        call.exchange = Exchange::Idle;
        let delayed = call.local_sdp.is_empty() && sdp.is_some();
        call.described = !delayed;
        if delayed && !cancelled {
            call.exchange = Exchange::Theirs;
            call.owed = Some(Owed::Ack { client: id, cseq: found.cseq });
            self.owe_ack(id, &found.to_tag);
        } else {
            self.send_ack(handle, id, found.cseq, &found.to_tag, &[]);
        }
        if cancelled {
            // The answer crossed our CANCEL.
            return self.send_bye(now, handle, None, EndCause::Cancelled);
        }
        self.event(Event::Answered { call: handle, sdp });
        self.offer_next(now, handle);
        self.reschedule_call(handle);
    }

    fn set_dialog(&mut self, handle: CallHandle, mut dialog: Dialog) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if let Some(old) = call.dialog.take() {
            self.dialogs.remove(&old.id);
            // Requests may have gone in the early dialog (INFO): numbers go on from there.
            dialog.local_seq = dialog.local_seq.max(old.local_seq);
            if old.id == dialog.id {
                dialog.remote_seq = old.remote_seq;
            }
        }
        self.dialogs.insert(dialog.id.clone(), handle);
        call.dialog = Some(dialog);
    }

    pub(super) fn refused(&mut self, handle: CallHandle, code: u16, reason: &str, cause: Option<String>) {
        let Some(call) = self.calls.get(&handle) else { return };
        match call.phase {
            Phase::Calling => {
                let reason = if reason.is_empty() { status::reason(code) } else { reason };
                self.event(Event::Refused { call: handle, status: code, reason: reason.to_owned(), cause });
                self.end(handle, EndCause::Refused);
            }
            Phase::Cancelling => self.end(handle, EndCause::Cancelled),
            _ => {}
        }
    }

    fn closed_by_bye(&mut self, now: Instant, handle: CallHandle) {
        if let Some(Phase::Closing(cause)) = self.calls.get(&handle).map(|c| c.phase) {
            self.end_at(Some(now), handle, cause);
        }
    }

    /// The peer does not know the dialog any more, or is gone.
    pub(super) fn lost(&mut self, now: Instant, handle: CallHandle) {
        if self.calls.get(&handle).is_some_and(|c| matches!(c.phase, Phase::Confirmed | Phase::Accepted)) {
            self.send_bye(now, handle, None, EndCause::Lost);
        }
    }

    pub(super) fn client_timer(&mut self, now: Instant, id: u64) {
        loop {
            let Some(client) = self.clients.get_mut(&id) else { return };
            let step = client.machine.timer(now);
            self.schedule.set(Owner::Client(id), client.machine.deadline());
            match step {
                ClientStep::Send => {
                    let (path, bytes) = (client.path, client.bytes.clone());
                    self.send(path, bytes);
                }
                ClientStep::TimedOut => return self.client_failed(now, id, 408, "Request Timeout"),
                ClientStep::Terminated => return self.forget_client(id),
                _ => return,
            }
        }
    }

    fn forget_client(&mut self, id: u64) {
        self.schedule.set(Owner::Client(id), None);
        if let Some(client) = self.clients.remove(&id) {
            self.client_keys.remove(&client.key);
        }
    }

    /// No answer will come: as if the status had been received.
    pub(super) fn client_failed(&mut self, now: Instant, id: u64, code: u16, reason: &str) {
        let Some(purpose) = self.clients.get(&id).map(|c| c.purpose) else { return };
        if code == 503 && self.falls_back_to_udp(now, id) {
            return;
        }
        if self.retried_elsewhere(now, id, purpose) {
            return self.forget_client(id);
        }
        self.forget_client(id);
        match purpose {
            Purpose::Invite(handle) => self.refused(handle, code, reason, None),
            Purpose::Bye(handle) => self.closed_by_bye(now, handle),
            Purpose::Info(handle) | Purpose::Refresh(handle) => self.lost(now, handle),
            Purpose::Register(registration) => {
                self.registration_elsewhere(now, registration, code, reason, None);
            }
            Purpose::Ask(ask) => self.asked(ask, code, reason, None),
            Purpose::Offer(handle) => self.offer_failed(now, handle, id, code),
            Purpose::Refer(handle) => self.refer_answered(now, handle, id, None, code, reason),
            Purpose::Notify(handle) => self.notify_refused(handle),
            // The INVITE's own time decides.
            Purpose::Prack(_) | Purpose::Stray { .. } | Purpose::Nobody => {}
        }
    }
}

/// The dialog that a response to our INVITE makes (RFC 3261 §12.1.2).
fn dialog_of(client: &Client, path: Flow, message: &Message<'_>, found: &Essentials) -> Option<Dialog> {
    let request = &client.request;
    let mut routes = record_routes(message);
    routes.reverse();
    let contact = super::incoming::contact_uri(message).ok().flatten();
    let local_tag = Address::parse(&request.from).ok()?.tag()?.to_owned();
    Some(Dialog {
        id: DialogId { call_id: found.call_id.clone(), local_tag, remote_tag: found.to_tag.clone() },
        local: request.from.clone(),
        remote: message.text(Name::To)?.into_owned(),
        local_seq: request.cseq,
        remote_seq: None,
        routes,
        target: contact.unwrap_or_else(|| request.uri.clone()),
        path: if path.transport.is_reliable() { path } else { Flow { remote: path.remote, ..client.path } },
        nat: false,
    })
}
