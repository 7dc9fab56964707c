//! Which slots of the shards are free, and whose the others are.
use crate::StreamId;
use passline_sip::CallHandle;

/// Slots of all shards.
pub(crate) struct Slots {
    shards: Vec<Shard>,
}

struct Shard {
    free: Vec<u32>,
    slots: Vec<(u32, Option<CallHandle>)>,
}

impl Slots {
    pub(crate) fn new(shards: u16, capacity: u32) -> Self {
        Slots {
            shards: (0..shards.max(1))
                .map(|_| Shard {
                    free: (0..capacity).rev().collect(),
                    slots: vec![(0, None); capacity as usize],
                })
                .collect(),
        }
    }

    /// A slot of this shard (where a stream must sit beside the one it is bridged with), else of the emptiest.
    pub(crate) fn take(&mut self, owner: CallHandle, beside: Option<u16>) -> Option<StreamId> {
        let shard = match beside {
            Some(shard) => usize::from(shard),
            None => {
                let emptiest = self.shards.iter().enumerate();
                emptiest.max_by_key(|(at, shard)| (shard.free.len(), usize::MAX - at))?.0
            }
        };
        let of = self.shards.get_mut(shard)?;
        let slot = of.free.pop()?;
        let (generation, holder) = &mut of.slots[slot as usize];
        *generation = generation.wrapping_add(1);
        *holder = Some(owner);
        Some(StreamId { shard: shard as u16, slot, generation: *generation })
    }

    /// The call that holds the stream's slot, if it is still this stream's.
    pub(crate) fn owner(&self, stream: StreamId) -> Option<CallHandle> {
        let shard = self.shards.get(usize::from(stream.shard))?;
        let (generation, owner) = shard.slots.get(stream.slot as usize)?;
        owner.filter(|_| *generation == stream.generation)
    }

    /// Takes the slot back.
    pub(crate) fn give_back(&mut self, stream: StreamId) {
        if self.owner(stream).is_some() {
            let shard = &mut self.shards[usize::from(stream.shard)];
            shard.slots[stream.slot as usize].1 = None;
            shard.free.push(stream.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_fill_evenly_and_generations_tell_streams_apart() {
        let mut slots = Slots::new(2, 2);
        let streams: Vec<StreamId> = (0..4).filter_map(|call| slots.take(CallHandle(call), None)).collect();
        let shards: Vec<u16> = streams.iter().map(|s| s.shard).collect();
        assert_eq!(shards, [0, 1, 0, 1]);
        assert_eq!(slots.take(CallHandle(9), None), None);
        assert_eq!(slots.owner(streams[2]), Some(CallHandle(2)));
        slots.give_back(streams[2]);
        slots.give_back(streams[2]);
        assert_eq!(slots.owner(streams[2]), None);
        let next = slots.take(CallHandle(10), None).expect("one is free");
        assert_eq!((next.shard, next.slot), (streams[2].shard, streams[2].slot));
        assert_ne!(next, streams[2]);
        assert_eq!(slots.take(CallHandle(11), Some(1)), None);
    }
}
