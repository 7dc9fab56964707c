//! Where an incoming call goes: who calls, whom he may call, and what that number is.
use super::Control;
use crate::bridge::{Bridge, Group, Purpose};
use crate::session::{Arrival, Session, Target, Terms};
use crate::{Diagnosis, Identity, Reach, Rewrite, Trunk, TrunkAuth};
use passline_flow::FlowId;
use passline_identity::CallId;
use passline_sip::{CallHandle, Command, IncomingCall};
use std::time::Instant;

/// Unanswered calls from one caller to one number over one trunk, beyond which it is a circle.
const ALIKE: usize = 8;

/// Who calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// A trunk, by name.
    Trunk(String),
    /// A registered device, proven by digest.
    Device(String),
    /// Anybody.
    Anonymous,
    /// The configuration itself: a flow's transfer.
    House,
}

/// What a number is.
pub(super) enum Destination {
    /// A flow's.
    Flow(FlowId),
    /// Legs to be called, group after group.
    Legs(Vec<Group>),
    /// Nothing, for this caller: status and reason.
    Nothing(u16, Diagnosis),
}

impl Control {
    /// An INVITE outside of a dialog.
    pub(super) fn incoming(&mut self, now: Instant, handle: CallHandle, info: IncomingCall) {
        self.came_back(&info.call_id);
        let call = match self.names.get(&info.call_id) {
            Some(call) if !self.calls.contains_key(call) => call.clone(),
            _ => self.core.draw_call(),
        };
        let policy = &self.core.config.policy;
        let trunk = trunk_of(&policy.trunks, &info);
        let class = match (&info.account, trunk) {
            (_, Some(trunk)) => Class::Trunk(trunk.name.clone()),
            (Some(account), None) => Class::Device(account.clone()),
            (None, None) => Class::Anonymous,
        };
        let unproven = trunk.is_some_and(|trunk| !proven(trunk, &info));
        let number =
            trunk.map_or_else(|| info.number.clone(), |t| Rewrite::apply(&t.rewrite_in, &info.number));
        let arrival = Arrival {
            identity: self.identity(&info, trunk),
            diversions: match trunk {
                Some(trunk) if trunk.trust_identity => super::parties::diversions(&info),
                _ => Vec::new(),
            },
            terms: match trunk {
                Some(trunk) => Terms::of(&self.core.config, Some(trunk)),
                None => {
                    let policy = &self.core.config.policy;
                    let device = info.account.as_ref().and_then(|account| policy.device(account));
                    Terms::of_device(&self.core.config, device)
                }
            },
            trunk: trunk.map(|trunk| trunk.name.clone()),
            account: info.account.clone(),
            number,
            info,
        };
        if unproven || self.is_asked_to_prove(&class, &arrival) {
            return self.challenge(now, handle, call, &arrival);
        }
        self.forget_failure();
        if let Err((status, why)) = self.room(&class) {
            return self.refuse(now, handle, call, &arrival, status, why);
        }
        if let Some(replaced) = arrival.info.replaces {
            return self.takeover(now, handle, call, &arrival, &class, replaced);
        }
        match self.destination(&arrival.number, &class) {
            Destination::Flow(flow) => {
                self.take_in(now, handle, call, &arrival, Target::Flow(flow), None);
            }
            Destination::Legs(_) if self.runs_in_a_circle(&class, &arrival) => {
                let why = Diagnosis::Loop { number: arrival.number.clone() };
                self.refuse(now, handle, call, &arrival, 482, why);
            }
            Destination::Legs(groups) => {
                let bridge = self.fresh_bridge();
                let target = Target::Bridge;
                if self.take_in(now, handle, call, &arrival, target, None) {
                    let mut made = Bridge::new(Purpose::Call, handle, arrival.number.clone());
                    made.queue = groups.into();
                    self.bridges.insert(bridge, made);
                    self.members.insert(handle, bridge);
                }
            }
            Destination::Nothing(status, why) => {
                self.refuse(now, handle, call, &arrival, status, why);
            }
        }
    }

