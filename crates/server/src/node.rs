//! A running mini-PBX: net, engine and identity side joined.
use crate::{
    admin::{
        Hub,
        view::{News, RunningCall},
    },
    capture::Capture,
    config::Config,
    content::Content,
    desk, entropy,
    exit::Failure,
    keeper::Keeper,
    metrics::Metrics,
    news::{self, Weight},
    record::{keep, printable, shown, utc},
    wire,
};
use passline_connectors::{Authority, DemoUser, Store};
use passline_engine::{CallRecord, Control, PortPool, Trace};
use passline_identity::CallId;
use passline_net::{Command, Handle, NetEvent};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::mpsc;
use tracing::Instrument;

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
    /// SIP messages and media on demand.
    pub capture: Arc<Capture>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
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
        let mut engine = wire::engine(config, trace).map_err(Failure::Input)?;
        if config.trunks.iter().any(|trunk| trunk.register) {
            engine.sip.instance = crate::instance::instance(&config.data());
        }
        let net = wire::net(config, &engine);
        let ports = config.rtp.ports.first..=config.rtp.ports.last;
        let (program, library) = (content.program.clone(), content.library.clone());
        let control = move |listeners| {
            let mut engine = engine;
            engine.sip.listeners = listeners;
            let pool = PortPool::new(ports, entropy::rng());
            Control::new(Instant::now(), engine, program, library, pool, entropy::rng())
        };
        let (handle, events) = passline_net::start(net, control).await.map_err(Failure::machine)?;
        let metrics = Metrics::new(config.trunks.iter().map(|trunk| trunk.name.value.as_str()));
        let (hub, capture, metrics) = (Arc::default(), Arc::default(), Arc::new(metrics));
        let records = config.calls.keep;
        Ok(Self { handle, store, content, demo, hub, capture, metrics, authority, records, events })
    }

    /// The identity side.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Serves until [`Command::Stop`] was carried out; `seen` gets each step of the calls, secrets masked, where tracing is on.
    pub async fn run(mut self, mut seen: impl FnMut(Trace)) {
        let keeper = Keeper::start(self.store.clone(), Arc::clone(&self.hub), self.records);
        while let Some(event) = self.events.recv().await {
            match event {
                NetEvent::Ask { call, caller, number, query } => {
                    let (authority, handle) = (self.authority.clone(), self.handle.clone());
                    let (metrics, span) = (self.metrics.clone(), of_call(&call));
                    // Bounded by the calls: a flow has few queries under way at one time.
                    let ask = async move {
                        let (name, began) = (query.name(), Instant::now());
                        let answer = authority.ask(&call, &caller, query).await;
                        metrics.answered(name, &answer, began.elapsed());
                        handle.send(Command::Answer { call, number, answer });
                    };
                    tokio::spawn(ask.instrument(span));
                }
                NetEvent::CallStarted { call, from, to } => {
                    let (from, to) = (shown(&from), printable(&to));
                    let _span = of_call(&call).entered();
                    self.metrics.calls.started();
                    tracing::info!(call = %call, from, to, "call");
                    let start = utc(SystemTime::now());
                    self.hub.tell(News::Started(Box::new(RunningCall {
                        call: call.0,
                        start,
                        from,
                        to,
                        ..RunningCall::default()
                    })));
                }
                NetEvent::Record { record, start, end } => {
                    self.metrics.calls.ended(&record);
                    let span = of_call(&record.call);
                    self.ended(*record, start, end, &keeper).instrument(span).await;
                }
                NetEvent::Trace(trace) => {
                    let _span = trace.call.as_ref().map(|call| of_call(call).entered());
                    seen(trace);
                }
                NetEvent::Drained => self.handle.send(Command::Stop),
                NetEvent::Stopped => break,
                NetEvent::Status(event) => {
                    let (weight, text) = news::status(&event);
                    match weight {
                        Weight::Good => tracing::info!("{text}"),
                        Weight::Bad => tracing::warn!("{text}"),
                        Weight::Detail => tracing::debug!("{text}"),
                    }
                    self.hub.tell(News::Status { at: utc(SystemTime::now()), text });
                }
                NetEvent::Banned { ban } => {
                    let text = news::ban(&ban);
                    tracing::warn!("{text}");
                    self.hub.tell(News::Status { at: utc(SystemTime::now()), text });
                }
                NetEvent::Captured(message) => {
                    if !self.capture.take(*message) {
                        self.handle.send(Command::Capture(false));
                    }
                }
                NetEvent::Leg { .. } | NetEvent::Heard { .. } => {}
            }
        }
        keeper.finish().await;
        if !self.authority.settle(Duration::from_secs(10)).await {
            tracing::warn!(
                "some passwords that nobody heard are not yet made invalid; the next start goes on with it"
            );
        }
    }

    /// A call is over: what it left is settled, and its record is kept and told.
    async fn ended(&self, record: CallRecord, start: SystemTime, end: SystemTime, keeper: &Keeper) {
        self.authority.call_ended(&record.call).await;
        let record = keep(&record, start, end);
        tracing::info!(
            call = record.call,
            outcome = record.outcome,
            codec = record.codec,
            keys = record.digit_count,
            received = record.received,
            lost = record.lost,
            mos = record.quality.mos.map(|mos| (mos * 100.0).round() / 100.0),
            "call ended"
        );
        keeper.keep(record).await;
    }
}

/// Every log line of a call stands in this span: its name, and nothing of who called.
fn of_call(call: &CallId) -> tracing::Span {
    tracing::info_span!("call", id = %call)
}
