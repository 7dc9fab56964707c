//! Requests as they come in: whom they belong to, and the answers that need no memory (RFC 3261 §8.2).

use super::reply::Reply;
use super::{ACCEPT, ALLOW, Client, OPTIONS, Owner, Purpose, Server, UserAgent, has_option, supported};
use crate::dialog::Outgoing;
use crate::message::text::{inert, text};
use crate::message::{Essentials, Flaw, Message, Method, Name, Scheme, Start, Uri, Writer, check, param};
use crate::transaction::{
    ClientTransaction, Kind, ServerStep, ServerTransaction, client_key, merge_key, server_key,
};
use crate::{CallHandle, Flow};
use sha2::{Digest, Sha256};
use std::time::Instant;

/// An additional header field of a response; a dispensable one is left out rather than answer more than was asked.
pub(super) struct Extra {
    name: &'static str,
    value: String,
    dispensable: bool,
}

impl Extra {
    pub fn must(name: &'static str, value: impl Into<String>) -> Self {
        Extra { name, value: value.into(), dispensable: false }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn write(&self, writer: &mut Writer) {
        writer.header(self.name, &self.value);
    }

    pub fn may(name: &'static str, value: impl Into<String>) -> Self {
        Extra { name, value: value.into(), dispensable: true }
    }
}

/// A request being looked at.
pub(super) struct Request<'m> {
    pub message: &'m Message<'m>,
    pub found: Essentials,
    pub path: Flow,
    /// Length as received, in octets.
    pub length: usize,
}

/// How many of the oldest transactions are looked at for one that is answered.
const SEARCHED: usize = 256;

