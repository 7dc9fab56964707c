//! Who has shown that it receives what we send to its address, and what the others may get (RFC 3261 says nothing of
//! it; RFC 9000 §8 has the idea for QUIC): no more octets than came from there.
use super::bucket::Micros;
use super::generations::Generations;
use super::key::Key;
use std::hash::{BuildHasher, RandomState};

/// How long a source counts as verified after it last showed one of our tags.
const VERIFIED: Micros = 600_000_000;
/// What a dialog whose peer is verified may cost at another address that its Contact names, in octets.
const ELSEWHERE: u16 = 4000;
/// A provisional response to an unverified source leaves at least this for the final one: once it has heard of us, it
/// no longer repeats its INVITE, and nothing would pay for the answer.
const RESERVE: i64 = 1400;
/// Octets that a source can have to its credit.
const MOST: i64 = 65_536;

/// The accounts. All tables are bounded; what is forgotten is an account of zero.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Until when a source counts as verified.
    verified: Generations<Key, Micros>,
    /// Octets that a source sent and did not get back.
    credit: Generations<Key, i64>,
    /// Tags of ours that went to an address: the hash of both.
    sent: Generations<u64, ()>,
    /// Tags of ours that came back from somewhere, and of requests that we began: what they may cost elsewhere.
    dialogs: Generations<u64, u16>,
    hasher: RandomState,
}

impl Ledger {
    pub(crate) fn new(sources: usize) -> Self {
        Ledger {
            verified: Generations::new(sources),
            credit: Generations::new(sources),
            sent: Generations::new(2 * sources),
            dialogs: Generations::new(sources),
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn resize(&mut self, sources: usize) {
        self.verified.resize(sources);
        self.credit.resize(sources);
        self.sent.resize(2 * sources);
        self.dialogs.resize(sources);
    }

    pub(crate) fn is_verified(&mut self, now: Micros, key: Key) -> bool {
        self.verified.get(key).is_some_and(|until| *until > now)
    }

    /// It has just been shown that the source is where it says.
    fn verify(&mut self, now: Micros, key: Key) {
        self.verify_for(now, key, VERIFIED);
    }

    /// The same, for longer; never shortens what is known.
    pub(crate) fn verify_for(&mut self, now: Micros, key: Key, lasts: Micros) {
        let until = self.verified.entry(key, || 0);
        *until = (*until).max(now + lasts);
    }

    /// A message with our tag goes to a verified source.
    pub(crate) fn note(&mut self, key: Key, tag: &[u8]) {
        if !tag.is_empty() {
            let place = self.at(key, tag);
            self.sent.entry(place, || ());
        }
    }

    pub(crate) fn forget(&mut self, key: Key) {
        self.verified.remove(key);
        self.credit.remove(key);
    }

    /// Octets came from an unverified source.
    pub(crate) fn received(&mut self, key: Key, octets: usize) {
        let credit = self.credit.entry(key, || 0);
        *credit = (*credit + octets as i64).min(MOST);
    }

    /// A message from `key` bears this tag, which is ours if it is any good; true if that verifies the source.
    pub(crate) fn shown(&mut self, now: Micros, key: Key, tag: &[u8]) -> bool {
        if tag.is_empty() || self.sent.get(self.at(key, tag)).is_none() {
            return false;
        }
        self.verify(now, key);
        let dialog = self.hash(tag);
        self.dialogs.entry(dialog, || ELSEWHERE);
        true
    }

    /// We send a request of our own making, outside of any dialog, to a place that the configuration or a registered
    /// peer named.
    pub(crate) fn begins(&mut self, now: Micros, key: Key, tag: &[u8]) {
        self.verify(now, key);
        let (dialog, place) = (self.hash(tag), self.at(key, tag));
        self.dialogs.insert(dialog, ELSEWHERE);
        self.sent.insert(place, ());
    }

    /// Whether a message of ours with our tag may go to an unverified source, and books it.
    pub(crate) fn may_send(&mut self, key: Key, tag: &[u8], octets: usize, is_provisional: bool) -> bool {
        let credit = self.credit.entry(key, || 0);
        let rest = *credit - octets as i64;
        let limit = if is_provisional { RESERVE } else { 0 };
        if rest >= limit {
            *credit = rest;
        } else if tag.is_empty() || is_provisional || !self.spend(tag, octets) {
            return false;
        }
        self.note(key, tag);
        true
    }

    fn spend(&mut self, tag: &[u8], octets: usize) -> bool {
        let dialog = self.hash(tag);
        let octets = u16::try_from(octets).unwrap_or(u16::MAX);
        match self.dialogs.get(dialog) {
            Some(left) if *left >= octets => {
                *left -= octets;
                true
            }
            _ => false,
        }
    }

    fn hash(&self, tag: &[u8]) -> u64 {
        self.hasher.hash_one(tag)
    }

    fn at(&self, key: Key, tag: &[u8]) -> u64 {
        self.hasher.hash_one((key, tag))
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::v4;
    use super::*;

    #[test]
    fn an_unverified_source_never_gets_more_than_it_sent() {
        let key = Key::of(v4(1));
        let mut ledger = Ledger::new(100);
        assert!(!ledger.may_send(key, b"t", 1, false));
        ledger.received(key, 900);
        assert!(!ledger.may_send(key, b"t", 300, true), "a provisional response would leave too little");
        assert!(ledger.may_send(key, b"t", 700, false));
        assert!(!ledger.may_send(key, b"t", 700, false), "its repetition is beyond the account");
        ledger.received(key, 900);
        assert!(ledger.may_send(key, b"t", 700, false));
        // However much it sends beforehand.
        ledger.received(key, 10_000_000);
        let sent = (0..1000).filter(|_| ledger.may_send(key, b"t", 1000, false)).count();
        assert!(sent <= 65, "{sent}");
    }

    #[test]
    fn a_tag_that_comes_back_verifies_only_the_source_it_was_sent_to() {
        let (peer, victim) = (Key::of(v4(1)), Key::of(v4(2)));
        let mut ledger = Ledger::new(100);
        ledger.received(peer, 1000);
        assert!(ledger.may_send(peer, b"tag", 900, false));
        assert!(!ledger.shown(0, victim, b"tag"), "an attacker knows its own dialog's tag");
        assert!(!ledger.shown(0, peer, b"other") && !ledger.shown(0, peer, b""));
        assert!(ledger.shown(0, peer, b"tag"));
        assert!(ledger.is_verified(VERIFIED - 1, peer) && !ledger.is_verified(VERIFIED, peer));
        // Its Contact may name another place; that costs so much at most.
        let sent = (0..100).filter(|_| ledger.may_send(victim, b"tag", 500, false)).count();
        assert_eq!(sent, 8);
        assert!(ledger.shown(1, victim, b"tag"), "what answers there is verified");
    }

    #[test]
    fn whom_we_call_is_no_stranger() {
        let key = Key::of(v4(1));
        let mut ledger = Ledger::new(100);
        ledger.begins(0, key, b"ours");
        assert!(ledger.is_verified(1, key));
    }
}
