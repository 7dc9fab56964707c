//! Joins what was seen of a capture: calls with their streams, and streams without a call.
use crate::{
    capture::Frame,
    decap::{Carried, Decapsulator},
    payload::{Census, Mapping},
    plot::{self, Picture, Window},
    runner::{Counts, HeardDigit, Runner},
    tcp::Reassembly,
    track::{Gather, MAX_TRACKS, Span, Track, Tracks, clock_rate},
    watch::{Call, InfoDigit, Watch},
};
use passline_rtp::{Codec, DigitConfig, Packet, StreamConfig, is_rtcp};
use passline_sip::message::{Frame as SipFrame, Framer};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// Packets that RTP without SIP must have before it is believed to be RTP.
const LEAST_PACKETS: u64 = 4;
/// Frames that say to be later than this (a century) after the first are taken to be that late; clocks end somewhere.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// What the capture cannot tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Payload type of telephone-event.
    pub event_pt: Option<u8>,
    /// Codec of a payload type that nothing names.
    pub codec: Option<Codec>,
    /// Only RTP received on this UDP port.
    pub port: Option<u16>,
}

/// One RTP stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamReport {
    /// Who sent it.
    pub from: SocketAddr,
    /// Who received it.
    pub to: SocketAddr,
    /// Its (first) synchronisation source.
    pub ssrc: u32,
    /// Codec name; `PT97` where nothing names it, `null` where only events came.
    pub codec: Option<String>,
    /// What was heard, in order.
    pub digits: Vec<HeardDigit>,
    /// How it went.
    #[serde(flatten)]
    pub counts: Counts,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallReport {
    /// SIP Call-ID.
    pub call_id: String,
    /// Caller.
    pub from: String,
    /// Callee.
    pub to: String,
    /// `answered+bye`, `answered`, `cancelled`, `failed 486`, `no final`.
    pub outcome: String,
    /// Codec of the first stream with audio.
    pub codec: Option<String>,
    /// What both sides keyed, in order.
    pub digits: Vec<HeardDigit>,
    /// Sums over the streams.
    #[serde(flatten)]
    pub counts: Counts,
    /// From the first INVITE to the last message, ms.
    pub duration_ms: u64,
    /// One per direction.
    pub streams: Vec<StreamReport>,
}

/// A whole capture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// In the order of their first INVITE.
    pub calls: Vec<CallReport>,
    /// RTP that belongs to no call, in the order of the first packets.
    pub streams: Vec<StreamReport>,
}

/// A UDP datagram that may be RTP.
struct Datagram {
    at: Duration,
    from: SocketAddr,
    to: SocketAddr,
    payload: Vec<u8>,
}

/// Packets of one direction (within a call) or of one source (without).
struct Candidate<'a> {
    ssrc: u32,
    from: SocketAddr,
    to: SocketAddr,
    census: Census,
    packets: Vec<&'a Datagram>,
    next_sequence: u16,
    last_timestamp: u32,
    in_order: u64,
    repeated: u64,
}

/// Runs a capture. `epoch` is any instant; only differences count.
pub fn replay(epoch: Instant, frames: &[Frame], options: &Options) -> Report {
    run(epoch, frames, options, None)
}

/// Runs a capture and draws it as SVG: its calls, then its other streams, on one time axis.
///
/// The picture shows every digit in clear: it is for the owner of the capture, in which they stand in clear as well.
pub fn replay_drawn(
    epoch: Instant,
    frames: &[Frame],
    options: &Options,
    window: &Window,
) -> (Report, Picture) {
    let mut tracks = Tracks::default();
    let report = run(epoch, frames, options, Some(&mut tracks));
    (report, plot::draw(&tracks, window))
}

/// The capture's clock: from instants to samples at 8000 Hz since its first frame.
#[derive(Clone, Copy)]
struct Clock {
    epoch: Instant,
    zero: Duration,
}

impl Clock {
    fn instant(self, at: Duration) -> Instant {
        self.epoch + at.saturating_sub(self.zero).min(LONGEST)
    }

    fn samples(self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.epoch).as_nanos() / 125_000).unwrap_or(i64::MAX)
    }
}