    /// Whether a call that is to be put through has come by here before: its Max-Forwards is used up (RFC 7332), or, as
    /// many a PBX starts that anew, the same caller calls the same number over the same trunk again and again before
    /// any of these calls is answered.
    fn runs_in_a_circle(&self, class: &Class, arrival: &Arrival) -> bool {
        let Class::Trunk(name) = class else { return arrival.info.max_forwards == 0 };
        let (from, to) = (arrival.identity.shown(), arrival.number.as_str());
        let known = !from.is_empty() && !from.eq_ignore_ascii_case("anonymous");
        let alike = || self.sessions.values().filter(|session| session.is_like(name, from, to)).count();
        arrival.info.max_forwards == 0 || (known && alike() >= ALIKE)
    }

    /// Makes the session, or refuses.
    pub(super) fn take_in(
        &mut self,
        now: Instant,
        handle: CallHandle,
        call: CallId,
        arrival: &Arrival,
        target: Target,
        beside: Option<u16>,
    ) -> bool {
        let made = Session::incoming(now, &mut self.core, handle, call.clone(), arrival, target, beside);
        match made {
            Ok(mut session) => {
                let usual = self.core.config.sip.policy;
                let trunk = arrival.trunk.as_ref().and_then(|name| self.core.config.policy.trunk(name));
                if let Some(policy) = trunk.and_then(|trunk| trunk.terms(usual)) {
                    self.core.sip(now, Command::Tune { call: handle, policy });
                }
                for line in self.strays.take(&session.sip_call_id) {
                    session.ladder(line);
                }
                self.insert(session);
                true
            }
            Err((status, why)) => {
                self.refuse(now, handle, call, arrival, status, why);
                false
            }
        }
    }

    /// Whether somebody unknown must prove who he is before anything else is said.
    fn is_asked_to_prove(&self, class: &Class, arrival: &Arrival) -> bool {
        if *class != Class::Anonymous || self.core.config.sip.accounts.is_empty() {
            return false;
        }
        let flow = self.core.program.entry(&arrival.number).is_some();
        if flow && self.core.config.policy.anonymous.flow(&arrival.number) {
            // A device of ours that calls a flow: it is worth knowing which. Strangers learn nothing by it, because
            // only the address that has registered is asked.
            let source = arrival.info.path.remote.ip();
            return self.bindings(&arrival.info.from_user).iter().any(|at| at.path.remote.ip() == source);
        }
        // Every other number gets the same challenge, known or not: nothing to tell apart.
        true
    }

    /// Whether there is room for another call of this class.
    fn room(&self, class: &Class) -> Result<(), (u16, Diagnosis)> {
        let limit = self.core.config.max_calls;
        if self.draining {
            return Err((503, Diagnosis::Draining));
        }
        if self.sessions.len() >= limit {
            return Err((503, Diagnosis::Full { limit }));
        }
        let (busy, limit) = (self.busy, self.core.config.busy_limit);
        if busy >= limit {
            return Err((503, Diagnosis::Overloaded { busy, limit }));
        }
        // Known trunks and devices keep the rest: a flood of forged INVITEs must not shut them out.
        let (half_open, policy) = (self.core.config.max_half_open, &self.core.config.policy);
        let known = !policy.trunks.is_empty() || !policy.devices.is_empty();
        if *class == Class::Anonymous
            && known
            && self.sessions.len() >= half_open
            && self.sessions.values().filter(|session| session.is_half_open()).count() >= half_open
        {
            return Err((503, Diagnosis::Full { limit: half_open }));
        }
        if let Class::Trunk(name) = class
            && let Some(limit) = self.core.config.policy.trunk(name).and_then(|trunk| trunk.max_calls)
            && self.calls_over(name) >= limit
        {
            return Err((503, Diagnosis::TrunkFull { trunk: name.clone(), limit }));
        }
        Ok(())
    }

    /// Calls over a trunk now.
    pub(super) fn calls_over(&self, trunk: &str) -> usize {
        self.sessions.values().filter(|session| session.trunk() == Some(trunk)).count()
    }

    /// What this class may do.
    pub(super) fn reach(&self, class: &Class) -> Reach {
        let policy = &self.core.config.policy;
        match class {
            Class::Trunk(name) => policy.trunk(name).map(|trunk| trunk.reach.clone()).unwrap_or_default(),
            Class::Device(_) => policy.registered.clone(),
            Class::Anonymous => policy.anonymous.clone(),
            Class::House => Reach { flows: None, extensions: true, trunks: true, transfer: true },
        }
    }

