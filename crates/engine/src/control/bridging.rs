//! Puts calls through: calls a group of legs, takes the first that answers, joins its media with the caller's.
use super::{Control, parties, trunks::Lookup};
use crate::bridge::{Bridge, BridgeId, Group, Purpose};
use crate::core::Notice;
use crate::session::{Placing, Session, Terms};
use crate::{ControlOutput, Diagnosis, Identity, Trunk, TrunkState};
use passline_sip::{Binding, CallHandle, Command, Flow, Invite};
use std::time::Instant;

/// Most contacts of one device that ring at once.
const MOST_CONTACTS: usize = 10;

impl Control {
    pub(super) fn fresh_bridge(&mut self) -> BridgeId {
        BridgeId(self.fresh_id())
    }

    pub(super) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Where a device can be reached now.
    pub(super) fn bindings(&self, account: &str) -> Vec<Binding> {
        self.core.sip.bindings(account)
    }

    /// News of a session that is part of something greater.
    pub(super) fn notice(&mut self, now: Instant, from: CallHandle, notice: Notice) {
        match notice {
            Notice::Progress { status, done } => return self.progress(now, from, status, done),
            Notice::Transfer { to } => return self.transfer_from_flow(now, from, to),
            _ => {}
        }
        let Some(id) = self.members.get(&from).copied() else { return };
        match notice {
            Notice::Ready => self.ready(now, id, from),
            Notice::Ringing => self.rings(now, id),
            Notice::Answered => self.answered(now, id, from),
            Notice::Confirmed => self.confirmed(now, id, from),
            Notice::Refused { status } => {
                let why = self.sessions.get(&from).and_then(|session| session.why());
                self.attempt_failed(now, id, from, status, why);
            }
            Notice::Left => self.left(now, id, from),
            Notice::Digit(press) => {
                if let Some(other) = self.bridges.get(&id).and_then(|bridge| bridge.other(from)) {
                    self.with(now, other, |session, core| session.pass_on(now, core, press));
                }
            }
            Notice::Referred { to, replaces } => self.referred(now, id, from, &to, replaces),
            Notice::Progress { .. } | Notice::Transfer { .. } => {}
        }
    }

    fn ready(&mut self, now: Instant, id: BridgeId, from: CallHandle) {
        match self.bridges.get(&id).map(|bridge| &bridge.purpose) {
            Some(Purpose::Call) => self.call_next(now, id),
            Some(Purpose::Takeover { .. }) => {
                self.with(now, from, |session, core| session.take(now, core));
            }
            _ => {}
        }
    }

    /// Calls the next group; if there is none, the bridge has failed.
    pub(super) fn call_next(&mut self, now: Instant, id: BridgeId) {
        loop {
            let Some(bridge) = self.bridges.get_mut(&id) else { return };
            if !bridge.attempts.is_empty() || bridge.resolving.is_some() || bridge.second.is_some() {
                return;
            }
            let Some(group) = bridge.queue.pop_front() else { return self.bridge_failed(now, id) };
            bridge.until = Some(now + self.core.config.ring_timeout);
            match group {
                Group::Device { extension } => self.call_device(now, id, &extension),
                Group::Trunk { trunk, number } => self.call_trunk(id, &trunk, number),
            }
        }
    }

    fn call_device(&mut self, now: Instant, id: BridgeId, extension: &str) {
        let bindings = self.bindings(extension);
        let caller = self.caller_of(id);
        let host = self.host();
        if bindings.is_empty() {
            let why = Diagnosis::NotRegistered { extension: extension.to_owned() };
            return self.note_refusal(id, 480, why);
        }
        for binding in bindings.into_iter().take(MOST_CONTACTS) {
            let to = format!("sip:{}@{host}", parties::user_part(extension));
            let from = parties::from_header(&caller, None, &host);
            // The handle is drawn when the leg is made.
            let mut invite = Invite::new(CallHandle(0), to, from, binding.path, Vec::new());
            invite.uri = Some(binding.uri);
            invite.routes = binding.routes;
            invite.max_forwards = self.hops_left(id);
            invite.headers = parties::asserted_headers(&caller, &host);
            let placing = Placing {
                invite: Box::new(invite),
                terms: {
                    let config = &self.core.config;
                    Terms::of_device(config, config.policy.device(extension))
                },
                trunk: None,
                account: Some(extension.to_owned()),
                from: caller.shown().to_owned(),
                to: extension.to_owned(),
                delayed_offer: false,
            };
            self.place(now, id, placing);
        }
    }

