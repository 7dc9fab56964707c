//! The engine without sockets: a clock that jumps, ports that open at once, packets kept for the test to look at.
use passline_engine::flow::{Program, PromptCheck, load};
use passline_engine::identity::Answer;
use passline_engine::prompt::phrase::PromptId;
use passline_engine::prompt::{Library, synthetic};
use passline_engine::rtp::FrameKind;
use passline_engine::sip::{self, Flow, Transport};
use passline_engine::{
    CallRecord, Channel, Control, ControlInput, ControlOutput, EngineConfig, MediaShard, PacketSink,
    PortPool, Received, ShardConfig, StatusEvent, StreamId,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const FLOW: &str = r#"
flow: line_test
version: 1
languages: [en]
entry: { number: "5001" }
limits: { call: 10m }
on:
  call_limit: { say: over, interrupt: false, hangup: line_test }
steps:
  - echo_keys:
      prompt: prompt
      heard: heard
      after: 2s
      pause: 700ms
"#;

const DESK: &str = r#"
flow: desk
version: 1
languages: [en]
entry: { number: "5003" }
limits: { call: 10m }
on:
  call_limit: { say: over, interrupt: false, hangup: error }
steps:
  - transfer: { to: "0900" }
    exits: { failed: closed }
  - label: closed
  - say: over
    interrupt: false
  - hangup: completed
"#;

const FAREWELL: &str = r#"
flow: farewell
version: 1
languages: [en]
entry: { number: "5002" }
limits: { call: 10m }
on:
  call_limit: { say: over, interrupt: false, hangup: error }
steps:
  - say: over
    interrupt: false
  - hangup: completed
"#;

const PROMPTS: [&str; 14] = [
    "prompt",
    "heard",
    "over",
    "star",
    "pound",
    "key_a",
    "key_b",
    "key_c",
    "key_d",
    "sorry_technical",
    "not_confirmed",
    "one_moment",
    "still_working",
    "session_over",
];

struct Prompts<'a>(&'a Library);

impl PromptCheck for Prompts<'_> {
    fn languages(&self) -> Vec<String> {
        self.0.languages().to_vec()
    }
    fn has(&self, language: &str, id: &PromptId) -> bool {
        self.0.has(language, id)
    }
}

fn shipped() -> (Arc<Program>, Arc<Library>) {
    static SHIPPED: OnceLock<(Arc<Program>, Arc<Library>)> = OnceLock::new();
    let made = SHIPPED.get_or_init(|| {
        let library = Library::build(vec![synthetic::language("en", &PROMPTS, &[])]).expect("prompts");
        let files = [("line_test.yaml", FLOW), ("farewell.yaml", FAREWELL), ("desk.yaml", DESK)]
            .map(|(path, text)| (path.to_owned(), text.to_owned()));
        let program = load(&files, &Prompts(&library)).expect("the test's flow");
        (Arc::new(program), Arc::new(library))
    });
    made.clone()
}

#[allow(clippy::disallowed_methods)] // a test's epoch
pub fn epoch() -> Instant {
    Instant::now()
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("a test address")
}

/// A packet that left.
pub struct Sent {
    pub at: Instant,
    pub to: SocketAddr,
    pub packet: Vec<u8>,
}

/// What left by RTP and RTCP.
pub struct Wire {
    pub now: Instant,
    pub rtp: Vec<Sent>,
    pub rtcp: Vec<Sent>,
}

impl PacketSink for Wire {
    fn rtp(&mut self, _: StreamId, to: SocketAddr, packet: &[u8]) {
        let packet = packet.to_vec();
        self.rtp.push(Sent { at: self.now, to, packet });
    }
    fn rtcp(&mut self, _: StreamId, to: SocketAddr, packet: &[u8]) {
        let packet = packet.to_vec();
        self.rtcp.push(Sent { at: self.now, to, packet });
    }
    fn heard(&mut self, _: StreamId, _: &[u8], _: FrameKind) {}
}

/// How the next ports open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    Open,
    Fail,
    Wait,
}

pub struct World {
    pub now: Instant,
    pub control: Control,
    pub shard: MediaShard,
    pub wire: Wire,
    /// SIP messages that left, in order.
    pub sip: VecDeque<(Flow, String)>,
    pub records: Vec<CallRecord>,
    pub ports: Ports,
    pub opened: Vec<(StreamId, u16)>,
    /// Ports that were shared and are closed.
    pub shared_closed: Vec<u16>,
    pub drained: bool,
    pub status: Vec<StatusEvent>,
    /// Names that are known, and what they stand for.
    pub names: Vec<(String, Vec<SocketAddr>)>,
    /// Look-ups so far.
    pub lookups: Vec<String>,
    /// The process is stopped: nothing ticks.
    pub stalled: bool,
    pub total_ports: usize,
}

pub const OURS: &str = "192.0.2.10:5060";

