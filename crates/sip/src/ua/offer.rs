//! Our offers inside a call: re-INVITE, early UPDATE, and the answers that we owe (RFC 3261 §14.1, RFC 3264 §4, RFC 3311 §5.1).

use super::call::{Exchange, Fork, Owed, Phase};
use super::request::Extra;
use super::retry::credentials_in;
use super::session::{Session, granted, min_se};
use super::{ALLOW, Purpose, UserAgent, supported};
use crate::dialog::Outgoing;
use crate::message::multipart::{Body, session_description};
use crate::message::{Essentials, Message, Name, parse_decimal};
use crate::{CallHandle, Event};
use rand_core::Rng;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// How often one offer is tried against 491, 422 and 500.
const ATTEMPTS: u8 = 6;
/// A re-INVITE that is only promised an answer is cancelled after this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest Retry-After that we wait for, in seconds.
const LONGEST_WAIT: u32 = 32;

/// Our side's offers in a standing call.
#[derive(Debug, Default)]
pub(super) struct Offering {
    /// Waits for its turn.
    wanted: Option<Vec<u8>>,
    active: Option<Active>,
    /// Not before this: the wait after 491 or 500.
    not_before: Option<Instant>,
    attempts: u8,
}

/// An offer under way.
#[derive(Debug)]
struct Active {
    client: u64,
    sdp: Vec<u8>,
    /// It only refreshes the session: the layer above did not ask for it.
    refresh: bool,
    /// RSeq of the last reliable response to it.
    rseq: Option<u32>,
    cancel_at: Option<Instant>,
}

impl Offering {
    pub fn deadline(&self) -> Option<Instant> {
        let wait = self.not_before.filter(|_| self.wanted.is_some());
        wait.into_iter().chain(self.active.as_ref().and_then(|a| a.cancel_at)).min()
    }

    /// The early dialog is gone: what was under way in it is wanted again in the next.
    pub fn restart(&mut self) {
        if let Some(active) = self.active.take().filter(|a| !a.refresh) {
            self.wanted.get_or_insert(active.sdp);
        }
    }

    /// The transaction of the offer under way.
    pub fn client(&self) -> Option<u64> {
        self.active.as_ref().map(|a| a.client)
    }

    /// An INVITE or UPDATE of ours waits for its answer.
    pub fn is_active(&self) -> bool {
        self.active.is_some()
    }
}

