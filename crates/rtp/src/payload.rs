//! What the payload types of a stream mean.

use crate::codec::Codec;

/// Comfort noise (RFC 3389): the sender's way to say silence.
const COMFORT_NOISE: u8 = 13;

/// Payload types and what they mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PayloadTypes {
    /// The negotiated codec.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// Payload types of telephone-event: the one sent, and the one received.
    pub events: [Option<u8>; 2],
    /// Their clock rate in Hz.
    pub event_clock: u32,
    /// Dynamic payload type of comfort noise (RFC 3389), in the clock of the codec; 13 means that anyway.
    pub comfort: Option<u8>,
    /// Payload type of redundant packets (RFC 2198).
    pub redundancy: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    Audio(Codec),
    Event,
    Comfort,
    Unknown,
}

impl PayloadTypes {
    pub(crate) fn meaning(&self, payload_type: u8) -> Meaning {
        if payload_type == self.payload_type {
            return Meaning::Audio(self.codec);
        }
        if self.events.contains(&Some(payload_type)) {
            return Meaning::Event;
        }
        if payload_type == COMFORT_NOISE || Some(payload_type) == self.comfort {
            return Meaning::Comfort;
        }
        // A peer may send any codec of the offer; the static types mean the same everywhere.
        Codec::from_static(payload_type).map_or(Meaning::Unknown, Meaning::Audio)
    }

    /// Ticks of the clock of such a packet in a sample at 8000 Hz.
    pub(crate) fn ratio(&self, meaning: Meaning) -> u32 {
        match meaning {
            Meaning::Audio(codec) => codec.ratio(),
            Meaning::Event => (self.event_clock / 8000).max(1),
            Meaning::Comfort | Meaning::Unknown => self.codec.ratio(),
        }
    }
}

impl Default for PayloadTypes {
    /// PCMU alone.
    fn default() -> Self {
        PayloadTypes {
            codec: Codec::Pcmu,
            payload_type: 0,
            events: [None; 2],
            event_clock: 8000,
            comfort: None,
            redundancy: None,
        }
    }
}
