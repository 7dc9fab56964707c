//! How fast the sender's clock runs against ours: a straight line through the fastest packets.
//!
//! Delay only ever adds to a packet's transit time, so the least transit of a few seconds lies on the line of the two
//! clocks, whatever the jitter; its slope is the drift.

/// Length of a window, in samples of our clock: 5 s.
const WINDOW: u64 = 40_000;
/// Windows before a slope is told: 30 s.
const ENOUGH: u32 = 6;
/// A window that is off by more than this many samples (50 ms) is another path or another clock: the line begins anew.
const JUMP: i64 = 400;

/// Estimates the drift of one stream.
#[derive(Debug, Default)]
pub(crate) struct Drift {
    /// Transit of the first packet, modulo 2^32; all others count from it.
    origin: Option<u32>,
    /// When the present window began, and the least transit in it.
    window: Option<(u64, i64)>,
    line: Line,
    /// The last slope, kept while a new line is too short.
    told: Option<f32>,
}

/// Sums of a least-squares line: seconds against samples.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    count: u32,
    began: u64,
    last: i64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Line {
    fn point(&mut self, at: u64, transit: i64) {
        if self.count == 0 {
            self.began = at;
        }
        let (x, y) = (at.saturating_sub(self.began) as f64 / 8000.0, transit as f64);
        self.count += 1;
        self.last = transit;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
    }

    /// Samples a second.
    fn slope(&self) -> Option<f64> {
        let count = f64::from(self.count);
        let spread = count * self.xx - self.x * self.x;
        (self.count >= ENOUGH && spread > 0.0).then(|| (count * self.xy - self.x * self.y) / spread)
    }
}

impl Drift {
    /// An audio packet of `timestamp` arrived, both in samples; wraps do no harm.
    pub(crate) fn packet(&mut self, arrived: u64, timestamp: u32) {
        let transit = (arrived as u32).wrapping_sub(timestamp);
        let origin = *self.origin.get_or_insert(transit);
        let transit = i64::from(transit.wrapping_sub(origin) as i32);
        match &mut self.window {
            Some((began, least)) if arrived < *began + WINDOW => *least = (*least).min(transit),
            window => {
                if let Some((began, least)) = window.replace((arrived, transit)) {
                    self.close(began, least);
                }
            }
        }
    }

    fn close(&mut self, began: u64, least: i64) {
        if self.line.count > 0 && (least - self.line.last).abs() > JUMP {
            self.line = Line::default();
        }
        self.line.point(began, least);
        if let Some(slope) = self.line.slope() {
            // The faster the sender's clock, the earlier its packets seem to come.
            self.told = Some((-slope / 8000.0 * 1e6) as f32);
        }
    }

    /// Parts per million by which the sender's clock is faster than ours; `None` in the first half minute.
    pub(crate) fn ppm(&self) -> Option<f32> {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is estimated from so many packets with up to 60 ms of jitter.
    fn estimate(ppm: f64, packets: u64) -> Option<f32> {
        let mut drift = Drift::default();
        let mut random = 7u64;
        for step in 0..packets {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let jitter = (random >> 33) % 480;
            let sent = step as f64 * 160.0 / (1.0 + ppm / 1e6);
            drift.packet(10_000 + sent.round() as u64 + jitter, (160 * step as u32).wrapping_sub(9_000_000));
        }
        drift.ppm()
    }

    #[test]
    fn is_found_under_jitter() {
        for ppm in [-200.0, -35.0, 0.0, 35.0, 200.0] {
            let found = f64::from(estimate(ppm, 180_000).expect("an hour is enough"));
            assert!((found - ppm).abs() < 1.0, "{ppm}: {found}");
            let found = f64::from(estimate(ppm, 3_000).expect("a minute is enough"));
            assert!((found - ppm).abs() < 25.0, "{ppm} in a minute: {found}");
        }
        assert_eq!(estimate(0.0, 1000), None, "20 s are too short");
    }

    #[test]
    fn a_new_path_is_no_drift() {
        let mut drift = Drift::default();
        for step in 0..30_000u64 {
            // Half way through, the network takes 100 ms more.
            let longer = if step > 15_000 { 800 } else { 0 };
            drift.packet(160 * step + longer, 160 * step as u32);
        }
        assert!(drift.ppm().expect("ten minutes").abs() < 1.0, "{:?}", drift.ppm());
    }
}
