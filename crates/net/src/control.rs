//! The one task that owns the control machine.
use crate::bind::{self, Pair};
use crate::clock::Anchor;
use crate::media::ToShard;
use crate::outbox::Outbox;
use crate::sip_tcp::{Connection, Connections};
use crate::sip_udp::SipUdp;
use crate::{Command, DialRequest, NetConfig, NetEvent, resolve};
use passline_engine::sip::{self, Flow, Transport};
use passline_engine::{Control, ControlInput, ControlOutput, Dial, LegEvent, LegId, MediaEvent, StreamId};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Inputs of one kind taken in a row before the others get their turn.
const TURN: usize = 64;

/// News from the SIP sockets.
pub(crate) enum FromSip {
    Datagram { path: Flow, bytes: Vec<u8> },
    Stream { path: Flow, bytes: Vec<u8> },
    Connected { path: Flow, connection: Connection },
    Closed(u64),
    SendFailed { path: Flow, reason: String },
    Resolved { dial: DialRequest, to: Result<(SocketAddr, Transport), String> },
}

/// Everything that the control task owns.
pub(crate) struct ControlTask {
    pub(crate) config: NetConfig,
    pub(crate) control: Control,
    pub(crate) udp: Vec<SipUdp>,
    pub(crate) tcp: Vec<SocketAddr>,
    pub(crate) connections: Connections,
    pub(crate) open: BTreeMap<u64, Connection>,
    pub(crate) shards: Vec<mpsc::UnboundedSender<ToShard>>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) sip: mpsc::Receiver<FromSip>,
    pub(crate) sip_sender: mpsc::Sender<FromSip>,
    pub(crate) media: mpsc::UnboundedReceiver<MediaEvent>,
    pub(crate) outbox: Outbox,
    /// Readers, acceptors, shards and short-lived connects; all end with this task.
    pub(crate) tasks: JoinSet<()>,
    /// What the machine must hear next.
    pub(crate) inputs: VecDeque<Next>,
}

/// What the machine must hear because of what it said.
pub(crate) enum Next {
    Opened(StreamId),
    Failed(StreamId),
    SendFailed { path: Flow, reason: String },
    ConnectionLost(u64),
    Unresolved(u64),
}

