//! PCMA: ITU-T G.711 A-law, 13-bit companding to 8 bits, even bits inverted.

use super::{Codec, CodecInfo, Coding, FrameSize, PTIMES};

pub(super) const INFO: CodecInfo = CodecInfo {
    codec: Codec::Pcma,
    name: "PCMA",
    label: "PCMA",
    payload_type: 8,
    clock_rate: 8000,
    sample_rate: 8000,
    channels: 1,
    fmtp: None,
    frame: FrameSize::Fixed(160),
    ptimes: PTIMES,
    coding: Coding::Law { encode, decode, silence: 0xD5 },
    samples: |payload| payload.len(),
    blank: |payload| payload.fill(0xD5),
};

/// Decoder output (16 bit) for each octet, G.711 table 1b scaled by 8.
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
    let bits = octet ^ 0x55;
    let exponent = (bits >> 4) & 7;
    let mantissa = ((bits & 0x0F) as i16) << 4;
    let linear = match exponent {
        0 => mantissa + 8,
        exponent => (mantissa + 0x108) << (exponent - 1),
    };
    if bits & 0x80 != 0 { linear } else { -linear }
}

fn compress(linear: i16) -> u8 {
    let (sign, magnitude) =
        if linear < 0 { (0x00, (!linear as u16) >> 4) } else { (0x80, (linear as u16) >> 4) };
    let code = if magnitude < 32 {
        magnitude
    } else {
        let shift = 11 - magnitude.leading_zeros() as u16;
        ((shift + 1) << 4) | ((magnitude >> shift) & 0x0F)
    };
    (sign | code as u8) ^ 0x55
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
        for (octet, linear) in
            [(0xD5, 8), (0x55, -8), (0xD4, 24), (0xC5, 264), (0xAA, 32256), (0x2A, -32256), (0xA5, 16896)]
        {
            assert_eq!(LINEAR[octet], linear, "{octet:#04x}");
        }
    }

    #[test]
    fn encodes_at_the_decision_values() {
        for (linear, octet) in [
            (0, 0xD5),
            (15, 0xD5),
            (16, 0xD4),
            (-1, 0x55),
            (-16, 0x55),
            (-17, 0x54),
            (i16::MAX, 0xAA),
            (i16::MIN, 0x2A),
        ] {
            assert_eq!(compress(linear), octet, "{linear}");
        }
    }
}
