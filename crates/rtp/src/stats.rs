//! What is known of a stream's quality.

use crate::bursts::LossMetrics;
use crate::emodel::Opinion;
use crate::xr::VoipMetrics;

/// Counts and measures of one stream, both directions.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Statistics {
    /// Valid RTP packets of the locked source, duplicates included.
    pub received: u64,
    /// Payload octets in them.
    pub received_octets: u64,
    /// Packets the sequence numbers promise so far (RFC 3550 A.3).
    pub expected: u64,
    /// Expected packets that did not come (RFC 3550 A.3); never negative.
    pub lost: u64,
    /// Packets that came more than once.
    pub duplicated: u64,
    /// Packets that came after one with a higher sequence number.
    pub reordered: u64,
    /// Audio packets that came after their place in the tone detector's order had been given up.
    pub late: u64,
    /// Lost audio packets whose payload came again in a later one (RFC 2198).
    pub recovered: u64,
    /// Datagrams that were no valid RTP of this stream.
    pub bad: u64,
    /// Telephone-event packets.
    pub events: u64,
    /// Telephone-event packets that were no digits: codes above 15, payloads too short.
    pub other_events: u64,
    /// The last event code above 15.
    pub other_event: Option<u8>,
    /// Packets of payload types that were not negotiated, comfort noise aside.
    pub unknown: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 A.8).
    pub jitter_ms: f32,
    /// The largest jitter so far, in milliseconds.
    pub jitter_max_ms: f32,
    /// Present playout delay in milliseconds.
    pub delay_ms: f32,
    /// The delay that the playout needs for this jitter, in milliseconds.
    pub buffer_ms: f32,
    /// Length of the last audio packet in milliseconds.
    pub packet_ms: f32,
    /// Milliseconds of playout that had to be made up (loss, lateness, empty buffer).
    pub concealed_ms: u64,
    /// Milliseconds of playout left out to take back delay.
    pub trimmed_ms: u64,
    /// Parts per million by which the sender's clock is faster than ours; `None` in the first half minute.
    pub drift_ppm: Option<f32>,
    /// How losses lie (RFC 3611 §4.7.2).
    pub loss: LossMetrics,
    /// Accepted changes of the synchronisation source.
    pub ssrc_changes: u32,
    /// Accepted restarts of the sequence (RFC 3550 A.1).
    pub restarts: u32,
    /// The locked source, if there is one.
    pub remote_ssrc: Option<u32>,
    /// RTP packets sent.
    pub sent: u64,
    /// Payload octets sent.
    pub sent_octets: u64,
    /// RTCP packets (datagrams) sent.
    pub rtcp_sent: u64,
    /// RTCP packets (datagrams) received.
    pub rtcp_received: u64,
    /// Packets of ours that the other side reports lost.
    pub remote_lost: u64,
    /// Share of ours lost in the last report interval, 0-1.
    pub remote_fraction_lost: f32,
    /// Jitter that the other side reports, in milliseconds.
    pub remote_jitter_ms: f32,
    /// Round trip in milliseconds from LSR and DLSR (RFC 3550 §6.4.1).
    pub round_trip_ms: Option<f32>,
    /// DSCP of the last packet received (RFC 2474), where the shell tells it.
    pub dscp: Option<u8>,
    /// How the other side sounds here (ITU-T G.107); `None` before the first audio.
    pub opinion: Option<Opinion>,
    /// How we sound there, estimated from its RTCP reports; `None` if there are none.
    pub remote_opinion: Option<Opinion>,
    /// How we sound there, by its own account (RFC 3611 §4.7).
    pub remote_voip: Option<VoipMetrics>,
}
