//! Comfort noise (RFC 3389): what a sender's silence sounds like in a recording.

/// White noise of one level. The spectrum that a sender may tell of is left out: nobody reads a word out of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    /// Largest magnitude; evenly spread values have its square root of a third as their effective value.
    peak: i32,
    state: u32,
}

impl Noise {
    /// Noise of `level` in -dBov (RFC 3389 §3.1: 0-127, below full scale).
    pub(crate) fn new(level: u8) -> Self {
        let effective = 32_768.0 * 10f32.powf(-f32::from(level.min(127)) / 20.0);
        Noise { peak: (effective * 3f32.sqrt()).min(32_767.0) as i32, state: 0x2545_F491 ^ u32::from(level) }
    }

    pub(crate) fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            // Xorshift (Marsaglia): white enough, and the same in every run.
            self.state ^= self.state << 13;
            self.state ^= self.state >> 17;
            self.state ^= self.state << 5;
            let value = (i64::from(self.state as i32) * i64::from(self.peak)) >> 31;
            *sample = value as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_level_that_was_told() {
        for level in [20u8, 40, 60] {
            let mut samples = [0i16; 16_000];
            Noise::new(level).fill(&mut samples);
            let power = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64;
            let told = -20.0 * (power.sqrt() / 32_768.0).log10();
            assert!((told - f64::from(level)).abs() < 0.3, "{level}: {told}");
        }
        let mut samples = [1i16; 160];
        Noise::new(127).fill(&mut samples);
        assert!(samples.iter().all(|&s| s.abs() <= 1));
    }
}
