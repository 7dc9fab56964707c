//! The registrar for phones that use us as their PBX (RFC 3261 §10.3, RFC 3327, RFC 5626).

use super::reply::Reply;
use super::request::{Extra, Request, status};
use super::wish::{Contact, Wish, keeps_flows, read_path, read_wish, way_back};
use super::{Owner, UserAgent, has_option};
use crate::auth::Verdict;
use crate::message::text::inert;
use crate::message::uri::same_uri;
use crate::message::{Address, Flaw, Name, Scheme, Start, Uri};
use crate::{Account, Binding, Event, Flow, UnboundCause};
use rand_core::Rng;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Extensions that a REGISTER may require.
pub(super) const SUPPORTED: [&str; 3] = ["path", "outbound", "gruu"];
/// What is kept of a User-Agent header, in characters.
const MAX_AGENT: usize = 128;

/// All bindings, by account.
#[derive(Default)]
pub(super) struct Bindings {
    by_account: BTreeMap<String, Vec<Bound>>,
    accounts: BTreeMap<u64, String>,
}

#[derive(Clone)]
struct Bound {
    id: u64,
    call_id: String,
    cseq: u32,
    /// `+sip.instance` and `reg-id`: with both, the binding follows the device, not its address.
    instance: Option<String>,
    reg_id: Option<u32>,
    binding: Binding,
}

impl Bound {
    fn is_outbound(&self) -> bool {
        self.instance.is_some() && self.reg_id.is_some()
    }

    /// Whether a contact means this binding (RFC 3261 §10.3, RFC 5626 §6).
    fn is(&self, contact: &Contact) -> bool {
        let outbound = self.is_outbound() && contact.instance.is_some() && contact.reg_id.is_some();
        if outbound {
            return self.instance == contact.instance && self.reg_id == contact.reg_id;
        }
        same_uri(&self.binding.uri, &contact.uri)
    }
}

impl UserAgent {
    /// Where an account can be reached now, the newest binding first.
    pub fn bindings(&self, account: &str) -> Vec<Binding> {
        let bound = self.bindings.by_account.get(account);
        bound.into_iter().flatten().rev().map(|b| b.binding.clone()).collect()
    }

    /// Replaces the phones' accounts; bindings of accounts that are gone or have another password are dropped.
    pub fn set_accounts(&mut self, accounts: Vec<Account>) {
        let lost: Vec<String> = self
            .bindings
            .by_account
            .keys()
            .filter(|user| {
                let old = self.doorkeeper.account(user).map(|a| &a.password);
                let new = accounts.iter().find(|a| a.user == **user).map(|a| &a.password);
                old.is_none() || old != new
            })
            .cloned()
            .collect();
        self.doorkeeper.set_accounts(&accounts);
        self.config.accounts = accounts;
        for account in lost {
            for bound in self.bindings.by_account.remove(&account).unwrap_or_default() {
                self.unbound(&account, bound, UnboundCause::AccountGone);
            }
        }
    }

    /// A 401 with as many challenges as a request of `length` octets may be answered with.
    pub(super) fn challenge_bytes(
        &mut self,
        now: Instant,
        reply: &Reply,
        length: usize,
        tag: &str,
        stale: bool,
    ) -> Vec<u8> {
        let chance = self.rng.next_u32();
        let mut bytes = Vec::new();
        for values in self.doorkeeper.challenges(now, reply.path.remote.ip(), chance, stale) {
            let fields: Vec<Extra> =
                values.into_iter().map(|value| Extra::must("WWW-Authenticate", value)).collect();
            bytes = self.fitting(reply, length, status(401), tag, &fields);
            if bytes.len() <= length || reply.path.transport.is_reliable() {
                break;
            }
        }
        bytes
    }

    /// Weighs the credentials of a request; news of wrong ones go to the layer above.
    pub(super) fn weigh(&mut self, now: Instant, request: &Request<'_>) -> Verdict {
        let Start::Request { method, uri } = request.message.start else { return Verdict::Missing };
        let (method, uri) = (String::from_utf8_lossy(method), String::from_utf8_lossy(uri));
        let source = request.path.remote.ip();
        let verdict = self.doorkeeper.verify(now, source, &method, &uri, request.message);
        if let Verdict::Wrong(user) = &verdict {
            self.event(Event::AuthFailed { flow: request.path, user: user.clone() });
        }
        verdict
    }

