//! Transfers: REFER from a peer, REFER to a peer, INVITE with Replaces, and a flow that hands its caller over.
use super::Control;
use super::bridging::with_user;
use super::routing::{Class, Destination};
use crate::Diagnosis;
use crate::bridge::{Bridge, BridgeId, Purpose};
use crate::session::{Arrival, Session, Target};
use passline_identity::CallId;
use passline_sip::message::Uri;
use passline_sip::{CallHandle, Command};
use std::time::Instant;

impl Control {
    /// Who is at the other end of a call of ours.
    fn class_of(&self, handle: CallHandle) -> Class {
        let session = self.sessions.get(&handle);
        match session.map(|session| (session.trunk(), session.account())) {
            Some((Some(trunk), _)) => Class::Trunk(trunk.to_owned()),
            Some((None, Some(account))) => Class::Device(account.to_owned()),
            _ => Class::Anonymous,
        }
    }

    /// REFER (RFC 3515) from one half of a bridge: its other half is to talk to somebody else.
    pub(super) fn referred(
        &mut self,
        now: Instant,
        id: BridgeId,
        referrer: CallHandle,
        to: &str,
        replaces: Option<String>,
    ) {
        let class = self.class_of(referrer);
        let reject = |status| Command::RejectRefer { call: referrer, status };
        let Some(bridge) = self.bridges.get(&id) else { return };
        let (other, busy) = (bridge.other(referrer), bridge.transfer.is_some());
        let Some(other) = other else { return self.core.sip(now, reject(603)) };
        if !self.reach(&class).transfer {
            return self.core.sip(now, reject(403));
        }
        if busy {
            return self.core.sip(now, reject(491));
        }
        if let Some(replaces) = replaces {
            return self.attended(now, referrer, other, &class, &replaces);
        }
        let number = Uri::parse(to).map(|uri| uri.number()).unwrap_or_default();
        // What a caller may dial is what it may transfer to: no more, or a REFER would be a way around its rights.
        let destination = self.destination(&number, &class);
        match destination {
            Destination::Nothing(status, _) => {
                let status = if status < 600 { 404 } else { status };
                self.core.sip(now, reject(status));
            }
            Destination::Flow(flow) => {
                self.core.sip(now, Command::AcceptRefer { call: referrer });
                self.notify(now, referrer, 200, true);
                self.bridges.remove(&id);
                self.members.remove(&other);
                self.members.remove(&referrer);
                self.with(now, other, |session, core| session.enter_flow(now, core, flow, &number));
                self.with(now, referrer, |session, core| session.transferred(now, core));
            }
            Destination::Legs(groups) => {
                self.core.sip(now, Command::AcceptRefer { call: referrer });
                self.notify(now, referrer, 100, false);
                let next = self.fresh_bridge();
                let purpose = Purpose::Transfer { referrer: Some(referrer), target: number.clone() };
                let mut made = Bridge::new(purpose, other, number);
                made.queue = groups.into();
                self.bridges.insert(next, made);
                if let Some(bridge) = self.bridges.get_mut(&id) {
                    bridge.transfer = Some(next);
                }
                self.call_next(now, next);
            }
        }
    }

    /// Attended transfer: the referrer has two calls here, and their far ends are to talk to one another.
    fn attended(
        &mut self,
        now: Instant,
        referrer: CallHandle,
        other: CallHandle,
        class: &Class,
        replaces: &str,
    ) {
        let reject = |status| Command::RejectRefer { call: referrer, status };
        let consulted = self.core.sip.call_named(replaces).filter(|found| *found != referrer);
        // Only calls of the same device or trunk: nobody may take over what is not his.
        let Some(consulted) = consulted.filter(|found| self.class_of(*found) == *class) else {
            return self.core.sip(now, reject(603));
        };
        let second = self.members.get(&consulted).and_then(|id| self.bridges.get(id)?.other(consulted));
        let same_shard = |a: &Session, b: &Session| a.stream().shard == b.stream().shard;
        let fit = second.filter(|second| {
            let pair = self.sessions.get(second).zip(self.sessions.get(&other));
            *second != other && pair.is_some_and(|(a, b)| a.is_confirmed() && same_shard(a, b))
        });
        let Some(second) = fit else { return self.core.sip(now, reject(603)) };
        self.core.sip(now, Command::AcceptRefer { call: referrer });
        self.notify(now, referrer, 200, true);
        for member in [referrer, consulted, other, second] {
            if let Some(id) = self.members.remove(&member) {
                self.bridges.remove(&id);
            }
        }
        let id = self.fresh_bridge();
        self.bridges.insert(id, Bridge::new(Purpose::Call, other, String::new()));
        self.join(id, other, second);
        for over in [referrer, consulted] {
            self.with(now, over, |session, core| session.transferred(now, core));
        }
    }

