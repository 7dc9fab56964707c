//! Client transactions: INVITE (RFC 3261 §17.1.1, RFC 6026 §7.2) and non-INVITE (§17.1.2).

use super::{Kind, T1, T1X64, T2, T4, TIMER_D};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Calling or Trying.
    Calling,
    Proceeding,
    Completed,
    Accepted,
    Terminated,
}

/// What the owner does after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientStep {
    /// Nothing.
    None,
    /// Send the request again.
    Send,
    /// Hand the response on.
    Pass,
    /// Send the ACK of this non-2xx response, and hand the response on.
    AckAndPass,
    /// Send the ACK again; the response is a copy.
    AckAgain,
    /// No answer came; the transaction is over.
    TimedOut,
    /// Over; forget it.
    Terminated,
}

/// One client transaction; the request has just been sent.
#[derive(Debug)]
pub struct ClientTransaction {
    kind: Kind,
    reliable: bool,
    state: State,
    /// Timer A or E: when, and the interval that led to it.
    retransmit: Option<(Instant, Duration)>,
    /// Timer B, F, D, K or M.
    end: Option<Instant>,
}

impl ClientTransaction {
    /// The request goes out now; `reliable`: the transport delivers by itself.
    pub fn new(now: Instant, kind: Kind, reliable: bool) -> Self {
        let retransmit = (!reliable).then_some((now + T1, T1));
        ClientTransaction { kind, reliable, state: State::Calling, retransmit, end: Some(now + T1X64) }
    }

    /// A response with this transaction's key came.
    pub fn response(&mut self, now: Instant, status: u16) -> ClientStep {
        let provisional = status < 200;
        match (self.kind, self.state) {
            (_, State::Terminated) => ClientStep::None,
            (Kind::Invite, State::Calling | State::Proceeding) => {
                self.retransmit = None;
                if provisional {
                    self.state = State::Proceeding;
                    self.end = None;
                    ClientStep::Pass
                } else if status < 300 {
                    self.state = State::Accepted;
                    self.end = Some(now + T1X64);
                    ClientStep::Pass
                } else {
                    self.state = State::Completed;
                    self.end = Some(if self.reliable { now } else { now + TIMER_D });
                    ClientStep::AckAndPass
                }
            }
            (Kind::Invite, State::Completed) if status >= 300 => ClientStep::AckAgain,
            (Kind::Invite, State::Accepted) if (200..300).contains(&status) => ClientStep::Pass,
            (Kind::NonInvite, State::Calling | State::Proceeding) => {
                if provisional {
                    self.state = State::Proceeding;
                    // Timer E goes on at T2 (RFC 3261 §17.1.2.2).
                    self.retransmit = self.retransmit.map(|(at, _)| (at, T2));
                } else {
                    self.state = State::Completed;
                    self.retransmit = None;
                    self.end = Some(if self.reliable { now } else { now + T4 });
                }
                ClientStep::Pass
            }
            _ => ClientStep::None,
        }
    }

    /// CANCEL has gone: wait no longer than 64*T1 for the final response (RFC 3261 §9.1).
    pub fn cancelled(&mut self, now: Instant) {
        if self.state == State::Proceeding {
            self.end = Some(now + T1X64);
        }
    }

    /// Time has passed; call until `None` comes back.
    pub fn timer(&mut self, now: Instant) -> ClientStep {
        if self.end.is_some_and(|end| end <= now) {
            let unanswered = matches!(self.state, State::Calling | State::Proceeding);
            self.state = State::Terminated;
            self.end = None;
            self.retransmit = None;
            return if unanswered { ClientStep::TimedOut } else { ClientStep::Terminated };
        }
        if let Some((at, interval)) = self.retransmit
            && at <= now
        {
            let mut interval = interval * 2;
            if self.kind == Kind::NonInvite {
                interval = interval.min(T2);
            }
            self.retransmit = Some((at + interval, interval));
            return ClientStep::Send;
        }
        ClientStep::None
    }

