//! Datagrams by the batch, with the kernel's receive times.
use nix::{
    cmsg_space,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, recvmsg},
        time::TimeSpec,
    },
};
use std::{
    io::IoSliceMut,
    net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket},
    os::fd::AsRawFd,
    time::{SystemTime, UNIX_EPOCH},
};

/// Datagrams taken with one system call.
const BATCH: usize = 64;
/// Octets of the longest datagram that is read whole; a SIP answer with a long route fits.
const LONGEST: usize = 4096;

/// Real time in ns, the clock of the kernel's receive times.
pub fn stamp() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

fn nanos(time: TimeSpec) -> u64 {
    std::time::Duration::from(time).as_nanos() as u64
}

/// The address that a datagram came from.
pub fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddrV4::from(*address).into());
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddrV6::from(*address).into()))
}

/// Where datagrams of one call of [`Inbox::receive`] lie.
pub struct Inbox {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Vec<[u8; LONGEST]>,
    got: Vec<(usize, Option<SocketAddr>, u64)>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            buffers: vec![[0; LONGEST]; BATCH],
            got: Vec::with_capacity(BATCH),
        }
    }
}

impl Inbox {
    /// Takes what waits in a socket, a batch at most; true if more may wait.
    pub fn receive(&mut self, socket: &UdpSocket) -> bool {
        let Self { headers, buffers, got } = self;
        got.clear();
        let mut buffers = buffers.iter_mut();
        let mut slices: [_; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(buffers.next().map_or(&mut [][..], |b| &mut b[..]))]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let Ok(results) = recvmmsg(socket.as_raw_fd(), headers, slices.iter_mut(), flags, None) else {
            return false;
        };
        for message in results {
            let time = message.cmsgs().ok().and_then(|mut all| {
                all.find_map(|control| match control {
                    ControlMessageOwned::ScmTimestampns(time) => Some(nanos(time)),
                    _ => None,
                })
            });
            let from = message.address.as_ref().and_then(address);
            got.push((message.bytes, from, time.unwrap_or_else(stamp)));
        }
        got.len() == BATCH
    }

    /// What was taken: octets, sender, receive time in ns.
    pub fn datagrams(&self) -> impl Iterator<Item = (&[u8], Option<SocketAddr>, u64)> {
        let octets = |buffer: &'_ [u8; LONGEST], length: usize| -> usize { length.min(buffer.len()) };
        self.buffers
            .iter()
            .zip(&self.got)
            .map(move |(buffer, (length, from, time))| (&buffer[..octets(buffer, *length)], *from, *time))
    }
}

/// One datagram of a connected socket: its length in `buffer`, and its receive time in ns.
pub fn receive_one(socket: &UdpSocket, buffer: &mut [u8], control: &mut [u8]) -> Option<(usize, u64)> {
    let mut slices = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(control), flags).ok()?;
    let time = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(time) => Some(nanos(time)),
        _ => None,
    });
    Some((message.bytes, time.unwrap_or_else(stamp)))
}

/// Room for the control message of [`receive_one`].
pub fn control() -> Vec<u8> {
    let mut space = cmsg_space!(TimeSpec);
    space.resize(space.capacity(), 0);
    space
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{setsockopt, sockopt};

    #[test]
    fn datagrams_come_in_order_with_their_senders_and_times() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut inbox = Inbox::default();
        // Twice, since headers are used again.
        for _ in 0..2 {
            let before = stamp();
            for n in 0..100u8 {
                sender.send_to(&[n; 3], socket.local_addr().unwrap()).unwrap();
            }
            let mut seen = Vec::new();
            let mut more = true;
            while more {
                more = inbox.receive(&socket);
                for (octets, from, time) in inbox.datagrams() {
                    assert_eq!((octets.len(), from), (3, sender.local_addr().ok()));
                    assert!(time >= before && time <= stamp());
                    seen.push(octets[0]);
                }
            }
            assert_eq!(seen, (0..100).collect::<Vec<_>>());
        }
    }
}
