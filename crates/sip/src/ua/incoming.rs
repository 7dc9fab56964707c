//! INVITE from outside: offered to the layer above, rung, accepted, rejected, cancelled (RFC 3261 §13.3).

use super::call::{Call, Exchange, Phase, Repeat, Unacked};
use super::reliable::Peer;
use super::request::{Extra, Request, accept_extras, accepts_sdp, allows_update, status};
use super::session::{Granted, Session, Wanted, floor, grant};
use super::{ALLOW, UserAgent, identity, supported};
use crate::auth::Verdict;
use crate::dialog::{Dialog, DialogId};
use crate::message::multipart::{Body, session_description};
use crate::message::text::{inert, text};
use crate::message::{Address, Flaw, Message, Name, Uri, Via, param};
use crate::{CallHandle, CallPolicy, EndCause, Event, IncomingCall, Rel100, Warning};
use std::time::{Duration, Instant};

/// How long an INVITE that may be challenged waits for its 100 (RFC 3261 §17.2.1).
const TRYING: Duration = Duration::from_millis(200);

impl UserAgent {
    pub(super) fn incoming(&mut self, now: Instant, request: &Request<'_>, uri: &Uri<'_>) {
        let message = request.message;
        if !self.accepting || self.calls.len() >= self.config.max_calls {
            return self.overloaded(request);
        }
        let policy = self.config.policy;
        let peer = Peer::read(message);
        if peer == Peer::Requires && policy.rel100 == Rel100::Never {
            return self.refuse(request, status(420), &[Extra::must("Unsupported", "100rel")]);
        }
        let checked = session_description(message).and_then(|body| {
            let wanted = Wanted::read(message)?;
            let granted = grant(&wanted, &policy.session, None)?;
            Ok((body, (wanted, granted), contact_uri(message)?, self.replaced_call(message)?))
        });
        let (body, (wanted, granted), contact, replaces) = match checked {
            Ok(checked) => checked,
            Err(flaw) => return self.refuse(request, flaw, &self.flaw_extras(flaw, &policy)),
        };
        if !accepts_sdp(message) {
            return self.refuse(request, status(406), &[]);
        }
        let field = |name| message.text(name).unwrap_or_default();
        let (from, to) = (field(Name::From), field(Name::To));
        let (Ok(from_address), Ok(to_address)) = (Address::parse(&from), Address::parse(&to)) else { return };
        let handle = self.next_call_handle();
        let Some(id) = self.open_server(request, Some(handle)) else { return };
        let verdict = self.weigh(now, request);
        if let Some(server) = self.servers.get_mut(&id) {
            server.stale = verdict == Verdict::Stale;
        }
        let account = if let Verdict::Proven(user) = verdict { Some(user) } else { None };
        let tag = self.token();
        let dialog = Dialog {
            id: DialogId {
                call_id: request.found.call_id.clone(),
                local_tag: tag.clone(),
                remote_tag: request.found.from_tag.clone(),
            },
            local: format!("{to};tag={tag}"),
            remote: from.clone().into_owned(),
            local_seq: (self.token_number() & 0xffff) + 1,
            remote_seq: Some(request.found.cseq),
            routes: record_routes(message),
            target: contact.unwrap_or_else(|| from_address.uri.to_owned()),
            path: request.path,
            nat: behind_nat(message, request),
        };
        let mut call = Call::new(Phase::Incoming, tag.clone(), self.config.policy);
        self.dialogs.insert(dialog.id.clone(), handle);
        call.dialog = Some(dialog);
        call.pending = Some(id);
        call.peer_updates = allows_update(message);
        call.reliable.peer = peer;
        call.wanted = wanted;
        if let Body::Sdp(offer) = body {
            call.exchange = Exchange::Theirs;
            call.remote_sdp = Some(super::offer::digest(offer));
        }
        // A challenge stands alone: after a 100 the peer would wait for a 401 that was lost, as we do not repeat it.
        let may_challenge = account.is_none() && !self.config.accounts.is_empty();
        call.trying = may_challenge.then(|| now + TRYING);
        self.calls.insert(handle, Box::new(call));
        if let Some(server) = self.servers.get_mut(&id) {
            server.granted = Some(granted);
        }
        if may_challenge {
            self.reschedule_call(handle);
        } else {
            self.respond_plain(now, id, 100, None, "", &[]);
        }
        let info = IncomingCall {
            number: inert(&uri.number()),
            request_uri: inert(uri.raw),
            from: inert(from_address.uri),
            from_user: from_address.uri().map(|u| inert(&u.number())).unwrap_or_default(),
            from_display: inert(&from_address.display_name()),
            to: inert(to_address.uri),
            call_id: inert(&request.found.call_id),
            user_agent: message.text(Name::UserAgent).map(|t| inert(&t)),
            sdp: sdp(body),
            path: request.path,
            diversions: identity::items(message, Name::Diversion),
            history: identity::history(message),
            asserted: identity::items(message, Name::AssertedIdentity),
            preferred: identity::items(message, Name::PreferredIdentity),
            remote_party_id: identity::items(message, Name::RemotePartyId).into_iter().next(),
            privacy: message.text(Name::Privacy).map(|t| inert(&t)),
            referred_by: message.text(Name::ReferredBy).map(|t| inert(&t)),
            replaces,
            account,
            via_hops: count(message, Name::Via),
            record_routes: count(message, Name::RecordRoute),
            max_forwards: message
                .text(Name::MaxForwards)
                .and_then(|value| value.trim().parse().ok())
                .unwrap_or(crate::dialog::MAX_FORWARDS),
        };
        self.event(Event::Incoming { call: handle, info: Box::new(info) });
    }

