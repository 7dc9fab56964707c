//! The phases of a run: calls are placed, stand, are measured, are hung up.
use super::Load;
use crate::storm::{batch::stamp, histogram::Histogram, plan::Plan, vitals::Vitals};
use std::time::{Duration, Instant};

/// All calls stand for so long before it is measured.
const SETTLE: Duration = Duration::from_secs(1);
/// Calls may still be answered for so long after the last one was placed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nobody presses a key for so long before the end, so that each is heard to its end.
const QUIET: Duration = Duration::from_secs(2);
/// Hang-ups a second at the end, at least.
const FAREWELLS: f64 = 500.0;

/// Where a run is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Phase {
    /// Calls are placed.
    Ramp { until: Instant },
    /// All stand.
    Settle { until: Instant },
    /// It is measured.
    Measure { since: Instant, until: Instant, keys: bool },
    /// Calls are hung up.
    Farewell { until: Instant, next: usize },
}

impl Phase {
    /// With audio, measuring waits until all calls stand.
    pub(super) fn first(plan: &Plan, now: Instant) -> Self {
        if plan.setups {
            return Phase::Measure { since: now, until: now + plan.duration, keys: false };
        }
        let ramp = Duration::from_secs_f64(plan.calls as f64 / plan.rate);
        Phase::Ramp { until: now + ramp + PATIENCE }
    }
}

impl Load<'_> {
    /// Somebody wants the end: what is measured is measured to here, but for the keys that are under way.
    pub(super) fn interrupt(&mut self, now: Instant) {
        self.tally.interrupted = true;
        match self.phase {
            Phase::Measure { since, until, keys: true } if self.plan.has_keys => {
                self.phase = Phase::Measure { since, until: until.min(now + QUIET), keys: true };
            }
            Phase::Farewell { .. } => {}
            _ => self.end(now),
        }
    }

    /// Begins to measure.
    pub(super) fn begin(&mut self) {
        self.media.begin();
        self.tally.late = Histogram::default();
        self.tally.server[1] = self.pid.and_then(Vitals::of);
        self.tally.own[0] = Vitals::of(std::process::id());
    }

    /// Ends the measurement, and begins to hang up.
    pub(super) fn end(&mut self, now: Instant) {
        if let Phase::Measure { since, .. } = self.phase {
            self.tally.server[2] = self.pid.and_then(Vitals::of);
            self.tally.own[1] = Vitals::of(std::process::id());
            self.tally.heard = self.media.end(stamp());
            self.tally.measured = now.duration_since(since);
            if self.plan.setups {
                self.tally.wanted = (self.plan.rate * self.tally.measured.as_secs_f64()) as u64;
            }
            self.tally.standing = self.callers.iter().filter(|caller| caller.up.is_some()).count();
            let times = self.callers.iter().filter_map(|caller| caller.up);
            self.tally.call_seconds +=
                times.map(|up| now.saturating_duration_since(up.max(since)).as_secs_f64()).sum::<f64>();
        }
        let rate = self.plan.rate.max(FAREWELLS);
        let needed = Duration::from_secs_f64(self.callers.len() as f64 / rate);
        self.phase = Phase::Farewell { until: now + needed + PATIENCE, next: 0 };
    }

    /// Goes on to the next phase when it is time; true after the last one.
    pub(super) fn is_done(&mut self, now: Instant) -> bool {
        match self.phase {
            Phase::Ramp { until } => {
                // Where calls follow one another, some are always being set up.
                let most = if self.plan.hold.is_some() { self.plan.calls / 50 } else { 0 };
                if !self.wants_more() && self.waiting <= most || now >= until {
                    self.phase = Phase::Settle { until: now + SETTLE };
                    if self.active == 0 {
                        // Nobody has answered.
                        self.end(now);
                    }
                }
                false
            }
            Phase::Settle { until } => {
                if now >= until {
                    let until = now + self.plan.duration;
                    self.phase = Phase::Measure { since: now, until, keys: true };
                    self.begin();
                }
                false
            }
            Phase::Measure { since, until, keys } => {
                if keys && now + QUIET >= until {
                    self.media.stop_keys();
                    self.phase = Phase::Measure { since, until, keys: false };
                }
                if now >= until || (self.active == 0 && !self.wants_more()) {
                    self.end(now);
                }
                false
            }
            Phase::Farewell { until, next } => {
                let step = (self.plan.rate.max(FAREWELLS) / 1000.0).ceil() as usize;
                let last = (next + step).min(self.callers.len());
                if self.plan.setups && !self.tally.interrupted {
                    // Each of them ends by itself.
                    return self.active == 0 || now >= until;
                }
                for number in next..last {
                    self.leave(now, number as u32);
                }
                self.flush();
                self.phase = Phase::Farewell { until, next: last };
                (last == self.callers.len() && self.active == 0) || now >= until
            }
        }
    }
}