impl UserAgent {
    pub(super) fn message(&mut self, now: Instant, path: Flow, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes, self.config.max_headers) else { return };
        let found = check(&message);
        let Start::Request { uri, .. } = message.start else {
            if let Ok(found) = found
                && let Some(key) = client_key(&message, &found)
            {
                self.response(now, path, &message, &found, &key);
            }
            return;
        };
        let found = match found {
            Ok(found) => found,
            Err(flaw) => return self.refuse_flawed(path, &message, bytes.len(), flaw),
        };
        let uri = String::from_utf8_lossy(uri);
        let request = Request { message: &message, found, path, length: bytes.len() };
        self.request(now, &request, &uri);
    }

    fn request(&mut self, now: Instant, request: &Request<'_>, uri: &str) {
        let Request { message, found, .. } = request;
        let key = server_key(message, found, found.method);
        if found.method == Method::Ack {
            let own = self.server_keys.get(&key).copied();
            if let Some(id) = own
                && self.server_step(id, |machine| machine.ack(now)).unwrap_or(false)
            {
                return;
            }
            return self.ack(now, request);
        }
        if let Some(&id) = self.server_keys.get(&key) {
            if self.servers.get(&id).is_some_and(|s| s.machine.repeated() == ServerStep::Send) {
                self.resend(id);
            }
            return;
        }
        if found.method == Method::Cancel {
            return self.cancel(now, request);
        }
        let Some(uri) = Uri::parse(uri) else {
            return self.refuse(request, Flaw::bad("Bad Request-URI"), &[]);
        };
        if !uri.headers.is_empty() {
            return self.refuse(request, Flaw::bad("Request-URI With Header Fields"), &[]);
        }
        match found.method {
            Method::Register if !self.config.registrar => {
                return self.refuse(request, status(405), &[Extra::must("Allow", ALLOW)]);
            }
            Method::Unserved => return self.refuse(request, status(405), &[Extra::must("Allow", ALLOW)]),
            Method::Unknown => return self.refuse(request, status(501), &[Extra::may("Allow", ALLOW)]),
            _ => {}
        }
        if uri.scheme == Scheme::Other {
            return self.refuse(request, status(416), &[]);
        }
        let inside = !found.to_tag.is_empty();
        if !inside && self.merge_keys.contains_key(&merge_key(found)) {
            return self.refuse(request, status(482), &[]);
        }
        let unknown: Vec<String> = message
            .all(Name::Require)
            .flat_map(|value| param::list(&text(value)).map(str::to_owned).collect::<Vec<_>>())
            .filter(|option| !known_option(found.method, option))
            .collect();
        if !unknown.is_empty() {
            return self.refuse(request, status(420), &[Extra::must("Unsupported", unknown.join(", "))]);
        }
        if found.method != Method::Invite && message.first(Name::Replaces).is_some() {
            // RFC 3891 §3.
            return self.refuse(request, Flaw::bad("Replaces Outside INVITE"), &[]);
        }
        match (found.method, inside) {
            (_, true) => self.inside(now, request),
            (Method::Invite, _) => self.incoming(now, request, &uri),
            (Method::Options, _) => self.options(request),
            (Method::Register, _) => self.registering(now, request, &uri),
            (Method::Refer, _) => self.refuse(request, status(403), &[]),
            (Method::Subscribe, _) => {
                self.refuse(request, status(489), &[Extra::may("Allow-Events", super::refer::ALLOW_EVENTS)])
            }
            _ => self.refuse(request, status(481), &[]),
        }
    }

    /// OPTIONS answers as INVITE would, as far as that is known without the number (RFC 3261 §11.2).
    pub(super) fn options(&mut self, request: &Request<'_>) {
        if !self.accepting {
            let after = self.config.retry_after.to_string();
            return self.refuse(request, status(503), &[Extra::must("Retry-After", after)]);
        }
        let extras = [
            Extra::may("Allow", ALLOW),
            Extra::may("Accept", "application/sdp"),
            Extra::may("Supported", supported(&self.config.policy)),
        ];
        self.refuse(request, status(200), &extras);
    }

    /// CANCEL (RFC 3261 §9.2): finds the INVITE with the same branch and sent-by.
    fn cancel(&mut self, now: Instant, request: &Request<'_>) {
        let key = server_key(request.message, &request.found, Method::Invite);
        let Some(&id) = self.server_keys.get(&key) else { return self.refuse(request, status(481), &[]) };
        let Some(server) = self.servers.get(&id) else { return };
        let (call, open) = (server.call, server.machine.is_open());
        let tag = call.and_then(|c| self.calls.get(&c)).map(|c| c.local_tag.clone());
        self.stateless(request.message, request.path, request.length, status(200), tag, &[]);
        if open && let Some(call) = call {
            let reason = request.message.text(Name::Reason).map(|r| inert(&r));
            self.cancelled(now, call, id, reason);
        }
    }

    /// Answers a message that broke the rules, if it can be answered; never an ACK or a response.
    pub(super) fn refuse_flawed(&mut self, path: Flow, message: &Message<'_>, length: usize, flaw: Flaw) {
        if matches!(message.start, Start::Request { method, .. } if method != b"ACK") {
            self.stateless(message, path, length, flaw, None, &[]);
        }
    }

    /// Answers without keeping anything (RFC 3261 §8.2.7).
    pub(super) fn refuse(&mut self, request: &Request<'_>, answer: Flaw, extras: &[Extra]) {
        self.stateless(request.message, request.path, request.length, answer, None, extras);
    }

    /// Over datagrams a stateless answer drops what is dispensable rather than be longer than the request, so that a
    /// forged source gains nothing.
    fn stateless(
        &mut self,
        message: &Message<'_>,
        path: Flow,
        length: usize,
        answer: Flaw,
        tag: Option<String>,
        extras: &[Extra],
    ) {
        let Some(reply) = Reply::new(message, path) else { return };
        let tag = tag.unwrap_or_else(|| self.stateless_tag(message));
        let bytes = self.fitting(&reply, length, answer, &tag, extras);
        self.send_back(reply.path, reply.fallback, bytes);
    }

    /// A response that over datagrams is no longer than its request of `length` octets, as far as what must stand allows.
    pub(super) fn fitting(
        &self,
        reply: &Reply,
        length: usize,
        answer: Flaw,
        tag: &str,
        extras: &[Extra],
    ) -> Vec<u8> {
        let server = Extra::may("Server", self.config.user_agent.as_str());
        let named = (!self.config.user_agent.is_empty()).then_some(&server);
        let build = |dispensable: usize, phrase: Option<&str>| {
            let mut writer = reply.writer(answer.status, phrase, tag);
            let mut left = dispensable;
            for extra in extras.iter().chain(named) {
                if extra.dispensable {
                    let Some(fewer) = left.checked_sub(1) else { continue };
                    left = fewer;
                }
                extra.write(&mut writer);
            }
            writer.finish()
        };
        let phrase = (!answer.sentence.is_empty()).then_some(answer.sentence);
        let mut bytes = build(usize::MAX, phrase);
        if !reply.path.transport.is_reliable() {
            // Server goes first, then the last of the others, at last the phrase.
            let fewer = (0..extras.len() + 1).rev().map(|count| (count, phrase)).chain([(0, Some(""))]);
            for (count, phrase) in fewer {
                if bytes.len() <= length {
                    break;
                }
                bytes = build(count, phrase);
            }
        }
        bytes
    }

    /// The same request gets the same To tag, without memory of it.
    pub(super) fn stateless_tag(&self, message: &Message<'_>) -> String {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        for name in [Name::CallId, Name::From, Name::Via] {
            hash.update(message.first(name).unwrap_or_default());
            hash.update([0]);
        }
        hash.finalize()[..8].iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Begins a server transaction; at the limit it answers 503 instead and returns `None`.
    pub(super) fn open_server(&mut self, request: &Request<'_>, call: Option<CallHandle>) -> Option<u64> {
        let limit = self.config.max_call_transactions;
        let crowd = call.and_then(|c| self.calls.get(&c)).is_some_and(|call| call.transactions >= limit);
        let room = self.has_room();
        // BYE is served even where there is none: it ends the crowd, and a call has one.
        if request.found.method != Method::Bye && (crowd || !room) {
            self.overloaded(request);
            return None;
        }
        let Request { message, found, .. } = request;
        let invite = found.method == Method::Invite;
        let kind = if invite { Kind::Invite } else { Kind::NonInvite };
        let reply = Reply::new(message, request.path)?;
        if let Some(call) = call.and_then(|c| self.calls.get_mut(&c)) {
            call.transactions += 1;
        }
        let id = self.fresh_id();
        let key = server_key(message, found, found.method);
        let merge = (invite && found.to_tag.is_empty()).then(|| merge_key(found));
        self.server_keys.insert(key.clone(), id);
        if let Some(merge) = &merge {
            self.merge_keys.insert(merge.clone(), id);
        }
        let machine = ServerTransaction::new(kind, request.path.transport.is_reliable());
        self.servers.insert(
            id,
            Box::new(Server {
                machine,
                reply,
                last: None,
                keys: (key, merge),
                call,
                cseq: found.cseq,
                invite,
                length: request.length,
                stale: false,
                granted: None,
                target: None,
            }),
        );
        Some(id)
    }

    /// Whether another server transaction may begin. At the limit the oldest that is answered makes room: it only rests for
    /// 64 * T1 to absorb copies of its request (RFC 3261 §17.2.2), and those come within seconds.
    fn has_room(&mut self) -> bool {
        if self.transactions() < self.config.max_transactions {
            return true;
        }
        // A copy of an INVITE whose call goes on would be a second call.
        let calls = &self.calls;
        let rests = |server: &Server| {
            let goes_on = server.invite && server.call.is_some_and(|call| calls.contains_key(&call));
            !server.machine.is_open() && !goes_on
        };
        let oldest = self.servers.iter().take(SEARCHED).find(|(_, server)| rests(server));
        let Some((&id, _)) = oldest else { return false };
        self.forget_server(id);
        true
    }

    pub(super) fn overloaded(&mut self, request: &Request<'_>) {
        let after = self.config.retry_after.to_string();
        self.refuse(request, status(503), &[Extra::must("Retry-After", after)]);
    }

    /// Starts a response of a server transaction, with our tag and name in it.
    pub(super) fn answer(&self, id: u64, status: u16, reason: Option<&str>, tag: &str) -> Option<Writer> {
        let mut writer = self.servers.get(&id)?.reply.writer(status, reason, tag);
        if status > 100 && !self.config.user_agent.is_empty() {
            writer.header("Server", &self.config.user_agent);
        }
        Some(writer)
    }

    /// Sends a response by its transaction; `false` if a final one has gone before.
    pub(super) fn respond(&mut self, now: Instant, id: u64, status: u16, bytes: Vec<u8>) -> bool {
        if !self.server_step(id, |machine| machine.respond(now, status)).unwrap_or(false) {
            return false;
        }
        if let Some(server) = self.servers.get_mut(&id) {
            server.last = Some(bytes);
            self.resend(id);
        }
        true
    }

    /// A response without a body or more header fields than these.
    pub(super) fn respond_plain(
        &mut self,
        now: Instant,
        id: u64,
        code: u16,
        reason: Option<&str>,
        tag: &str,
        extras: &[Extra],
    ) {
        let Some(mut writer) = self.answer(id, code, reason, tag) else { return };
        for extra in extras {
            writer.header(extra.name, &extra.value);
        }
        self.respond(now, id, code, writer.finish());
    }

    pub(super) fn resend(&mut self, id: u64) {
        if let Some((path, fallback, Some(bytes))) =
            self.servers.get(&id).map(|s| (s.reply.path, s.reply.fallback, s.last.clone()))
        {
            self.send_back(path, fallback, bytes);
        }
    }

    /// Runs a step of a server transaction and re-reads its deadline.
    fn server_step<T>(&mut self, id: u64, step: impl FnOnce(&mut ServerTransaction) -> T) -> Option<T> {
        let server = self.servers.get_mut(&id)?;
        let result = step(&mut server.machine);
        let at = server.machine.deadline();
        self.schedule.set(Owner::Server(id), at);
        Some(result)
    }

    pub(super) fn server_timer(&mut self, now: Instant, id: u64) {
        loop {
            match self.server_step(id, |machine| machine.timer(now)) {
                Some(ServerStep::Send) => self.resend(id),
                Some(ServerStep::TimedOut | ServerStep::Terminated) => {
                    self.forget_server(id);
                    return;
                }
                Some(ServerStep::None) | None => return,
            }
        }
    }

    pub(super) fn forget_server(&mut self, id: u64) {
        self.schedule.set(Owner::Server(id), None);
        if let Some(server) = self.servers.remove(&id) {
            if let Some(call) = server.call.and_then(|c| self.calls.get_mut(&c)) {
                call.transactions = call.transactions.saturating_sub(1);
            }
            self.server_keys.remove(&server.keys.0);
            if let Some(merge) = server.keys.1 {
                self.merge_keys.remove(&merge);
            }
        }
    }

    /// Sends a request by a new client transaction.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        path: Flow,
        mut request: Outgoing,
        method: &str,
        mut bytes: Vec<u8>,
        purpose: Purpose,
    ) -> u64 {
        let (path, by_udp) = match method {
            // By the path of its INVITE.
            "CANCEL" => (path, None),
            _ => self.by_size(now, path, &mut request, &mut bytes),
        };
        let kind = if method == "INVITE" { Kind::Invite } else { Kind::NonInvite };
        let id = self.fresh_id();
        let branch = param::get(&request.via, "branch").unwrap_or_default();
        let key = format!("{branch}|{method}");
        let machine = ClientTransaction::new(now, kind, path.transport.is_reliable());
        self.schedule.set(Owner::Client(id), machine.deadline());
        self.client_keys.insert(key.clone(), id);
        self.clients.insert(
            id,
            Client {
                machine,
                request,
                bytes: bytes.clone(),
                path,
                key,
                purpose,
                ack: None,
                forks: Vec::new(),
                by_udp,
            },
        );
        self.send(path, bytes);
        id
    }

    /// 200 to a request inside a dialog that changes nothing.
    pub(super) fn agree(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        call: CallHandle,
        extras: &[Extra],
    ) -> bool {
        let Some(id) = self.open_server(request, Some(call)) else { return false };
        self.respond_plain(now, id, 200, None, "", extras);
        true
    }
}

