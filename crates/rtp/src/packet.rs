//! RTP packets (RFC 3550 §5.1): a borrowed view for reading, the crate `webrtc-rtp` for writing.
//!
//! Reading has its own 60 lines because the crate copies header extensions to the heap and panics on
//! an RFC 8285 element that is longer than the packet; its parser is the oracle of the tests here.

use webrtc_rtp::header::Header;
use webrtc_util::marshal::Marshal;

/// Octets of a header without CSRCs and extension.
pub const HEADER_LENGTH: usize = 12;

/// Why octets are not an RTP packet of this stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PacketError {
    /// Shorter than its header says.
    #[error("shorter than its RTP header")]
    Short,
    /// The version is not 2.
    #[error("not RTP version 2")]
    Version,
    /// The padding count is 0 or longer than the payload.
    #[error("wrong RTP padding")]
    Padding,
    /// It is an RTCP packet (RFC 5761 §4).
    #[error("RTCP on the RTP port")]
    Rtcp,
    /// A payload type that was not negotiated, before any packet of a negotiated one.
    #[error("payload type that was not negotiated")]
    PayloadType,
    /// Another source, not (yet) accepted in place of the locked one.
    #[error("another synchronisation source, on probation")]
    Source,
    /// A sequence number far off, not (yet) accepted as a restart (RFC 3550 A.1).
    #[error("sequence number far off, on probation")]
    Sequence,
    /// More audio in one packet than any packet time of ours.
    #[error("payload too long")]
    Long,
}

/// A parsed RTP packet; borrows the octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Marker bit: first packet after silence, or of an event (RFC 3551 §4.1).
    pub marker: bool,
    /// Payload type, 0-127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp of the first sample.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// The payload without padding.
    pub payload: &'a [u8],
}

/// Whether a datagram on a port shared by RTP and RTCP is RTCP: packet types 192-223 (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, kind, ..] if first >> 6 == 2 && (192..=223).contains(kind))
}

