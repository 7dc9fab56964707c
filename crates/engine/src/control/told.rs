//! What is told of calls that were never taken, and of news outside of calls.
use super::Control;
use super::refusals::Refusals;
use crate::session::{Arrival, reject};
use crate::{CallRecord, ControlOutput, Diagnosis, Identity, LadderLine, RegistrationStatus, StatusEvent};
use passline_identity::CallId;
use passline_sip::{CallHandle, Direction, Event, RegistrationState};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Whoever was challenged and did not come back within this will not.
const COMES_BACK: Duration = Duration::from_secs(32);
/// Most callers remembered as challenged.
const MOST_CHALLENGED: usize = 256;
/// Refused Call-IDs remembered, so that repetitions do not count.
const MOST_RECENT: usize = 64;

/// What is still to be told.
#[derive(Default)]
pub(super) struct Told {
    refusals: Refusals,
    /// Refused in this turn.
    fresh: Vec<CallRecord>,
    /// Challenged, by Call-ID.
    challenged: BTreeMap<String, (Instant, Box<CallRecord>)>,
    recent: VecDeque<String>,
    /// Who has just sent wrong credentials: its INVITE is the next event.
    auth_failed: Option<(SocketAddr, String)>,
}

impl Told {
    pub(super) fn deadline(&self) -> Option<Instant> {
        let challenged = self.challenged.values().map(|(until, _)| *until).min();
        [self.refusals.deadline(), challenged].into_iter().flatten().min()
    }

    fn remember(&mut self, call_id: &str) {
        if self.recent.len() >= MOST_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(call_id.to_owned());
    }
}

impl Control {
    /// Says no to an INVITE, and tells why.
    pub(super) fn refuse(
        &mut self,
        now: Instant,
        handle: CallHandle,
        call: CallId,
        arrival: &Arrival,
        status: u16,
        why: Diagnosis,
    ) {
        reject(now, &mut self.core, handle, status, Some(&why));
        self.told.remember(&arrival.info.call_id);
        self.names.remove(&arrival.info.call_id);
        self.told.fresh.push(*record(now, call, arrival, why));
    }

    /// Asks for credentials. If the caller does not come back with them, that is told.
    pub(super) fn challenge(&mut self, now: Instant, handle: CallHandle, call: CallId, arrival: &Arrival) {
        self.core.sip(now, passline_sip::Command::Challenge { call: handle });
        self.names.remove(&arrival.info.call_id);
        let source = arrival.info.path.remote;
        let why = match self.told.auth_failed.take() {
            Some((failed, account)) if failed == source => Diagnosis::WrongCredentials { source, account },
            _ => Diagnosis::NoCredentials { source },
        };
        if self.told.challenged.len() < MOST_CHALLENGED {
            let record = record(now, call, arrival, why);
            self.told.challenged.insert(arrival.info.call_id.clone(), (now + COMES_BACK, record));
        }
        self.told.remember(&arrival.info.call_id);
    }

    /// A caller that was challenged came back.
    pub(super) fn came_back(&mut self, call_id: &str) {
        self.told.challenged.remove(call_id);
    }

    /// Credentials that were not this INVITE's are forgotten.
    pub(super) fn forget_failure(&mut self) {
        self.told.auth_failed = None;
    }

    /// The turn is over: refusals are told with their ladders.
    pub(super) fn end_turn(&mut self, now: Instant) {
        for mut record in std::mem::take(&mut self.told.fresh) {
            record.ladder = self.strays.take(&record.sip_call_id);
            self.tell(now, Box::new(record));
        }
        for (call_id, lines) in self.strays.end() {
            if let Some((_, record)) = self.told.challenged.get_mut(&call_id) {
                if record.ladder.is_empty() {
                    record.ladder = lines;
                }
            } else if let Some(record) = self.refused_below(now, &call_id, lines) {
                self.told.remember(&call_id);
                // Better terms, as a challenge: callers come back with them.
                let terms = matches!(record.diagnosis, Some(Diagnosis::SessionTooShort));
                if terms && self.told.challenged.len() < MOST_CHALLENGED {
                    self.told.challenged.insert(call_id, (now + COMES_BACK, record));
                } else {
                    self.tell(now, record);
                }
            }
        }
        let over: Vec<String> = self
            .told
            .challenged
            .iter()
            .filter(|(_, (until, _))| *until <= now)
            .map(|(call_id, _)| call_id.clone())
            .collect();
        for call_id in over {
            if let Some((_, record)) = self.told.challenged.remove(&call_id) {
                self.tell(now, record);
            }
        }
        if self.told.refusals.deadline().is_some_and(|at| at <= now) {
            for record in self.told.refusals.expire(now) {
                self.core.push(ControlOutput::Record(Box::new(record)));
            }
        }
    }

    fn tell(&mut self, now: Instant, record: Box<CallRecord>) {
        if let Some(record) = self.told.refusals.add(now, record) {
            self.core.push(ControlOutput::Record(record));
        }
    }

