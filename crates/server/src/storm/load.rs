//! The run itself: places calls, drives signalling and audio on one thread, and counts.
mod phase;

use super::{
    batch::stamp,
    digits::Keyed,
    lines::Way,
    link::Link,
    media::{LINES, Media, TURNS, Terms},
    message::Common,
    plan::{Bare, Plan},
    secrecy,
    talk::{Event, Outbox, State, Talk},
    tally::Tally,
    vitals::Vitals,
};
use crate::{entropy, exit::Failure};
use passline_sdp::{Capabilities, crypto::Crypto};
use passline_sip::message::{Message, Name};
use phase::Phase;
use rand_chacha::ChaCha20Rng;
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// One turn of the audio.
const TURN: Duration = Duration::from_millis(1);
/// Calls placed in one turn at most.
const AT_ONCE: f64 = 64.0;

struct Caller {
    talk: Talk,
    way: Option<Way>,
    port: u16,
    /// Keys that it has offered.
    crypto: Option<Box<Crypto>>,
    placed: u64,
    up: Option<Instant>,
    hang_up: Option<Instant>,
    pressed: String,
    /// Numbers of those presses of which its own network left nothing.
    swallowed: Vec<usize>,
    answered: bool,
}

/// A run on its way.
pub struct Load<'a> {
    plan: &'a Plan,
    common: Common,
    link: Link,
    media: Media,
    callers: Vec<Caller>,
    timers: BinaryHeap<Reverse<(Instant, u32)>>,
    out: Outbox,
    phase: Phase,
    /// Calls that may be placed now.
    tokens: f64,
    filled: Instant,
    /// Calls that are not over.
    active: usize,
    /// Of these, not answered yet.
    waiting: usize,
    pid: Option<u32>,
    /// For keys alone; everything else depends on the seed.
    rng: ChaCha20Rng,
    tally: Tally,
}

impl<'a> Load<'a> {
    /// Nothing is sent yet.
    pub fn new(plan: &'a Plan, link: Link, media: Media, common: Common, pid: Option<u32>) -> Self {
        let now = Instant::now();
        let phase = Phase::first(plan, now);
        let mut tally = Tally::default();
        tally.server[0] = pid.and_then(Vitals::of);
        let mut load = Self {
            plan,
            common,
            link,
            media,
            callers: Vec::new(),
            timers: BinaryHeap::new(),
            out: Vec::new(),
            phase,
            tokens: 0.0,
            filled: now,
            active: 0,
            waiting: 0,
            pid,
            rng: entropy::rng(),
            tally,
        };
        if plan.setups {
            load.begin();
        }
        load
    }

    /// Runs to its end, or until `stop`.
    ///
    /// # Errors
    /// Of the machine, e.g. when there are no more sockets.
    pub fn run(mut self, stop: &AtomicBool) -> Result<Tally, Failure> {
        let mut next = Instant::now();
        let mut turn = 0;
        loop {
            let now = Instant::now();
            self.place(now)?;
            self.receive(now);
            self.timers(now);
            while next <= now {
                self.media.turn(turn, next, stamp());
                // So late was its last packet.
                self.tally.late.add(next.elapsed().as_nanos() as u64);
                turn = (turn + 1) % TURNS;
                next += TURN;
            }
            self.media.release(now);
            self.media.receive();
            self.keys(now);
            self.flush();
            if stop.load(Ordering::Relaxed) && !self.tally.interrupted {
                self.interrupt(now);
            }
            if let Some(reason) = self.link.broken() {
                return Err(Failure::machine(format!("{}: {reason}", self.plan.server)));
            }
            if self.is_done(now) {
                break;
            }
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        if self.waiting > 0 {
            *self.tally.refused.entry(0).or_default() += self.waiting as u64;
        }
        self.tally.retransmissions = self.callers.iter().map(|c| u64::from(c.talk.retransmissions)).sum();
        self.tally.server[3] = self.pid.and_then(Vitals::of);
        self.tally.network = self.media.done;
        if self.plan.has_keys {
            let answered = self.callers.into_iter().enumerate().filter(|(_, caller)| caller.answered);
            self.tally.keyed = answered
                .map(|(number, Caller { pressed, swallowed, .. })| {
                    let call = self.common.call_id(number as u32);
                    Keyed { call, pressed, swallowed }
                })
                .collect();
        }
        Ok(self.tally)
    }

    /// Places as many calls as the rate and the number of calls allow.
    fn place(&mut self, now: Instant) -> Result<(), Failure> {
        let since = now.duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + since * self.plan.rate).min(AT_ONCE.max(self.plan.rate / 20.0));
        let mut left = AT_ONCE as usize;
        while self.tokens >= 1.0 && left > 0 && self.wants_more() {
            self.tokens -= 1.0;
            left -= 1;
            self.call(now)?;
        }
        Ok(())
    }

