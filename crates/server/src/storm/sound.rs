//! What the callers say: made from the seed and encoded once, before the first call.
use crate::cli::SoundArg;
use passline_rtp::{Codec, Digit, ToneGenerator};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Samples of one packet: 20 ms at 8 kHz.
pub const FRAME: usize = 160;
/// Frames of a sound, after which it begins anew: 10 s.
const FRAMES: usize = 500;
/// Frames that two callers' beginnings lie apart, so that no two say the same at one time; coprime to [`FRAMES`].
const APART: usize = 137;
/// Loudness of the syllables, about -20 dBm0.
const LOUD: i32 = 4000;

/// Encoded audio of 10 s, and the 16 keys as tones.
pub struct Sound {
    octets: Vec<u8>,
    /// Frames of each key's tone by its code.
    tones: Vec<Vec<u8>>,
}

impl Sound {
    /// The same seed makes the same sound; `press_ms` is the length of a key's tone.
    pub fn new(kind: SoundArg, codec: Codec, seed: u64, press_ms: u16) -> Self {
        let samples = match kind {
            SoundArg::Silence => vec![0; FRAMES * FRAME],
            SoundArg::Tone => tone(),
            SoundArg::Speech => speech(seed),
        };
        let tones = Digit::ALL.map(|digit| {
            let length = (usize::from(press_ms) * 8).div_ceil(FRAME) * FRAME;
            let mut samples = vec![0; length];
            ToneGenerator::new(digit, u32::from(press_ms)).fill(&mut samples);
            encoded(codec, &samples)
        });
        Self { octets: encoded(codec, &samples), tones: tones.into() }
    }

    /// Frame `position` of what caller `number` says.
    pub fn frame(&self, number: u32, position: u32) -> &[u8] {
        let at = (number as usize).wrapping_mul(APART).wrapping_add(position as usize) % FRAMES * FRAME;
        self.octets.get(at..at + FRAME).unwrap_or(&[])
    }

    /// Frame `position` of a key's tone; `None` after its end.
    pub fn tone(&self, digit: Digit, position: usize) -> Option<&[u8]> {
        self.tones.get(usize::from(digit.code()))?.get(position * FRAME..(position + 1) * FRAME)
    }
}

fn encoded(codec: Codec, samples: &[i16]) -> Vec<u8> {
    let mut octets = vec![0; samples.len()];
    let written = codec.encode(samples, &mut octets);
    octets.truncate(written);
    octets
}

/// 440 Hz, far from all tones of keys (ITU-T Q.23), at about -20 dBm0. Its 10 s are a whole number of periods.
fn tone() -> Vec<i16> {
    let step = 440.0 * std::f64::consts::TAU / 8000.0;
    (0..FRAMES * FRAME).map(|n| ((n as f64 * step).sin() * 2270.0) as i16).collect()
}

/// Noise in syllables of a fifth of a second with pauses, dark as speech is: it has the rhythm and the spectrum's slope of
/// a voice, and no tone in it.
fn speech(seed: u64) -> Vec<i16> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut samples = Vec::with_capacity(FRAMES * FRAME);
    let mut last = 0;
    for syllable in 0..FRAMES * FRAME / 1600 {
        let speaks = syllable % 16 < 11 && !rng.next_u32().is_multiple_of(5);
        let peak = if speaks { LOUD / 2 + (rng.next_u32() % (LOUD as u32 / 2)) as i32 } else { 0 };
        for n in 0..1600i32 {
            // Rises and falls over its 200 ms.
            let gain = peak * n.min(1600 - n) / 800;
            let white = (rng.next_u32() >> 16) as i32 - 32_768;
            last = (last * 7 + white) / 8;
            samples.push((last * gain / 8192).clamp(-32_768, 32_767) as i16);
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use passline_rtp::detect_tones;

    fn decoded(octets: &[u8]) -> Vec<i16> {
        let mut samples = vec![0; octets.len()];
        Codec::Pcmu.decode(octets, &mut samples);
        samples
    }

    #[test]
    fn what_is_said_comes_from_the_seed_and_has_no_key_in_it() {
        for kind in [SoundArg::Speech, SoundArg::Tone, SoundArg::Silence] {
            let sound = Sound::new(kind, Codec::Pcmu, 3, 100);
            assert_eq!(sound.octets.len(), FRAMES * FRAME);
            assert!(detect_tones(&decoded(&sound.octets)).is_empty(), "{kind:?}");
        }
        let speech = |seed| Sound::new(SoundArg::Speech, Codec::Pcmu, seed, 100).octets;
        assert_eq!(speech(3), speech(3));
        assert_ne!(speech(3), speech(4));
        let power = decoded(&speech(3)).iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        assert!((power / (FRAMES * FRAME) as f64).sqrt() > 200.0, "it can be heard");
    }

    #[test]
    fn a_keys_tone_is_that_key() {
        let sound = Sound::new(SoundArg::Silence, Codec::Pcmu, 1, 90);
        for digit in Digit::ALL {
            let mut octets = vec![Codec::Pcmu.silence(); 800];
            (0..).map_while(|n| sound.tone(digit, n)).for_each(|frame| octets.extend(frame));
            octets.extend([Codec::Pcmu.silence(); 800]);
            assert_eq!(octets.len(), 1600 + 5 * FRAME);
            let heard: Vec<_> = detect_tones(&decoded(&octets)).iter().map(|tone| tone.digit).collect();
            assert_eq!(heard, [digit]);
        }
    }
}
