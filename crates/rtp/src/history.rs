//! The packets of the last second, by index: what the tone detector and the playout take from.
//!
//! Payloads lie in one ring of octets in the order of arrival, so that packets of any packet time share one
//! block of memory; a slot whose octets were overwritten counts as gone.

use crate::codec::{Codec, FrameSize};

/// Packets remembered: a power of two, more than a second at a packet time of 10 ms.
pub(crate) const SLOTS: u64 = 128;
/// Octets remembered: one second of G.711 or G.722; others have their own measure.
const ARENA: usize = 8192;
/// Longest payload of one packet, in octets: what fits into a datagram of 1500 (L16 at 16 kHz for 45 ms).
pub(crate) const MAX_PAYLOAD: usize = 1440;

/// What a remembered packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// Audio in this codec.
    Audio(Codec),
    /// Comfort noise of this level in -dBov (RFC 3389 §3).
    Comfort(u8),
    /// No audio: an event, an unknown payload type.
    Other,
}

/// A remembered packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    index: u64,
    /// RTP timestamp at 8000 Hz.
    pub(crate) timestamp: u32,
    /// Arrival on the media clock.
    pub(crate) arrived: u64,
    /// What it is.
    pub(crate) content: Content,
    /// First packet of a new sequence or source: timestamps do not continue.
    pub(crate) restart: bool,
    position: u64,
    length: u16,
    samples: u16,
}

impl Slot {
    /// Samples in it, at 8000 Hz.
    pub(crate) fn samples(&self) -> u32 {
        u32::from(self.samples)
    }
}

/// What came of an insertion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Inserted {
    /// Remembered.
    New,
    /// The same packet is there already.
    Duplicate,
    /// Its place is taken by a packet much younger.
    TooOld,
}

/// The packets of the last second.
#[derive(Debug)]
pub(crate) struct History {
    slots: Box<[Slot]>,
    arena: Box<[u8]>,
    written: u64,
}

/// Octets that one second takes, and a little more: a power of two, so that places in the ring cost no division.
fn arena(codec: Codec) -> usize {
    let (FrameSize::Fixed(octets) | FrameSize::Variable(octets)) = codec.info().frame;
    (octets * 51).next_power_of_two().max(ARENA)
}

impl History {
    pub(crate) fn new(codec: Codec) -> Self {
        let empty = Slot {
            index: 0,
            timestamp: 0,
            arrived: 0,
            content: Content::Other,
            restart: false,
            position: 0,
            length: 0,
            samples: 0,
        };
        History {
            slots: vec![empty; SLOTS as usize].into_boxed_slice(),
            arena: vec![0; arena(codec)].into_boxed_slice(),
            written: 0,
        }
    }

    /// Makes room for packets of another codec; what is remembered stays. Not in a tick.
    pub(crate) fn admit(&mut self, codec: Codec) {
        if arena(codec) <= self.arena.len() {
            return;
        }
        let mut grown = History::new(codec);
        let mut slots: Vec<Slot> = self.slots.iter().filter(|slot| slot.index != 0).copied().collect();
        slots.sort_by_key(|slot| slot.position);
        for slot in slots {
            let payload = self.payload(&slot);
            grown.insert(slot.index, slot.timestamp, slot.arrived, slot.content, slot.restart, payload);
        }
        *self = grown;
    }

    /// Remembers a packet. `payload` is cut at [`MAX_PAYLOAD`]; what is no audio is kept without payload.
    pub(crate) fn insert(
        &mut self,
        index: u64,
        timestamp: u32,
        arrived: u64,
        content: Content,
        restart: bool,
        payload: &[u8],
    ) -> Inserted {
        let at = (index % SLOTS) as usize;
        if self.slots[at].index == index {
            return Inserted::Duplicate;
        }
        if self.slots[at].index > index {
            return Inserted::TooOld;
        }
        let payload = match content {
            Content::Audio(_) => &payload[..payload.len().min(MAX_PAYLOAD)],
            Content::Comfort(_) | Content::Other => &[],
        };
        let samples = match content {
            Content::Audio(codec) => codec.samples(payload) as u16,
            Content::Comfort(_) | Content::Other => 0,
        };
        let position = self.reserve(payload.len());
        let start = self.place(position);
        self.arena[start..start + payload.len()].copy_from_slice(payload);
        self.slots[at] = Slot {
            index,
            timestamp,
            arrived,
            content,
            restart,
            position,
            length: payload.len() as u16,
            samples,
        };
        Inserted::New
    }

    /// Where in the ring a position lies.
    fn place(&self, position: u64) -> usize {
        position as usize & (self.arena.len() - 1)
    }

    /// The next place in the ring where `length` octets fit in one piece.
    fn reserve(&mut self, length: usize) -> u64 {
        let arena = self.arena.len();
        let start = self.place(self.written);
        if start + length > arena {
            self.written += (arena - start) as u64;
        }
        let position = self.written;
        self.written += length as u64;
        position
    }

    /// The packet at `index`, if it came and is still remembered.
    pub(crate) fn get(&self, index: u64) -> Option<&Slot> {
        self.slots.get((index % SLOTS) as usize).filter(|slot| slot.index == index && index != 0)
    }

    /// The first packet from `from` to `last`, with its index.
    pub(crate) fn first_from(&self, from: u64, last: u64) -> Option<(u64, &Slot)> {
        let from = from.max((last + 1).saturating_sub(SLOTS));
        (from..=last).find_map(|index| self.get(index).map(|slot| (index, slot)))
    }

    /// The payload of a packet; empty if it was overwritten or held no audio.
    pub(crate) fn payload(&self, slot: &Slot) -> &[u8] {
        if self.written - slot.position > self.arena.len() as u64 {
            return &[];
        }
        let start = self.place(slot.position);
        self.arena.get(start..start + usize::from(slot.length)).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO: Content = Content::Audio(Codec::Pcmu);

    #[test]
    fn remembers_a_second_of_any_packet_time() {
        for length in [80usize, 160, 240, 320, 480, 960] {
            let mut history = History::new(Codec::Pcmu);
            for index in 1..=300u64 {
                let payload = vec![index as u8; length];
                let inserted = history.insert(index, 0, 0, AUDIO, false, &payload);
                assert_eq!(inserted, Inserted::New);
                for back in 0..(6000 / length as u64).min(index) {
                    let slot = history.get(index - back).expect("remembered");
                    let want = vec![(index - back) as u8; length];
                    assert_eq!(history.payload(slot), want, "{length} {index} {back}");
                }
            }
            let old = history.get(300 - 110).expect("slot");
            assert!(length < 100 || history.payload(old).is_empty());
            assert!(history.get(300 - 128).is_none());
        }
    }

    #[test]
    fn knows_duplicates_and_the_too_old() {
        let mut history = History::new(Codec::Pcmu);
        assert_eq!(history.insert(500, 0, 0, AUDIO, false, &[1]), Inserted::New);
        assert_eq!(history.insert(500, 0, 0, AUDIO, false, &[1]), Inserted::Duplicate);
        assert_eq!(history.insert(500 - 128, 0, 0, AUDIO, false, &[1]), Inserted::TooOld);
        assert_eq!(history.first_from(10, 510).map(|(index, _)| index), Some(500));
        assert!(history.first_from(501, 510).is_none());
    }
}
