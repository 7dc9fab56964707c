//! How far the arrivals of packets spread: what a playout delay must cover.

/// Largest spread that is told, in samples: 200 ms.
const MAX: u32 = 1600;

/// Measures how far arrivals spread behind the fastest one.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    fastest: Option<i64>,
    packets: u32,
    /// In 1/16 samples.
    value: u32,
}

impl Spread {
    /// A packet of `timestamp` arrived, both in samples; wraps and jumps do no harm.
    pub(crate) fn packet(&mut self, arrived: u64, timestamp: u32) {
        // Only differences count; the reference is carried along so that wraps do not matter.
        let transit = i64::from((arrived as u32).wrapping_sub(timestamp) as i32);
        let Some(fastest) = self.fastest else {
            self.fastest = Some(transit);
            return;
        };
        let behind = i64::from((transit as i32).wrapping_sub(fastest as i32));
        if !(-160_000..=160_000).contains(&behind) {
            self.fastest = Some(transit);
            return;
        }
        self.packets += 1;
        // 1 sample in 16 packets = about 400 ppm: follows the drift of two clocks.
        let leak = i64::from(self.packets.is_multiple_of(16));
        self.fastest = Some(if behind < 0 { transit } else { fastest + leak });
        let behind = (behind.max(0) as u32).min(MAX) * 16;
        self.value = if behind > self.value { behind } else { self.value - (self.value - behind) / 256 };
    }

    /// How far recent packets came behind the fastest one, in samples; falls slowly.
    pub(crate) fn samples(&self) -> u32 {
        self.value / 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_distance_from_the_fastest() {
        let mut spread = Spread::default();
        for step in 0..100u32 {
            let jitter = u64::from(step * 7 % 5) * 160;
            spread.packet(160 * u64::from(step) + jitter, (160 * step).wrapping_sub(1000));
        }
        assert!((500..=640).contains(&spread.samples()), "{}", spread.samples());
        for step in 100..5000u32 {
            spread.packet(160 * u64::from(step), (160 * step).wrapping_sub(1000));
        }
        assert!(spread.samples() < 40, "{}", spread.samples());
    }

    #[test]
    fn drift_of_the_clocks_is_no_spread() {
        let mut spread = Spread::default();
        for step in 0..100_000u64 {
            // The sender's clock is 200 ppm slow.
            spread.packet(160 * step + step * 160 / 5000, (160 * step) as u32);
        }
        assert!(spread.samples() < 40, "{}", spread.samples());
    }
}
