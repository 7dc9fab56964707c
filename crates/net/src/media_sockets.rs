//! The RTP sockets of one shard: port pairs, and the streams that use them.
use crate::NetEvent;
use crate::bind::{Pair, tell_marks};
use crate::media_capture::{MediaTap, Terms};
use crate::packet_io::{Outbox, PacketIoKind};
use crate::shard_metrics::Tally;
use passline_engine::rtp::{FrameKind, Memory, memory_of};
use passline_engine::{Channel, PacketSink, ShardCommand, StreamId};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Instant, SystemTime};
use tokio::sync::mpsc;

/// Octets of a packet that came too early for its tick; anything longer is no audio of ours and is taken at once.
pub(crate) const HOLD: usize = 512;

/// A packet that waits for the next tick.
pub(crate) struct Held {
    pub(crate) at: Instant,
    pub(crate) from: SocketAddr,
    pub(crate) tos: Option<u8>,
    pub(crate) length: usize,
    pub(crate) octets: [u8; HOLD],
}

/// The two sockets of a port pair.
pub(crate) struct Port {
    /// The even one, which names the pair.
    number: u16,
    pair: Pair,
    is_v4: bool,
    /// Streams of several calls use it, told apart by where their packets come from.
    shared: bool,
    members: Vec<Member>,
    /// Where the members' RTP and RTCP come from, over IPv6 too.
    sources: Vec<[SocketAddr; 2]>,
    /// What is in the RTP socket came after this: when it was last seen empty, or the last packet that was held.
    pub(crate) empty: Instant,
    pub(crate) rtcp_empty: Instant,
    pub(crate) held: VecDeque<Box<Held>>,
}

/// A stream, and where its RTP and RTCP come from: all that a packet over IPv4 needs, close together.
#[derive(Clone, Copy)]
struct Member {
    stream: StreamId,
    sources: [Source; 2],
}

/// An address of IPv4.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Source {
    ip: u32,
    port: u16,
}

/// Nothing comes from port 0: nothing belongs to a stream before it is told what does.
const NOBODY: Source = Source { ip: 0, port: 0 };

impl Source {
    fn of(address: SocketAddr) -> Option<Source> {
        match address {
            SocketAddr::V4(v4) => Some(Source { ip: u32::from(*v4.ip()), port: v4.port() }),
            SocketAddr::V6(_) => None,
        }
    }
}

impl Port {
    pub(crate) fn socket(&self, channel: Channel) -> RawFd {
        match channel {
            Channel::Rtp => self.pair.rtp.as_raw_fd(),
            Channel::Rtcp => self.pair.rtcp.as_raw_fd(),
        }
    }

    /// Has the kernel tell how packets of RTP are marked, or no longer.
    pub(crate) fn tell_marks(&self, tell: bool) {
        tell_marks(&self.pair.rtp, self.is_v4, tell);
    }

    /// Streams that use it.
    pub(crate) fn members(&self) -> usize {
        self.members.len()
    }

    /// Whose packet this is. On a port of its own a stream looks at every packet: its peer may be behind NAT.
    pub(crate) fn stream_of(&self, channel: Channel, from: SocketAddr) -> Option<StreamId> {
        if !self.shared {
            return self.members.first().map(|member| member.stream);
        }
        let which = usize::from(channel == Channel::Rtcp);
        match Source::of(from) {
            Some(from) => self.members.iter().find(|member| member.sources[which] == from),
            None => {
                let at = self.sources.iter().position(|sources| sources[which] == from)?;
                self.members.get(at)
            }
        }
        .map(|member| member.stream)
    }
}

/// Where a stream's packets leave: what the tick needs to know, in as few cache lines as can be.
#[derive(Clone, Copy)]
struct Place {
    generation: u32,
    port: u32,
    rtp: RawFd,
    rtcp: RawFd,
}

const NOWHERE: Place = Place { generation: 0, port: u32::MAX, rtp: -1, rtcp: -1 };

/// Port pairs and streams, and the way out of the tick.
pub(crate) struct Sockets {
    ports: Vec<Option<Box<Port>>>,
    /// By slot.
    places: Vec<Place>,
    /// By slot: what a capture must know.
    terms: Vec<Option<Box<Terms>>>,
    heard: mpsc::Sender<NetEvent>,
    /// The capture, if one runs.
    pub(crate) tap: Option<MediaTap>,
    /// Packets since the last tick.
    pub(crate) tally: Tally,
    /// Holders of packets that wait, for use again.
    #[allow(clippy::vec_box)] // they wander between this and the ports, and are half a kilobyte each
    pub(crate) spare: Vec<Box<Held>>,
    outbox: Outbox,
}

