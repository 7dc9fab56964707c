//! The one task that owns the control machine.
use crate::bind;
use crate::clock::Anchor;
use crate::connections::Connections;
use crate::dial::Asker;
use crate::dns::{Dns, Ours};
use crate::gate::Gate;
use crate::media::ToShard;
use crate::outbox::Outbox;
use crate::shard_metrics::Busy;
use crate::shard_metrics::ShardMetrics;
use crate::sip_udp::SipUdp;
use crate::stream::Connection;
use crate::tls::Tls;
use crate::{Command, NetConfig, NetEvent};
use passline_engine::sip::message::Framer;
use passline_engine::sip::{self, Flow, Transport};
use passline_engine::{Control, ControlInput, ControlOutput, MediaEvent, Probe, StreamId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Inputs of one kind taken in a row before the others get their turn.
const TURN: usize = 64;

/// Timers run out together, at the next multiple of this: nobody hears the difference, and each time for itself would
/// take the processor from a shard.
const GRAIN: Duration = Duration::from_millis(10);

/// How often is measured how busy the shards are.
const MEASURE: Duration = Duration::from_millis(500);

/// News from the SIP sockets.
pub(crate) enum FromSip {
    Datagram {
        path: Flow,
        bytes: Vec<u8>,
    },
    Stream {
        path: Flow,
        bytes: Vec<u8>,
    },
    Connected {
        path: Flow,
        connection: Connection,
    },
    Closed(u64),
    SendFailed {
        path: Flow,
        reason: String,
    },
    Resolved {
        asker: Asker,
        found: Result<Found, String>,
    },
    /// The guard has news.
    Banned,
}

/// Where a host leads.
pub(crate) struct Found {
    /// The name that was looked up.
    pub(crate) host: String,
    /// Not empty, in the order in which they are tried.
    pub(crate) to: Vec<(Transport, SocketAddr)>,
}

/// Everything that the control task owns.
pub(crate) struct ControlTask {
    pub(crate) config: NetConfig,
    pub(crate) control: Control,
    pub(crate) udp: Vec<SipUdp>,
    pub(crate) tcp: Vec<SocketAddr>,
    pub(crate) tls: Vec<SocketAddr>,
    pub(crate) ours: Ours,
    pub(crate) dns: Dns,
    pub(crate) gate: Gate,
    pub(crate) trust: Arc<Tls>,
    pub(crate) capturing: bool,
    /// While capturing: the messages of each connection in the making.
    pub(crate) framers: BTreeMap<u64, Framer>,
    pub(crate) connections: Connections,
    pub(crate) open: BTreeMap<u64, Connection>,
    pub(crate) shards: Vec<(mpsc::UnboundedSender<ToShard>, Arc<ShardMetrics>)>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) sip: mpsc::Receiver<FromSip>,
    /// Datagrams of those whom we do not know.
    pub(crate) strangers: mpsc::Receiver<FromSip>,
    pub(crate) sip_sender: mpsc::Sender<FromSip>,
    pub(crate) media: mpsc::UnboundedReceiver<Vec<MediaEvent>>,
    pub(crate) outbox: Outbox,
    /// Readers, acceptors and short-lived connects; all end with this task.
    pub(crate) tasks: JoinSet<()>,
    /// Of the shards.
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// Who waits for which [`Command::Probe`].
    pub(crate) probes: BTreeMap<u64, oneshot::Sender<Probe>>,
    /// RTP ports that calls share, by their even numbers.
    pub(crate) shared: BTreeSet<u16>,
    /// What the machine must hear next.
    pub(crate) inputs: VecDeque<Next>,
}

/// What the machine must hear because of what it said.
pub(crate) enum Next {
    Opened(StreamId),
    Failed(StreamId),
    SendFailed { path: Flow, reason: String },
    ConnectionLost(u64),
    Resolve { id: u64, uri: String, transport: Option<Transport> },
}

/// The first moment from `at` on that lies a multiple of [`GRAIN`] after `began`.
fn together(began: Instant, at: Instant) -> Instant {
    let grains = at.saturating_duration_since(began).as_nanos().div_ceil(GRAIN.as_nanos());
    u32::try_from(grains).map_or(at, |grains| began + GRAIN * grains)
}

