//! One receive with its kernel time stamp, one send from a given address.
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg, sendmsg,
};
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// Octets for a time stamp and an IPv6 packet info, with their headers.
const CONTROL: usize = 128;

/// One datagram.
pub(crate) struct Datagram {
    pub(crate) length: usize,
    pub(crate) from: SocketAddr,
    /// Kernel receive time since the Unix epoch.
    pub(crate) stamp: Option<Duration>,
    /// Our address that it was sent to, where the socket asks for it.
    pub(crate) to: Option<IpAddr>,
}

/// Receives without waiting. `Ok(None)`: nothing there. Errors of earlier sends (ICMP) are passed over.
pub(crate) fn receive(socket: &impl AsRawFd, buffer: &mut [u8]) -> Option<Datagram> {
    for _ in 0..4 {
        match receive_once(socket.as_raw_fd(), buffer) {
            Ok(datagram) => return Some(datagram),
            Err(Errno::EINTR | Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => {}
            Err(_) => return None,
        }
    }
    None
}

fn receive_once(fd: RawFd, buffer: &mut [u8]) -> Result<Datagram, Errno> {
    let mut control = [0u8; CONTROL];
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
    let mut datagram = Datagram {
        length: message.bytes,
        from: message.address.and_then(address).ok_or(Errno::EINVAL)?,
        stamp: None,
        to: None,
    };
    if let Ok(messages) = message.cmsgs() {
        for message in messages {
            match message {
                ControlMessageOwned::ScmTimestampns(stamp) => {
                    datagram.stamp = Some(Duration::from(stamp));
                }
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    let octets = info.ipi_addr.s_addr.to_ne_bytes();
                    datagram.to = Some(IpAddr::V4(Ipv4Addr::from(octets)));
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    datagram.to = Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
                }
                _ => {}
            }
        }
    }
    Ok(datagram)
}

fn address(storage: SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::V4(SocketAddrV4::from(*v4)));
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(SocketAddr::V6(SocketAddrV6::from(*v6)))
}

/// Sends without waiting, from our address `source`, by a socket that is bound to the unspecified address.
pub(crate) fn send_from(
    socket: &impl AsRawFd,
    source: IpAddr,
    to: SocketAddr,
    packet: &[u8],
) -> std::io::Result<usize> {
    let slices = [IoSlice::new(packet)];
    let fd = socket.as_raw_fd();
    let sent = match (source, to) {
        (IpAddr::V4(source), SocketAddr::V4(to)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            let to = SockaddrIn::from(to);
            let control = [ControlMessage::Ipv4PacketInfo(&info)];
            sendmsg(fd, &slices, &control, MsgFlags::MSG_DONTWAIT, Some(&to))
        }
        (IpAddr::V6(source), SocketAddr::V6(to)) => {
            let info =
                libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: 0 };
            let to = SockaddrIn6::from(to);
            let control = [ControlMessage::Ipv6PacketInfo(&info)];
            sendmsg(fd, &slices, &control, MsgFlags::MSG_DONTWAIT, Some(&to))
        }
        _ => Err(Errno::EAFNOSUPPORT),
    };
    Ok(sent?)
}
