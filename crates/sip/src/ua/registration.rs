//! Our registrations at registrars (RFC 3261 §10.2, RFC 3327, RFC 3608, RFC 5626): kept up without help.

use super::{Owner, Purpose, UserAgent};
use crate::auth::Answerer;
use crate::dialog::Outgoing;
use crate::message::text::{inert, text};
use crate::message::uri::same_uri;
use crate::message::{Address, Message, Name, Uri, param, parse_decimal, status};
use crate::{Event, Flow, Registration, RegistrationId, RegistrationState};
use rand_core::Rng;
use std::time::{Duration, Instant};

/// Longest lifetime that a registrar may demand by 423, in seconds.
const MAX_MIN_EXPIRES: u32 = 86_400;
/// Shortest time between two refreshes, whatever the registrar grants.
const MIN_REFRESH: Duration = Duration::from_secs(5);

/// One registration.
pub(super) struct State {
    terms: Registration,
    call_id: String,
    tag: String,
    cseq: u32,
    /// Index of the path in use, and how many failed in this round.
    path: usize,
    failed_paths: usize,
    pub client: Option<u64>,
    pub answerer: Option<Answerer>,
    /// Lifetime asked for; raised by 423.
    expires: u32,
    /// Rounds that failed in a row.
    failures: u32,
    registered: bool,
    leaving: bool,
    /// Contact URI as sent last.
    contact: String,
    /// The connection that the registrar answered by.
    flow: Option<u64>,
}

impl State {
    pub fn next_cseq(&mut self) -> u32 {
        self.cseq = (self.cseq + 1) & 0x7fff_ffff;
        self.cseq
    }
}

impl UserAgent {
    pub(super) fn register(&mut self, now: Instant, id: RegistrationId, terms: Registration) {
        let (call_id, tag) = (format!("{}{}", self.token(), self.token()), self.token());
        let answerer = terms.credentials.clone().map(Answerer::new);
        let expires = terms.expires.clamp(1, MAX_MIN_EXPIRES);
        let state = match self.registrations.remove(&id) {
            // The same registrar gets the next number of the same Call-ID; else it would take us for another.
            Some(old) if old.terms.registrar == terms.registrar && old.terms.aor == terms.aor => {
                self.abandon(old.client);
                let kept = old.answerer.filter(|a| terms.credentials.as_ref().is_some_and(|c| a.holds(c)));
                let same = old.terms.paths == terms.paths;
                State {
                    answerer: kept.or(answerer),
                    expires,
                    path: if same { old.path } else { 0 },
                    failed_paths: 0,
                    failures: 0,
                    leaving: false,
                    client: None,
                    terms,
                    ..old
                }
            }
            old => {
                self.abandon(old.and_then(|o| o.client));
                State {
                    terms,
                    call_id,
                    tag,
                    cseq: 0,
                    path: 0,
                    failed_paths: 0,
                    client: None,
                    answerer,
                    expires,
                    failures: 0,
                    registered: false,
                    leaving: false,
                    contact: String::new(),
                    flow: None,
                }
            }
        };
        self.registrations.insert(id, state);
        self.send_register(now, id);
    }

    pub(super) fn unregister(&mut self, now: Instant, id: RegistrationId) {
        let Some(state) = self.registrations.get_mut(&id) else { return };
        if state.leaving {
            return;
        }
        state.leaving = true;
        // An answer that is still on its way may make a binding too.
        let pending = state.client.take();
        if !state.registered && pending.is_none() {
            return self.unregistered(id);
        }
        self.abandon(pending);
        self.send_register(now, id);
    }

    fn abandon(&mut self, client: Option<u64>) {
        if let Some(client) = client.and_then(|id| self.clients.get_mut(&id)) {
            client.purpose = Purpose::Nobody;
        }
    }

    fn unregistered(&mut self, id: RegistrationId) {
        self.schedule.set(Owner::Registration(id), None);
        if self.registrations.remove(&id).is_some() {
            self.event(Event::Registration { id, state: RegistrationState::Unregistered });
        }
    }

    pub(super) fn registration_timer(&mut self, now: Instant, id: RegistrationId) {
        if self.registrations.get(&id).is_some_and(|s| s.client.is_none()) {
            self.send_register(now, id);
        }
    }

