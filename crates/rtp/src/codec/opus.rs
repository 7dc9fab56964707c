//! Opus (RFC 6716, RFC 7587), by libopus: mono at 8000 Hz both ways, which the codec converts by itself.
//!
//! Its RTP clock is 48000 Hz and its `a=rtpmap` has two channels, whatever is in the packets. Packets say themselves how
//! long they are; a sender that stops for a while (DTX) leaves gaps in its timestamps or sends packets of one octet.

use opus::{Application, Bitrate, Channels};

use super::{Codec, CodecInfo, Coding, Decode, Encode, FrameSize};

/// Payload octets that 20 ms of ours take at most; 60 on average.
const MOST: usize = 160;
/// What we send, in bit/s.
const BITRATE: i32 = 24_000;
/// Longest packet, in samples at 8000 Hz: 120 ms (RFC 6716 §3.4, R5).
const LONGEST: usize = 960;
/// 0 to 10: what more costs is not heard on a telephone.
const COMPLEXITY: i32 = 5;
/// Losses that the encoder arms itself against, in per cent.
const LOSS_PERCENT: i32 = 5;

pub(super) const INFO: CodecInfo = CodecInfo {
    codec: Codec::Opus,
    name: "opus",
    label: "opus",
    payload_type: 107,
    clock_rate: 48_000,
    sample_rate: 8000,
    channels: 2,
    fmtp: Some("maxaveragebitrate=32000;stereo=0;useinbandfec=1"),
    frame: FrameSize::Variable(MOST),
    ptimes: &[10, 20, 40, 60],
    coding: Coding::State {
        decoder: || Box::new(Decoder::new()),
        encoder: || Box::new(Encoder { state: encoder() }),
    },
    samples,
    blank,
};

/// Samples (8000 Hz) of one frame by the configuration in the first octet (RFC 6716 §3.1, table 2).
fn frame_samples(toc: u8) -> usize {
    let configuration = toc >> 3;
    match configuration {
        0..12 => [80, 160, 320, 480][usize::from(configuration & 3)],
        12..16 => [80, 160][usize::from(configuration & 1)],
        _ => [20, 40, 80, 160][usize::from(configuration & 3)],
    }
}

/// Frames of a packet (RFC 6716 §3.2).
fn frames(payload: &[u8]) -> usize {
    match payload {
        [] => 0,
        [toc, rest @ ..] => match toc & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => rest.first().map_or(0, |count| usize::from(count & 0x3F)),
        },
    }
}

fn samples(payload: &[u8]) -> usize {
    let total = payload.first().map_or(0, |toc| frame_samples(*toc) * frames(payload));
    if total <= LONGEST { total } else { 0 }
}

/// Frames of no octets, which a decoder takes for the sender's silence, and padding (RFC 6716 §3.2.5).
fn blank(payload: &mut [u8]) {
    let (count, length) = (frames(payload), payload.len());
    let Some((toc, rest)) = payload.split_first_mut() else { return };
    rest.fill(0);
    if rest.is_empty() {
        // Of one octet: silence already, if the octet says that there is one frame.
        *toc &= !3;
        return;
    }
    *toc |= 3;
    rest[0] = count as u8 & 0x3F;
    // Octets that tell how much padding follows: each 255 stands for 254.
    let Some(padding) = (1..length).find(|told| length <= 2 + told + 254 * told).filter(|_| length > 2)
    else {
        return;
    };
    rest[0] |= 0x40;
    let last = length - 2 - padding - 254 * (padding - 1);
    rest[1..padding].fill(255);
    rest[padding] = last as u8;
}

struct Decoder {
    /// `None` only if there was no memory.
    state: Option<opus::Decoder>,
    /// The packet being heard.
    pcm: [i16; LONGEST],
    length: usize,
}

impl Decoder {
    fn new() -> Self {
        Decoder { state: opus::Decoder::new(8000, Channels::Mono).ok(), pcm: [0; LONGEST], length: 0 }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("opus::Decoder")
    }
}

impl Decode for Decoder {
    fn decode(&mut self, payload: &[u8], from: usize, out: &mut [i16]) -> usize {
        if from == 0 {
            let state = self.state.as_mut().filter(|_| samples(payload) > 0);
            self.length = state.map_or(0, |state| state.decode(payload, &mut self.pcm, false).unwrap_or(0));
        }
        let rest = self.pcm.get(from..self.length).unwrap_or(&[]);
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        count
    }

