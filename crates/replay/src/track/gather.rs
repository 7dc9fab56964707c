//! Builds a [`Track`] packet by packet.
use super::{Hole, Mark, Span, Track, audio::Audio, timeline::Timeline};
use crate::runner::{Fate, Fault};
use passline_rtp::{Codec, EventName, EventPayload, Packet, PacketKind, StreamConfig};
use std::collections::BTreeMap;

/// Sequence numbers that are missing at once; more is a jump (RFC 3550 A.1, MAX_DROPOUT).
const MAX_MISSING: u16 = 3000;
/// Updates of an event, and holes that a packet fills after all, are sought among so many.
const RECENT: usize = 32;
/// The first update of an event tells of 20 ms that the next packet's time stands for.
const PACKET: i64 = 160;

struct Event {
    ssrc: u32,
    timestamp: u32,
    code: u8,
    from: i64,
    duration: u16,
    packets: u32,
    copies: u32,
    has_end: bool,
}

/// The newest packet of a source.
#[derive(Clone, Copy)]
struct Newest {
    sequence: u16,
    arrival: i64,
    /// Of audio, where the next sample belongs.
    next: Option<i64>,
}

/// Takes the packets of one stream in the order of their arrival.
pub(crate) struct Gather {
    config: StreamConfig,
    /// Whether the clock rate is known and lateness can be told.
    is_timed: bool,
    /// Of the audio, in Hz.
    clock_rate: u32,
    timeline: Timeline,
    audio: Audio,
    marks: Vec<(Mark, Option<(usize, i64)>)>,
    /// With their source and first missing sequence number: packets may still come.
    holes: Vec<(Hole, u32, u16)>,
    newest: BTreeMap<u32, Newest>,
    events: Vec<Event>,
}

