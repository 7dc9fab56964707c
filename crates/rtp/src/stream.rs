//! One RTP stream in both directions: a machine without sockets.
//!
//! Received packets go two ways. Telephone-events reach the [`DigitPath`] at arrival, audio reaches it in the order of
//! the sender's clock (see `order.rs`); both know nothing of our ticks, so a late tick, a stalled network or a
//! stopped process change no digit. The playout (see `playout.rs`) is for recorders and matchers only.

use std::time::Instant;

use crate::ahead::Memory;
use crate::codec::Codec;
use crate::digit::{Digit, DigitConfig, DigitOutput, FrameKind, MediaTime, Method};
use crate::emodel::Impairment;
use crate::packet::PacketError;
use crate::path::DigitPath;
use crate::payload::PayloadTypes;
use crate::quality;
use crate::receiver::{Received, Receiver};
use crate::report::{Reports, RtcpSeen};
use crate::rtcp::SenderInfo;
use crate::sender::{Frame, Sender};
use crate::stats::Statistics;
use crate::xr::ExtendedReports;

/// What a stream must know at its start.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// The negotiated codec.
    pub codec: Codec,
    /// Its payload type, both ways.
    pub payload_type: u8,
    /// Payload type of telephone-event that we send, if negotiated.
    pub event_payload_type: Option<u8>,
    /// Payload type of telephone-event that we receive, where it differs from the one we send.
    pub event_receive_type: Option<u8>,
    /// Clock rate of both in Hz (RFC 4733 §2.1); 8000 also beside a codec of another clock, if the peer has no other.
    pub event_clock: u32,
    /// Dynamic payload type of comfort noise (RFC 3389), if negotiated; 13 is always understood.
    pub comfort_type: Option<u8>,
    /// Payload type of redundant packets (RFC 2198) that we receive, if negotiated.
    pub redundancy_type: Option<u8>,
    /// Packet time in milliseconds that we send: the next lower that the codec has.
    pub ptime_ms: u8,
    /// Extended reports that we send.
    pub extended: ExtendedReports,
    /// The digit methods to listen to.
    pub digits: DigitConfig,
    /// Audio is played out from the start: [`Stream::set_playing`].
    pub playing: bool,
    /// Our synchronisation source, random.
    pub ssrc: u32,
    /// Our first sequence number, random.
    pub first_sequence: u16,
    /// Our first timestamp, random.
    pub first_timestamp: u32,
    /// Canonical name in RTCP (RFC 3550 §6.5.1), at most 255 octets.
    pub cname: String,
}

impl Default for StreamConfig {
    fn default() -> Self {
        StreamConfig {
            codec: Codec::Pcmu,
            payload_type: 0,
            event_payload_type: None,
            event_receive_type: None,
            event_clock: 8000,
            comfort_type: None,
            redundancy_type: None,
            ptime_ms: 20,
            extended: ExtendedReports::default(),
            digits: DigitConfig::default(),
            playing: true,
            ssrc: 0,
            first_sequence: 0,
            first_timestamp: 0,
            cname: String::new(),
        }
    }
}

/// What a re-INVITE may change in a running stream; fields as in [`StreamConfig`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // told at StreamConfig
pub struct StreamTerms {
    pub codec: Codec,
    pub payload_type: u8,
    pub event_payload_type: Option<u8>,
    pub event_receive_type: Option<u8>,
    pub event_clock: u32,
    pub comfort_type: Option<u8>,
    pub redundancy_type: Option<u8>,
    pub ptime_ms: u8,
    pub extended: ExtendedReports,
}

impl StreamTerms {
    /// Ticks of the events' clock in a sample at 8000 Hz.
    pub(crate) fn event_ratio(&self) -> u32 {
        (self.event_clock / 8000).max(1)
    }

