//! Copies of media packets for a capture: from the media tasks through a ring to whoever writes, masked on the way.
//!
//! The media task copies a packet into a ring that was allocated when the capture began, and goes on; if the ring is full,
//! the packet is counted and forgotten. Masking is done by [`MediaFeed`] on the writer's thread, and there is no other way
//! out of the ring: what leaves this crate is masked.
use crate::bind::Pair;
use passline_engine::rtp::{MediaTime, PacketMask, PayloadTypes, is_plain_rtcp, is_rtcp};
use passline_engine::{Channel, ShardCommand, StreamId};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

/// Packets that may wait to be written: 80 ms of a thousand calls.
const RING: usize = 8192;
/// Largest packet that is captured, in octets: 60 ms of G.711, 20 ms of any codec, with headers; longer ones are
/// counted as missed.
const ROOM: usize = 672;
/// A payload type that no packet has.
const NONE: u8 = 255;

/// What a capture must know of a stream; kept whether one runs or not, since one may begin at any time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    rtp: SocketAddr,
    rtcp: SocketAddr,
    types: PayloadTypes,
    rtcp_mux: bool,
    /// Its packets are encrypted.
    pub(crate) encrypted: bool,
    /// Nothing secret is keyed or said on it.
    shown: bool,
}

impl Terms {
    /// Of a stream of which nothing was said yet: secret.
    pub(crate) fn new(pair: &Pair) -> Terms {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Terms {
            rtp: pair.rtp.local_addr().unwrap_or(nowhere),
            rtcp: pair.rtcp.local_addr().unwrap_or(nowhere),
            types: PayloadTypes { payload_type: NONE, ..PayloadTypes::default() },
            rtcp_mux: false,
            encrypted: false,
            shown: false,
        }
    }

    /// Takes what a command to the shard says.
    pub(crate) fn note(&mut self, command: &ShardCommand) {
        match command {
            ShardCommand::Open { open, .. } => {
                self.rtcp_mux = open.rtcp_mux;
                self.encrypted = open.security.is_some();
                self.types = open.config.terms().payload_types();
            }
            ShardCommand::Retarget { terms, security, .. } => {
                self.encrypted = security.is_some();
                self.types = terms.payload_types();
            }
            ShardCommand::Show { shown, .. } => self.shown = *shown,
            _ => {}
        }
    }
}

/// One packet as it was, in the ring only.
struct Copied {
    at: SystemTime,
    stream: StreamId,
    terms: Terms,
    received: bool,
    channel: Channel,
    remote: SocketAddr,
    length: usize,
    octets: [u8; ROOM],
}

/// Where the media tasks leave copies.
#[derive(Clone)]
pub struct MediaTap {
    to: SyncSender<Copied>,
    missed: Arc<AtomicU64>,
}

impl std::fmt::Debug for MediaTap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MediaTap")
    }
}

impl MediaTap {
    /// A packet that was received or sent at `at`. Neither waits nor allocates: the ring's other end never sleeps in it,
    /// so there is nobody to be woken up.
    #[allow(clippy::too_many_arguments)] // one packet and where it belongs
    pub(crate) fn copy(
        &self,
        at: SystemTime,
        stream: StreamId,
        terms: &Terms,
        received: bool,
        channel: Channel,
        remote: SocketAddr,
        packet: &[u8],
    ) {
        let (length, mut octets) = (packet.len(), [0; ROOM]);
        let taken = match octets.get_mut(..length) {
            None => false,
            Some(room) => {
                room.copy_from_slice(packet);
                let copied = Copied { at, stream, terms: *terms, received, channel, remote, length, octets };
                self.to.try_send(copied).is_ok()
            }
        };
        if !taken {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A media packet for a capture: header, size and time as they were; keys and sound only of calls that ask for no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedMedia {
    /// When the kernel received it, or when it was sent.
    pub at: SystemTime,
    /// Its sender.
    pub from: SocketAddr,
    /// Its receiver.
    pub to: SocketAddr,
    /// RTP or RTCP.
    pub bytes: Vec<u8>,
}

/// The other end of a [`MediaTap`]: gives the packets masked.
pub struct MediaFeed {
    from: Receiver<Copied>,
    missed: Arc<AtomicU64>,
    left_out: u64,
    zero: Option<SystemTime>,
    /// By shard, slot and direction: as many as there can be streams at one time.
    masks: BTreeMap<(u16, u32, bool), (u32, PacketMask)>,
}

/// A way for copies of media packets: the tap is for [`Command::CaptureMedia`](crate::Command::CaptureMedia).
pub fn media_capture() -> (MediaTap, MediaFeed) {
    let (to, from) = sync_channel(RING);
    let missed = Arc::new(AtomicU64::new(0));
    let tap = MediaTap { to, missed: Arc::clone(&missed) };
    (tap, MediaFeed { from, missed, left_out: 0, zero: None, masks: BTreeMap::new() })
}

impl MediaFeed {
    /// The next packet, `None` if none waits.
    pub fn poll(&mut self) -> Option<CapturedMedia> {
        loop {
            // Not `recv`: a receiver that sleeps would have to be woken up by the media tasks.
            let mut copied = self.from.try_recv().ok()?;
            if !self.mask(&mut copied) {
                self.left_out += 1;
                continue;
            }
            let local = match copied.channel {
                Channel::Rtp => copied.terms.rtp,
                Channel::Rtcp => copied.terms.rtcp,
            };
            let (from, to) = if copied.received { (copied.remote, local) } else { (local, copied.remote) };
            let bytes = copied.octets[..copied.length].to_vec();
            return Some(CapturedMedia { at: copied.at, from, to, bytes });
        }
    }

    /// Packets that were lost to the capture because the writer was slow, or because they were too long.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Packets of secret calls that were left out, being neither RTP nor RTCP as we know it.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// False if nothing of it may be shown.
    fn mask(&mut self, copied: &mut Copied) -> bool {
        let (stream, terms) = (copied.stream, &copied.terms);
        if terms.shown {
            return true;
        }
        let octets = &mut copied.octets[..copied.length];
        if copied.channel == Channel::Rtcp || (terms.rtcp_mux && is_rtcp(octets)) {
            return is_plain_rtcp(octets);
        }
        let zero = *self.zero.get_or_insert(copied.at);
        let at = copied.at.duration_since(zero).unwrap_or(Duration::ZERO);
        let at = MediaTime(u64::try_from(at.as_nanos() / 125_000).unwrap_or(u64::MAX));
        let key = (stream.shard, stream.slot, copied.received);
        let (generation, mask) = self.masks.entry(key).or_default();
        if *generation != stream.generation {
            (*generation, *mask) = (stream.generation, PacketMask::default());
        }
        mask.rtp(at, &terms.types, octets)
    }
}

#[cfg(test)]
#[path = "media_capture_tests.rs"]
mod tests;
