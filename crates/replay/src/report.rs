//! Joins what was seen of a capture: calls with their streams, and streams without a call.
use crate::{
    capture::Frame,
    decap::{Carried, Decapsulator},
    payload::{Census, Mapping},
    runner::{Counts, HeardDigit, Runner},
    tcp::Reassembly,
    watch::{Call, Watch},
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
    in_order: u64,
}

/// Runs a capture. `epoch` is any instant; only differences count.
pub fn replay(epoch: Instant, frames: &[Frame], options: &Options) -> Report {
    let (watch, datagrams) = separate(frames);
    let zero = frames.iter().map(|frame| frame.at).min().unwrap_or_default();
    let instant = |at: Duration| epoch + at.saturating_sub(zero);
    let mut in_calls: BTreeMap<(usize, SocketAddr, SocketAddr), Candidate<'_>> = BTreeMap::new();
    let mut loose: BTreeMap<(SocketAddr, SocketAddr, u32), Candidate<'_>> = BTreeMap::new();
    for datagram in &datagrams {
        if options.port.is_some_and(|port| port != datagram.to.port()) || is_rtcp(&datagram.payload) {
            continue;
        }
        let Ok(packet) = Packet::parse(&datagram.payload) else { continue };
        let call = watch.call_at(datagram.to).or_else(|| watch.call_at(datagram.from));
        let new = || Candidate {
            ssrc: packet.ssrc,
            from: datagram.from,
            to: datagram.to,
            census: Census::default(),
            packets: Vec::new(),
            next_sequence: packet.sequence,
            in_order: 0,
        };
        let candidate = match call {
            Some(call) => in_calls.entry((call, datagram.from, datagram.to)).or_insert_with(new),
            None => loose.entry((datagram.from, datagram.to, packet.ssrc)).or_insert_with(new),
        };
        candidate.census.count(packet.payload_type, packet.payload);
        candidate.in_order += u64::from(packet.sequence.wrapping_sub(candidate.next_sequence) < 16);
        candidate.next_sequence = packet.sequence.wrapping_add(1);
        candidate.packets.push(datagram);
    }
    let calls = watch.calls.iter().enumerate().map(|(index, call)| {
        let range = in_calls.range((index, MIN, MIN)..).take_while(|((call, ..), _)| *call == index);
        call_report(call, range.map(|(_, candidate)| candidate).collect(), &instant, options)
    });
    let mut calls: Vec<_> = calls.collect();
    let mut streams: Vec<_> = loose.values().filter(|candidate| candidate.is_rtp()).collect();
    streams.sort_by_key(|candidate| candidate.packets[0].at);
    let streams: Vec<_> = streams
        .into_iter()
        .map(|candidate| {
            let zero = instant(candidate.packets[0].at);
            let (config, codec) =
                candidate.census.settle(&Mapping::default(), options.event_pt, options.codec);
            stream_report(candidate, zero, config, codec, &[], &instant)
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
                if !watch.message(frame.at, from, &payload) {
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
        let packets = self.packets.len() as u64;
        let known = |pt: &u8| matches!(pt, 0..=34 | 96..=127);
        packets >= LEAST_PACKETS && self.in_order * 2 > packets && self.census.packets.keys().any(known)
    }
}

fn call_report(
    call: &Call,
    candidates: Vec<&Candidate<'_>>,
    instant: &impl Fn(Duration) -> Instant,
    options: &Options,
) -> CallReport {
    let zero = instant(call.start);
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
        let same_side: Vec<_> =
            same_side.into_iter().map(|digit| (instant(digit.at), digit.digit, digit.duration_ms)).collect();
        streams.push(stream_report(candidate, zero, config, codec, &same_side, instant));
    }
    streams.sort_by_key(|stream| (stream.from, stream.to));
    let mut digits: Vec<_> = streams.iter().flat_map(|stream| stream.digits.clone()).collect();
    if let Some(first) = info.first() {
        let config = StreamConfig {
            digits: DigitConfig { events: false, inband: false, info: true },
            ..StreamConfig::default()
        };
        let mut runner = Runner::new(zero, instant(first.at), config);
        info.iter().for_each(|digit| runner.info(instant(digit.at), digit.digit, digit.duration_ms));
        digits.extend(runner.finish().0);
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

fn stream_report(
    candidate: &Candidate<'_>,
    zero: Instant,
    config: StreamConfig,
    codec: Option<String>,
    info: &[(Instant, passline_rtp::Digit, Option<u32>)],
    instant: &impl Fn(Duration) -> Instant,
) -> StreamReport {
    let start = instant(candidate.packets[0].at);
    let start = info.iter().map(|(at, ..)| *at).fold(start, Instant::min);
    let mut runner = Runner::new(zero, start, config);
    let mut info = info.iter().peekable();
    for packet in &candidate.packets {
        let at = instant(packet.at);
        while let Some((when, digit, duration_ms)) = info.next_if(|(when, ..)| *when <= at) {
            runner.info(*when, *digit, *duration_ms);
        }
        runner.rtp(at, &packet.payload);
    }
    info.for_each(|(when, digit, duration_ms)| runner.info(*when, *digit, *duration_ms));
    let (digits, counts) = runner.finish();
    StreamReport { from: candidate.from, to: candidate.to, ssrc: candidate.ssrc, codec, digits, counts }
}
