//! RTP ports: even, drawn at random, rested before they are used again.
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// The free port pairs of one range. A guesser learns nothing from the ports it was given (RFC 6056): each is drawn
/// from the whole pool by the CSPRNG.
#[derive(Debug)]
pub struct PortPool {
    free: Vec<u16>,
    /// In use by calls.
    taken: BTreeSet<u16>,
    resting: VecDeque<(Instant, u16)>,
    rng: ChaCha20Rng,
    total: usize,
}

/// How long a port that could not be bound rests.
const TAKEN: Duration = Duration::from_secs(30);

impl PortPool {
    /// All pairs (even, even + 1) that lie within `range`.
    pub fn new(range: RangeInclusive<u16>, rng: ChaCha20Rng) -> Self {
        let free: Vec<u16> =
            range.clone().filter(|port| port % 2 == 0 && *port != 0 && range.contains(&(port + 1))).collect();
        PortPool { total: free.len(), free, taken: BTreeSet::new(), resting: VecDeque::new(), rng }
    }

    /// An even port, `None` if all are in use or resting.
    pub fn take(&mut self, now: Instant) -> Option<u16> {
        self.wake(now);
        if self.free.is_empty() {
            return None;
        }
        let index = self.below(self.free.len());
        let port = self.free.swap_remove(index);
        self.taken.insert(port);
        Some(port)
    }

    /// Takes a port back; it rests for `quarantine`, so that late packets of its call meet nobody.
    pub fn give_back(&mut self, now: Instant, port: u16, quarantine: Duration) {
        self.taken.remove(&port);
        let until = now + quarantine;
        let at = self.resting.partition_point(|(other, _)| *other <= until);
        self.resting.insert(at, (until, port));
    }

    /// The port is in use by somebody else; it rests longer.
    pub fn failed(&mut self, now: Instant, port: u16) {
        self.give_back(now, port, TAKEN);
    }

    /// Whether this port, RTP or RTCP, is one of a call of ours now.
    pub fn is_taken(&self, port: u16) -> bool {
        self.taken.contains(&(port & !1))
    }

    /// Pairs not in use by calls, resting ones included.
    pub fn idle(&self) -> usize {
        self.free.len() + self.resting.len()
    }

    /// Pairs in the range.
    pub fn total(&self) -> usize {
        self.total
    }

    fn wake(&mut self, now: Instant) {
        while let Some((until, port)) = self.resting.front().copied() {
            if until > now {
                break;
            }
            self.resting.pop_front();
            self.free.push(port);
        }
    }

    /// Below `bound`, without bias (rejection sampling).
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let draw = self.rng.next_u64();
            if draw < limit {
                return (draw % bound) as usize;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests_epoch;
    use rand_core::SeedableRng;

    #[test]
    fn ports_are_even_distinct_and_come_back_after_their_rest() {
        let now = tests_epoch();
        let mut pool = PortPool::new(16384..=16403, ChaCha20Rng::seed_from_u64(1));
        let mut ports: Vec<u16> = std::iter::from_fn(|| pool.take(now)).collect();
        assert_eq!(ports.len(), 10);
        assert_eq!(pool.idle(), 0);
        let rest = Duration::from_secs(2);
        pool.give_back(now, ports[3], rest);
        assert_eq!(pool.take(now + Duration::from_secs(1)), None);
        assert_eq!(pool.take(now + rest), Some(ports[3]));
        let drawn = ports.clone();
        ports.sort_unstable();
        assert_ne!(drawn, ports);
        ports.dedup();
        assert_eq!(ports, (16384..16404).step_by(2).collect::<Vec<u16>>());
    }

    #[test]
    fn an_odd_range_has_only_whole_pairs() {
        let pool = PortPool::new(10001..=10004, ChaCha20Rng::seed_from_u64(1));
        assert_eq!(pool.total(), 1);
    }
}
