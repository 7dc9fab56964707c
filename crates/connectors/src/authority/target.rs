//! A target behind a time limit, a concurrency limit and a circuit breaker.
use super::{
    AuthorityConfig,
    measure::{Measure, TargetSeen},
};
use passline_identity::{Connector, Fault, TargetId, Task};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

/// See the module.
pub(super) struct Guarded {
    connector: Arc<dyn Connector>,
    permits: Semaphore,
    breaker: Mutex<Breaker>,
    measure: Measure,
}

impl Guarded {
    pub(super) fn new(connector: Arc<dyn Connector>, config: &AuthorityConfig) -> Self {
        Self {
            connector,
            permits: Semaphore::new(config.target_concurrency.max(1)),
            breaker: Mutex::new(Breaker {
                failures: 0,
                limit: config.breaker_failures.max(1),
                pause: Duration::from_millis(config.breaker_open_ms),
                open_until: None,
            }),
            measure: Measure::default(),
        }
    }

    /// How it has done so far.
    pub(super) fn seen(&self) -> TargetSeen {
        let open = self.breaker().open_until.is_some_and(|until| Instant::now() < until);
        self.measure.seen(self.id().0.clone(), !open)
    }

    pub(super) fn id(&self) -> &TargetId {
        self.connector.id()
    }

    /// Runs one operation. [`Fault::Unavailable`] means that it was not begun, [`Fault::Timeout`] that its effect is
    /// not known.
    pub(super) async fn run<'a, T>(
        &'a self,
        limit: Duration,
        operation: impl FnOnce(&'a dyn Connector) -> Task<'a, T>,
    ) -> Result<T, Fault> {
        let mut began = None;
        let result = self.attempt(limit, operation, &mut began).await;
        let outcome = result.as_ref().map(|_| ()).map_err(|fault| *fault);
        self.measure.note(outcome, began.map(|began| began.elapsed()));
        result
    }

    /// Notes when the operation really began, if it did.
    async fn attempt<'a, T>(
        &'a self,
        limit: Duration,
        operation: impl FnOnce(&'a dyn Connector) -> Task<'a, T>,
        began: &mut Option<Instant>,
    ) -> Result<T, Fault> {
        let until = Instant::now() + limit;
        let permit = tokio::time::timeout_at(until, self.permits.acquire()).await;
        let _permit = permit.map_err(|_| Fault::Unavailable)?.map_err(|_| Fault::Unavailable)?;
        if !self.breaker().admits(Instant::now()) {
            return Err(Fault::Unavailable);
        }
        let now = *began.insert(Instant::now());
        let left = until.saturating_duration_since(now);
        let result = timeout(left, operation(&*self.connector)).await.unwrap_or(Err(Fault::Timeout));
        let down = matches!(result, Err(Fault::Timeout | Fault::Unavailable));
        if self.breaker().record(Instant::now(), down) {
            tracing::warn!(target = %self.id(), "does not answer: left alone for a while");
        }
        result
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Breaker {
    failures: u32,
    limit: u32,
    pause: Duration,
    open_until: Option<Instant>,
}

impl Breaker {
    /// While open, nothing passes; after the pause one at a time does, as a trial.
    fn admits(&mut self, now: Instant) -> bool {
        match self.open_until {
            Some(until) if now < until => false,
            Some(_) => {
                self.open_until = Some(now + self.pause);
                true
            }
            None => true,
        }
    }

    /// True when this opened the breaker.
    fn record(&mut self, now: Instant, down: bool) -> bool {
        if !down {
            self.failures = 0;
            self.open_until = None;
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        let opens = self.failures >= self.limit;
        if opens {
            self.open_until = Some(now + self.pause);
        }
        opens && self.failures == self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_breaker_opens_and_lets_one_trial_through() {
        let pause = Duration::from_secs(30);
        let mut breaker = Breaker { failures: 0, limit: 3, pause, open_until: None };
        let now = Instant::now();
        for opens in [false, false, true] {
            assert!(breaker.admits(now));
            assert_eq!(breaker.record(now, true), opens);
        }
        assert!(!breaker.admits(now + pause / 2));
        assert!(breaker.admits(now + pause), "the trial");
        assert!(!breaker.admits(now + pause), "only one");
        breaker.record(now + pause, true);
        assert!(!breaker.admits(now + pause), "failed: closed for another while");
        assert!(breaker.admits(now + pause * 2));
        breaker.record(now + pause * 2, false);
        assert!(breaker.admits(now + pause * 2) && breaker.admits(now + pause * 2));
    }
}