    /// When [`timer`](Self::timer) wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.retransmit.map(|(at, _)| at).into_iter().chain(self.end).min()
    }

    /// Whether a provisional response has come and no final one.
    pub fn is_proceeding(&self) -> bool {
        self.state == State::Proceeding
    }

    /// Whether no final response has come.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Calling | State::Proceeding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)] // a test's epoch
    fn epoch() -> Instant {
        Instant::now()
    }

    fn run(transaction: &mut ClientTransaction, start: Instant) -> (Vec<u128>, Option<(u128, ClientStep)>) {
        let (mut sends, mut last) = (Vec::new(), None);
        while let Some(at) = transaction.deadline() {
            loop {
                let ms = (at - start).as_millis();
                match transaction.timer(at) {
                    ClientStep::None => break,
                    ClientStep::Send => sends.push(ms),
                    step => last = Some((ms, step)),
                }
            }
        }
        (sends, last)
    }

    #[test]
    fn unanswered_requests() {
        let now = epoch();
        let table: [(Kind, bool, &[u128]); 4] = [
            (Kind::Invite, false, &[500, 1500, 3500, 7500, 15500, 31500]), // A, B
            (Kind::Invite, true, &[]),
            (Kind::NonInvite, false, &[500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]), // E, F
            (Kind::NonInvite, true, &[]),
        ];
        for (kind, reliable, sends) in table {
            let mut t = ClientTransaction::new(now, kind, reliable);
            assert_eq!(
                run(&mut t, now),
                (sends.to_vec(), Some((32000, ClientStep::TimedOut))),
                "{kind:?} {reliable}"
            );
        }
    }

    #[test]
    fn answered_requests() {
        let now = epoch();
        let table = [
            (Kind::Invite, false, 200, ClientStep::Pass, 32000), // M
            (Kind::Invite, false, 486, ClientStep::AckAndPass, 32000), // D
            (Kind::Invite, true, 486, ClientStep::AckAndPass, 0), // D
            (Kind::NonInvite, false, 200, ClientStep::Pass, 5000), // K
            (Kind::NonInvite, true, 200, ClientStep::Pass, 0),   // K
        ];
        for (kind, reliable, status, step, end) in table {
            let mut t = ClientTransaction::new(now, kind, reliable);
            assert_eq!(t.response(now, 180), ClientStep::Pass);
            assert_eq!(t.response(now, status), step);
            assert_eq!(
                run(&mut t, now),
                (vec![], Some((end, ClientStep::Terminated))),
                "{kind:?} {reliable} {status}"
            );
        }
    }

    #[test]
    fn copies_of_final_responses() {
        let now = epoch();
        let mut t = ClientTransaction::new(now, Kind::Invite, false);
        t.response(now, 486);
        assert_eq!(
            (t.response(now, 486), t.response(now, 200), t.response(now, 180)),
            (ClientStep::AckAgain, ClientStep::None, ClientStep::None)
        );
        let mut t = ClientTransaction::new(now, Kind::Invite, false);
        t.response(now, 200);
        assert_eq!(
            (t.response(now, 200), t.response(now, 486)),
            (ClientStep::Pass, ClientStep::None),
            "2xx go to the dialog (RFC 6026)"
        );
        let mut t = ClientTransaction::new(now, Kind::NonInvite, false);
        t.response(now, 200);
        assert_eq!(t.response(now, 200), ClientStep::None);
    }

    #[test]
    fn a_ringing_invite_waits_without_limit_until_cancelled() {
        let now = epoch();
        let mut t = ClientTransaction::new(now, Kind::Invite, false);
        t.response(now, 180);
        assert_eq!(t.deadline(), None);
        t.cancelled(now);
        assert_eq!(run(&mut t, now).1, Some((32000, ClientStep::TimedOut)));
    }

    #[test]
    fn a_proceeding_non_invite_repeats_at_t2() {
        let now = epoch();
        let mut t = ClientTransaction::new(now, Kind::NonInvite, false);
        t.response(now, 100);
        assert_eq!(run(&mut t, now).0[..3], [500, 4500, 8500]);
    }
}
