//! What the server sees.
use crate::settings::{DnsConfig, GuardConfig, MediaThreads, TlsConfig};
use crate::{Figures, MediaTap, PacketIoKind, ShardMetrics};
use passline_engine::flow::Program;
use passline_engine::identity::{Answer, CallId, Query};
use passline_engine::prompt::Library;
use passline_engine::rtp::FrameKind;
use passline_engine::sip::{Credentials, Flow, Transport};
use passline_engine::{
    CallRecord, Census, Encryption, EngineConfig, LegCommand, LegEvent, LegId, Probe, ProbeRequest, Snapshot,
    StatusEvent, StreamId, Trace,
};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot};

/// Where to listen and within which limits; the default listens nowhere.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// UDP addresses for SIP; port 0 takes a free one.
    pub sip_udp: Vec<SocketAddr>,
    /// TCP addresses for SIP.
    pub sip_tcp: Vec<SocketAddr>,
    /// TLS addresses for SIP; they need [`TlsConfig::certificate`].
    pub sip_tls: Vec<SocketAddr>,
    /// Certificates and whom to believe.
    pub tls: TlsConfig,
    /// What one source may ask of us.
    pub guard: GuardConfig,
    /// Name look-ups.
    pub dns: DnsConfig,
    /// Source networks that are served over SIP; empty = all. Others get no answer of any kind.
    pub allow: Vec<ipnet::IpNet>,
    /// Address on which RTP sockets are bound (the engine's `media_address` is what descriptions say).
    pub media_address: std::net::IpAddr,
    /// DSCP of SIP packets, CS3 = 24 (RFC 4594).
    pub dscp_sip: u8,
    /// DSCP of RTP packets, EF = 46 (RFC 3246).
    pub dscp_rtp: u8,
    /// Media shards; must be what the engine's configuration says.
    pub shards: u16,
    /// Streams per shard; must be what the engine's configuration says.
    pub shard_capacity: u32,
    /// Where the shards' threads run.
    pub media_threads: MediaThreads,
    /// How RTP packets pass between us and the kernel.
    pub packet_io: PacketIoKind,
    /// Most SIP connections at once.
    pub tcp_connections: usize,
    /// Most SIP connections from one address.
    pub tcp_connections_per_peer: usize,
    /// A connection without a byte for so long is closed.
    pub tcp_idle: Duration,
    /// A connection must have delivered its first whole message by then.
    pub tcp_first_message: Duration,
    /// Pause between the keep-alives (CRLF CRLF, RFC 5626 §3.5.1) on connections that we made; zero = none.
    pub keep_alive: Duration,
}