    /// The record of an INVITE that the user agent refused by itself.
    fn refused_below(
        &mut self,
        now: Instant,
        call_id: &str,
        lines: Vec<LadderLine>,
    ) -> Option<Box<CallRecord>> {
        if self.told.recent.iter().any(|recent| recent == call_id) {
            return None;
        }
        let invite = lines
            .iter()
            .find(|line| line.direction == Direction::In && line.first_line.starts_with("INVITE "))?;
        let answer = lines.iter().rev().find(|line| {
            line.direction == Direction::Out
                && line.cseq == invite.cseq
                && line.first_line.starts_with("SIP/2.0 ")
        })?;
        let mut words = answer.first_line.splitn(3, ' ').skip(1);
        let status: u16 = words.next()?.parse().ok()?;
        let reason = words.next().unwrap_or_default();
        let uri = invite.first_line.split(' ').nth(1).unwrap_or_default();
        let number = passline_sip::message::Uri::parse(uri).map(|uri| uri.number()).unwrap_or_default();
        let peer = invite.peer;
        let why = match status {
            503 if self.draining => Diagnosis::Draining,
            503 => Diagnosis::Full { limit: self.core.config.max_calls },
            _ => Diagnosis::of_own(status, reason, &number, peer)?,
        };
        let call = self.core.draw_call();
        let mut record = empty(now, call, call_id.to_owned(), peer, why);
        record.to = number;
        record.ladder = lines;
        Some(record)
    }

    /// News that belong to no call.
    pub(super) fn outside(&mut self, now: Instant, event: Event) {
        let Some(event) = self.probed(event) else { return };
        match event {
            Event::AuthFailed { flow, user } => {
                self.told.auth_failed = Some((flow.remote, user.clone()));
                self.core.push(ControlOutput::Status(StatusEvent::AuthFailed { source: flow.remote, user }));
            }
            Event::Bound { account, contact, flow, expires } => {
                self.core.push(ControlOutput::Status(StatusEvent::Bound { account, contact, flow, expires }));
            }
            Event::Unbound { account, contact, why } => {
                let why = unbound(why).to_owned();
                self.core.push(ControlOutput::Status(StatusEvent::Unbound { account, contact, why }));
            }
            Event::Registration { id, state } => self.registration(id, state),
            Event::Asked { id, status, reason, server, .. } => self.asked(now, id, status, &reason, server),
            _ => {}
        }
    }
}

fn unbound(why: passline_sip::UnboundCause) -> &'static str {
    use passline_sip::UnboundCause as Cause;
    match why {
        Cause::Expired => "it did not refresh its registration",
        Cause::Removed => "it took its registration back",
        Cause::Replaced => "it registered anew from elsewhere",
        Cause::FlowLost => "its connection is gone",
        Cause::AccountGone => "its account was removed or has a new password",
        _ => "it is gone",
    }
}

/// A record of a call that was never taken.
fn record(now: Instant, call: CallId, arrival: &Arrival, why: Diagnosis) -> Box<CallRecord> {
    let info = &arrival.info;
    let mut record = empty(now, call, info.call_id.clone(), info.path.remote, why);
    record.from = arrival.identity.shown().to_owned();
    record.to = arrival.number.clone();
    record.user_agent = info.user_agent.clone();
    record.trunk = arrival.trunk.clone();
    record.account = arrival.account.clone();
    if !arrival.identity.private {
        record.identity = arrival.identity.clone();
    }
    record.identity.private = arrival.identity.private;
    record.diversions = arrival.diversions.clone();
    record.via_hops = info.via_hops.saturating_sub(1);
    record
}

fn empty(
    now: Instant,
    call: CallId,
    sip_call_id: String,
    peer: SocketAddr,
    why: Diagnosis,
) -> Box<CallRecord> {
    Box::new(CallRecord {
        call,
        sip_call_id,
        direction: crate::Direction::Incoming,
        start: now,
        answered: None,
        end: now,
        from: String::new(),
        to: String::new(),
        peer,
        user_agent: None,
        codec: None,
        encryption: None,
        srtp: None,
        dtmf: None,
        digits: None,
        digit_count: 0,
        ledger: crate::DigitLedger::default(),
        statistics: None,
        foreign_packets: 0,
        trunk: None,
        account: None,
        identity: Identity::default(),
        diversions: Vec::new(),
        via_hops: 0,
        bridged: None,
        diagnosis: Some(why),
        ladder: Vec::new(),
        count: 1,
        outcome: "refused".to_owned(),
        steps: Vec::new(),
    })
}

/// How the log and the admin socket name a registration's state.
pub(super) fn registration_status(
    state: RegistrationState,
    registrar: &str,
    peer: Option<SocketAddr>,
    credentials: bool,
) -> RegistrationStatus {
    match state {
        RegistrationState::Registered { expires, .. } => RegistrationStatus::Registered { expires },
        RegistrationState::Failed { status, reason, retry_in } => {
            let callee = registrar.to_owned();
            let diagnosis = match (status, peer) {
                (408, Some(peer)) => Diagnosis::NoReply { peer },
                (503, Some(peer)) => Diagnosis::NoReply { peer },
                (401 | 403 | 404 | 407, _) => {
                    Diagnosis::RegistrationRefused { registrar: callee, status, credentials }
                }
                _ => Diagnosis::PeerRefused { callee, status, reason },
            };
            RegistrationStatus::Failed { status, diagnosis, retry_in }
        }
        RegistrationState::Unregistered => RegistrationStatus::Unregistered,
    }
}
