//! The control half of the engine: user agent, sessions, flows, ports.
mod bridging;
mod ladders;
mod parties;
mod probes;
mod refusals;
mod routing;
mod told;
mod transfers;
mod trunks;

use crate::bridge::{Bridge, BridgeId};
use crate::core::Core;
use crate::session::Session;
use crate::shared::SharedPorts;
use crate::slots::Slots;
use crate::{
    Census, ControlInput, ControlOutput, Dial, EngineConfig, LegId, PortPool, Snapshot, StreamId, TraceKind,
};
use ladders::Strays;
use passline_flow::Program;
use passline_identity::CallId;
use passline_prompt::Library;
use passline_sip::{CallHandle, Direction, Event, UserAgent};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// All calls of one process, without their media.
pub struct Control {
    core: Core,
    /// Boxed: the nodes of a tree are half empty.
    sessions: BTreeMap<CallHandle, Box<Session>>,
    /// Sessions by the instant at which they must be woken.
    deadlines: BTreeSet<(Instant, CallHandle)>,
    /// The entry of each session in `deadlines`.
    deadline_of: BTreeMap<CallHandle, Instant>,
    calls: BTreeMap<CallId, CallHandle>,
    legs: BTreeMap<LegId, CallHandle>,
    /// Names of calls by SIP Call-ID, for the trace.
    names: BTreeMap<String, CallId>,
    draining: bool,
    /// See [`ControlInput::Load`].
    busy: u8,
    drained_told: bool,
    /// Sessions by SIP Call-ID, for the ladder.
    by_call_id: BTreeMap<String, CallHandle>,
    strays: Strays,
    told: told::Told,
    bridges: BTreeMap<BridgeId, Bridge>,
    /// Which bridge a session is in.
    members: BTreeMap<CallHandle, BridgeId>,
    next_id: u64,
    /// Look-ups under way.
    lookups: BTreeMap<u64, trunks::Lookup>,
    /// Questions on demand, by the number of their look-up and of their OPTIONS.
    probes: BTreeMap<u64, probes::Probing>,
    trunks: BTreeMap<String, trunks::TrunkRun>,
    /// Flows' callers whom we asked to call somebody else: the number.
    referring: BTreeMap<CallHandle, String>,
}

impl Control {
    /// A machine without calls. `rng` feeds tags, branches, call names, SSRCs and the flows; `ports` has its own.
    pub fn new(
        now: Instant,
        mut config: EngineConfig,
        program: Arc<Program>,
        library: Arc<Library>,
        ports: PortPool,
        mut rng: ChaCha20Rng,
    ) -> Self {
        // Ladders need them; `core.trace` looks whether anybody else does.
        config.sip.trace = true;
        // Room for calls that are over but whose transactions are not, and for a refusal to be spoken.
        config.sip.max_calls = config.max_calls + config.max_calls / 4 + 64;
        let sip = UserAgent::new(config.sip.clone(), ChaCha20Rng::from_rng(&mut rng));
        let mut control = Control {
            core: Core {
                shared: SharedPorts::new(config.calls_per_port),
                slots: Slots::new(config.shards, config.shard_capacity),
                languages: languages(&library),
                config,
                sip,
                program,
                library,
                ports,
                rng,
                outputs: VecDeque::new(),
                notices: VecDeque::new(),
            },
            sessions: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            deadline_of: BTreeMap::new(),
            calls: BTreeMap::new(),
            legs: BTreeMap::new(),
            names: BTreeMap::new(),
            draining: false,
            busy: 0,
            drained_told: false,
            by_call_id: BTreeMap::new(),
            strays: Strays::default(),
            told: told::Told::default(),
            bridges: BTreeMap::new(),
            members: BTreeMap::new(),
            next_id: 1,
            lookups: BTreeMap::new(),
            probes: BTreeMap::new(),
            trunks: BTreeMap::new(),
            referring: BTreeMap::new(),
        };
        control.start_trunks(now);
        control
    }

