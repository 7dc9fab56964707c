//! One RTP stream in both directions: a machine without sockets.

use std::time::Instant;

use crate::codec::Codec;
use crate::digit::{Digit, DigitConfig, DigitOutput, FrameKind, Method};
use crate::packet::PacketError;
use crate::stats::Statistics;

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
    /// Packet time in milliseconds that we send.
    pub ptime_ms: u8,
    /// The digit methods to listen to.
    pub digits: DigitConfig,
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
            ptime_ms: 20,
            digits: DigitConfig::default(),
            ssrc: 0,
            first_sequence: 0,
            first_timestamp: 0,
            cname: String::new(),
        }
    }
}

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

/// What an RTCP datagram held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RtcpSeen {
    /// At least one well-formed RTCP packet.
    pub valid: bool,
    /// The other side left (BYE of the locked source).
    pub bye: bool,
    /// It held a sender report.
    pub sender_report: bool,
    /// It held a report on what we send.
    pub about_us: bool,
}

/// One frame of playout, 20 ms: 160 samples at 8000 Hz.
#[derive(Clone, Copy, Debug)]
pub struct Playout<'a> {
    /// The samples.
    pub pcm: &'a [i16],
    /// The frame in the negotiated codec, if the whole of it was received.
    pub payload: Option<&'a [u8]>,
    /// Where the samples come from.
    pub kind: FrameKind,
}

/// One RTP stream in both directions. No allocation after [`Stream::new`].
#[derive(Debug)]
pub struct Stream {
    config: StreamConfig,
}

#[allow(unused_variables)]
impl Stream {
    /// A stream whose media time starts at `now`.
    pub fn new(now: Instant, config: StreamConfig) -> Self {
        Stream { config }
    }

    /// Takes an RTP datagram; `now` is its kernel receive time. Checks of the source address are the caller's.
    ///
    /// # Errors
    /// [`PacketError`] if it is not RTP of this stream; it is counted and changes nothing else.
    pub fn receive_rtp(&mut self, now: Instant, packet: &[u8]) -> Result<Received, PacketError> {
        Err(PacketError::Short)
    }

    /// Takes an RTCP datagram; `now` is its kernel receive time. Garbage is counted and ignored.
    pub fn receive_rtcp(&mut self, now: Instant, packet: &[u8]) -> RtcpSeen {
        RtcpSeen::default()
    }

    /// One frame of playout at the scheduled instant `now`, which must advance by 20 ms from call to call.
    pub fn playout(&mut self, now: Instant) -> Playout<'_> {
        Playout {
            pcm: &[0; 160],
            payload: None,
            kind: FrameKind::Silence,
        }
    }

    /// Writes the RTP packet of one encoded frame into `out`; returns its length, 0 if `out` is too small.
    pub fn send_audio(&mut self, now: Instant, payload: &[u8], out: &mut [u8]) -> usize {
        0
    }

    /// Queues a press to be sent by `method`; RFC 4733 falls back to inband where it was not negotiated.
    ///
    /// False if too many presses wait. SIP INFO is not sent here and gives false.
    pub fn press(&mut self, digit: Digit, duration_ms: u16, method: Method) -> bool {
        false
    }

    /// While true, [`Stream::send_digit`] takes the place of [`Stream::send_audio`].
    pub fn is_sending_digit(&self) -> bool {
        false
    }

    /// The next packet of the digit being sent at the scheduled instant `now`.
    ///
    /// Call it with the same `now` until it gives `None`: a tick can hold more than one packet.
    pub fn send_digit(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        None
    }

    /// The instant at which [`Stream::send_rtcp`] is due.
    pub fn rtcp_deadline(&self) -> Option<Instant> {
        None
    }

    /// Writes a compound RTCP packet (SR or RR, SDES CNAME) if one is due (RFC 3550 §6.2); `wallclock_ntp` is `now` as
    /// 64-bit NTP time.
    pub fn send_rtcp(&mut self, now: Instant, wallclock_ntp: u64, out: &mut [u8]) -> Option<usize> {
        None
    }

    /// Writes the last compound RTCP packet: SR or RR, SDES, BYE. Returns its length, 0 if `out` is too small.
    pub fn send_bye(&mut self, now: Instant, wallclock_ntp: u64, out: &mut [u8]) -> usize {
        0
    }

    /// A digit that came by SIP INFO.
    pub fn info_digit(&mut self, now: Instant, digit: Digit, duration_ms: Option<u32>) {}

    /// The next press or end of a press.
    pub fn poll_digit(&mut self) -> Option<DigitOutput> {
        None
    }

    /// Applies a new agreement (re-INVITE); sequence, timestamps and digits go on.
    pub fn renegotiate(
        &mut self,
        codec: Codec,
        payload_type: u8,
        event_payload_type: Option<u8>,
        event_receive_type: Option<u8>,
    ) {
    }

    /// Counts and measures so far.
    pub fn statistics(&self) -> Statistics {
        Statistics::default()
    }
}
