//! RTCP extended reports (RFC 3611): VoIP metrics, and the two blocks by which a receiver measures the round trip.
//!
//! The crate `rtcp-types` reads no VoIP metrics, so all blocks are read here; the tests read the others back with it.

use crate::rtcp::Writer;

/// Packet type of an extended report (RFC 3611 §2).
pub(crate) const EXTENDED_REPORT: u8 = 207;
/// Block types (RFC 3611 §4.4, §4.5, §4.7).
const REFERENCE_TIME: u8 = 4;
const DELAY: u8 = 5;
const VOIP: u8 = 7;
/// What has this value was not measured (RFC 3611 §4.7.4-5).
const UNAVAILABLE: u8 = 127;
/// Losses are concealed by repetition, the jitter buffer adapts (RFC 3611 §4.7.6: PLC standard, JBA adaptive).
const RECEIVER: u8 = 0b1111_0000;

/// The extended reports that are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendedReports {
    /// VoIP metrics (RFC 3611 §4.7).
    pub metrics: bool,
    /// Receiver reference time and the delay since the other side's (RFC 3611 §4.4, §4.5).
    pub round_trip: bool,
    /// The delay is told only while we send (`rcvr-rtt=sender`, RFC 3611 §5.1).
    pub senders_only: bool,
}

impl Default for ExtendedReports {
    /// All of them.
    fn default() -> Self {
        ExtendedReports { metrics: true, round_trip: true, senders_only: false }
    }
}

/// How a call sounds to one side, as it tells the other (RFC 3611 §4.7); `None` where it does not know.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct VoipMetrics {
    /// Share of packets that did not come, 0-1.
    pub loss_rate: f32,
    /// Share of packets that came too late or too early to be of use.
    pub discard_rate: f32,
    /// Share of packets lost or discarded within bursts.
    pub burst_density: f32,
    /// Share of packets lost or discarded between bursts.
    pub gap_density: f32,
    /// Mean length of a burst, in ms.
    pub burst_ms: u16,
    /// Mean length of the time between bursts, in ms.
    pub gap_ms: u16,
    /// Round trip between the RTP interfaces, in ms.
    pub round_trip_ms: Option<u16>,
    /// Encoding, decoding and jitter buffer of the reporter, in ms.
    pub end_system_ms: Option<u16>,
    /// Level of speech, in dBm0.
    pub signal_dbm: Option<i8>,
    /// Level of noise in silence, in dBm0.
    pub noise_dbm: Option<i8>,
    /// Residual echo return loss, in dB.
    pub echo_loss_db: Option<u8>,
    /// Packets in a row without loss that end a burst.
    pub gmin: u8,
    /// Rating of this stretch of the way, 0-100.
    pub r_factor: Option<u8>,
    /// Rating of what lies beyond it, 0-100.
    pub external_r_factor: Option<u8>,
    /// Mean opinion score of listening, 1-5.
    pub mos_lq: Option<f32>,
    /// Mean opinion score of conversation, 1-5.
    pub mos_cq: Option<f32>,
    /// Present delay of the jitter buffer, in ms.
    pub buffer_ms: u16,
    /// What it would be for the latest packet that is not discarded, in ms.
    pub buffer_max_ms: u16,
    /// The most that it can become, in ms.
    pub buffer_limit_ms: u16,
}

/// One block of an extended report that we understand.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum XrBlock {
    /// The reporter's clock, as 64-bit NTP time (RRTR).
    ReferenceTime(u64),
    /// How long ago the reporter had the reference time of `source`: middle bits of it, time since in 1/65536 s (DLRR).
    Delay { source: u32, last: u32, delay: u32 },
    /// How the reporter hears `source`.
    Voip { source: u32, metrics: VoipMetrics },
}

/// Reads the blocks of one extended report (its header included) that are well-formed; false if it is none at all.
/// Reading stops at the first block whose length is wrong.
pub(crate) fn read(packet: &[u8], mut visit: impl FnMut(u32, XrBlock)) -> bool {
    let Some((&[_, _, _, _, a, b, c, d], mut rest)) = packet.split_first_chunk::<8>() else {
        return false;
    };
    let reporter = u32::from_be_bytes([a, b, c, d]);
    while let Some((&[kind, _, high, low], tail)) = rest.split_first_chunk::<4>() {
        let length = 4 * usize::from(u16::from_be_bytes([high, low]));
        let Some((block, after)) = tail.split_at_checked(length) else {
            break;
        };
        rest = after;
        match kind {
            REFERENCE_TIME => {
                if let Ok(ntp) = <[u8; 8]>::try_from(block) {
                    visit(reporter, XrBlock::ReferenceTime(u64::from_be_bytes(ntp)));
                }
            }
            DELAY => {
                for report in block.chunks_exact(12) {
                    let [source, last, delay] = [0, 4, 8].map(|at| word(report, at));
                    visit(reporter, XrBlock::Delay { source, last, delay });
                }
            }
            VOIP if block.len() == 32 => {
                visit(reporter, XrBlock::Voip { source: word(block, 0), metrics: voip(block) });
            }
            _ => {}
        }
    }
    true
}

