//! One SIP connection, TCP or TLS: a reading and a writing task.
use crate::control::FromSip;
use crate::gate::Gate;
use crate::guard::Reading;
use passline_engine::sip::Flow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// A peer that takes nothing for so long is gone.
const WRITE: Duration = Duration::from_secs(10);
/// A peer that has answered keep-alives before and leaves one unanswered for so long is gone (RFC 5626 §4.4.1).
const PONG: Duration = Duration::from_secs(10);

/// The control task's end of a connection.
pub(crate) struct Connection {
    pub(crate) writer: mpsc::Sender<Vec<u8>>,
    pub(crate) answered: Arc<AtomicBool>,
    pub(crate) reader: AbortHandle,
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

/// What reader and writer know of each other.
#[derive(Default)]
pub(crate) struct Pulse {
    /// Reads so far.
    reads: AtomicU64,
    /// The peer answers keep-alives.
    pongs: AtomicBool,
    /// One is under way.
    pinged: AtomicBool,
}

/// The reading half.
pub(crate) struct Reader {
    pub(crate) path: Flow,
    pub(crate) id: u64,
    pub(crate) answered: Arc<AtomicBool>,
    pub(crate) idle: Duration,
    pub(crate) first_message: Duration,
    pub(crate) gate: Gate,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) to: mpsc::Sender<FromSip>,
}

impl Reader {
    pub(crate) async fn run(self, mut read: impl AsyncRead + Unpin) {
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
            let octets = &buffer[..length];
            self.pulse.reads.fetch_add(1, Ordering::Relaxed);
            if octets == b"\r\n" && self.pulse.pinged.swap(false, Ordering::Relaxed) {
                self.pulse.pongs.store(true, Ordering::Relaxed);
            }
            let pause = match self.gate.stream(self.path.remote.ip(), octets) {
                Reading::On => Duration::ZERO,
                Reading::After(pause) => pause,
                Reading::Close => break,
            };
            let (path, bytes) = (self.path, octets.to_vec());
            if self.to.send(FromSip::Stream { path, bytes }).await.is_err() {
                return;
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        let _ = self.to.send(FromSip::Closed(self.id)).await;
    }
}

/// The writing half; sends keep-alives after each `keep_alive` of silence, unless that is zero.
pub(crate) async fn write_all(
    mut write: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Vec<u8>>,
    keep_alive: Duration,
    pulse: Arc<Pulse>,
) {
    loop {
        let wait = if keep_alive.is_zero() { Duration::from_secs(86_400) } else { keep_alive };
        let bytes = match timeout(wait, queue.recv()).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break,
            Err(_) if keep_alive.is_zero() => continue,
            Err(_) => {
                if !ping(&mut write, &pulse).await {
                    break;
                }
                continue;
            }
        };
        match timeout(WRITE, async { write.write_all(&bytes).await.and(write.flush().await) }).await {
            Ok(Ok(())) => {}
            // The reader sees the end of the connection, or the next message finds the queue closed.
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let _ = timeout(WRITE, write.shutdown()).await;
}

/// CRLF CRLF; false if the peer is gone. What is queued meanwhile waits: to a dead peer it would be lost.
async fn ping(write: &mut (impl AsyncWrite + Unpin), pulse: &Pulse) -> bool {
    let before = pulse.reads.load(Ordering::Relaxed);
    pulse.pinged.store(true, Ordering::Relaxed);
    let sent = timeout(WRITE, async { write.write_all(b"\r\n\r\n").await.and(write.flush().await) }).await;
    if !matches!(sent, Ok(Ok(()))) {
        return false;
    }
    if !pulse.pongs.load(Ordering::Relaxed) {
        // It may be one of those that do not answer.
        return true;
    }
    let until = Instant::now() + PONG;
    while Instant::now() < until {
        if pulse.reads.load(Ordering::Relaxed) != before {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}
