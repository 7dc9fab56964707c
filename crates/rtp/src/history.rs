//! The newest packets, by index: what the tone detector and the playout take from.
//!
//! Payloads lie in one ring of octets in the order of arrival, so that packets of any packet time share one
//! block of memory; a slot whose octets were overwritten counts as gone.

use crate::ahead::{Memory, memory, ring};
use crate::codec::{Codec, FrameSize};

/// How far back packets are remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// Half a second of audio: the tone detector takes each packet as soon as those before it are there.
    Half,
    /// A second: a playout takes them when their time has come.
    Second,
}

impl Reach {
    /// Packets: a power of two, and more than 300 ms or a second of them at a packet time of 10 ms.
    fn slots(self) -> usize {
        match self {
            Reach::Half => 32,
            Reach::Second => 128,
        }
    }

    /// Octets of their audio: a power of two, so that places in the ring cost no division.
    fn octets(self, codec: Codec) -> usize {
        let (FrameSize::Fixed(octets) | FrameSize::Variable(octets)) = codec.info().frame;
        let second = (octets * 51).next_power_of_two().max(SECOND);
        match self {
            Reach::Half => second / 2,
            Reach::Second => second,
        }
    }
}

/// Octets of one second of G.711 or G.722, and a little more; other codecs have their own measure.
const SECOND: usize = 8192;
/// Octets of 20 ms of G.711 or G.722.
const FRAME: usize = 160;
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
    length: u16,
    samples: u16,
    /// Octets written before its own, modulo 2^32.
    position: u32,
}

impl Slot {
    /// Samples in it, at 8000 Hz.
    pub(crate) fn samples(&self) -> u32 {
        u32::from(self.samples)
    }
}

/// The newest packets.
#[derive(Debug)]
pub(crate) struct History {
    slots: Box<[Slot]>,
    arena: Box<[u8]>,
    /// Octets written so far, modulo 2^32.
    written: u32,
}

impl History {
    pub(crate) fn new(codec: Codec, reach: Reach) -> Self {
        Self::with_room(reach.slots(), reach.octets(codec))
    }

    fn with_room(slots: usize, octets: usize) -> Self {
        let empty = Slot {
            index: 0,
            timestamp: 0,
            arrived: 0,
            content: Content::Other,
            restart: false,
            length: 0,
            samples: 0,
            position: 0,
        };
        History {
            slots: vec![empty; slots].into_boxed_slice(),
            arena: vec![0; octets].into_boxed_slice(),
            written: 0,
        }
    }

    /// Makes room for packets of another codec, or further back; what is remembered stays. Not in a tick.
    pub(crate) fn admit(&mut self, codec: Codec, reach: Reach) {
        let (slots, octets) =
            (self.slots.len().max(reach.slots()), self.arena.len().max(reach.octets(codec)));
        if slots == self.slots.len() && octets == self.arena.len() {
            return;
        }
        let mut grown = History::with_room(slots, octets);
        let mut slots: Vec<Slot> = self.slots.iter().filter(|slot| slot.index != 0).copied().collect();
        slots.sort_by_key(|slot| std::cmp::Reverse(self.behind(slot)));
        for slot in slots {
            let payload = self.payload(&slot);
            grown.insert(slot.index, slot.timestamp, slot.arrived, slot.content, slot.restart, payload);
        }
        *self = grown;
    }