fn run(epoch: Instant, frames: &[Frame], options: &Options, mut tracks: Option<&mut Tracks>) -> Report {
    let (watch, datagrams) = separate(frames);
    let zero = frames.iter().map(|frame| frame.at).min().unwrap_or_default();
    let clock = Clock { epoch, zero };
    let mut in_calls: BTreeMap<(usize, SocketAddr, SocketAddr), Candidate<'_>> = BTreeMap::new();
    let mut loose: BTreeMap<(SocketAddr, SocketAddr, u32), Candidate<'_>> = BTreeMap::new();
    for datagram in &datagrams {
        if options.port.is_some_and(|port| port != datagram.to.port()) || is_rtcp(&datagram.payload) {
            continue;
        }
        let Ok(packet) = Packet::parse(&datagram.payload) else { continue };
        let call = watch.call_of(datagram.from, datagram.to, datagram.at);
        let new = || Candidate {
            ssrc: packet.ssrc,
            from: datagram.from,
            to: datagram.to,
            census: Census::default(),
            packets: Vec::new(),
            next_sequence: packet.sequence,
            last_timestamp: packet.timestamp,
            in_order: 0,
            repeated: 0,
        };
        let candidate = match call {
            Some(call) => in_calls.entry((call, datagram.from, datagram.to)).or_insert_with(new),
            None => loose.entry((datagram.from, datagram.to, packet.ssrc)).or_insert_with(new),
        };
        candidate.census.count(packet.payload_type, packet.payload);
        let advance = packet.sequence.wrapping_sub(candidate.next_sequence);
        // Captures of two interfaces have every packet twice.
        if advance == u16::MAX && candidate.last_timestamp == packet.timestamp {
            candidate.repeated += 1;
        }
        candidate.in_order += u64::from(advance < 16);
        candidate.next_sequence = packet.sequence.wrapping_add(1);
        candidate.last_timestamp = packet.timestamp;
        candidate.packets.push(datagram);
    }
    let calls = watch.calls.iter().enumerate().map(|(index, call)| {
        let range = in_calls.range((index, MIN, MIN)..).take_while(|((call, ..), _)| *call == index);
        let candidates = range.map(|(_, candidate)| candidate).collect();
        call_report(call, index, candidates, clock, options, tracks.as_deref_mut())
    });
    let mut calls: Vec<_> = calls.collect();
    let mut streams: Vec<_> = loose.values().filter(|candidate| candidate.is_rtp()).collect();
    streams.sort_by_key(|candidate| candidate.packets[0].at);
    let streams: Vec<_> = streams
        .into_iter()
        .map(|candidate| {
            let zero = clock.instant(candidate.packets[0].at);
            let (config, codec) =
                candidate.census.settle(&Mapping::default(), options.event_pt, options.codec);
            let title = "RTP without a call".to_owned();
            stream_report(candidate, zero, config, codec, &[], clock, tracks.as_deref_mut(), title)
        })
        .collect();
    calls.iter_mut().for_each(|call| call.digits.sort_by_key(|digit| digit.at_ms));
    Report { calls, streams }
}

const MIN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// SIP to the watch, the rest of UDP to the datagrams.
fn separate(frames: &[Frame]) -> (Watch, Vec<Datagram>) {
    let mut watch = Watch::default();
    let mut datagrams = Vec::new();
    let mut decapsulator = Decapsulator::default();
    let mut connections: BTreeMap<(SocketAddr, SocketAddr), (Reassembly, Framer)> = BTreeMap::new();
    let mut frames: Vec<_> = frames.iter().collect();
    // Captures of several interfaces are not always in the order of time.
    frames.sort_by_key(|frame| frame.at);
    for frame in frames {
        match decapsulator.frame(frame.link, &frame.bytes) {
            Some(Carried::Udp { from, to, payload }) => {
                let is_sip = watch.message(frame.at, from, &payload);
                if !is_sip {
                    datagrams.push(Datagram { at: frame.at, from, to, payload });
                }
            }
            Some(Carried::Tcp { from, to, sequence, syn, payload }) => {
                let (reassembly, framer) = connections
                    .entry((from, to))
                    .or_insert_with(|| (Reassembly::default(), Framer::new(65_535, 256)));
                if syn {
                    *framer = Framer::new(65_535, 256);
                }
                framer.push(&reassembly.push(sequence, syn, &payload));
                while let Some(sip) = framer.next_frame() {
                    match sip {
                        SipFrame::Message(bytes) => _ = watch.message(frame.at, from, &bytes),
                        SipFrame::Ping => {}
                        SipFrame::Lost { .. } => break,
                    }
                }
            }
            None => {}
        }
    }
    (watch, datagrams)
}

impl Candidate<'_> {
    /// Without SIP, only the look of the packets tells RTP from anything else that begins with the bits 10.
    fn is_rtp(&self) -> bool {
        let packets = self.packets.len() as u64 - self.repeated;
        let known = |pt: &u8| matches!(pt, 0..=34 | 96..=127);
        packets >= LEAST_PACKETS && self.in_order * 2 > packets && self.census.packets.keys().any(known)
    }
}

