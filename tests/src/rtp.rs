//! RTP as it was on the wire: one direction of one stream, in the order of arrival.
use crate::capture::Packet;
use std::time::Duration;

/// One RTP packet.
#[derive(Clone, Debug)]
pub struct Rtp {
    /// When the kernel had it.
    pub at: Duration,
    /// Payload type.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Time stamp.
    pub timestamp: u32,
    /// Source.
    pub ssrc: u32,
    /// Payload; empty if the capture cut it off.
    pub payload: Vec<u8>,
}

impl Rtp {
    /// Reads a datagram; `None` if it is no RTP (RFC 3550 §5.1), or RTCP on the same port (RFC 5761 §4).
    pub fn parse(at: Duration, bytes: &[u8]) -> Option<Self> {
        let [first, second, ..] = *bytes else { return None };
        if first >> 6 != 2 || (192..=223).contains(&second) {
            return None;
        }
        let word = |from: usize| Some(u32::from_be_bytes(bytes.get(from..from + 4)?.try_into().ok()?));
        let start = 12 + 4 * usize::from(first & 15);
        Some(Self {
            at,
            payload_type: second & 0x7f,
            marker: second & 0x80 != 0,
            sequence: u16::from_be_bytes([bytes[2], *bytes.get(3)?]),
            timestamp: word(4)?,
            ssrc: word(8)?,
            payload: bytes.get(start..).unwrap_or_default().to_vec(),
        })
    }

    /// The RTP among captured packets, those to or from a port.
    pub fn of<'a>(
        packets: impl IntoIterator<Item = &'a Packet>,
        chosen: impl Fn(&Packet) -> bool,
    ) -> Vec<Self> {
        let chosen = packets.into_iter().filter(|packet| chosen(packet));
        chosen.filter_map(|packet| Self::parse(packet.at, &packet.payload)).collect()
    }
}

/// How evenly a stream came.
#[derive(Clone, Debug, Default)]
pub struct Evenness {
    /// Packets seen.
    pub packets: usize,
    /// Sequence numbers that were not seen.
    pub lost: u64,
    /// Sequence numbers that were seen again, or out of order.
    pub disordered: u64,
    /// Packets of audio whose time stamp does not follow the one before by exactly its length.
    pub broken_timestamps: u64,
    /// For each packet: how far the distance to its predecessor is from 20 ms, in µs.
    pub deviation_us: Vec<u64>,
}

impl Evenness {
    /// Measures one stream in the order of arrival; audio of 20 ms.
    pub fn of(stream: &[Rtp]) -> Self {
        let mut evenness = Self { packets: stream.len(), ..Self::default() };
        for pair in stream.windows(2) {
            let step = pair[1].sequence.wrapping_sub(pair[0].sequence) as i16;
            match step {
                1 => {
                    let elapsed = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
                    evenness.broken_timestamps += u64::from(elapsed != 160);
                }
                ..=0 => evenness.disordered += 1,
                _ => evenness.lost += step as u64 - 1,
            }
            let distance = pair[1].at.saturating_sub(pair[0].at).as_micros() as u64;
            evenness.deviation_us.push(distance.abs_diff(20_000));
        }
        evenness.deviation_us.sort_unstable();
        evenness
    }

    /// The deviation that so much of the packets do not exceed, in ms.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        let index = (self.deviation_us.len() as f64 * percent / 100.0) as usize;
        let last = self.deviation_us.len().saturating_sub(1);
        self.deviation_us.get(index.min(last)).map_or(0.0, |us| *us as f64 / 1000.0)
    }
}