    /// Asks for a trunk's addresses; the call follows when they are there.
    fn call_trunk(&mut self, id: BridgeId, name: &str, number: String) {
        let Some(trunk) = self.core.config.policy.trunk(name) else { return };
        let Some(uri) = trunk.address.clone() else { return };
        let limit = trunk.max_calls;
        let down = matches!(self.trunks.get(name).map(|run| &run.state), Some(TrunkState::Down(_)));
        let more = self.bridges.get(&id).is_some_and(|bridge| !bridge.queue.is_empty());
        // A trunk that is down is still tried where there is no other way: its health may be an old story.
        if down && more {
            return self.note_refusal(id, 503, Diagnosis::TrunkDown { trunk: name.to_owned() });
        }
        if let Some(limit) = limit
            && self.calls_over(name) >= limit
        {
            let why = Diagnosis::TrunkFull { trunk: name.to_owned(), limit };
            return self.note_refusal(id, 503, why);
        }
        let ask = self.fresh_id();
        if let Some(bridge) = self.bridges.get_mut(&id) {
            bridge.resolving = Some(ask);
        }
        self.lookups.insert(ask, Lookup::Bridge { bridge: id, trunk: name.to_owned(), number });
        self.core.push(ControlOutput::Resolve { id: ask, uri, transport: None });
    }

    /// A trunk's addresses are there.
    pub(super) fn trunk_found(
        &mut self,
        now: Instant,
        id: BridgeId,
        name: &str,
        number: &str,
        mut paths: Vec<Flow>,
        reason: &str,
    ) {
        let Some(bridge) = self.bridges.get_mut(&id) else { return };
        bridge.resolving = None;
        let found = self.core.config.policy.trunk(name).cloned();
        let Some((trunk, uri)) = found.and_then(|trunk| Some((trunk.clone(), trunk.address?))) else {
            return self.call_next(now, id);
        };
        if paths.is_empty() {
            self.note_refusal(id, 503, Diagnosis::DnsFailed { uri, detail: reason.to_owned() });
            return self.call_next(now, id);
        }
        let path = paths.remove(0);
        let placing = self.placing_over(id, &trunk, &uri, number, path, paths);
        self.place(now, id, placing);
        self.call_next(now, id);
    }

    fn placing_over(
        &self,
        id: BridgeId,
        trunk: &Trunk,
        uri: &str,
        number: &str,
        path: Flow,
        alternatives: Vec<Flow>,
    ) -> Placing {
        let caller = self.caller_of(id);
        let host = self.host();
        let to = with_user(uri, number);
        // Where we register, the registrar wants to see the address that it knows.
        let registered = trunk.register.as_ref().and_then(|terms| aor(&terms.aor));
        let (user, domain) = match (&trunk.from_user, registered) {
            (Some(user), Some((_, domain))) => (Some(user.clone()), domain),
            (Some(user), None) => (Some(user.clone()), host.clone()),
            (None, Some((user, domain))) => (Some(user), domain),
            (None, None) => (None, host.clone()),
        };
        let from = parties::from_header(&caller, user.as_deref(), &domain);
        let mut invite = Invite::new(CallHandle(0), to, from, path, Vec::new());
        invite.alternatives = alternatives;
        invite.follow = passline_sip::REDIRECTIONS;
        invite.credentials = trunk.credentials.clone();
        invite.policy = trunk.terms(self.core.config.sip.policy);
        invite.max_forwards = self.hops_left(id);
        invite.routes = self.trunks.get(&trunk.name).map(|run| run.service_route.clone()).unwrap_or_default();
        if trunk.trust_identity {
            invite.headers = parties::asserted_headers(&caller, &host);
            let first = self.bridges.get(&id).and_then(|bridge| self.sessions.get(&bridge.first));
            for number in first.map(|session| session.diversions()).unwrap_or_default() {
                let diverted = format!("<sip:{}@{host}>", parties::user_part(number));
                invite.headers.push(("Diversion".to_owned(), diverted));
            }
        } else if caller.private {
            invite.headers.push(("Privacy".to_owned(), "id".to_owned()));
        }
        Placing {
            invite: Box::new(invite),
            terms: Terms::of(&self.core.config, Some(trunk)),
            trunk: Some(trunk.name.clone()),
            account: None,
            from: caller.shown().to_owned(),
            to: number.to_owned(),
            delayed_offer: trunk.delayed_offer,
        }
    }

