//! What a shard has counted and measured, for whoever watches it: the shard writes, anybody reads, nobody waits.
//!
//! Each value has one writer, the shard's own task, so that a plain load and store does; a reader may see one packet
//! more in one counter than in its neighbour, which no graph shows.
use crate::packet_io::Sent;
use passline_engine::Received;
use passline_engine::rtp::srtp::SrtpError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Upper ends of the classes of tick times, in µs; one more class holds what is above the last.
pub const TICK_BOUNDS_US: [u64; 12] =
    [50, 100, 250, 500, 1000, 2000, 3000, 5000, 10_000, 20_000, 60_000, 250_000];

/// Why packets of encrypted streams are not opened: the tag is wrong or missing, they were here before, they are too old to tell, the
/// peer's key is used up or has seen too many sources.
pub const UNOPENED: [&str; 4] = ["unauthentic", "replayed", "old", "keyless"];

/// Place in [`UNOPENED`].
fn why(error: SrtpError) -> usize {
    match error {
        SrtpError::Authentication | SrtpError::Length => 0,
        SrtpError::Replayed => 1,
        SrtpError::Old => 2,
        SrtpError::UsedUp | SrtpError::Sources => 3,
    }
}

/// How often a time fell into each class.
#[derive(Debug, Default)]
pub struct TimeHistogram {
    classes: [AtomicU64; TICK_BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// A [`TimeHistogram`] as it was at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimesSeen {
    /// Times at most as long as each of [`TICK_BOUNDS_US`] and longer than the one before it, then the longer ones.
    pub classes: [u64; TICK_BOUNDS_US.len() + 1],
    /// All times together, in ns.
    pub sum_ns: u64,
}

impl TimeHistogram {
    fn note(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let class =
            TICK_BOUNDS_US.iter().position(|bound| ns <= bound * 1000).unwrap_or(TICK_BOUNDS_US.len());
        add(&self.classes[class], 1);
        add(&self.sum_ns, ns);
    }

    /// What was seen so far.
    pub fn seen(&self) -> TimesSeen {
        TimesSeen {
            classes: std::array::from_fn(|class| self.classes[class].load(Relaxed)),
            sum_ns: self.sum_ns.load(Relaxed),
        }
    }
}

/// Counters of one shard since its start.
#[derive(Debug, Default)]
pub struct ShardMetrics {
    /// How long each tick took, its packets' reading and sending included.
    pub tick_duration: TimeHistogram,
    /// How long after its time each tick began.
    pub tick_lateness: TimeHistogram,
    /// Ticks left out because they were too late to be caught up.
    pub skipped_ticks: AtomicU64,
    /// Streams open now.
    pub streams: AtomicU64,
    /// RTP and RTCP packets taken from their peers.
    pub received: AtomicU64,
    /// Octets in them (UDP payload).
    pub received_octets: AtomicU64,
    /// Packets from elsewhere than the peer, dropped.
    pub foreign: AtomicU64,
    /// Packets from the peer that were neither RTP nor RTCP of the stream.
    pub bad: AtomicU64,
    /// Packets of encrypted streams that were not opened.
    pub unopened: [AtomicU64; UNOPENED.len()],
    /// RTP and RTCP packets that the kernel took from us.
    pub sent: AtomicU64,
    /// Octets in them (UDP payload).
    pub sent_octets: AtomicU64,
    /// Packets that the kernel did not take.
    pub unsent: AtomicU64,
    /// What the shard has been told to do; written by whoever tells.
    told: AtomicU64,
    /// What it has done of that.
    obeyed: AtomicU64,
}

/// Where the counters of a tick's packets are gathered before they are published: plain numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    received: u64,
    received_octets: u64,
    foreign: u64,
    bad: u64,
    unopened: [u64; UNOPENED.len()],
    pub(crate) sent: u64,
    pub(crate) sent_octets: u64,
    pub(crate) unsent: u64,
}

