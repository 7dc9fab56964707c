//! The guard: whose octets reach the user agent, and what may go back. A pure machine in the time it is told.
//!
//! Three classes of sources: trusted ones (trunk networks, loopback) pass everything; verified ones (they have shown
//! a tag that we sent to their address, or have logged in) have limits of their own; strangers share limits, so that
//! all of them together cannot take what the others need. A datagram costs one look into each of three tables.

mod bans;
mod bucket;
mod generations;
mod glance;
mod half_open;
mod key;
mod ledger;
mod outgoing;
mod scanner;
mod source;

use crate::{Counters, GuardConfig};
use bans::{Bans, Entry};
use bucket::{Bucket, Micros};
use generations::Generations;
use glance::Glance;
use half_open::HalfOpen;
use key::{Key, Networks};
use ledger::Ledger;
use source::Source;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How much of a message the guard looks at.
const LOOK: usize = 16_384;
/// Who is verified may send so many times as much: a PBX that nobody named has more to say than a phone.
const KNOWN: u32 = 10;
/// News of bans kept until somebody asks.
const NEWS: usize = 256;

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// For the user agent, before those of strangers.
    Known,
    /// For the user agent, if it has time.
    Stranger,
    /// For nobody.
    Dropped,
}

/// What becomes of a connection that sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// For the user agent; read on.
    On,
    /// For the user agent; read on after this pause: the source is beyond its rate.
    After(Duration),
    /// Close it.
    Close,
}

/// A ban as the guard knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Banned {
    pub(crate) source: IpAddr,
    pub(crate) reason: String,
    pub(crate) since: Instant,
    pub(crate) until: Option<Instant>,
    pub(crate) dropped: u64,
}

/// All limits and accounts.
#[derive(Debug)]
pub(crate) struct Guard {
    config: GuardConfig,
    trusted: Networks,
    epoch: Instant,
    sources: Generations<Key, Source>,
    /// Apart from `sources`, so that garbage from forged addresses does not make it forget them.
    garbage: Generations<Key, Bucket>,
    bans: Bans,
    ledger: Ledger,
    half_open: HalfOpen,
    all_messages: Bucket,
    all_invites: Bucket,
    hasher: RandomState,
    counters: Counters,
    news: VecDeque<Banned>,
}

impl Guard {
    pub(crate) fn new(now: Instant, config: GuardConfig) -> Self {
        Guard {
            trusted: Networks::new(&config.trusted),
            epoch: now,
            sources: Generations::new(config.sources),
            garbage: Generations::new(config.sources),
            bans: Bans::new(config.bans),
            ledger: Ledger::new(config.sources),
            half_open: HalfOpen::default(),
            all_messages: Bucket::default(),
            all_invites: Bucket::default(),
            hasher: RandomState::new(),
            counters: Counters::default(),
            news: VecDeque::new(),
            config,
        }
    }

    /// Other limits from now on; bans and accounts stay.
    pub(crate) fn configure(&mut self, config: GuardConfig) {
        self.trusted = Networks::new(&config.trusted);
        self.sources.resize(config.sources);
        self.garbage.resize(config.sources);
        self.bans.resize(config.bans);
        self.ledger.resize(config.sources);
        self.config = config;
    }

    /// A datagram came to a SIP socket.
    pub(crate) fn datagram(&mut self, now: Instant, source: IpAddr, bytes: &[u8]) -> Verdict {
        self.counters.datagrams += 1;
        if self.trusted.contain(source) {
            return Verdict::Known;
        }
        let (now, key) = (self.micros(now), Key::of(source));
        if self.bans.hit(now, key) {
            self.counters.banned += 1;
            return Verdict::Dropped;
        }
        let look = &bytes[..bytes.len().min(LOOK)];
        if !glance::is_sip(look) {
            return self.no_sip(now, key, look);
        }
        let mut rate = self.config.messages;
        if self.ledger.is_verified(now, key) {
            rate = rate.times(KNOWN);
        }
        if !self.sources.entry(key, Source::default).messages.take(now, rate, 1) {
            self.over_rate(now, key);
            return Verdict::Dropped;
        }
        let Some(glance) = Glance::of(look) else { return Verdict::Dropped };
        let is_known = self.recognise(now, key, &glance);
        if !is_known {
            if self.unmask(now, key, &glance) {
                return Verdict::Dropped;
            }
            if !self.all_messages.take(now, self.config.all_messages, 1) {
                self.counters.over_all += 1;
                return Verdict::Dropped;
            }
            self.ledger.received(key, bytes.len());
        }
        if !self.may_begin(now, key, &glance, is_known) || !self.note_login(now, key, &glance) {
            return Verdict::Dropped;
        }
        if is_known { Verdict::Known } else { Verdict::Stranger }
    }