impl<'a> Packet<'a> {
    /// Parses a datagram; CSRCs and header extensions are checked for length and passed over.
    ///
    /// # Errors
    /// [`PacketError`] `Short`, `Version`, `Padding` or `Rtcp`.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, PacketError> {
        let (head, _) = datagram.split_first_chunk::<HEADER_LENGTH>().ok_or(PacketError::Short)?;
        if head[0] >> 6 != 2 {
            return Err(PacketError::Version);
        }
        if is_rtcp(datagram) {
            return Err(PacketError::Rtcp);
        }
        let mut start = HEADER_LENGTH + 4 * usize::from(head[0] & 0x0F);
        if head[0] & 0x10 != 0 {
            let words = match datagram.get(start + 2..start + 4) {
                Some(&[high, low]) => u16::from_be_bytes([high, low]),
                _ => return Err(PacketError::Short),
            };
            start += 4 + 4 * usize::from(words);
        }
        let mut payload = datagram.get(start..).ok_or(PacketError::Short)?;
        if head[0] & 0x20 != 0 {
            let padding = usize::from(*payload.last().ok_or(PacketError::Padding)?);
            if padding == 0 || padding > payload.len() {
                return Err(PacketError::Padding);
            }
            payload = &payload[..payload.len() - padding];
        }
        Ok(Packet {
            marker: head[1] & 0x80 != 0,
            payload_type: head[1] & 0x7F,
            sequence: u16::from_be_bytes([head[2], head[3]]),
            timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            payload,
        })
    }

    /// Writes header and payload into `out`; returns the octets written, 0 if `out` is too small.
    pub fn write(&self, out: &mut [u8]) -> usize {
        let length = HEADER_LENGTH + self.payload.len();
        let Some(out) = out.get_mut(..length) else {
            return 0;
        };
        // The crate's vectors stay empty, so nothing is allocated.
        let header = Header {
            version: 2,
            marker: self.marker,
            payload_type: self.payload_type,
            sequence_number: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            ..Header::default()
        };
        let (head, body) = out.split_at_mut(HEADER_LENGTH);
        if header.marshal_to(head).is_err() {
            return 0;
        }
        body.copy_from_slice(self.payload);
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use webrtc_util::marshal::Unmarshal;

    /// What the crate reads; it panics on some extensions, so only datagrams that we accept are shown to it.
    fn oracle(mut datagram: &[u8]) -> Option<webrtc_rtp::packet::Packet> {
        webrtc_rtp::packet::Packet::unmarshal(&mut datagram).ok()
    }

    #[test]
    fn written_packets_are_read_here_and_by_the_crate() {
        let packet = Packet {
            marker: true,
            payload_type: 101,
            sequence: 65_535,
            timestamp: u32::MAX,
            ssrc: 0xDEAD_BEEF,
            payload: &[1, 2, 3],
        };
        let mut out = [0u8; 15];
        assert_eq!(packet.write(&mut out), 15);
        assert_eq!(Packet::parse(&out), Ok(packet));
        let theirs = oracle(&out).expect("valid");
        assert_eq!((theirs.header.sequence_number, theirs.header.ssrc), (65_535, 0xDEAD_BEEF));
        assert_eq!(packet.write(&mut out[..14]), 0);
    }

    #[test]
    fn csrcs_extensions_and_padding_are_passed_over() {
        let mut datagram = vec![0xB2, 0x80, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        datagram.extend([0; 8]); // two CSRCs
        datagram.extend([0xBE, 0xDE, 0, 1, 0x10, 0xFF, 0, 0]); // one extension word
        datagram.extend([7, 8, 9, 0, 0, 3]); // payload with padding
        let packet = Packet::parse(&datagram).expect("valid");
        assert!(packet.marker && packet.payload_type == 0);
        assert_eq!(packet.payload, [7, 8, 9]);
        assert_eq!(oracle(&datagram).expect("valid").payload.as_ref(), [7, 8, 9]);
    }

    #[test]
    fn refuses_what_is_wrong() {
        let good = [0x80u8, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9];
        assert!(Packet::parse(&good).is_ok());
        let with = |at: usize, octet: u8| {
            let mut bad = good;
            bad[at] = octet;
            Packet::parse(&bad).map(|p| p.payload.len())
        };
        assert_eq!(Packet::parse(&good[..11]), Err(PacketError::Short));
        assert_eq!(with(0, 0x40), Err(PacketError::Version));
        assert_eq!(with(0, 0x81), Err(PacketError::Short));
        assert_eq!(with(0, 0x90), Err(PacketError::Short));
        assert_eq!(with(0, 0xA0), Err(PacketError::Padding));
        assert_eq!(with(1, 200), Err(PacketError::Rtcp));
        let mut all_padding = good;
        all_padding[0] = 0xA0;
        all_padding[12] = 1;
        assert_eq!(Packet::parse(&all_padding).map(|p| p.payload.len()), Ok(0));
    }

    proptest! {
        #[test]
        fn agrees_with_the_crate(mut octets in prop::collection::vec(any::<u8>(), 0..80), extension: bool) {
            if let [first, kind, ..] = octets.as_mut_slice() {
                *first = *first & 0x2F | 0x80 | u8::from(extension) << 4;
                *kind &= 0x7F;
                // A short extension of no known profile: the crate panics on others.
                let at = 12 + 4 * usize::from(*first & 0x0F);
                if let Some([a, b, c, d]) = octets.get_mut(at..at + 4) {
                    (*a, *b, *c) = (1, 2, 0);
                    *d %= 8;
                }
            }
            match (Packet::parse(&octets), oracle(&octets)) {
                (Ok(ours), Some(theirs)) => {
                    prop_assert_eq!(ours.payload, theirs.payload.as_ref());
                    prop_assert_eq!(ours.sequence, theirs.header.sequence_number);
                    prop_assert_eq!(ours.timestamp, theirs.header.timestamp);
                    prop_assert_eq!(ours.ssrc, theirs.header.ssrc);
                    prop_assert_eq!(ours.payload_type, theirs.header.payload_type);
                    prop_assert_eq!(ours.marker, theirs.header.marker);
                }
                // The crate takes a padding count of 0; RFC 3550 §5.1 counts the octet itself.
                (Err(PacketError::Padding), _) | (Err(_), None) => {}
                (ours, theirs) => prop_assert!(false, "{:?} {:?}", ours, theirs.is_some()),
            }
        }

        #[test]
        fn garbage_does_no_harm(octets: Vec<u8>) {
            let _ = Packet::parse(&octets);
        }
    }
}
