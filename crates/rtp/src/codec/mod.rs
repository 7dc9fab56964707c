//! Audio codecs: one file and one row of [`CODECS`] each.

mod pcma;
mod pcmu;

/// A codec that Passline speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Default)]
pub enum Codec {
    /// ITU-T G.711 µ-law, static payload type 0.
    #[default]
    Pcmu,
    /// ITU-T G.711 A-law, static payload type 8.
    Pcma,
}

/// What offers, prompts, tests and benches need to know of a codec.
#[derive(Debug)]
pub struct CodecInfo {
    /// The codec of this row.
    pub codec: Codec,
    /// Encoding name in `a=rtpmap` (RFC 4855), compared without regard to case.
    pub name: &'static str,
    /// Static payload type of RFC 3551, table 4.
    pub payload_type: u8,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Audio channels.
    pub channels: u8,
    encode: fn(&[i16], &mut [u8]) -> usize,
    decode: fn(&[u8], &mut [i16]) -> usize,
    silence: u8,
}

/// All codecs in the order in which we prefer them.
pub static CODECS: &[CodecInfo] = &[pcmu::INFO, pcma::INFO];

impl Codec {
    /// The row of this codec in [`CODECS`].
    pub fn info(self) -> &'static CodecInfo {
        match self {
            Codec::Pcmu => &CODECS[0],
            Codec::Pcma => &CODECS[1],
        }
    }

    /// Encodes samples (8000 Hz, 16 bit) to octets, as many as fit in both; returns the octets written.
    pub fn encode(self, samples: &[i16], octets: &mut [u8]) -> usize {
        (self.info().encode)(samples, octets)
    }

    /// Decodes octets to samples (8000 Hz, 16 bit), as many as fit in both; returns the samples written.
    pub fn decode(self, octets: &[u8], samples: &mut [i16]) -> usize {
        (self.info().decode)(octets, samples)
    }

    /// The octet that means silence.
    pub fn silence(self) -> u8 {
        self.info().silence
    }

    /// The codec with this encoding name (any case), `None` if unknown.
    pub fn from_name(name: &str) -> Option<Codec> {
        CODECS.iter().find(|info| info.name.eq_ignore_ascii_case(name)).map(|info| info.codec)
    }

    /// The codec of a static payload type (RFC 3551), `None` if unknown.
    pub fn from_static(payload_type: u8) -> Option<Codec> {
        CODECS.iter().find(|info| info.payload_type == payload_type).map(|info| info.codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_where_the_codec_looks_for_them() {
        for info in CODECS {
            assert_eq!(info.codec.info().name, info.name);
            assert_eq!(Codec::from_name(&info.name.to_lowercase()), Some(info.codec));
            assert_eq!(Codec::from_static(info.payload_type), Some(info.codec));
        }
        assert_eq!(Codec::from_name("opus"), None);
        assert_eq!(Codec::from_static(9), None);
    }

    #[test]
    fn every_octet_survives_decode_and_encode() {
        for info in CODECS {
            for octet in 0..=255u8 {
                let mut sample = [0i16];
                let mut back = [0u8];
                assert_eq!(info.codec.decode(&[octet], &mut sample), 1);
                assert_eq!(info.codec.encode(&sample, &mut back), 1);
                // µ-law has two zeros; the negative one comes back as the positive one.
                if !(info.codec == Codec::Pcmu && octet == 0x7F) {
                    assert_eq!(back[0], octet, "{} {octet:#04x}", info.name);
                }
            }
        }
    }

    #[test]
    fn encoding_is_monotonic_and_close() {
        for info in CODECS {
            let mut previous = i16::MIN;
            for linear in i16::MIN..=i16::MAX {
                let mut octet = [0u8];
                let mut back = [0i16];
                info.codec.encode(&[linear], &mut octet);
                info.codec.decode(&octet, &mut back);
                assert!(back[0] >= previous, "{} at {linear}", info.name);
                previous = back[0];
                let error = (i32::from(back[0]) - i32::from(linear)).abs();
                let step = (i32::from(linear).abs() / 16).max(16);
                assert!(error <= step, "{} {linear} -> {}", info.name, back[0]);
            }
        }
    }

    #[test]
    fn silence_is_nearly_zero_and_lengths_are_the_shorter() {
        for info in CODECS {
            let mut samples = [99i16; 4];
            assert_eq!(info.codec.decode(&[info.codec.silence(); 9], &mut samples), 4);
            assert!(samples.iter().all(|s| s.abs() <= 8));
            assert_eq!(info.codec.encode(&samples, &mut [0u8; 3]), 3);
        }
    }
}
