//! INVITE from outside: offered to the layer above, rung, accepted, rejected, cancelled (RFC 3261 §13.3).

use super::call::{Call, Phase, Unacked};
use super::request::{Extra, Request, accept_extras, accepts_sdp, allows_update, status};
use super::session::{Session, Terms};
use super::{ALLOW, SUPPORTED, UserAgent, identity};
use crate::auth::Verdict;
use crate::dialog::{Dialog, DialogId};
use crate::message::multipart::{Body, session_description};
use crate::message::text::{inert, text};
use crate::message::{Address, Flaw, Message, Name, Uri, Via, param};
use crate::transaction::{T1, T1X64};
use crate::{CallHandle, CallPolicy, EndCause, Event, IncomingCall};
use std::time::Instant;

impl UserAgent {
    pub(super) fn incoming(&mut self, now: Instant, request: &Request<'_>, uri: &Uri<'_>) {
        let message = request.message;
        if !self.accepting || self.calls.len() >= self.config.max_calls {
            return self.overloaded(request);
        }
        let checked = session_description(message).and_then(|body| {
            let terms = Terms::read(message, allows_update(message))?;
            contact_uri(message).map(|contact| (body, terms, contact))
        });
        let (body, terms, contact) = match checked {
            Ok(checked) => checked,
            Err(flaw) => return self.refuse(request, flaw, &accept_extras(flaw)),
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
        call.session_header = terms.map(Terms::header);
        call.session = terms.map(|terms| Session::start(now, terms));
        self.calls.insert(handle, call);
        self.respond_plain(now, id, 100, None, "", &[]);
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
            replaces: None,
            account,
            via_hops: count(message, Name::Via),
            record_routes: count(message, Name::RecordRoute),
        };
        self.event(Event::Incoming { call: handle, info: Box::new(info) });
    }

    pub(super) fn tune(&mut self, handle: CallHandle, policy: CallPolicy) {
        if let Some(call) = self.calls.get_mut(&handle).filter(|c| c.phase == Phase::Incoming) {
            call.policy = policy;
        }
    }

    pub(super) fn ring(&mut self, now: Instant, handle: CallHandle, sdp: Option<&[u8]>) {
        let Some(call) = self.calls.get(&handle).filter(|c| c.phase == Phase::Incoming) else { return };
        let (Some(id), Some(dialog)) = (call.pending, &call.dialog) else { return };
        let code = if sdp.is_some() { 183 } else { 180 };
        let contact = self.contact(&dialog.path);
        let Some(mut writer) = self.answer(id, code, None, &call.local_tag) else { return };
        writer.header("Contact", contact).header("Allow", ALLOW);
        let bytes = writer.finish_with("application/sdp", sdp.unwrap_or_default());
        self.respond(now, id, code, bytes);
    }

    pub(super) fn accept(&mut self, now: Instant, handle: CallHandle, sdp: &[u8]) {
        let Some(id) = self.calls.get(&handle).filter(|c| c.phase == Phase::Incoming).and_then(|c| c.pending)
        else {
            return;
        };
        if self.answer_with_sdp(now, handle, id, sdp)
            && let Some(call) = self.calls.get_mut(&handle)
        {
            call.phase = Phase::Accepted;
        }
    }

    /// 200 with a session description, to the first INVITE, a re-INVITE or an UPDATE.
    pub(super) fn answer_with_sdp(&mut self, now: Instant, handle: CallHandle, id: u64, sdp: &[u8]) -> bool {
        let Some(call) = self.calls.get(&handle) else { return false };
        let Some(path) = call.dialog.as_ref().map(|d| d.path) else { return false };
        let session = call.session_header.clone();
        let Some(mut writer) = self.answer(id, 200, None, &call.local_tag.clone()) else { return false };
        writer.header("Contact", self.contact(&path)).header("Allow", ALLOW).header("Supported", SUPPORTED);
        if let Some(session) = session {
            writer.header("Require", "timer").header("Session-Expires", session);
        }
        let bytes = writer.finish_with("application/sdp", sdp);
        if !self.respond(now, id, 200, bytes.clone()) {
            return false;
        }
        let Some(server) = self.servers.get(&id) else { return false };
        let (cseq, path, fallback, invite) =
            (server.cseq, server.reply.path, server.reply.fallback, server.invite);
        if let Some(call) = self.calls.get_mut(&handle) {
            call.pending = None;
            if invite {
                call.unacked = Some(Unacked {
                    cseq,
                    bytes,
                    path,
                    fallback,
                    next: now + T1,
                    interval: T1,
                    end: now + T1X64,
                });
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
    ) {
        if self.reject_invite(now, handle, code, reason, retry_after) {
            self.end(handle, EndCause::Rejected);
        }
    }

    /// Answers the open first INVITE with our challenges, once: nothing is repeated to a source that may be forged.
    pub(super) fn challenge(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get(&handle).filter(|c| c.phase == Phase::Incoming) else { return };
        let (Some(id), tag) = (call.pending, call.local_tag.clone()) else { return };
        let Some(server) = self.servers.get(&id) else { return };
        let (path, length) = (server.reply.path, server.length);
        let fields = self.challenge_fields(now, &path, server.stale);
        if let Some(server) = self.servers.get(&id) {
            let fallback = server.reply.fallback;
            let bytes = self.fitting(&server.reply, length, status(401), &tag, &fields);
            self.send_back(path, fallback, bytes);
        }
        self.forget_server(id);
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
    ) -> bool {
        let Some(call) = self.calls.get(&handle).filter(|c| c.phase == Phase::Incoming) else { return false };
        let Some(id) = call.pending else { return false };
        let tag = call.local_tag.clone();
        let extras: Vec<_> =
            retry_after.map(|s| Extra::must("Retry-After", s.to_string())).into_iter().collect();
        let code = if (300..700).contains(&code) { code } else { 500 };
        self.respond_plain(now, id, code, reason, &tag, &extras);
        true
    }

    /// The peer cancelled the INVITE of this server transaction, which is still open.
    pub(super) fn cancelled(&mut self, now: Instant, handle: CallHandle, id: u64, reason: Option<String>) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let tag = call.local_tag.clone();
        let first = call.phase == Phase::Incoming;
        call.pending = None;
        self.respond_plain(now, id, 487, None, &tag, &[]);
        if first {
            self.event(Event::Cancelled { call: handle, reason });
            self.end(handle, EndCause::Cancelled);
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

    /// Answers a re-INVITE or an UPDATE with 200.
    pub(super) fn accept_again(&mut self, now: Instant, handle: CallHandle, sdp: &[u8]) {
        let Some(id) =
            self.calls.get(&handle).filter(|c| c.phase == Phase::Confirmed).and_then(|c| c.pending)
        else {
            return;
        };
        self.answer_with_sdp(now, handle, id, sdp);
    }

    /// Answers a re-INVITE or an UPDATE with a refusal.
    pub(super) fn reject_again(&mut self, now: Instant, handle: CallHandle, code: u16, reason: Option<&str>) {
        let Some(call) = self.calls.get_mut(&handle).filter(|c| c.phase == Phase::Confirmed) else { return };
        let Some(id) = call.pending.take() else { return };
        let code = if (300..700).contains(&code) { code } else { 488 };
        self.respond_plain(now, id, code, reason, "", &[]);
    }
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