    /// What this number is for this caller.
    pub(super) fn destination(&self, number: &str, class: &Class) -> Destination {
        let policy = &self.core.config.policy;
        let reach = self.reach(class);
        let who = || match class {
            Class::Trunk(name) => format!("Trunk {name}"),
            Class::Device(user) => format!("Device {user}"),
            Class::Anonymous | Class::House => "The caller".to_owned(),
        };
        let denied = || match class {
            // Nobody who is unknown learns that the number exists.
            Class::Anonymous => {
                Destination::Nothing(404, Diagnosis::UnknownNumber { number: number.to_owned() })
            }
            _ => Destination::Nothing(403, Diagnosis::NotAllowed { number: number.to_owned(), who: who() }),
        };
        if let Some(flow) = self.core.program.entry(number) {
            return if reach.flow(number) { Destination::Flow(flow) } else { denied() };
        }
        if policy.device(number).is_some() {
            if !reach.extensions {
                return denied();
            }
            let bindings = self.bindings(number);
            if bindings.is_empty() {
                return Destination::Nothing(480, Diagnosis::NotRegistered { extension: number.to_owned() });
            }
            return Destination::Legs(vec![Group::Device { extension: number.to_owned() }]);
        }
        let mut routes: Vec<_> = policy
            .routes
            .iter()
            .filter(|route| super::parties::dialable(number) && number.starts_with(&route.prefix))
            .filter(|route| policy.trunk(&route.trunk).is_some_and(|trunk| trunk.address.is_some()))
            .collect();
        if routes.is_empty() {
            return Destination::Nothing(404, Diagnosis::UnknownNumber { number: number.to_owned() });
        }
        routes.retain(|route| match class {
            Class::Trunk(_) => reach.trunks && route.trunks,
            Class::Device(_) => reach.trunks && route.devices,
            Class::Anonymous => false,
            Class::House => true,
        });
        // The longest prefix first; among equals the configuration's order.
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        let longest = routes.first().map(|route| route.prefix.len());
        let groups: Vec<Group> = routes
            .iter()
            .filter(|route| Some(route.prefix.len()) == longest)
            .filter_map(|route| {
                let trunk = policy.trunk(&route.trunk)?;
                let number = Rewrite::apply(&trunk.rewrite_out, number);
                Some(Group::Trunk { trunk: trunk.name.clone(), number })
            })
            .collect();
        // A number that comes from a trunk and would go back to it unchanged runs in a circle.
        if let Class::Trunk(name) = class
            && matches!(groups.as_slice(), [Group::Trunk { trunk, number: out }] if trunk == name && out == number)
        {
            return Destination::Nothing(482, Diagnosis::Loop { number: number.to_owned() });
        }
        if groups.is_empty() { denied() } else { Destination::Legs(groups) }
    }

    /// Who calls, by the best word that may be trusted.
    fn identity(&self, info: &IncomingCall, trunk: Option<&Trunk>) -> Identity {
        match (&info.account, trunk) {
            (Some(account), None) => super::parties::of_device(&self.core.config.policy, account),
            (_, trunk) => super::parties::of_caller(info, trunk.is_some_and(|trunk| trunk.trust_identity)),
        }
    }
}

/// The trunk that a call comes from: by its account, else by its address.
fn trunk_of<'a>(trunks: &'a [Trunk], info: &IncomingCall) -> Option<&'a Trunk> {
    let source = info.path.remote.ip();
    let by_account =
        trunks.iter().find(|trunk| proves(trunk, info) && (trunk.networks.is_empty() || trunk.owns(source)));
    by_account
        .or_else(|| trunks.iter().find(|trunk| trunk.inbound == TrunkAuth::Ip && trunk.owns(source)))
        .or_else(|| trunks.iter().find(|trunk| trunk.owns(source) && info.account.is_none()))
}

/// Whether the INVITE carries the digest that this trunk must give.
fn proves(trunk: &Trunk, info: &IncomingCall) -> bool {
    matches!(&trunk.inbound, TrunkAuth::Digest { account } if info.account.as_ref() == Some(account))
}

fn proven(trunk: &Trunk, info: &IncomingCall) -> bool {
    trunk.inbound == TrunkAuth::Ip || proves(trunk, info)
}