fn word(block: &[u8], at: usize) -> u32 {
    let octets = block.get(at..at + 4).and_then(|octets| octets.try_into().ok());
    octets.map_or(0, u32::from_be_bytes)
}

fn voip(block: &[u8]) -> VoipMetrics {
    let octet = |at: usize| block.get(at).copied().unwrap_or(0);
    let half = |at: usize| u16::from_be_bytes([octet(at), octet(at + 1)]);
    let share = |at: usize| f32::from(octet(at)) / 256.0;
    let level = |at: usize| Some(octet(at) as i8).filter(|&level| level != UNAVAILABLE as i8);
    let rating = |at: usize| Some(octet(at)).filter(|&rating| rating <= 100);
    let score = |at: usize| Some(octet(at)).filter(|score| (10..=50).contains(score));
    let time = |at: usize| Some(half(at)).filter(|&ms| ms > 0);
    VoipMetrics {
        loss_rate: share(4),
        discard_rate: share(5),
        burst_density: share(6),
        gap_density: share(7),
        burst_ms: half(8),
        gap_ms: half(10),
        round_trip_ms: time(12),
        end_system_ms: time(14),
        signal_dbm: level(16),
        noise_dbm: level(17),
        echo_loss_db: Some(octet(18)).filter(|&loss| loss != UNAVAILABLE),
        gmin: octet(19),
        r_factor: rating(20),
        external_r_factor: rating(21),
        mos_lq: score(22).map(|score| f32::from(score) / 10.0),
        mos_cq: score(23).map(|score| f32::from(score) / 10.0),
        buffer_ms: half(26),
        buffer_max_ms: half(28),
        buffer_limit_ms: half(30),
    }
}

/// Writes one extended report of these blocks.
pub(crate) fn write(writer: &mut Writer<'_>, reporter: u32, blocks: &[XrBlock]) {
    let words = |block: &XrBlock| match block {
        XrBlock::ReferenceTime(_) => 3,
        XrBlock::Delay { .. } => 4,
        XrBlock::Voip { .. } => 9,
    };
    writer.header(0, EXTENDED_REPORT, 1 + blocks.iter().map(words).sum::<u16>());
    writer.word(reporter);
    for block in blocks {
        match block {
            XrBlock::ReferenceTime(ntp) => {
                writer.put(&[REFERENCE_TIME, 0, 0, 2]);
                writer.put(&ntp.to_be_bytes());
            }
            XrBlock::Delay { source, last, delay } => {
                writer.put(&[DELAY, 0, 0, 3]);
                writer.word(*source);
                writer.word(*last);
                writer.word(*delay);
            }
            XrBlock::Voip { source, metrics } => {
                writer.put(&[VOIP, 0, 0, 8]);
                writer.word(*source);
                write_voip(writer, metrics);
            }
        }
    }
}

