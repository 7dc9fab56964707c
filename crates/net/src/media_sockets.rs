//! The RTP sockets of one shard, by slot.
use crate::NetEvent;
use crate::bind::Pair;
use crate::media_capture::{MediaTap, Terms};
use crate::shard_metrics::Tally;
use passline_engine::rtp::FrameKind;
use passline_engine::{Channel, PacketSink, ShardCommand, StreamId};
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};
use tokio::sync::mpsc;

/// Octets of a packet that came too early for its tick; anything longer is no audio of ours and is taken at once.
const HOLD: usize = 512;

/// One stream's sockets and the packet that waits for the next tick.
pub(crate) struct StreamSockets {
    stream: StreamId,
    pub(crate) pair: Pair,
    /// When the RTP socket was last seen empty.
    pub(crate) empty: Instant,
    pub(crate) rtcp_empty: Instant,
    pub(crate) held: Option<(Instant, SocketAddr, usize)>,
    pub(crate) hold: [u8; HOLD],
    /// What a capture must know of the stream.
    pub(crate) terms: Terms,
}

/// Sockets by slot, and the way out of the tick.
pub(crate) struct Sockets {
    slots: Vec<Option<Box<StreamSockets>>>,
    heard: mpsc::Sender<NetEvent>,
    /// The capture, if one runs.
    pub(crate) tap: Option<MediaTap>,
    /// Packets since the last tick.
    pub(crate) tally: Tally,
}

impl Sockets {
    pub(crate) fn new(capacity: usize, heard: mpsc::Sender<NetEvent>) -> Self {
        Sockets { slots: (0..capacity).map(|_| None).collect(), heard, tap: None, tally: Tally::default() }
    }

    pub(crate) fn insert(&mut self, stream: StreamId, pair: Pair, now: Instant) {
        if let Some(slot) = self.slots.get_mut(stream.slot as usize) {
            *slot = Some(Box::new(StreamSockets {
                stream,
                terms: Terms::new(&pair),
                pair,
                empty: now,
                rtcp_empty: now,
                held: None,
                hold: [0; HOLD],
            }));
        }
    }

    pub(crate) fn remove(&mut self, stream: StreamId) {
        if self.get_mut(stream).is_some() {
            self.slots[stream.slot as usize] = None;
        }
    }

    /// The sockets of a stream, the capture, and where packets are counted.
    pub(crate) fn with_tap(
        &mut self,
        stream: StreamId,
    ) -> Option<(&mut StreamSockets, Option<&MediaTap>, &mut Tally)> {
        let sockets = self.slots.get_mut(stream.slot as usize)?.as_deref_mut()?;
        (sockets.stream == stream).then_some((sockets, self.tap.as_ref(), &mut self.tally))
    }

    pub(crate) fn get_mut(&mut self, stream: StreamId) -> Option<&mut StreamSockets> {
        let sockets = self.slots.get_mut(stream.slot as usize)?.as_deref_mut()?;
        (sockets.stream == stream).then_some(sockets)
    }

    /// What a command says that a capture must know.
    pub(crate) fn note(&mut self, command: &ShardCommand) {
        if let ShardCommand::Open { stream, .. }
        | ShardCommand::Retarget { stream, .. }
        | ShardCommand::Show { stream, .. } = command
            && let Some(sockets) = self.get_mut(*stream)
        {
            sockets.terms.note(command);
        }
    }

    fn send(&mut self, stream: StreamId, channel: Channel, to: SocketAddr, packet: &[u8]) {
        let sockets = self.slots.get(stream.slot as usize).and_then(Option::as_deref);
        let Some(sockets) = sockets.filter(|sockets| sockets.stream == stream) else {
            self.tally.gave(false, packet.len());
            return;
        };
        let socket = match channel {
            Channel::Rtp => &sockets.pair.rtp,
            Channel::Rtcp => &sockets.pair.rtcp,
        };
        // An unreachable peer (ICMP) or a full buffer costs this packet; the media time-out ends a dead call.
        let sent = socket.send_to(packet, to).is_ok();
        self.tally.gave(sent, packet.len());
        if let Some(tap) = self.tap.as_ref().filter(|_| sent) {
            tap.copy(SystemTime::now(), stream, &sockets.terms, false, channel, to, packet);
        }
    }
}

impl PacketSink for Sockets {
    fn rtp(&mut self, stream: StreamId, to: SocketAddr, packet: &[u8]) {
        self.send(stream, Channel::Rtp, to, packet);
    }

    fn rtcp(&mut self, stream: StreamId, to: SocketAddr, packet: &[u8]) {
        self.send(stream, Channel::Rtcp, to, packet);
    }

    fn heard(&mut self, stream: StreamId, payload: &[u8], kind: FrameKind) {
        let payload = payload.to_vec();
        // A listener that does not keep up loses frames, not the call.
        let _ = self.heard.try_send(NetEvent::Heard { stream, payload, kind });
    }
}
