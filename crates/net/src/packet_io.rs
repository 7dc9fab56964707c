//! Datagrams in batches: many packets for one call of the kernel.
//!
//! Linux's recvmmsg and sendmmsg where the kernel lets us, else one packet a call. Almost all unsafe code of the
//! house is here: the kernel wants arrays of pointers, which are set anew before each call and used by nobody after it.
use nix::errno::Errno;
use nix::libc::{self, c_int, c_uint, c_void, iovec, mmsghdr, socklen_t};
use passline_engine::PACKET;
use std::mem::{size_of, zeroed};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// Packets in one call of the kernel.
pub(crate) const BATCH: usize = 32;
/// Octets for a time stamp and a type of service, with their headers.
const CONTROL: usize = 64;

/// How packets pass between us and the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PacketIoKind {
    /// What the kernel allows, the best first.
    #[default]
    Auto,
    /// recvmmsg and sendmmsg.
    Mmsg,
    /// recvmsg and sendto.
    Single,
}

impl PacketIoKind {
    /// What `Auto` comes to here. A locked-down host (seccomp, gVisor) may know no sendmmsg.
    pub(crate) fn chosen(self) -> PacketIoKind {
        match self {
            PacketIoKind::Auto => {
                // No socket, no packet: a kernel that knows the call looks at the descriptor and says EBADF.
                // SAFETY: no message is read or written, since there is none.
                let answer = unsafe { libc::sendmmsg(-1, std::ptr::null_mut(), 0, 0) };
                match (answer, Errno::last()) {
                    (-1, Errno::ENOSYS | Errno::EPERM | Errno::EACCES) => PacketIoKind::Single,
                    _ => PacketIoKind::Mmsg,
                }
            }
            forced => forced,
        }
    }

    /// Its name in log and configuration.
    pub fn name(self) -> &'static str {
        match self {
            PacketIoKind::Auto => "auto",
            PacketIoKind::Mmsg => "mmsg",
            PacketIoKind::Single => "single",
        }
    }
}

/// Has an IPv4 socket send its packets whole or not at all (DF, RFC 791 §3.1), whatever is known of the path: what is
/// shorter than any path's limit, as packets of audio are, need neither be compared with it nor be numbered for the case
/// that it is cut (RFC 6864 §4). A kernel that does not know this sends them all the same.
pub fn send_whole(socket: &impl AsRawFd) {
    let probe = libc::IP_PMTUDISC_PROBE;
    // SAFETY: the kernel reads one integer of our own, as long as we say.
    let _ = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const probe).cast::<c_void>(),
            size_of::<c_int>() as socklen_t,
        )
    };
}

/// Room for an address of either family.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Name {
    fn new(address: SocketAddr) -> (Name, socklen_t) {
        match address {
            SocketAddr::V4(address) => {
                let v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                    sin_zero: [0; 8],
                };
                (Name { v4 }, size_of::<libc::sockaddr_in>() as socklen_t)
            }
            SocketAddr::V6(address) => {
                let v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                    sin6_scope_id: address.scope_id(),
                };
                (Name { v6 }, size_of::<libc::sockaddr_in6>() as socklen_t)
            }
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        // SAFETY: both kinds begin with the family, and any octets make a valid value of either.
        let family = c_int::from(unsafe { self.v4.sin_family });
        match family {
            libc::AF_INET => {
                // SAFETY: the family says so.
                let v4 = unsafe { self.v4 };
                let ip = v4.sin_addr.s_addr.to_ne_bytes().into();
                Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
            }
            libc::AF_INET6 => {
                // SAFETY: the family says so.
                let v6 = unsafe { self.v6 };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Some(SocketAddr::V6(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id)))
            }
            _ => None,
        }
    }
}

/// Room for ancillary data, aligned as its headers are.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// The arrays that the kernel reads and writes.
struct Slots {
    headers: Box<[mmsghdr]>,
    pieces: Box<[iovec]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    octets: Box<[u8]>,
}

// SAFETY: the pointers in headers and pieces lead into the boxes beside them, are set before each use, and are used by
// nobody in between.
unsafe impl Send for Slots {}

impl Slots {
    fn new() -> Slots {
        // SAFETY: all of these are plain C structures, for which zeroes are a valid value.
        let (header, piece, name): (mmsghdr, iovec, Name) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Slots {
            headers: vec![header; BATCH].into(),
            pieces: vec![piece; BATCH].into(),
            names: vec![name; BATCH].into(),
            controls: vec![Control([0; CONTROL]); BATCH].into(),
            octets: vec![0; BATCH * PACKET].into(),
        }
    }

    /// Points the header at its own room: so many octets, an address of so many.
    fn point(&mut self, at: usize, octets: usize, name: socklen_t, control: usize) {
        self.pieces[at] = iovec {
            iov_base: self.octets[at * PACKET..][..PACKET].as_mut_ptr().cast::<c_void>(),
            iov_len: octets.min(PACKET),
        };
        let header = &mut self.headers[at].msg_hdr;
        header.msg_name = (&raw mut self.names[at]).cast::<c_void>();
        header.msg_namelen = name;
        header.msg_iov = &raw mut self.pieces[at];
        header.msg_iovlen = 1;
        header.msg_control = match control {
            0 => std::ptr::null_mut(),
            _ => (&raw mut self.controls[at]).cast::<c_void>(),
        };
        header.msg_controllen = control as _;
        header.msg_flags = 0;
    }
}

