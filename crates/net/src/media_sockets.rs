//! The RTP sockets of one shard, by slot.
use crate::NetEvent;
use crate::bind::Pair;
use passline_engine::rtp::FrameKind;
use passline_engine::{PacketSink, StreamId};
use std::net::SocketAddr;
use std::time::Instant;
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
}

/// Sockets by slot, and the way out of the tick.
pub(crate) struct Sockets {
    slots: Vec<Option<Box<StreamSockets>>>,
    heard: mpsc::Sender<NetEvent>,
    /// Packets that the kernel did not take.
    pub(crate) unsent: u64,
}

impl Sockets {
    pub(crate) fn new(capacity: usize, heard: mpsc::Sender<NetEvent>) -> Self {
        Sockets { slots: (0..capacity).map(|_| None).collect(), heard, unsent: 0 }
    }

    pub(crate) fn insert(&mut self, stream: StreamId, pair: Pair, now: Instant) {
        if let Some(slot) = self.slots.get_mut(stream.slot as usize) {
            *slot = Some(Box::new(StreamSockets {
                stream,
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

    pub(crate) fn get_mut(&mut self, stream: StreamId) -> Option<&mut StreamSockets> {
        let sockets = self.slots.get_mut(stream.slot as usize)?.as_deref_mut()?;
        (sockets.stream == stream).then_some(sockets)
    }
}

impl PacketSink for Sockets {
    fn rtp(&mut self, stream: StreamId, to: SocketAddr, packet: &[u8]) {
        // An unreachable peer (ICMP) or a full buffer costs this packet; the media time-out ends a dead call.
        let sent = self.get_mut(stream).map(|sockets| sockets.pair.rtp.send_to(packet, to));
        self.unsent += u64::from(!matches!(sent, Some(Ok(_))));
    }

    fn rtcp(&mut self, stream: StreamId, to: SocketAddr, packet: &[u8]) {
        let sent = self.get_mut(stream).map(|sockets| sockets.pair.rtcp.send_to(packet, to));
        self.unsent += u64::from(!matches!(sent, Some(Ok(_))));
    }

    fn heard(&mut self, stream: StreamId, payload: &[u8], kind: FrameKind) {
        let payload = payload.to_vec();
        // A listener that does not keep up loses frames, not the call.
        let _ = self.heard.try_send(NetEvent::Heard { stream, payload, kind });
    }
}
