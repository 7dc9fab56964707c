//! Limits of the authority.
use crate::store::Limits;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Limits of the [`crate::Authority`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthorityConfig {
    /// Wrong proofs per user before the first wait.
    pub free_tries: u32,
    /// Wrong proofs per caller number before the first wait, 0 = no limit; a number is never locked for good, since
    /// many may call from one.
    pub number_tries: u32,
    /// First wait; doubles with each further wrong proof, seconds.
    pub first_wait_s: u64,
    /// Longest wait; the wrong proof after it locks the user until an administrator unlocks, seconds.
    pub longest_wait_s: u64,
    /// Points at which a subject counts as verified: its failures are forgotten, its capabilities are told.
    pub verified_points: u8,
    /// Time limit of one change on one target, ms.
    pub change_limit_ms: u64,
    /// Time limit of one question to the directory or about an account's state, ms.
    pub status_limit_ms: u64,
    /// Operations on one target at once.
    pub target_concurrency: usize,
    /// Failures in a row that open a target's breaker.
    pub breaker_failures: u32,
    /// How long it stays open, ms.
    pub breaker_open_ms: u64,
    /// First pause before an unheard password is replaced again, ms; doubles up to a minute.
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

impl AuthorityConfig {
    pub(super) fn user_limits(&self) -> Limits {
        let ms = |seconds: u64| i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        // A user without any limit could be guessed; 0 means 1 here.
        let free = self.free_tries.max(1);
        Limits { free, first: ms(self.first_wait_s.max(1)), longest: ms(self.longest_wait_s), lock: true }
    }

    pub(super) fn number_limits(&self) -> Limits {
        Limits { free: self.number_tries, lock: false, ..self.user_limits() }
    }

    pub(super) fn change_limit(&self) -> Duration {
        Duration::from_millis(self.change_limit_ms)
    }

    pub(super) fn status_limit(&self) -> Duration {
        Duration::from_millis(self.status_limit_ms)
    }
}
