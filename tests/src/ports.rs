//! Ports for servers and peers: below the range that the system gives out, and below the usual one of the program, so
//! that nobody else takes them in between.
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
};

/// What comes and goes again, and what is kept to the end of the process: apart, since otherwise the second would cut
/// the first into pieces too small for a wide range.
static LEASED: Mutex<Space> = Mutex::new(Space::new(9_000, 7_000));
static KEPT: Mutex<Space> = Mutex::new(Space::new(6_000, 3_000));

/// A part of the ports and what this process holds of it: a port that nobody has bound yet is not free for that.
struct Space {
    first: u16,
    count: u16,
    /// First and last port of each range.
    held: BTreeMap<u16, u16>,
    next: Option<u16>,
}

impl Space {
    const fn new(first: u16, count: u16) -> Self {
        Self { first, count, held: BTreeMap::new(), next: None }
    }

    /// The first of `count` adjacent ports, an even one, that are held from now on.
    fn take(&mut self, count: u16, tcp: bool) -> u16 {
        // Two test runs on one machine begin at different places.
        let mut next = self.next.unwrap_or((std::process::id() % 35) as u16 * (self.count / 35));
        let step = count.next_multiple_of(2);
        for _ in 0..self.count {
            let first = self.first + if next + step > self.count { 0 } else { next.next_multiple_of(2) };
            let last = first + count - 1;
            let held =
                self.held.range(..=last).next_back().map(|(_, held)| *held).filter(|held| *held >= first);
            // Behind what is held, and behind somebody else's port.
            if let Some(busy) = held.or_else(|| (first..=last).rev().find(|port| !is_free(*port, tcp))) {
                next = busy + 1 - self.first;
                continue;
            }
            self.next = Some(first - self.first + step);
            self.held.insert(first, last);
            return first;
        }
        panic!("no {count} free ports in a row; held are {:?}", self.held);
    }
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
        Self { first: LEASED.lock().unwrap_or_else(PoisonError::into_inner).take(count, tcp), count }
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
        LEASED.lock().unwrap_or_else(PoisonError::into_inner).held.remove(&self.first);
    }
}

/// An address of loopback.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The first of a few adjacent ports (even) that are this process's to its end; see [`Lease::take`].
pub fn adjacent(count: u16, tcp: bool) -> u16 {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).take(count, tcp)
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
            // What is kept does not cut it into pieces.
            one();
            assert!(other.last() < wide.first() || other.first() > wide.last(), "{other:?} in {wide:?}");
        }
        let again = wide.range();
        drop(wide);
        let next = Lease::take(4000, false);
        assert_eq!((next.first() % 2, again.start() % 2), (0, 0));
    }
}
