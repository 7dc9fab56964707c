//! A running mini-PBX: net, engine and identity side joined.
use crate::{
    admin::{
        Hub,
        view::{News, RunningCall},
    },
    config::{Config, Transport},
    content::Content,
    desk, entropy,
    exit::Failure,
    record::{keep, printable, utc},
};
use passline_connectors::{Authority, DemoUser, Store, mask_number};
use passline_engine::{Control, EngineConfig, PortPool, Trace};
use passline_net::{Command, Handle, NetConfig, NetEvent};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::mpsc;

/// Everything that serves calls.
pub struct Node {
    /// Steers the net.
    pub handle: Handle,
    /// The store.
    pub store: Store,
    /// Prompts and flows.
    pub content: Arc<Content>,
    /// Demo people in the store, if it was made for them.
    pub demo: Vec<DemoUser>,
    /// What goes on, for the admin socket.
    pub hub: Arc<Hub>,
    authority: Authority,
    /// Call records that are kept.
    records: u32,
    events: mpsc::Receiver<NetEvent>,
}

impl Node {
    /// Starts everything; `demo` seeds the demo people, `trace` lets `run` tell each step.
    pub async fn start(config: &Config, demo: bool, trace: bool) -> Result<Self, Failure> {
        let store = desk::open_store(config)?;
        let demo = if demo { desk::seed(&store).await? } else { Vec::new() };
        let content = Arc::new(Content::load(config, &desk::questions(&store).await?)?);
        let authority = desk::authority(config, &store, content.words(), entropy::rng())?;
        for event in authority.recover().await {
            tracing::warn!(
                event = event.event,
                login = event.login,
                result = event.result,
                "finished what a crash had left"
            );
        }
        let engine = engine_config(config, trace);
        let net = net_config(config, &engine);
        let ports = config.rtp.ports.first..=config.rtp.ports.last;
        let (program, library) = (content.program.clone(), content.library.clone());
        let control = move |listeners| {
            let mut engine = engine;
            engine.sip.listeners = listeners;
            let pool = PortPool::new(ports, entropy::rng());
            Control::new(Instant::now(), engine, program, library, pool, entropy::rng())
        };
        let (handle, events) = passline_net::start(net, control).await.map_err(Failure::machine)?;
        let (hub, records) = (Arc::default(), config.calls.keep);
        Ok(Self { handle, store, content, demo, hub, authority, records, events })
    }

    /// Serves until [`Command::Stop`] was carried out; `seen` gets each step of the calls, secrets masked, where tracing is on.
    pub async fn run(mut self, mut seen: impl FnMut(Trace)) {
        while let Some(event) = self.events.recv().await {
            match event {
                NetEvent::Ask { call, caller, number, query } => {
                    let (authority, handle) = (self.authority.clone(), self.handle.clone());
                    // Bounded by the calls: a flow has few queries under way at one time.
                    tokio::spawn(async move {
                        let answer = authority.ask(&call, &caller, query).await;
                        handle.send(Command::Answer { call, number, answer });
                    });
                }
                NetEvent::CallStarted { call, from, to } => {
                    let (from, to) = (mask_number(&printable(&from)), printable(&to));
                    tracing::info!(call = %call, from, to, "call");
                    let start = utc(SystemTime::now());
                    self.hub.tell(News::Started(RunningCall { call: call.0, start, from, to }));
                }
                NetEvent::Record { record, start, end } => {
                    self.authority.call_ended(&record.call).await;
                    let record = keep(&record, start, end);
                    tracing::info!(
                        call = record.call,
                        outcome = record.outcome,
                        codec = record.codec,
                        keys = record.digit_count,
                        received = record.received,
                        lost = record.lost,
                        "call ended"
                    );
                    if let Err(error) = self.store.add_call(&record, self.records).await {
                        tracing::error!(call = record.call, %error, "the call record could not be kept");
                    }
                    self.hub.tell(News::Ended(Box::new(record)));
                }
                NetEvent::Trace(trace) => seen(trace),
                NetEvent::Drained => self.handle.send(Command::Stop),
                NetEvent::Stopped => break,
                NetEvent::Banned { ban } => {
                    tracing::warn!(source = %ban.source, reason = ban.reason, "a source was banned");
                }
                NetEvent::Leg { .. } | NetEvent::Heard { .. } | NetEvent::Captured(_) => {}
            }
        }
        if !self.authority.settle(Duration::from_secs(10)).await {
            tracing::warn!(
                "some passwords that nobody heard are not yet made invalid; the next start goes on with it"
            );
        }
    }
}

fn engine_config(config: &Config, trace: bool) -> EngineConfig {
    EngineConfig {
        media_address: config.media_address(),
        max_calls: config.sip.max_calls,
        shard_capacity: u32::try_from(config.sip.max_calls).unwrap_or(u32::MAX).saturating_add(16),
        media_timeout: Duration::from_secs(config.rtp.timeout_s),
        trace,
        ..EngineConfig::default()
    }
}

fn net_config(config: &Config, engine: &EngineConfig) -> NetConfig {
    NetConfig {
        sip_udp: config.sip.listeners(Transport::Udp).collect(),
        sip_tcp: config.sip.listeners(Transport::Tcp).collect(),
        allow: config.allow(),
        media_address: config.media_address(),
        dscp_sip: config.sip.dscp,
        dscp_rtp: config.rtp.dscp,
        shards: engine.shards,
        shard_capacity: engine.shard_capacity,
        ..NetConfig::default()
    }
}
