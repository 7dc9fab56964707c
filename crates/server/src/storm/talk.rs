//! The SIP side of one caller: INVITE, ACK, INFO, BYE, CANCEL with their retransmissions (RFC 3261 §13, §17.1).
//!
//! A machine without sockets and clock. It keeps only what a caller needs, since a run has hundreds of thousands of them.
use super::{
    message::{Common, Request, request, response},
    proof::Proof,
};
use passline_sip::message::{Address, Message, Name, Start, parse_decimal};
use std::time::{Duration, Instant};

/// T1 of RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
/// T2, the longest interval of requests other than INVITE.
const T2: Duration = Duration::from_secs(4);
/// Timers B and F: 64 T1.
const GIVE_UP: Duration = Duration::from_secs(32);

/// Where a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was sent yet.
    Idle,
    /// INVITE sent, no answer.
    Calling,
    /// A provisional answer came.
    Proceeding,
    /// Answered.
    Up,
    /// BYE or CANCEL sent.
    Leaving,
    /// Over.
    Over,
}

/// What the owner of the caller must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is answered, with this session description.
    Answered(Vec<u8>),
    /// Refused with this status; 0: nobody answered. `retry_after`: the other side said when to come again.
    Refused {
        /// Status.
        status: u16,
        /// Whether it had a Retry-After.
        retry_after: bool,
    },
    /// The other side hung up.
    HungUp,
    /// Our hang-up was taken; false: not answered or refused.
    Left(bool),
    /// Our INFO was refused.
    InfoRefused,
}

/// A request that waits for its answer.
#[derive(Clone, Debug)]
struct Pending {
    cseq: u32,
    octets: Vec<u8>,
    /// The next retransmission; none over a connection, nor once a provisional answer to an INVITE came.
    again: Option<Instant>,
    interval: Duration,
    give_up: Instant,
}

/// One caller's dialog.
#[derive(Clone, Debug)]
pub struct Talk {
    caller: u32,
    /// Where it is.
    pub state: State,
    cseq: u32,
    invite: u32,
    to: String,
    target: String,
    routes: Vec<String>,
    pending: Option<Pending>,
    /// It was to hang up before it was answered.
    leaves: bool,
    /// CANCEL was sent.
    cancelled: bool,
    /// Requests that were sent again.
    pub retransmissions: u32,
    /// Who it is, for those who ask.
    proof: Option<Box<Proof>>,
}

/// Messages to be sent, in order.
pub type Outbox = Vec<Vec<u8>>;

impl Talk {
    /// A caller that has not called yet.
    pub fn new(common: &Common, caller: u32) -> Self {
        Self {
            caller,
            state: State::Idle,
            cseq: 0,
            invite: 0,
            to: format!("<{}>", common.uri),
            target: common.uri.clone(),
            routes: Vec::new(),
            pending: None,
            leaves: false,
            cancelled: false,
            retransmissions: 0,
            proof: common.credentials.clone().map(|credentials| Box::new(Proof::new(credentials))),
        }
    }