    /// Begins one leg, on the shard of the call that it is for.
    fn place(&mut self, now: Instant, id: BridgeId, placing: Placing) {
        let full = self.sessions.len() >= self.core.config.max_calls;
        let Some(bridge) = self.bridges.get(&id) else { return };
        let beside = self.sessions.get(&bridge.first).map(|session| session.stream().shard);
        let session = match full {
            true => None,
            false => Session::place(now, &mut self.core, placing, beside),
        };
        let Some(session) = session else {
            let limit = self.core.config.max_calls;
            let why = if full { Diagnosis::Full { limit } } else { Diagnosis::NoPort };
            return self.note_refusal(id, 503, why);
        };
        let handle = session.handle();
        self.insert(session);
        self.members.insert(handle, id);
        if let Some(bridge) = self.bridges.get_mut(&id) {
            bridge.attempts.push(handle);
        }
    }

    fn note_refusal(&mut self, id: BridgeId, status: u16, why: Diagnosis) {
        if let Some(bridge) = self.bridges.get_mut(&id) {
            bridge.refused(status, why);
        }
    }

    /// Max-Forwards of the legs: one less than the call had that is put through (RFC 7332).
    fn hops_left(&self, id: BridgeId) -> u8 {
        let first = self.bridges.get(&id).and_then(|bridge| self.sessions.get(&bridge.first));
        first.map_or(70, |session| session.hops_left()).saturating_sub(1)
    }

    /// Who calls in this bridge, for those who are called.
    fn caller_of(&self, id: BridgeId) -> Identity {
        let Some(bridge) = self.bridges.get(&id) else { return Identity::default() };
        self.sessions.get(&bridge.first).map(|session| session.party()).unwrap_or_default()
    }

    /// Host of our own URIs.
    pub(super) fn host(&self) -> String {
        let config = &self.core.config;
        config.policy.host.clone().unwrap_or_else(|| match config.media_address {
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        })
    }

    fn rings(&mut self, now: Instant, id: BridgeId) {
        let Some(bridge) = self.bridges.get_mut(&id) else { return };
        if std::mem::replace(&mut bridge.rung, true) {
            return;
        }
        let (first, purpose) = (bridge.first, bridge.purpose.clone());
        match purpose {
            Purpose::Call => self.with(now, first, |session, core| session.ring(now, core)),
            Purpose::Transfer { referrer: Some(referrer), .. } => self.notify(now, referrer, 180, false),
            _ => {}
        }
    }

    /// The first leg that answers has the call; the others stop ringing.
    fn answered(&mut self, now: Instant, id: BridgeId, leg: CallHandle) {
        let Some(bridge) = self.bridges.get_mut(&id) else { return };
        if !bridge.attempts.contains(&leg) {
            return;
        }
        let others: Vec<CallHandle> =
            std::mem::take(&mut bridge.attempts).into_iter().filter(|other| *other != leg).collect();
        bridge.until = None;
        bridge.queue.clear();
        let (first, purpose) = (bridge.first, bridge.purpose.clone());
        if self.sessions.get(&first).is_none_or(|session| session.is_leaving()) {
            // Nobody is there any more to talk to.
            self.bridges.remove(&id);
            for leg in others.into_iter().chain([leg]) {
                self.members.remove(&leg);
                self.with(now, leg, |session, core| session.hang_up(now, core, Some("the caller left")));
            }
            return;
        }
        for other in others {
            self.members.remove(&other);
            self.with(now, other, |session, core| session.hang_up(now, core, Some("answered elsewhere")));
        }
        match purpose {
            Purpose::Call | Purpose::Takeover { .. } => {
                self.with(now, first, |session, core| session.take(now, core));
                self.join(id, first, leg);
            }
            Purpose::Transfer { referrer, .. } => {
                self.leave_for(first, id);
                self.join(id, first, leg);
                if let Some(referrer) = referrer {
                    self.notify(now, referrer, 200, true);
                    self.members.remove(&referrer);
                    self.with(now, referrer, |session, core| session.transferred(now, core));
                }
            }
            Purpose::Flow => {
                self.with(now, first, |session, core| session.leave_flow(now, core));
                self.join(id, first, leg);
            }
        }
    }