impl ControlTask {
    /// Runs until it is told to stop, or nobody holds a handle any more.
    pub(crate) async fn run(mut self) {
        loop {
            let deadline = self.control.deadline();
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = self.commands.recv() => match command {
                    None | Some(Command::Stop) => break,
                    Some(command) => self.command(command),
                },
                Some(event) = self.media.recv() => {
                    self.handle(ControlInput::Media(event));
                    for _ in 0..TURN {
                        let Ok(event) = self.media.try_recv() else { break };
                        self.handle(ControlInput::Media(event));
                    }
                }
                Some(news) = self.sip.recv() => {
                    self.news(news);
                    for _ in 0..TURN {
                        let Ok(news) = self.sip.try_recv() else { break };
                        self.news(news);
                    }
                }
                () = self.outbox.flush(), if self.outbox.waits() => {}
                () = timer => self.handle(ControlInput::Timer),
            }
            // Ended connects and closed readers need not be kept.
            while self.tasks.try_join_next().is_some() {}
        }
        // Shards end with their commands, readers by abort.
        self.shards.clear();
        self.open.clear();
        self.tasks.shutdown().await;
        self.outbox.stopped().await;
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Answer { call, number, answer } => {
                self.handle(ControlInput::Answer { call, number, answer })
            }
            Command::Dial(dial) => self.dial(dial),
            Command::Leg { leg, command } => self.handle(ControlInput::Leg { leg, command }),
            Command::Drain => self.handle(ControlInput::Drain),
            Command::HangUpAll => self.handle(ControlInput::HangUpAll),
            Command::Reload { program, library } => {
                self.handle(ControlInput::Reload { program, library });
            }
            Command::Bans(list) => {
                let _ = list.send(Vec::new());
            }
            Command::Unban { done, .. } => {
                let _ = done.send(false);
            }
            Command::Tls { done, .. } => {
                let _ = done.send(Ok(()));
            }
            Command::Counters(counters) => {
                let _ = counters.send(crate::Counters::default());
            }
            Command::Ban { .. } | Command::Guard(_) | Command::Capture(_) | Command::Stop => {}
        }
    }

    fn news(&mut self, news: FromSip) {
        match news {
            FromSip::Datagram { path, bytes } => {
                let bytes = &bytes;
                self.handle(ControlInput::Sip(sip::Input::Datagram { path, bytes }));
            }
            FromSip::Stream { path, bytes } => {
                // Octets of a connection that was closed meanwhile would call it back to life.
                if !path.connection.is_some_and(|id| self.open.contains_key(&id)) {
                    return;
                }
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
                if self.open.remove(&connection).is_some() {
                    self.handle(ControlInput::Sip(sip::Input::Closed { connection }));
                }
            }
            FromSip::SendFailed { path, reason } => {
                self.handle(ControlInput::Sip(sip::Input::SendFailed { path, reason }));
            }
            FromSip::Resolved { dial, to } => self.resolved(dial, to),
        }
    }

    /// Finds the callee's address, in a task of its own if a name must be looked up.
    fn dial(&mut self, dial: DialRequest) {
        let target = match resolve::target(&dial.uri) {
            Ok(target) => target,
            Err(reason) => return self.refuse(dial.leg, reason),
        };
        let transport = dial.transport.or(target.transport).unwrap_or(Transport::Udp);
        let news = self.sip_sender.clone();
        self.tasks.spawn(async move {
            let to = resolve::resolve(&target).await.map(|address| (address, transport));
            let _ = news.send(FromSip::Resolved { dial, to }).await;
        });
    }

    fn resolved(&mut self, dial: DialRequest, to: Result<(SocketAddr, Transport), String>) {
        let (remote, transport) = match to {
            Ok(found) => found,
            Err(reason) => return self.refuse(dial.leg, reason),
        };
        let Some(local) = self.local(transport, remote) else {
            let reason = format!("no {} address of ours reaches {remote}", transport.token());
            return self.refuse(dial.leg, reason);
        };
        let path = Flow { transport, local, remote, connection: None };
        self.handle(ControlInput::Dial(Dial {
            leg: dial.leg,
            uri: dial.uri,
            from: dial.from,
            path,
            tap: dial.tap,
            events: dial.events,
            inband: dial.inband,
        }));
    }

    /// The listening address that a path to `remote` begins at.
    fn local(&self, transport: Transport, remote: SocketAddr) -> Option<SocketAddr> {
        let fits = |local: &SocketAddr| local.is_ipv4() == remote.is_ipv4();
        let udp = || self.udp.iter().map(|socket| socket.local).find(fits);
        let local = match transport {
            Transport::Udp => udp()?,
            // A caller without a listener names its UDP address; connections leave from any port anyway.
            _ => self.tcp.iter().copied().find(fits).or_else(udp)?,
        };
        if !local.ip().is_unspecified() {
            return Some(local);
        }
        Some(SocketAddr::new(source_towards(remote)?, local.port()))
    }

    fn refuse(&mut self, leg: LegId, reason: String) {
        let refused = LegEvent::Refused { status: 0, reason };
        self.outbox.push(NetEvent::Leg { leg, event: refused });
        self.outbox.push(NetEvent::Leg { leg, event: LegEvent::Ended(sip::EndCause::Refused) });
    }

    /// Moves the machine and does what it says, and what that entails.
    fn handle(&mut self, input: ControlInput<'_>) {
        self.control.handle(Instant::now(), input);
        self.drain();
        while let Some(next) = self.inputs.pop_front() {
            let input = match next {
                Next::Opened(stream) => ControlInput::PortOpened(stream),
                Next::Failed(stream) => ControlInput::PortFailed(stream),
                Next::SendFailed { path, reason } => {
                    ControlInput::Sip(sip::Input::SendFailed { path, reason })
                }
                Next::Unresolved(id) => {
                    let reason = "names are not looked up here".to_owned();
                    ControlInput::Resolved { id, paths: Vec::new(), reason }
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
                ControlOutput::OpenPort { stream, port } => self.open_port(stream, port),
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
                // No trunk or device is configured through this shell yet.
                ControlOutput::Resolve { id, .. } => {
                    self.inputs.push_back(Next::Unresolved(id));
                }
                ControlOutput::Status(_) => {}
                ControlOutput::Drained => self.outbox.push(NetEvent::Drained),
            }
        }
    }

    fn open_port(&mut self, stream: StreamId, port: u16) {
        let pair = bind::rtp_pair(self.config.media_address, port, self.config.dscp_rtp);
        let next = match pair {
            Ok(pair) => {
                self.sockets(stream, pair);
                Next::Opened(stream)
            }
            Err(error) => {
                tracing::debug!(port, %error, "RTP port not free");
                Next::Failed(stream)
            }
        };
        self.inputs.push_back(next);
    }

    fn sockets(&mut self, stream: StreamId, pair: Pair) {
        self.tell_shard(usize::from(stream.shard), ToShard::Sockets(stream, pair));
    }

    fn tell_shard(&mut self, shard: usize, message: ToShard) {
        if let Some(shard) = self.shards.get(shard) {
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

/// Our address that packets to `remote` leave from, by the routing table.
fn source_towards(remote: SocketAddr) -> Option<std::net::IpAddr> {
    let any: SocketAddr = match remote {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(any).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
