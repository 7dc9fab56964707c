//! The media half of the engine: RTP streams on a frame clock of 20 ms.
//!
//! A frame is 20 ms; a tick is one phase of it, 5 ms. Each stream belongs to one of the four phases, so that packets
//! leave evenly and not in one burst. Neither [`MediaShard::receive`] nor [`MediaShard::tick`] allocates, locks, logs
//! or makes a string; what must be freed is freed in [`MediaShard::command`] and [`MediaShard::poll`].

mod command;
mod live;
mod lock;
mod secure;
mod slab;

pub use command::{MediaEvent, OpenStream, ShardCommand};

use crate::StreamId;
use live::Live;
use passline_rtp::srtp::SrtpError;
use passline_rtp::{Digit, FrameKind, Memory, Statistics, ToneGenerator, memory_of};
use slab::Slab;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Frame clock.
pub(crate) const FRAME: Duration = Duration::from_millis(20);
/// Phases of a frame.
pub(crate) const PHASES: usize = 4;
/// Samples of a frame at 8 kHz.
pub(crate) const SAMPLES: usize = 160;
/// One phase.
pub(crate) const TICK: Duration = Duration::from_millis(5);
/// A frame that is later than this is not sent: a burst of old audio would help nobody.
pub(crate) const TOO_LATE: Duration = Duration::from_millis(60);
/// Largest packet that the engine sends or looks at, in octets.
pub const PACKET: usize = 1500;

/// Settings of a shard.
#[derive(Clone, Copy, Debug)]
pub struct ShardConfig {
    /// Which shard this is, as in [`StreamId::shard`].
    pub shard: u16,
    /// Most streams at once.
    pub capacity: u32,
}

/// Which of a stream's two sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// The even port.
    Rtp,
    /// The odd port.
    Rtcp,
}

/// What became of a received packet; a shell may count it, nothing else depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// Taken.
    Taken,
    /// No such stream any more.
    Gone,
    /// Not from the peer.
    Foreign,
    /// From the peer, but no packet that makes sense.
    Bad,
    /// Of an encrypted stream, and not opened.
    Unopened(SrtpError),
}

/// Where a shard's packets go. Called inside the tick: must not block.
pub trait PacketSink {
    /// Send this RTP packet from the stream's RTP socket.
    fn rtp(&mut self, stream: StreamId, to: SocketAddr, packet: &[u8]);
    /// Send this RTCP packet from the stream's RTCP socket.
    fn rtcp(&mut self, stream: StreamId, to: SocketAddr, packet: &[u8]);
    /// What the next packet of this stream is before it is encrypted; not called for streams that are not.
    fn plain(&mut self, stream: StreamId, channel: Channel, to: SocketAddr, packet: &[u8]) {
        let _ = (stream, channel, to, packet);
    }
    /// The frame just played out, in the codec's law of G.711: as received where that is the codec, else encoded anew
    /// (empty unless `kind` is `Received`); only for tapped streams.
    fn heard(&mut self, stream: StreamId, payload: &[u8], kind: FrameKind);
}

/// A stream in its phase.
#[derive(Clone, Copy)]
struct Due {
    lane: u16,
    stream: StreamId,
}

/// Streams on one frame clock.
pub struct MediaShard {
    config: ShardConfig,
    slots: Slab<Live>,
    /// Streams by phase, in the order of their lanes.
    phases: [Vec<Due>; PHASES],
    next_tick: Instant,
    /// Phase that ticks next.
    phase: usize,
    events: VecDeque<MediaEvent>,
    /// Slots whose player holds a finished script, to be dropped outside the tick.
    spent: Vec<u32>,
    /// Wall clock for RTCP: NTP time (32.32 fixed point) at an instant.
    wall: (Instant, u64),
    out: Box<[u8; PACKET]>,
    /// The packet just received, decrypted, and how much of it there is; `None` if it was not encrypted.
    plain: Box<[u8; PACKET]>,
    plain_length: Option<usize>,
    /// One frame on its way from a stream to the one it is bridged with.
    heard: [i16; SAMPLES],
}

impl MediaShard {
    /// A shard without streams; its first tick is at `now`. Everything that `tick` needs is allocated here.
    pub fn new(now: Instant, config: ShardConfig) -> Self {
        let capacity = config.capacity as usize;
        warm_up();
        MediaShard {
            config,
            slots: Slab::new(capacity),
            phases: std::array::from_fn(|_| Vec::with_capacity(capacity)),
            next_tick: now,
            phase: 0,
            events: VecDeque::with_capacity(capacity * 2 + 64),
            spent: Vec::with_capacity(capacity),
            wall: (now, 0),
            out: Box::new([0; PACKET]),
            plain: Box::new([0; PACKET]),
            plain_length: None,
            heard: [0; SAMPLES],
        }
    }

    /// Tells the wall-clock time: `ntp` seconds since 1900 in 32.32 fixed point (RFC 5905 §6) at `now`, for RTCP.
    pub fn set_wall_clock(&mut self, now: Instant, ntp: u64) {
        self.wall = (now, ntp);
    }

    /// Instant of the next tick: five ms after the last.
    pub fn next_tick(&self) -> Instant {
        self.next_tick
    }

    /// Number of streams open.
    pub fn streams(&self) -> usize {
        self.phases.iter().map(Vec::len).sum()
    }

