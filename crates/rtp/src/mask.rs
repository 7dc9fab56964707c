//! Packets for a capture that must tell no secret: same timing, sizes and presses, but neither keys nor sound.

use crate::digit::MediaTime;
use crate::event::{EventDetector, EventPayload};
use crate::packet::{HEADER_LENGTH, Packet};
use crate::payload::{Meaning, PayloadTypes};
use crate::redundancy::blocks;

/// Event codes that stand for keys, in turn: those of A-D, which no telephone has, so that nobody takes them for keys.
const CODES: [u8; 4] = [12, 13, 14, 15];
/// Level of masked events, in -dBm0.
const VOLUME: u8 = 10;
/// What masked comfort noise consists of (RFC 3389 §3): its lowest level, and reflection coefficients of about zero.
const QUIET: u8 = 127;
/// Packet types of RTCP that are known and hold no audio: SR to BYE, and RTPFB to XR (RFC 3550, RFC 4585, RFC 3611).
const REPORTS: [u8; 7] = [200, 201, 202, 203, 205, 206, 207];

/// Masks the RTP packets of one direction of one call.
///
/// Which key was pressed is replaced by the order of presses: the first becomes A, the next B, then C, D, and A again.
/// The codes come from the count alone, so they tell nothing of the keys, not even which of them are the same; and the
/// presses stay apart for whoever groups the packets again, as the same detector has told them apart before masking.
/// Audio becomes the codec's silence, and what is not understood is blanked. What stays is what evidence consists of:
/// header, marker, end bits, durations, sizes.
#[derive(Debug)]
pub struct PacketMask {
    presses: EventDetector,
}

impl Default for PacketMask {
    fn default() -> Self {
        PacketMask { presses: EventDetector::new() }
    }
}

impl PacketMask {
    /// Masks a datagram of the RTP port in place; `at` is its arrival. False, and all of it blank, if it is no RTP.
    pub fn rtp(&mut self, at: MediaTime, types: &PayloadTypes, datagram: &mut [u8]) -> bool {
        let Ok(packet) = Packet::parse(datagram) else {
            datagram.fill(0);
            return false;
        };
        self.presses.set_ratio(types.event_clock / 8000);
        let from = Origin {
            at: at.0,
            source: (packet.ssrc, packet.sequence),
            timestamp: packet.timestamp,
            marker: packet.marker,
        };
        let (payload_type, length) = (packet.payload_type, packet.payload.len());
        // Where the payload ends tells where it began: there may be padding behind it.
        let head = datagram.len() - length - padding(datagram);
        let (header, rest) = datagram.split_at_mut(head);
        let (payload, padding) = rest.split_at_mut(length);
        if let Some((_, but_count)) = padding.split_last_mut() {
            but_count.fill(0);
        }
        mask_extension(header);
        if Some(payload_type) == types.redundancy {
            self.redundant(from, types, payload);
        } else {
            self.payload(from, types.meaning(payload_type), payload);
        }
        true
    }

    fn redundant(&mut self, from: Origin, types: &PayloadTypes, payload: &mut [u8]) {
        let found: Option<Vec<_>> = blocks(payload).map(|blocks| {
            blocks
                .map(|block| (block.payload_type, block.back, block.following, block.payload.len()))
                .collect()
        });
        let Some(found) = found else {
            // All bits set: headers without an end, so that it stays unreadable.
            return payload.fill(0xFF);
        };
        let octets: usize = found.iter().map(|(.., length)| length).sum();
        let (_, mut data) = payload.split_at_mut(payload.len() - octets);
        for (payload_type, back, following, length) in found {
            let (block, rest) = data.split_at_mut(length);
            data = rest;
            let (ssrc, sequence) = from.source;
            match types.meaning(payload_type) {
                Meaning::Event if following > 0 => {
                    let source = (ssrc, sequence.wrapping_sub(following));
                    let timestamp = from.timestamp.wrapping_sub(back);
                    let (presses, mut press) = (&mut self.presses, None);
                    presses.redundant(from.at, source, timestamp, block, &mut |report| {
                        press = Some(report.serial);
                    });
                    // No report: it repeats a press that is known.
                    let press = press.or_else(|| self.presses.known(from.at, source, timestamp, block));
                    mask_event(block, press);
                }
                meaning => self.payload(from, meaning, block),
            }
        }
    }

    fn payload(&mut self, from: Origin, meaning: Meaning, payload: &mut [u8]) {
        match meaning {
            Meaning::Audio(codec) => codec.blank(payload),
            Meaning::Comfort => payload.fill(QUIET),
            Meaning::Unknown => payload.fill(0),
            Meaning::Event => {
                let mut press = None;
                // The packet's own press is reported last.
                self.presses.packet(
                    from.at,
                    from.source,
                    from.timestamp,
                    from.marker,
                    payload,
                    &mut |report| press = Some(report.serial),
                );
                mask_event(payload, press);
            }
        }
    }
}

/// Where a packet stands.
#[derive(Clone, Copy)]
struct Origin {
    at: u64,
    source: (u32, u16),
    timestamp: u32,
    marker: bool,
}

/// Whether a datagram is RTCP of known kinds and nothing else, which may be shown as it is.
pub fn is_plain_rtcp(mut datagram: &[u8]) -> bool {
    while let [first, kind, high, low, ..] = datagram {
        let length = 4 * (usize::from(u16::from_be_bytes([*high, *low])) + 1);
        match datagram.get(length..) {
            Some([]) if first >> 6 == 2 && REPORTS.contains(kind) => return true,
            Some(rest) if first >> 6 == 2 && REPORTS.contains(kind) => datagram = rest,
            _ => return false,
        }
    }
    false
}

/// Octets of padding at the end of a packet that was parsed (RFC 3550 §5.1).
fn padding(datagram: &[u8]) -> usize {
    match datagram {
        [first, .., count] if first & 0x20 != 0 => usize::from(*count),
        _ => 0,
    }
}

/// A header extension may tell how loud the audio is (RFC 6464): its contents become padding (RFC 8285 §4.2).
fn mask_extension(header: &mut [u8]) {
    if header.first().is_some_and(|first| first & 0x10 != 0) {
        let at = HEADER_LENGTH + 4 * usize::from(header[0] & 0x0F) + 4;
        header.iter_mut().skip(at).for_each(|octet| *octet = 0);
    }
}

/// Replaces the key by the turn of its press; events that are no keys (RFC 4733 §3.2: above 15) stay what they are.
fn mask_event(payload: &mut [u8], press: Option<u32>) {
    let Some(event) = EventPayload::read(payload) else { return payload.fill(0) };
    let code = match press {
        // The detector counts from one.
        Some(serial) => CODES[serial.wrapping_sub(1) as usize % CODES.len()],
        None if event.code > 15 => event.code,
        None => CODES[0],
    };
    payload.fill(0);
    payload[..4].copy_from_slice(&EventPayload { code, volume: VOLUME, ..event }.write());
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;