    fn send_register(&mut self, now: Instant, id: RegistrationId) {
        self.schedule.set(Owner::Registration(id), None);
        let Some(state) = self.registrations.get(&id) else { return };
        let Some(path) = state.terms.paths.get(state.path).or(state.terms.paths.first()).copied() else {
            return self.registration_failed(now, id, 503, "No Address", None);
        };
        let terms = &state.terms;
        if Uri::parse(&terms.registrar).is_none() || Uri::parse(&terms.aor).is_none() {
            return self.registration_failed(now, id, 400, "Bad Registrar Or Address Of Record", None);
        }
        let contact = self.contact_of(&path, &terms.contact_user);
        let (uri, aor) = (terms.registrar.clone(), terms.aor.clone());
        let via = self.via(&path);
        let cnonce = self.token();
        let Some(state) = self.registrations.get_mut(&id) else { return };
        let expires = if state.leaving { 0 } else { state.expires };
        let request = Outgoing {
            max_forwards: crate::dialog::MAX_FORWARDS,
            via,
            routes: Vec::new(),
            from: format!("<{aor}>;tag={}", state.tag),
            to: format!("<{aor}>"),
            call_id: state.call_id.clone(),
            cseq: state.next_cseq(),
            uri,
        };
        let mut writer = request.writer("REGISTER");
        let mut value = format!("<{contact}>;expires={expires}");
        if let Some(instance) = &self.config.instance {
            value.push_str(&format!(";+sip.instance=\"<{instance}>\";reg-id=1"));
        }
        writer.header("Contact", value).header("Expires", expires.to_string());
        writer.header("Supported", if self.config.instance.is_some() { "path, outbound" } else { "path" });
        writer.header("Allow", super::ALLOW);
        if !self.config.user_agent.is_empty() {
            writer.header("User-Agent", &self.config.user_agent);
        }
        // Credentials that served before spare the registrar a challenge.
        let credentials = state.answerer.as_mut().map(|a| a.headers("REGISTER", &request.uri, &[], &cnonce));
        for (name, value) in credentials.unwrap_or_default() {
            writer.header(name, value);
        }
        state.contact = contact;
        let client = self.begin(now, path, request, "REGISTER", writer.finish(), Purpose::Register(id));
        if let Some(state) = self.registrations.get_mut(&id) {
            state.client = Some(client);
        }
    }

    /// A final answer to REGISTER that is no challenge we can answer.
    pub(super) fn registration_answered(
        &mut self,
        now: Instant,
        id: RegistrationId,
        path: Flow,
        message: &Message<'_>,
        code: u16,
        reason: &str,
    ) {
        let Some(state) = self.registrations.get_mut(&id) else { return };
        state.client = None;
        if state.leaving {
            return self.unregistered(id);
        }
        match code {
            200..300 => {
                let granted = granted(message, &state.contact, state.expires);
                if granted == 0 {
                    return self.registration_failed(
                        now,
                        id,
                        code,
                        "The Registrar Keeps No Contact Of Ours",
                        None,
                    );
                }
                state.failures = 0;
                state.failed_paths = 0;
                state.registered = true;
                state.flow = path.connection;
                let service_route = message
                    .all(Name::ServiceRoute)
                    .flat_map(|v| param::list(&text(v)).map(inert).collect::<Vec<_>>())
                    .take(8)
                    .collect();
                // Between 75 and 90 % of the lifetime, so that many of us do not come at once.
                let share = 750 + self.rng.next_u32() % 150;
                let refresh = (Duration::from_secs(granted.min(MAX_MIN_EXPIRES).into()) * share / 1000)
                    .max(MIN_REFRESH);
                self.schedule.set(Owner::Registration(id), Some(now + refresh));
                let state = RegistrationState::Registered { expires: granted, service_route };
                self.event(Event::Registration { id, state });
            }
            423 => {
                let min = message.first(Name::MinExpires).and_then(parse_decimal);
                match min.filter(|min| *min > state.expires && *min <= MAX_MIN_EXPIRES) {
                    Some(min) => {
                        state.expires = min;
                        self.send_register(now, id);
                    }
                    None => self.registration_failed(now, id, code, reason, None),
                }
            }
            408 | 500..600 => {
                let after = message.text(Name::RetryAfter);
                let digits =
                    |t: &str| t.trim().split(|c: char| !c.is_ascii_digit()).next().map(str::to_owned);
                let after = after.and_then(|t| digits(&t)).and_then(|t| parse_decimal(t.as_bytes()));
                self.registration_elsewhere(now, id, code, reason, after);
            }
            _ => self.registration_failed(now, id, code, reason, None),
        }
    }

