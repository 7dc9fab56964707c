//! What a shard has of each of its streams, by slot, side by side in memory.
use crate::StreamId;

/// Streams of a piece of memory: enough to lie close together, so that the processor finds them by few pages (each by
/// itself among what else a call has, half of the time of fetching one ahead goes into finding it); and few enough not
/// to take memory for calls that never come.
const CHUNK: usize = 64;

struct Chunk<T> {
    streams: Box<[Option<T>]>,
    used: usize,
}

/// Streams by slot.
pub(super) struct Slab<T> {
    /// Of the stream that has, or had, each slot.
    generations: Box<[u32]>,
    /// Empty ones take no memory.
    chunks: Box<[Option<Chunk<T>>]>,
}

impl<T> Slab<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Slab {
            generations: vec![0; capacity].into(),
            chunks: (0..capacity.div_ceil(CHUNK)).map(|_| None).collect(),
        }
    }

    pub(super) fn get(&self, stream: StreamId) -> Option<&T> {
        let generation = *self.generations.get(stream.slot as usize)?;
        if generation == stream.generation { self.place(stream.slot)?.as_ref() } else { None }
    }

    /// Where the slot lies, without a look at what is there.
    pub(super) fn place(&self, slot: u32) -> Option<&Option<T>> {
        let slot = slot as usize;
        self.chunks.get(slot / CHUNK)?.as_ref()?.streams.get(slot % CHUNK)
    }

    pub(super) fn get_mut(&mut self, stream: StreamId) -> Option<&mut T> {
        let generation = *self.generations.get(stream.slot as usize)?;
        if generation == stream.generation { self.at(stream.slot) } else { None }
    }

    /// Whoever has the slot.
    pub(super) fn at(&mut self, slot: u32) -> Option<&mut T> {
        let slot = slot as usize;
        self.chunks.get_mut(slot / CHUNK)?.as_mut()?.streams[slot % CHUNK].as_mut()
    }

    /// Gives a slot to a stream. False, and `new` is not called, if there is no such slot or another stream has it.
    pub(super) fn insert(&mut self, stream: StreamId, new: impl FnOnce() -> T) -> bool {
        let slot = stream.slot as usize;
        let Some(generation) = self.generations.get_mut(slot) else { return false };
        let chunk = self.chunks[slot / CHUNK]
            .get_or_insert_with(|| Chunk { streams: (0..CHUNK).map(|_| None).collect(), used: 0 });
        let place = &mut chunk.streams[slot % CHUNK];
        if place.is_some() {
            return false;
        }
        *generation = stream.generation;
        *place = Some(new());
        chunk.used += 1;
        true
    }

    /// Frees the slot of a stream.
    pub(super) fn remove(&mut self, stream: StreamId) {
        let slot = stream.slot as usize;
        if self.generations.get(slot) != Some(&stream.generation) {
            return;
        }
        let place = &mut self.chunks[slot / CHUNK];
        if let Some(chunk) = place
            && chunk.streams[slot % CHUNK].take().is_some()
        {
            chunk.used -= 1;
            if chunk.used == 0 {
                *place = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(slot: u32, generation: u32) -> StreamId {
        StreamId { shard: 0, slot, generation }
    }

    #[test]
    fn a_slot_belongs_to_one_stream_at_a_time() {
        let mut slab = Slab::new(CHUNK + 1);
        let (first, second) = (stream(CHUNK as u32, 1), stream(CHUNK as u32, 2));
        assert!(slab.get(first).is_none() && slab.get_mut(first).is_none() && slab.at(first.slot).is_none());
        assert!(slab.insert(first, || "first"));
        assert!(!slab.insert(second, || unreachable!()));
        slab.remove(second);
        assert_eq!((slab.get(first), slab.get(second)), (Some(&"first"), None));
        slab.remove(first);
        assert!(slab.insert(second, || "second"));
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&"second")));
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.at(first.slot), Some(&mut "second"));
        let beyond = stream(CHUNK as u32 + 1, 0);
        assert!(!slab.insert(beyond, || unreachable!()));
        assert!(slab.get(beyond).is_none() && slab.at(beyond.slot).is_none() && slab.at(u32::MAX).is_none());
        slab.remove(beyond);
    }

    #[test]
    fn memory_is_given_back_with_the_last_stream_of_a_chunk() {
        let mut slab = Slab::new(3 * CHUNK);
        let all: Vec<_> = (0..2 * CHUNK as u32).map(|slot| stream(slot, 7)).collect();
        assert!(all.iter().all(|&stream| slab.insert(stream, || stream.slot)));
        let taken = |slab: &Slab<u32>| slab.chunks.iter().map(Option::is_some).collect::<Vec<_>>();
        assert_eq!(taken(&slab), [true, true, false]);
        for stream in &all[1..] {
            slab.remove(*stream);
            slab.remove(*stream);
        }
        assert_eq!(taken(&slab), [true, false, false]);
        assert_eq!(slab.get(all[0]), Some(&0));
        slab.remove(all[0]);
        assert_eq!(taken(&slab), [false; 3]);
    }
}
