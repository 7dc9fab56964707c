//! G.722: ITU-T G.722 at 64 kbit/s (mode 1): 7 kHz audio as two sub-bands of ADPCM, six bits for the lower and two for
//! the upper one (RFC 3551 §4.5.2).
//!
//! The engine's audio is the lower sub-band: each octet is one sample at 8000 Hz. What the quadrature mirror filters
//! would add is the band above 4 kHz, which no telephone's tones or prompts have; within the band both filters are
//! flat (see the tests), so that a level here is the same level there. Our encoder codes an empty upper band.

use super::{Codec, CodecInfo, Coding, Decode, Encode, FrameSize, PTIMES};

pub(super) const INFO: CodecInfo = CodecInfo {
    codec: Codec::G722,
    name: "G722",
    label: "G722",
    payload_type: 9,
    // An error of RFC 1890 that was kept: the audio has 16000 samples a second.
    clock_rate: 8000,
    sample_rate: 16_000,
    channels: 1,
    fmtp: None,
    frame: FrameSize::Fixed(160),
    ptimes: PTIMES,
    coding: Coding::State {
        decoder: || Box::new(Decoder { low: Band::low() }),
        encoder: || Box::new(Encoder { low: Band::low(), high: Band::high() }),
    },
    samples: |payload| payload.len(),
    blank: |payload| payload.fill(SILENCE),
};

/// The smallest differences of both bands: the quantizer's steps fall, the signal fades to nothing.
const SILENCE: u8 = 0xFD;

/// Decision levels of the lower band's quantizer, times 2^3 (table 14: LL6-LU6).
const DECISIONS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219,
    1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Output of the six-bit inverse quantizer by code word (table 18: QQ6), times 2^3.
