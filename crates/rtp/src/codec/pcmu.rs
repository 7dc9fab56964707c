//! PCMU: ITU-T G.711 µ-law, 14-bit companding to 8 bits.

use super::{Codec, CodecInfo, Coding, FrameSize, PTIMES};

pub(super) const INFO: CodecInfo = CodecInfo {
    codec: Codec::Pcmu,
    name: "PCMU",
    label: "PCMU",
    payload_type: 0,
    clock_rate: 8000,
    sample_rate: 8000,
    channels: 1,
    fmtp: None,
    frame: FrameSize::Fixed(160),
    ptimes: PTIMES,
    coding: Coding::Law { encode, decode, silence: 0xFF },
    samples: |payload| payload.len(),
    blank: |payload| payload.fill(0xFF),
};

/// Added to a magnitude so that every segment starts at a power of two, in 14-bit units.
const BIAS: u16 = 33;

/// Decoder output (16 bit) for each octet, G.711 table 2b scaled by 4.
static LINEAR: [i16; 256] = {
    let mut table = [0i16; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = expand(octet as u8);
        octet += 1;
    }
    table
};

const fn expand(octet: u8) -> i16 {
    let bits = !octet;
    let exponent = (bits >> 4) & 7;
    let mantissa = (bits & 0x0F) as i16;
    let magnitude = (((mantissa << 1) + BIAS as i16) << exponent) - BIAS as i16;
    let linear = magnitude << 2;
    if bits & 0x80 != 0 { -linear } else { linear }
}

fn compress(linear: i16) -> u8 {
    // One's complement for negative values: the decision value between two steps lies the same way on both sides.
    let (sign, magnitude) = if linear < 0 { (0x00, !linear as u16) } else { (0x80, linear as u16) };
    let biased = ((magnitude >> 2) + BIAS).min(0x1FFF);
    let exponent = 10 - biased.leading_zeros() as u16;
    let mantissa = (biased >> (exponent + 1)) & 0x0F;
    sign | (!((exponent << 4) | mantissa) as u8 & 0x7F)
}

fn encode(samples: &[i16], octets: &mut [u8]) -> usize {
    for (octet, &sample) in octets.iter_mut().zip(samples) {
        *octet = compress(sample);
    }
    samples.len().min(octets.len())
}

fn decode(octets: &[u8], samples: &mut [i16]) -> usize {
    for (sample, &octet) in samples.iter_mut().zip(octets) {
        *sample = LINEAR[usize::from(octet)];
    }
    samples.len().min(octets.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_values_of_g711() {
        // Table 2b/G.711: first and last value of some segments, times 4.
        for (octet, linear) in [
            (0x80, 32124),
            (0x8F, 16764),
            (0x90, 15996),
            (0xA0, 7932),
            (0xB0, 3900),
            (0xC0, 1884),
            (0xD0, 876),
            (0xE0, 372),
            (0xF0, 120),
            (0xFE, 8),
            (0xFF, 0),
            (0x00, -32124),
            (0x7E, -8),
        ] {
            assert_eq!(LINEAR[octet], linear, "{octet:#04x}");
        }
    }

    #[test]
    fn encodes_at_the_decision_values() {
        for (linear, octet) in [
            (0, 0xFF),
            (3, 0xFF),
            (4, 0xFE),
            (-1, 0x7F),
            (-5, 0x7E),
            (i16::MAX, 0x80),
            (i16::MIN, 0x00),
            (1000, 0xCE),
        ] {
            assert_eq!(compress(linear), octet, "{linear}");
        }
    }
}
