//! Deadlines of many small machines: one per key, the earliest first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// At most one deadline per key.
#[derive(Debug)]
pub struct Schedule<K> {
    order: BTreeSet<(Instant, K)>,
    at: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> Default for Schedule<K> {
    fn default() -> Self {
        Schedule { order: BTreeSet::new(), at: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Schedule<K> {
    /// Sets, moves or clears the deadline of a key.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        if self.at.get(&key).copied() == at {
            return;
        }
        if let Some(old) = self.at.remove(&key) {
            self.order.remove(&(old, key));
        }
        if let Some(at) = at {
            self.at.insert(key, at);
            self.order.insert((at, key));
        }
    }

    /// Takes the earliest key whose deadline has come.
    pub fn due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.order.pop_first();
        self.at.remove(&key);
        Some(key)
    }

    /// The earliest deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }
}