    pub(super) fn tune(&mut self, handle: CallHandle, policy: CallPolicy) {
        let Some(call) = self.calls.get_mut(&handle).filter(|c| c.phase == Phase::Incoming) else { return };
        call.policy = policy;
        // An interval below this call's least is too late to refuse: then there is no timer.
        let granted = grant(&call.wanted, &policy.session, None).unwrap_or(None);
        if let Some(server) = call.pending.and_then(|id| self.servers.get_mut(&id)) {
            server.granted = Some(granted);
        }
    }

    pub(super) fn accept(&mut self, now: Instant, handle: CallHandle, sdp: Vec<u8>) {
        let Some(call) = self.calls.get_mut(&handle).filter(|c| c.phase == Phase::Incoming) else { return };
        let Some(id) = call.pending else { return };
        // RFC 3262 §3: no 2xx while a description of ours, or the answer to theirs, is on its way.
        if call.reoffered.is_some() || call.reliable.outstanding.as_ref().is_some_and(|o| o.described) {
            call.reliable.accept = Some(sdp);
            return;
        }
        call.reliable.stop();
        call.pending = None;
        // After a reliable answer the 2xx carries no description (RFC 6337 §2.3).
        let sdp = if call.described { Vec::new() } else { sdp };
        call.described = call.exchange == Exchange::Theirs || call.described;
        if self.answer_with_sdp(now, handle, id, &sdp)
            && let Some(call) = self.calls.get_mut(&handle)
        {
            call.phase = Phase::Accepted;
        }
    }

    /// 200 with a session description, to the first INVITE, a re-INVITE, an UPDATE or a PRACK.
    pub(super) fn answer_with_sdp(&mut self, now: Instant, handle: CallHandle, id: u64, sdp: &[u8]) -> bool {
        let (Some(call), Some(server)) = (self.calls.get_mut(&handle), self.servers.get_mut(&id)) else {
            return false;
        };
        let Some(dialog) = call.dialog.as_mut() else { return false };
        if let Some(target) = server.target.take() {
            dialog.target = target;
        }
        let granted = server.granted.take();
        let (path, target) = (dialog.path, dialog.target.clone());
        let (policy, tag) = (call.policy, call.local_tag.clone());
        let Some(mut writer) = self.answer(id, 200, None, &tag) else { return false };
        writer.header("Contact", self.contact_for(&path, &target)).header("Allow", ALLOW);
        writer.header("Supported", supported(&policy));
        for extra in timer_extras(granted.flatten()) {
            extra.write(&mut writer);
        }
        let bytes = writer.finish_with("application/sdp", sdp);
        if !self.respond(now, id, 200, bytes.clone()) {
            return false;
        }
        let Some(server) = self.servers.get(&id) else { return false };
        let (cseq, path, fallback, invite) =
            (server.cseq, server.reply.path, server.reply.fallback, server.invite);
        if let Some(call) = self.calls.get_mut(&handle) {
            if let Some(granted) = granted {
                call.session = granted.map(|g| Session::start(now, g.terms));
            }
            call.exchange = match call.exchange {
                Exchange::Idle if invite && !sdp.is_empty() => Exchange::Ours,
                Exchange::Theirs => Exchange::Idle,
                other => other,
            };
            if !sdp.is_empty() {
                call.local_sdp = sdp.to_vec();
            }
            if invite {
                call.unacked = Some(Unacked { cseq, repeat: Repeat::new(now, bytes, path, fallback) });
            }
        }
        self.reschedule_call(handle);
        true
    }