impl Tally {
    /// A packet of so many octets was handed to the shard.
    pub(crate) fn took(&mut self, received: Received, octets: usize) {
        match received {
            Received::Taken => {
                self.received += 1;
                self.received_octets += octets as u64;
            }
            Received::Foreign => self.foreign += 1,
            Received::Bad => self.bad += 1,
            Received::Gone => {}
            Received::Unopened(error) => self.unopened[why(error)] += 1,
        }
    }

    /// So many packets went out, and so many the kernel did not take.
    pub(crate) fn gave(&mut self, sent: Sent) {
        self.sent += sent.packets;
        self.sent_octets += sent.octets;
        self.unsent += sent.refused;
    }

    /// A packet had no socket to leave by.
    pub(crate) fn dropped(&mut self) {
        self.unsent += 1;
    }
}

impl ShardMetrics {
    /// A tick that should have begun at `scheduled` began at `began` and is over at `ended`.
    pub(crate) fn ticked(&self, scheduled: Instant, began: Instant, ended: Instant) {
        self.tick_lateness.note(began.saturating_duration_since(scheduled));
        self.tick_duration.note(ended.saturating_duration_since(began));
    }

    /// So many ticks were left out.
    pub(crate) fn skipped(&self, ticks: u64) {
        add(&self.skipped_ticks, ticks);
    }

    /// Adds what was gathered, and empties it.
    pub(crate) fn publish(&self, tally: &mut Tally, streams: usize) {
        self.streams.store(streams as u64, Relaxed);
        let Tally { received, received_octets, foreign, bad, unopened, sent, sent_octets, unsent } =
            std::mem::take(tally);
        for (counter, more) in self.unopened.iter().zip(unopened).filter(|(_, more)| *more > 0) {
            add(counter, more);
        }
        for (counter, more) in [
            (&self.received, received),
            (&self.received_octets, received_octets),
            (&self.foreign, foreign),
            (&self.bad, bad),
            (&self.sent, sent),
            (&self.sent_octets, sent_octets),
            (&self.unsent, unsent),
        ] {
            if more > 0 {
                add(counter, more);
            }
        }
    }

    /// It was told something.
    pub(crate) fn told(&self) {
        self.told.fetch_add(1, Relaxed);
    }

    /// It has done what it was told.
    pub(crate) fn obeyed(&self) {
        add(&self.obeyed, 1);
    }

    /// What it has been told and not yet done.
    pub fn waiting(&self) -> u64 {
        // In this order: what is told between the two reads may be counted, what is done may not.
        let obeyed = self.obeyed.load(Relaxed);
        self.told.load(Relaxed).saturating_sub(obeyed)
    }

    /// Grows with everything that the shard does.
    fn progress(&self) -> u64 {
        self.tick_duration.sum_ns.load(Relaxed).wrapping_add(self.obeyed.load(Relaxed))
    }

    /// Whether the shard's task lives: it has nothing to do, or does something within `patience`.
    pub async fn lives(&self, patience: Duration) -> bool {
        let before = self.progress();
        let give_up = tokio::time::Instant::now() + patience;
        loop {
            let idle = self.streams.load(Relaxed) == 0 && self.waiting() == 0;
            if idle || self.progress() != before {
                return true;
            }
            if tokio::time::Instant::now() >= give_up {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// How busy the shards were since it was last measured.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    at: Option<Instant>,
    /// Time spent in ticks until then, by shard, ns.
    spent: Vec<u64>,
}

impl Busy {
    /// Share of the time in which the least busy shard was at work, percent: where the next call would go.
    pub(crate) fn measure<'a>(&mut self, now: Instant, shards: impl Iterator<Item = &'a ShardMetrics>) -> u8 {
        let spent: Vec<u64> = shards.map(|metrics| metrics.tick_duration.sum_ns.load(Relaxed)).collect();
        let passed = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at)).as_nanos();
        let share = |(before, after): (&u64, &u64)| {
            let busy = u128::from(after.wrapping_sub(*before)) * 100 / passed.max(1);
            u8::try_from(busy.min(100)).unwrap_or(100)
        };
        let least = match passed {
            0 => 0,
            _ => self.spent.iter().zip(&spent).map(share).min().unwrap_or(0),
        };
        (self.at, self.spent) = (Some(now), spent);
        least
    }
}