    /// Moves the machine; then drain [`poll`](Self::poll) and re-read [`deadline`](Self::deadline).
    pub fn handle(&mut self, now: Instant, input: ControlInput<'_>) {
        match input {
            ControlInput::Sip(passline_sip::Input::Command(_)) => {}
            ControlInput::Sip(input) => self.core.sip.handle(now, input),
            ControlInput::Media(event) => {
                self.with_stream(now, event.stream(), |session, core| {
                    session.media(now, core, event);
                });
            }
            ControlInput::PortOpened(stream) => {
                self.with_stream(now, stream, |session, core| session.port_opened(now, core));
            }
            ControlInput::PortFailed(stream) => {
                self.with_stream(now, stream, |session, core| session.port_failed(now, core));
            }
            ControlInput::Answer { call, number, answer } => {
                if let Some(handle) = self.calls.get(&call).copied() {
                    self.with(now, handle, |session, core| {
                        session.answer(now, core, number, answer);
                    });
                }
            }
            ControlInput::Dial(dial) => self.dial(now, dial),
            ControlInput::Leg { leg, command } => {
                if let Some(handle) = self.legs.get(&leg).copied() {
                    self.with(now, handle, |session, core| session.steer(now, core, command));
                }
            }
            ControlInput::Load(busy) => self.busy = busy,
            ControlInput::Drain => {
                self.draining = true;
                self.core.sip.set_accepting(false);
            }
            ControlInput::HangUpAll => self.hang_up_all(now),
            ControlInput::Reload { program, library } => {
                self.core.languages = languages(&library);
                self.core.program = program;
                self.core.library = library;
            }
            ControlInput::Resolved { id, paths, reason } => self.resolved(now, id, paths, &reason),
            ControlInput::Configure(config) => self.configure(now, *config),
            ControlInput::Probe(request) => self.probe(request),
            ControlInput::Timer => {}
        }
        self.run_timers(now);
        loop {
            self.drain_sip(now);
            let Some((from, notice)) = self.core.notices.pop_front() else { break };
            self.notice(now, from, notice);
        }
        self.end_turn(now);
        if self.draining && !self.drained_told && self.sessions.is_empty() {
            self.drained_told = true;
            self.core.push(ControlOutput::Drained);
        }
    }