    /// The target of a blind transfer could not be reached: the referrer may take the call back, if it is still there.
    pub(super) fn transfer_failed(
        &mut self,
        now: Instant,
        first: CallHandle,
        referrer: Option<CallHandle>,
        target: String,
        status: u16,
    ) {
        match referrer {
            Some(referrer) => {
                if let Some(old) = self.members.get(&first).and_then(|id| self.bridges.get_mut(id)) {
                    old.transfer = None;
                }
                self.notify(now, referrer, status.max(300), true);
            }
            None => {
                self.members.remove(&first);
                let why = Diagnosis::TransferFailed { target, status };
                self.with(now, first, |session, core| session.give_up(now, core, status, why));
            }
        }
    }

    /// An INVITE with Replaces (RFC 3891): the new call takes the place of a call of ours.
    pub(super) fn takeover(
        &mut self,
        now: Instant,
        handle: CallHandle,
        call: CallId,
        arrival: &Arrival,
        class: &Class,
        replaced: CallHandle,
    ) {
        let far = self.members.get(&replaced).and_then(|id| self.bridges.get(id)?.other(replaced));
        let stream = far.and_then(|far| self.sessions.get(&far)).map(|session| session.stream());
        let allowed = self.reach(class).transfer && *class != Class::Anonymous;
        let Some(stream) = stream.filter(|_| allowed) else {
            let (number, who) = (arrival.number.clone(), "A call that replaces another one".to_owned());
            let why = Diagnosis::NotAllowed { number, who };
            return self.refuse(now, handle, call, arrival, 403, why);
        };
        let id = self.fresh_bridge();
        let target = Target::Bridge;
        if self.take_in(now, handle, call, arrival, target, Some(stream.shard)) {
            let bridge = Bridge::new(Purpose::Takeover { replaced }, handle, arrival.number.clone());
            self.bridges.insert(id, bridge);
            self.members.insert(handle, id);
        }
    }

    /// The call with Replaces stands: it is joined with the far end of the one it replaces, which ends.
    pub(super) fn taken_over(&mut self, now: Instant, id: BridgeId, new: CallHandle, replaced: CallHandle) {
        let old = self.members.get(&replaced).copied();
        let far = old.and_then(|old| self.bridges.get(&old)?.other(replaced));
        let Some(far) = far else {
            // It ended meanwhile.
            self.bridges.remove(&id);
            self.members.remove(&new);
            let why = Diagnosis::DialogLost;
            return self.with(now, new, |session, core| session.give_up(now, core, 481, why));
        };
        self.members.remove(&replaced);
        if let Some(old) = old.and_then(|old| self.bridges.remove(&old))
            && let Some(next) = old.transfer
        {
            self.stop_attempts(now, next, "transferred otherwise");
            self.bridges.remove(&next);
        }
        self.join(id, new, far);
        self.with(now, replaced, |session, core| session.transferred(now, core));
    }

    /// A flow hands its caller over: by REFER where the trunk takes it, else put through here.
    pub(super) fn transfer_from_flow(&mut self, now: Instant, from: CallHandle, to: String) {
        let Some(session) = self.sessions.get(&from).filter(|session| session.is_confirmed()) else {
            return;
        };
        let policy = &self.core.config.policy;
        let trunk = session.trunk().and_then(|name| policy.trunk(name));
        let target = match (trunk.filter(|trunk| trunk.refer), self.destination(&to, &Class::House)) {
            (_, Destination::Flow(_) | Destination::Nothing(..)) => None,
            // Only numbers of that trunk's own: elsewhere it could not reach them, or at a price.
            (Some(trunk), Destination::Legs(groups)) => groups.iter().find_map(|group| match group {
                crate::bridge::Group::Trunk { trunk: name, number } if *name == trunk.name => {
                    Some(with_user(trunk.address.as_deref()?, number))
                }
                _ => None,
            }),
            (None, Destination::Legs(_)) => None,
        };
        match target {
            Some(uri) => {
                self.referring.insert(from, to);
                self.with(now, from, |session, core| session.refer(now, core, uri));
            }
            None => self.put_through(now, from, to),
        }
    }

    /// News of a REFER of ours for a flow's caller.
    pub(super) fn progress(&mut self, now: Instant, from: CallHandle, status: u16, done: bool) {
        if status < 200 && !done {
            return;
        }
        let Some(to) = self.referring.remove(&from) else { return };
        if (200..300).contains(&status) {
            self.with(now, from, |session, core| {
                session.transfer_result(now, core, true);
                session.transferred(now, core);
            });
        } else {
            self.put_through(now, from, to);
        }
    }

    /// Puts a flow's caller through.
    fn put_through(&mut self, now: Instant, from: CallHandle, to: String) {
        match self.destination(&to, &Class::House) {
            Destination::Legs(groups) => {
                let id = self.fresh_bridge();
                let mut made = Bridge::new(Purpose::Flow, from, to);
                made.queue = groups.into();
                self.bridges.insert(id, made);
                self.members.insert(from, id);
                self.call_next(now, id);
            }
            Destination::Flow(_) | Destination::Nothing(..) => {
                self.with(now, from, |session, core| session.transfer_result(now, core, false));
            }
        }
    }
}