impl Default for NetConfig {
    fn default() -> Self {
        NetConfig {
            sip_udp: Vec::new(),
            sip_tcp: Vec::new(),
            sip_tls: Vec::new(),
            tls: TlsConfig::default(),
            guard: GuardConfig::default(),
            dns: DnsConfig::default(),
            allow: Vec::new(),
            media_address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            dscp_sip: 24,
            dscp_rtp: 46,
            shards: 1,
            shard_capacity: 1100,
            media_threads: MediaThreads::default(),
            packet_io: PacketIoKind::Auto,
            tcp_connections: 2000,
            tcp_connections_per_peer: 200,
            tcp_idle: Duration::from_secs(600),
            tcp_first_message: Duration::from_secs(10),
            keep_alive: Duration::from_secs(95),
        }
    }
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A SIP address could not be bound.
    #[error("cannot listen for SIP on {transport} {address}: {source}. {remedy}")]
    Bind {
        /// `UDP`, `TCP` or `TLS`.
        transport: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
    /// No address is configured.
    #[error("no SIP address to listen on: set at least one UDP, TCP or TLS address")]
    Nowhere,
    /// A certificate or key cannot be used; the sentence names file and remedy.
    #[error("TLS: {0}")]
    Tls(String),
    /// The system gave no thread for media.
    #[error("cannot start a media thread: {0}. Raise the limit of processes (ulimit -u, TasksMax)")]
    Thread(std::io::Error),
}

/// A call to be placed.
#[derive(Clone, Debug)]
pub struct DialRequest {
    /// How it is named from now on; chosen by the asker, never used twice.
    pub leg: LegId,
    /// Whom to call, e.g. `sip:5000@127.0.0.1:5060` or `sip:5000@example.net;transport=tcp`.
    pub uri: String,
    /// Our own URI, e.g. `sip:demo@127.0.0.1`; a display name may precede it.
    pub from: String,
    /// Transport; `None`: what the URI says, else UDP.
    pub transport: Option<Transport>,
    /// Send each frame heard as [`NetEvent::Heard`].
    pub tap: bool,
    /// Offer telephone-event.
    pub events: bool,
    /// Listen for tones in the callee's audio.
    pub inband: bool,
    /// Whether the audio is encrypted.
    pub srtp: Encryption,
    /// What answers challenges of the callee or of a proxy; without it they refuse the call.
    pub credentials: Option<Credentials>,
}

/// What may be asked of the running net.
pub enum Command {
    /// The answer to [`NetEvent::Ask`].
    Answer {
        /// Which call asked.
        call: CallId,
        /// The query's number.
        number: u32,
        /// What came back.
        answer: Answer,
    },
    /// Place a call.
    Dial(DialRequest),
    /// Steer it.
    Leg {
        /// Which.
        leg: LegId,
        /// What to do.
        command: LegCommand,
    },
    /// Take no new calls; [`NetEvent::Drained`] comes when the last one is over.
    Drain,
    /// Hang up all calls.
    HangUpAll,
    /// New calls use these flows and prompts.
    Reload {
        /// Flows.
        program: Arc<Program>,
        /// Prompts.
        library: Arc<Library>,
    },
    /// Trunks, devices, routes, limits and times become these; calls go on
    /// ([`ControlInput::Configure`](passline_engine::ControlInput::Configure)).
    Configure(Box<EngineConfig>),
    /// Ask what is going on: calls, trunks, devices.
    Snapshot(oneshot::Sender<Snapshot>),
    /// Ask a shard how its calls sound: [`Handle::statistics`].
    Figures(Figures),
    /// Ask a peer by OPTIONS.
    Probe {
        /// Whom; its `id` is of no account.
        request: Box<ProbeRequest>,
        /// What came of it.
        done: oneshot::Sender<Probe>,
    },
    /// Ask for the ban list, the newest first.
    Bans(oneshot::Sender<Vec<Ban>>),
    /// Ban a source by hand; trusted networks can be banned only by taking them from the trusted ones.
    Ban {
        /// The address; of IPv6 the first 64 bits count.
        source: IpAddr,
        /// How long; `None`: until it is lifted.
        lasts: Option<Duration>,
    },
    /// Lift a ban, and forget what the source did.
    Unban {
        /// The address.
        source: IpAddr,
        /// Whether there was one.
        done: oneshot::Sender<bool>,
    },
    /// New limits and trusted networks; bans and running calls stay.
    Guard(Box<GuardConfig>),
    /// New certificates and authorities, for handshakes that begin from now on. Addresses do not change.
    Tls {
        /// Settings.
        config: Box<TlsConfig>,
        /// What was wrong with them; then the old ones stay.
        done: oneshot::Sender<Result<(), String>>,
    },
    /// Switch [`NetEvent::Captured`] on or off.
    Capture(bool),
    /// Hand copies of the media packets to this tap, or to none any more.
    CaptureMedia(Option<MediaTap>),
    /// Ask for what the net has counted.
    Counters(oneshot::Sender<Counters>),
    /// Ask for how much is going on, what the net has counted included.
    Load(oneshot::Sender<Box<Load>>),
    /// Stop everything now.
    Stop,
}

/// One entry of the ban list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The address; of IPv6 the first of its 64-bit network.
    pub source: IpAddr,
    /// Why, in a few words.
    pub reason: String,
    /// Since when.
    pub since: SystemTime,
    /// Until when; `None`: until it is lifted.
    pub until: Option<SystemTime>,
    /// Datagrams and connections dropped since.
    pub dropped: u64,
}

/// What the net has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// SIP datagrams received from admitted sources.
    pub datagrams: u64,
    /// Dropped because their source is banned.
    pub banned: u64,
    /// Dropped because their source was beyond its rate.
    pub over_rate: u64,
    /// Dropped because all unknown sources together were beyond theirs.
    pub over_all: u64,
    /// Dropped because they were no SIP.
    pub garbage: u64,
    /// Dropped because the control task was busy.
    pub busy: u64,
    /// Responses kept back because the source had not sent as much as it would have got.
    pub unsent: u64,
    /// TLS handshakes that failed or took too long.
    pub failed_handshakes: u64,
    /// Connections closed at once because there were as many as are allowed, of their address or of all.
    pub refused_connections: u64,
    /// Sources remembered now.
    pub sources: usize,
    /// Bans in force now.
    pub bans: usize,
    /// Connections now.
    pub connections: usize,
}

