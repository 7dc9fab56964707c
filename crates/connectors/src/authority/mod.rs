//! Answers a flow's queries.
use crate::Store;
use passline_identity::{Answer, AuditEvent, CallId, Connector, Directory, Query};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Limits of the [`Authority`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthorityConfig {
    /// Wrong proofs per user before the first wait.
    pub free_tries: u32,
    /// Wrong proofs per caller number before the first wait; a number is never locked for good.
    pub number_tries: u32,
    /// First wait; doubles with each further wrong proof, seconds.
    pub first_wait_s: u64,
    /// Longest wait; the wrong proof after it locks the user until an administrator unlocks, seconds.
    pub longest_wait_s: u64,
    /// Points at which a subject counts as verified: its failures are forgotten, its capabilities are told.
    pub verified_points: u8,
    /// Time limit of one change on one target, ms.
    pub change_limit_ms: u64,
    /// Time limit of one status question, ms.
    pub status_limit_ms: u64,
    /// Operations on one target at once.
    pub target_concurrency: usize,
    /// Failures in a row that open a target's breaker.
    pub breaker_failures: u32,
    /// How long it stays open, ms.
    pub breaker_open_ms: u64,
    /// First pause before an unheard password is randomised again, ms; doubles up to a minute.
    pub retry_ms: u64,
}

impl Default for AuthorityConfig {
    fn default() -> Self {
        Self {
            free_tries: 5,
            number_tries: 20,
            first_wait_s: 30,
            longest_wait_s: 3600,
            verified_points: 2,
            change_limit_ms: 8_000,
            status_limit_ms: 2_000,
            target_concurrency: 8,
            breaker_failures: 3,
            breaker_open_ms: 30_000,
            retry_ms: 1_000,
        }
    }
}

/// Answers every [`Query`]; cheap to clone.
#[derive(Clone)]
pub struct Authority {}

impl Authority {
    /// `words`: per language the 1024 words of generated passwords.
    pub fn new(
        _config: AuthorityConfig,
        _store: Store,
        _directory: Arc<dyn Directory>,
        _targets: Vec<Arc<dyn Connector>>,
        _words: BTreeMap<String, Vec<String>>,
        _rng: ChaCha20Rng,
    ) -> Self {
        Self {}
    }

    /// Answers one query. `caller` is the caller's number; only a keyed hash of it is stored.
    /// Dropping the future does not stop a change that has begun.
    pub async fn ask(&self, _call: &CallId, _caller: &str, _query: Query) -> Answer {
        todo!()
    }

    /// To be called once at start: finishes what a crash left. Returns what was done, for the log.
    pub async fn recover(&self) -> Vec<AuditEvent> {
        todo!()
    }

    /// The call is over: forgets its subjects; a password that nobody confirmed counts as unheard.
    pub async fn call_ended(&self, _call: &CallId) {
        todo!()
    }

    /// Waits until nothing is left to do in the background, at most `limit`; false if something is.
    pub async fn settle(&self, _limit: Duration) -> bool {
        todo!()
    }
}
