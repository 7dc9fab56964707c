//! Ports for servers and peers: below the range that the system gives out, and below the usual one of the program, so
//! that nobody else takes them in between.
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

const FIRST: u16 = 9_000;
const COUNT: u16 = 7_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// An address of loopback.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The first of `count` adjacent ports (even) that are free for UDP, and where `tcp` for TCP too; no other caller of this
/// function in this process gets them.
pub fn adjacent(count: u16, tcp: bool) -> u16 {
    // Two test runs on one machine begin at different places.
    let offset = (std::process::id() % 35) as u16 * 200;
    for _ in 0..500 {
        let step = count.next_multiple_of(2);
        let at = NEXT.fetch_add(step, Ordering::Relaxed).wrapping_add(offset) % (COUNT - step);
        let first = FIRST + at / 2 * 2;
        if (first..first + count).all(|port| is_free(port, tcp)) {
            return first;
        }
    }
    panic!("no {count} free ports in a row");
}

/// A port that is free for UDP and TCP.
pub fn one() -> u16 {
    adjacent(1, true)
}

fn is_free(port: u16, tcp: bool) -> bool {
    UdpSocket::bind(local(port)).is_ok() && (!tcp || TcpListener::bind(local(port)).is_ok())
}
