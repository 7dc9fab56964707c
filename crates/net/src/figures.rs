//! How running calls sound: asked of the shards, which answer between two ticks.
use crate::{Command, Handle};
use passline_engine::rtp::Statistics;
use passline_engine::{MediaShard, StreamId};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Streams that a shard is asked about at one time: what it does between two ticks must be little.
const AT_ONCE: usize = 32;

/// What is asked of one shard; the answers are written into the places that are there for them.
pub struct Figures {
    places: Vec<(StreamId, Option<Statistics>)>,
    done: oneshot::Sender<Vec<(StreamId, Option<Statistics>)>>,
}

impl Figures {
    /// The shard that is asked.
    pub(crate) fn shard(&self) -> Option<usize> {
        self.places.first().map(|(stream, _)| usize::from(stream.shard))
    }

    /// Fills in what is known, and answers; allocates nothing.
    pub(crate) fn answer(mut self, shard: &MediaShard) {
        for (stream, statistics) in &mut self.places {
            *statistics = shard.statistics(*stream);
        }
        // Whoever asked may be gone; then nobody wants the answer.
        let _ = self.done.send(self.places);
    }
}

impl Handle {
    /// Counts and measures so far of those of these streams that are still there.
    pub async fn statistics(&self, streams: &[StreamId]) -> BTreeMap<StreamId, Statistics> {
        let mut streams = streams.to_vec();
        streams.sort_unstable();
        let mut known = BTreeMap::new();
        for of_shard in streams.chunk_by(|one, other| one.shard == other.shard) {
            // One question waits for the other, and so for a tick: many calls are asked about in many ticks.
            for some in of_shard.chunks(AT_ONCE) {
                let places = some.iter().map(|stream| (*stream, None)).collect();
                let (done, answer) = oneshot::channel();
                self.send(Command::Figures(Figures { places, done }));
                // No answer: the net has ended.
                let answered = answer.await.unwrap_or_default();
                known.extend(answered.into_iter().filter_map(|(stream, seen)| Some((stream, seen?))));
            }
        }
        known
    }
}