    /// `first` goes from the bridge in which it was referred to the new one; the old one is no more.
    fn leave_for(&mut self, first: CallHandle, to: BridgeId) {
        if let Some(old) = self.members.insert(first, to)
            && old != to
        {
            self.bridges.remove(&old);
        }
    }

    /// Two calls hear one another from now on.
    pub(super) fn join(&mut self, id: BridgeId, first: CallHandle, second: CallHandle) {
        let Some(bridge) = self.bridges.get_mut(&id) else { return };
        (bridge.first, bridge.second, bridge.until) = (first, Some(second), None);
        self.members.insert(first, id);
        self.members.insert(second, id);
        for (one, other) in [(first, second), (second, first)] {
            let Some(mut session) = self.sessions.remove(&one) else { continue };
            let other = self.sessions.get(&other).map(Box::as_ref);
            if let Some(other) = other {
                session.bridged_with(&other.call);
            }
            session.join(&mut self.core);
            session.relay_to(&mut self.core, other);
            self.sessions.insert(one, session);
        }
    }

    fn confirmed(&mut self, now: Instant, id: BridgeId, from: CallHandle) {
        let Some(bridge) = self.bridges.get(&id) else { return };
        match (&bridge.purpose, bridge.second) {
            (Purpose::Takeover { replaced }, None) => {
                let replaced = *replaced;
                self.taken_over(now, id, from, replaced);
            }
            // The stream of a caller that brought no offer is open only now.
            (_, Some(second)) => {
                let first = bridge.first;
                self.join(id, first, second);
            }
            _ => {}
        }
    }

    fn attempt_failed(
        &mut self,
        now: Instant,
        id: BridgeId,
        leg: CallHandle,
        status: u16,
        why: Option<Diagnosis>,
    ) {
        let Some(bridge) = self.bridges.get_mut(&id) else { return };
        let before = bridge.attempts.len();
        bridge.attempts.retain(|other| *other != leg);
        if bridge.attempts.len() == before {
            return;
        }
        let callee = bridge.number.clone();
        bridge.refused(
            if status == 0 { 503 } else { status },
            why.unwrap_or(Diagnosis::NotAnswered { callee }),
        );
        self.members.remove(&leg);
        if status >= 600 {
            // RFC 3261 §16.7: a 6xx is meant for everybody.
            self.stop_attempts(now, id, "declined elsewhere");
            if let Some(bridge) = self.bridges.get_mut(&id) {
                bridge.queue.clear();
            }
        }
        self.call_next(now, id);
    }

    /// All that rings stops ringing.
    pub(super) fn stop_attempts(&mut self, now: Instant, id: BridgeId, reason: &str) {
        let Some(bridge) = self.bridges.get_mut(&id) else { return };
        if let Some(ask) = bridge.resolving.take() {
            self.lookups.remove(&ask);
        }
        for leg in std::mem::take(&mut bridge.attempts) {
            self.members.remove(&leg);
            self.with(now, leg, |session, core| session.hang_up(now, core, Some(reason)));
        }
    }

    /// Nobody could be reached.
    fn bridge_failed(&mut self, now: Instant, id: BridgeId) {
        let Some(bridge) = self.bridges.remove(&id) else { return };
        let callee = bridge.number.clone();
        let (status, why) = bridge.refusal.unwrap_or((480, Diagnosis::NotAnswered { callee }));
        match bridge.purpose {
            Purpose::Call | Purpose::Takeover { .. } => {
                self.members.remove(&bridge.first);
                let status = passed_on(status);
                self.with(now, bridge.first, |session, core| session.give_up(now, core, status, why));
            }
            Purpose::Transfer { referrer, target } => {
                self.transfer_failed(now, bridge.first, referrer, target, status);
            }
            Purpose::Flow => {
                self.members.remove(&bridge.first);
                self.with(now, bridge.first, |session, core| session.transfer_result(now, core, false));
            }
        }
    }

