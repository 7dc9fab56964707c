//! Requests sent once more: with credentials (RFC 3261 §22.2), to the next address (RFC 3263 §4.3), where a redirection
//! points to (RFC 3261 §8.1.3.4).

use super::call::{Exchange, Phase};
use super::{Owner, Purpose, UserAgent};
use crate::auth::Answerer;
use crate::dialog::{Outgoing, unreachable};
use crate::message::text::{text, unfold};
use crate::message::uri::same_uri;
use crate::message::{Address, Message, Name, Scheme, Start, Uri, Writer, param};
use crate::{CallHandle, Credentials, Flow, Invite, Transport};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

/// What a placed call may still try.
#[derive(Debug)]
pub(super) struct Retry {
    pub answerer: Option<Answerer>,
    /// Addresses that the credentials are for: a redirection elsewhere does not get them.
    home: Vec<IpAddr>,
    alternatives: VecDeque<Flow>,
    /// Contacts of redirections that wait for their turn.
    targets: VecDeque<String>,
    /// Request-URIs tried: none of them again.
    tried: Vec<String>,
    follow: u8,
    /// An offer that the callee may like better.
    second: Option<Vec<u8>>,
    /// When the silence of the current path has lasted long enough.
    pub give_up: Option<Instant>,
}

impl Retry {
    pub fn new(invite: &Invite, uri: &str) -> Self {
        // A SIPS URI has no other path than a protected one.
        let secure = Uri::parse(uri).is_some_and(|uri| uri.scheme == Scheme::Sips);
        let fits = |path: &&Flow| !secure || path.transport == Transport::Tls;
        let home = std::iter::once(&invite.path).chain(&invite.alternatives).map(|path| path.remote.ip());
        Retry {
            answerer: invite.credentials.clone().map(Answerer::new),
            home: home.collect(),
            alternatives: invite.alternatives.iter().filter(fits).copied().collect(),
            targets: VecDeque::new(),
            tried: vec![uri.to_owned()],
            follow: invite.follow,
            second: invite.second.clone(),
            give_up: None,
        }
    }

    /// Keeps what a redirection offers, the best first: no URI twice, nothing less protected than the call was.
    fn redirect(&mut self, message: &Message<'_>) {
        let secure = self
            .tried
            .first()
            .is_some_and(|uri| Uri::parse(uri).is_some_and(|uri| uri.scheme == Scheme::Sips));
        let mut found: Vec<(u32, String)> = Vec::new();
        for value in message.all(Name::Contact) {
            for item in param::list(&text(value)) {
                let Some((address, uri)) = Address::parse(item).ok().and_then(|a| Some((a, a.uri()?))) else {
                    continue;
                };
                let fits = uri.scheme == Scheme::Sips || (uri.scheme == Scheme::Sip && !secure);
                let bare = address.uri.split('?').next().unwrap_or_default().to_owned();
                let other = uri.param("method").is_some_and(|m| !m.eq_ignore_ascii_case("INVITE"));
                if fits && !other {
                    found.push((quality(address.param("q").as_deref()), bare));
                }
            }
        }
        found.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
        for (_, uri) in found {
            let known = |other: &String| same_uri(other, &uri);
            if !self.tried.iter().any(known) && !self.targets.iter().any(known) && self.targets.len() < 16 {
                self.targets.push_back(uri);
            }
        }
    }
}

/// A q value in thousandths; 1 if absent or broken (RFC 3261 §20.10).
fn quality(text: Option<&str>) -> u32 {
    let value = text.and_then(|t| t.trim().parse::<f32>().ok()).filter(|q| (0.0..=1.0).contains(q));
    (value.unwrap_or(1.0) * 1000.0) as u32
}

/// Most 422 responses that one call yields to.
const MAX_RAISES: u8 = 3;