    /// What received packets mean.
    pub fn payload_types(&self) -> PayloadTypes {
        PayloadTypes {
            codec: self.codec,
            payload_type: self.payload_type,
            events: [self.event_payload_type, self.event_receive_type],
            event_clock: self.event_clock,
            comfort: self.comfort_type,
            redundancy: self.redundancy_type,
        }
    }
}

impl StreamConfig {
    /// The part that a re-INVITE may change.
    pub fn terms(&self) -> StreamTerms {
        StreamTerms {
            codec: self.codec,
            payload_type: self.payload_type,
            event_payload_type: self.event_payload_type,
            event_receive_type: self.event_receive_type,
            event_clock: self.event_clock,
            comfort_type: self.comfort_type,
            redundancy_type: self.redundancy_type,
            ptime_ms: self.ptime_ms,
            extended: self.extended,
        }
    }

    /// The same with other terms.
    #[must_use]
    pub fn with_terms(self, terms: StreamTerms) -> Self {
        StreamConfig {
            codec: terms.codec,
            payload_type: terms.payload_type,
            event_payload_type: terms.event_payload_type,
            event_receive_type: terms.event_receive_type,
            event_clock: terms.event_clock,
            comfort_type: terms.comfort_type,
            redundancy_type: terms.redundancy_type,
            ptime_ms: terms.ptime_ms,
            extended: terms.extended,
            ..self
        }
    }
}

/// One frame of playout, 20 ms: 160 samples at 8000 Hz.
#[derive(Clone, Copy, Debug)]
pub struct Playout<'a> {
    /// The samples.
    pub pcm: &'a [i16],
    /// The frame in the [law](Codec::law) of the negotiated codec, if the whole of it was received.
    pub payload: Option<&'a [u8]>,
    /// Where the samples come from.
    pub kind: FrameKind,
}

/// One RTP stream in both directions. Receiving, playing and sending allocate nothing; what is said to take memory does.
#[derive(Debug)]
pub struct Stream {
    epoch: Instant,
    /// The latest time given to the digit path, which must not run backwards.
    latest: u64,
    receiver: Receiver,
    sender: Sender,
    /// Apart, since a tick only asks whether one is due.
    reports: Box<Reports>,
    report_due: Instant,
    digits: DigitPath,
    /// DSCP of the last packet received.
    dscp: Option<u8>,
    /// Ticks of the codec's clock in a sample at 8000 Hz.
    ratio: u32,
}

impl Stream {
    /// A stream whose media time starts at `now`.
    pub fn new(now: Instant, config: StreamConfig) -> Self {
        let types = config.terms().payload_types();
        let seed = u64::from(config.ssrc) << 32 | u64::from(config.first_timestamp);
        let mut reports = Box::new(Reports::new(now, config.ssrc, config.cname.clone(), seed));
        reports.extended = config.extended;
        Stream {
            epoch: now,
            latest: 0,
            ratio: config.codec.ratio(),
            receiver: Receiver::new(types, config.digits.inband, config.playing),
            sender: Sender::new(&config),
            digits: DigitPath::new(config.digits),
            report_due: reports.deadline(),
            reports,
            dscp: None,
        }
    }