/// Packets just received.
pub(crate) struct Inbox {
    kind: PacketIoKind,
    slots: Slots,
}

/// One packet of an [`Inbox`].
pub(crate) struct Arrived<'a> {
    pub(crate) from: SocketAddr,
    /// Kernel receive time since the Unix epoch.
    pub(crate) stamp: Option<Duration>,
    /// Type of service or traffic class (RFC 2474), where the socket asks for it.
    pub(crate) tos: Option<u8>,
    pub(crate) octets: &'a [u8],
}

impl Inbox {
    /// All memory is taken here.
    pub(crate) fn new(kind: PacketIoKind) -> Inbox {
        Inbox { kind: kind.chosen(), slots: Slots::new() }
    }

    /// Receives at most `most` packets without waiting; less than that: the socket is empty now. Errors of earlier sends
    /// (ICMP) are passed over.
    pub(crate) fn receive(&mut self, socket: RawFd, most: usize) -> usize {
        let most = most.min(BATCH);
        match self.kind {
            PacketIoKind::Single => (0..most).take_while(|at| self.receive_from(socket, *at, 1) == 1).count(),
            _ => self.receive_from(socket, 0, most),
        }
    }

    fn receive_from(&mut self, socket: RawFd, first: usize, count: usize) -> usize {
        for at in first..first + count {
            self.slots.point(at, PACKET, size_of::<Name>() as socklen_t, CONTROL);
        }
        for _ in 0..4 {
            let headers = &mut self.slots.headers[first..first + count];
            let received = match self.kind {
                PacketIoKind::Single => {
                    // SAFETY: the header points at room of our own, as long as it says.
                    let length =
                        unsafe { libc::recvmsg(socket, &mut headers[0].msg_hdr, libc::MSG_DONTWAIT) };
                    headers[0].msg_len = c_uint::try_from(length).unwrap_or(0);
                    if length < 0 { -1 } else { 1 }
                }
                // SAFETY: `count` headers, each pointing at room of our own, as long as it says.
                _ => unsafe {
                    libc::recvmmsg(
                        socket,
                        headers.as_mut_ptr(),
                        count as c_uint,
                        libc::MSG_DONTWAIT,
                        std::ptr::null_mut(),
                    )
                },
            };
            if let Ok(received) = usize::try_from(received) {
                return received.min(count);
            }
            let passing = matches!(
                Errno::last(),
                Errno::EINTR | Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH
            );
            if !passing {
                return 0;
            }
        }
        0
    }

    /// The packet at this place of those just received; `None` if its sender has no address that we know.
    #[inline]
    pub(crate) fn packet(&self, at: usize) -> Option<Arrived<'_>> {
        let header = self.slots.headers.get(at)?;
        let length = (header.msg_len as usize).min(PACKET);
        let (stamp, tos) = ancillary(&header.msg_hdr);
        Some(Arrived {
            from: self.slots.names[at].address()?,
            stamp,
            tos,
            octets: &self.slots.octets[at * PACKET..][..length],
        })
    }
}

/// Time stamp and type of service of a packet.
fn ancillary(header: &libc::msghdr) -> (Option<Duration>, Option<u8>) {
    let (mut stamp, mut tos) = (None, None);
    // SAFETY: the kernel wrote the ancillary data and its length; each header's data is as long as its kind demands, and
    // is read without asking for its alignment.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(header);
        while let Some(message) = next.as_ref() {
            let data = libc::CMSG_DATA(message);
            match (message.cmsg_level, message.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let time = data.cast::<libc::timespec>().read_unaligned();
                    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
                    stamp = Some(Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0)));
                }
                (libc::IPPROTO_IP, libc::IP_TOS) => tos = Some(data.read()),
                (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    tos = u8::try_from(data.cast::<c_int>().read_unaligned()).ok();
                }
                _ => {}
            }
            next = libc::CMSG_NXTHDR(header, message);
        }
    }
    (stamp, tos)
}

/// Packets on their way out by one socket.
pub(crate) struct Outbox {
    kind: PacketIoKind,
    slots: Slots,
    socket: RawFd,
    waiting: usize,
    /// Packets and octets that the kernel took, packets that it did not, since they were last asked for.
    counts: Sent,
}

/// What an [`Outbox`] has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    /// An unreachable peer (ICMP) or a full buffer costs this packet; the media time-out ends a dead call.
    pub(crate) refused: u64,
}

impl Outbox {
    /// All memory is taken here.
    pub(crate) fn new(kind: PacketIoKind) -> Outbox {
        Outbox { kind: kind.chosen(), slots: Slots::new(), socket: -1, waiting: 0, counts: Sent::default() }
    }

