//! What our answers say of those who get them, and what may go to whom.
use super::bucket::Micros;
use super::glance::Glance;
use super::key::Key;
use super::source::Source;
use super::{Guard, LOOK};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Instant;

/// How long a source is a known one after somebody registered there: registrations last an hour at most.
const REGISTERED: Micros = 3_700_000_000;
/// Where somebody is logged in, others may mistake their passwords so many times more often.
const PATIENCE: u32 = 10;
/// And then no credentials are taken from there for so long.
const LOCKED: Micros = 60_000_000;

impl Guard {
    /// Whether this message of ours may go out. Learns from it: answers tell failed logins and wrong numbers.
    pub(crate) fn may_send(&mut self, now: Instant, to: IpAddr, is_datagram: bool, bytes: &[u8]) -> bool {
        if self.trusted.contain(to) {
            return true;
        }
        let (now, key) = (self.micros(now), Key::of(to));
        if self.bans.holds(now, key) {
            return false;
        }
        let Some(glance) = Glance::of(&bytes[..bytes.len().min(LOOK)]) else { return true };
        if glance.status != 0 && self.judge(now, key, &glance) {
            // Banned by this answer: it need not know which of its guesses it was.
            return false;
        }
        let tag = if glance.status == 0 { glance.tag_of_from() } else { glance.tag_of_to() };
        if !is_datagram || !self.config.no_amplification {
            // Its ACK will show the tag all the same.
            self.ledger.note(key, tag);
            return true;
        }
        let begins = glance.status == 0 && glance.tag_of_to().is_empty();
        if begins {
            self.ledger.begins(now, key, glance.tag_of_from());
            return true;
        }
        if self.ledger.is_verified(now, key) {
            self.ledger.note(key, tag);
            return true;
        }
        let is_provisional = (100..200).contains(&glance.status);
        let may = self.ledger.may_send(key, tag, bytes.len(), is_provisional);
        self.counters.unsent += u64::from(!may);
        may
    }

    /// True if the source is banned because of this answer.
    fn judge(&mut self, now: Micros, key: Key, glance: &Glance<'_>) -> bool {
        if glance.status >= 300 && glance.answers(b"INVITE") {
            let call = self.call(key, glance);
            self.half_open.end(call);
        }
        let request = self.hasher.hash_one((glance.call_id, glance.cseq));
        match glance.status {
            200..300 if glance.answers(b"REGISTER") => {
                // Nobody registers without credentials.
                self.ledger.verify_for(now, key, REGISTERED);
                let source = self.sources.entry(key, Source::default);
                source.logins.take(request);
                source.registered = now + REGISTERED;
                false
            }
            401 | 403 | 407 => {
                let source = self.sources.entry(key, Source::default);
                if !source.logins.take(request) || glance.is_stale {
                    return false;
                }
                let is_registered = source.registered > now;
                let rate = self.config.failed_logins.times(if is_registered { PATIENCE } else { 1 });
                let is_over = !source.failed_logins.take(now, rate, 1);
                if is_registered && is_over {
                    // Somebody there is one of ours, or his address was forged to have him banned.
                    source.locked = now + LOCKED;
                    return true;
                }
                self.offended(now, key, is_over, "tries out passwords")
            }
            404 | 410 | 484 | 485 | 604 => {
                let rate = self.config.wrong_numbers;
                let source = self.sources.entry(key, Source::default);
                let is_over = source.registered <= now && !source.wrong_numbers.take(now, rate, 1);
                self.offended(now, key, is_over, "tries out numbers")
            }
            _ => false,
        }
    }

    fn offended(&mut self, now: Micros, key: Key, is_over: bool, reason: &str) -> bool {
        if is_over {
            self.sources.remove(key);
            self.ban(now, key, reason);
        }
        is_over
    }
}