    /// Media time of an instant: samples at 8000 Hz since the stream's start, never running backwards.
    fn media_time(&mut self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.epoch);
        let samples = elapsed.as_secs().saturating_mul(8000) + u64::from(elapsed.subsec_nanos() / 125_000);
        self.latest = self.latest.max(samples);
        self.latest
    }

    /// Takes an RTP datagram; `now` is its kernel receive time. Checks of the source address are the caller's.
    ///
    /// # Errors
    /// [`PacketError`] if it is not (yet) RTP of this stream; it is counted as bad.
    pub fn receive_rtp(&mut self, now: Instant, packet: &[u8]) -> Result<Received, PacketError> {
        let now = self.media_time(now);
        self.receiver.receive(now, packet, &mut self.digits)
    }

    /// The packets that come are marked so (RFC 2474).
    pub fn marked(&mut self, dscp: u8) {
        self.dscp = Some(dscp);
    }

    /// Takes an RTCP datagram; `now` is its kernel receive time. Garbage is counted and ignored.
    pub fn receive_rtcp(&mut self, now: Instant, packet: &[u8]) -> RtcpSeen {
        let seen = self.reports.receive(now, packet, self.receiver.source());
        self.report_due = self.reports.deadline();
        seen
    }

    /// Somebody takes the audio from now on, or nobody does any more: then [`Stream::playout`] gives silence, and no audio
    /// is kept but for the tone detector. Not in a tick: memory is taken.
    pub fn set_playing(&mut self, playing: bool) {
        self.receiver.set_playing(playing);
    }

    /// Where the parts lie that hold received audio and look at it, if anybody does.
    pub fn parts(&self) -> [Memory; 2] {
        [self.receiver.parts(), self.digits.parts()]
    }

    /// Where the next packet will go in them; they are looked at for this.
    pub fn ahead(&self) -> [Memory; 6] {
        let ([a, b, c], [d, e, f]) = (self.receiver.ahead(), self.digits.ahead());
        [a, b, c, d, e, f]
    }

    /// One frame of playout at the scheduled instant `now`, which advances by 20 ms from call to call.
    ///
    /// Also the clock of the digit path: packets that arrived before `now` must have been given before.
    pub fn playout(&mut self, now: Instant) -> Playout<'_> {
        let now = self.media_time(now);
        let (kind, whole) = self.receiver.playout(now, &mut self.digits);
        self.digits.advance(MediaTime(now));
        let (pcm, octets) = self.receiver.frame();
        Playout { pcm, payload: whole.then_some(octets), kind }
    }

    /// The tick for a stream whose audio nobody takes: the digit path's clock goes on, the playout rests.
    ///
    /// A later [`Stream::playout`] goes on with what came in the last 200 ms, if it was kept.
    pub fn advance(&mut self, now: Instant) {
        let now = self.media_time(now);
        self.receiver.advance(now, &mut self.digits);
        self.digits.advance(MediaTime(now));
    }

    /// Takes one frame in the [law](Codec::law) of the codec and writes the RTP packet that it fills into `out`; returns
    /// the packet's length, 0 if none is full yet or `out` is too small. [`Stream::send_more`] has the rest.
    ///
    /// The timestamp goes on by the frame's samples; after a pause it follows the clock, with the marker set.
    pub fn send_audio(&mut self, now: Instant, frame: &[u8], out: &mut [u8]) -> usize {
        self.sender.audio(now, Frame::Law(frame), out)
    }

    /// As [`Stream::send_audio`], with samples at 8000 Hz.
    pub fn send_pcm(&mut self, now: Instant, frame: &[i16], out: &mut [u8]) -> usize {
        self.sender.audio(now, Frame::Pcm(frame), out)
    }

    /// There may be [`Stream::send_pcm`] from now on. Not in a tick: memory is taken.
    pub fn expect_pcm(&mut self) {
        self.sender.expect_pieces();
    }

    /// The next packet that the last frame filled: two a tick where the packet time is 10 ms.
    pub fn send_more(&mut self, out: &mut [u8]) -> Option<usize> {
        self.sender.full(out).filter(|&length| length > 0)
    }

    /// Queues a press to be sent by `method`; RFC 4733 falls back to inband where it was not negotiated.
    ///
    /// False if too many presses wait. SIP INFO is not sent here and gives false. Not in a tick: memory is taken.
    pub fn press(&mut self, digit: Digit, duration_ms: u16, method: Method) -> bool {
        match method {
            Method::Rfc4733 => self.sender.press(digit, duration_ms, true),
            Method::Inband => self.sender.press(digit, duration_ms, false),
            Method::Info => false,
        }
    }

    /// While true, [`Stream::send_digit`] takes the place of [`Stream::send_audio`].
    pub fn is_sending_digit(&self) -> bool {
        self.sender.is_sending_digit()
    }

    /// The next packet of the digit being sent at the scheduled instant `now`.
    ///
    /// Call it with the same `now` until it gives `None`: a tick can hold more than one packet.
    pub fn send_digit(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        self.sender.digit(now, out)
    }

    /// The instant at which [`Stream::send_rtcp`] is due.
    pub fn rtcp_deadline(&self) -> Instant {
        self.report_due
    }

    /// Writes a compound RTCP packet (SR or RR, SDES CNAME, XR) if one is due (RFC 3550 §6.2); `wallclock_ntp` is `now` as
    /// 64-bit NTP time.
    pub fn send_rtcp(&mut self, now: Instant, wallclock_ntp: u64, out: &mut [u8]) -> Option<usize> {
        if now < self.report_due {
            return None;
        }
        Some(self.report(now, wallclock_ntp, false, out)).filter(|&length| length > 0)
    }

    /// Writes the last compound RTCP packet: SR or RR, SDES, BYE. Returns its length, 0 if `out` is too small.
    pub fn send_bye(&mut self, now: Instant, wallclock_ntp: u64, out: &mut [u8]) -> usize {
        self.report(now, wallclock_ntp, true, out)
    }

    fn report(&mut self, now: Instant, ntp: u64, bye: bool, out: &mut [u8]) -> usize {
        let (packets, octets) = self.sender.sent();
        let info = SenderInfo {
            ntp,
            timestamp: self.sender.timestamp_at(now),
            packets: packets as u32,
            octets: octets as u32,
        };
        let mut reception = self.receiver.reception();
        if let Some(reception) = &mut reception {
            reception.voip = quality::voip_metrics(&self.statistics());
        }
        let length = self.reports.write(now, info, reception, bye, out);
        self.report_due = self.reports.deadline();
        length
    }

    /// A digit that came by SIP INFO.
    pub fn info_digit(&mut self, now: Instant, digit: Digit, duration_ms: Option<u32>) {
        let now = self.media_time(now);
        self.digits.info(MediaTime(now), digit, duration_ms);
    }

    /// The next press or end of a press.
    pub fn poll_digit(&mut self) -> Option<DigitOutput> {
        self.digits.poll()
    }

    /// Applies a new agreement (re-INVITE); sequence, time and digits go on. Not in a tick: coders are made.
    pub fn renegotiate(&mut self, terms: &StreamTerms) {
        self.sender.renegotiate(terms);
        self.reports.set_source(self.sender.ssrc());
        self.reports.extended = terms.extended;
        self.receiver.renegotiate(terms.payload_types());
        self.ratio = terms.codec.ratio();
    }

    /// Counts and measures so far.
    pub fn statistics(&self) -> Statistics {
        let view = &self.reports.view;
        let mut statistics = Statistics {
            sent: self.sender.packets,
            sent_octets: self.sender.octets,
            rtcp_sent: self.reports.sent_count,
            rtcp_received: self.reports.received_count,
            remote_lost: view.lost,
            remote_fraction_lost: view.fraction_lost,
            remote_jitter_ms: view.jitter as f32 / (8 * self.ratio) as f32,
            other_events: self.digits.ignored_events().into(),
            other_event: self.digits.other_event(),
            round_trip_ms: view.round_trip.map(|time| time.as_secs_f32() * 1000.0),
            dscp: self.dscp,
            remote_voip: view.voip,
            ..self.receiver.statistics()
        };
        let codec = Impairment::of(self.receiver.codec());
        statistics.opinion = quality::here(&statistics, codec);
        statistics.remote_opinion = if view.reports > 0 { quality::there(&statistics, codec) } else { None };
        statistics
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A moment for tests to start from.
    #[allow(clippy::disallowed_methods)] // a test's epoch
    pub(crate) fn epoch() -> Instant {
        static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *EPOCH.get_or_init(Instant::now)
    }
}