impl Gather {
    /// `clock_rate`: of the codec, if it is known.
    pub(crate) fn new(config: StreamConfig, clock_rate: Option<u32>) -> Self {
        Self {
            config,
            is_timed: clock_rate.is_some(),
            clock_rate: clock_rate.unwrap_or(8000),
            timeline: Timeline::new(clock_rate.unwrap_or(8000)),
            audio: Audio::default(),
            marks: Vec::new(),
            holes: Vec::new(),
            newest: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// A packet that arrived at `arrival` (samples at 8000 Hz on the capture's clock), and what the engine made of it.
    pub(crate) fn packet(&mut self, arrival: i64, datagram: &[u8], fate: Fate) {
        let Ok(packet) = Packet::parse(datagram) else { return };
        let is_event = fate.kind == Some(PacketKind::Event);
        // Some senders stamp events like audio, whatever clock they named.
        if is_event && self.timeline.is_near(packet.ssrc, arrival, packet.timestamp) {
            self.config.event_clock = self.clock_rate;
        }
        let scale = if is_event { self.event_scale() } else { 1 };
        let timestamp = packet.timestamp.wrapping_mul(scale);
        let place = self.timeline.place(packet.ssrc, is_event, arrival, timestamp);
        let mut told = 0;
        let mut is_copy = fate.fault == Some(Fault::Duplicate);
        if is_event && let Some(event) = EventPayload::read(packet.payload) {
            told = self.timeline.samples((i64::from(event.duration) * i64::from(scale) - PACKET).max(0));
            is_copy |= self.event(&packet, event, place.at);
        }
        let behind = place.behind - told;
        let is_measured = self.is_timed && !is_copy && fate.kind.is_some();
        if is_measured {
            self.timeline.note(place.stretch, behind);
        }
        self.marks
            .push((Mark { arrival, lateness: None, fate }, is_measured.then_some((place.stretch, behind))));
        let is_duplicate = fate.fault == Some(Fault::Duplicate);
        let mut audio = None;
        if fate.kind == Some(PacketKind::Audio) {
            let codec = self.codec(packet.payload_type);
            let samples = codec.map_or(packet.payload.len(), |codec| codec.samples(packet.payload));
            audio = Some((place.at, place.at + samples as i64));
            if !is_duplicate && let Some(codec) = codec {
                self.audio.push(place.at, codec, packet.payload);
            }
        }
        if fate.kind.is_some() {
            self.order(&packet, arrival, audio, is_duplicate);
        }
    }

    /// Events may have a slower clock than the audio beside them.
    fn event_scale(&self) -> u32 {
        (self.clock_rate / self.config.event_clock.max(1)).max(1)
    }

    fn codec(&self, payload_type: u8) -> Option<Codec> {
        if payload_type == self.config.payload_type {
            return self.config.digits.inband.then_some(self.config.codec);
        }
        Codec::from_static(payload_type)
    }

    /// Notes which sequence numbers are missing, and takes the note back where one comes after all.
    fn order(&mut self, packet: &Packet<'_>, arrival: i64, audio: Option<(i64, i64)>, is_copy: bool) {
        let (ssrc, sequence) = (packet.ssrc, packet.sequence);
        let (at, next) = (audio.map(|(at, _)| at), audio.map(|(_, next)| next));
        let now = Newest { sequence, arrival, next };
        let Some(before) = self.newest.insert(ssrc, now) else { return };
        let missing = sequence.wrapping_sub(before.sequence).wrapping_sub(1);
        if missing >= 0x8000 || missing == u16::MAX {
            // Older than the newest, or the same: nothing new is missing.
            self.newest.insert(ssrc, before);
            let recent = self.holes.len().saturating_sub(RECENT);
            let filled = self.holes[recent..]
                .iter_mut()
                .find(|(hole, source, first)| *source == ssrc && sequence.wrapping_sub(*first) < hole.wanted);
            if let Some((hole, ..)) = filled.filter(|_| !is_copy) {
                hole.packets = hole.packets.saturating_sub(1);
            }
            return;
        }
        if missing == 0 || missing > MAX_MISSING {
            return;
        }
        // Between two packets of audio the timestamps tell where the hole is, elsewhere the arrivals.
        let (from, to) = match (before.next, at) {
            (Some(from), Some(to)) if from < to => (from, to),
            _ => (before.arrival, arrival),
        };
        let hole = Hole { from, to, packets: missing, wanted: missing };
        self.holes.push((hole, ssrc, before.sequence.wrapping_add(1)));
    }

    /// Joins the packets of one event as they say it, by source, timestamp and code; true for a packet that repeats.
    fn event(&mut self, packet: &Packet<'_>, said: EventPayload, at: i64) -> bool {
        let recent = self.events.len().saturating_sub(RECENT);
        let known = self.events[recent..].iter_mut().rev().find(|event| {
            (event.ssrc, event.timestamp, event.code) == (packet.ssrc, packet.timestamp, said.code)
        });
        let Some(event) = known else {
            self.events.push(Event {
                ssrc: packet.ssrc,
                timestamp: packet.timestamp,
                code: said.code,
                from: at,
                duration: said.duration,
                packets: 1,
                copies: 0,
                has_end: said.end,
            });
            return false;
        };
        let is_copy = said.duration <= event.duration && (event.has_end || !said.end);
        event.packets += 1;
        event.copies += u32::from(is_copy);
        event.duration = event.duration.max(said.duration);
        event.has_end |= said.end;
        // The first end packet may tell no more than the update before it, and comes a packet time later.
        is_copy || said.end
    }

    /// Everything in order.
    pub(crate) fn finish(mut self) -> Track {
        self.audio.settle();
        let scale = self.event_scale();
        let timeline = &self.timeline;
        let marks = self.marks.iter().map(|(mark, behind)| Mark {
            lateness: behind.map(|(stretch, behind)| timeline.lateness(stretch, behind)),
            ..*mark
        });
        let events = self.events.iter().map(|event| Span {
            from: event.from,
            to: event.from + timeline.samples(i64::from(event.duration) * i64::from(scale)),
            label: EventName(event.code).to_string(),
            detail: format!(
                "event {}: {} packets, {} of them copies, {}",
                event.code,
                event.packets,
                event.copies,
                if event.has_end { "end seen" } else { "no end seen" }
            ),
            is_open: !event.has_end,
        });
        Track {
            marks: marks.collect(),
            events: events.collect(),
            tones: self.audio.tones(),
            holes: self.holes.into_iter().map(|(hole, ..)| hole).filter(|hole| hole.packets > 0).collect(),
            audio: self.audio,
            ..Track::default()
        }
    }
}