    /// This path leads nowhere now: the next one, or after all of them a pause.
    pub(super) fn registration_elsewhere(
        &mut self,
        now: Instant,
        id: RegistrationId,
        code: u16,
        reason: &str,
        after: Option<u32>,
    ) {
        let Some(state) = self.registrations.get_mut(&id) else { return };
        state.client = None;
        let count = state.terms.paths.len();
        state.failed_paths += 1;
        state.path = (state.path + 1) % count.max(1);
        if state.failed_paths < count {
            return self.send_register(now, id);
        }
        if state.leaving {
            return self.unregistered(id);
        }
        self.registration_failed(now, id, code, reason, after);
    }

    /// Waits before the next round (RFC 5626 §4.5): doubling, with chance in it.
    fn registration_failed(
        &mut self,
        now: Instant,
        id: RegistrationId,
        code: u16,
        reason: &str,
        after: Option<u32>,
    ) {
        let chance = self.rng.next_u32() % 500;
        let (base, most) = (self.config.retry_base, self.config.retry_max);
        let Some(state) = self.registrations.get_mut(&id) else { return };
        if state.leaving {
            return self.unregistered(id);
        }
        state.client = None;
        state.failed_paths = 0;
        state.registered = false;
        state.expires = state.terms.expires.clamp(1, MAX_MIN_EXPIRES);
        // A nonce or a password that has failed is not tried unasked.
        state.answerer = state.terms.credentials.clone().map(Answerer::new);
        let doubled = base.saturating_mul(1 << state.failures.min(16)).min(most);
        state.failures = state.failures.saturating_add(1);
        let wait = doubled.saturating_mul(500 + chance) / 1000;
        let wait = wait.max(Duration::from_secs(after.unwrap_or(0).min(3600).into())).max(MIN_REFRESH);
        self.schedule.set(Owner::Registration(id), Some(now + wait));
        let retry_in = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
        let reason = if reason.is_empty() { status::reason(code) } else { reason };
        let state = RegistrationState::Failed { status: code, reason: inert(reason), retry_in };
        self.event(Event::Registration { id, state });
    }

    /// A connection is gone: registrations that came by it are made anew (RFC 5626 §4.4.1), not all at once.
    pub(super) fn registration_flow_lost(&mut self, now: Instant, connection: u64) {
        let lost: Vec<RegistrationId> = self
            .registrations
            .iter()
            .filter(|(_, s)| s.flow == Some(connection) && s.client.is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            let wait = Duration::from_millis((500 + self.rng.next_u32() % 1500).into());
            if let Some(state) = self.registrations.get_mut(&id) {
                state.flow = None;
            }
            self.schedule.set(Owner::Registration(id), Some(now + wait));
        }
    }

    /// Our Contact URI on this path, with a user part.
    fn contact_of(&self, path: &Flow, user: &str) -> String {
        let plain = self.contact(path);
        let uri = plain.trim_start_matches('<').trim_end_matches('>');
        let user: String =
            user.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.!~*'()+$".contains(*c)).collect();
        match uri.split_once(':') {
            Some((scheme, rest)) if !user.is_empty() => format!("{scheme}:{user}@{rest}"),
            _ => uri.to_owned(),
        }
    }
}

/// Lifetime of our contact in the answer (RFC 3261 §10.2.4): of the Contact that is ours, else of Expires, else what was
/// asked for. 0: the registrar lists others, but not us.
fn granted(message: &Message<'_>, contact: &str, asked: u32) -> u32 {
    let general = message.first(Name::Expires).and_then(parse_decimal).unwrap_or(asked);
    let mut others = false;
    for value in message.all(Name::Contact) {
        for item in param::list(&text(value)) {
            let Ok(address) = Address::parse(item) else { continue };
            if same_uri(address.uri, contact) {
                return address.param("expires").and_then(|e| parse_decimal(e.as_bytes())).unwrap_or(general);
            }
            others = true;
        }
    }
    // Some registrars rewrite the contact behind NAT: somebody is bound, and it is we who asked.
    if others && general == 0 { 0 } else { general }
}