    fn wants_more(&self) -> bool {
        match self.phase {
            Phase::Farewell { .. } => false,
            _ if self.plan.setups || self.plan.hold.is_some() => self.active < self.plan.calls,
            _ => self.callers.len() < self.plan.calls,
        }
    }

    fn call(&mut self, now: Instant) -> Result<(), Failure> {
        let (way, port) = match self.plan.setups {
            true => (None, 9),
            false => self.media.reserve().map(|(way, port)| (Some(way), port))?,
        };
        let number = self.callers.len() as u32;
        let mut caller = Caller {
            talk: Talk::new(&self.common, number),
            way,
            port,
            crypto: self.plan.srtp.map(|suite| Box::new(secrecy::offer(suite, &mut self.rng))),
            placed: stamp(),
            up: None,
            hang_up: None,
            pressed: String::new(),
            swallowed: Vec::new(),
            answered: false,
        };
        if let Some(bare) = self.plan.bare {
            return self.take_bare(now, caller, bare);
        }
        let mut offer = passline_sdp::offer(&self.capabilities(number, &caller));
        offer.extend_from_slice(format!("a=rtcp:{}\r\n", self.media.rtcp_port()).as_bytes());
        caller.talk.invite(now, &self.common, &offer, &[], &mut self.out);
        self.callers.push(caller);
        self.active += 1;
        self.waiting += 1;
        self.tally.placed += 1;
        self.wait(number);
        self.flush();
        Ok(())
    }

    /// A call without SIP stands at once.
    fn take_bare(&mut self, now: Instant, mut caller: Caller, bare: Bare) -> Result<(), Failure> {
        let number = self.callers.len() as u32;
        let ports = u32::from(bare.last - bare.first.port()) + 1;
        // A port for each call where there are so many; else calls of one port are told apart by their lines.
        let spread = self.plan.shared && (ports as usize) < self.plan.calls;
        let index = if spread { number / LINES as u32 } else { number };
        let port = bare.first.port() + (index % ports) as u16;
        let remote = SocketAddr::new(bare.first.ip(), port);
        let payload_type = self.plan.codec.info().payload_type;
        let terms = Terms { remote, payload_type, events: Some(101) };
        if let Some(way) = caller.way.take() {
            self.media.open(number, way, terms, None).map_err(Failure::input)?;
        }
        caller.talk.state = State::Up;
        (caller.up, caller.answered) = (Some(now), true);
        self.callers.push(caller);
        self.active += 1;
        self.tally.placed += 1;
        self.tally.answered += 1;
        Ok(())
    }

    fn capabilities(&self, number: u32, caller: &Caller) -> Capabilities {
        let codec = match self.plan.codec {
            passline_rtp::Codec::Pcma => passline_sdp::Codec::pcma(),
            _ => passline_sdp::Codec::pcmu(),
        };
        Capabilities {
            codecs: vec![codec],
            crypto: caller.crypto.as_deref().cloned().unwrap_or_default(),
            ..Capabilities::new(self.plan.local, caller.port, u64::from(number) + 1)
        }
    }

    /// Takes the SIP messages that have come.
    fn receive(&mut self, now: Instant) {
        // Taken out for the time, since the messages change everything else.
        let mut messages: Vec<(Vec<u8>, u64)> = Vec::new();
        self.link.receive(|octets, at| messages.push((octets.to_vec(), at)));
        for (octets, at) in messages {
            let Ok(message) = Message::parse(&octets, 128) else { continue };
            let Some(number) = message.first(Name::CallId).and_then(|id| self.common.caller(id)) else {
                continue;
            };
            let Some(caller) = self.callers.get_mut(number as usize) else { continue };
            let before = caller.talk.state;
            let event = caller.talk.message(now, &self.common, &message, &mut self.out);
            self.changed(number, before);
            if let Some(event) = event {
                self.take(now, number, event, at);
            }
            self.wait(number);
        }
        self.flush();
    }

    fn take(&mut self, now: Instant, number: u32, event: Event, at: u64) {
        let Some(caller) = self.callers.get_mut(number as usize) else { return };
        match event {
            Event::Answered(answer) => {
                self.tally.answered += 1;
                self.tally.setup.add(at.saturating_sub(caller.placed));
                (caller.up, caller.answered) = (Some(now), true);
                if self.plan.setups || matches!(self.phase, Phase::Farewell { .. }) {
                    return self.leave(now, number);
                }
                caller.hang_up = self.plan.hold.map(|hold| now + hold);
                if let Err(reason) = self.open(number, &answer) {
                    self.tally.without_audio += 1;
                    self.tally.reason.get_or_insert(reason);
                }
            }
            // We have cancelled it.
            Event::Refused { status: 487, .. } if matches!(self.phase, Phase::Farewell { .. }) => {}
            Event::Refused { status, retry_after } => {
                *self.tally.refused.entry(status).or_default() += 1;
                self.tally.retry_after += u64::from(retry_after);
                caller.way = None;
                if status == 488 && caller.crypto.take().is_some() {
                    self.tally.reason.get_or_insert_with(|| {
                        "488: the other side takes no encrypted audio, or not in this suite; see --srtp"
                            .into()
                    });
                }
            }
            Event::HungUp => {
                self.tally.dropped += 1;
                self.silence(now, number);
            }
            Event::Left(true) => {}
            Event::Left(false) => self.tally.rude += 1,
            Event::InfoRefused => self.tally.info_refused += 1,
        }
    }