/// Credentials in the octets of a request: its ACK must repeat them (RFC 3261 §22.1).
pub(super) fn credentials_in(request: &[u8]) -> Vec<(&'static str, String)> {
    let Ok(message) = Message::parse(request, usize::MAX) else { return Vec::new() };
    let names = [(Name::Authorization, "Authorization"), (Name::ProxyAuthorization, "Proxy-Authorization")];
    names
        .into_iter()
        .flat_map(|(name, long)| message.all(name).map(move |value| (long, text(value).into_owned())))
        .collect()
}

/// The request again: other start line, Via and CSeq, other credentials, and on another path another Contact.
fn rewritten(
    request: &[u8],
    method: &str,
    outgoing: &Outgoing,
    contact: Option<&str>,
    credentials: &[(&'static str, String)],
) -> Option<Vec<u8>> {
    let message = Message::parse(request, usize::MAX).ok()?;
    let mut writer = Writer::request(method, &outgoing.uri);
    writer.header("Via", &outgoing.via);
    for header in message.headers() {
        match (header.name, contact) {
            (Name::Via | Name::Authorization | Name::ProxyAuthorization | Name::ContentLength, _) => {}
            (Name::ContentType, _) => {}
            (Name::CSeq, _) => drop(writer.header("CSeq", format!("{} {method}", outgoing.cseq))),
            (Name::Contact, Some(contact)) => drop(writer.header("Contact", contact)),
            _ => drop(writer.header(&String::from_utf8_lossy(header.raw_name), unfold(header.value))),
        }
    }
    for (name, value) in credentials {
        writer.header(name, value);
    }
    let kind = message.text(Name::ContentType).unwrap_or_default();
    Some(writer.finish_with(&kind, message.body))
}

/// An INVITE with another Session-Expires and Min-SE.
fn retimed(invite: &[u8], uri: &str, expires: &str, least: u32) -> Option<Vec<u8>> {
    let message = Message::parse(invite, usize::MAX).ok()?;
    let mut writer = Writer::request("INVITE", uri);
    for header in message.headers() {
        let dropped = [Name::SessionExpires, Name::MinSe, Name::ContentLength, Name::ContentType];
        if !dropped.contains(&header.name) {
            writer.header(&String::from_utf8_lossy(header.raw_name), unfold(header.value));
        }
    }
    writer.header("Session-Expires", expires).header("Min-SE", least.to_string());
    let kind = message.text(Name::ContentType).unwrap_or_default();
    Some(writer.finish_with(&kind, message.body))
}

/// An INVITE with another offer.
fn described(invite: &[u8], uri: &str, sdp: &[u8]) -> Option<Vec<u8>> {
    let message = Message::parse(invite, usize::MAX).ok()?;
    let mut writer = Writer::request("INVITE", uri);
    for header in message.headers() {
        if !matches!(header.name, Name::ContentLength | Name::ContentType) {
            writer.header(&String::from_utf8_lossy(header.raw_name), unfold(header.value));
        }
    }
    let kind = message.text(Name::ContentType).unwrap_or_default();
    Some(writer.finish_with(&kind, sdp))
}

impl UserAgent {
    /// A response of 300 or more that is not the last word: sends the request again and says so.
    pub(super) fn retried(&mut self, now: Instant, id: u64, message: &Message<'_>, purpose: Purpose) -> bool {
        let Start::Response { status, .. } = message.start else { return false };
        if matches!(status, 401 | 407) && self.prove(now, id, message, purpose) {
            return true;
        }
        if status >= 200
            && !matches!(status, 401 | 407)
            && let Some(answerer) = self.answerer(purpose)
        {
            answerer.accepted();
        }
        let Purpose::Invite(handle) = purpose else { return false };
        if status == 422 {
            return self.raised(now, id, handle, message);
        }
        if matches!(status, 488 | 606) && self.offered_again(now, id, handle) {
            return true;
        }
        if !(300..600).contains(&status) {
            return false;
        }
        if status == 503 && self.next_path(now, id, handle) {
            return true;
        }
        if let Some(retry) = self.retry(handle).filter(|_| status < 400) {
            retry.redirect(message);
        }
        self.next_target(now, id, handle)
    }

    /// A request that got no answer: the next path may give one.
    pub(super) fn retried_elsewhere(&mut self, now: Instant, id: u64, purpose: Purpose) -> bool {
        let Purpose::Invite(handle) = purpose else { return false };
        // Once somebody has answered, another path would make it ring twice.
        let silent = self.clients.get(&id).is_some_and(|c| !c.machine.is_proceeding());
        silent && (self.next_path(now, id, handle) || self.next_target(now, id, handle))
    }

    /// 422: the INVITE again, with the interval that the callee wants (RFC 4028 §7.3).
    fn raised(&mut self, now: Instant, id: u64, handle: CallHandle, message: &Message<'_>) -> bool {
        let least = super::session::min_se(message);
        let (Some(call), Some(client)) = (self.calls.get_mut(&handle), self.clients.get_mut(&id)) else {
            return false;
        };
        if call.phase != Phase::Calling || least <= call.min_se || call.raises >= MAX_RAISES {
            return false;
        }
        call.raises += 1;
        call.min_se = least;
        let Some((interval, value)) = super::session::wish(&call.policy.session, least) else { return false };
        call.asked_interval = Some(interval);
        let Some(bytes) = retimed(&client.bytes, &client.request.uri, &value, least) else { return false };
        let carried = !credentials_in(&client.bytes).is_empty();
        client.bytes.clone_from(&bytes);
        let (uri, cnonce) = (client.request.uri.clone(), self.token());
        let body = Message::parse(&bytes, usize::MAX).map(|m| m.body).unwrap_or_default();
        let credentials = match self.answerer(Purpose::Invite(handle)) {
            Some(answerer) if carried => answerer.headers("INVITE", &uri, body, &cnonce),
            _ => Vec::new(),
        };
        self.again(now, id, None, None, &credentials)
    }

    /// The callee does not like our offer: the INVITE again with the second one, if there is one.
    fn offered_again(&mut self, now: Instant, id: u64, handle: CallHandle) -> bool {
        let Some(sdp) = self.retry(handle).and_then(|retry| retry.second.take()) else { return false };
        let (Some(call), Some(client)) = (self.calls.get_mut(&handle), self.clients.get_mut(&id)) else {
            return false;
        };
        let Some(bytes) = described(&client.bytes, &client.request.uri, &sdp) else { return false };
        let carried = !credentials_in(&client.bytes).is_empty();
        client.bytes.clone_from(&bytes);
        call.local_sdp.clone_from(&sdp);
        let (uri, cnonce) = (client.request.uri.clone(), self.token());
        let credentials = match self.answerer(Purpose::Invite(handle)) {
            Some(answerer) if carried => answerer.headers("INVITE", &uri, &sdp, &cnonce),
            _ => Vec::new(),
        };
        self.again(now, id, None, None, &credentials)
    }

    /// The state of a call that is still being placed.
    fn retry(&mut self, handle: CallHandle) -> Option<&mut Retry> {
        let call = self.calls.get_mut(&handle).filter(|c| c.phase == Phase::Calling)?;
        call.retry.as_deref_mut()
    }

    fn answerer(&mut self, purpose: Purpose) -> Option<&mut Answerer> {
        match purpose {
            Purpose::Register(id) => self.registrations.get_mut(&id)?.answerer.as_mut(),
            Purpose::Ask(id) => self.asks.get_mut(&id)?.as_mut(),
            _ => self.calls.get_mut(&purpose.call()?)?.retry.as_mut()?.answerer.as_mut(),
        }
    }

    /// Answers a challenge if it is for us to answer.
    fn prove(&mut self, now: Instant, id: u64, message: &Message<'_>, purpose: Purpose) -> bool {
        let Some(client) = self.clients.get(&id) else { return false };
        let (remote, bytes) = (client.path.remote.ip(), client.bytes.clone());
        let (uri, method) = (client.request.uri.clone(), client.method().to_owned());
        let inside = match (purpose, purpose.call().and_then(|call| self.calls.get(&call))) {
            (Purpose::Invite(_), Some(call)) if call.phase != Phase::Calling => return false,
            (Purpose::Invite(_), _) | (_, None) => false,
            _ => true,
        };
        if let Some(retry) = purpose.call().and_then(|c| self.calls.get(&c)).and_then(|c| c.retry.as_ref())
            && !retry.home.contains(&remote)
        {
            return false;
        }
        let carried = !credentials_in(&bytes).is_empty();
        let cnonce = self.token();
        let Some(answerer) = self.answerer(purpose) else { return false };
        // Inside a call the peer may be anybody: only who was answered when the call was placed is answered again.
        let worth = if inside {
            answerer.challenged_again(message, carried)
        } else {
            answerer.challenged(message, carried)
        };
        if !worth {
            return false;
        }
        let body = Message::parse(&bytes, usize::MAX).map(|m| m.body).unwrap_or_default();
        let credentials = answerer.headers(&method, &uri, body, &cnonce);
        self.again(now, id, None, None, &credentials)
    }

    /// The next of the alternatives.
    fn next_path(&mut self, now: Instant, id: u64, handle: CallHandle) -> bool {
        let Some(path) = self.retry(handle).and_then(|r| r.alternatives.pop_front()) else { return false };
        self.again(now, id, Some(path), None, &[]) || self.next_path(now, id, handle)
    }

    /// The next contact of the redirections.
    fn next_target(&mut self, now: Instant, id: u64, handle: CallHandle) -> bool {
        let Some(retry) = self.retry(handle) else { return false };
        if retry.follow == 0 {
            return false;
        }
        let Some(uri) = retry.targets.pop_front() else { return false };
        retry.follow -= 1;
        retry.tried.push(uri.clone());
        let Some(client) = self.clients.get(&id) else { return false };
        let path = if client.request.routes.is_empty() { redirected(&uri, client.path) } else { client.path };
        self.again(now, id, Some(path), Some(uri), &[]) || self.next_target(now, id, handle)
    }

    /// Sends the request of a client transaction again, by a new one.
    fn again(
        &mut self,
        now: Instant,
        id: u64,
        path: Option<Flow>,
        uri: Option<String>,
        credentials: &[(&'static str, String)],
    ) -> bool {
        let Some(client) = self.clients.get(&id) else { return false };
        let (method, purpose, bytes) = (client.method().to_owned(), client.purpose, client.bytes.clone());
        let moved = path.is_some_and(|path| path != client.path);
        let path = path.unwrap_or(client.path);
        let mut request =
            Outgoing { uri: uri.unwrap_or(client.request.uri.clone()), ..client.request.clone() };
        request.via = self.via(&path);
        request.cseq = self.next_cseq(purpose, request.cseq);
        let contact = moved.then(|| self.contact_for(&path, &request.uri));
        let Some(bytes) = rewritten(&bytes, &method, &request, contact.as_deref(), credentials) else {
            return false;
        };
        let new = self.begin(now, path, request, &method, bytes, purpose);
        match purpose {
            Purpose::Invite(handle) => self.replaced(now, handle, new),
            Purpose::Offer(handle) => self.offer_moved(handle, id, new),
            Purpose::Refer(handle) => self.refer_moved(handle, id, new),
            Purpose::Register(registration) => {
                if let Some(state) = self.registrations.get_mut(&registration) {
                    state.client = Some(new);
                }
            }
            _ => {}
        }
        true
    }

    fn next_cseq(&mut self, purpose: Purpose, last: u32) -> u32 {
        match purpose {
            Purpose::Register(id) => {
                self.registrations.get_mut(&id).map(|r| r.next_cseq()).unwrap_or(last + 1)
            }
            _ => {
                let dialog =
                    purpose.call().and_then(|c| self.calls.get_mut(&c)).and_then(|c| c.dialog.as_mut());
                let Some(dialog) = dialog else { return last + 1 };
                dialog.local_seq = dialog.local_seq.max(last) + 1;
                dialog.local_seq
            }
        }
    }

    /// Another transaction carries the call's INVITE now; early dialogs of the old one are over.
    fn replaced(&mut self, now: Instant, handle: CallHandle, client: u64) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if let Some(dialog) = call.dialog.take() {
            self.dialogs.remove(&dialog.id);
        }
        if let Some(placed) = call.placed.as_mut() {
            placed.client = client;
            placed.cancel_sent = false;
        }
        call.early.clear();
        call.owed = None;
        call.offering.restart();
        let reoffered = call.reoffered.take();
        call.described = false;
        call.exchange = if call.local_sdp.is_empty() { Exchange::Idle } else { Exchange::Ours };
        // Its early dialog is gone: nobody can answer that offer any more.
        if let Some(id) = reoffered {
            self.forget_server(id);
        }
        self.arm_failover(now, handle);
    }

    /// Watches for silence as long as there is another path.
    pub(super) fn arm_failover(&mut self, now: Instant, handle: CallHandle) {
        let patience = self.config.failover_after;
        if let Some(retry) = self.retry(handle) {
            retry.give_up = (!retry.alternatives.is_empty()).then(|| now + patience);
        }
        self.reschedule_call(handle);
    }

    /// The call's path has been silent for too long: the next one. What the old one answers later is cancelled.
    pub(super) fn failover_timer(&mut self, now: Instant, handle: CallHandle) {
        let Some(retry) = self.retry(handle).filter(|r| r.give_up.is_some_and(|at| at <= now)) else {
            return;
        };
        retry.give_up = None;
        let Some(id) = self.calls.get(&handle).and_then(|c| c.placed.as_ref()).map(|p| p.client) else {
            return;
        };
        let silent = self.clients.get(&id).is_some_and(|c| c.machine.is_open() && !c.machine.is_proceeding());
        if silent
            && self.next_path(now, id, handle)
            && let Some(client) = self.clients.get_mut(&id)
        {
            client.purpose = Purpose::Stray { cancelled: false };
        }
    }

    /// A provisional response to an INVITE that was given up.
    pub(super) fn cancel_stray(&mut self, now: Instant, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if !client.machine.is_proceeding() || client.purpose != (Purpose::Stray { cancelled: false }) {
            return;
        }
        client.purpose = Purpose::Stray { cancelled: true };
        client.machine.cancelled(now);
        self.schedule.set(Owner::Client(id), client.machine.deadline());
        let (request, path) = (client.request.clone(), client.path);
        let bytes = request.writer("CANCEL").finish();
        self.begin(now, path, request, "CANCEL", bytes, Purpose::Nobody);
    }

    /// Credentials that a call was placed with, for tests of the layer above.
    pub fn placed_with(&self, call: CallHandle, credentials: &Credentials) -> bool {
        let retry = self.calls.get(&call).and_then(|c| c.retry.as_ref());
        retry.and_then(|r| r.answerer.as_ref()).is_some_and(|a| a.holds(credentials))
    }
}

/// The path to a redirection's contact: its address if it is a literal that can be reached, else where the redirection
/// came from, which knows the name.
fn redirected(uri: &str, path: Flow) -> Flow {
    let Some((uri, address)) = Uri::parse(uri).and_then(|uri| Some((uri, uri.socket_addr()?))) else {
        return path;
    };
    let transport = match uri.param("transport") {
        _ if uri.scheme == Scheme::Sips => Transport::Tls,
        Some(t) if t.eq_ignore_ascii_case("tcp") => Transport::Tcp,
        Some(t) if t.eq_ignore_ascii_case("tls") => Transport::Tls,
        Some(t) if t.eq_ignore_ascii_case("udp") => Transport::Udp,
        Some(_) => return path,
        // Never from a protected path to an open one.
        None if path.transport == Transport::Tls => Transport::Tls,
        None => Transport::Udp,
    };
    if unreachable(address) || address.is_ipv4() != path.remote.is_ipv4() {
        return path;
    }
    if (transport, address) == (path.transport, path.remote) {
        return path;
    }
    Flow { transport, local: path.local, remote: address, connection: None }
}