    /// A connection wants to be accepted.
    pub(crate) fn connection(&mut self, now: Instant, source: IpAddr) -> bool {
        if self.trusted.contain(source) {
            return true;
        }
        let (now, key) = (self.micros(now), Key::of(source));
        if self.bans.hit(now, key) {
            self.counters.banned += 1;
            return false;
        }
        let is_within =
            self.sources.entry(key, Source::default).connections.take(now, self.config.connections, 1);
        if !is_within {
            self.over_rate(now, key);
        }
        is_within
    }

    /// Octets of a connection came. TCP makes a sender wait where UDP has to drop.
    pub(crate) fn stream(&mut self, now: Instant, source: IpAddr, bytes: &[u8]) -> Reading {
        if self.trusted.contain(source) {
            return Reading::On;
        }
        let (now, key) = (self.micros(now), Key::of(source));
        if self.bans.hit(now, key) {
            self.counters.banned += 1;
            return Reading::Close;
        }
        let mut pause = Duration::ZERO;
        let mut is_first = true;
        for message in glance::messages(bytes) {
            is_first = false;
            let Some(glance) = Glance::of(message) else { continue };
            let is_known = self.recognise(now, key, &glance);
            if !is_known && self.unmask(now, key, &glance) {
                return Reading::Close;
            }
            let source = self.sources.entry(key, Source::default);
            let is_invite = glance.method.ends_with(b"INVITE") && glance.tag_of_to().is_empty();
            let is_within = source.messages.take(now, self.config.messages, 1)
                && (!is_invite || source.invites.take(now, self.config.invites, 1));
            if !is_within {
                self.counters.over_rate += 1;
                pause = (pause + Duration::from_millis(100)).min(Duration::from_secs(2));
            }
            if is_invite && !self.has_room(now, key, &glance, is_known) {
                // A message of a stream cannot be dropped alone.
                return Reading::Close;
            }
            if !self.note_login(now, key, &glance) {
                return Reading::Close;
            }
        }
        // Parts of a message count too: octet by octet is a way to keep us busy.
        if is_first && !self.sources.entry(key, Source::default).messages.take(now, self.config.messages, 1) {
            self.counters.over_rate += 1;
            pause = Duration::from_millis(100);
        }
        if pause.is_zero() { Reading::On } else { Reading::After(pause) }
    }

    /// Bans by hand.
    pub(crate) fn ban_by_hand(&mut self, now: Instant, source: IpAddr, lasts: Option<Duration>) {
        let now = self.micros(now);
        let until = lasts.map(|lasts| now.saturating_add(lasts.as_micros() as Micros));
        self.bans.add(now, Key::of(source), until, "by hand".to_owned());
    }

    /// Lifts a ban and forgets what the source did; whether there was one.
    pub(crate) fn unban(&mut self, now: Instant, source: IpAddr) -> bool {
        let (now, key) = (self.micros(now), Key::of(source));
        self.sources.remove(key);
        self.garbage.remove(key);
        self.ledger.forget(key);
        self.bans.remove(now, key)
    }

    /// Bans in force, the newest first.
    pub(crate) fn list(&mut self, now: Instant) -> Vec<Banned> {
        let list = self.bans.list(self.micros(now));
        list.into_iter().map(|(key, entry)| self.banned(key, entry)).collect()
    }

    /// A ban that was made since, of its own accord.
    pub(crate) fn poll(&mut self) -> Option<Banned> {
        self.news.pop_front()
    }

    /// Whether [`poll`](Self::poll) has something to tell.
    pub(crate) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The user agent had no time for a datagram that had passed.
    pub(crate) fn was_busy(&mut self) {
        self.counters.busy += 1;
    }

    /// TLS handshakes came to nothing.
    pub(crate) fn handshakes_failed(&mut self, count: u64) {
        self.counters.failed_handshakes += count;
    }

    /// There was no place for a connection.
    pub(crate) fn connection_refused(&mut self) {
        self.counters.refused_connections += 1;
    }

    pub(crate) fn counters(&mut self, now: Instant) -> Counters {
        let bans = self.bans.len(self.micros(now));
        Counters { sources: self.sources.len(), bans, ..self.counters }
    }

    fn micros(&self, now: Instant) -> Micros {
        // One second in hand: 0 is "never".
        now.saturating_duration_since(self.epoch).as_micros() as Micros + 1_000_000
    }

    fn instant(&self, at: Micros) -> Instant {
        self.epoch + Duration::from_micros(at.saturating_sub(1_000_000))
    }

