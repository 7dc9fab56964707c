//! Names of streams and legs.

/// One RTP stream: a slot of a shard and its generation, so that a late packet or command never meets a successor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// Which shard.
    pub shard: u16,
    /// Which slot of the shard, below its capacity.
    pub slot: u32,
    /// Counts the streams that had this slot.
    pub generation: u32,
}

/// An outgoing call that somebody outside steers; the number is theirs to choose and never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);