impl ControlTask {
    /// Runs until it is told to stop, or nobody holds a handle any more.
    pub(crate) async fn run(mut self) {
        let mut measure = tokio::time::interval(MEASURE);
        measure.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut busy = Busy::default();
        let began = Instant::now();
        loop {
            let deadline = self.control.deadline().map(|at| together(began, at));
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Running calls go first, then those whom we know, then the rest of the world.
                biased;
                command = self.commands.recv() => match command {
                    None | Some(Command::Stop) => break,
                    Some(command) => self.command(command),
                },
                Some(events) = self.media.recv() => {
                    for event in events {
                        self.handle(ControlInput::Media(event));
                    }
                }
                () = self.outbox.flush(), if self.outbox.waits() => {}
                () = timer => self.handle(ControlInput::Timer),
                _ = measure.tick() => {
                    let metrics = self.shards.iter().map(|(_, metrics)| &**metrics);
                    let load = busy.measure(Instant::now(), metrics);
                    self.handle(ControlInput::Load(load));
                }
                Some(news) = self.sip.recv() => {
                    self.news(news);
                    for _ in 0..TURN {
                        let Ok(news) = self.sip.try_recv() else { break };
                        self.news(news);
                    }
                }
                Some(news) = self.strangers.recv() => self.news(news),
            }
            // Ended connects and closed readers need not be kept.
            while self.tasks.try_join_next().is_some() {}
        }
        // Shards end with their commands, readers by abort.
        self.shards.clear();
        self.open.clear();
        let threads = std::mem::take(&mut self.threads);
        // A shard sees within a tick that nobody will tell it anything more.
        let ended =
            tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| drop(thread.join())));
        let _ = ended.await;
        self.tasks.shutdown().await;
        self.outbox.stopped().await;
    }

    fn news(&mut self, news: FromSip) {
        match news {
            FromSip::Datagram { path, bytes } => {
                self.capture(true, &path, &bytes);
                let bytes = &bytes;
                self.handle(ControlInput::Sip(sip::Input::Datagram { path, bytes }));
            }
            FromSip::Stream { path, bytes } => {
                // Octets of a connection that was closed meanwhile would call it back to life.
                if !path.connection.is_some_and(|id| self.open.contains_key(&id)) {
                    return;
                }
                self.capture(true, &path, &bytes);
                let bytes = &bytes;
                self.handle(ControlInput::Sip(sip::Input::Stream { path, bytes }));
            }
            FromSip::Connected { path, connection } => {
                if let Some(id) = path.connection {
                    self.open.insert(id, connection);
                    self.handle(ControlInput::Sip(sip::Input::Connected { path }));
                }
            }
            FromSip::Closed(connection) => {
                self.framers.remove(&connection);
                if self.open.remove(&connection).is_some() {
                    self.handle(ControlInput::Sip(sip::Input::Closed { connection }));
                }
            }
            FromSip::SendFailed { path, reason } => {
                self.handle(ControlInput::Sip(sip::Input::SendFailed { path, reason }));
            }
            FromSip::Resolved { asker, found } => self.resolved(asker, found),
            FromSip::Banned => self.tell_bans(),
        }
    }

    /// Moves the machine and does what it says, and what that entails.
    pub(crate) fn handle(&mut self, input: ControlInput<'_>) {
        self.control.handle(Instant::now(), input);
        self.drain();
        while let Some(next) = self.inputs.pop_front() {
            let input = match next {
                Next::Opened(stream) => ControlInput::PortOpened(stream),
                Next::Failed(stream) => ControlInput::PortFailed(stream),
                Next::SendFailed { path, reason } => {
                    ControlInput::Sip(sip::Input::SendFailed { path, reason })
                }
                Next::Resolve { id, uri, transport } => {
                    self.resolve(&uri, transport, Asker::Engine(id));
                    continue;
                }
                Next::ConnectionLost(connection) => ControlInput::Sip(sip::Input::Closed { connection }),
            };
            self.control.handle(Instant::now(), input);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.control.poll() {
            match output {
                ControlOutput::Sip(output) => self.sip_output(output),
                ControlOutput::OpenPort { stream, port, shared } => self.open_port(stream, port, shared),
                ControlOutput::CloseShared { shard, port } => {
                    self.shared.remove(&port);
                    self.tell_shard(usize::from(shard), ToShard::ClosePort(port));
                }
                ControlOutput::ClosePort(stream) => {
                    self.tell_shard(usize::from(stream.shard), ToShard::Forget(stream));
                }
                ControlOutput::Shard { shard, command } => {
                    self.tell_shard(shard, ToShard::Command(command));
                }
                ControlOutput::Ask { call, caller, number, query } => {
                    self.outbox.push(NetEvent::Ask { call, caller, number, query })
                }
                ControlOutput::CallStarted { call, from, to } => {
                    self.outbox.push(NetEvent::CallStarted { call, from, to });
                }
                ControlOutput::Record(record) => {
                    let anchor = Anchor::now();
                    let (start, end) = (anchor.system_time(record.start), anchor.system_time(record.end));
                    self.outbox.push(NetEvent::Record { record, start, end });
                }
                ControlOutput::Leg { leg, event } => self.outbox.push(NetEvent::Leg { leg, event }),
                ControlOutput::Trace(trace) => self.outbox.push_if_room(NetEvent::Trace(trace)),
                ControlOutput::Resolve { id, uri, transport } => {
                    self.inputs.push_back(Next::Resolve { id, uri, transport });
                }
                ControlOutput::Probed { id, probe } => {
                    if let Some(done) = self.probes.remove(&id) {
                        let _ = done.send(*probe);
                    }
                }
                ControlOutput::Status(news) => self.outbox.push(NetEvent::Status(news)),
                ControlOutput::Drained => self.outbox.push(NetEvent::Drained),
            }
        }
    }

    fn open_port(&mut self, stream: StreamId, port: u16, shared: bool) {
        if shared && !self.shared.insert(port) {
            self.tell_shard(usize::from(stream.shard), ToShard::Join { stream, port });
            self.inputs.push_back(Next::Opened(stream));
            return;
        }
        let pair = bind::rtp_pair(self.config.media_address, port, self.config.dscp_rtp, shared);
        let next = match pair {
            Ok(pair) => {
                self.tell_shard(usize::from(stream.shard), ToShard::Sockets { stream, pair, shared });
                Next::Opened(stream)
            }
            Err(error) => {
                tracing::debug!(port, %error, "RTP port not free");
                self.shared.remove(&port);
                Next::Failed(stream)
            }
        };
        self.inputs.push_back(next);
    }

    pub(crate) fn tell_shard(&mut self, shard: usize, message: ToShard) {
        if let Some((shard, metrics)) = self.shards.get(shard) {
            metrics.told();
            // A shard ends only with this task.
            let _ = shard.send(message);
        }
    }

    fn sip_output(&mut self, output: sip::Output) {
        match output {
            sip::Output::Send { path, bytes } => self.send(path, bytes),
            sip::Output::Connect { path } => {
                self.tasks.spawn(self.connections.clone().connect(path));
            }
            sip::Output::CloseConnection(connection) => {
                self.open.remove(&connection);
                self.inputs.push_back(Next::ConnectionLost(connection));
            }
            sip::Output::Event(_) | sip::Output::Trace(_) => {}
        }
    }

    fn send(&mut self, path: Flow, bytes: Vec<u8>) {
        let is_datagram = path.connection.is_none();
        let (may, has_news) = {
            let mut guard = self.gate.guard();
            (guard.may_send(Instant::now(), path.remote.ip(), is_datagram, &bytes), guard.has_news())
        };
        if has_news {
            self.tell_bans();
        }
        if !may {
            return;
        }
        self.capture(false, &path, &bytes);
        match path.connection {
            Some(connection) => {
                let sent = self.open.get(&connection).map(|open| open.send(bytes));
                if sent == Some(false) {
                    self.open.remove(&connection);
                    self.inputs.push_back(Next::ConnectionLost(connection));
                }
            }
            None => {
                let socket = self.udp.iter().find(|socket| socket.serves(&path));
                let sent = socket.map(|socket| socket.send(&path, &bytes));
                let reason = match sent {
                    Some(Ok(())) => return,
                    Some(Err(error)) => format!("{} cannot be reached: {error}", path.remote),
                    None => format!("no UDP listener of ours reaches {}", path.remote),
                };
                self.inputs.push_back(Next::SendFailed { path, reason });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_run_out_together_and_never_early() {
        let began = Instant::now();
        let at = |us| together(began, began + Duration::from_micros(us)) - began;
        assert_eq!([0, 1, 9_999, 10_000, 10_001].map(at), [0, 10, 10, 10, 20].map(Duration::from_millis));
        let years = Duration::from_secs(100 * 365 * 86_400);
        assert_eq!(together(began, began + years) - began, years);
        assert_eq!(together(began + GRAIN, began), began + GRAIN);
    }
}