    fn banned(&self, key: Key, entry: Entry) -> Banned {
        Banned {
            source: key.address(),
            reason: entry.reason,
            since: self.instant(entry.since),
            until: entry.until.map(|until| self.instant(until)),
            dropped: entry.dropped,
        }
    }

    fn ban(&mut self, now: Micros, key: Key, reason: &str) {
        let until = now.saturating_add(self.config.ban.as_micros() as Micros);
        let entry = Entry { reason: reason.to_owned(), since: now, until: Some(until), dropped: 0 };
        self.bans.add(now, key, entry.until, entry.reason.clone());
        if self.news.len() < NEWS {
            let news = self.banned(key, entry);
            self.news.push_back(news);
        }
    }

    /// Keep-alives and STUN are no offence; anything else that is no SIP is.
    fn no_sip(&mut self, now: Micros, key: Key, bytes: &[u8]) -> Verdict {
        let is_keep_alive = bytes.len() <= 8 && bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0));
        let is_stun = bytes.len() >= 20 && bytes[0] < 4 && bytes[4..8] == [0x21, 0x12, 0xA4, 0x42];
        if is_keep_alive || is_stun {
            return Verdict::Dropped;
        }
        self.counters.garbage += 1;
        let rate = self.config.garbage;
        if !self.garbage.entry(key, Bucket::default).take(now, rate, 1) && !self.ledger.is_verified(now, key)
        {
            self.ban(now, key, "sends what is no SIP");
        }
        Verdict::Dropped
    }

    fn over_rate(&mut self, now: Micros, key: Key) {
        self.counters.over_rate += 1;
        let limit = self.config.ban_over_rate;
        let source = self.sources.entry(key, Source::default);
        source.over = source.over.saturating_add(1);
        // Who is verified is only held to its rate: somebody else may forge its address.
        if limit > 0 && source.over > limit && !self.ledger.is_verified(now, key) {
            self.sources.remove(key);
            self.ban(now, key, "goes on beyond its rate");
        }
    }

    /// Whether the source is verified, perhaps by this message.
    fn recognise(&mut self, now: Micros, key: Key, glance: &Glance<'_>) -> bool {
        let tag = if glance.status == 0 { glance.tag_of_to() } else { glance.tag_of_from() };
        let shows = self.ledger.shown(now, key, tag);
        if shows && glance.method == b"ACK" {
            let call = self.call(key, glance);
            self.half_open.end(call);
        }
        shows || self.ledger.is_verified(now, key)
    }

    /// Bans a scanner that says its name.
    fn unmask(&mut self, now: Micros, key: Key, glance: &Glance<'_>) -> bool {
        if !self.config.scanners || glance.status != 0 {
            return false;
        }
        let Some(name) = scanner::name(glance, &self.config.scanner_names) else { return false };
        let reason = format!("is the scanner {name}");
        self.ban(now, key, &reason);
        true
    }

    /// Whether a new call may begin; other messages always may.
    fn may_begin(&mut self, now: Micros, key: Key, glance: &Glance<'_>, is_known: bool) -> bool {
        if glance.method != b"INVITE" || !glance.tag_of_to().is_empty() {
            return true;
        }
        let call = self.call(key, glance);
        if self.half_open.knows(call) {
            return true;
        }
        if !self.sources.entry(key, Source::default).invites.take(now, self.config.invites, 1) {
            self.over_rate(now, key);
            return false;
        }
        if !is_known && !self.all_invites.take(now, self.config.all_invites, 1) {
            self.counters.over_all += 1;
            return false;
        }
        self.has_room(now, key, glance, is_known)
    }

    /// Whether a call that nobody has confirmed yet may be added to the others.
    fn has_room(&mut self, now: Micros, key: Key, glance: &Glance<'_>, is_known: bool) -> bool {
        let GuardConfig { half_open, half_open_per_source, .. } = self.config;
        let (most, of_one) = match is_known {
            // Strangers must leave room for these.
            true => (usize::MAX, half_open_per_source.saturating_mul(4)),
            false => (half_open, half_open_per_source),
        };
        let call = self.call(key, glance);
        let has_room = self.half_open.begin(now, call, key, most, of_one);
        self.counters.over_all += u64::from(!has_room);
        has_room
    }

    /// Notes a request with credentials; false if the source has tried too many wrong ones.
    fn note_login(&mut self, now: Micros, key: Key, glance: &Glance<'_>) -> bool {
        if !glance.is_authorized {
            return true;
        }
        let request = self.hasher.hash_one((glance.call_id, glance.cseq));
        let source = self.sources.entry(key, Source::default);
        source.logins.push(request);
        source.locked <= now
    }

    fn call(&self, key: Key, glance: &Glance<'_>) -> u64 {
        self.hasher.hash_one((key, glance.call_id))
    }
}

#[cfg(test)]
mod tests;
