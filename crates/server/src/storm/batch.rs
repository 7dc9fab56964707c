//! Datagrams by the batch, with the kernel's receive times.
use nix::{
    cmsg_space,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, recvmsg, sendmmsg},
        time::TimeSpec,
    },
};
use std::{
    io::{IoSlice, IoSliceMut},
    net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket},
    os::fd::AsRawFd,
    time::{SystemTime, UNIX_EPOCH},
};

/// Datagrams of one system call.
const BATCH: usize = 64;
/// Octets of the longest packet that a caller sends, its authentication tag included.
pub const LONGEST: usize = 256;

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
    buffer: Vec<u8>,
    longest: usize,
    got: Vec<(usize, Option<SocketAddr>, u64)>,
}

impl Inbox {
    /// Datagrams of up to `longest` octets (1 at least) are read whole.
    pub fn new(longest: usize) -> Self {
        let longest = longest.max(1);
        Self {
            headers: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            buffer: vec![0; BATCH * longest],
            longest,
            got: Vec::with_capacity(BATCH),
        }
    }

    /// Takes what waits in a socket, a batch at most; true if more may wait.
    pub fn receive(&mut self, socket: &UdpSocket) -> bool {
        let Self { headers, buffer, longest, got } = self;
        got.clear();
        let mut buffers = buffer.chunks_exact_mut(*longest);
        let mut slices: [_; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(buffers.next().unwrap_or_default())]);
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
    pub fn datagrams(&mut self) -> impl Iterator<Item = (&mut [u8], Option<SocketAddr>, u64)> {
        let longest = self.longest;
        self.buffer.chunks_exact_mut(longest).zip(&self.got).map(move |(buffer, (length, from, time))| {
            (buffer.get_mut(..(*length).min(longest)).unwrap_or_default(), *from, *time)
        })
    }
}

/// Packets on their way out by one socket, many with one system call. Nothing is allocated once it is made.
pub struct Outbox {
    headers: MultiHeaders<SockaddrStorage>,
    packets: Vec<[u8; LONGEST]>,
    lengths: [usize; BATCH],
    to: [Option<SockaddrStorage>; BATCH],
    waiting: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            packets: vec![[0; LONGEST]; BATCH],
            lengths: [0; BATCH],
            to: [None; BATCH],
            waiting: 0,
        }
    }
}

impl Outbox {
    /// Takes a packet of at most [`LONGEST`] octets; false if it is full, and so has to be flushed first.
    pub fn push(&mut self, octets: &[u8], to: SockaddrStorage) -> bool {
        let at = self.waiting;
        let (Some(room), Some(length), Some(remote)) =
            (self.packets.get_mut(at), self.lengths.get_mut(at), self.to.get_mut(at))
        else {
            return false;
        };
        *length = octets.len().min(LONGEST);
        room[..*length].copy_from_slice(&octets[..*length]);
        *remote = Some(to);
        self.waiting += 1;
        true
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Sends what waits: how many the kernel took, and how many it did not.
    pub fn flush(&mut self, socket: &UdpSocket) -> (u64, u64) {
        let Self { headers, packets, lengths, to, waiting } = self;
        let count = std::mem::take(waiting);
        let (mut done, mut sent) = (0, 0);
        while done < count {
            let left = count - done;
            let mut octets = packets.iter().zip(lengths.iter()).skip(done);
            let slices: [_; BATCH] = std::array::from_fn(|_| {
                [IoSlice::new(octets.next().map_or(&[][..], |(packet, length)| &packet[..*length]))]
            });
            let flags = MsgFlags::MSG_DONTWAIT;
            let taken = sendmmsg(socket.as_raw_fd(), headers, &slices[..left], &to[done..count], [], flags);
            match taken.map_or(0, |results| results.count()) {
                // The first of them cannot be sent; the others may.
                0 => done += 1,
                taken => {
                    sent += taken as u64;
                    done += taken;
                }
            }
        }
        (sent, count as u64 - sent)
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
        let to = SockaddrStorage::from(socket.local_addr().unwrap());
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut inbox, mut outbox) = (Inbox::new(100), Outbox::default());
        // Twice, since headers are used again.
        for _ in 0..2 {
            let before = stamp();
            let mut count = (0, 0);
            for n in 0..100u8 {
                while !outbox.push(&[n; 3], to) {
                    count = outbox.flush(&sender);
                }
            }
            let rest = outbox.flush(&sender);
            assert_eq!((count, rest, outbox.is_empty()), ((64, 0), (36, 0), true));
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

    #[test]
    fn a_packet_that_cannot_be_sent_does_not_keep_the_others() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let good = SockaddrStorage::from(socket.local_addr().unwrap());
        // No packet goes to port 0.
        let bad = SockaddrStorage::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut outbox = Outbox::default();
        for to in [bad, good, bad, good, good, bad] {
            assert!(outbox.push(b"x", to));
        }
        assert_eq!(outbox.flush(&socket), (3, 3));
        let mut inbox = Inbox::new(10);
        inbox.receive(&socket);
        assert_eq!(inbox.datagrams().count(), 3);
    }
}
