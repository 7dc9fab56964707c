//! Server transactions: INVITE (RFC 3261 §17.2.1, RFC 6026 §7.1) and non-INVITE (§17.2.2).

use super::{Kind, T1, T1X64, T2, T4};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
    Terminated,
}

/// What the owner does after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerStep {
    /// Nothing.
    None,
    /// Send the last response (again).
    Send,
    /// No ACK came for a final response of 300 or more; the transaction is over.
    TimedOut,
    /// Over; forget it.
    Terminated,
}

/// One server transaction.
#[derive(Debug)]
pub struct ServerTransaction {
    kind: Kind,
    reliable: bool,
    state: State,
    /// Timer G: when, and the interval after it.
    retransmit: Option<(Instant, Duration)>,
    /// Timer H, I, J or L.
    end: Option<Instant>,
}

impl ServerTransaction {
    /// A request has come; `reliable`: the transport delivers by itself.
    pub fn new(kind: Kind, reliable: bool) -> Self {
        let state = if kind == Kind::Invite { State::Proceeding } else { State::Trying };
        ServerTransaction { kind, reliable, state, retransmit: None, end: None }
    }

    /// A copy of the request came.
    pub fn repeated(&self) -> ServerStep {
        match self.state {
            State::Proceeding | State::Completed => ServerStep::Send,
            _ => ServerStep::None,
        }
    }

    /// We answer. `false`: a final response has gone already, this one must not.
    pub fn respond(&mut self, now: Instant, status: u16) -> bool {
        if !matches!(self.state, State::Trying | State::Proceeding) {
            return false;
        }
        let unless_reliable = |time| if self.reliable { Duration::ZERO } else { time };
        match (self.kind, status) {
            (_, 100..=199) => self.state = State::Proceeding,
            (Kind::NonInvite, _) => {
                self.state = State::Completed;
                self.end = Some(now + unless_reliable(T1X64));
            }
            (Kind::Invite, 200..=299) => {
                self.state = State::Accepted;
                self.end = Some(now + T1X64);
            }
            (Kind::Invite, _) => {
                self.state = State::Completed;
                self.end = Some(now + T1X64);
                if !self.reliable {
                    self.retransmit = Some((now + T1, T1));
                }
            }
        }
        true
    }

    /// An ACK with this transaction's key came. `true`: it belongs to a non-2xx response and goes no further.
    pub fn ack(&mut self, now: Instant) -> bool {
        match self.state {
            State::Completed if self.kind == Kind::Invite => {
                self.state = State::Confirmed;
                self.retransmit = None;
                self.end = Some(if self.reliable { now } else { now + T4 });
                true
            }
            State::Confirmed => true,
            _ => false,
        }
    }

    /// Time has passed; call until `None` comes back.
    pub fn timer(&mut self, now: Instant) -> ServerStep {
        if self.end.is_some_and(|end| end <= now) {
            let lost = self.kind == Kind::Invite && self.state == State::Completed;
            self.state = State::Terminated;
            self.end = None;
            self.retransmit = None;
            return if lost { ServerStep::TimedOut } else { ServerStep::Terminated };
        }
        if let Some((at, interval)) = self.retransmit
            && at <= now
        {
            let interval = (interval * 2).min(T2);
            self.retransmit = Some((at + interval, interval));
            return ServerStep::Send;
        }
        ServerStep::None
    }

    /// When [`timer`](Self::timer) wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.retransmit.map(|(at, _)| at).into_iter().chain(self.end).min()
    }

    /// Whether a final response is still to be given.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)] // a test's epoch
    fn epoch() -> Instant {
        Instant::now()
    }

    /// Times in ms at which the machine acts, until it ends.
    fn run(transaction: &mut ServerTransaction, start: Instant) -> Vec<(u128, ServerStep)> {
        let mut log = Vec::new();
        while let Some(at) = transaction.deadline() {
            loop {
                let step = transaction.timer(at);
                if step == ServerStep::None {
                    break;
                }
                log.push(((at - start).as_millis(), step));
            }
        }
        log
    }

    #[test]
    fn refused_invite_over_udp_follows_timers_g_and_h() {
        let now = epoch();
        let mut t = ServerTransaction::new(Kind::Invite, false);
        assert!(t.respond(now, 100) && t.respond(now, 486) && !t.respond(now, 200));
        let mut expected: Vec<_> = [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]
            .map(|ms| (ms, ServerStep::Send))
            .into();
        expected.push((32000, ServerStep::TimedOut));
        assert_eq!(run(&mut t, now), expected);
    }

    #[test]
    fn ends_by_kind_transport_and_answer() {
        let now = epoch();
        // kind, reliable, status, acknowledged, end in ms
        let table = [
            (Kind::Invite, true, 486, false, (32000, ServerStep::TimedOut)), // H
            (Kind::Invite, false, 486, true, (5000, ServerStep::Terminated)), // I
            (Kind::Invite, true, 486, true, (0, ServerStep::Terminated)),    // I
            (Kind::Invite, false, 200, false, (32000, ServerStep::Terminated)), // L
            (Kind::Invite, true, 200, false, (32000, ServerStep::Terminated)), // L
            (Kind::NonInvite, false, 200, false, (32000, ServerStep::Terminated)), // J
            (Kind::NonInvite, true, 481, false, (0, ServerStep::Terminated)), // J
        ];
        for (kind, reliable, status, acknowledged, end) in table {
            let mut t = ServerTransaction::new(kind, reliable);
            assert!(t.respond(now, status));
            assert_eq!(
                t.ack(now),
                acknowledged || (kind == Kind::Invite && status == 486),
                "{kind:?} {status}"
            );
            if !acknowledged && status == 486 {
                t = ServerTransaction::new(kind, reliable);
                t.respond(now, status);
            }
            assert_eq!(run(&mut t, now).last(), Some(&end), "{kind:?} {reliable} {status} {acknowledged}");
        }
    }

    #[test]
    fn copies_get_the_last_response_where_there_is_one() {
        let now = epoch();
        let mut t = ServerTransaction::new(Kind::NonInvite, false);
        assert_eq!(t.repeated(), ServerStep::None);
        t.respond(now, 200);
        assert_eq!(t.repeated(), ServerStep::Send);
        let mut t = ServerTransaction::new(Kind::Invite, false);
        assert_eq!(t.repeated(), ServerStep::Send);
        t.respond(now, 200);
        assert_eq!(t.repeated(), ServerStep::None, "Accepted absorbs (RFC 6026)");
        assert!(!t.ack(now), "the ACK of a 2xx goes to the dialog");
    }
}