impl UserAgent {
    pub(super) fn reinvite_ours(&mut self, now: Instant, handle: CallHandle, sdp: Vec<u8>) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if matches!(call.phase, Phase::Closing(_) | Phase::Cancelling) {
            return;
        }
        call.offering.wanted = Some(sdp);
        call.offering.attempts = 0;
        self.offer_next(now, handle);
        self.reschedule_call(handle);
    }

    /// Sends the offer that waits, if no other is open and its time has come.
    pub(super) fn offer_next(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let free = call.exchange == Exchange::Idle
            && call.reoffered.is_none()
            && call.owed.is_none()
            && !call.offering.is_active()
            && call.offering.not_before.is_none_or(|at| at <= now);
        let Some(sdp) = call.offering.wanted.as_ref().filter(|_| free) else { return };
        let method = match call.phase {
            Phase::Confirmed if call.unacked.is_none() => "INVITE",
            // In an early dialog, only with the first exchange done and acknowledged (RFC 3311 §5.1).
            Phase::Incoming | Phase::Calling
                if call.described
                    && call.peer_updates
                    && call.reliable.outstanding.is_none()
                    && !sdp.is_empty() =>
            {
                "UPDATE"
            }
            _ => return,
        };
        let sdp = call.offering.wanted.take().unwrap_or_default();
        self.offer(now, handle, method, sdp, false);
    }

    /// A refresh by re-INVITE: the last description, unchanged. `false` if an offer is open.
    pub(super) fn refresh_by_invite(&mut self, now: Instant, handle: CallHandle) -> bool {
        let Some(call) = self.calls.get_mut(&handle) else { return false };
        let free = call.phase == Phase::Confirmed
            && call.unacked.is_none()
            && call.exchange == Exchange::Idle
            && call.reoffered.is_none()
            && call.owed.is_none()
            && !call.offering.is_active();
        if !free {
            return false;
        }
        let sdp = call.local_sdp.clone();
        self.offer(now, handle, "INVITE", sdp, true);
        true
    }

    fn offer(&mut self, now: Instant, handle: CallHandle, method: &str, sdp: Vec<u8>, refresh: bool) {
        let extras = self.refresh_extras(handle);
        let sent =
            self.send_inside(now, handle, method, extras, "application/sdp", &sdp, Purpose::Offer(handle));
        let (Some(client), Some(call)) = (sent, self.calls.get_mut(&handle)) else { return };
        if !sdp.is_empty() {
            call.exchange = Exchange::Ours;
        }
        call.offering.not_before = None;
        call.offering.active = Some(Active { client, sdp, refresh, rseq: None, cancel_at: None });
        self.reschedule_call(handle);
    }

    /// The fields of a target refresh request, with the session timer where one runs.
    pub(super) fn refresh_extras(&self, handle: CallHandle) -> Vec<Extra> {
        let Some(call) = self.calls.get(&handle) else { return Vec::new() };
        let contact = call.dialog.as_ref().map(|d| self.contact_for(&d.path, &d.target)).unwrap_or_default();
        let mut extras = vec![
            Extra::must("Contact", contact),
            Extra::must("Allow", ALLOW),
            Extra::must("Supported", supported(&call.policy)),
        ];
        if let Some(session) = &call.session {
            let terms = session.terms;
            let interval = terms.interval.max(call.min_se);
            let refresher = if terms.ours { "uac" } else { "uas" };
            extras.push(Extra::must("Session-Expires", format!("{interval};refresher={refresher}")));
            if call.min_se > 0 {
                extras.push(Extra::must("Min-SE", call.min_se.to_string()));
            }
        }
        extras
    }

    /// Another transaction carries the offer now (it was challenged).
    pub(super) fn offer_moved(&mut self, handle: CallHandle, old: u64, new: u64) {
        if let Some(active) = self.calls.get_mut(&handle).and_then(|c| c.offering.active.as_mut())
            && active.client == old
        {
            active.client = new;
            active.rseq = None;
        }
    }

    /// A response to our re-INVITE or early UPDATE.
    pub(super) fn offer_answered(
        &mut self,
        now: Instant,
        handle: CallHandle,
        id: u64,
        message: &Message<'_>,
        found: &Essentials,
        code: u16,
    ) {
        let active = self.calls.get(&handle).and_then(|call| call.offering.active.as_ref());
        let known = active.is_some_and(|active| active.client == id);
        if (200..300).contains(&code) {
            return self.offer_taken(now, handle, id, message, found, known);
        }
        if !known {
            if code < 200 {
                self.cancel_client(now, id, None);
            }
            return;
        }
        if code < 200 {
            return self.offer_progress(now, handle, message, found, code);
        }
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(done) = call.offering.active.take() else { return };
        call.exchange = Exchange::Idle;
        call.offering.attempts += 1;
        let again = call.offering.attempts < ATTEMPTS;
        let retry_after = message.text(Name::RetryAfter).and_then(|v| {
            parse_decimal(v.split([';', '(', ' ']).next().unwrap_or("").as_bytes())
                .filter(|s| *s <= LONGEST_WAIT)
        });
        let wait = match code {
            491 if again => Some(self.glare(handle)),
            422 if again => {
                let least = min_se(message);
                if let Some(call) = self.calls.get_mut(&handle) {
                    call.min_se = call.min_se.max(least);
                }
                Some(Duration::ZERO)
            }
            500 | 503 if again => retry_after.map(|s| Duration::from_secs(s.into())),
            _ => None,
        };
        let Some(call) = self.calls.get_mut(&handle) else { return };
        match wait {
            Some(wait) if done.refresh => {
                if let Some(session) = call.session.as_mut() {
                    session.refresh = Some(now + wait);
                }
            }
            Some(wait) => {
                // A later wish of the layer above takes the place of this one.
                call.offering.wanted.get_or_insert(done.sdp);
                call.offering.not_before = Some(now + wait);
            }
            None => {
                call.offering.attempts = 0;
                if done.refresh {
                    if let Some(session) = call.session.as_mut() {
                        session.later(now);
                    }
                } else {
                    self.event(Event::Reanswered { call: handle, result: Err(code) });
                }
                if matches!(code, 408 | 481) {
                    return self.lost(now, handle);
                }
            }
        }
        self.offer_next(now, handle);
        self.reschedule_call(handle);
    }

    /// RFC 3261 §14.1: who drew the Call-ID waits 2.1 to 4 s, the other 0 to 2 s, in steps of 10 ms.
    fn glare(&mut self, handle: CallHandle) -> Duration {
        let owner = self.calls.get(&handle).is_some_and(|c| c.placed.is_some());
        let draw = self.rng.next_u32();
        let steps = if owner { 210 + draw % 191 } else { draw % 201 };
        Duration::from_millis(u64::from(steps) * 10)
    }

    fn offer_progress(
        &mut self,
        now: Instant,
        handle: CallHandle,
        message: &Message<'_>,
        found: &Essentials,
        code: u16,
    ) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(active) = call.offering.active.as_mut() else { return };
        active.cancel_at.get_or_insert(now + PATIENCE);
        if code > 100
            && let Some(rseq) = super::prack::rseq(message)
            && active.rseq.is_none_or(|last| rseq == last.wrapping_add(1))
        {
            active.rseq = Some(rseq);
            let rack = format!("{rseq} {} INVITE", found.cseq);
            self.send_prack(now, handle, &rack, &[]);
        }
        self.reschedule_call(handle);
    }

    /// 2xx: ACK if it was an INVITE, also for copies and for calls that are over; then the news.
    fn offer_taken(
        &mut self,
        now: Instant,
        handle: CallHandle,
        id: u64,
        message: &Message<'_>,
        found: &Essentials,
        known: bool,
    ) {
        let Some(client) = self.clients.get(&id) else { return };
        let invite = client.method() == "INVITE";
        if let Some(fork) = client.forks.first() {
            if let (path, Some(ack)) = (fork.path, fork.ack.clone()) {
                self.send(path, ack);
            }
            return;
        }
        let contact = super::incoming::contact_uri(message).ok().flatten();
        let body = match session_description(message) {
            Ok(Body::Sdp(sdp)) => Some(sdp.to_vec()),
            _ => None,
        };
        if !known {
            if invite {
                let (path, request) = (client.path, client.request.clone());
                self.acknowledge_blindly(id, path, request, contact, found);
            }
            return;
        }
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(done) = call.offering.active.take() else { return };
        if let (Some(dialog), Some(contact)) = (call.dialog.as_mut(), contact) {
            dialog.target = contact;
        }
        call.offering.attempts = 0;
        let asked = call.session.as_ref().map(|s| s.terms.interval.max(call.min_se));
        call.session = granted(message, asked).map(|terms| Session::start(now, terms));
        call.peer_updates |= super::request::allows_update(message);
        let delayed = done.sdp.is_empty();
        if delayed && body.is_some() {
            call.exchange = Exchange::Theirs;
            call.owed = Some(Owed::Ack { client: id, cseq: found.cseq });
        } else {
            call.exchange = Exchange::Idle;
            if !delayed {
                call.local_sdp = done.sdp;
            }
        }
        let new = body.as_deref().map(digest);
        let changed = new.is_some() && new != call.remote_sdp;
        call.remote_sdp = new.or(call.remote_sdp);
        if invite {
            if delayed && body.is_some() {
                self.owe_ack(id, &found.to_tag);
            } else {
                self.send_ack(handle, id, found.cseq, &found.to_tag, &[]);
            }
        }
        if !done.refresh || changed {
            self.event(Event::Reanswered { call: handle, result: Ok(body) });
        }
        self.offer_next(now, handle);
        self.reschedule_call(handle);
    }

    /// Remembers that this 2xx has been seen and its ACK waits for the layer above.
    pub(super) fn owe_ack(&mut self, id: u64, tag: &str) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.forks.push(Fork { tag: tag.to_owned(), ack: None, path: client.path });
        }
    }

    /// ACK of a 2xx in the call's dialog, kept for copies of the 2xx.
    pub(super) fn send_ack(&mut self, handle: CallHandle, id: u64, cseq: u32, tag: &str, sdp: &[u8]) {
        let Some(dialog) = self.calls.get(&handle).and_then(|c| c.dialog.clone()) else { return };
        let path = self.outbound(&dialog);
        let via = self.via(&path);
        let mut writer = dialog.request(via, cseq).writer("ACK");
        // RFC 3261 §22.1: an ACK repeats the credentials of its INVITE.
        for (name, value) in self.clients.get(&id).map(|c| credentials_in(&c.bytes)).unwrap_or_default() {
            writer.header(name, value);
        }
        let bytes = writer.finish_with("application/sdp", sdp);
        self.keep_ack(id, tag, path, bytes);
    }

    pub(super) fn keep_ack(&mut self, id: u64, tag: &str, path: crate::Flow, bytes: Vec<u8>) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.forks.retain(|f| f.tag != tag);
            client.forks.push(Fork { tag: tag.to_owned(), ack: Some(bytes.clone()), path });
        }
        self.send(path, bytes);
    }

    /// The call is over, or the offer was given up: the 2xx still needs its ACK.
    fn acknowledge_blindly(
        &mut self,
        id: u64,
        path: crate::Flow,
        request: Outgoing,
        contact: Option<String>,
        found: &Essentials,
    ) {
        let via = self.via(&path);
        let uri = contact.unwrap_or_else(|| request.uri.clone());
        let bytes = Outgoing { via, uri, ..request }.writer("ACK").finish();
        self.keep_ack(id, &found.to_tag, path, bytes);
    }

    /// The layer above answers an offer that came in a response.
    pub(super) fn acknowledge(&mut self, now: Instant, handle: CallHandle, sdp: Vec<u8>) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(owed) = call.owed.take() else { return };
        call.exchange = Exchange::Idle;
        call.described = true;
        match owed {
            Owed::Ack { client, cseq } => {
                let tag = call.dialog.as_ref().map(|d| d.id.remote_tag.clone()).unwrap_or_default();
                self.send_ack(handle, client, cseq, &tag, &sdp);
            }
            Owed::Prack { rack } => self.send_prack(now, handle, &rack, &sdp),
        }
        if let Some(call) = self.calls.get_mut(&handle) {
            call.local_sdp = sdp;
        }
        self.offer_next(now, handle);
    }

    pub(super) fn offering_timer(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if let Some(active) = call.offering.active.as_mut()
            && active.cancel_at.take_if(|at| *at <= now).is_some()
        {
            let id = active.client;
            self.cancel_client(now, id, None);
        }
        // The wait is over; if something else is open still, its end sends the offer.
        if let Some(call) = self.calls.get_mut(&handle) {
            call.offering.not_before.take_if(|at| *at <= now);
        }
        self.offer_next(now, handle);
    }

    /// No answer came at all.
    pub(super) fn offer_failed(&mut self, now: Instant, handle: CallHandle, id: u64, code: u16) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if let Some(done) = call.offering.active.take_if(|a| a.client == id) {
            call.exchange = Exchange::Idle;
            if !done.refresh {
                self.event(Event::Reanswered { call: handle, result: Err(code) });
            }
            self.lost(now, handle);
        }
    }
}

/// Tells descriptions apart without keeping them.
pub(super) fn digest(sdp: &[u8]) -> [u8; 32] {
    Sha256::digest(sdp).into()
}
