//! The telephone-event payload, RFC 4733 §2.3.

/// A telephone-event payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventPayload {
    /// Event code: 0-15 are the DTMF digits, 16 is flash, others are tones (RFC 4733 §3.2, RFC 4734).
    pub code: u8,
    /// E bit: the event is over.
    pub end: bool,
    /// Level of the tone in -dBm0, 0-63.
    pub volume: u8,
    /// Samples since the RTP timestamp.
    pub duration: u16,
}

impl EventPayload {
    /// Reads the first event of a payload; `None` if it is shorter than four octets.
    pub fn read(payload: &[u8]) -> Option<EventPayload> {
        let &[code, flags, high, low] = payload.first_chunk::<4>()?;
        Some(EventPayload {
            code,
            end: flags & 0x80 != 0,
            volume: flags & 0x3F,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The four octets on the wire.
    pub fn write(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, u8::from(self.end) << 7 | self.volume & 0x3F, high, low]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_short_payloads() {
        let event = EventPayload { code: 11, end: true, volume: 10, duration: 1280 };
        assert_eq!(event.write(), [11, 0x8A, 0x05, 0x00]);
        assert_eq!(EventPayload::read(&event.write()), Some(event));
        assert_eq!(EventPayload::read(&[11, 0x8A, 5]), None);
        // Some senders pad the payload; the first event counts.
        assert_eq!(EventPayload::read(&[11, 0x8A, 5, 0, 9, 9, 9]), Some(event));
    }
}