impl Sockets {
    pub(crate) fn new(capacity: usize, kind: PacketIoKind, heard: mpsc::Sender<NetEvent>) -> Self {
        Sockets {
            ports: Vec::new(),
            places: vec![NOWHERE; capacity],
            terms: (0..capacity).map(|_| None).collect(),
            heard,
            tap: None,
            tally: Tally::default(),
            spare: Vec::new(),
            outbox: Outbox::new(kind),
        }
    }

    /// Takes the sockets of a stream, or of the first of several that share them.
    pub(crate) fn insert(&mut self, stream: StreamId, pair: Pair, shared: bool, now: Instant) {
        let local = pair.rtp.local_addr();
        let (number, is_v4) = local.map_or((0, true), |address| (address.port(), address.is_ipv4()));
        let free = self.ports.iter().position(Option::is_none).unwrap_or_else(|| {
            self.ports.push(None);
            self.ports.len() - 1
        });
        self.ports[free] = Some(Box::new(Port {
            number,
            pair,
            is_v4,
            shared,
            members: Vec::with_capacity(1),
            sources: Vec::with_capacity(1),
            empty: now,
            rtcp_empty: now,
            held: VecDeque::new(),
        }));
        self.place(stream, free);
    }

    /// A further stream on a port that is shared.
    pub(crate) fn join(&mut self, stream: StreamId, number: u16) {
        let is_it =
            |port: &Option<Box<Port>>| port.as_ref().is_some_and(|port| port.shared && port.number == number);
        if let Some(at) = self.ports.iter().position(is_it) {
            self.place(stream, at);
        }
    }

    fn place(&mut self, stream: StreamId, at: usize) {
        let slot = stream.slot as usize;
        let (Some(port), Some(place)) = (self.ports[at].as_deref_mut(), self.places.get_mut(slot)) else {
            return;
        };
        port.members.push(Member { stream, sources: [NOBODY; 2] });
        port.sources.push([SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)); 2]);
        *place = Place {
            generation: stream.generation,
            port: at as u32,
            rtp: port.socket(Channel::Rtp),
            rtcp: port.socket(Channel::Rtcp),
        };
        self.terms[slot] = Some(Box::new(Terms::new(&port.pair)));
    }

    fn place_of(&self, stream: StreamId) -> Option<Place> {
        let place = *self.places.get(stream.slot as usize)?;
        (place.generation == stream.generation && place.port != NOWHERE.port).then_some(place)
    }

    /// Forgets a stream, and closes its sockets if nobody shares them.
    pub(crate) fn remove(&mut self, stream: StreamId) {
        let Some(place) = self.place_of(stream) else { return };
        self.outbox.flush();
        self.places[stream.slot as usize] = NOWHERE;
        self.terms[stream.slot as usize] = None;
        let at = place.port as usize;
        if let Some(port) = self.ports[at].as_deref_mut() {
            if let Some(at) = port.members.iter().position(|member| member.stream == stream) {
                port.members.remove(at);
                port.sources.remove(at);
            }
            if !port.shared {
                self.ports[at] = None;
            }
        }
    }

    /// Closes a port that was shared: no stream is left on it.
    pub(crate) fn close(&mut self, number: u16) {
        self.outbox.flush();
        for slot in &mut self.ports {
            if slot
                .as_ref()
                .is_some_and(|port| port.shared && port.number == number && port.members.is_empty())
            {
                *slot = None;
            }
        }
    }

    /// Index of the port that a stream uses.
    pub(crate) fn port_of(&self, stream: StreamId) -> Option<usize> {
        self.place_of(stream).map(|place| place.port as usize)
    }

    /// Where a port lies, to be fetched into the cache before it is needed.
    pub(crate) fn memory(&self, at: usize) -> Option<Memory> {
        self.ports.get(at)?.as_deref().map(memory_of)
    }

    /// A port by its index, with what is needed to take packets from it.
    pub(crate) fn port_mut(&mut self, at: usize) -> Option<Taking<'_>> {
        Some(Taking {
            port: self.ports.get_mut(at)?.as_deref_mut()?,
            terms: &self.terms,
            tap: self.tap.as_ref(),
            tally: &mut self.tally,
            spare: &mut self.spare,
        })
    }

    /// What a command says that sockets and a capture must know.
    pub(crate) fn note(&mut self, command: &ShardCommand) {
        let (stream, comes_from) = match command {
            ShardCommand::Open { stream, open } => (*stream, Some((open.remote_rtp, open.remote_rtcp))),
            ShardCommand::Retarget { stream, remote_rtp, remote_rtcp, .. } => {
                // On hold by 0.0.0.0 the peer stays where it was.
                (*stream, Some((*remote_rtp, *remote_rtcp)).filter(|(rtp, _)| !rtp.ip().is_unspecified()))
            }
            ShardCommand::Show { stream, .. } => (*stream, None),
            _ => return,
        };
        let Some(place) = self.place_of(stream) else { return };
        if let Some(terms) = self.terms[stream.slot as usize].as_deref_mut() {
            terms.note(command);
        }
        if let (Some((rtp, rtcp)), Some(port)) = (comes_from, self.ports[place.port as usize].as_deref_mut())
            && let Some(at) = port.members.iter().position(|member| member.stream == stream)
        {
            port.sources[at] = [rtp, rtcp];
            port.members[at].sources = port.sources[at].map(|source| Source::of(source).unwrap_or(NOBODY));
        }
    }

    /// Sends what the last tick said.
    pub(crate) fn flush(&mut self) {
        self.outbox.flush();
        self.tally.gave(self.outbox.take_counts());
    }

    fn send(&mut self, stream: StreamId, channel: Channel, to: SocketAddr, packet: &[u8]) {
        let Some(place) = self.place_of(stream) else {
            self.tally.dropped();
            return;
        };
        let socket = match channel {
            Channel::Rtp => place.rtp,
            Channel::Rtcp => place.rtcp,
        };
        self.outbox.push(socket, to, packet);
        // Encrypted packets were shown to the capture before they were.
        if let (Some(tap), Some(terms)) = (&self.tap, &self.terms[stream.slot as usize])
            && !terms.encrypted
        {
            tap.copy(SystemTime::now(), stream, terms, false, channel, to, packet);
        }
    }
}

