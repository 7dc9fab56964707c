//! The ban list.
use super::bucket::Micros;
use super::key::Key;
use std::collections::{BTreeMap, VecDeque};

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) reason: String,
    pub(crate) since: Micros,
    pub(crate) until: Option<Micros>,
    pub(crate) dropped: u64,
}

/// Bounded, with expiry; what was entered by hand without an end is never pushed out by others.
#[derive(Debug)]
pub(crate) struct Bans {
    entries: BTreeMap<Key, Entry>,
    /// In the order in which they were made; entries that were lifted or renewed are skipped.
    order: VecDeque<(Key, Micros)>,
    capacity: usize,
}

impl Bans {
    pub(crate) fn new(capacity: usize) -> Self {
        Bans { entries: BTreeMap::new(), order: VecDeque::new(), capacity: capacity.max(1) }
    }

    pub(crate) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
    }

    /// Whether the source is banned now; counts what is dropped because of it.
    pub(crate) fn hit(&mut self, now: Micros, key: Key) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        if entry.until.is_some_and(|until| until <= now) {
            self.entries.remove(&key);
            return false;
        }
        entry.dropped += 1;
        true
    }

    /// The same, for what would go there.
    pub(crate) fn holds(&self, now: Micros, key: Key) -> bool {
        self.entries.get(&key).is_some_and(|entry| entry.until.is_none_or(|until| until > now))
    }

    pub(crate) fn add(&mut self, now: Micros, key: Key, until: Option<Micros>, reason: String) {
        self.entries.remove(&key);
        while self.entries.len() >= self.capacity || self.order.len() >= 2 * self.capacity {
            let Some((oldest, since)) = self.order.pop_front() else { break };
            if self.entries.get(&oldest).is_some_and(|entry| entry.since == since && entry.until.is_some()) {
                self.entries.remove(&oldest);
            }
        }
        self.entries.insert(key, Entry { reason, since: now, until, dropped: 0 });
        self.order.push_back((key, now));
    }

    pub(crate) fn remove(&mut self, now: Micros, key: Key) -> bool {
        self.entries.remove(&key).is_some_and(|entry| entry.until.is_none_or(|until| until > now))
    }

    /// Those in force, the newest first.
    pub(crate) fn list(&mut self, now: Micros) -> Vec<(Key, Entry)> {
        self.purge(now);
        let mut list: Vec<_> = self.entries.iter().map(|(key, entry)| (*key, entry.clone())).collect();
        list.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.since));
        list
    }

    /// How many are in force.
    pub(crate) fn len(&mut self, now: Micros) -> usize {
        self.purge(now);
        self.entries.len()
    }

    fn purge(&mut self, now: Micros) {
        self.entries.retain(|_, entry| entry.until.is_none_or(|until| until > now));
        let entries = &self.entries;
        self.order.retain(|(key, since)| entries.get(key).is_some_and(|entry| entry.since == *since));
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::v4;
    use super::*;

    #[test]
    fn bans_expire_are_lifted_and_bounded() {
        let key = |last| Key::of(v4(last));
        let mut bans = Bans::new(3);
        bans.add(10, key(1), Some(100), "a".into());
        assert!(bans.hit(99, key(1)) && !bans.hit(100, key(1)) && !bans.hit(99, key(2)));
        bans.add(200, key(9), None, "by hand".into());
        for last in 2..8 {
            bans.add(200 + u64::from(last), key(last), Some(1000), "b".into());
            assert!(bans.len(300) <= 3);
        }
        let list = bans.list(300);
        let reasons: Vec<&str> = list.iter().map(|(_, entry)| entry.reason.as_str()).collect();
        assert_eq!(reasons, ["b", "b", "by hand"]);
        assert_eq!(list[0].0, key(7));
        assert!(bans.remove(300, key(9)) && !bans.remove(300, key(9)));
        assert!(!bans.remove(2000, key(7)));
        assert_eq!(bans.len(2000), 0);
    }

    #[test]
    fn the_order_is_bounded_where_one_source_is_banned_again_and_again() {
        let mut bans = Bans::new(4);
        for now in 0..1000 {
            bans.add(now, Key::of(v4(1)), Some(now + 10), "again".into());
        }
        assert!(bans.order.len() <= 8);
        assert_eq!(bans.len(1000), 1);
    }
}
