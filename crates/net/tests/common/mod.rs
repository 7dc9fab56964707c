//! A server and a caller over loopback, each with its own sockets and tasks.
#![allow(dead_code)] // each test binary uses a part

use passline_engine::flow::{Program, PromptCheck, load};
use passline_engine::identity::Answer;
use passline_engine::prompt::phrase::PromptId;
use passline_engine::prompt::{Library, synthetic};
use passline_engine::{CallRecord, Control, EngineConfig, LegEvent, LegId, Policy, PortPool, Trunk};
use passline_net::{Command, DialRequest, Handle, NetConfig, NetEvent, start};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

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

struct Prompts<'a>(&'a Library);

impl PromptCheck for Prompts<'_> {
    fn languages(&self) -> Vec<String> {
        self.0.languages().to_vec()
    }
    fn has(&self, language: &str, id: &PromptId) -> bool {
        self.0.has(language, id)
    }
}

/// Prompts of noise.
pub fn library() -> Arc<Library> {
    let prompts = [
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
    Arc::new(Library::build(vec![synthetic::language("en", &prompts, &[])]).expect("a synthetic language"))
}

fn program(library: &Library) -> Arc<Program> {
    let files = [("line_test.yaml".to_owned(), FLOW.to_owned())];
    Arc::new(load(&files, &Prompts(library)).expect("the test's flow"))
}

/// Streams of the one shard.
const CAPACITY: u32 = 10_000;

/// A running net.
pub struct Side {
    pub handle: Handle,
    pub events: Receiver<NetEvent>,
}

/// Settings of a test.
pub struct Setup {
    pub ports: RangeInclusive<u16>,
    pub max_calls: usize,
    pub seed: u64,
    pub tcp: bool,
    /// Callers are a trunk whose calls share ports.
    pub shared: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Setup { ports: 20_000..=23_999, max_calls: 200, seed: 1, tcp: false, shared: false }
    }
}

/// Starts one side on free SIP ports of loopback.
pub async fn side(setup: Setup) -> Side {
    side_with(setup, |_| {}).await
}

/// The same with other settings.
pub async fn side_with(setup: Setup, change: impl FnOnce(&mut NetConfig)) -> Side {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = NetConfig {
        sip_udp: vec![loopback],
        sip_tcp: if setup.tcp { vec![loopback] } else { Vec::new() },
        shard_capacity: CAPACITY,
        ..NetConfig::default()
    };
    change(&mut config);
    let media_address = config.media_address;
    let library = library();
    let program = program(&library);
    let (handle, events) = start(config, |listeners| {
        let sip = passline_engine::sip::Config { listeners, ..Default::default() };
        let mut policy = Policy::default();
        if setup.shared {
            policy.trunks.push(Trunk {
                name: "pbx".into(),
                networks: vec!["127.0.0.0/8".parse().expect("a network")],
                shared_ports: true,
                nat: false,
                options: None,
                ..Trunk::default()
            });
        }
        let config = EngineConfig {
            policy,
            sip,
            media_address,
            max_calls: setup.max_calls,
            shard_capacity: CAPACITY,
            port_quarantine: Duration::ZERO,
            ..EngineConfig::default()
        };
        let ports = PortPool::new(setup.ports, ChaCha20Rng::seed_from_u64(setup.seed + 1000));
        Control::new(Instant::now(), config, program, library, ports, ChaCha20Rng::seed_from_u64(setup.seed))
    })
    .await
    .expect("loopback");
    Side { handle, events }
}

impl Side {
    /// Dials `5001` at the other side.
    pub fn dial(&self, leg: u64, to: SocketAddr, tcp: bool, tap: bool) {
        let transport = if tcp { ";transport=tcp" } else { "" };
        self.handle.send(Command::Dial(DialRequest {
            leg: LegId(leg),
            uri: format!("sip:5001@{to}{transport}"),
            from: "sip:tester@127.0.0.1".to_owned(),
            transport: None,
            tap,
            events: true,
            inband: false,
            srtp: passline_engine::Encryption::Off,
            credentials: None,
        }));
    }

    /// Dials a URI.
    pub fn dial_uri(&self, leg: u64, uri: &str) {
        self.handle.send(Command::Dial(DialRequest {
            leg: LegId(leg),
            uri: uri.to_owned(),
            from: "sip:tester@127.0.0.1".to_owned(),
            transport: None,
            tap: false,
            events: true,
            inband: false,
            srtp: passline_engine::Encryption::Off,
            credentials: None,
        }));
    }

    /// The next event, at the latest after twenty seconds.
    pub async fn next(&mut self) -> NetEvent {
        tokio::time::timeout(Duration::from_secs(20), self.wait()).await.expect("an event in time")
    }

    /// The next event. Queries (the line test writes to the audit log only) are answered here.
    pub async fn wait(&mut self) -> NetEvent {
        loop {
            match self.events.recv().await.expect("a running net") {
                NetEvent::Ask { call, number, .. } => {
                    self.handle.send(Command::Answer { call, number, answer: Answer::Done });
                }
                other => return other,
            }
        }
    }

    /// The next event of a leg that `wanted` accepts; others are passed over.
    pub async fn leg(&mut self, wanted: impl Fn(&LegEvent) -> bool) -> (LegId, LegEvent) {
        loop {
            if let NetEvent::Leg { leg, event } = self.next().await
                && wanted(&event)
            {
                return (leg, event);
            }
        }
    }

    /// The next call record.
    pub async fn record(&mut self) -> CallRecord {
        loop {
            if let NetEvent::Record { record, .. } = self.next().await {
                return *record;
            }
        }
    }
}
