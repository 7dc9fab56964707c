//! Binds everything and starts the tasks.
use crate::allow::AllowList;
use crate::control::ControlTask;
use crate::outbox::Outbox;
use crate::sip_tcp::Connections;
use crate::sip_udp::SipUdp;
use crate::{Handle, NetConfig, NetError, NetEvent, bind, media};
use passline_engine::sip::{Listener, Transport};
use passline_engine::{Control, ShardConfig};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Messages from the SIP sockets that may wait for the control task; beyond it datagrams are dropped and connections
/// are held back.
const SIP_QUEUE: usize = 8192;
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
    if config.sip_udp.is_empty() && config.sip_tcp.is_empty() {
        return Err(NetError::Nowhere);
    }
    let mut udp = Vec::new();
    for address in &config.sip_udp {
        let socket = bind::sip_udp(*address, config.dscp_sip)?;
        udp.push(SipUdp::new(socket).map_err(|source| runtime("UDP", *address, source))?);
    }
    let mut listeners = Vec::new();
    for address in &config.sip_tcp {
        let listener = bind::sip_tcp(*address, config.dscp_sip)?;
        let both = TcpListener::from_std(listener).and_then(|l| Ok((l.local_addr()?, l)));
        listeners.push(both.map_err(|source| runtime("TCP", *address, source))?);
    }
    let udp_addresses: Vec<SocketAddr> = udp.iter().map(|socket| socket.local).collect();
    let tcp_addresses: Vec<SocketAddr> = listeners.iter().map(|(local, _)| *local).collect();
    let named = |transport| move |address: &SocketAddr| Listener { transport, address: *address };
    let control = control(
        udp_addresses
            .iter()
            .map(named(Transport::Udp))
            .chain(tcp_addresses.iter().map(named(Transport::Tcp)))
            .collect(),
    );

    let (command_sender, commands) = mpsc::unbounded_channel();
    let (sip_sender, sip) = mpsc::channel(SIP_QUEUE);
    let (media_sender, media_events) = mpsc::unbounded_channel();
    let (event_sender, events) = mpsc::channel(EVENTS);
    let mut tasks = JoinSet::new();
    let mut shards = Vec::new();
    for shard in 0..config.shards.max(1) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let settings = ShardConfig { shard, capacity: config.shard_capacity };
        tasks.spawn(media::run(settings, receiver, media_sender.clone(), event_sender.clone()));
        shards.push(sender);
    }
    let allow = AllowList::new(&config.allow);
    for socket in &udp {
        tasks.spawn(socket.reader(allow.clone(), sip_sender.clone()));
    }
    let connections = Connections::new(&config, sip_sender.clone());
    for (_, listener) in listeners {
        tasks.spawn(connections.clone().accept(allow.clone(), listener));
    }
    let handle = Handle::new(command_sender, udp_addresses, tcp_addresses.clone(), Vec::new());
    let task = ControlTask {
        config,
        control,
        udp,
        tcp: tcp_addresses,
        connections,
        open: BTreeMap::new(),
        shards,
        commands,
        sip,
        sip_sender,
        media: media_events,
        outbox: Outbox::new(event_sender),
        tasks,
        inputs: VecDeque::new(),
    };
    tokio::spawn(task.run());
    Ok((handle, events))
}

fn runtime(transport: &'static str, address: SocketAddr, source: std::io::Error) -> NetError {
    NetError::Bind {
        transport,
        address,
        source,
        remedy: "The runtime did not take the socket: raise the limit of open files (ulimit -n)",
    }
}