const SIX_BITS: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
    -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856,
    7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
    -432, -136,
];
/// Output of the four-bit inverse quantizer, by which the lower band adapts (table 17: QQ4).
const FOUR_BITS: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
/// Output of the two-bit inverse quantizer of the upper band (table 19: QQ2).
const TWO_BITS: [i32; 4] = [-7408, -1616, 7408, 1616];
/// Steps of the logarithmic scale factor by four-bit code word (tables 20 and 17: WL of IL4).
const LOW_STEPS: [i32; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// The same of the upper band (table 21: WH of IH2).
const HIGH_STEPS: [i32; 4] = [798, -214, 798, -214];
/// Decision level of the upper band's quantizer.
const HIGH_DECISION: i32 = 564;
/// Inverse logarithm (table 22: ILB).
const INVERSE_LOG: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// One sub-band: adaptive quantizer step and adaptive predictor (two poles, six zeros).
#[derive(Clone, Debug)]
struct Band {
    /// Logarithmic scale factor, its bound, and the shift of its inverse.
    log: i32,
    most: i32,
    shift: i32,
    /// Quantizer step.
    step: i32,
    /// The prediction: of the zeros alone, and whole.
    zeros: i32,
    signal: i32,
    /// Last quantized differences, and the coefficients of the zeros.
    differences: [i32; 6],
    b: [i32; 6],
    /// Last reconstructed signals, last partial reconstructions, coefficients of the poles.
    reconstructed: [i32; 2],
    partial: [i32; 2],
    a: [i32; 2],
}

impl Band {
    fn low() -> Self {
        Band::new(32, 18_432, 8)
    }

    fn high() -> Self {
        Band::new(8, 22_528, 10)
    }

    fn new(step: i32, most: i32, shift: i32) -> Self {
        Band {
            log: 0,
            most,
            shift,
            step,
            zeros: 0,
            signal: 0,
            differences: [0; 6],
            b: [0; 6],
            reconstructed: [0; 2],
            partial: [0; 2],
            a: [0; 2],
        }
    }

    /// Takes the quantized difference that both sides know, and the change of the scale factor with it.
    fn adapt(&mut self, difference: i32, change: i32) {
        // LOGSCL and SCALEL (LOGSCH and SCALEH).
        self.log = (((self.log * 127) >> 7) + change).clamp(0, self.most);
        let mantissa = INVERSE_LOG[(self.log >> 6 & 31) as usize];
        let shift = self.shift - (self.log >> 11);
        self.step = if shift < 0 { mantissa << -shift } else { mantissa >> shift } << 2;
        self.predict(difference);
    }

    /// The predictor (block 4): RECONS, PARREC, UPPOL2, UPPOL1, UPZERO, FILTEP, FILTEZ, PREDIC.
    fn predict(&mut self, difference: i32) {
        let reconstructed = saturate(self.signal + difference);
        let partial = saturate(self.zeros + difference);
        let same = |a: i32, b: i32| (a < 0) == (b < 0);
        let (last, before) = (self.partial[0], self.partial[1]);

        let slope = saturate(self.a[0] << 2);
        let slope = (if same(partial, last) { -slope } else { slope }).min(32_767);
        let sign = if same(partial, before) { 128 } else { -128 };
        let second = ((slope >> 7) + sign + ((self.a[1] * 32_512) >> 15)).clamp(-12_288, 12_288);
        let sign = if same(partial, last) { 192 } else { -192 };
        let bound = 15_360 - second;
        let first = saturate(sign + ((self.a[0] * 32_640) >> 15)).clamp(-bound, bound);

        let leak = if difference == 0 { 0 } else { 128 };
        for (b, &past) in self.b.iter_mut().zip(&self.differences) {
            let sign = if same(past, difference) { leak } else { -leak };
            *b = saturate(sign + ((*b * 32_640) >> 15));
        }
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, last];
        self.a = [first, second];

        let filter = |coefficient: i32, value: i32| (coefficient * saturate(value + value)) >> 15;
        let poles = saturate(filter(first, self.reconstructed[0]) + filter(second, self.reconstructed[1]));
        let zeros = self.b.iter().zip(&self.differences).map(|(&b, &past)| filter(b, past)).sum();
        self.zeros = saturate(zeros);
        self.signal = saturate(poles + self.zeros);
    }

    /// Adapts the lower band to a code word of six bits.
    fn adapt_low(&mut self, code: usize) {
        let four = code >> 2 & 15;
        self.adapt((self.step * FOUR_BITS[four]) >> 15, LOW_STEPS[four]);
    }

    /// Adapts the upper band to a code word of two bits.
    fn adapt_high(&mut self, code: usize) {
        let two = code & 3;
        self.adapt((self.step * TWO_BITS[two]) >> 15, HIGH_STEPS[two]);
    }

    /// The six bits of the difference between a sample and its prediction (QUANTL).
    fn quantize_low(&self, sample: i32) -> usize {
        let error = saturate(sample - self.signal);
        let magnitude = if error < 0 { !error } else { error };
        let level = DECISIONS.partition_point(|decision| magnitude >= (decision * self.step) >> 12);
        match (error < 0, level) {
            (true, 0) => 63,
            (true, 1) => 62,
            // Two more levels than code words would allow: four words are never sent.
            (true, level) => 33 - level,
            (false, level) => 61 - level,
        }
    }

    /// The two bits of the upper band (QUANTH).
    fn quantize_high(&self, sample: i32) -> usize {
        let error = saturate(sample - self.signal);
        let magnitude = if error < 0 { !error } else { error };
        let is_far = magnitude >= (HIGH_DECISION * self.step) >> 12;
        match (error < 0, is_far) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }
    }
}

#[derive(Debug)]
struct Decoder {
    low: Band,
}

impl Decode for Decoder {
    fn decode(&mut self, payload: &[u8], from: usize, samples: &mut [i16]) -> usize {
        let octets = payload.get(from..).unwrap_or(&[]);
        for (sample, &octet) in samples.iter_mut().zip(octets) {
            let code = usize::from(octet & 0x3F);
            let difference = (self.low.step * SIX_BITS[code]) >> 15;
            // LIMIT: 15 bits.
            let low = (self.low.signal + difference).clamp(-16_384, 16_383);
            self.low.adapt_low(code);
            *sample = (low << 1) as i16;
        }
        samples.len().min(octets.len())
    }
}

#[derive(Debug)]
struct Encoder {
    low: Band,
    high: Band,
}

impl Encode for Encoder {
    fn encode(&mut self, samples: &[i16], octets: &mut [u8]) -> usize {
        let Some(octets) = octets.get_mut(..samples.len()) else {
            return 0;
        };
        for (octet, &sample) in octets.iter_mut().zip(samples) {
            let low = self.low.quantize_low(i32::from(sample >> 1));
            self.low.adapt_low(low);
            let high = self.high.quantize_high(0);
            self.high.adapt_high(high);
            *octet = (high << 6 | low) as u8;
        }
        samples.len()
    }
}
