//! Packet-loss concealment for the audio that a recorder gets; the tone detector never hears it.

use crate::playout::FRAME;

/// Samples after which the concealment has faded to nothing: 60 ms.
const FADE: i32 = 480;

/// Repeats the last received audio, played back and forth (so that the joints do not click), fading out.
#[derive(Debug)]
pub(crate) struct Concealment {
    last: [i16; FRAME],
    /// Samples made up since the last received one.
    run: u32,
}

impl Concealment {
    pub(crate) fn new() -> Self {
        Concealment { last: [0; FRAME], run: 0 }
    }

    /// Takes received audio as the model of what follows.
    pub(crate) fn learn(&mut self, samples: &[i16]) {
        self.run = 0;
        let count = samples.len().min(FRAME);
        self.last.copy_within(count.., 0);
        self.last[FRAME - count..].copy_from_slice(&samples[samples.len() - count..]);
    }

    /// Makes up the next samples.
    pub(crate) fn fill(&mut self, out: &mut [i16]) {
        let length = FRAME as u32;
        for sample in out {
            let gain = FADE - self.run as i32;
            if gain <= 0 {
                *sample = 0;
                continue;
            }
            let phase = self.run % (2 * length);
            let index = if phase < length { length - 1 - phase } else { phase - length };
            *sample = (i32::from(self.last[index as usize]) * gain / FADE) as i16;
            self.run += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_without_a_click_and_fades() {
        let wave: Vec<i16> = (0..320).map(|n| (8000.0 * (f64::from(n) * 0.3).sin()) as i16).collect();
        let mut concealment = Concealment::new();
        concealment.learn(&wave[..100]);
        concealment.learn(&wave[100..]);
        let mut out = [0i16; 640];
        concealment.fill(&mut out);
        let mut all = wave.clone();
        all.extend(out);
        let step = all.windows(2).map(|w| (w[1] - w[0]).abs()).max();
        assert!(step.is_some_and(|step| step < 2600), "{step:?}");
        assert!(out[480..].iter().all(|&s| s == 0));
        assert!(out[..160].iter().any(|&s| s > 4000));
    }
}