/// Extensions that a request may require.
fn known_option(method: Method, option: &str) -> bool {
    let register = method == Method::Register
        && super::registrar::SUPPORTED.iter().any(|known| known.eq_ignore_ascii_case(option));
    register || OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(option))
}

/// A status with its standard reason phrase.
pub(super) const fn status(status: u16) -> Flaw {
    Flaw { status, sentence: "" }
}

/// Whether the sender of an INVITE could take our session description as an answer (RFC 3261 §20.1).
pub(super) fn accepts_sdp(message: &Message<'_>) -> bool {
    let mut named = false;
    for value in message.all(Name::Accept) {
        for item in param::list(&text(value)) {
            let kind = item.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
            named = true;
            if matches!(kind.as_str(), "application/sdp" | "application/*" | "*/*") {
                return true;
            }
        }
    }
    !named
}

/// Whether the peer's Allow names UPDATE.
pub(super) fn allows_update(message: &Message<'_>) -> bool {
    has_option(message, Name::Allow, "UPDATE")
}

/// Extra fields of a 415: what would be taken.
pub(super) fn accept_extras(flaw: Flaw) -> Vec<Extra> {
    match flaw.status {
        415 => vec![Extra::must("Accept", ACCEPT), Extra::may("Accept-Encoding", "identity")],
        _ => Vec::new(),
    }
}