    /// REGISTER.
    pub(super) fn registering(&mut self, now: Instant, request: &Request<'_>, uri: &Uri<'_>) {
        if !self.accepting {
            return self.overloaded(request);
        }
        if !matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
            return self.refuse(request, status(416), &[]);
        }
        let user = match self.weigh(now, request) {
            Verdict::Proven(user) => user,
            verdict => {
                let Some(reply) = Reply::new(request.message, request.path) else { return };
                let (tag, stale) = (self.stateless_tag(request.message), verdict == Verdict::Stale);
                let bytes = self.challenge_bytes(now, &reply, request.length, &tag, stale);
                return self.send_back(reply.path, reply.fallback, bytes);
            }
        };
        // From here on the phone has proven itself; its copies are absorbed by a transaction.
        let Some(id) = self.open_server(request, None) else { return };
        let tag = self.token();
        match self.change_bindings(now, request, &user) {
            Ok(mut fields) => {
                let bound = self.bindings.by_account.get(&user);
                for bound in bound.into_iter().flatten() {
                    fields.push(Extra::must("Contact", bound_value(bound, now)));
                }
                self.respond_plain(now, id, 200, None, &tag, &fields);
            }
            Err((flaw, fields)) => {
                let reason = (!flaw.sentence.is_empty()).then_some(flaw.sentence);
                self.respond_plain(now, id, flaw.status, reason, &tag, &fields);
            }
        }
    }

    /// Does what the REGISTER asks, all of it or nothing.
    fn change_bindings(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        user: &str,
    ) -> Result<Vec<Extra>, (Flaw, Vec<Extra>)> {
        let message = request.message;
        let plain = |flaw| (flaw, Vec::new());
        let to = message.text(Name::To).unwrap_or_default();
        let own = Address::parse(&to).ok().and_then(|a| a.uri()).is_some_and(|uri| uri.number() == user);
        if !own {
            return Err(plain(status(403)));
        }
        let wish = read_wish(message, &self.config).map_err(plain)?;
        let (contacts, all) = match wish {
            Wish::Query => return Ok(Vec::new()),
            Wish::RemoveAll => (Vec::new(), true),
            Wish::Change(contacts) => (contacts, false),
        };
        if contacts.iter().any(|c| c.expires > 0 && c.expires < self.config.min_expires) {
            let min = Extra::must("Min-Expires", self.config.min_expires.to_string());
            return Err((status(423), vec![min]));
        }
        let routes = read_path(message).map_err(plain)?;
        let old = self.bindings.by_account.get(user).cloned().unwrap_or_default();
        let touched = |bound: &Bound| all || contacts.iter().any(|contact| bound.is(contact));
        let late = |b: &Bound| b.call_id == request.found.call_id && request.found.cseq <= b.cseq;
        if old.iter().any(|bound| touched(bound) && late(bound)) {
            return Err(plain(Flaw { status: 500, sentence: "CSeq Out Of Order" }));
        }
        let (mut gone, mut kept): (Vec<Bound>, Vec<Bound>) = old.into_iter().partition(touched);
        let mut fresh = Vec::new();
        for contact in contacts.iter().filter(|c| c.expires > 0) {
            let path = way_back(message, request.path, &contact.uri, routes.is_empty());
            fresh.push(self.bound(now, request, contact, path, &routes));
        }
        let most = self.doorkeeper.account(user).map_or(0, |a| a.max_contacts);
        if fresh.len() > most {
            return Err(plain(Flaw { status: 403, sentence: "Too Many Contacts" }));
        }
        // A phone that restarted leaves its old contact behind: what came from the same host makes room first.
        while kept.len() + fresh.len() > most {
            let host = request.path.remote.ip();
            let Some(at) = kept.iter().position(|b| b.binding.path.remote.ip() == host) else {
                return Err(plain(Flaw { status: 403, sentence: "Too Many Contacts" }));
            };
            gone.push(kept.remove(at));
        }
        let outbound = fresh.iter().any(Bound::is_outbound)
            && has_option(message, Name::Supported, "outbound")
            && keeps_flows(message, request.path, &routes);
        for bound in gone {
            let heir = fresh.iter().find(|new| bound.is(&contact_of(new)));
            match heir {
                Some(new) if same_uri(&new.binding.uri, &bound.binding.uri) => self.forget_binding(bound.id),
                Some(_) => self.unbound(user, bound, UnboundCause::Replaced),
                None if all || contacts.iter().any(|c| bound.is(c)) => {
                    self.unbound(user, bound, UnboundCause::Removed)
                }
                None => self.unbound(user, bound, UnboundCause::Replaced),
            }
        }
        for bound in &fresh {
            self.schedule.set(Owner::Binding(bound.id), Some(bound.binding.expires_at));
            self.bindings.accounts.insert(bound.id, user.to_owned());
            let seconds = bound.binding.expires_at.saturating_duration_since(now).as_secs();
            self.event(Event::Bound {
                account: user.to_owned(),
                contact: bound.binding.uri.clone(),
                flow: bound.binding.path,
                expires: u32::try_from(seconds).unwrap_or(u32::MAX),
            });
        }
        kept.extend(fresh);
        if kept.is_empty() {
            self.bindings.by_account.remove(user);
        } else {
            self.bindings.by_account.insert(user.to_owned(), kept);
        }
        let mut fields: Vec<Extra> = routes.iter().map(|route| Extra::must("Path", route.clone())).collect();
        if outbound {
            fields.push(Extra::must("Require", "outbound"));
        }
        Ok(fields)
    }

    fn bound(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        contact: &Contact,
        path: Flow,
        routes: &[String],
    ) -> Bound {
        let agent = request.message.text(Name::UserAgent);
        Bound {
            id: self.fresh_id(),
            call_id: request.found.call_id.clone(),
            cseq: request.found.cseq,
            instance: contact.instance.clone(),
            reg_id: contact.reg_id,
            binding: Binding {
                uri: contact.uri.clone(),
                path,
                routes: routes.to_vec(),
                user_agent: agent.map(|t| inert(&t).chars().take(MAX_AGENT).collect()),
                expires_at: now + Duration::from_secs(contact.expires.into()),
            },
        }
    }

    fn forget_binding(&mut self, id: u64) {
        self.schedule.set(Owner::Binding(id), None);
        self.bindings.accounts.remove(&id);
    }

    fn unbound(&mut self, account: &str, bound: Bound, why: UnboundCause) {
        self.forget_binding(bound.id);
        self.event(Event::Unbound { account: account.to_owned(), contact: bound.binding.uri, why });
    }

    fn take_binding(&mut self, id: u64) -> Option<(String, Bound)> {
        let account = self.bindings.accounts.get(&id)?.clone();
        let bound = self.bindings.by_account.get_mut(&account)?;
        let at = bound.iter().position(|b| b.id == id)?;
        let taken = bound.remove(at);
        if bound.is_empty() {
            self.bindings.by_account.remove(&account);
        }
        Some((account, taken))
    }

    pub(super) fn binding_timer(&mut self, _now: Instant, id: u64) {
        if let Some((account, bound)) = self.take_binding(id) {
            self.unbound(&account, bound, UnboundCause::Expired);
        }
    }

    /// A connection is gone. What was bound to it by RFC 5626 is bound no more (§5.3); other phones are called by a new
    /// connection to their contact, if it is an address of the same host.
    pub(super) fn binding_flow_lost(&mut self, connection: u64) {
        let mut lost = Vec::new();
        for bound in self.bindings.by_account.values_mut().flatten() {
            let path = &mut bound.binding.path;
            if path.connection != Some(connection) {
                continue;
            }
            let address = Uri::parse(&bound.binding.uri).and_then(|uri| uri.socket_addr());
            match address.filter(|a| a.ip() == path.remote.ip()) {
                Some(address) if !(bound.instance.is_some() && bound.reg_id.is_some()) => {
                    *path = Flow { remote: address, connection: None, ..*path };
                }
                _ => lost.push(bound.id),
            }
        }
        for id in lost {
            if let Some((account, bound)) = self.take_binding(id) {
                self.unbound(&account, bound, UnboundCause::FlowLost);
            }
        }
    }
}

fn contact_of(bound: &Bound) -> Contact {
    Contact {
        uri: bound.binding.uri.clone(),
        expires: 0,
        instance: bound.instance.clone(),
        reg_id: bound.reg_id,
    }
}

/// A binding as it stands in the 200.
fn bound_value(bound: &Bound, now: Instant) -> String {
    let left = bound.binding.expires_at.saturating_duration_since(now).as_secs();
    let mut value = format!("<{}>;expires={left}", bound.binding.uri);
    if let Some(instance) = &bound.instance {
        value.push_str(&format!(";+sip.instance=\"{instance}\""));
    }
    if let Some(reg_id) = bound.reg_id {
        value.push_str(&format!(";reg-id={reg_id}"));
    }
    value
}
