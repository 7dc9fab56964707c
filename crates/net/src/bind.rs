//! Makes sockets with the options that telephony needs.
use crate::NetError;
use crate::packet_io::send_whole;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Receive buffer of an RTP socket, in octets as the kernel counts them (about 700 for a packet of 172 octets): more
/// than a second of audio, so that a stall of the process loses nothing.
const RTP_BUFFER: usize = 128 * 1024;
/// The same of one that several calls share.
const SHARED_BUFFER: usize = 16 * RTP_BUFFER;
/// Receive buffer of a SIP UDP socket: bursts of thousands of INVITEs.
const SIP_BUFFER: usize = 4 * 1024 * 1024;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// The two sockets of one stream.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
}

/// Binds `port` and `port + 1`, for one call or for several.
pub(crate) fn rtp_pair(address: IpAddr, port: u16, dscp: u8, shared: bool) -> io::Result<Pair> {
    let buffer = if shared { SHARED_BUFFER } else { RTP_BUFFER };
    let odd = port.checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
    let rtp = udp(SocketAddr::new(address, port), dscp, buffer)?;
    tell_marks(&rtp, address.is_ipv4(), true);
    send_whole(&rtp);
    Ok(Pair { rtp, rtcp: udp(SocketAddr::new(address, odd), dscp, buffer / 4)? })
}

/// A SIP socket for datagrams.
pub(crate) fn sip_udp(address: SocketAddr, dscp: u8) -> Result<UdpSocket, NetError> {
    let socket = udp(address, dscp, SIP_BUFFER).map_err(|source| refused("UDP", address, source))?;
    if address.ip().is_unspecified() {
        // Which of our addresses the packet was sent to: the answer must come from there.
        let wanted = match address {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true),
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true),
        };
        wanted.map_err(|error| refused("UDP", address, error.into()))?;
    }
    Ok(socket)
}

/// A SIP socket for connections.
pub(crate) fn sip_tcp(
    transport: &'static str,
    address: SocketAddr,
    dscp: u8,
) -> Result<std::net::TcpListener, NetError> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        mark(&socket, address, dscp);
        // Else a restart would have to wait for old connections to time out.
        socket.set_reuse_address(true)?;
        only_v6(&socket, address)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(std::net::TcpListener::from(socket))
    };
    listen().map_err(|source| refused(transport, address, source))
}

fn udp(address: SocketAddr, dscp: u8, buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    mark(&socket, address, dscp);
    // The kernel may give less (net.core.rmem_max) to those who may not ask for more than that (CAP_NET_ADMIN); then a
    // longer stall loses packets, which is no reason not to run.
    if setsockopt(&socket, sockopt::RcvBufForce, &buffer).is_err() {
        let _ = socket.set_recv_buffer_size(buffer);
    }
    only_v6(&socket, address)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from(socket);
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    Ok(socket)
}

/// Has the kernel tell how received packets are marked, or no longer; where it does not, that is not known of a call.
pub(crate) fn tell_marks(socket: &UdpSocket, is_v4: bool, tell: bool) {
    let reference = socket2::SockRef::from(socket);
    let asked = if is_v4 { reference.set_recv_tos_v4(tell) } else { reference.set_recv_tclass_v6(tell) };
    if let Err(error) = asked {
        tracing::debug!(%error, "cannot learn DSCP of received packets");
    }
}

fn only_v6(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(())
}

/// Sets the code point (RFC 2474 §3: the upper six bits); a container may forbid it, which costs priority only.
fn mark(socket: &Socket, address: SocketAddr, dscp: u8) {
    let tos = u32::from(dscp & 0x3F) << 2;
    let done = match address {
        SocketAddr::V4(_) => socket.set_tos_v4(tos),
        SocketAddr::V6(_) => socket.set_tclass_v6(tos),
    };
    if let Err(error) = done {
        tracing::debug!(%error, "cannot set DSCP");
    }
}

fn refused(transport: &'static str, address: SocketAddr, source: io::Error) -> NetError {
    let remedy = match source.kind() {
        io::ErrorKind::AddrInUse => "The port is in use: stop the other program, or set another SIP port",
        io::ErrorKind::PermissionDenied => {
            "Not permitted: ports below 1024 need CAP_NET_BIND_SERVICE; set a higher port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "This machine has no such address: set one that `ip address` shows"
        }
        _ => "Set another SIP address",
    };
    NetError::Bind { transport, address, source, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_port_in_use_is_named_with_its_remedy() {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let first = sip_udp(loopback, 24).expect("a free port");
        let taken = first.local_addr().expect("bound");
        let error = sip_udp(taken, 24).expect_err("in use");
        let text = error.to_string();
        assert!(text.contains(&taken.to_string()) && text.contains("in use"), "{text}");
        let listener = sip_tcp("TCP", loopback, 24).expect("a free port");
        let taken = listener.local_addr().expect("bound");
        assert!(sip_tcp("TCP", taken, 24).is_err());
    }

    #[test]
    fn rtp_packets_are_marked_expedited() {
        let socket = udp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 46, RTP_BUFFER).expect("bound");
        let socket = Socket::from(socket);
        assert_eq!(socket.tos_v4().expect("readable"), 46 << 2);
    }
}
