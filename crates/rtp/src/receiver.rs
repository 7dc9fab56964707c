//! The other side's half of the stream: lock, order, playout, counts.

use crate::ahead::{Memory, NONE, memory_of};
use crate::audio::{Audio, Kept, NOTHING};
use crate::bursts::{Bursts, Seen};
use crate::clock::{Clocks, Stamp};
use crate::codec::Codec;
use crate::digit::{FrameKind, MediaTime};
use crate::drift::Drift;
use crate::history::{Content, MAX_PAYLOAD};
use crate::packet::{Packet, PacketError};
use crate::path::DigitPath;
use crate::payload::{Meaning, PayloadTypes};
use crate::playout::{Player, delay};
use crate::redundancy::{Block, blocks};
use crate::report::Reception;
use crate::sequence::{Place, Sequence};
use crate::spread::Spread;
use crate::stats::Statistics;
use crate::xr::VoipMetrics;

/// What an RTP packet was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketKind {
    /// Audio of a codec we know.
    Audio,
    /// A telephone-event.
    Event,
    /// Comfort noise or a payload type that was not negotiated.
    Other,
}

/// An accepted RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// The first valid packet of the stream: the source is locked now.
    pub first: bool,
    /// What it carried.
    pub kind: PacketKind,
}

/// An event so near to the last audio, by their timestamps in one clock, has that clock.
const NEAR_MS: u32 = 200;

/// A packet on probation, kept until the next one decides.
#[derive(Debug)]
struct Held {
    source: u32,
    sequence: u16,
    timestamp: u32,
    arrived: u64,
    marker: bool,
    meaning: Meaning,
    /// It was counted as bad.
    refused: bool,
    length: usize,
    payload: [u8; MAX_PAYLOAD],
}

/// Takes RTP packets and gives playout frames.
#[derive(Debug)]
pub(crate) struct Receiver {
    types: PayloadTypes,
    /// For clocks other than that of 8000 Hz.
    clocks: Box<Clocks>,
    /// The clock of the audio changed: its timestamps begin anew.
    reclocked: bool,
    /// Source and timestamp of the last audio packet, as sent.
    last_audio: Option<(u32, u32)>,
    /// Events were seen to come in the clock of the audio, whatever the description says of theirs.
    events_share: bool,
    sequence: Sequence,
    /// Where somebody takes audio.
    audio: Option<Box<Audio>>,
    spread: Spread,
    held: Box<Held>,
    /// Events beside the locked source or its sequence: their source and next sequence number.
    side: Option<(u32, u16)>,
    /// RFC 3550 A.8, in samples.
    jitter: f32,
    transit: Option<u32>,
    drift: Drift,
    bursts: Bursts,
    /// Samples in the last audio packet.
    packet_samples: u32,
    unique: u64,
    received: u64,
    received_octets: u64,
    jitter_max: f32,
    /// What is rarer than a packet; apart, so that the rest lies close together.
    counts: Box<Statistics>,
}

fn kind(meaning: Meaning) -> PacketKind {
    match meaning {
        Meaning::Audio(_) => PacketKind::Audio,
        Meaning::Event => PacketKind::Event,
        Meaning::Comfort | Meaning::Unknown => PacketKind::Other,
    }
}

impl Receiver {
    /// `listen`: whether audio goes to the tone detector; `play`: whether it is played out.
    pub(crate) fn new(types: PayloadTypes, listen: bool, play: bool) -> Self {
        Receiver {
            types,
            clocks: Box::default(),
            reclocked: false,
            last_audio: None,
            events_share: false,
            sequence: Sequence::default(),
            audio: Audio::new(types.codec, listen, play),
            spread: Spread::default(),
            held: Box::new(Held {
                source: 0,
                sequence: 0,
                timestamp: 0,
                arrived: 0,
                marker: false,
                meaning: Meaning::Unknown,
                refused: false,
                length: 0,
                payload: [0; MAX_PAYLOAD],
            }),
            side: None,
            jitter: 0.0,
            transit: None,
            drift: Drift::default(),
            bursts: Bursts::default(),
            packet_samples: 160,
            unique: 0,
            received: 0,
            received_octets: 0,
            jitter_max: 0.0,
            counts: Box::default(),
        }
    }

    /// Another agreement. Not in a tick: decoders are made.
    pub(crate) fn renegotiate(&mut self, types: PayloadTypes) {
        if types.codec.ratio() != self.types.codec.ratio() {
            self.reclocked = true;
            self.last_audio = None;
            self.events_share = false;
        }
        if let Some(audio) = &mut self.audio {
            audio.admit(types.codec);
        }
        self.types = types;
    }

