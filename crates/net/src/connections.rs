//! SIP over TCP and TLS: connections made and accepted, each with a limit on everything.
use crate::NetConfig;
use crate::control::FromSip;
use crate::gate::Gate;
use crate::handshakes::Handshakes;
use crate::places::{Place, Places};
use crate::stream::{Connection, Pulse, Reader, write_all};
use crate::tls::{self, Tls};
use passline_engine::sip::{Flow, Transport};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Messages that may wait to be written to one connection.
const QUEUE: usize = 256;
/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(5);
/// Pause after a failed accept: out of file descriptors, ordinarily.
const PAUSE: Duration = Duration::from_millis(100);

/// All connections of the process.
#[derive(Clone)]
pub(crate) struct Connections {
    shared: Arc<Shared>,
    gate: Gate,
    tls: Arc<Tls>,
    to: mpsc::Sender<FromSip>,
}

struct Shared {
    next: AtomicU64,
    places: Arc<Places>,
    handshakes: Handshakes,
    handshake: Duration,
    idle: Duration,
    first_message: Duration,
    keep_alive: Duration,
}

impl Connections {
    pub(crate) fn new(config: &NetConfig, gate: Gate, tls: Arc<Tls>, to: mpsc::Sender<FromSip>) -> Self {
        let shared = Shared {
            next: AtomicU64::new(1),
            places: Places::new(config.tcp_connections, config.tcp_connections_per_peer),
            handshakes: Handshakes::new(config.tls.handshakes, config.tls.handshakes_per_peer),
            handshake: config.tls.handshake,
            idle: config.tcp_idle,
            first_message: config.tcp_first_message,
            keep_alive: config.keep_alive,
        };
        Connections { shared: Arc::new(shared), gate, tls, to }
    }

    /// Connections now.
    pub(crate) fn count(&self) -> usize {
        self.shared.places.count()
    }

    /// The task that accepts.
    pub(crate) async fn accept(self, transport: Transport, listener: TcpListener) {
        loop {
            match listener.accept().await {
                // Dropped: closed.
                Ok((_, remote)) if !self.gate.connection(remote.ip()) => {}
                Ok((stream, remote)) => {
                    if transport == Transport::Tls {
                        self.begin_handshake(stream, remote);
                    } else if let Some(place) = self.shared.places.take(remote.ip()) {
                        self.begin_tcp(stream, remote, place, true).await;
                    } else {
                        self.gate.guard().connection_refused();
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a SIP connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The task that connects; the news goes to the control task.
    pub(crate) async fn connect(self, path: Flow) {
        if let Err(reason) = self.try_connect(path).await {
            let _ = self.to.send(FromSip::SendFailed { path, reason }).await;
        }
    }

    async fn try_connect(&self, path: Flow) -> Result<(), String> {
        let remote = path.remote;
        let place = self
            .shared
            .places
            .take(remote.ip())
            .ok_or_else(|| format!("there are as many connections to {} as are allowed", remote.ip()))?;
        let stream = match timeout(CONNECT, TcpStream::connect(remote)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                return Err(format!("nobody listens on {} {remote}", path.transport.token()));
            }
            Ok(Err(error)) => return Err(format!("cannot connect to {remote}: {error}")),
            Err(_) => {
                return Err(format!("cannot connect to {remote}: no answer within {} s", CONNECT.as_secs()));
            }
        };
        if path.transport != Transport::Tls {
            self.begin_tcp(stream, remote, place, false).await;
            return Ok(());
        }
        let host = self.tls.host(remote);
        let name = ServerName::try_from(host.clone()).map_err(|_| format!("{host} is no host name"))?;
        let local = stream.local_addr().map_err(|error| error.to_string())?;
        // Messages are written whole; waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        let connector = self.tls.setup().connector(&host);
        match timeout(self.shared.handshake, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => {
                let path = Flow { local, ..path };
                let (read, write) = tokio::io::split(stream);
                self.begin(read, write, path, place, false).await;
                Ok(())
            }
            Ok(Err(error)) => Err(tls::sentence(&host, &error)),
            Err(_) => Err(format!("{host} takes connections on {remote}, but does not answer there by TLS")),
        }
    }

    /// In a task of its own: a handshake that stalls must hold up nobody.
    fn begin_handshake(&self, stream: TcpStream, remote: SocketAddr) {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let begun = self.shared.handshakes.begin(id, remote.ip(), &self.shared.places, || {
            tokio::spawn(self.clone().shake_hands(id, stream, remote)).abort_handle()
        });
        let mut guard = self.gate.guard();
        guard.handshakes_failed(begun.given_up);
        if !begun.has_place {
            guard.connection_refused();
        }
    }

    /// The server's side of a handshake.
    async fn shake_hands(self, id: u64, stream: TcpStream, remote: SocketAddr) {
        let acceptor = self.tls.setup().acceptor.clone();
        let (Some(acceptor), Ok(local)) = (acceptor, stream.local_addr()) else {
            return drop(self.shared.handshakes.end(id));
        };
        let _ = stream.set_nodelay(true);
        let shaken = timeout(self.shared.handshake, acceptor.accept(stream)).await;
        // Without a place it was given up just now, and counted there.
        let Some(place) = self.shared.handshakes.end(id) else { return };
        let failure = match shaken {
            Ok(Ok(stream)) => {
                let path = Flow { transport: Transport::Tls, local, remote, connection: None };
                let (read, write) = tokio::io::split(stream);
                return self.begin(read, write, path, place, true).await;
            }
            Ok(Err(error)) => tls::sentence(&remote.to_string(), &error),
            Err(_) => "it took too long".to_owned(),
        };
        tracing::debug!(peer = %remote, failure, "TLS handshake");
        self.gate.guard().handshakes_failed(1);
    }

    async fn begin_tcp(&self, stream: TcpStream, remote: SocketAddr, place: Place, accepted: bool) {
        let Ok(local) = stream.local_addr() else { return };
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        let path = Flow { transport: Transport::Tcp, local, remote, connection: None };
        self.begin(read, write, path, place, accepted).await;
    }

    /// Starts the two tasks of a connection.
    async fn begin(
        &self,
        read: impl AsyncRead + Unpin + Send + 'static,
        write: impl AsyncWrite + Unpin + Send + 'static,
        path: Flow,
        place: Place,
        accepted: bool,
    ) {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let path = Flow { connection: Some(id), ..path };
        let (writer, queue) = mpsc::channel(QUEUE);
        let answered = Arc::new(AtomicBool::new(!accepted));
        let pulse = Arc::new(Pulse::default());
        let reader = Reader {
            path,
            id,
            answered: Arc::clone(&answered),
            idle: self.shared.idle,
            first_message: self.shared.first_message,
            gate: self.gate.clone(),
            pulse: Arc::clone(&pulse),
            to: self.to.clone(),
        };
        // The reader waits for the news of itself, so that its octets come after it.
        let (start, started) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            if started.await.is_ok() {
                reader.run(read).await;
            }
            drop(place);
        });
        let keep_alive = if accepted { Duration::ZERO } else { self.shared.keep_alive };
        tokio::spawn(write_all(write, queue, keep_alive, pulse));
        let connection = Connection { writer, answered, reader: task.abort_handle() };
        let news = FromSip::Connected { path, connection };
        if self.to.send(news).await.is_ok() {
            let _ = start.send(());
        }
    }
}