impl World {
    pub fn new() -> World {
        World::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut EngineConfig)) -> World {
        let now = epoch();
        let (program, library) = shipped();
        let listeners = vec![sip::Listener { transport: Transport::Udp, address: address(OURS) }];
        let mut config = EngineConfig {
            sip: sip::Config { listeners, ..sip::Config::default() },
            media_address: address(OURS).ip(),
            shard_capacity: 64,
            ..EngineConfig::default()
        };
        change(&mut config);
        let capacity = config.shard_capacity;
        let ports = PortPool::new(16_384..=16_423, ChaCha20Rng::seed_from_u64(7));
        let total_ports = ports.total();
        World {
            now,
            control: Control::new(now, config, program, library, ports, ChaCha20Rng::seed_from_u64(8)),
            shard: MediaShard::new(now, ShardConfig { shard: 0, capacity }),
            wire: Wire { now, rtp: Vec::new(), rtcp: Vec::new() },
            sip: VecDeque::new(),
            records: Vec::new(),
            ports: Ports::Open,
            opened: Vec::new(),
            shared_closed: Vec::new(),
            drained: false,
            status: Vec::new(),
            names: Vec::new(),
            lookups: Vec::new(),
            stalled: false,
            total_ports,
        }
    }

    /// A datagram from the peer.
    pub fn sip_in(&mut self, from: SocketAddr, text: &str) {
        let path = Flow { transport: Transport::Udp, local: address(OURS), remote: from, connection: None };
        let bytes = text.as_bytes();
        self.input(ControlInput::Sip(sip::Input::Datagram { path, bytes }));
    }

    pub fn input(&mut self, input: ControlInput<'_>) {
        self.control.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            if let Some(output) = self.control.poll() {
                self.obey(output);
            } else if let Some(event) = self.shard.poll() {
                self.control.handle(self.now, ControlInput::Media(event));
            } else {
                return;
            }
        }
    }

    fn obey(&mut self, output: ControlOutput) {
        match output {
            ControlOutput::Sip(sip::Output::Send { path, bytes }) => {
                self.sip.push_back((path, String::from_utf8(bytes).expect("SIP is text here")));
            }
            ControlOutput::Sip(_) => {}
            ControlOutput::OpenPort { stream, port, .. } => {
                self.opened.push((stream, port));
                match self.ports {
                    Ports::Open => self.control.handle(self.now, ControlInput::PortOpened(stream)),
                    Ports::Fail => self.control.handle(self.now, ControlInput::PortFailed(stream)),
                    Ports::Wait => {}
                }
            }
            ControlOutput::Shard { command, .. } => {
                self.wire.now = self.now;
                self.shard.command(self.now, command, &mut self.wire);
            }
            ControlOutput::Ask { call, number, .. } => {
                let answer = Answer::Done;
                self.control.handle(self.now, ControlInput::Answer { call, number, answer });
            }
            ControlOutput::Record(record) => self.records.push(*record),
            ControlOutput::Status(event) => self.status.push(event),
            ControlOutput::Resolve { id, uri, .. } => {
                let known = self.names.iter().find(|(name, _)| uri.contains(name.as_str()));
                let found = known.map(|(_, addresses)| addresses.clone()).unwrap_or_default();
                let path = |remote| Flow {
                    transport: Transport::Udp,
                    local: address(OURS),
                    remote,
                    connection: None,
                };
                let paths = found.into_iter().map(path).collect();
                self.lookups.push(uri);
                let reason = "no such name".to_owned();
                self.control.handle(self.now, ControlInput::Resolved { id, paths, reason });
            }
            ControlOutput::CloseShared { port, .. } => self.shared_closed.push(port),
            ControlOutput::Drained => self.drained = true,
            ControlOutput::ClosePort(_)
            | ControlOutput::CallStarted { .. }
            | ControlOutput::Leg { .. }
            | ControlOutput::Probed { .. }
            | ControlOutput::Trace(_) => {}
        }
    }

    /// Time passes; everything happens at its instant.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let tick = (!self.stalled && self.shard.streams() > 0).then(|| self.shard.next_tick());
            let deadline = self.control.deadline().filter(|_| !self.stalled);
            let next = [tick, deadline].into_iter().flatten().min().filter(|at| *at <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            if tick.is_some_and(|at| at <= self.now) {
                self.tick();
            }
            if deadline.is_some_and(|at| at <= self.now) {
                self.control.handle(self.now, ControlInput::Timer);
            }
            self.drain();
        }
        self.now = until;
        if self.shard.streams() == 0 {
            self.shard.skip_to(until);
        }
    }

    fn tick(&mut self) {
        let scheduled = self.shard.next_tick();
        self.wire.now = self.now;
        self.shard.tick(scheduled, self.now, &mut self.wire);
    }

    pub fn rtp_in(&mut self, stream: StreamId, from: SocketAddr, packet: &[u8]) -> Received {
        self.shard.receive(self.now, stream, Channel::Rtp, from, packet)
    }

    /// The first message that left and was not looked at yet, if it begins so.
    pub fn expect_sip(&mut self, begins: &str) -> String {
        let (_, text) = self.sip.pop_front().unwrap_or_else(|| panic!("no message; wanted {begins}"));
        assert!(text.starts_with(begins), "wanted {begins}, got:\n{text}");
        text
    }

    /// Nothing of any call is left, and every port is back.
    pub fn expect_empty(&mut self) {
        self.run(Duration::from_secs(120));
        assert_eq!(self.control.calls(), 0);
        assert_eq!(self.shard.streams(), 0);
        assert_eq!(self.control.idle_ports(), self.total_ports);
        assert_eq!(self.control.deadline(), None, "a timer is left");
    }
}
