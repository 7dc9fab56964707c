//! SIP over UDP: one reading task per socket, sending from the control task.
use crate::control::FromSip;
use crate::datagram;
use crate::gate::Gate;
use crate::guard::Verdict;
use passline_engine::sip::{Flow, Transport};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Largest UDP payload.
const DATAGRAM: usize = 65_535;

/// One listening UDP socket.
pub(crate) struct SipUdp {
    socket: Arc<UdpSocket>,
    pub(crate) local: SocketAddr,
}

impl SipUdp {
    /// Takes over a non-blocking socket; must be called within the runtime.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<SipUdp> {
        let local = socket.local_addr()?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        Ok(SipUdp { socket, local })
    }

    /// The task that reads: what the control task cannot take is dropped, and SIP repeats it. Strangers have a queue
    /// of their own, so that they push out nobody else.
    pub(crate) fn reader(
        &self,
        gate: Gate,
        known: mpsc::Sender<FromSip>,
        strangers: mpsc::Sender<FromSip>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (socket, local) = (Arc::clone(&self.socket), self.local);
        async move {
            let mut buffer = vec![0u8; DATAGRAM];
            while socket.readable().await.is_ok() {
                // Fair to the other tasks: at most so many datagrams a turn.
                for _ in 0..64 {
                    let read =
                        || datagram::receive(&*socket, &mut buffer).ok_or(io::ErrorKind::WouldBlock.into());
                    let Ok(datagram) = socket.try_io(Interest::READABLE, read) else {
                        break;
                    };
                    let (verdict, has_news) = gate.datagram(datagram.from.ip(), &buffer[..datagram.length]);
                    if has_news {
                        // If there is no room, the control task is awake anyway.
                        let _ = known.try_send(FromSip::Banned);
                    }
                    let to = match verdict {
                        Verdict::Known => &known,
                        Verdict::Stranger => &strangers,
                        Verdict::Dropped => continue,
                    };
                    let ip = datagram.to.unwrap_or(local.ip());
                    let path = Flow {
                        transport: Transport::Udp,
                        local: SocketAddr::new(ip, local.port()),
                        remote: datagram.from,
                        connection: None,
                    };
                    let bytes = buffer[..datagram.length].to_vec();
                    match to.try_send(FromSip::Datagram { path, bytes }) {
                        Ok(()) => {}
                        Err(mpsc::error::TrySendError::Full(_)) => gate.guard().was_busy(),
                        Err(mpsc::error::TrySendError::Closed(_)) => return,
                    }
                }
                tokio::task::yield_now().await;
            }
        }
    }

    /// Whether packets of this path leave by this socket.
    pub(crate) fn serves(&self, path: &Flow) -> bool {
        self.local == path.local
            || (self.local.ip().is_unspecified()
                && self.local.port() == path.local.port()
                && self.local.is_ipv4() == path.remote.is_ipv4())
    }

    /// Sends without waiting; a full buffer loses the packet, as a network may.
    pub(crate) fn send(&self, path: &Flow, bytes: &[u8]) -> io::Result<()> {
        let source = path.local.ip();
        let sent = if self.local.ip().is_unspecified() && !source.is_unspecified() {
            datagram::send_from(&*self.socket, source, path.remote, bytes)
        } else {
            self.socket.try_send_to(bytes, path.remote)
        };
        match sent {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}
