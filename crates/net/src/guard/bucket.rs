//! A token bucket as one number (the virtual scheduling form of the generic cell rate algorithm, ITU-T I.371).
use crate::Rate;

/// Microseconds since the guard began.
pub(crate) type Micros = u64;

/// How full a bucket is: the time at which it will be full again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket(Micros);

impl Bucket {
    /// Takes `count` tokens; false, and nothing taken, if there are not as many.
    pub(crate) fn take(&mut self, now: Micros, rate: Rate, count: u32) -> bool {
        if rate == Rate::NONE {
            return true;
        }
        // A bucket that gains nothing is filled once a day.
        let step = match rate.per_1000_s {
            0 => 86_400_000_000,
            gain => (1_000_000_000 / u64::from(gain)).max(1),
        };
        let full_at = self.0.max(now) + step * u64::from(count);
        let is_within = full_at - now <= step * u64::from(rate.burst.max(1));
        if is_within {
            self.0 = full_at;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate::per_second(5, 2);
        let mut bucket = Bucket::default();
        let taken = |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(now, rate, 1)).count();
        assert_eq!(taken(&mut bucket, 10 * SECOND), 5);
        assert_eq!(taken(&mut bucket, 10 * SECOND), 0);
        assert_eq!(taken(&mut bucket, 11 * SECOND), 2);
        assert_eq!(taken(&mut bucket, 11 * SECOND + 499_999), 0);
        assert_eq!(taken(&mut bucket, 11 * SECOND + 500_000), 1);
        // However long it rests, it holds no more than its burst.
        assert_eq!(taken(&mut bucket, 1000 * SECOND), 5);
    }

    #[test]
    fn several_tokens_are_taken_together_or_not_at_all() {
        let rate = Rate::per_second(10, 1);
        let mut bucket = Bucket::default();
        assert!(!bucket.take(0, rate, 11));
        assert!(bucket.take(0, rate, 7));
        assert!(!bucket.take(0, rate, 4));
        assert!(bucket.take(0, rate, 3));
    }

    #[test]
    fn no_limit_and_no_gain() {
        let mut bucket = Bucket::default();
        assert!((0..1000).all(|_| bucket.take(0, Rate::NONE, 1)));
        let once = Rate { burst: 1, per_1000_s: 0 };
        assert!(bucket.take(0, once, 1));
        assert!(!bucket.take(3600 * SECOND, once, 1));
    }
}
