//! Kernel time stamps as instants.
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds from 1900 (NTP) to 1970 (Unix), RFC 5905 §6.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// The two clocks read at the same moment, anew for each wake-up: a step of the wall clock then does no harm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    pub(crate) instant: Instant,
    wall: Duration,
}

impl Anchor {
    pub(crate) fn now() -> Anchor {
        Anchor {
            instant: Instant::now(),
            wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// When a packet with this stamp came. It was not there at `empty`, so it came since: a stamp that says
    /// otherwise is from before a clock step.
    pub(crate) fn arrival(&self, stamp: Option<Duration>, empty: Instant) -> Instant {
        let at = stamp
            .and_then(|stamp| self.wall.checked_sub(stamp))
            .and_then(|age| self.instant.checked_sub(age))
            .unwrap_or(self.instant);
        if at < empty { self.instant.min(empty) } else { at }
    }

    /// The wall clock as NTP time in 32.32 fixed point.
    pub(crate) fn ntp(&self) -> u64 {
        let seconds = self.wall.as_secs().wrapping_add(NTP_TO_UNIX);
        let fraction = (u64::from(self.wall.subsec_nanos()) << 32) / 1_000_000_000;
        (seconds << 32) | fraction
    }

    /// The wall clock at `at`.
    pub(crate) fn system_time(&self, at: Instant) -> SystemTime {
        let here = UNIX_EPOCH + self.wall;
        match self.instant.checked_duration_since(at) {
            Some(ago) => here.checked_sub(ago).unwrap_or(UNIX_EPOCH),
            None => here + at.saturating_duration_since(self.instant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_become_instants_and_a_clock_step_stays_within_the_sweep() {
        let anchor = Anchor {
            instant: Instant::now() + Duration::from_secs(7200),
            wall: Duration::from_secs(1_000_000),
        };
        let empty = anchor.instant - Duration::from_millis(20);
        let stamp = |ms: i64| Some(Duration::from_millis((1_000_000_000 + ms) as u64));
        assert_eq!(anchor.arrival(stamp(-7), empty), anchor.instant - Duration::from_millis(7));
        // Stamped before the clock went an hour forward, and before it went an hour back.
        assert_eq!(anchor.arrival(stamp(-3_600_000), empty), empty);
        assert_eq!(anchor.arrival(stamp(3_600_000), empty), anchor.instant);
        assert_eq!(anchor.arrival(None, empty), anchor.instant);
        assert_eq!(anchor.ntp() >> 32, 1_000_000 + NTP_TO_UNIX);
    }
}
