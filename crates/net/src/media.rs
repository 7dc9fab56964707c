//! The task of one shard: a precise timer, a sweep over the sockets that are due, a tick.
use crate::bind::Pair;
use crate::clock::Anchor;
use crate::datagram::{self, Datagram};
use crate::media_capture::{MediaTap, Terms};
use crate::shard_metrics::ShardMetrics;
use crate::{NetEvent, media_sockets::Sockets};
use passline_engine::{Channel, MediaEvent, MediaShard, Received, ShardCommand, ShardConfig, StreamId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Packets read from one socket for one frame: a flood must not hold up the other calls.
const SWEEP: usize = 64;
/// RTCP sockets are read every so many frames.
const RTCP_EVERY: u32 = 8;
/// A stall longer than this is not caught up tick by tick.
const CATCH_UP: Duration = Duration::from_secs(2);

/// What a shard's task is told.
pub(crate) enum ToShard {
    /// The sockets of a stream that is about to be opened.
    Sockets(StreamId, Pair),
    /// That stream will not be opened.
    Forget(StreamId),
    /// For the shard.
    Command(ShardCommand),
    /// Copies of the packets go there from now on.
    Tap(Option<MediaTap>),
}

/// How late ticks were, for a log line a minute.
#[derive(Default)]
struct Lateness {
    ticks: u32,
    over_5ms: u32,
    worst: Duration,
    since: Option<Instant>,
}

/// Drives one shard until its commands end.
pub(crate) async fn run(
    config: ShardConfig,
    mut commands: mpsc::UnboundedReceiver<ToShard>,
    events: mpsc::UnboundedSender<MediaEvent>,
    heard: mpsc::Sender<NetEvent>,
    metrics: Arc<ShardMetrics>,
) {
    let mut driver = Driver {
        shard: MediaShard::new(Instant::now(), config),
        sockets: Sockets::new(config.capacity as usize, heard),
        frame: 0,
        lateness: Lateness::default(),
        metrics,
        buffer: Box::new([0; passline_engine::PACKET]),
    };
    loop {
        if driver.shard.streams() == 0 {
            // Nobody to play to: no wake-ups.
            match commands.recv().await {
                Some(command) => driver.obey(command),
                None => return,
            }
            let now = Instant::now();
            if driver.shard.next_tick() < now {
                driver.shard.skip_to(now);
            }
        } else {
            tokio::time::sleep_until(driver.shard.next_tick().into()).await;
        }
        loop {
            match commands.try_recv() {
                Ok(command) => driver.obey(command),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return,
            }
        }
        driver.run_due();
        driver.metrics.publish(&mut driver.sockets.tally, driver.shard.streams());
        while let Some(event) = driver.shard.poll() {
            if let MediaEvent::Closed { stream, .. } = &event {
                driver.sockets.remove(*stream);
            }
            if events.send(event).is_err() {
                return;
            }
        }
    }
}

struct Driver {
    shard: MediaShard,
    sockets: Sockets,
    /// Frames played, for the rarer RTCP sweep.
    frame: u32,
    lateness: Lateness,
    metrics: Arc<ShardMetrics>,
    buffer: Box<[u8; passline_engine::PACKET]>,
}

impl Driver {
    fn obey(&mut self, command: ToShard) {
        self.metrics.obeyed();
        match command {
            ToShard::Sockets(stream, pair) => self.sockets.insert(stream, pair, Instant::now()),
            ToShard::Forget(stream) => self.sockets.remove(stream),
            ToShard::Tap(tap) => self.sockets.tap = tap,
            ToShard::Command(command) => {
                let anchor = Anchor::now();
                if let ShardCommand::Close { stream } = &command {
                    // What came before the BYE belongs to the call.
                    let slot = stream.slot;
                    self.sweep(*stream, slot, &anchor, anchor.instant);
                }
                self.sockets.note(&command);
                self.shard.set_wall_clock(anchor.instant, anchor.ntp());
                self.shard.command(anchor.instant, command, &mut self.sockets);
            }
        }
    }

    /// All ticks whose time has come, each with the packets that came before it.
    fn run_due(&mut self) {
        let mut anchor = Anchor::now();
        if anchor.instant.saturating_duration_since(self.shard.next_tick()) > CATCH_UP {
            let skipped = anchor.instant - CATCH_UP - self.shard.next_tick();
            self.metrics.skipped((skipped.as_millis() / MediaShard::TICK.as_millis()) as u64);
            self.shard.skip_to(anchor.instant - CATCH_UP);
        }
        self.shard.set_wall_clock(anchor.instant, anchor.ntp());
        let mut began = anchor.instant;
        while self.shard.next_tick() <= anchor.instant {
            let scheduled = self.shard.next_tick();
            self.lateness.note(scheduled, anchor.instant);
            let mut index = 0;
            while let Some(stream) = self.shard.due().get(index).copied() {
                self.sweep(stream, stream.slot, &anchor, scheduled);
                index += 1;
            }
            self.shard.tick(scheduled, anchor.instant, &mut self.sockets);
            self.frame = self.frame.wrapping_add(1);
            let ended = Instant::now();
            self.metrics.ticked(scheduled, began, ended);
            began = ended;
            if self.shard.next_tick() <= anchor.instant {
                anchor = Anchor::now();
            }
        }
    }

    /// Reads what came to a stream's sockets before `until`.
    fn sweep(&mut self, stream: StreamId, slot: u32, anchor: &Anchor, until: Instant) {
        let Some((sockets, tap, tally)) = self.sockets.with_tap(stream) else {
            return;
        };
        let shard = &mut self.shard;
        // What is from elsewhere than the peer is no part of the call.
        let mut hear = |at, terms: &Terms, channel, from, packet: &[u8]| {
            let received = shard.receive(at, stream, channel, from, packet);
            tally.took(received, packet.len());
            if let Some(tap) = tap
                && matches!(received, Received::Taken | Received::Bad)
            {
                tap.copy(anchor.system_time(at), stream, terms, true, channel, from, packet);
            }
        };
        if let Some((at, from, length)) = sockets.held {
            if at > until {
                return;
            }
            sockets.held = None;
            hear(at, &sockets.terms, Channel::Rtp, from, &sockets.hold[..length]);
        }
        for _ in 0..SWEEP {
            let Some(Datagram { length, from, stamp, .. }) =
                datagram::receive(&sockets.pair.rtp, &mut self.buffer[..])
            else {
                sockets.empty = anchor.instant;
                break;
            };
            let at = anchor.arrival(stamp, sockets.empty);
            let packet = &self.buffer[..length];
            if at > until && length <= sockets.hold.len() {
                // Not this tick's: a punctual engine would not have seen it yet.
                sockets.hold[..length].copy_from_slice(packet);
                sockets.held = Some((at, from, length));
                break;
            }
            hear(at, &sockets.terms, Channel::Rtp, from, packet);
        }
        if (self.frame / 4).wrapping_add(slot).is_multiple_of(RTCP_EVERY) {
            for _ in 0..4 {
                let Some(Datagram { length, from, stamp, .. }) =
                    datagram::receive(&sockets.pair.rtcp, &mut self.buffer[..])
                else {
                    sockets.rtcp_empty = anchor.instant;
                    break;
                };
                let at = anchor.arrival(stamp, sockets.rtcp_empty);
                hear(at, &sockets.terms, Channel::Rtcp, from, &self.buffer[..length]);
            }
        }
    }
}

impl Lateness {
    fn note(&mut self, scheduled: Instant, now: Instant) {
        let late = now.saturating_duration_since(scheduled);
        self.ticks += 1;
        self.over_5ms += u32::from(late > Duration::from_millis(5));
        self.worst = self.worst.max(late);
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= Duration::from_secs(60) {
            let worst_ms = self.worst.as_millis() as u64;
            tracing::debug!(ticks = self.ticks, over_5ms = self.over_5ms, worst_ms, "media ticks");
            *self = Lateness { since: Some(now), ..Lateness::default() };
        }
    }
}
