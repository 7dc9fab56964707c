//! A bounded table that forgets what was not touched for longest, at a constant cost.
use std::collections::HashMap;
use std::hash::Hash;

/// Two tables: what is touched moves into the young one; when that is full, it becomes the old one, and the old one
/// is forgotten. The hashes are keyed at random, so nobody can make entries collide.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq + Copy, V> Generations<K, V> {
    /// Room for `capacity` entries; at least half as many of the last touched ones are there at any time.
    pub(crate) fn new(capacity: usize) -> Self {
        Generations { young: HashMap::new(), old: HashMap::new(), half: (capacity / 2).max(1) }
    }

    /// Another capacity from now on.
    pub(crate) fn resize(&mut self, capacity: usize) {
        self.half = (capacity / 2).max(1);
    }

    /// The entry, if it is remembered.
    pub(crate) fn get(&mut self, key: K) -> Option<&mut V> {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key)?;
            self.insert(key, value);
        }
        self.young.get_mut(&key)
    }

    /// The entry, made if it is new.
    pub(crate) fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_else(make);
            self.make_room();
            return self.young.entry(key).or_insert(value);
        }
        self.young.entry(key).or_insert_with(make)
    }

    /// Puts an entry in.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        self.make_room();
        self.young.insert(key, value);
    }

    /// Forgets an entry.
    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let old = self.old.remove(&key);
        self.young.remove(&key).or(old)
    }

    /// Entries remembered.
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn make_room(&mut self) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_touched_stay_and_the_number_is_bounded() {
        let mut table = Generations::new(100);
        for key in 0..10_000u32 {
            table.insert(key, key);
            assert_eq!(table.get(7).copied(), (key >= 7).then_some(7), "{key}");
            assert!(table.len() <= 100);
        }
        assert!((9_960..10_000).all(|key| table.get(key).is_some()));
        assert!(table.get(5_000).is_none());
        *table.entry(9_999, || 0) += 1;
        assert_eq!(table.remove(9_999), Some(10_000));
        assert_eq!(table.get(9_999), None);
    }
}