    /// The audio of an answered call.
    fn open(&mut self, number: u32, answer: &[u8]) -> Result<(), String> {
        let Some(caller) = self.callers.get(number as usize) else { return Ok(()) };
        let agreement = passline_sdp::accept(answer, &self.capabilities(number, caller))
            .map_err(|refusal| format!("the answer cannot be used: {}", refusal.sentence))?;
        let secret = match &agreement.crypto {
            Some(agreed) => Some(secrecy::keys(agreed).ok_or("the answer's keys are of no use")?),
            None => None,
        };
        let remote = agreement.remote_rtp;
        if !self.plan.media_addresses.contains(&remote.ip()) {
            return Err(format!(
                "audio is wanted at {}, which is not the called address; --media-address {} allows it",
                remote.ip(),
                remote.ip()
            ));
        }
        let terms =
            Terms { remote, payload_type: agreement.payload_type, events: agreement.event_payload_type };
        if self.plan.needs_events && terms.events.is_none() {
            return Err("the other side takes no telephone-events; choose another --dtmf".into());
        }
        let Some(caller) = self.callers.get_mut(number as usize) else { return Ok(()) };
        caller.crypto = None;
        match caller.way.take() {
            Some(way) => self.media.open(number, way, terms, secret),
            None => Ok(()),
        }
    }

    fn leave(&mut self, now: Instant, number: u32) {
        self.silence(now, number);
        let Some(caller) = self.callers.get_mut(number as usize) else { return };
        let before = caller.talk.state;
        caller.hang_up = None;
        if self.plan.bare.is_some() {
            caller.talk.state = State::Over;
            return self.changed(number, before);
        }
        caller.talk.leave(now, &self.common, &mut self.out);
        self.changed(number, before);
        self.wait(number);
    }

    /// The call's audio ends, and with it its time.
    fn silence(&mut self, now: Instant, number: u32) {
        let (pressed, swallowed) = self.media.close(number, stamp());
        let Some(caller) = self.callers.get_mut(number as usize) else { return };
        caller.pressed.extend(pressed.into_iter().map(passline_rtp::Digit::to_char));
        caller.swallowed.extend(swallowed);
        if let (Some(up), Phase::Measure { since, .. }) = (caller.up.take(), self.phase) {
            self.tally.call_seconds += now.saturating_duration_since(up.max(since)).as_secs_f64();
        }
        caller.way = None;
    }

    /// Keeps the number of calls by their states.
    fn changed(&mut self, number: u32, before: State) {
        let Some(caller) = self.callers.get(number as usize) else { return };
        let waits = |state| matches!(state, State::Calling | State::Proceeding);
        if waits(before) && !waits(caller.talk.state) {
            self.waiting -= 1;
        }
        if before != State::Over && caller.talk.state == State::Over {
            self.active -= 1;
        }
    }

    /// Sets the caller's next timer.
    fn wait(&mut self, number: u32) {
        let Some(caller) = self.callers.get(number as usize) else { return };
        let next = [caller.talk.deadline(), caller.hang_up].into_iter().flatten().min();
        self.timers.extend(next.map(|at| Reverse((at, number))));
    }

    fn timers(&mut self, now: Instant) {
        while let Some(Reverse((at, number))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            let Some(caller) = self.callers.get_mut(number as usize) else { continue };
            let before = caller.talk.state;
            let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
            let (talk_due, hang_up) = (is_due(caller.talk.deadline()), is_due(caller.hang_up));
            if talk_due {
                let event = caller.talk.due(now, &mut self.out);
                self.changed(number, before);
                if let Some(event) = event {
                    self.take(now, number, event, 0);
                }
            }
            if hang_up {
                self.leave(now, number);
            } else if talk_due {
                self.wait(number);
            }
        }
    }

    fn flush(&mut self) {
        for octets in self.out.drain(..) {
            self.link.send(&octets);
        }
    }

    /// Keys that travel by SIP.
    fn keys(&mut self, now: Instant) {
        let infos = std::mem::take(&mut self.media.infos);
        for (number, digit) in infos {
            let Some(caller) = self.callers.get_mut(number as usize) else { continue };
            let (key, ms) = (digit.to_char(), self.plan.press_ms);
            if caller.talk.info(now, &self.common, key, ms, &mut self.out) {
                caller.pressed.push(key);
                self.wait(number);
            } else if caller.talk.state == State::Up {
                // An earlier one waits for its answer.
                self.media.infos.push((number, digit));
            }
        }
    }
}