    pub(super) fn reject(
        &mut self,
        now: Instant,
        handle: CallHandle,
        code: u16,
        reason: Option<&str>,
        retry_after: Option<u32>,
        warning: Option<Warning>,
    ) {
        if self.reject_invite(now, handle, code, reason, retry_after, warning) {
            self.end(handle, EndCause::Rejected);
        }
    }

    /// Nothing has been said to the INVITE for a while.
    pub(super) fn trying_timer(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if call.trying.take_if(|at| *at <= now).is_none() || call.phase != Phase::Incoming {
            return;
        }
        if let Some(id) = call.pending
            && self.servers.get(&id).is_some_and(|s| s.last.is_none())
        {
            self.respond_plain(now, id, 100, None, "", &[]);
        }
    }

    /// Answers the open first INVITE with our challenges, once: nothing is repeated to a source that may be forged.
    pub(super) fn challenge(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get(&handle).filter(|c| c.phase == Phase::Incoming) else { return };
        let (Some(id), tag) = (call.pending, call.local_tag.clone()) else { return };
        let Some(server) = self.servers.get(&id) else { return };
        let (reply, length, stale) = (server.reply.clone(), server.length, server.stale);
        let answered = server.last.is_some();
        let bytes = self.challenge_bytes(now, &reply, length, &tag, stale);
        if answered {
            self.respond(now, id, 401, bytes);
        } else {
            self.send_back(reply.path, reply.fallback, bytes);
            self.forget_server(id);
        }
        self.end(handle, EndCause::Rejected);
    }

    /// Answers the open first INVITE with a refusal; `false` if there is none.
    pub(super) fn reject_invite(
        &mut self,
        now: Instant,
        handle: CallHandle,
        code: u16,
        reason: Option<&str>,
        retry_after: Option<u32>,
        warning: Option<Warning>,
    ) -> bool {
        let Some(call) = self.calls.get(&handle).filter(|c| c.phase == Phase::Incoming) else { return false };
        let Some(id) = call.pending else { return false };
        let tag = call.local_tag.clone();
        let retry_after = retry_after.map(|s| Extra::must("Retry-After", s.to_string()));
        let extras: Vec<_> = retry_after.into_iter().chain(warned(warning)).collect();
        let code = if (300..700).contains(&code) { code } else { 500 };
        self.respond_plain(now, id, code, reason, &tag, &extras);
        true
    }

