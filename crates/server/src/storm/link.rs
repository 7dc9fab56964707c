//! The one SIP connection of all callers, over UDP or TCP, with the one address that is called.
use super::batch::{Inbox, stamp};
use crate::exit::Failure;
use nix::sys::socket::{setsockopt, sockopt};
use passline_sip::message::{Frame, Framer};
use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    os::fd::AsFd,
};

/// Octets that the kernel keeps for us while we do other things.
pub const BUFFER: usize = 8 << 20;
/// Octets of the longest datagram that is read whole; an answer with a long route fits.
const LONGEST: usize = 4096;
/// Octets that may wait for a connection; a server that does not read gets no more.
const WAITING: usize = 64 << 20;

/// Signalling.
pub enum Link {
    /// Datagrams.
    Udp(UdpSocket, Inbox),
    /// One connection.
    Tcp(Stream),
}

/// A connection with what waits to be sent and to be whole.
pub struct Stream {
    stream: TcpStream,
    framer: Framer,
    waiting: Vec<u8>,
    /// Why it is of no use any more.
    pub broken: Option<String>,
}

impl Link {
    /// Opens it from one of our addresses.
    ///
    /// # Errors
    /// Of the machine.
    pub fn open(local: IpAddr, server: SocketAddr, is_tcp: bool) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::machine(format!("{server}: {e}"));
        if is_tcp {
            let stream = TcpStream::connect(server).map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            stream.set_nonblocking(true).map_err(failed)?;
            let framer = Framer::new(65_535, 256);
            return Ok(Self::Tcp(Stream { stream, framer, waiting: Vec::new(), broken: None }));
        }
        let socket = UdpSocket::bind((local, 0)).map_err(failed)?;
        socket.connect(server).map_err(failed)?;
        prepare(&socket, Some(BUFFER)).map_err(failed)?;
        Ok(Self::Udp(socket, Inbox::new(LONGEST)))
    }

    /// Our address and port.
    ///
    /// # Errors
    /// Of the machine.
    pub fn local(&self) -> Result<SocketAddr, Failure> {
        match self {
            Self::Udp(socket, _) => socket.local_addr(),
            Self::Tcp(stream) => stream.stream.local_addr(),
        }
        .map_err(Failure::machine)
    }

    /// Sends a message. A datagram that the kernel does not take is lost, as on any network.
    pub fn send(&mut self, octets: &[u8]) {
        match self {
            Self::Udp(socket, _) => drop(socket.send(octets)),
            Self::Tcp(stream) => {
                if stream.waiting.len() < WAITING {
                    stream.waiting.extend_from_slice(octets);
                }
                stream.flush();
            }
        }
    }

    /// Hands over what came, each message with its receive time in ns.
    pub fn receive(&mut self, mut take: impl FnMut(&[u8], u64)) {
        match self {
            Self::Udp(socket, inbox) => {
                // A flood of answers must not keep the callers from talking.
                for _ in 0..16 {
                    let more = inbox.receive(socket);
                    inbox.datagrams().for_each(|(octets, _, at)| take(octets, at));
                    if !more {
                        break;
                    }
                }
            }
            Self::Tcp(stream) => {
                stream.flush();
                stream.read(take);
            }
        }
    }

    /// Why nothing can be sent any more.
    pub fn broken(&self) -> Option<&str> {
        match self {
            Self::Udp(..) => None,
            Self::Tcp(stream) => stream.broken.as_deref(),
        }
    }
}

impl Stream {
    fn flush(&mut self) {
        while !self.waiting.is_empty() && self.broken.is_none() {
            match self.stream.write(&self.waiting) {
                Ok(0) => self.broken = Some("the other side closed the connection".into()),
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.broken = Some(error.to_string()),
            }
        }
    }

    fn read(&mut self, mut take: impl FnMut(&[u8], u64)) {
        let mut buffer = [0; 65_536];
        while self.broken.is_none() {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.broken = Some("the other side closed the connection".into()),
                Ok(length) => self.framer.push(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.broken = Some(error.to_string()),
            }
            let at = stamp();
            while let Some(frame) = self.framer.next_frame() {
                match frame {
                    Frame::Message(octets) => take(&octets, at),
                    Frame::Ping => self.waiting.extend_from_slice(b"\r\n"),
                    Frame::Lost { flaw, .. } => self.broken = Some(flaw.sentence.into()),
                }
            }
        }
    }
}

/// Makes a socket ready: it does not block, its datagrams carry their receive times, and with `buffer` many octets of
/// them may wait.
///
/// # Errors
/// Of the machine.
pub fn prepare(socket: &UdpSocket, buffer: Option<usize>) -> std::io::Result<()> {
    socket.set_nonblocking(true)?;
    setsockopt(&socket.as_fd(), sockopt::ReceiveTimestampns, &true)?;
    let Some(buffer) = buffer else { return Ok(()) };
    // More than the system's limit wants a privilege; without it, the limit is taken.
    if setsockopt(&socket.as_fd(), sockopt::RcvBufForce, &buffer).is_err() {
        setsockopt(&socket.as_fd(), sockopt::RcvBuf, &buffer)?;
    }
    Ok(())
}