    /// Whether events come in the clock of the audio: not a few senders say telephone-event/8000 beside any codec and
    /// stamp them like their audio (RFC 4733 §2.1 wants that clock named).
    fn shares(&mut self, source: u32, timestamp: u32) -> bool {
        if let Some((_, audio)) = self.last_audio.filter(|(ssrc, _)| *ssrc == source) {
            let apart = (timestamp.wrapping_sub(audio) as i32).unsigned_abs();
            self.events_share |= apart < NEAR_MS * 8 * self.types.codec.ratio();
        }
        self.events_share
    }

    /// The timestamp of a packet of this meaning, also at 8000 Hz.
    fn stamp(&mut self, source: u32, meaning: Meaning, timestamp: u32) -> Stamp {
        let mut ratio = self.types.ratio(meaning);
        if meaning == Meaning::Event && ratio != self.types.codec.ratio() && self.shares(source, timestamp) {
            ratio = self.types.codec.ratio();
        }
        Stamp { apart: ratio != self.types.codec.ratio(), ..self.clocks.stamp(source, ratio, timestamp) }
    }

    pub(crate) fn source(&self) -> Option<u32> {
        self.sequence.source()
    }

    /// Takes a datagram that arrived at `now` (samples).
    pub(crate) fn receive(
        &mut self,
        now: u64,
        datagram: &[u8],
        digits: &mut DigitPath,
    ) -> Result<Received, PacketError> {
        let result = Packet::parse(datagram).and_then(|packet| {
            if Some(packet.payload_type) == self.types.redundancy {
                self.redundant(now, packet, digits)
            } else {
                self.packet(now, packet, digits)
            }
        });
        if result.is_err() {
            self.counts.bad += 1;
        }
        result
    }

    fn packet(
        &mut self,
        now: u64,
        packet: Packet<'_>,
        digits: &mut DigitPath,
    ) -> Result<Received, PacketError> {
        let meaning = self.types.meaning(packet.payload_type);
        let known = meaning != Meaning::Unknown;
        if !known && self.sequence.source() != Some(packet.ssrc) {
            return Err(PacketError::PayloadType);
        }
        if packet.payload.len() > MAX_PAYLOAD {
            return Err(PacketError::Long);
        }
        let received = Received { first: self.sequence.source().is_none(), kind: kind(meaning) };
        match self.sequence.place(packet.ssrc, packet.sequence) {
            Place::First(index) => self.accept(now, packet, meaning, index, false, true, digits),
            Place::At { index, newest } => {
                self.accept(now, packet, meaning, index, false, newest, digits);
            }
            Place::Restart { index, source } => {
                self.counts.ssrc_changes += u32::from(source);
                self.counts.restarts += u32::from(!source);
                self.release(index, digits);
                self.accept(now, packet, meaning, index + 1, false, true, digits);
            }
            place @ (Place::FarOff | Place::OtherSource) => {
                let event = meaning == Meaning::Event && self.side_event(now, packet, digits);
                self.hold(now, packet, meaning);
                self.held.refused = !event;
                if event {
                    return Ok(received);
                }
                return Err(match place {
                    Place::FarOff => PacketError::Sequence,
                    _ => PacketError::Source,
                });
            }
        }
        self.advance(now, digits);
        Ok(received)
    }

    /// A redundant packet (RFC 2198): what of its past is missing is filled in, its primary block is a packet like others.
    fn redundant(
        &mut self,
        now: u64,
        packet: Packet<'_>,
        digits: &mut DigitPath,
    ) -> Result<Received, PacketError> {
        let blocks = blocks(packet.payload).ok_or(PacketError::Short)?;
        // Only what belongs to the locked source and its sequence is believed.
        if let Some(index) = self.sequence.index_of(packet.ssrc, packet.sequence) {
            for block in blocks.clone().filter(|block| block.following > 0 && !block.payload.is_empty()) {
                self.fill(now, packet, block, index, digits);
            }
        }
        let Some(primary) = blocks.last() else { return Err(PacketError::Short) };
        self.packet(
            now,
            Packet { payload_type: primary.payload_type, payload: primary.payload, ..packet },
            digits,
        )
    }

    /// Takes a block of an earlier packet in place of that packet, if it has not come.
    fn fill(&mut self, now: u64, packet: Packet<'_>, block: Block<'_>, index: u64, digits: &mut DigitPath) {
        let following = block.following;
        let meaning = self.types.meaning(block.payload_type);
        let stamp = self.stamp(packet.ssrc, meaning, packet.timestamp.wrapping_sub(block.back));
        let timestamp = stamp.media;
        match meaning {
            Meaning::Event => {
                let sequence = packet.sequence.wrapping_sub(following);
                digits.redundant_event(MediaTime(now), packet.ssrc, sequence, stamp, block.payload);
            }
            Meaning::Audio(codec) if block.payload.len() <= MAX_PAYLOAD => {
                let at = index.saturating_sub(u64::from(following));
                let content = Content::Audio(codec);
                if self.bursts.seen(at) == Seen::Never
                    && let Some(audio) = self.audio.as_mut().filter(|audio| !audio.knows(at))
                {
                    audio.keep(Kept {
                        index: at,
                        timestamp,
                        arrived: now,
                        content,
                        restart: false,
                        payload: block.payload,
                    });
                    self.counts.recovered += 1;
                }
            }
            Meaning::Audio(_) | Meaning::Comfort | Meaning::Unknown => {}
        }
    }