    /// Packets that are remembered at the most.
    pub(crate) fn slots(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Whether what comes next may soon overwrite this packet: three quarters of the memory were written since.
    pub(crate) fn is_fading(&self, slot: &Slot, highest: u64) -> bool {
        highest - slot.index >= self.slots() * 3 / 4 || self.behind(slot) as usize > self.arena.len() / 4 * 3
    }

    /// Octets written since the packet's first.
    fn behind(&self, slot: &Slot) -> u32 {
        self.written.wrapping_sub(slot.position)
    }

    fn at(&self, index: u64) -> usize {
        index as usize & (self.slots.len() - 1)
    }

    /// Remembers a packet; false if it is there already, or its place is taken by a younger one. `payload` is cut at
    /// [`MAX_PAYLOAD`]; what is no audio is kept without payload.
    pub(crate) fn insert(
        &mut self,
        index: u64,
        timestamp: u32,
        arrived: u64,
        content: Content,
        restart: bool,
        payload: &[u8],
    ) -> bool {
        let at = self.at(index);
        if self.slots[at].index >= index {
            return false;
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
            length: payload.len() as u16,
            samples,
            position,
        };
        true
    }

    /// Where in the ring a position lies.
    fn place(&self, position: u32) -> usize {
        position as usize & (self.arena.len() - 1)
    }

    /// The next place in the ring where `length` octets fit in one piece.
    fn reserve(&mut self, length: usize) -> u32 {
        let arena = self.arena.len();
        let start = self.place(self.written);
        if start + length > arena {
            self.written = self.written.wrapping_add((arena - start) as u32);
        }
        let position = self.written;
        self.written = self.written.wrapping_add(length as u32);
        position
    }

    /// Where the packet at `index` will be put, if it is as long as a frame.
    pub(crate) fn ahead(&self, index: u64) -> [Memory; 3] {
        let at = self.at(index);
        let [octets, over] = ring(&self.arena, self.written as usize, FRAME);
        [memory(&self.slots[at..=at]), octets, over]
    }

    /// The packet at `index`, if it came and is still remembered.
    pub(crate) fn get(&self, index: u64) -> Option<&Slot> {
        self.slots.get(self.at(index)).filter(|slot| slot.index == index && index != 0)
    }

    /// The first packet from `from` to `last`, with its index.
    pub(crate) fn first_from(&self, from: u64, last: u64) -> Option<(u64, &Slot)> {
        let from = from.max((last + 1).saturating_sub(self.slots()));
        (from..=last).find_map(|index| self.get(index).map(|slot| (index, slot)))
    }

    /// The payload of a packet; empty if it was overwritten or held no audio.
    pub(crate) fn payload(&self, slot: &Slot) -> &[u8] {
        if self.behind(slot) as usize > self.arena.len() {
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
    fn remembers_as_far_back_as_it_should_at_any_packet_time() {
        for (reach, samples) in [(Reach::Half, 2500), (Reach::Second, 6000)] {
            for length in [80usize, 160, 240, 320, 480, 960] {
                let mut history = History::new(Codec::Pcmu, reach);
                for index in 1..=300u64 {
                    assert!(history.insert(index, 0, 0, AUDIO, false, &vec![index as u8; length]));
                    for back in 0..(samples / length as u64).min(index) {
                        let slot = history.get(index - back).expect("remembered");
                        let want = vec![(index - back) as u8; length];
                        assert_eq!(history.payload(slot), want, "{length} {index} {back}");
                    }
                }
                assert!(history.get(300 - history.slots()).is_none());
                let overwritten = |slot: &Slot| history.payload(slot).is_empty();
                assert!(history.get(300 - 110).is_none_or(|slot| length < 100 || overwritten(slot)));
            }
        }
    }

    #[test]
    fn what_fades_is_told_before_it_is_gone() {
        for length in [80usize, 160, 240, 320, 480] {
            let mut history = History::new(Codec::Pcmu, Reach::Half);
            let mut first = 1;
            for index in 1..=300u64 {
                assert!(history.insert(index, 0, 0, AUDIO, false, &vec![index as u8; length]));
                let slot = history.get(first).expect("told before");
                assert!(!history.payload(slot).is_empty(), "{length} {index}");
                if history.is_fading(slot, index) {
                    assert!((index - first) * length as u64 >= 1600, "{length}: 200 ms must fit");
                    first = index;
                }
            }
            assert!(first > 1);
        }
    }

    #[test]
    fn places_survive_the_wrap_of_their_count() {
        let mut history = History::new(Codec::Pcmu, Reach::Half);
        history.written = u32::MAX - 1000;
        for index in 1..=40u64 {
            assert!(history.insert(index, 0, 0, AUDIO, false, &[index as u8; 160]));
            for back in 0..index.min(15) {
                let slot = history.get(index - back).expect("remembered");
                assert_eq!(history.payload(slot), [(index - back) as u8; 160]);
            }
        }
    }

    #[test]
    fn room_grows_without_losing_what_is_there() {
        let mut history = History::new(Codec::Pcmu, Reach::Half);
        for index in 1..=40u64 {
            history.insert(index, 0, 0, AUDIO, false, &[index as u8; 160]);
        }
        history.admit(Codec::L16, Reach::Second);
        for index in 41..=60u64 {
            history.insert(index, 0, 0, AUDIO, false, &[index as u8; 160]);
        }
        for index in 20..=60u64 {
            let slot = history.get(index).expect("remembered");
            assert_eq!(history.payload(slot), [index as u8; 160]);
        }
    }

    #[test]
    fn knows_duplicates_and_the_too_old() {
        let mut history = History::new(Codec::Pcmu, Reach::Second);
        assert!(history.insert(500, 0, 0, AUDIO, false, &[1]));
        assert!(!history.insert(500, 0, 0, AUDIO, false, &[1]));
        assert!(!history.insert(500 - 128, 0, 0, AUDIO, false, &[1]));
        assert_eq!(history.first_from(10, 510).map(|(index, _)| index), Some(500));
        assert!(history.first_from(501, 510).is_none());
    }
}