    /// Counts and measures of a stream so far, those that [`MediaEvent::Closed`] tells at its end; `None` if it is gone.
    pub fn statistics(&self, stream: StreamId) -> Option<Statistics> {
        self.slots.get(stream).map(Live::statistics)
    }

    /// Leaves out the ticks before `at`: after a stall too long to be caught up, or when no stream was there.
    pub fn skip_to(&mut self, at: Instant) {
        self.next_tick = self.next_tick.max(at);
    }

    /// The streams whose frame the next tick plays, by place; a shell need read only their sockets before it. Those of
    /// one lane stand side by side.
    pub fn due(&self, at: usize) -> Option<StreamId> {
        self.phases[self.phase].get(at).map(|due| due.stream)
    }

    /// What happened, until `None`. Frees what the ticks left behind.
    pub fn poll(&mut self) -> Option<MediaEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        while let Some(slot) = self.spent.pop() {
            if let Some(live) = self.slots.at(slot) {
                live.drop_finished();
            }
        }
        None
    }

    /// Takes a packet that the kernel received at `at`. A late shell must hand it over only before the tick that
    /// follows `at`.
    pub fn receive(
        &mut self,
        at: Instant,
        stream: StreamId,
        channel: Channel,
        from: SocketAddr,
        packet: &[u8],
    ) -> Received {
        self.plain_length = None;
        let Some(live) = self.slots.get_mut(stream) else {
            return Received::Gone;
        };
        if live.is_secure() {
            let (received, length) = live.receive_secure(at, channel, from, packet, &mut self.plain[..]);
            self.plain_length = length;
            return received;
        }
        match channel {
            Channel::Rtp => live.receive_rtp(at, from, packet),
            Channel::Rtcp => live.receive_rtcp(at, from, packet),
        }
    }

    /// The packet that was received last, as it was before its sender encrypted it.
    pub fn opened<'a>(&'a self, packet: &'a [u8]) -> &'a [u8] {
        let plain = self.plain_length.and_then(|length| self.plain.get(..length));
        plain.unwrap_or(packet)
    }

    /// The last packet that [`receive`](Self::receive) took for this stream was marked so (RFC 2474), as the kernel says
    /// (IP_RECVTOS, IPV6_RECVTCLASS: the upper six bits of that octet). Told again and again or only where it changes.
    pub fn marked(&mut self, stream: StreamId, dscp: u8) {
        if let Some(live) = self.slots.get_mut(stream) {
            live.marked(dscp);
        }
    }

    /// Plays one frame of the streams of one phase. `scheduled` is the instant this should have happened
    /// ([`next_tick`](Self::next_tick)), `now` the instant it does: frames too late to be of use are not sent, but
    /// their time passes.
    pub fn tick(&mut self, scheduled: Instant, now: Instant, sink: &mut impl PacketSink) {
        for at in 0..self.phases[self.phase].len() {
            self.play(at, scheduled, now, sink);
        }
        self.turn(scheduled);
    }

    /// The part of a [`tick`](Self::tick) that belongs to one stream, by its place as in [`due`](Self::due). A shell that
    /// reads a stream's packets right before this has the stream in the cache once and not twice.
    pub fn play(&mut self, at: usize, scheduled: Instant, now: Instant, sink: &mut impl PacketSink) {
        let Some(id) = self.due(at) else { return };
        let late = now.saturating_duration_since(scheduled) > TOO_LATE;
        let wall = self.ntp_at(now);
        let Some(live) = self.slots.get_mut(id) else { return };
        live.frame(id, scheduled, late, wall, &mut self.out[..], &mut self.events, sink);
        let relayed = live.relayed(&mut self.heard);
        if live.has_finished() && self.spent.len() < self.spent.capacity() {
            self.spent.push(id.slot);
        }
        if let Some(to) = relayed
            && let Some(other) = self.slots.get_mut(to)
        {
            other.say(&self.heard);
        }
    }

    /// The end of a [`tick`](Self::tick) whose streams were [played](Self::play) one by one: it is the next phase's turn.
    pub fn turn(&mut self, scheduled: Instant) {
        self.phase = (self.phase + 1) % PHASES;
        self.next_tick = scheduled + TICK;
    }

    /// Where a stream lies in memory, for a shell that has it fetched into the cache before it is needed.
    pub fn memory(&self, stream: StreamId) -> Option<Memory> {
        self.slots.place(stream.slot).map(memory_of)
    }

    /// Where what a stream keeps apart lies; a shell may have that fetched, too, once it has the stream itself.
    pub fn parts(&self, stream: StreamId) -> Option<[Memory; 2]> {
        self.slots.get(stream).map(Live::parts)
    }

    /// What a stream will need of its parts and of what it plays; a shell may have that fetched once it has them.
    pub fn ahead(&self, stream: StreamId) -> Option<[Memory; 7]> {
        self.slots.get(stream).map(Live::ahead)
    }

    fn ntp_at(&self, now: Instant) -> u64 {
        let (anchor, ntp) = self.wall;
        let elapsed = now.saturating_duration_since(anchor);
        let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
        ntp.wrapping_add(elapsed.as_secs() << 32).wrapping_add(fraction)
    }
}

/// Lets the tone detector make its tables, which it does when it first hears a tone: in a tick, otherwise.
fn warm_up() {
    let mut tone = [0; 800];
    ToneGenerator::new(Digit::ALL[0], 100).fill(&mut tone);
    passline_rtp::detect_tones(&tone);
}