/// Adds to a counter of which this task is the only writer.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_their_classes() {
        let metrics = ShardMetrics::default();
        let scheduled = Instant::now();
        let ms = Duration::from_millis;
        for (late, took) in [(ms(0), ms(1)), (Duration::from_micros(51), ms(2)), (ms(400), ms(300))] {
            metrics.ticked(scheduled, scheduled + late, scheduled + late + took);
        }
        let late = metrics.tick_lateness.seen();
        assert_eq!((late.classes[0], late.classes[1], late.classes[12]), (1, 1, 1));
        assert_eq!(late.sum_ns, 400_051_000);
        let took = metrics.tick_duration.seen();
        // At a bound belongs below it.
        assert_eq!((took.classes[4], took.classes[5], took.classes[12]), (1, 1, 1));
        assert_eq!(took.classes.iter().sum::<u64>(), 3);
    }

    #[test]
    fn the_least_busy_shard_tells_whether_there_is_room() {
        let shards = [ShardMetrics::default(), ShardMetrics::default()];
        let (mut busy, ms) = (Busy::default(), Duration::from_millis);
        let start = Instant::now();
        assert_eq!(busy.measure(start, shards.iter()), 0);
        shards[0].ticked(start, start, start + ms(450));
        assert_eq!(busy.measure(start + ms(500), shards.iter()), 0);
        shards[0].ticked(start, start, start + ms(450));
        shards[1].ticked(start, start, start + ms(300));
        assert_eq!(busy.measure(start + ms(1000), shards.iter()), 60);
        // Ticks that are caught up after a stall.
        shards[0].ticked(start, start, start + ms(450));
        shards[1].ticked(start, start, start + ms(900));
        assert_eq!(busy.measure(start + ms(1500), shards.iter()), 90);
        assert_eq!(busy.measure(start + ms(2000), shards.iter()), 0);
    }

    #[test]
    fn what_is_gathered_is_published_once() {
        let (metrics, mut tally) = (ShardMetrics::default(), Tally::default());
        for received in [Received::Taken, Received::Taken, Received::Foreign, Received::Bad, Received::Gone] {
            tally.took(received, 172);
        }
        for error in [SrtpError::Authentication, SrtpError::UsedUp, SrtpError::Sources, SrtpError::Old] {
            tally.took(Received::Unopened(error), 172);
        }
        tally.gave(Sent { packets: 1, octets: 172, refused: 1 });
        metrics.publish(&mut tally, 5);
        metrics.publish(&mut tally, 4);
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        assert_eq!((read(&metrics.received), read(&metrics.received_octets)), (2, 344));
        assert_eq!((read(&metrics.foreign), read(&metrics.bad), read(&metrics.streams)), (1, 1, 4));
        assert_eq!(metrics.unopened.each_ref().map(read), [1, 0, 1, 2]);
        assert_eq!((read(&metrics.sent), read(&metrics.sent_octets), read(&metrics.unsent)), (1, 172, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_that_does_not_do_what_it_is_told_does_not_live() {
        let metrics = ShardMetrics::default();
        assert!(metrics.lives(Duration::from_secs(1)).await);
        metrics.told();
        assert_eq!(metrics.waiting(), 1);
        assert!(!metrics.lives(Duration::from_secs(1)).await);
        metrics.obeyed();
        assert!(metrics.lives(Duration::from_secs(1)).await);
        metrics.publish(&mut Tally::default(), 1);
        assert!(!metrics.lives(Duration::from_secs(1)).await, "a stream, and no tick");
    }
}
