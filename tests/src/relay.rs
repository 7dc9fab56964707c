//! A UDP relay between one caller and a server that loses what a test wants lost: no chance, no privilege.
use crate::ports::local;
use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Decides on a message of the caller (`true`) or the server (`false`) whether it is lost.
pub type Loses = Box<dyn FnMut(bool, &str) -> bool + Send>;

/// A running relay; it ends when dropped.
pub struct Relay {
    /// Where the caller sends.
    pub address: SocketAddr,
    lost: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Stands before a server.
    pub fn start(server: SocketAddr, mut loses: Loses) -> Self {
        let front = UdpSocket::bind(local(0)).expect("a socket");
        let back = UdpSocket::bind(local(0)).expect("a socket");
        let address = front.local_addr().expect("bound");
        let (lost, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, end) = (lost.clone(), over.clone());
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a socket");
        }
        let thread = std::thread::spawn(move || {
            let (mut caller, mut buffer) = (None, [0; 65536]);
            while !end.load(Ordering::Relaxed) {
                if let Ok((length, from)) = front.recv_from(&mut buffer) {
                    caller = Some(from);
                    if loses(true, &String::from_utf8_lossy(&buffer[..length])) {
                        counter.fetch_add(1, Ordering::Relaxed);
                    } else {
                        let _ = back.send_to(&buffer[..length], server);
                    }
                }
                if let (Ok((length, _)), Some(caller)) = (back.recv_from(&mut buffer), caller) {
                    if loses(false, &String::from_utf8_lossy(&buffer[..length])) {
                        counter.fetch_add(1, Ordering::Relaxed);
                    } else {
                        let _ = front.send_to(&buffer[..length], caller);
                    }
                }
            }
        });
        Self { address, lost, over, thread: Some(thread) }
    }

    /// Messages lost so far.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
