//! Ports for servers and peers: below the range that the system gives out, and below the usual one of the program, so
//! that nobody else takes them in between.
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
};

const FIRST: u16 = 9_000;
const COUNT: u16 = 7_000;

/// What this process holds, as first and last port of each range: a port that nobody has bound yet is not free for that.
static TAKEN: Mutex<Taken> = Mutex::new(Taken { ranges: BTreeMap::new(), next: None });

struct Taken {
    ranges: BTreeMap<u16, u16>,
    next: Option<u16>,
}

/// Adjacent ports that nobody else in this process gets as long as this lives.
#[derive(Debug)]
pub struct Lease {
    first: u16,
    count: u16,
}

impl Lease {
    /// `count` adjacent ports, the first one even, that are free for UDP, and where `tcp` for TCP too.
    pub fn take(count: u16, tcp: bool) -> Self {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        // Two test runs on one machine begin at different places.
        let mut next = taken.next.unwrap_or((std::process::id() % 35) as u16 * 200);
        let step = count.next_multiple_of(2);
        for _ in 0..COUNT {
            let first = FIRST + if next + step > COUNT { 0 } else { next };
            let last = first + count - 1;
            let held = taken.ranges.range(..=last).next_back().filter(|(_, held)| **held >= first);
            if let Some((_, held)) = held {
                next = (held + 1 - FIRST).next_multiple_of(2);
                continue;
            }
            // Somebody else's port: the next range may begin right behind it.
            if let Some(busy) = (first..=last).rev().find(|port| !is_free(*port, tcp)) {
                next = (busy + 1 - FIRST).next_multiple_of(2);
                continue;
            }
            taken.next = Some(first - FIRST + step);
            taken.ranges.insert(first, last);
            return Self { first, count };
        }
        panic!("no {count} free ports in a row");
    }

    /// The first port.
    pub fn first(&self) -> u16 {
        self.first
    }

    /// The last port.
    pub fn last(&self) -> u16 {
        self.first + self.count - 1
    }

    /// All of them.
    pub fn range(&self) -> RangeInclusive<u16> {
        self.first..=self.last()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner).ranges.remove(&self.first);
    }
}

/// An address of loopback.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The first of a few adjacent ports (even) that are this process's to its end; see [`Lease::take`].
pub fn adjacent(count: u16, tcp: bool) -> u16 {
    let lease = Lease::take(count, tcp);
    std::mem::ManuallyDrop::new(lease).first()
}

/// A port that is free for UDP and TCP.
pub fn one() -> u16 {
    adjacent(1, true)
}

fn is_free(port: u16, tcp: bool) -> bool {
    UdpSocket::bind(local(port)).is_ok() && (!tcp || TcpListener::bind(local(port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_what_another_one_holds() {
        let wide = Lease::take(3000, false);
        // Far more than there are, one after another: the search wraps around and steps over what is held.
        for _ in 0..60 {
            let other = Lease::take(228, false);
            assert!(other.last() < wide.first() || other.first() > wide.last(), "{other:?} in {wide:?}");
        }
        let again = wide.range();
        drop(wide);
        let next = Lease::take(4000, false);
        assert_eq!((next.first() % 2, again.start() % 2), (0, 0));
    }
}