    /// Takes a packet; those of another socket go out first. A socket must not be closed before [`Outbox::flush`].
    pub(crate) fn push(&mut self, socket: RawFd, to: SocketAddr, packet: &[u8]) {
        if self.socket != socket || self.waiting == BATCH {
            self.flush();
            self.socket = socket;
        }
        let at = self.waiting;
        let length = packet.len().min(PACKET);
        self.slots.octets[at * PACKET..][..length].copy_from_slice(&packet[..length]);
        let (name, size) = Name::new(to);
        self.slots.names[at] = name;
        self.slots.point(at, length, size, 0);
        self.waiting += 1;
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) {
        let count = std::mem::take(&mut self.waiting);
        let mut done = 0;
        let mut again = 0;
        while done < count {
            let headers = &mut self.slots.headers[done..count];
            let sent = if self.kind == PacketIoKind::Single || headers.len() == 1 {
                let header = &headers[0].msg_hdr;
                // SAFETY: the header points at a packet and an address of our own, as long as it says.
                let length = unsafe { libc::sendmsg(self.socket, header, libc::MSG_DONTWAIT) };
                headers[0].msg_len = c_uint::try_from(length).unwrap_or(0);
                if length < 0 { -1 } else { 1 }
            } else {
                // SAFETY: so many headers, each pointing at a packet and an address of our own, as long as they say.
                unsafe {
                    libc::sendmmsg(
                        self.socket,
                        headers.as_mut_ptr(),
                        headers.len() as c_uint,
                        libc::MSG_DONTWAIT,
                    )
                }
            };
            match usize::try_from(sent) {
                Ok(sent) => {
                    let sent = sent.clamp(1, headers.len());
                    self.counts.packets += sent as u64;
                    self.counts.octets +=
                        headers[..sent].iter().map(|header| u64::from(header.msg_len)).sum::<u64>();
                    (done, again) = (done + sent, 0);
                }
                // What an earlier packet met is told to a later one, which then is sent again.
                Err(_) if again < 2 && matches!(Errno::last(), Errno::EINTR | Errno::ECONNREFUSED) => {
                    again += 1
                }
                Err(_) => {
                    self.counts.refused += 1;
                    (done, again) = (done + 1, 0);
                }
            }
        }
    }

    /// What was sent since this was last asked.
    pub(crate) fn take_counts(&mut self) -> Sent {
        std::mem::take(&mut self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{setsockopt, sockopt};
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    fn socket(address: &str) -> UdpSocket {
        let socket = UdpSocket::bind(address).expect("a free port");
        socket.set_nonblocking(true).expect("possible");
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).expect("possible");
        socket
    }

    #[test]
    fn packets_go_and_come_in_batches_with_their_senders_and_times() {
        for kind in [PacketIoKind::Auto, PacketIoKind::Mmsg, PacketIoKind::Single] {
            for address in ["127.0.0.1:0", "[::1]:0"] {
                let (one, two, three) = (socket(address), socket(address), socket(address));
                let to = three.local_addr().expect("bound");
                let mut outbox = Outbox::new(kind);
                for n in 0..BATCH + 5 {
                    outbox.push(one.as_raw_fd(), to, &vec![1; 100 + n]);
                }
                outbox.push(two.as_raw_fd(), to, &[2; 7]);
                outbox.push(two.as_raw_fd(), to, &[2; PACKET]);
                outbox.flush();
                let octets = (0..BATCH + 5).map(|n| 100 + n as u64).sum::<u64>() + 7 + PACKET as u64;
                let all = BATCH + 7;
                assert_eq!(outbox.take_counts(), Sent { packets: all as u64, octets, refused: 0 });
                let mut inbox = Inbox::new(kind);
                let mut seen = Vec::new();
                loop {
                    let count = inbox.receive(three.as_raw_fd(), 10);
                    for at in 0..count {
                        let packet = inbox.packet(at).expect("an address");
                        assert!(packet.stamp.is_some());
                        seen.push((packet.from, packet.octets.len()));
                        let sender = if packet.from == two.local_addr().expect("bound") { 2 } else { 1 };
                        assert!(packet.octets.iter().all(|octet| *octet == sender));
                    }
                    if count < 10 {
                        break;
                    }
                }
                assert_eq!(seen.len(), all);
                assert_eq!(seen[3], (one.local_addr().expect("bound"), 103));
                assert_eq!(seen[all - 1], (two.local_addr().expect("bound"), PACKET));
            }
        }
    }

    #[test]
    fn a_packet_that_cannot_go_costs_no_other_one() {
        let (one, two) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let mut outbox = Outbox::new(PacketIoKind::Mmsg);
        let to = two.local_addr().expect("bound");
        outbox.push(one.as_raw_fd(), to, b"first");
        // A v4 socket has no way there.
        outbox.push(one.as_raw_fd(), "[2001:db8::1]:9".parse().expect("an address"), b"lost");
        outbox.push(one.as_raw_fd(), to, b"last");
        outbox.flush();
        let counts = outbox.take_counts();
        assert_eq!((counts.packets, counts.refused), (2, 1));
        let mut inbox = Inbox::new(PacketIoKind::Mmsg);
        assert_eq!(inbox.receive(two.as_raw_fd(), BATCH), 2);
        assert_eq!(inbox.packet(1).expect("an address").octets, b"last");
    }
}