    /// A member has left: what it leaves behind is wound up.
    fn left(&mut self, now: Instant, id: BridgeId, gone: CallHandle) {
        let Some(bridge) = self.bridges.get(&id) else {
            self.members.remove(&gone);
            return;
        };
        if bridge.attempts.contains(&gone) {
            let why = self.sessions.get(&gone).and_then(|session| session.why());
            return self.attempt_failed(now, id, gone, 408, why);
        }
        self.members.remove(&gone);
        let (other, transfer, first) = (bridge.other(gone), bridge.transfer, bridge.first);
        if other.is_none() {
            if gone == first {
                self.first_left(now, id);
            }
            return;
        }
        self.bridges.remove(&id);
        let Some(other) = other else { return };
        let waits =
            transfer.filter(|next| self.bridges.get(next).is_some_and(|bridge| bridge.first == other));
        match (waits, transfer) {
            // The referrer left as soon as it could; the one it referred waits for the new leg.
            (Some(next), _) => {
                self.members.insert(other, next);
                if let Some(Bridge { purpose: Purpose::Transfer { referrer, .. }, .. }) =
                    self.bridges.get_mut(&next)
                {
                    *referrer = None;
                }
                self.with(now, other, |session, core| session.relay_to(core, None));
                return;
            }
            // The one who was being transferred left.
            (None, Some(next)) => {
                self.stop_attempts(now, next, "the caller left");
                self.bridges.remove(&next);
                self.notify(now, other, 487, true);
            }
            (None, None) => {}
        }
        self.members.remove(&other);
        self.with(now, other, |session, core| session.hang_up(now, core, None));
    }

    /// Whoever waited for somebody to answer does so no more.
    fn first_left(&mut self, now: Instant, id: BridgeId) {
        self.stop_attempts(now, id, "the caller left");
        if let Some(bridge) = self.bridges.remove(&id)
            && let Purpose::Transfer { referrer: Some(referrer), .. } = bridge.purpose
        {
            self.notify(now, referrer, 487, true);
        }
    }

    /// Gives up what has rung too long.
    pub(super) fn run_bridges(&mut self, now: Instant) {
        let due: Vec<BridgeId> = self
            .bridges
            .iter()
            .filter(|(_, bridge)| bridge.until.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            if let Some(bridge) = self.bridges.get_mut(&id) {
                bridge.until = None;
                let callee = bridge.number.clone();
                bridge.refused(480, Diagnosis::NotAnswered { callee });
            }
            self.stop_attempts(now, id, "not answered in time");
            self.call_next(now, id);
        }
    }

    /// Tells a referrer how it goes (NOTIFY, RFC 3515 §2.4.5).
    pub(super) fn notify(&mut self, now: Instant, referrer: CallHandle, status: u16, done: bool) {
        self.core.sip(now, Command::NotifyRefer { call: referrer, status, reason: String::new(), done });
    }
}

/// What the caller is told of a refusal: its own kind of status, but nothing of our credentials' or paths' troubles.
fn passed_on(status: u16) -> u16 {
    match status {
        401 | 407 => 403,
        408 => 480,
        404 | 410 | 480 | 484 | 486 | 488 | 600 | 603 | 604 | 606 => status,
        400..=499 => 480,
        500..=599 => 503,
        _ => 603,
    }
}

/// A trunk's URI with this user: `sip:pbx:5070;transport=tcp` and `30` give `sip:30@pbx:5070;transport=tcp`.
pub(super) fn with_user(uri: &str, number: &str) -> String {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("sip", uri));
    let rest = rest.split('?').next().unwrap_or(rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}:{}@{rest}", parties::user_part(number))
}

/// User and host of an address of record.
fn aor(uri: &str) -> Option<(String, String)> {
    let parsed = passline_sip::message::Uri::parse(uri)?;
    let host = parsed.host?.to_string();
    Some((parsed.number(), host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_into_the_trunks_uri() {
        let cases = [
            ("sip:pbx.example", "30", "sip:30@pbx.example"),
            ("sip:pbx:5070;transport=tcp", "+49#", "sip:+49%23@pbx:5070;transport=tcp"),
            ("sips:x@pbx?a=b", "1", "sips:1@pbx"),
        ];
        for (uri, number, wanted) in cases {
            assert_eq!(with_user(uri, number), wanted);
        }
    }

    #[test]
    fn callers_hear_what_concerns_them() {
        let cases = [(486, 486), (401, 403), (408, 480), (500, 503), (421, 480), (603, 603), (302, 603)];
        for (status, wanted) in cases {
            assert_eq!(passed_on(status), wanted, "{status}");
        }
    }
}