    /// The next thing to do, until `None`.
    pub fn poll(&mut self) -> Option<ControlOutput> {
        self.core.outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`ControlInput::Timer`] at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let session = self.deadlines.first().map(|(at, _)| *at);
        let bridge = self.bridges.values().filter_map(|bridge| bridge.until).min();
        [self.core.sip.deadline(), session, bridge, self.told.deadline(), self.trunks_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Calls that are not over, in both directions.
    pub fn calls(&self) -> usize {
        self.sessions.len()
    }

    /// RTP port pairs not in use.
    pub fn idle_ports(&self) -> usize {
        self.core.ports.idle()
    }

    /// What is going on: calls, trunks, devices.
    pub fn snapshot(&self) -> Snapshot {
        let mut calls: Vec<_> = self.sessions.values().map(|session| session.live()).collect();
        calls.sort_by_key(|call| call.start);
        Snapshot { calls, trunks: self.trunk_status(), devices: self.device_status() }
    }

    /// How much is going on.
    pub fn census(&self) -> Census {
        let mut census = Census {
            max_calls: self.core.config.max_calls,
            busy: self.busy,
            busy_limit: self.core.config.busy_limit,
            draining: self.draining,
            transactions: self.core.sip.transactions(),
            dialogs: self.core.sip.calls(),
            idle_ports: self.core.ports.idle(),
            lookups: self.lookups.len(),
            bindings: self.device_status().iter().map(|device| device.contacts.len()).sum(),
            trunks: self.trunk_status(),
            ..Census::default()
        };
        for session in self.sessions.values() {
            let (direction, codec) = session.brief();
            match direction {
                crate::Direction::Incoming => census.incoming += 1,
                crate::Direction::Outgoing => census.outgoing += 1,
            }
            if let Some(codec) = codec {
                *census.codecs.entry(codec).or_default() += 1;
            }
        }
        census
    }

    fn configure(&mut self, now: Instant, config: EngineConfig) {
        let accounts = config.sip.accounts.clone();
        let old = &mut self.core.config;
        let keep = std::mem::replace(old, config);
        (old.sip, old.shards, old.shard_capacity, old.trace) =
            (keep.sip, keep.shards, keep.shard_capacity, keep.trace);
        if old.sip.accounts != accounts {
            old.sip.accounts = accounts.clone();
            self.core.sip.set_accounts(accounts);
        }
        self.start_trunks(now);
    }

    fn dial(&mut self, now: Instant, dial: Dial) {
        let leg = dial.leg;
        let handle = self.core.sip.next_call_handle();
        if self.draining || self.sessions.len() >= self.core.config.max_calls {
            let reason = "no further call is taken".to_owned();
            self.core.leg(leg, crate::LegEvent::Refused { status: 503, reason });
            self.core.leg(leg, crate::LegEvent::Ended(passline_sip::EndCause::Refused));
            return;
        }
        if let Some(session) = Session::dial(now, &mut self.core, handle, dial) {
            self.legs.insert(leg, handle);
            self.insert(session);
        }
    }

    fn insert(&mut self, session: Session) {
        let handle = session.handle;
        self.calls.insert(session.call.clone(), handle);
        if !session.sip_call_id.is_empty() {
            self.by_call_id.insert(session.sip_call_id.clone(), handle);
        }
        self.sessions.insert(handle, Box::new(session));
        self.reschedule(handle);
    }

    fn hang_up_all(&mut self, now: Instant) {
        let handles: Vec<CallHandle> = self.sessions.keys().copied().collect();
        for handle in handles {
            self.with(now, handle, |session, core| {
                session.shut_down(now, core);
            });
        }
    }

    /// Hands out what the user agent says, and what it says to the answers, until it is silent.
    fn drain_sip(&mut self, now: Instant) {
        loop {
            let batch: Vec<passline_sip::Output> = std::iter::from_fn(|| self.core.sip.poll()).collect();
            if batch.is_empty() {
                return;
            }
            self.name_calls(&batch);
            for output in &batch {
                if let passline_sip::Output::Trace(trace) = output {
                    self.climb(now, trace);
                }
            }
            for output in batch {
                match output {
                    passline_sip::Output::Event(event) => self.event(now, event),
                    passline_sip::Output::Trace(trace) => self.trace(now, trace),
                    other => self.core.push(ControlOutput::Sip(other)),
                }
            }
        }
    }

    /// Names new calls before their INVITE is shown in the trace.
    fn name_calls(&mut self, batch: &[passline_sip::Output]) {
        for output in batch {
            if let passline_sip::Output::Event(Event::Incoming { info, .. }) = output
                && !self.names.contains_key(&info.call_id)
            {
                let call = self.core.draw_call();
                self.names.insert(info.call_id.clone(), call);
            }
        }
    }

    /// Puts a message on the ladder of its call.
    fn climb(&mut self, now: Instant, trace: &passline_sip::Trace) {
        let line = ladders::line(now, trace);
        let session = self.by_call_id.get(&trace.call_id).and_then(|handle| self.sessions.get_mut(handle));
        match session {
            Some(session) => session.ladder(line),
            None => self.strays.keep(trace.call_id.clone(), line),
        }
    }

    fn trace(&mut self, now: Instant, trace: passline_sip::Trace) {
        if !self.core.config.trace {
            return;
        }
        let call = self.names.get(&trace.call_id).cloned();
        let passline_sip::Trace { direction, first_line, cseq, call_id, .. } = trace;
        self.core.trace(now, call.as_ref(), || match direction {
            Direction::In => TraceKind::SipIn { first_line, cseq, call_id },
            Direction::Out => TraceKind::SipOut { first_line, cseq, call_id },
        });
    }

    fn event(&mut self, now: Instant, event: Event) {
        let handle = match &event {
            Event::Incoming { call, .. }
            | Event::Cancelled { call, .. }
            | Event::Confirmed { call, .. }
            | Event::Reoffered { call, .. }
            | Event::Reanswered { call, .. }
            | Event::EarlyAnswer { call, .. }
            | Event::Referred { call, .. }
            | Event::ReferProgress { call, .. }
            | Event::Info { call, .. }
            | Event::Bye { call, .. }
            | Event::Ringing { call, .. }
            | Event::Answered { call, .. }
            | Event::Refused { call, .. }
            | Event::Ended { call, .. } => *call,
            _ => return self.outside(now, event),
        };
        match event {
            Event::Incoming { info, .. } => self.incoming(now, handle, *info),
            event => self.with(now, handle, |session, core| session.event(now, core, event)),
        }
    }

    fn with_stream(&mut self, now: Instant, stream: StreamId, act: impl FnOnce(&mut Session, &mut Core)) {
        if let Some(handle) = self.core.slots.owner(stream) {
            self.with(now, handle, act);
        }
    }

    /// Lets a session act, then forgets it if it is over.
    fn with(&mut self, now: Instant, handle: CallHandle, act: impl FnOnce(&mut Session, &mut Core)) {
        let Some(session) = self.sessions.get_mut(&handle) else {
            return;
        };
        act(session, &mut self.core);
        if !session.listed && !session.sip_call_id.is_empty() {
            session.listed = true;
            self.by_call_id.insert(session.sip_call_id.clone(), handle);
        }
        if session.is_over() {
            self.remove(now, handle);
        } else {
            self.reschedule(handle);
        }
    }

    fn remove(&mut self, now: Instant, handle: CallHandle) {
        if let Some(at) = self.deadline_of.remove(&handle) {
            self.deadlines.remove(&(at, handle));
        }
        let Some(session) = self.sessions.remove(&handle) else {
            return;
        };
        self.calls.remove(&session.call);
        self.referring.remove(&handle);
        if let Some(leg) = session.leg_id() {
            self.legs.remove(&leg);
        }
        if self.names.get(&session.sip_call_id) == Some(&session.call) {
            self.names.remove(&session.sip_call_id);
        }
        if self.by_call_id.get(&session.sip_call_id) == Some(&handle) {
            self.by_call_id.remove(&session.sip_call_id);
        }
        let record = Box::new(session.into_record(now));
        self.core.push(ControlOutput::Record(record));
    }

    fn reschedule(&mut self, handle: CallHandle) {
        let next = self.sessions.get(&handle).and_then(|session| session.deadline());
        let before = self.deadline_of.get(&handle).copied();
        if next == before {
            return;
        }
        if let Some(at) = before {
            self.deadlines.remove(&(at, handle));
            self.deadline_of.remove(&handle);
        }
        if let Some(at) = next {
            self.deadlines.insert((at, handle));
            self.deadline_of.insert(handle, at);
        }
    }

    /// Wakes each session that is due, once.
    fn run_timers(&mut self, now: Instant) {
        if self.core.sip.deadline().is_some_and(|at| at <= now) {
            self.core.sip.handle(now, passline_sip::Input::Timer);
        }
        let due: Vec<CallHandle> =
            self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, handle)| *handle).collect();
        for handle in due {
            self.with(now, handle, |session, core| session.timer(now, core));
        }
        self.run_bridges(now);
        self.run_trunks(now);
    }
}

fn languages(library: &Library) -> Vec<String> {
    library.languages().iter().map(ToString::to_string).collect()
}
