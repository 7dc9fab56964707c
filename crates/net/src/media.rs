//! One shard on a thread of its own: a precise sleep, a sweep over the sockets that are due, a tick.
use crate::bind::Pair;
use crate::clock::Anchor;
use crate::media_capture::MediaTap;
use crate::media_sockets::{HOLD, Sockets, Taking};
use crate::packet_io::{BATCH, Inbox, PacketIoKind};
use crate::prefetch::prefetch;
use crate::shard_metrics::ShardMetrics;
use crate::{Figures, NetEvent};
use passline_engine::rtp::Memory;
use passline_engine::{Channel, MediaEvent, MediaShard, Received, ShardCommand, ShardConfig, StreamId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Packets read for one stream in one frame: a flood must not hold up the other calls.
const SWEEP: usize = 64;
/// RTCP sockets are read every so many frames.
const RTCP_EVERY: u32 = 8;
/// RTCP packets read for one stream each time.
const RTCP_SWEEP: usize = 4;
/// How packets are marked is looked at in one of so many frames of a port, and in its first ones: it costs as much as
/// telling when they came, and hardly ever changes.
const MARKS_EVERY: u32 = 32;
/// A stream is fetched into the cache while the one so many places before it is played: what lies between takes longer
/// than the memory does, and is little enough to leave the cache as it is.
const AHEAD: usize = 32;
/// The same for what a stream keeps apart, and for what it needs of that: before the packets of the next port are read.
const PARTS_AHEAD: usize = 24;
const DATA_AHEAD: usize = 16;
/// A stall longer than this is not caught up tick by tick.
const CATCH_UP: Duration = Duration::from_secs(2);

/// What a shard is told.
pub(crate) enum ToShard {
    /// The sockets of a stream that is about to be opened; others may come to share them.
    Sockets { stream: StreamId, pair: Pair, shared: bool },
    /// A stream that is about to be opened shares the sockets of others on this port.
    Join { stream: StreamId, port: u16 },
    /// That stream will not be opened.
    Forget(StreamId),
    /// Nobody shares this port any more.
    ClosePort(u16),
    /// For the shard.
    Command(ShardCommand),
    /// Somebody asks how calls sound.
    Figures(Figures),
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

/// Drives one shard until its commands end. Blocks: it has a thread of its own, so that no task can be in its way.
pub(crate) fn run(
    config: ShardConfig,
    kind: PacketIoKind,
    mut commands: mpsc::UnboundedReceiver<ToShard>,
    events: mpsc::UnboundedSender<Vec<MediaEvent>>,
    heard: mpsc::Sender<NetEvent>,
    metrics: Arc<ShardMetrics>,
) {
    let mut driver = Driver::new(Instant::now(), config, kind, heard, metrics);
    loop {
        if driver.shard.streams() == 0 {
            // Nobody to play to: no wake-ups.
            match commands.blocking_recv() {
                Some(command) => driver.obey(command),
                None => return,
            }
            let now = Instant::now();
            if driver.shard.next_tick() < now {
                driver.shard.skip_to(now);
            }
        } else {
            std::thread::sleep(driver.shard.next_tick().saturating_duration_since(Instant::now()));
        }
        loop {
            match commands.try_recv() {
                Ok(command) => driver.obey(command),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return driver.sockets.flush(),
            }
        }
        driver.run_due();
        driver.metrics.publish(&mut driver.sockets.tally, driver.shard.streams());
        let news: Vec<MediaEvent> = std::iter::from_fn(|| driver.shard.poll()).collect();
        for event in &news {
            if let MediaEvent::Closed { stream, .. } = event {
                driver.sockets.remove(*stream);
            }
        }
        // All at once: the control task wakes up for each message, and may have to share our core.
        if !news.is_empty() && events.send(news).is_err() {
            return;
        }
    }
}

struct Driver {
    shard: MediaShard,
    sockets: Sockets,
    inbox: Inbox,
    /// Frames played, for the rarer RTCP sweep.
    frame: u32,
    lateness: Lateness,
    metrics: Arc<ShardMetrics>,
}

impl Driver {
    fn new(
        now: Instant,
        config: ShardConfig,
        kind: PacketIoKind,
        heard: mpsc::Sender<NetEvent>,
        metrics: Arc<ShardMetrics>,
    ) -> Self {
        Driver {
            shard: MediaShard::new(now, config),
            sockets: Sockets::new(config.capacity as usize, kind, heard),
            inbox: Inbox::new(kind),
            frame: 0,
            lateness: Lateness::default(),
            metrics,
        }
    }

    fn obey(&mut self, command: ToShard) {
        self.metrics.obeyed();
        match command {
            ToShard::Sockets { stream, pair, shared } => {
                self.sockets.insert(stream, pair, shared, Instant::now());
            }
            ToShard::Join { stream, port } => self.sockets.join(stream, port),
            ToShard::Forget(stream) => self.sockets.remove(stream),
            ToShard::ClosePort(port) => self.sockets.close(port),
            ToShard::Tap(tap) => self.sockets.tap = tap,
            ToShard::Figures(figures) => figures.answer(&self.shard),
            ToShard::Command(command) => {
                let anchor = Anchor::now();
                if let ShardCommand::Close { stream } = &command
                    && let Some(port) = self.sockets.port_of(*stream)
                {
                    // What came before the BYE belongs to the call.
                    self.sweep(port, &anchor, anchor.instant, usize::MAX);
                }
                self.sockets.note(&command);
                self.shard.set_wall_clock(anchor.instant, anchor.ntp());
                self.shard.command(anchor.instant, command, &mut self.sockets);
            }
        }
    }

    /// The ticks whose time has come, of one frame at the most, each with the packets that came before it.
    fn run_due(&mut self) {
        let mut anchor = Anchor::now();
        if anchor.instant.saturating_duration_since(self.shard.next_tick()) > CATCH_UP {
            let skipped = anchor.instant - CATCH_UP - self.shard.next_tick();
            self.metrics.skipped((skipped.as_millis() / MediaShard::TICK.as_millis()) as u64);
            self.shard.skip_to(anchor.instant - CATCH_UP);
        }
        self.shard.set_wall_clock(anchor.instant, anchor.ntp());
        let mut began = anchor.instant;
        // A frame at the most: a shard that is behind for good must still hear of calls that end, or it stays behind.
        for _ in 0..MediaShard::FRAME.as_millis() / MediaShard::TICK.as_millis() {
            if self.shard.next_tick() > anchor.instant {
                break;
            }
            let scheduled = self.shard.next_tick();
            self.lateness.note(scheduled, anchor.instant);
            let (mut index, mut swept) = (0, None);
            // Streams that share a port stand side by side. Each port is read and then written before it is the next one's
            // turn: its streams and its socket are in the cache then.
            while let Some(stream) = self.shard.due(index) {
                let port = self.sockets.port_of(stream);
                if let Some(at) = port.filter(|_| port != swept) {
                    let next =
                        self.shard.due(index + DATA_AHEAD).and_then(|stream| self.sockets.port_of(stream));
                    if let Some(memory) = next.and_then(|next| self.sockets.memory(next)) {
                        prefetch(memory);
                    }
                    self.sweep(at, &anchor, scheduled, index + AHEAD);
                }
                swept = port;
                self.fetch(index);
                self.shard.play(index, scheduled, anchor.instant, &mut self.sockets);
                index += 1;
            }
            self.shard.turn(scheduled);
            self.sockets.flush();
            self.frame = self.frame.wrapping_add(1);
            let ended = Instant::now();
            self.metrics.ticked(scheduled, began, ended);
            began = ended;
            if self.shard.next_tick() <= anchor.instant {
                anchor = Anchor::now();
            }
        }
    }

    /// Has what streams further on will need fetched into the cache, step by step: what one step brings tells the next
    /// one where to look.
    fn fetch(&self, index: usize) {
        let shard = &self.shard;
        let due = |ahead| shard.due(index + ahead);
        if let Some((_, second)) = halves(shard, index + AHEAD) {
            prefetch(second);
        }
        if let Some(parts) = due(PARTS_AHEAD).and_then(|stream| shard.parts(stream)) {
            parts.into_iter().for_each(prefetch);
        }
        if let Some(memory) = due(DATA_AHEAD).and_then(|stream| shard.ahead(stream)) {
            memory.into_iter().for_each(prefetch);
        }
    }

    /// Reads what came to a port's sockets before `until`. Between its packets, streams from the place `next` on are
    /// fetched by half.
    fn sweep(&mut self, at: usize, anchor: &Anchor, until: Instant, mut next: usize) {
        let Some(mut taking) = self.sockets.port_mut(at) else { return };
        let shard = &mut self.shard;
        let mut held_before = 0;
        while let Some(held) = taking.port.held.front() {
            if held.at > until {
                break;
            }
            if let Some(held) = taking.port.held.pop_front() {
                hear(
                    shard,
                    &mut taking,
                    anchor,
                    held.at,
                    Channel::Rtp,
                    held.from,
                    held.tos,
                    &held.octets[..held.length],
                );
                taking.spare.push(held);
                held_before += 1;
            }
        }
        let members = taking.port.members().max(1);
        let mut most = first_batch(members, held_before);
        let mut further = 1;
        let socket = taking.port.socket(Channel::Rtp);
        let mut left = SWEEP * members;
        let round = (self.frame / 4).wrapping_add(at as u32);
        let tells_marks = round.is_multiple_of(MARKS_EVERY);
        if tells_marks {
            taking.port.tell_marks(true);
        }
        // While one is held, a punctual engine would not have seen what comes after it yet.
        while left > 0 && taking.port.held.is_empty() {
            let count = self.inbox.receive(socket, most);
            for packet in (0..count).filter_map(|at| self.inbox.packet(at)) {
                let at = anchor.arrival(packet.stamp, taking.port.empty);
                if at > until && packet.octets.len() <= HOLD {
                    taking.hold(at, packet.from, packet.tos, packet.octets);
                    // What is still in the kernel came after it.
                    taking.port.empty = taking.port.empty.max(at);
                } else {
                    hear(
                        shard,
                        &mut taking,
                        anchor,
                        at,
                        Channel::Rtp,
                        packet.from,
                        packet.tos,
                        packet.octets,
                    );
                }
                if let Some((first, _)) = halves(shard, next) {
                    prefetch(first);
                }
                next = next.saturating_add(1);
            }
            if count < most {
                taking.port.empty = anchor.instant;
                break;
            }
            left = left.saturating_sub(count);
            (most, further) = (further, (2 * further).min(BATCH));
        }
        if tells_marks {
            taking.port.tell_marks(false);
        }
        if round.is_multiple_of(RTCP_EVERY) {
            let most = (RTCP_SWEEP * members).min(BATCH);
            let count = self.inbox.receive(taking.port.socket(Channel::Rtcp), most);
            for packet in (0..count).filter_map(|at| self.inbox.packet(at)) {
                let at = anchor.arrival(packet.stamp, taking.port.rtcp_empty);
                hear(shard, &mut taking, anchor, at, Channel::Rtcp, packet.from, None, packet.octets);
            }
            if count < most {
                taking.port.rtcp_empty = anchor.instant;
            }
        }
    }
}

/// How many packets are asked for first: one of each member is the rule. What came after the tick's time had better wait
/// in the kernel than with us, so those that tell whether there are more are asked for one by one, then by more and more.
/// Where there are few members, one more tells it with the same call.
fn first_batch(members: usize, held_before: usize) -> usize {
    match members {
        0..4 => members + 1,
        _ => members.saturating_sub(held_before).clamp(1, BATCH),
    }
}

/// Where the stream of a place lies, in two halves: the processor has few loads under way at once.
fn halves(shard: &MediaShard, place: usize) -> Option<(Memory, Memory)> {
    let memory = shard.memory(shard.due(place)?)?;
    let middle = memory.start.wrapping_add((memory.end.addr() - memory.start.addr()) / 2);
    Some((memory.start..middle, middle..memory.end))
}

/// Hands a packet to its stream. What is from elsewhere than the peer is no part of the call.
#[allow(clippy::too_many_arguments)] // one packet and where it belongs
fn hear(
    shard: &mut MediaShard,
    taking: &mut Taking<'_>,
    anchor: &Anchor,
    at: Instant,
    channel: Channel,
    from: SocketAddr,
    tos: Option<u8>,
    packet: &[u8],
) {
    let Some(stream) = taking.port.stream_of(channel, from) else {
        taking.tally.took(Received::Foreign, packet.len());
        return;
    };
    let received = shard.receive(at, stream, channel, from, packet);
    taking.tally.took(received, packet.len());
    if let (Some(tos), Received::Taken) = (tos, received) {
        // The code point is in the upper six bits (RFC 2474 §3).
        shard.marked(stream, tos >> 2);
    }
    if let (Some(tap), Some(terms)) = (taking.tap, taking.terms(stream))
        && matches!(received, Received::Taken | Received::Bad)
    {
        // As it was before its sender encrypted it: masking needs to see what there is to mask.
        let packet = shard.opened(packet);
        tap.copy(anchor.system_time(at), stream, terms, true, channel, from, packet);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A driver whose next tick lies so far back.
    fn behind(by: Duration) -> Driver {
        let (heard, _) = mpsc::channel(1);
        let began = Instant::now() - by;
        Driver::new(began, ShardConfig { shard: 0, capacity: 4 }, PacketIoKind::Single, heard, Arc::default())
    }

    #[test]
    fn a_shard_that_is_behind_obeys_after_each_frame() {
        let mut driver = behind(Duration::from_millis(500));
        let first = driver.shard.next_tick();
        for frames in 1..=10 {
            driver.run_due();
            assert_eq!(driver.shard.next_tick() - first, frames * MediaShard::FRAME);
        }
    }

    #[test]
    fn a_long_stall_is_not_caught_up() {
        let mut driver = behind(Duration::from_secs(60));
        let first = driver.shard.next_tick();
        driver.run_due();
        assert!(driver.shard.next_tick() - first >= Duration::from_secs(60) - CATCH_UP);
        assert_eq!(driver.frame, 4);
    }

    #[test]
    fn what_came_after_the_tick_waits_in_the_kernel_mostly_and_nothing_is_lost() {
        let mut driver = behind(Duration::ZERO);
        let here = std::net::Ipv4Addr::LOCALHOST.into();
        let pair = (0..100).find_map(|n| crate::bind::rtp_pair(here, 36_000 + 2 * n, 46, true).ok());
        let pair = pair.expect("two free ports");
        let to = pair.rtp.local_addr().expect("bound");
        let stream = |slot| StreamId { shard: 0, slot, generation: 1 };
        driver.obey(ToShard::Sockets { stream: stream(0), pair, shared: true });
        (1..4).for_each(|slot| driver.obey(ToShard::Join { stream: stream(slot), port: to.port() }));
        let before = Instant::now();
        let peer = std::net::UdpSocket::bind((here, 0)).expect("a free port");
        (0..12).for_each(|_| assert_eq!(peer.send_to(&[0x80; 172], to).expect("sent"), 172));
        let mut sweep = |until| {
            driver.sweep(0, &Anchor::now(), until, usize::MAX);
            driver.metrics.publish(&mut driver.sockets.tally, 0);
            let held = driver.sockets.port_mut(0).expect("the port").port.held.len();
            // Nobody has said where packets come from: they are foreign, and counted as that.
            (held, driver.metrics.foreign.load(std::sync::atomic::Ordering::Relaxed))
        };
        assert_eq!(sweep(before), (4, 0));
        // While any are held, no more are read.
        assert_eq!(sweep(before), (4, 0));
        assert_eq!(sweep(Instant::now() + CATCH_UP), (0, 12));
    }
}