/// A port, and what is needed to take packets from it.
pub(crate) struct Taking<'a> {
    pub(crate) port: &'a mut Port,
    terms: &'a [Option<Box<Terms>>],
    pub(crate) tap: Option<&'a MediaTap>,
    pub(crate) tally: &'a mut Tally,
    #[allow(clippy::vec_box)] // see `Sockets`
    pub(crate) spare: &'a mut Vec<Box<Held>>,
}

impl Taking<'_> {
    /// What a capture must know of a stream.
    pub(crate) fn terms(&self, stream: StreamId) -> Option<&Terms> {
        self.terms.get(stream.slot as usize)?.as_deref()
    }

    /// Keeps a packet for a later tick.
    pub(crate) fn hold(&mut self, at: Instant, from: SocketAddr, tos: Option<u8>, packet: &[u8]) {
        let mut held = self
            .spare
            .pop()
            .unwrap_or_else(|| Box::new(Held { at, from, tos, length: 0, octets: [0; HOLD] }));
        (held.at, held.from, held.tos, held.length) = (at, from, tos, packet.len().min(HOLD));
        held.octets[..held.length].copy_from_slice(&packet[..held.length]);
        self.port.held.push_back(held);
    }
}

impl PacketSink for Sockets {
    fn rtp(&mut self, stream: StreamId, to: SocketAddr, packet: &[u8]) {
        self.send(stream, Channel::Rtp, to, packet);
    }

    fn rtcp(&mut self, stream: StreamId, to: SocketAddr, packet: &[u8]) {
        self.send(stream, Channel::Rtcp, to, packet);
    }

    fn plain(&mut self, stream: StreamId, channel: Channel, to: SocketAddr, packet: &[u8]) {
        let terms = self.terms.get(stream.slot as usize).and_then(Option::as_deref);
        if let (Some(tap), Some(terms)) = (&self.tap, terms) {
            tap.copy(SystemTime::now(), stream, terms, false, channel, to, packet);
        }
    }

    fn heard(&mut self, stream: StreamId, payload: &[u8], kind: FrameKind) {
        let payload = payload.to_vec();
        // A listener that does not keep up loses frames, not the call.
        let _ = self.heard.try_send(NetEvent::Heard { stream, payload, kind });
    }
}