    /// The peer cancelled the INVITE of this server transaction, which is still open.
    pub(super) fn cancelled(&mut self, now: Instant, handle: CallHandle, id: u64, reason: Option<String>) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let tag = call.local_tag.clone();
        let first = call.phase == Phase::Incoming;
        if first {
            call.pending = None;
            call.reliable.stop();
        } else {
            call.reoffered = None;
            call.exchange = Exchange::Idle;
        }
        self.respond_plain(now, id, 487, None, &tag, &[]);
        if first {
            self.event(Event::Cancelled { call: handle, reason });
            self.end(handle, EndCause::Cancelled);
        } else {
            self.released(now, handle);
        }
    }

    /// A connection is gone: calls that nobody has answered yet go with it.
    pub(super) fn connection_lost(&mut self, connection: u64) {
        let lost: Vec<CallHandle> = self
            .calls
            .iter()
            .filter(|(_, c)| {
                c.phase == Phase::Incoming
                    && c.dialog.as_ref().is_some_and(|d| d.path.connection == Some(connection))
            })
            .map(|(handle, _)| *handle)
            .collect();
        for handle in lost {
            if let Some(id) = self.calls.get(&handle).and_then(|c| c.pending) {
                self.forget_server(id);
            }
            self.end(handle, EndCause::TransportFailed);
        }
    }

    fn token_number(&mut self) -> u32 {
        use rand_core::Rng;
        self.rng.next_u32()
    }

    /// An offer, or the wish for one, inside the call: the layer above is to answer.
    pub(super) fn offered(&mut self, handle: CallHandle, id: u64, offer: Option<Vec<u8>>) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        call.reoffered = Some(id);
        if let Some(offer) = &offer {
            call.exchange = Exchange::Theirs;
            call.remote_sdp = Some(super::offer::digest(offer));
        }
        self.event(Event::Reoffered { call: handle, sdp: offer });
    }

    /// Answers a re-INVITE, an UPDATE or a PRACK with 200.
    pub(super) fn accept_again(&mut self, now: Instant, handle: CallHandle, sdp: &[u8]) {
        let Some(id) = self.calls.get_mut(&handle).and_then(|c| c.reoffered.take()) else { return };
        self.answer_with_sdp(now, handle, id, sdp);
        self.released(now, handle);
    }

    /// Answers a re-INVITE, an UPDATE or a PRACK with a refusal.
    pub(super) fn reject_again(
        &mut self,
        now: Instant,
        handle: CallHandle,
        code: u16,
        reason: Option<&str>,
        warning: Option<Warning>,
    ) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(id) = call.reoffered.take() else { return };
        call.exchange = Exchange::Idle;
        // What stood before stands again; its hash is gone, so that a refresh says what it finds.
        call.remote_sdp = None;
        let code = if (300..700).contains(&code) { code } else { 488 };
        let extras: Vec<_> = warned(warning).into_iter().collect();
        self.respond_plain(now, id, code, reason, "", &extras);
        self.released(now, handle);
    }

    /// What a refusal must say beside its status.
    pub(super) fn flaw_extras(&self, flaw: Flaw, policy: &CallPolicy) -> Vec<Extra> {
        match flaw.status {
            422 => vec![Extra::must("Min-SE", floor(&policy.session).to_string())],
            _ => accept_extras(flaw),
        }
    }
}

fn warned(warning: Option<Warning>) -> Option<Extra> {
    warning.map(|warning| Extra::may("Warning", warning.value()))
}

/// Session-Expires of a 2xx, and Require where the peer must obey.
pub(super) fn timer_extras(granted: Option<Granted>) -> Vec<Extra> {
    let Some(granted) = granted else { return Vec::new() };
    let mut extras = vec![Extra::must("Session-Expires", granted.header())];
    if granted.require {
        extras.push(Extra::must("Require", "timer"));
    }
    extras
}

/// URI of the first Contact; an error for `*`, none for RFC 2543 peers without one.
pub(super) fn contact_uri(message: &Message<'_>) -> Result<Option<String>, Flaw> {
    let Some(value) = message.text(Name::Contact) else { return Ok(None) };
    let Some(item) = param::list(&value).next() else { return Ok(None) };
    let address = Address::parse(item)?;
    address.uri().map(|_| Some(address.uri.to_owned())).ok_or(Flaw::bad("Bad Contact"))
}

/// Record-Route values in the order in which they stand.
pub(super) fn record_routes(message: &Message<'_>) -> Vec<String> {
    message
        .all(Name::RecordRoute)
        .flat_map(|value| param::list(&text(value)).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// How many values the fields of a name have together.
fn count(message: &Message<'_>, name: Name) -> u8 {
    let values: usize = message.all(name).map(|value| param::list(&text(value)).count()).sum();
    u8::try_from(values).unwrap_or(u8::MAX)
}

/// Whether the sender's top Via names another address than the one it was heard from.
fn behind_nat(message: &Message<'_>, request: &Request<'_>) -> bool {
    let value = message.text(Name::Via).unwrap_or_default();
    let Some(Ok(via)) = param::list(&value).next().map(Via::parse) else { return false };
    let remote = request.path.remote;
    via.host.ip().is_some_and(|ip| ip != remote.ip())
        || (!request.path.transport.is_reliable() && via.port.unwrap_or(5060) != remote.port())
}

/// The session description as owned octets.
pub(super) fn sdp(body: Body<'_>) -> Option<Vec<u8>> {
    match body {
        Body::Sdp(sdp) => Some(sdp.to_vec()),
        Body::None => None,
    }
}