    fn recover(&mut self, next: &[u8], out: &mut [i16]) -> bool {
        let state = self.state.as_mut().filter(|_| samples(next) > 0 && out.len().is_multiple_of(20));
        state.is_some_and(|state| state.decode(next, out, true).is_ok_and(|count| count == out.len()))
    }
}

struct Encoder {
    /// `None` only if there was no memory.
    state: Option<opus::Encoder>,
}

fn encoder() -> Option<opus::Encoder> {
    let mut state = opus::Encoder::new(8000, Channels::Mono, Application::Voip).ok()?;
    state.set_bitrate(Bitrate::Bits(BITRATE)).ok()?;
    state.set_complexity(COMPLEXITY).ok()?;
    state.set_inband_fec(true).ok()?;
    state.set_packet_loss_perc(LOSS_PERCENT).ok()?;
    Some(state)
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("opus::Encoder")
    }
}

impl Encode for Encoder {
    fn encode(&mut self, pcm: &[i16], octets: &mut [u8]) -> usize {
        let most = (pcm.len() * MOST / 160).min(octets.len());
        let state = self.state.as_mut();
        state.map_or(0, |state| state.encode(pcm, &mut octets[..most]).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_say_how_long_they_are() {
        // Configuration, code and count: a few rows of RFC 6716, tables 2 and 4.
        for (payload, want) in [
            (&[0x08][..], 160),     // SILK, 20 ms, one frame
            (&[0x18, 1, 2], 480),   // SILK, 60 ms
            (&[0x79, 1], 320),      // hybrid, twice 20 ms
            (&[0xF8, 1], 160),      // CELT, 20 ms
            (&[0xE3, 0x03, 1], 60), // CELT, three of 2.5 ms
            (&[0x1B, 0x03, 1], 0),  // SILK, three of 60 ms: longer than any packet may be
            (&[0x0B], 0),           // no count
            (&[], 0),
        ] {
            assert_eq!(samples(payload), want, "{payload:x?}");
            if want > 0 {
                assert_eq!(opus::packet::get_nb_samples(payload, 8000).ok(), Some(want), "{payload:x?}");
            }
        }
    }

    #[test]
    fn blanked_packets_of_any_length_are_well_formed() {
        for length in 2..1440 {
            let mut payload = vec![0x55; length];
            payload[0] = 0x0B;
            payload[1] = 0x83;
            blank(&mut payload);
            assert_eq!((payload.len(), samples(&payload)), (length, 480));
            let parts = opus::packet::parse(&payload).unwrap_or_else(|error| panic!("{length}: {error}"));
            assert!(parts.frames.iter().all(|frame| frame.is_empty()), "{length}");
        }
    }

    #[test]
    fn a_lost_packet_is_told_by_the_next() {
        let mut encoder = encoder().expect("memory");
        encoder.set_packet_loss_perc(30).expect("valid");
        let mut decoder = Decoder::new();
        let (mut with, mut without) = (0.0, 0.0);
        let mut heard = [0i16; 160];
        let mut lost = None;
        for tick in 0..200usize {
            // A voice-like buzz whose pitch moves, so that nothing could guess it.
            let pcm: Vec<i16> = (0..160)
                .map(|n| {
                    let time = (tick * 160 + n) as f64 / 8000.0;
                    let pitch = 120.0 + 60.0 * (time * 3.0).sin();
                    (1..8)
                        .map(|k| 1500.0 / f64::from(k) * (f64::from(k) * pitch * time * 6.0).sin())
                        .sum::<f64>() as i16
                })
                .collect();
            let mut octets = [0u8; 400];
            let length = encoder.encode(&pcm, &mut octets).expect("encoded");
            if tick % 10 == 9 {
                lost = Some(pcm);
                continue;
            }
            if let Some(pcm) = lost.take() {
                let energy = |samples: &[i16]| samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
                let mut told = [0i16; 160];
                assert!(decoder.recover(&octets[..length], &mut told));
                with += (energy(&told).sqrt() - energy(&pcm).sqrt()).abs();
                without += energy(&pcm).sqrt();
            }
            assert_eq!(decoder.decode(&octets[..length], 0, &mut heard), 160);
        }
        // What is told has about the energy of what was lost.
        assert!(with < 0.5 * without, "{with} of {without}");
    }
}