    fn hold(&mut self, now: u64, packet: Packet<'_>, meaning: Meaning) {
        let length = packet.payload.len();
        self.held.payload[..length].copy_from_slice(packet.payload);
        self.held.length = length;
        self.held.source = packet.ssrc;
        self.held.sequence = packet.sequence;
        self.held.timestamp = packet.timestamp;
        self.held.arrived = now;
        self.held.marker = packet.marker;
        self.held.meaning = meaning;
        self.held.refused = true;
    }

    /// Accepts the packet on probation: the first of a new sequence.
    fn release(&mut self, index: u64, digits: &mut DigitPath) {
        let payload = self.held.payload;
        let packet = Packet {
            marker: self.held.marker,
            payload_type: 0,
            sequence: self.held.sequence,
            timestamp: self.held.timestamp,
            ssrc: self.held.source,
            payload: &payload[..self.held.length],
        };
        self.transit = None;
        // Its clock is another one.
        self.drift = Drift::default();
        self.counts.bad -= u64::from(std::mem::take(&mut self.held.refused));
        self.accept(self.held.arrived, packet, self.held.meaning, index, true, true, digits);
    }

    /// Some gateways send events under a source or a sequence of their own beside the audio: two in order are believed.
    fn side_event(&mut self, now: u64, packet: Packet<'_>, digits: &mut DigitPath) -> bool {
        let next = packet.sequence.wrapping_add(1);
        let confirmed = match self.side {
            Some((source, expected)) if source == packet.ssrc => {
                packet.sequence.wrapping_sub(expected) < 0x8000
            }
            _ => false,
        };
        self.side = Some((packet.ssrc, next));
        if confirmed {
            self.counts.events += 1;
            let (ssrc, at) = (packet.ssrc, MediaTime(now));
            if self.held.meaning == Meaning::Event && self.held.source == ssrc {
                let stamp = self.stamp(ssrc, Meaning::Event, self.held.timestamp);
                let held = &self.held;
                let payload = &held.payload[..held.length];
                digits.event(at, ssrc, held.sequence, stamp, held.marker, payload);
            }
            let stamp = self.stamp(ssrc, Meaning::Event, packet.timestamp);
            digits.event(at, ssrc, packet.sequence, stamp, packet.marker, packet.payload);
        }
        confirmed
    }

    #[allow(clippy::too_many_arguments)] // one packet and where it stands
    fn accept(
        &mut self,
        now: u64,
        packet: Packet<'_>,
        meaning: Meaning,
        index: u64,
        mut restart: bool,
        newest: bool,
        digits: &mut DigitPath,
    ) {
        self.received += 1;
        self.received_octets += packet.payload.len() as u64;
        let (stamp, payload) = (self.stamp(packet.ssrc, meaning, packet.timestamp), packet.payload);
        let timestamp = stamp.media;
        let content = match meaning {
            Meaning::Audio(codec) => {
                self.last_audio = Some((packet.ssrc, packet.timestamp));
                restart |= std::mem::take(&mut self.reclocked);
                Content::Audio(codec)
            }
            // The high bit is reserved; without an octet it is as quiet as can be.
            Meaning::Comfort => Content::Comfort(payload.first().map_or(127, |level| level & 0x7F)),
            _ => Content::Other,
        };
        match self.bursts.seen(index) {
            Seen::Never => {
                self.unique += 1;
                if !newest {
                    self.counts.reordered += 1;
                }
                let past = self.audio.as_ref().is_some_and(|audio| audio.is_past(index));
                self.bursts.packet(index, !past);
                if let Some(audio) = &mut self.audio {
                    audio.keep(Kept { index, timestamp, arrived: now, content, restart, payload });
                }
                if let Content::Audio(codec) = content {
                    if restart {
                        self.transit = None;
                    }
                    if past {
                        self.counts.late += 1;
                    }
                    self.measure(now, timestamp);
                    self.drift.packet(now, timestamp);
                    self.spread.packet(now, timestamp);
                    let samples = u32::try_from(codec.samples(payload)).ok();
                    if let Some(samples) = samples.filter(|&samples| samples > 0) {
                        self.packet_samples = samples;
                    }
                    if let Some(audio) = &mut self.audio {
                        audio.arrival(index, delay(&self.spread));
                    }
                }
            }
            Seen::Once => self.counts.duplicated += 1,
            Seen::LongAgo => self.counts.late += 1,
        }
        match meaning {
            Meaning::Event => {
                self.counts.events += 1;
                digits.event(MediaTime(now), packet.ssrc, packet.sequence, stamp, packet.marker, payload);
            }
            Meaning::Unknown => self.counts.unknown += 1,
            Meaning::Audio(_) | Meaning::Comfort => {}
        }
        if meaning != Meaning::Event {
            digits.other_packet(packet.ssrc, packet.sequence);
        }
    }

