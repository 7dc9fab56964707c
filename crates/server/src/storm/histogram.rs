//! A histogram of durations: steps of 10 µs up to 100 ms, of 1 ms up to 10 s.

/// Steps of 10 µs.
const FINE: usize = 10_000;
/// Steps of 1 ms after them.
const COARSE: usize = 9_900;

/// Counts durations in nanoseconds; a percentile is exact to its step, the largest one to the nanosecond.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u32>,
    total: u64,
    largest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; FINE + COARSE], total: 0, largest: 0 }
    }
}

impl Histogram {
    /// Counts one duration, in ns.
    pub fn add(&mut self, ns: u64) {
        let fine = (ns / 10_000) as usize;
        let step = if fine < FINE { fine } else { FINE + (ns / 1_000_000) as usize - 100 };
        let step = step.min(FINE + COARSE - 1);
        if let Some(count) = self.counts.get_mut(step) {
            *count = count.saturating_add(1);
        }
        self.total += 1;
        self.largest = self.largest.max(ns);
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The largest, in ms; 0 if none was counted.
    pub fn largest_ms(&self) -> f64 {
        self.largest as f64 / 1e6
    }

    /// The duration, in ms, that this share (0-1) of all does not exceed; the upper end of its step, 0 if none was counted.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let wanted = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut sum = 0;
        for (step, count) in self.counts.iter().enumerate() {
            sum += u64::from(*count);
            if sum >= wanted {
                let fine = step < FINE;
                let end = if fine { (step + 1) as f64 / 100.0 } else { (step - FINE + 101) as f64 };
                return end.min(self.largest_ms());
            }
        }
        self.largest_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_to_their_step() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile_ms(0.99), 0.0);
        (1..=1000u64).for_each(|n| histogram.add(n * 100_000 - 1));
        assert!((histogram.percentile_ms(0.5) - 50.0).abs() < 0.011);
        assert!((histogram.percentile_ms(0.99) - 99.0).abs() < 0.011);
        assert_eq!(histogram.total(), 1000);
    }

    #[test]
    fn long_durations_are_kept_in_ms_and_the_largest_exactly() {
        let mut histogram = Histogram::default();
        for ms in [100, 101, 2_500, 60_000] {
            histogram.add(ms * 1_000_000);
        }
        assert_eq!(histogram.percentile_ms(0.25), 101.0);
        assert_eq!(histogram.percentile_ms(0.75), 2_501.0);
        assert_eq!(histogram.percentile_ms(1.0), 10_000.0);
        assert_eq!(histogram.largest_ms(), 60_000.0);
    }
}