fn write_voip(writer: &mut Writer<'_>, metrics: &VoipMetrics) {
    // Shares are cut, not rounded (RFC 3611 §4.7.1): 1/256 and less is none at all.
    let share = |share: f32| (share * 256.0).clamp(0.0, 255.0) as u8;
    let level = |level: Option<i8>| level.map_or(UNAVAILABLE, |level| level as u8);
    let known = |value: Option<u8>| value.unwrap_or(UNAVAILABLE);
    let score = |score: Option<f32>| {
        score.map_or(UNAVAILABLE, |score| (score * 10.0).round().clamp(10.0, 50.0) as u8)
    };
    writer.put(&[
        share(metrics.loss_rate),
        share(metrics.discard_rate),
        share(metrics.burst_density),
        share(metrics.gap_density),
    ]);
    for time in [
        metrics.burst_ms,
        metrics.gap_ms,
        metrics.round_trip_ms.unwrap_or(0),
        metrics.end_system_ms.unwrap_or(0),
    ] {
        writer.put(&time.to_be_bytes());
    }
    writer.put(&[
        level(metrics.signal_dbm),
        level(metrics.noise_dbm),
        known(metrics.echo_loss_db),
        metrics.gmin,
        known(metrics.r_factor),
        known(metrics.external_r_factor),
        score(metrics.mos_lq),
        score(metrics.mos_cq),
        RECEIVER,
        0,
    ]);
    for time in [metrics.buffer_ms, metrics.buffer_max_ms, metrics.buffer_limit_ms] {
        writer.put(&time.to_be_bytes());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtcp_types::prelude::*;
    use rtcp_types::{DelaySinceLastReceiverReport, ReceiverReferenceTime, Xr};

    pub(crate) const METRICS: VoipMetrics = VoipMetrics {
        loss_rate: 0.0625,
        discard_rate: 0.03125,
        burst_density: 0.5,
        gap_density: 0.0078125,
        burst_ms: 200,
        gap_ms: 40_000,
        round_trip_ms: Some(61),
        end_system_ms: Some(60),
        signal_dbm: None,
        noise_dbm: None,
        echo_loss_db: None,
        gmin: 16,
        r_factor: Some(71),
        external_r_factor: None,
        mos_lq: Some(3.7),
        mos_cq: Some(3.6),
        buffer_ms: 40,
        buffer_max_ms: 60,
        buffer_limit_ms: 1000,
    };

    fn written(blocks: &[XrBlock]) -> Vec<u8> {
        let mut out = [0; 200];
        let mut writer = Writer::new(&mut out);
        write(&mut writer, 9, blocks);
        let length = writer.finish();
        out[..length].to_vec()
    }

    fn seen(packet: &[u8]) -> Vec<XrBlock> {
        let mut blocks = Vec::new();
        assert!(read(packet, |reporter, block| {
            assert_eq!(reporter, 9);
            blocks.push(block);
        }));
        blocks
    }

    #[test]
    fn what_is_written_is_read_here_and_by_the_crate() {
        let blocks = [
            XrBlock::ReferenceTime(0xE000_0001_8000_0000),
            XrBlock::Delay { source: 7, last: 0x0001_8000, delay: 65_536 },
            XrBlock::Voip { source: 7, metrics: METRICS },
        ];
        let packet = written(&blocks);
        assert_eq!(seen(&packet), blocks);
        let xr = Xr::parse(&packet).expect("an extended report");
        assert_eq!(xr.sender_ssrc(), 9);
        let found: Vec<_> = xr.block_iter().collect();
        assert_eq!(found.len(), 3);
        let time: ReceiverReferenceTime = found[0].parse_into().expect("a reference time");
        assert_eq!(time.ntp_timestamp(), 0xE000_0001_8000_0000);
        let delay: DelaySinceLastReceiverReport = found[1].parse_into().expect("delays");
        let one = delay.block_iter().next().expect("one delay");
        let three =
            (one.ssrc(), one.last_receiver_report(), one.delay_since_last_receiver_report_timestamp());
        assert_eq!(three, (7, 0x0001_8000, 65_536));
    }

    #[test]
    fn octets_stand_where_the_rfc_has_them() {
        let packet = written(&[XrBlock::Voip { source: 7, metrics: METRICS }]);
        assert_eq!(packet[..12], [0x80, 207, 0, 10, 0, 0, 0, 9, 7, 0, 0, 8]);
        assert_eq!(packet[12..16], [0, 0, 0, 7]);
        assert_eq!(packet[16..20], [16, 8, 128, 2]);
        assert_eq!(packet[20..28], [0, 200, 0x9C, 0x40, 0, 61, 0, 60]);
        assert_eq!(packet[28..38], [127, 127, 127, 16, 71, 127, 37, 36, 0xF0, 0]);
        assert_eq!(packet[38..], [0, 40, 0, 60, 3, 232]);
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let mut packet = written(&[XrBlock::Voip { source: 7, metrics: VoipMetrics::default() }]);
        assert_eq!(seen(&packet), [XrBlock::Voip { source: 7, metrics: VoipMetrics::default() }]);
        // Values that no field may have.
        packet[32] = 255;
        packet[34] = 9;
        packet[35] = 200;
        let XrBlock::Voip { metrics, .. } = seen(&packet)[0] else { panic!("no metrics") };
        assert_eq!((metrics.r_factor, metrics.mos_lq, metrics.mos_cq), (None, None, None));
    }

    #[test]
    fn reading_stops_at_a_wrong_length_and_passes_over_strange_blocks() {
        let mut packet = written(&[XrBlock::ReferenceTime(1), XrBlock::ReferenceTime(2)]);
        packet[8] = 200;
        assert_eq!(seen(&packet), [XrBlock::ReferenceTime(2)]);
        packet[23] = 3;
        assert_eq!(seen(&packet), []);
        assert!(!read(&packet[..7], |_, _| ()));
    }

    proptest! {
        #[test]
        fn garbage_does_no_harm(octets: Vec<u8>, kinds in proptest::collection::vec(1u8..9, 1..8)) {
            read(&octets, |_, _| ());
            let mut packet = vec![0x80, EXTENDED_REPORT, 0, 0, 0, 0, 0, 1];
            for (kind, piece) in kinds.iter().zip(octets.chunks(9)) {
                packet.extend([*kind, 0, 0, piece[0] % 12]);
                packet.extend(piece);
            }
            read(&packet, |_, _| ());
        }
    }
}
