//! How long a target takes and how it answers, for whoever watches.
use passline_identity::Fault;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper ends of the classes of answering times, in ms; one more class holds what takes longer.
pub const TARGET_BOUNDS_MS: [u64; 9] = [5, 10, 50, 100, 250, 500, 1000, 2500, 8000];
/// What an operation can come to.
const RESULTS: [&str; 7] =
    ["ok", "not_found", "refused", "timeout", "unavailable", "not_authenticated", "internal"];

/// How a target has done since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSeen {
    /// Its id.
    pub target: String,
    /// It is asked; false while it is left alone after failures.
    pub available: bool,
    /// Operations by result: `ok`, `refused`, `timeout` …; what was not even tried is `unavailable`.
    pub results: Vec<(&'static str, u64)>,
    /// Operations that were tried, by time: at most as long as each of [`TARGET_BOUNDS_MS`] and longer than the one
    /// before it, then the longer ones.
    pub times: [u64; TARGET_BOUNDS_MS.len() + 1],
    /// All of it together, in µs.
    pub sum_us: u64,
}

/// Counts operations.
#[derive(Debug, Default)]
pub(super) struct Measure {
    results: [AtomicU64; RESULTS.len()],
    times: [AtomicU64; TARGET_BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

impl Measure {
    /// An operation came to this; `took`: if it was tried.
    pub(super) fn note(&self, result: Result<(), Fault>, took: Option<Duration>) {
        let at = match result {
            Ok(()) => 0,
            Err(Fault::NotFound) => 1,
            Err(Fault::Refused) => 2,
            Err(Fault::Timeout) => 3,
            Err(Fault::Unavailable) => 4,
            Err(Fault::NotAuthenticated) => 5,
            Err(Fault::Internal) => 6,
        };
        self.results[at].fetch_add(1, Relaxed);
        let Some(took) = took else { return };
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = TARGET_BOUNDS_MS.iter().position(|bound| us <= bound * 1000);
        self.times[class.unwrap_or(TARGET_BOUNDS_MS.len())].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    pub(super) fn seen(&self, target: String, available: bool) -> TargetSeen {
        TargetSeen {
            target,
            available,
            results: RESULTS
                .iter()
                .zip(&self.results)
                .map(|(name, count)| (*name, count.load(Relaxed)))
                .collect(),
            times: std::array::from_fn(|class| self.times[class].load(Relaxed)),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_by_result_and_time() {
        let measure = Measure::default();
        let ms = |ms| Some(Duration::from_millis(ms));
        measure.note(Ok(()), ms(5));
        measure.note(Ok(()), ms(6));
        measure.note(Err(Fault::Timeout), ms(8001));
        measure.note(Err(Fault::Unavailable), None);
        let seen = measure.seen("crm".into(), true);
        let count = |name| seen.results.iter().find(|(result, _)| *result == name).map(|(_, count)| *count);
        let results = ["ok", "timeout", "unavailable", "internal"].map(count);
        assert_eq!(results, [Some(2), Some(1), Some(1), Some(0)]);
        assert_eq!((seen.times[0], seen.times[1], seen.times[9]), (1, 1, 1));
        assert_eq!((seen.times.iter().sum::<u64>(), seen.sum_us), (3, 8_012_000));
    }
}
