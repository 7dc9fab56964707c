//! What is remembered of a call while it lasts.
use super::Session;
use crate::{CallRecord, Diagnosis, Direction, Identity, LadderLine, LiveCall};
use passline_identity::CallId;
use passline_rtp::{Method, Statistics};
use passline_sip::EndCause;
use std::net::SocketAddr;
use std::time::Instant;

/// Steps kept.
const STEPS: usize = 64;
/// Public digits kept.
const DIGITS: usize = 1024;

pub(crate) struct Draft {
    pub(crate) direction: Direction,
    start: Instant,
    answered: Option<Instant>,
    end: Option<Instant>,
    from: String,
    to: String,
    peer: SocketAddr,
    user_agent: Option<String>,
    pub(super) codec: Option<&'static str>,
    dtmf: Option<Method>,
    digits: String,
    all_public: bool,
    digit_count: u32,
    statistics: Option<Statistics>,
    foreign: u64,
    outcome: Option<&'static str>,
    steps: Vec<String>,
    /// The flow knows that the call is over.
    winding_up: bool,
    pub(super) trunk: Option<String>,
    pub(super) account: Option<String>,
    pub(super) identity: Identity,
    pub(super) diversions: Vec<String>,
    pub(super) via_hops: u8,
    pub(super) bridged: Option<CallId>,
    diagnosis: Option<Diagnosis>,
    ladder: Vec<LadderLine>,
}

impl Draft {
    pub(super) fn new(
        now: Instant,
        direction: Direction,
        from: String,
        to: String,
        peer: SocketAddr,
        user_agent: Option<String>,
    ) -> Self {
        Draft {
            direction,
            start: now,
            answered: None,
            end: None,
            from,
            to,
            peer,
            user_agent,
            codec: None,
            dtmf: None,
            digits: String::new(),
            all_public: true,
            digit_count: 0,
            statistics: None,
            foreign: 0,
            outcome: None,
            steps: Vec::new(),
            winding_up: false,
            trunk: None,
            account: None,
            identity: Identity::default(),
            diversions: Vec::new(),
            via_hops: 0,
            bridged: None,
            diagnosis: None,
            ladder: Vec::new(),
        }
    }

    pub(super) fn is_winding_up(&self) -> bool {
        self.winding_up
    }

    pub(super) fn winding_up(&mut self) {
        self.winding_up = true;
    }

    pub(super) fn answered(&mut self, now: Instant) {
        self.answered.get_or_insert(now);
    }

    pub(super) fn end(&mut self, now: Instant) {
        self.end.get_or_insert(now);
    }

    /// The first outcome told stands: what follows is its consequence.
    pub(super) fn outcome(&mut self, outcome: &'static str) {
        self.outcome.get_or_insert(outcome);
    }

    pub(super) fn cause(&mut self, cause: EndCause) {
        self.outcome(match cause {
            EndCause::LocalHangUp => "hung_up",
            EndCause::RemoteBye => "caller_left",
            EndCause::Cancelled => "cancelled",
            EndCause::Rejected => "rejected",
            EndCause::Refused => "refused",
            EndCause::NoAck => "no_ack",
            EndCause::Lost => "lost",
            EndCause::Expired => "expired",
            EndCause::TransportFailed => "transport_failed",
            _ => "ended",
        });
    }

    pub(super) fn digit(&mut self, key: char, method: Method, public: bool) {
        self.digit_count += 1;
        self.dtmf.get_or_insert(method);
        if !public {
            self.all_public = false;
            self.digits.clear();
        } else if self.all_public && self.digits.len() < DIGITS {
            self.digits.push(key);
        }
    }

    pub(super) fn step(&mut self, step: &str) {
        if self.steps.len() < STEPS {
            self.steps.push(step.to_owned());
        }
    }

    pub(super) fn media(&mut self, statistics: Statistics, foreign: u64) {
        self.statistics = Some(statistics);
        self.foreign = foreign;
    }
}

impl Session {
    /// The call as it stands.
    pub(crate) fn live(&self) -> LiveCall {
        let draft = &self.draft;
        LiveCall {
            call: self.call.clone(),
            sip_call_id: self.sip_call_id.clone(),
            direction: draft.direction,
            start: draft.start,
            answered: draft.answered,
            from: draft.from.clone(),
            to: draft.to.clone(),
            peer: draft.peer,
            trunk: draft.trunk.clone(),
            account: draft.account.clone(),
            codec: draft.codec,
            bridged: draft.bridged.clone(),
            ladder: draft.ladder.clone(),
        }
    }

    /// The finished record.
    pub(crate) fn into_record(self, now: Instant) -> CallRecord {
        let draft = self.draft;
        CallRecord {
            call: self.call,
            sip_call_id: self.sip_call_id,
            direction: draft.direction,
            start: draft.start,
            answered: draft.answered,
            end: draft.end.unwrap_or(now),
            from: draft.from,
            to: draft.to,
            peer: draft.peer,
            user_agent: draft.user_agent,
            codec: draft.codec,
            dtmf: draft.dtmf,
            digits: (draft.all_public && draft.digit_count > 0).then_some(draft.digits),
            digit_count: draft.digit_count,
            trunk: draft.trunk,
            account: draft.account,
            identity: draft.identity,
            diversions: draft.diversions,
            via_hops: draft.via_hops,
            bridged: draft.bridged,
            diagnosis: draft.diagnosis,
            ladder: draft.ladder,
            count: 1,
            statistics: draft.statistics,
            foreign_packets: draft.foreign,
            outcome: draft.outcome.unwrap_or("ended").to_owned(),
            steps: draft.steps,
        }
    }
}
