//! SIP over TCP: connections made and accepted, each with a reading and a writing task and a limit on everything.
use crate::NetConfig;
use crate::allow::AllowList;
use crate::control::FromSip;
use passline_engine::sip::{Flow, Transport};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// Messages that may wait to be written to one connection.
const QUEUE: usize = 256;
/// A peer that takes nothing for so long is gone.
const WRITE: Duration = Duration::from_secs(10);
/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(5);
/// Pause after a failed accept: out of file descriptors, ordinarily.
const PAUSE: Duration = Duration::from_millis(100);

/// All connections of the process.
#[derive(Clone)]
pub(crate) struct Connections {
    shared: Arc<Shared>,
    to: mpsc::Sender<FromSip>,
}

struct Shared {
    next: AtomicU64,
    by_peer: Mutex<BTreeMap<IpAddr, usize>>,
    total: usize,
    per_peer: usize,
    idle: Duration,
    first_message: Duration,
}

/// A connection's place among those of its peer; given back on drop.
struct Place {
    shared: Arc<Shared>,
    peer: IpAddr,
}

/// The control task's end of a connection.
pub(crate) struct Connection {
    writer: mpsc::Sender<Vec<u8>>,
    answered: Arc<AtomicBool>,
    reader: AbortHandle,
}

impl Connections {
    pub(crate) fn new(config: &NetConfig, to: mpsc::Sender<FromSip>) -> Self {
        let shared = Shared {
            next: AtomicU64::new(1),
            by_peer: Mutex::new(BTreeMap::new()),
            total: config.tcp_connections,
            per_peer: config.tcp_connections_per_peer,
            idle: config.tcp_idle,
            first_message: config.tcp_first_message,
        };
        Connections { shared: Arc::new(shared), to }
    }

    /// The task that accepts.
    pub(crate) async fn accept(self, allow: AllowList, listener: TcpListener) {
        loop {
            match listener.accept().await {
                // Dropped: closed.
                Ok((_, remote)) if !allow.admits(remote.ip()) => {}
                Ok((stream, remote)) => self.begin(stream, remote, true).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a SIP connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The task that connects; the news goes to the control task.
    pub(crate) async fn connect(self, path: Flow) {
        match timeout(CONNECT, TcpStream::connect(path.remote)).await {
            Ok(Ok(stream)) => self.begin(stream, path.remote, false).await,
            Ok(Err(error)) => {
                let reason = format!("cannot connect to {}: {error}", path.remote);
                let _ = self.to.send(FromSip::SendFailed { path, reason }).await;
            }
            Err(_) => {
                let reason = format!("cannot connect to {}: no answer", path.remote);
                let _ = self.to.send(FromSip::SendFailed { path, reason }).await;
            }
        }
    }

    /// Starts the two tasks of a connection, if it is within the limits.
    async fn begin(&self, stream: TcpStream, remote: SocketAddr, accepted: bool) {
        let local = stream.local_addr();
        let (Some(place), Ok(local)) = (Place::take(&self.shared, remote.ip()), local) else {
            // Dropped: closed. Whoever is within the limits is served.
            return;
        };
        // Messages are written whole; waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let path = Flow { transport: Transport::Tcp, local, remote, connection: Some(id) };
        let (read, write) = stream.into_split();
        let (writer, queue) = mpsc::channel(QUEUE);
        let answered = Arc::new(AtomicBool::new(!accepted));
        let reader = Reader {
            path,
            id,
            answered: Arc::clone(&answered),
            idle: self.shared.idle,
            first_message: self.shared.first_message,
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
        tokio::spawn(write_all(write, queue));
        let connection = Connection { writer, answered, reader: task.abort_handle() };
        let news = FromSip::Connected { path, connection };
        if self.to.send(news).await.is_ok() {
            let _ = start.send(());
        }
    }
}

impl Place {
    fn take(shared: &Arc<Shared>, peer: IpAddr) -> Option<Place> {
        let mut peers = shared.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = peers.get(&peer).copied().unwrap_or(0);
        if of_peer >= shared.per_peer || peers.values().sum::<usize>() >= shared.total {
            return None;
        }
        peers.insert(peer, of_peer + 1);
        Some(Place { shared: Arc::clone(shared), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut peers = self.shared.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

impl Connection {
    /// Queues one message; false if the peer does not take them.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> bool {
        self.answered.store(true, Ordering::Relaxed);
        self.writer.try_send(bytes).is_ok()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The writer ends by itself when it has written what is queued.
        self.reader.abort();
    }
}

struct Reader {
    path: Flow,
    id: u64,
    answered: Arc<AtomicBool>,
    idle: Duration,
    first_message: Duration,
    to: mpsc::Sender<FromSip>,
}

impl Reader {
    async fn run(self, mut read: OwnedReadHalf) {
        let mut buffer = vec![0u8; 16 * 1024];
        let begin = Instant::now();
        loop {
            let answered = self.answered.load(Ordering::Relaxed);
            // Every whole request is answered. A peer that trickles octets and never ends its first message is
            // not worth a connection.
            let limit = if answered { Instant::now() + self.idle } else { begin + self.first_message };
            let length = match timeout_at(limit, read.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(length)) => length,
                Err(_) if !answered && self.answered.load(Ordering::Relaxed) => continue,
                Err(_) => break,
            };
            let bytes = buffer[..length].to_vec();
            let path = self.path;
            if self.to.send(FromSip::Stream { path, bytes }).await.is_err() {
                return;
            }
        }
        let _ = self.to.send(FromSip::Closed(self.id)).await;
    }
}

async fn write_all(mut write: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = queue.recv().await {
        match timeout(WRITE, write.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            // The reader sees the end of the connection, or the next message finds the queue closed.
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let _ = timeout(WRITE, write.shutdown()).await;
}
