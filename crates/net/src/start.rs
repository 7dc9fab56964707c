//! Binds everything and starts the tasks.
use crate::allow::AllowList;
use crate::connections::Connections;
use crate::control::ControlTask;
use crate::dns::{Dns, Ours};
use crate::gate::Gate;
use crate::guard::Guard;
use crate::outbox::Outbox;
use crate::shard_metrics::ShardMetrics;
use crate::sip_udp::SipUdp;
use crate::tls::{Setup, Tls};
use crate::{Handle, NetConfig, NetError, NetEvent, bind, media, media_thread};
use passline_engine::sip::{Listener, Transport};
use passline_engine::{Control, ShardConfig};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Messages from the SIP sockets that may wait for the control task; beyond it datagrams are dropped and connections
/// are held back.
const SIP_QUEUE: usize = 8192;
/// Datagrams of strangers that may wait: what has waited longer than a second is sent again anyway.
const STRANGERS: usize = 1024;
/// Events that may wait for the server before they are kept aside.
const EVENTS: usize = 16_384;

/// Binds the SIP sockets and starts the tasks on the current tokio runtime. `control` is called once with the bound
/// listeners (for [`passline_engine::sip::Config::listeners`]) and must give the control machine, whose settings of
/// shards must be those of `config`.
///
/// # Errors
/// [`NetError`] names address and remedy; nothing stays bound.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn start(
    config: NetConfig,
    control: impl FnOnce(Vec<Listener>) -> Control,
) -> Result<(Handle, mpsc::Receiver<NetEvent>), NetError> {
    if config.sip_udp.is_empty() && config.sip_tcp.is_empty() && config.sip_tls.is_empty() {
        return Err(NetError::Nowhere);
    }
    let mut udp = Vec::new();
    for address in &config.sip_udp {
        let socket = bind::sip_udp(*address, config.dscp_sip)?;
        udp.push(SipUdp::new(socket).map_err(|source| runtime("UDP", *address, source))?);
    }
    let tcp = listen("TCP", &config.sip_tcp, config.dscp_sip)?;
    let tls = listen("TLS", &config.sip_tls, config.dscp_sip)?;
    let udp_addresses: Vec<SocketAddr> = udp.iter().map(|socket| socket.local).collect();
    let tcp_addresses: Vec<SocketAddr> = tcp.iter().map(|(local, _)| *local).collect();
    let tls_addresses: Vec<SocketAddr> = tls.iter().map(|(local, _)| *local).collect();
    let setup = Setup::load(&config.tls, &tls_addresses).map_err(NetError::Tls)?;
    let named = |transport| move |address: &SocketAddr| Listener { transport, address: *address };
    let control = control(
        udp_addresses
            .iter()
            .map(named(Transport::Udp))
            .chain(tcp_addresses.iter().map(named(Transport::Tcp)))
            .chain(tls_addresses.iter().map(named(Transport::Tls)))
            .collect(),
    );

    let (command_sender, commands) = mpsc::unbounded_channel();
    let (sip_sender, sip) = mpsc::channel(SIP_QUEUE);
    let (stranger_sender, strangers) = mpsc::channel(STRANGERS);
    let (media_sender, media_events) = mpsc::unbounded_channel();
    let (event_sender, events) = mpsc::channel(EVENTS);
    let mut tasks = JoinSet::new();
    let mut shards = Vec::new();
    let mut metrics = Vec::new();
    let mut threads = Vec::new();
    tracing::info!(packets = config.packet_io.chosen().name(), shards = config.shards, "media");
    for shard in 0..config.shards.max(1) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let settings = ShardConfig { shard, capacity: config.shard_capacity };
        let measured = Arc::<ShardMetrics>::default();
        let (events, heard) = (media_sender.clone(), event_sender.clone());
        let (kind, watched) = (config.packet_io, measured.clone());
        let run = move || media::run(settings, kind, receiver, events, heard, watched);
        threads.push(media_thread::spawn(shard, &config.media_threads, run).map_err(NetError::Thread)?);
        shards.push((sender, measured.clone()));
        metrics.push(measured);
    }
    let guard = Guard::new(Instant::now(), config.guard.clone());
    let gate = Gate::new(AllowList::new(&config.allow), guard);
    for socket in &udp {
        tasks.spawn(socket.reader(gate.clone(), sip_sender.clone(), stranger_sender.clone()));
    }
    let ours = ours(&udp_addresses, &tcp_addresses, &tls_addresses);
    let trust = Arc::new(Tls::new(setup));
    let connections = Connections::new(&config, gate.clone(), Arc::clone(&trust), sip_sender.clone());
    for (transport, listeners) in [(Transport::Tcp, tcp), (Transport::Tls, tls)] {
        for (_, listener) in listeners {
            tasks.spawn(connections.clone().accept(transport, listener));
        }
    }
    let handle =
        Handle::new(command_sender, udp_addresses, tcp_addresses.clone(), tls_addresses.clone(), metrics);
    let task = ControlTask {
        dns: Dns::new(&config.dns),
        config,
        ours,
        gate,
        trust,
        capturing: false,
        framers: BTreeMap::new(),
        control,
        udp,
        tcp: tcp_addresses,
        tls: tls_addresses,
        connections,
        open: BTreeMap::new(),
        shards,
        commands,
        sip,
        strangers,
        sip_sender,
        media: media_events,
        outbox: Outbox::new(event_sender),
        tasks,
        threads,
        probes: BTreeMap::new(),
        shared: BTreeSet::new(),
        inputs: VecDeque::new(),
    };
    tokio::spawn(task.run());
    Ok((handle, events))
}

fn listen(
    transport: &'static str,
    addresses: &[SocketAddr],
    dscp: u8,
) -> Result<Vec<(SocketAddr, TcpListener)>, NetError> {
    let one = |address: &SocketAddr| {
        let listener = bind::sip_tcp(transport, *address, dscp)?;
        let both = TcpListener::from_std(listener).and_then(|l| Ok((l.local_addr()?, l)));
        both.map_err(|source| runtime(transport, *address, source))
    };
    addresses.iter().map(one).collect()
}

/// UDP goes out by a listener. TCP and TLS need none to connect; a family that we do not listen on is not spoken.
fn ours(udp: &[SocketAddr], tcp: &[SocketAddr], tls: &[SocketAddr]) -> Ours {
    let mut ours = Ours::default();
    ours.0.extend(udp.iter().map(|address| (Transport::Udp, address.is_ipv4())));
    for address in udp.iter().chain(tcp).chain(tls) {
        ours.0.extend([Transport::Tcp, Transport::Tls].map(|transport| (transport, address.is_ipv4())));
    }
    ours
}

fn runtime(transport: &'static str, address: SocketAddr, source: std::io::Error) -> NetError {
    NetError::Bind {
        transport,
        address,
        source,
        remedy: "The runtime did not take the socket: raise the limit of open files (ulimit -n)",
    }
}
