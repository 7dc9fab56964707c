//! Calls that strangers began and nobody has confirmed: each holds a port and a place among the calls.
use super::bucket::Micros;
use super::key::Key;
use std::collections::{BTreeMap, VecDeque};

/// Without an ACK our user agent gives up after 64·T1 (RFC 3261 §13.3.1.4).
const GIVEN_UP: Micros = 32_000_000;

/// The calls by a hash of source and Call-ID.
#[derive(Debug, Default)]
pub(crate) struct HalfOpen {
    calls: BTreeMap<u64, Key>,
    of_source: BTreeMap<Key, usize>,
    order: VecDeque<(Micros, u64)>,
}

impl HalfOpen {
    /// Whether this INVITE may go on: it is a repetition, or there is room.
    pub(crate) fn begin(
        &mut self,
        now: Micros,
        call: u64,
        key: Key,
        most: usize,
        most_of_one: usize,
    ) -> bool {
        self.expire(now);
        if self.calls.contains_key(&call) {
            return true;
        }
        let of_source = self.of_source.get(&key).copied().unwrap_or(0);
        if self.calls.len() >= most || of_source >= most_of_one {
            return false;
        }
        self.calls.insert(call, key);
        self.of_source.insert(key, of_source + 1);
        self.order.push_back((now + GIVEN_UP, call));
        true
    }

    /// Whether this call was begun and is not confirmed.
    pub(crate) fn knows(&self, call: u64) -> bool {
        self.calls.contains_key(&call)
    }

    /// The call was confirmed, refused or cancelled.
    pub(crate) fn end(&mut self, call: u64) {
        let Some(key) = self.calls.remove(&call) else { return };
        if let Some(count) = self.of_source.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.of_source.remove(&key);
            }
        }
    }

    fn expire(&mut self, now: Micros) {
        while let Some((_, call)) = self.order.front().copied().filter(|(at, _)| *at <= now) {
            self.order.pop_front();
            self.end(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::v4;
    use super::*;

    #[test]
    fn strangers_hold_so_many_places_and_no_more() {
        let mut calls = HalfOpen::default();
        let one = Key::of(v4(1));
        let begun = (0..100).filter(|call| calls.begin(0, *call, one, 10, 4)).count();
        assert_eq!(begun, 4);
        assert!(calls.begin(0, 3, one, 10, 4), "a repetition");
        let others = (100..200).filter(|call| calls.begin(0, *call, Key::of(v4(*call as u8)), 10, 4)).count();
        assert_eq!(others, 6);
        calls.end(0);
        calls.end(0);
        assert!(calls.begin(0, 500, one, 10, 4));
        assert!(!calls.begin(GIVEN_UP - 1, 501, one, 10, 4));
        assert!(calls.begin(GIVEN_UP, 501, one, 10, 4));
        assert!(calls.order.len() <= 11);
    }
}