    /// Interarrival jitter, RFC 3550 A.8. Only of audio: all packets of an event share one timestamp.
    fn measure(&mut self, now: u64, timestamp: u32) {
        let transit = (now as u32).wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // A jump of the timestamp by more than 10 s is a new clock, not jitter.
            if difference < 80_000 {
                self.jitter += (difference as f32 - self.jitter) / 16.0;
                self.jitter_max = self.jitter_max.max(self.jitter);
            }
        }
    }

    /// Where the audio is kept, if it is.
    pub(crate) fn parts(&self) -> Memory {
        self.audio.as_deref().map_or(NONE, memory_of)
    }

    /// Where the next packet will be put; [`Receiver::parts`] are looked at.
    pub(crate) fn ahead(&self) -> [Memory; 3] {
        let next = self.sequence.highest() + 1;
        self.audio.as_deref().map_or([NONE; 3], |audio| audio.ahead(next))
    }

    /// Begins to play out, or ends it. Not in a tick.
    pub(crate) fn set_playing(&mut self, play: bool) {
        match &mut self.audio {
            Some(audio) => {
                let (concealed, trimmed) = audio.set_playing(self.types.codec, play);
                self.counts.concealed_ms += concealed / 8;
                self.counts.trimmed_ms += trimmed / 8;
                if !audio.is_taken() {
                    self.audio = None;
                }
            }
            None => self.audio = Audio::new(self.types.codec, false, play),
        }
    }

    /// Time passes: packets that waited for a missing one go to the tone detector.
    pub(crate) fn advance(&mut self, now: u64, digits: &mut DigitPath) {
        if let Some(audio) = &mut self.audio
            && self.sequence.source().is_some()
        {
            audio.listen(now, self.sequence.highest(), digits);
        }
    }

    /// One frame of playout at the tick at `now` (samples); true with it if all of it was received.
    pub(crate) fn playout(&mut self, now: u64, digits: &mut DigitPath) -> (FrameKind, bool) {
        self.advance(now, digits);
        match &mut self.audio {
            Some(audio) => audio.pull(now, self.sequence.highest(), self.types.codec),
            None => (FrameKind::Silence, false),
        }
    }

    /// Samples and octets of the last frame.
    pub(crate) fn frame(&self) -> (&[i16], &[u8]) {
        self.audio.as_ref().map_or(NOTHING, |audio| audio.frame())
    }

    /// The codec that was agreed on.
    pub(crate) fn codec(&self) -> Codec {
        self.types.codec
    }

    /// For the report block of RTCP, once a source is known.
    pub(crate) fn reception(&self) -> Option<Reception> {
        self.sequence.source().map(|source| Reception {
            source,
            expected: self.sequence.expected(),
            received: self.unique + self.counts.duplicated,
            highest: self.sequence.extended(),
            // In the clock of the stream (RFC 3550 §6.4.1).
            jitter: self.jitter as u32 * self.types.codec.ratio(),
            voip: VoipMetrics::default(),
        })
    }

    /// The receiving half of the statistics.
    pub(crate) fn statistics(&self) -> Statistics {
        let expected = self.sequence.expected();
        let player = self.audio.as_ref().and_then(|audio| audio.player());
        Statistics {
            received: self.received,
            received_octets: self.received_octets,
            expected,
            lost: expected.saturating_sub(self.unique),
            jitter_ms: self.jitter / 8.0,
            jitter_max_ms: self.jitter_max / 8.0,
            delay_ms: player.map_or(0, Player::delay) as f32 / 8.0,
            buffer_ms: delay(&self.spread) as f32 / 8.0,
            packet_ms: self.packet_samples as f32 / 8.0,
            concealed_ms: self.counts.concealed_ms + player.map_or(0, |player| player.concealed / 8),
            trimmed_ms: self.counts.trimmed_ms + player.map_or(0, |player| player.trimmed / 8),
            remote_ssrc: self.sequence.source(),
            drift_ppm: self.drift.ppm(),
            loss: self.bursts.metrics(self.packet_samples as f32 / 8.0),
            ..*self.counts
        }
    }
}