fn call_report(
    call: &Call,
    index: usize,
    candidates: Vec<&Candidate<'_>>,
    clock: Clock,
    options: &Options,
    mut tracks: Option<&mut Tracks>,
) -> CallReport {
    let zero = clock.instant(call.start);
    let title = format!("Call {}: {} to {}, {}", index + 1, call.from, call.to, call.outcome());
    let mut info: Vec<_> = call.info.iter().collect();
    let mut streams: Vec<StreamReport> = Vec::new();
    for candidate in candidates {
        let own = call.media.get(&candidate.to).or_else(|| call.media.get(&candidate.from));
        let mapping = own.cloned().unwrap_or_default();
        let (config, codec) = candidate.census.settle(&mapping, options.event_pt, options.codec);
        // A press by INFO and in the same side's RTP is one press: both go through one digit path.
        let (same_side, others): (Vec<_>, Vec<_>) =
            info.into_iter().partition(|digit| digit.from == candidate.from.ip());
        info = others;
        let tracks = tracks.as_deref_mut();
        streams.push(stream_report(candidate, zero, config, codec, &same_side, clock, tracks, title.clone()));
    }
    streams.sort_by_key(|stream| (stream.from, stream.to));
    let mut digits: Vec<_> = streams.iter().flat_map(|stream| stream.digits.clone()).collect();
    if let Some(first) = info.first() {
        let config = StreamConfig {
            digits: DigitConfig { events: false, inband: false, info: true },
            ..StreamConfig::default()
        };
        let mut runner = Runner::new(zero, clock.instant(first.at), config);
        info.iter().for_each(|digit| runner.info(clock.instant(digit.at), digit.digit, digit.duration_ms));
        let heard = runner.finish().0;
        if let Some(tracks) = tracks {
            let track = Track { subtitle: "SIP INFO without RTP of its sender".into(), ..Track::default() };
            tracks.add(title, track, &info, clock, zero, &heard);
        }
        digits.extend(heard);
    }
    let mut counts = Counts::default();
    streams.iter().for_each(|stream| counts.add(stream.counts));
    CallReport {
        call_id: call.call_id.clone(),
        from: call.from.clone(),
        to: call.to.clone(),
        outcome: call.outcome(),
        codec: streams.iter().find_map(|stream| stream.codec.clone()),
        digits,
        counts,
        duration_ms: call.end.saturating_sub(call.start).as_millis() as u64,
        streams,
    }
}

#[allow(clippy::too_many_arguments)] // one stream and all that is known of it
fn stream_report(
    candidate: &Candidate<'_>,
    zero: Instant,
    config: StreamConfig,
    codec: Option<String>,
    info: &[&InfoDigit],
    clock: Clock,
    tracks: Option<&mut Tracks>,
    title: String,
) -> StreamReport {
    let start =
        candidate.packets.iter().map(|packet| packet.at).chain(info.iter().map(|digit| digit.at)).min();
    let start = clock.instant(start.unwrap_or_default());
    let mut gather = tracks
        .as_ref()
        .is_some_and(|tracks| tracks.has_room())
        .then(|| Gather::new(config.clone(), clock_rate(codec.as_deref())));
    let mut runner = Runner::new(zero, start, config);
    let mut waiting = info.iter().peekable();
    for packet in &candidate.packets {
        while let Some(digit) = waiting.next_if(|digit| digit.at <= packet.at) {
            runner.info(clock.instant(digit.at), digit.digit, digit.duration_ms);
        }
        let at = clock.instant(packet.at);
        let fate = runner.rtp(at, &packet.payload);
        if let Some(gather) = &mut gather {
            gather.packet(clock.samples(at), &packet.payload, fate);
        }
    }
    waiting.for_each(|digit| runner.info(clock.instant(digit.at), digit.digit, digit.duration_ms));
    let (digits, mut counts) = runner.finish();
    if clock_rate(codec.as_deref()) != Some(8000) {
        counts.jitter_ms = 0.0;
    }
    if let Some(tracks) = tracks {
        let track = gather.map(Gather::finish).unwrap_or_default();
        let subtitle = format!(
            "{} to {}, SSRC {:08x}, {}: {} packets, {} lost, {} duplicated, {} reordered, jitter {} ms",
            candidate.from,
            candidate.to,
            candidate.ssrc,
            codec.as_deref().unwrap_or("events only"),
            counts.packets,
            counts.lost,
            counts.duplicated,
            counts.reordered,
            counts.jitter_ms
        );
        let track = Track { subtitle, codec: codec.clone(), is_rtp: true, ..track };
        tracks.add(title, track, info, clock, zero, &digits);
    }
    StreamReport { from: candidate.from, to: candidate.to, ssrc: candidate.ssrc, codec, digits, counts }
}

impl Tracks {
    fn has_room(&self) -> bool {
        self.list.len() < MAX_TRACKS
    }

    /// Adds a track with the digits that came by INFO and those that were heard (timed in ms since `zero`).
    fn add(
        &mut self,
        title: String,
        mut track: Track,
        info: &[&InfoDigit],
        clock: Clock,
        zero: Instant,
        heard: &[HeardDigit],
    ) {
        if !self.has_room() {
            self.left_out += 1;
            return;
        }
        let zero = clock.samples(zero);
        track.title = title;
        track.info = info
            .iter()
            .map(|digit| {
                let from = clock.samples(clock.instant(digit.at));
                let told = digit.duration_ms.map_or("no duration told".into(), |ms| format!("{ms} ms told"));
                Span {
                    from,
                    to: from + i64::from(digit.duration_ms.unwrap_or(0).min(60_000)) * 8,
                    label: digit.digit.to_char().to_string(),
                    detail: format!("SIP INFO, {told}"),
                    is_open: false,
                }
            })
            .collect();
        track.digits = heard.iter().map(|digit| (zero + digit.at_ms as i64 * 8, digit.clone())).collect();
        self.list.push(track);
    }
}