    /// Calls, with this offer.
    pub fn invite(
        &mut self,
        now: Instant,
        common: &Common,
        offer: &[u8],
        headers: &[(&'static str, String)],
        out: &mut Outbox,
    ) {
        self.state = State::Calling;
        self.to = format!("<{}>", common.uri);
        let body = Some(("application/sdp", offer));
        self.send(now, common, "INVITE", headers, body, out);
        self.invite = self.cseq;
    }

    /// Tells of a key by INFO; false while an earlier request waits for its answer.
    pub fn info(&mut self, now: Instant, common: &Common, key: char, ms: u16, out: &mut Outbox) -> bool {
        if self.state != State::Up || self.pending.is_some() {
            return false;
        }
        let body = format!("Signal={key}\r\nDuration={ms}\r\n");
        let body = Some(("application/dtmf-relay", body.as_bytes()));
        self.send(now, common, "INFO", &[], body, out);
        true
    }

    /// Hangs up: BYE, CANCEL, or as soon as one of them is allowed (RFC 3261 §9.1).
    pub fn leave(&mut self, now: Instant, common: &Common, out: &mut Outbox) {
        match self.state {
            State::Idle => self.state = State::Over,
            State::Calling => self.leaves = true,
            State::Proceeding if self.cancelled => {}
            State::Proceeding => {
                (self.leaves, self.cancelled) = (true, true);
                out.push(self.write(common, "CANCEL", (self.invite, ""), &[], None));
                if let Some(pending) = &mut self.pending {
                    pending.give_up = pending.give_up.min(now + 8 * T1);
                }
            }
            State::Up => {
                self.state = State::Leaving;
                self.send(now, common, "BYE", &[], None, out);
            }
            State::Leaving | State::Over => {}
        }
    }

    /// A message of this dialog came.
    pub fn message(
        &mut self,
        now: Instant,
        common: &Common,
        message: &Message<'_>,
        out: &mut Outbox,
    ) -> Option<Event> {
        let line = message.first(Name::CSeq)?;
        let (cseq, method) = line.split_at(line.iter().position(u8::is_ascii_whitespace)?);
        let (cseq, method) = (parse_decimal(cseq)?, method.trim_ascii());
        match message.start {
            Start::Request { method, .. } => self.request(common, method, message, out),
            Start::Response { status, .. } if method == b"INVITE" => {
                self.invited(now, common, status, cseq, message, out)
            }
            Start::Response { status, .. } => {
                self.answered(now, common, (status, cseq, method), message, out)
            }
        }
    }

    /// What is due is done: a retransmission, or the end of patience.
    pub fn due(&mut self, now: Instant, out: &mut Outbox) -> Option<Event> {
        let pending = self.pending.as_mut()?;
        if now >= pending.give_up {
            self.pending = None;
            let before = std::mem::replace(&mut self.state, State::Over);
            return match before {
                State::Calling | State::Proceeding => Some(Event::Refused { status: 0, retry_after: false }),
                State::Up => {
                    // An INFO without an answer does not end the call.
                    self.state = State::Up;
                    Some(Event::InfoRefused)
                }
                State::Leaving => Some(Event::Left(false)),
                State::Idle | State::Over => None,
            };
        }
        if pending.again.is_some_and(|again| now >= again) {
            out.push(pending.octets.clone());
            self.retransmissions += 1;
            let double = pending.interval * 2;
            pending.interval = if self.state == State::Calling { double } else { double.min(T2) };
            pending.again = Some(now + pending.interval);
        }
        None
    }

    /// When [`due`](Self::due) wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let pending = self.pending.as_ref()?;
        Some(pending.again.map_or(pending.give_up, |again| again.min(pending.give_up)))
    }

    /// An answer to an INVITE.
    fn invited(
        &mut self,
        now: Instant,
        common: &Common,
        status: u16,
        cseq: u32,
        message: &Message<'_>,
        out: &mut Outbox,
    ) -> Option<Event> {
        let waits = matches!(self.state, State::Calling | State::Proceeding) && cseq == self.invite;
        match status {
            ..200 if waits => {
                self.state = State::Proceeding;
                if let Some(pending) = &mut self.pending {
                    pending.again = None;
                    pending.octets = Vec::new();
                    // A call may ring for three minutes (timer C).
                    if !self.cancelled {
                        pending.give_up = now + Duration::from_secs(180);
                    }
                }
                if self.leaves {
                    self.leave(now, common, out);
                }
                None
            }
            ..200 => None,
            200..300 => {
                if waits {
                    self.establish(message)?;
                    self.pending = None;
                    self.taken();
                    self.state = State::Up;
                }
                if matches!(self.state, State::Up | State::Leaving | State::Over) && cseq == self.invite {
                    // Also for each copy of the answer (§13.2.2.4).
                    let credentials =
                        self.proof.as_ref().map(|proof| proof.invite.clone()).unwrap_or_default();
                    out.push(self.write(common, "ACK", (cseq, "a"), &credentials, None));
                }
                if !waits {
                    return None;
                }
                if self.leaves {
                    self.leave(now, common, out);
                }
                Some(Event::Answered(message.body.to_vec()))
            }
            _ => {
                let to = message.text(Name::To)?.into_owned();
                let before = std::mem::replace(&mut self.to, to);
                // With the branch of the INVITE (§17.1.1.3), and without its routes: we have set none.
                let (target, routes) = (std::mem::take(&mut self.target), std::mem::take(&mut self.routes));
                self.target.clone_from(&common.uri);
                out.push(self.write(common, "ACK", (cseq, ""), &[], None));
                (self.target, self.routes) = (target, routes);
                self.to = before;
                if !waits {
                    return None;
                }
                self.pending = None;
                if matches!(status, 401 | 407) && !self.leaves && self.proves(now, common, message, out) {
                    // Another INVITE of the same call (RFC 3261 §22.2).
                    (self.state, self.invite) = (State::Calling, self.cseq);
                    return None;
                }
                self.state = State::Over;
                let retry_after = message.first(Name::RetryAfter).is_some();
                Some(Event::Refused { status, retry_after })
            }
        }
    }

    /// What the dialog is from a 2xx on (RFC 3261 §12.1.2).
    fn establish(&mut self, message: &Message<'_>) -> Option<()> {
        self.to = message.text(Name::To)?.into_owned();
        if let Some(contact) = message.text(Name::Contact)
            && let Ok(contact) = Address::parse(&contact)
        {
            self.target = contact.uri.to_owned();
        }
        let values = message.all(Name::RecordRoute).map(|value| String::from_utf8_lossy(value).into_owned());
        let mut routes: Vec<String> = values
            .flat_map(|value| {
                passline_sip::message::param::list(&value).map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        routes.reverse();
        self.routes = routes;
        Some(())
    }

    /// An answer to another request: its status, sequence number and method.
    fn answered(
        &mut self,
        now: Instant,
        common: &Common,
        (status, cseq, method): (u16, u32, &[u8]),
        message: &Message<'_>,
        out: &mut Outbox,
    ) -> Option<Event> {
        if status < 200 || self.pending.as_ref().is_none_or(|pending| pending.cseq != cseq) {
            return None;
        }
        if matches!(status, 401 | 407) && self.proves(now, common, message, out) {
            return None;
        }
        if status < 300 {
            self.taken();
        }
        match method {
            b"BYE" => {
                self.pending = None;
                self.state = State::Over;
                Some(Event::Left(status < 300))
            }
            b"INFO" => {
                self.pending = None;
                (status >= 300).then_some(Event::InfoRefused)
            }
            _ => None,
        }
    }

    /// Sends the last request again with what was asked for; false if that would lead nowhere.
    fn proves(&mut self, now: Instant, common: &Common, message: &Message<'_>, out: &mut Outbox) -> bool {
        let Some((method, headers, body)) = self.proof.as_mut().and_then(|proof| proof.challenged(message))
        else {
            return false;
        };
        let body = body.as_ref().map(|(kind, octets)| (*kind, octets.as_slice()));
        self.send(now, common, method, &headers, body, out);
        true
    }

    fn taken(&mut self) {
        if let Some(proof) = &mut self.proof {
            proof.taken();
        }
    }

    /// A request of the other side.
    fn request(
        &mut self,
        common: &Common,
        method: &[u8],
        message: &Message<'_>,
        out: &mut Outbox,
    ) -> Option<Event> {
        let is_up = matches!(self.state, State::Up | State::Leaving);
        let status = match method {
            b"ACK" => return None,
            // Also a copy of the one that ended the call.
            b"BYE" if is_up || self.state == State::Over => 200,
            b"OPTIONS" | b"INFO" | b"UPDATE" | b"NOTIFY" if is_up && message.body.is_empty() => 200,
            b"INFO" if is_up => 200,
            // A new description would move media: what was agreed stays (RFC 3261 §14.2).
            b"INVITE" | b"UPDATE" if is_up => 488,
            b"BYE" | b"OPTIONS" | b"INFO" | b"UPDATE" | b"NOTIFY" | b"INVITE" => 481,
            _ => 501,
        };
        out.push(response(common, message, status, None));
        if method == b"BYE" && self.state == State::Up {
            self.pending = None;
            self.state = State::Over;
            return Some(Event::HungUp);
        }
        None
    }

    fn send(
        &mut self,
        now: Instant,
        common: &Common,
        method: &'static str,
        headers: &[(&'static str, String)],
        body: Option<(&'static str, &[u8])>,
        out: &mut Outbox,
    ) {
        self.cseq += 1;
        let mut all = headers.to_vec();
        if let Some(proof) = &mut self.proof {
            let number = (self.caller, self.cseq);
            all.extend(proof.sends(common, number, (method, &self.target), headers, body));
        }
        let octets = self.write(common, method, (self.cseq, ""), &all, body);
        let is_reliable = common.transport != "UDP";
        self.pending = Some(Pending {
            cseq: self.cseq,
            octets: if is_reliable { Vec::new() } else { octets.clone() },
            again: (!is_reliable).then(|| now + T1),
            interval: T1,
            give_up: now + GIVE_UP,
        });
        out.push(octets);
    }

    fn write(
        &self,
        common: &Common,
        method: &str,
        cseq: (u32, &str),
        headers: &[(&'static str, String)],
        body: Option<(&str, &[u8])>,
    ) -> Vec<u8> {
        let Self { caller, target, to, routes, .. } = self;
        request(common, &Request { method, caller: *caller, uri: target, cseq, to, routes, headers, body })
    }
}

#[cfg(test)]
#[path = "talk_tests.rs"]
mod tests;
