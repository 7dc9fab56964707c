//! Whose packets are taken: symmetric RTP, locked to the first valid source.
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How long the negotiated source has the first right when its address is the one the signalling came from.
const PREFERENCE: Duration = Duration::from_secs(1);

/// The source that a stream listens to.
///
/// The negotiated address locks at once. A different port or address is accepted only if it is the address the
/// signalling came from (a caller behind NAT): at once if the description names some other (private) address,
/// after one second if it names the same one. Then nothing moves the lock but a re-INVITE; all other packets are
/// foreign (RTP bleed, CVE-2017-14099).
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceLock {
    negotiated: SocketAddr,
    signalling: IpAddr,
    since: Instant,
    locked: Option<SocketAddr>,
}

impl SourceLock {
    /// Not yet locked.
    pub(crate) fn new(now: Instant, negotiated: SocketAddr, signalling: IpAddr) -> Self {
        SourceLock { negotiated, signalling, since: now, locked: None }
    }

    /// Whether a packet from `from` may be looked at.
    pub(crate) fn admits(&self, at: Instant, from: SocketAddr) -> bool {
        if let Some(locked) = self.locked {
            return from == locked;
        }
        if from == self.negotiated {
            return true;
        }
        from.ip() == self.signalling
            && (self.negotiated.ip() != self.signalling
                || at.saturating_duration_since(self.since) >= PREFERENCE)
    }

    /// A packet that `admits` let through was valid: lock to its source.
    pub(crate) fn confirm(&mut self, from: SocketAddr) {
        self.locked.get_or_insert(from);
    }

    /// Where our own packets go.
    pub(crate) fn destination(&self) -> SocketAddr {
        self.locked.unwrap_or(self.negotiated)
    }

    /// What the session description said.
    pub(crate) fn negotiated(&self) -> SocketAddr {
        self.negotiated
    }

    /// Whether a valid packet has come.
    pub(crate) fn is_locked(&self) -> bool {
        self.locked.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests_epoch;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("a test address")
    }

    fn admitted(lock: &mut SourceLock, at: Instant, from: &str) -> bool {
        let from = address(from);
        let admitted = lock.admits(at, from);
        if admitted {
            lock.confirm(from);
        }
        admitted
    }

    #[test]
    fn the_negotiated_source_locks_and_others_are_foreign() {
        let now = tests_epoch();
        let mut lock = SourceLock::new(now, address("192.0.2.1:4000"), address("192.0.2.1:0").ip());
        assert!(!admitted(&mut lock, now, "198.51.100.9:4000"));
        assert!(!admitted(&mut lock, now, "192.0.2.1:4002"));
        assert!(admitted(&mut lock, now, "192.0.2.1:4000"));
        let later = now + Duration::from_secs(5);
        assert!(!admitted(&mut lock, later, "192.0.2.1:4002"));
        assert!(!admitted(&mut lock, later, "198.51.100.9:4000"));
        assert_eq!(lock.destination(), address("192.0.2.1:4000"));
    }

    #[test]
    fn behind_nat_the_signalling_address_locks_and_never_moves() {
        let now = tests_epoch();
        let mut lock = SourceLock::new(now, address("10.0.0.5:4000"), address("203.0.113.7:0").ip());
        assert!(!admitted(&mut lock, now, "198.51.100.9:4000"));
        assert!(admitted(&mut lock, now, "203.0.113.7:61000"));
        assert!(lock.is_locked());
        assert!(!admitted(&mut lock, now, "10.0.0.5:4000"));
        assert!(!admitted(&mut lock, now, "203.0.113.7:61002"));
        assert_eq!(lock.destination(), address("203.0.113.7:61000"));
    }

    #[test]
    fn another_port_of_the_same_host_must_wait() {
        let now = tests_epoch();
        let mut lock = SourceLock::new(now, address("192.0.2.1:4000"), address("192.0.2.1:0").ip());
        assert!(!admitted(&mut lock, now + Duration::from_millis(900), "192.0.2.1:5000"));
        assert!(admitted(&mut lock, now + Duration::from_millis(1100), "192.0.2.1:5000"));
    }
}
