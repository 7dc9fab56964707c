//! L16: 16-bit linear samples, the high octet first (RFC 3551 §4.5.11), at 8000 or 16000 Hz.

use super::half_band::{Down, Up};
use super::{Codec, CodecInfo, Coding, Decode, Encode, FrameSize, PTIMES};

pub(super) const INFO: CodecInfo = CodecInfo {
    codec: Codec::L16,
    name: "L16",
    label: "L16",
    payload_type: 96,
    clock_rate: 8000,
    sample_rate: 8000,
    channels: 1,
    fmtp: None,
    frame: FrameSize::Fixed(320),
    ptimes: PTIMES,
    coding: Coding::State { decoder: || Box::new(Narrow), encoder: || Box::new(Narrow) },
    samples: |payload| payload.len() / 2,
    blank: |payload| payload.fill(0),
};

pub(super) const WIDE: CodecInfo = CodecInfo {
    codec: Codec::L16Wide,
    label: "L16/16000",
    payload_type: 97,
    clock_rate: 16_000,
    sample_rate: 16_000,
    frame: FrameSize::Fixed(640),
    // 60 ms would not fit into a datagram of 1500 octets.
    ptimes: &[10, 20, 30, 40],
    coding: Coding::State {
        decoder: || Box::new(WideDecoder { down: Down::new() }),
        encoder: || Box::new(WideEncoder { up: Up::new() }),
    },
    samples: |payload| payload.len() / 4,
    ..INFO
};

/// 8000 Hz: only the order of octets changes.
#[derive(Debug)]
struct Narrow;

impl Decode for Narrow {
    fn decode(&mut self, payload: &[u8], from: usize, samples: &mut [i16]) -> usize {
        let (octets, _) = payload.get(2 * from..).unwrap_or(&[]).as_chunks::<2>();
        for (sample, octets) in samples.iter_mut().zip(octets) {
            *sample = i16::from_be_bytes(*octets);
        }
        samples.len().min(octets.len())
    }
}

impl Encode for Narrow {
    fn encode(&mut self, samples: &[i16], octets: &mut [u8]) -> usize {
        let (chunks, _) = octets.as_chunks_mut::<2>();
        if chunks.len() < samples.len() {
            return 0;
        }
        for (octets, sample) in chunks.iter_mut().zip(samples) {
            *octets = sample.to_be_bytes();
        }
        2 * samples.len()
    }
}

#[derive(Debug)]
struct WideDecoder {
    down: Down,
}

impl Decode for WideDecoder {
    fn decode(&mut self, payload: &[u8], from: usize, samples: &mut [i16]) -> usize {
        let (pairs, _) = payload.get(4 * from..).unwrap_or(&[]).as_chunks::<4>();
        for (sample, &[a, b, c, d]) in samples.iter_mut().zip(pairs) {
            *sample = self.down.pair(i16::from_be_bytes([a, b]), i16::from_be_bytes([c, d]));
        }
        samples.len().min(pairs.len())
    }
}

#[derive(Debug)]
struct WideEncoder {
    up: Up,
}

impl Encode for WideEncoder {
    fn encode(&mut self, samples: &[i16], octets: &mut [u8]) -> usize {
        let (chunks, _) = octets.as_chunks_mut::<4>();
        if chunks.len() < samples.len() {
            return 0;
        }
        for (octets, sample) in chunks.iter_mut().zip(samples) {
            let (first, second) = self.up.one(*sample);
            let ([a, b], [c, d]) = (first.to_be_bytes(), second.to_be_bytes());
            *octets = [a, b, c, d];
        }
        4 * samples.len()
    }
}