/// How much is going on: for metrics, and for whoever asks whether all is well.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Calls, trunks, transactions.
    pub census: Census,
    /// What the net has counted.
    pub counters: Counters,
    /// What waits to be done.
    pub queues: Queues,
}

/// Lengths of the queues of the control task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// Commands of the server.
    pub commands: usize,
    /// SIP messages of those whom we know.
    pub sip: usize,
    /// SIP datagrams of strangers.
    pub strangers: usize,
    /// News of the media shards.
    pub media: usize,
    /// News for the server.
    pub events: usize,
}

/// A SIP message as it went over the wire, secrets masked octet by octet (the length is the true one).
#[derive(Clone, PartialEq, Eq)]
pub struct Captured {
    /// When it was received or sent.
    pub at: SystemTime,
    /// Whether we received it.
    pub received: bool,
    /// Transport and addresses.
    pub path: Flow,
    /// The message, or a part of a stream's message.
    pub bytes: Vec<u8>,
}

/// What the running net tells.
pub enum NetEvent {
    /// A flow asks the identity side; answer with [`Command::Answer`].
    Ask {
        /// Which call.
        call: CallId,
        /// User part of the caller's From (not trusted).
        caller: String,
        /// Comes back in the answer.
        number: u32,
        /// What.
        query: Query,
    },
    /// A call came in and was taken.
    CallStarted {
        /// Its name.
        call: CallId,
        /// User part of the caller's From (not trusted).
        from: String,
        /// Number dialled.
        to: String,
    },
    /// A call is over.
    Record {
        /// All about it.
        record: Box<CallRecord>,
        /// `record.start` as UTC.
        start: SystemTime,
        /// `record.end` as UTC.
        end: SystemTime,
    },
    /// News of a call placed by [`Command::Dial`].
    Leg {
        /// Which.
        leg: LegId,
        /// What.
        event: LegEvent,
    },
    /// A frame of a tapped leg was played out: 20 ms. Dropped if nobody reads.
    Heard {
        /// The stream, as in [`LegEvent::Trying`].
        stream: StreamId,
        /// Encoded as received; empty unless `kind` is `Received`.
        payload: Vec<u8>,
        /// Where it comes from.
        kind: FrameKind,
    },
    /// For demo and tests.
    Trace(Trace),
    /// News of trunks, registrations and devices.
    Status(StatusEvent),
    /// A source was banned by the guard.
    Banned {
        /// The entry.
        ban: Box<Ban>,
    },
    /// While [`Command::Capture`] is on. Dropped if nobody reads.
    Captured(Box<Captured>),
    /// After [`Command::Drain`]: no call is left.
    Drained,
    /// After [`Command::Stop`]: all tasks are over; the last event.
    Stopped,
}

/// The running net; a clone is another handle of the same.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
    shards: Vec<Arc<ShardMetrics>>,
}

impl Handle {
    /// Asks for something. After [`Command::Stop`] nothing happens any more.
    pub fn send(&self, command: Command) {
        // The receiver is gone only after a stop.
        let _ = self.commands.send(command);
    }

    /// UDP addresses that are listened on, with their real ports.
    pub fn local_udp(&self) -> Vec<SocketAddr> {
        self.udp.clone()
    }

    /// TCP addresses that are listened on, with their real ports.
    pub fn local_tcp(&self) -> Vec<SocketAddr> {
        self.tcp.clone()
    }

    /// TLS addresses that are listened on, with their real ports.
    pub fn local_tls(&self) -> Vec<SocketAddr> {
        self.tls.clone()
    }

    /// What each media shard counts.
    pub fn shards(&self) -> &[Arc<ShardMetrics>] {
        &self.shards
    }
}

impl Handle {
    pub(crate) fn new(
        commands: mpsc::UnboundedSender<Command>,
        udp: Vec<SocketAddr>,
        tcp: Vec<SocketAddr>,
        tls: Vec<SocketAddr>,
        shards: Vec<Arc<ShardMetrics>>,
    ) -> Self {
        Handle { commands, udp, tcp, tls, shards }
    }
}
