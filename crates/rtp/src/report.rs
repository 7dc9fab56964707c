//! When RTCP reports are due and what they tell: intervals, round trip, the other side's view (RFC 3550 §6.2-6.4).

use std::time::{Duration, Instant};

use crate::rtcp::{Block, Part, SenderInfo, Writer, read};
use crate::xr::{self, ExtendedReports, VoipMetrics, XrBlock};

/// Least mean interval (RFC 3550 §6.2); the first one is half of it. The share of the bandwidth (5 % of 80 kbit/s
/// for two members) would allow one each half second, extended report included, so this is always the larger.
const INTERVAL: Duration = Duration::from_secs(5);
/// Compensation of timer reconsideration: e - 3/2 (RFC 3550 §6.3.1).
const COMPENSATION: f64 = 1.218_28;
/// Sender reports remembered for the round trip.
const REMEMBERED: usize = 4;

/// What we received since the beginning, for our report block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reception {
    pub(crate) source: u32,
    pub(crate) expected: u64,
    pub(crate) received: u64,
    pub(crate) highest: u32,
    pub(crate) jitter: u32,
    /// How it sounds, but for the round trip.
    pub(crate) voip: VoipMetrics,
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

/// The other side's view of what we send.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RemoteView {
    pub(crate) lost: u64,
    pub(crate) fraction_lost: f32,
    pub(crate) jitter: u32,
    pub(crate) round_trip: Option<Duration>,
    /// Reports on what we send.
    pub(crate) reports: u64,
    /// How it hears us, if it says so.
    pub(crate) voip: Option<VoipMetrics>,
}

/// The RTCP side of one stream.
#[derive(Debug)]
pub(crate) struct Reports {
    ssrc: u32,
    cname: String,
    due: Instant,
    seed: u64,
    /// Middle bits of the NTP time of our last sender reports or reference times, and when they went out.
    sent: [Option<(u32, Instant)>; REMEMBERED],
    next_sent: usize,
    /// Middle bits of the NTP time of the other side's last sender report, and when it came.
    last: Option<(u32, Instant)>,
    /// Who sent the last reference time (RFC 3611 §4.4), its middle bits, and when it came.
    reference: Option<(u32, u32, Instant)>,
    expected_before: u64,
    received_before: u64,
    packets_before: u32,
    silent_reports: u8,
    /// What goes beside the plain reports.
    pub(crate) extended: ExtendedReports,
    pub(crate) view: RemoteView,
    pub(crate) sent_count: u64,
    pub(crate) received_count: u64,
}

impl Reports {
    /// `seed` makes the intervals differ between streams; equal seeds give equal intervals.
    pub(crate) fn new(now: Instant, ssrc: u32, cname: String, seed: u64) -> Self {
        let mut reports = Reports {
            ssrc,
            cname,
            due: now,
            seed,
            sent: [None; REMEMBERED],
            next_sent: 0,
            last: None,
            reference: None,
            expected_before: 0,
            received_before: 0,
            packets_before: 0,
            silent_reports: 2,
            extended: ExtendedReports::default(),
            view: RemoteView::default(),
            sent_count: 0,
            received_count: 0,
        };
        reports.schedule(now, INTERVAL / 2);
        reports
    }

    /// Our source changed: the other side's view begins anew.
    pub(crate) fn set_source(&mut self, ssrc: u32) {
        if self.ssrc != ssrc {
            self.ssrc = ssrc;
            self.packets_before = 0;
        }
    }

    /// When the next report is due.
    pub(crate) fn deadline(&self) -> Instant {
        self.due
    }

    fn schedule(&mut self, now: Instant, mean: Duration) {
        // SplitMix64: the interval needs spread, not secrecy.
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        let spread = 0.5 + (bits >> 11) as f64 / (1u64 << 53) as f64;
        self.due = now + mean.mul_f64(spread / COMPENSATION);
    }

    /// Takes a datagram; `remote` is the source of the RTP we receive, if it is known.
    pub(crate) fn receive(&mut self, now: Instant, datagram: &[u8], remote: Option<u32>) -> RtcpSeen {
        let mut seen = RtcpSeen::default();
        seen.valid = read(datagram, |part| match part {
            Part::Sender(source, info) if remote.is_none_or(|remote| remote == source) => {
                seen.sender_report = true;
                self.last = Some(((info.ntp >> 16) as u32, now));
            }
            Part::Block(_, block) if block.source == self.ssrc => {
                seen.about_us = true;
                self.judge(now, block);
            }
            Part::Bye(source) if remote == Some(source) => seen.bye = true,
            Part::Extended(from, XrBlock::ReferenceTime(ntp))
                if remote.is_none_or(|remote| remote == from) =>
            {
                self.reference = Some((from, (ntp >> 16) as u32, now));
            }
            Part::Extended(_, XrBlock::Delay { source, last, delay }) if source == self.ssrc => {
                self.round_trip(now, last, delay);
            }
            Part::Extended(_, XrBlock::Voip { source, metrics }) if source == self.ssrc => {
                seen.about_us = true;
                self.view.voip = Some(metrics);
            }
            _ => {}
        });
        self.received_count += u64::from(seen.valid);
        seen
    }

    fn judge(&mut self, now: Instant, block: Block) {
        self.view.lost = u64::try_from(block.lost).unwrap_or(0);
        self.view.fraction_lost = f32::from(block.fraction_lost) / 256.0;
        self.view.jitter = block.jitter;
        self.view.reports += 1;
        self.round_trip(now, block.last_report, block.delay);
    }

    /// The other side had what we said at NTP time `last` for so long, in 1/65536 s.
    fn round_trip(&mut self, now: Instant, last: u32, delay: u32) {
        let sent = self.sent.iter().flatten().find(|(ntp, _)| *ntp == last && last != 0);
        if let Some((_, at)) = sent {
            let held = Duration::from_secs_f64(f64::from(delay) / 65_536.0);
            let whole = now.saturating_duration_since(*at);
            self.view.round_trip = Some(whole.saturating_sub(held));
        }
    }

    /// Writes SR or RR, SDES and with `bye` BYE into `out`; returns the octets, 0 if `out` is too small.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        info: SenderInfo,
        reception: Option<Reception>,
        bye: bool,
        out: &mut [u8],
    ) -> usize {
        // A sender is who sent since the report before the last (RFC 3550 §6.4).
        self.silent_reports = match info.packets == self.packets_before {
            true => self.silent_reports.saturating_add(1),
            false => 0,
        };
        self.packets_before = info.packets;
        let ntp = info.ntp;
        let info = (self.silent_reports < 2).then_some(info);
        let block = reception.map(|reception| self.block(now, reception));
        let mut writer = Writer::new(out);
        writer.report(self.ssrc, info, block);
        writer.cname(self.ssrc, &self.cname);
        self.extend(now, ntp, info.is_some(), reception, &mut writer);
        if bye {
            writer.bye(self.ssrc);
        }
        let length = writer.finish();
        if length > 0 {
            self.sent[self.next_sent % REMEMBERED] = Some(((ntp >> 16) as u32, now));
            self.next_sent += 1;
        }
        self.sent_count += u64::from(length > 0);
        self.schedule(now, INTERVAL);
        length
    }

    /// The extended report: how it sounds here; our clock if no sender report tells it; how long ago the other side's
    /// came (RFC 3611 §4.4, §4.5, §4.7).
    fn extend(
        &self,
        now: Instant,
        ntp: u64,
        sender: bool,
        reception: Option<Reception>,
        writer: &mut Writer<'_>,
    ) {
        let mut blocks = [XrBlock::ReferenceTime(ntp); 3];
        let ExtendedReports { metrics, round_trip, senders_only } = self.extended;
        let mut count = usize::from(!sender && round_trip);
        let answers = round_trip && (sender || !senders_only);
        if let Some((source, last, at)) = self.reference.filter(|_| answers) {
            let delay = (now.saturating_duration_since(at).as_secs_f64() * 65_536.0) as u32;
            blocks[count] = XrBlock::Delay { source, last, delay };
            count += 1;
        }
        if let Some(Reception { source, voip, .. }) = reception.filter(|_| metrics) {
            let round_trip_ms = self.view.round_trip.map(|time| time.as_millis().min(0xFFFF) as u16);
            blocks[count] = XrBlock::Voip { source, metrics: VoipMetrics { round_trip_ms, ..voip } };
            count += 1;
        }
        if count > 0 {
            xr::write(writer, self.ssrc, &blocks[..count]);
        }
    }

    fn block(&mut self, now: Instant, reception: Reception) -> Block {
        let expected = reception.expected.saturating_sub(self.expected_before);
        let received = reception.received.saturating_sub(self.received_before);
        self.expected_before = reception.expected;
        self.received_before = reception.received;
        let fraction = (expected.saturating_sub(received) * 256).checked_div(expected).unwrap_or(0);
        let lost = reception.expected as i64 - reception.received as i64;
        let (last_report, delay) = match self.last {
            Some((ntp, at)) => {
                let delay = now.saturating_duration_since(at).as_secs_f64() * 65_536.0;
                (ntp, delay as u32)
            }
            None => (0, 0),
        };
        Block {
            source: reception.source,
            fraction_lost: fraction.min(255) as u8,
            lost: lost.clamp(-0x80_0000, 0x7F_FFFF) as i32,
            highest: reception.highest,
            jitter: reception.jitter,
            last_report,
            delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::tests::epoch;
    use crate::xr::tests::METRICS;

    const RECEPTION: Reception =
        Reception { source: 2, expected: 100, received: 75, highest: 1099, jitter: 12, voip: METRICS };

    fn info(packets: u32, ntp: u64) -> SenderInfo {
        SenderInfo { ntp, packets, ..SenderInfo::default() }
    }

    #[test]
    fn intervals_are_spread_around_five_seconds() {
        let now = epoch();
        let mut sum = 0.0;
        for seed in 0..1000 {
            let mut reports = Reports::new(now, 1, "a".into(), seed);
            let first = reports.deadline() - now;
            assert!((1.0..3.1).contains(&first.as_secs_f64()), "{first:?}");
            reports.write(now, info(1, 0), None, false, &mut [0; 100]);
            let next = (reports.deadline() - now).as_secs_f64();
            assert!((2.0..6.2).contains(&next), "{next}");
            sum += next;
        }
        assert!((sum / 1000.0 - 5.0 / COMPENSATION).abs() < 0.1, "{sum}");
    }

    #[test]
    fn two_sides_measure_the_round_trip_and_the_loss() {
        let now = epoch();
        let mut here = Reports::new(now, 1, "here".into(), 1);
        let mut there = Reports::new(now, 2, "there".into(), 2);
        let mut out = [0u8; 200];
        let ntp = 0xE000_0000_8000_0000;
        let length = here.write(now, info(100, ntp), None, false, &mut out);
        let seen = there.receive(now + Duration::from_millis(30), &out[..length], Some(1));
        assert!(seen.valid && seen.sender_report && !seen.about_us);
        let reception = Reception { source: 1, ..RECEPTION };
        let later = now + Duration::from_millis(1030);
        let length = there.write(later, info(0, 0), Some(reception), true, &mut out);
        let seen = here.receive(now + Duration::from_millis(1060), &out[..length], Some(2));
        assert!(seen.about_us && seen.bye && !seen.sender_report);
        let round_trip = here.view.round_trip.expect("measured").as_secs_f64();
        assert!((round_trip - 0.06).abs() < 0.001, "{round_trip}");
        assert_eq!(here.view.lost, 25);
        assert_eq!(here.view.fraction_lost, 0.25);
    }

    #[test]
    fn a_side_that_only_receives_measures_the_round_trip_and_each_knows_how_the_other_hears() {
        let now = epoch();
        let ms = Duration::from_millis;
        let mut here = Reports::new(now, 1, "here".into(), 1);
        let mut there = Reports::new(now, 2, "there".into(), 2);
        let mut out = [0u8; 300];
        let ntp = 0xE000_0000_8000_0000;
        // Never sent anything: a receiver report with a reference time.
        let length = here.write(now, info(0, ntp), Some(RECEPTION), false, &mut out);
        assert_eq!(out[1], 201);
        let seen = there.receive(now + ms(40), &out[..length], Some(1));
        assert!(seen.valid && seen.about_us);
        assert_eq!(there.view.voip.expect("told").mos_cq, METRICS.mos_cq);
        assert_eq!(there.view.voip.expect("told").round_trip_ms, None, "not measured yet");
        let length = there.write(now + ms(2040), info(9, ntp), None, false, &mut out);
        let seen = here.receive(now + ms(2080), &out[..length], Some(2));
        assert!(seen.valid && !seen.about_us);
        let round_trip = here.view.round_trip.expect("measured").as_secs_f64();
        assert!((round_trip - 0.08).abs() < 0.001, "{round_trip}");
        // What it has measured it tells.
        let length = here.write(now + ms(3000), info(0, ntp + 1), Some(RECEPTION), false, &mut out);
        there.receive(now + ms(3040), &out[..length], Some(1));
        assert_eq!(there.view.voip.expect("told").round_trip_ms, Some(80));
        // A stranger's reference time is not answered.
        let mut stranger = Reports::new(now, 3, "stranger".into(), 3);
        let length = stranger.write(now, info(0, 7 << 32), None, false, &mut out);
        there.receive(now + ms(3050), &out[..length], Some(1));
        let length = there.write(now + ms(4000), info(18, ntp), None, true, &mut out);
        assert!(!stranger.receive(now + ms(4040), &out[..length], None).about_us);
        assert_eq!(stranger.view.round_trip, None);
    }

    #[test]
    fn extended_reports_are_those_that_were_agreed_on() {
        let now = epoch();
        let mut there = Reports::new(now, 2, "there".into(), 2);
        let mut out = [0u8; 300];
        let length = there.write(now, info(0, 5 << 32), None, false, &mut out);
        let all = ExtendedReports::default();
        let rows = [
            // What is agreed on; packets that we sent; metrics, our reference time, the delay since the other's.
            (all, 0, [true, true, true]),
            (all, 9, [true, false, true]),
            (ExtendedReports { metrics: false, ..all }, 0, [false, true, true]),
            (ExtendedReports { round_trip: false, ..all }, 0, [true, false, false]),
            (ExtendedReports { senders_only: true, ..all }, 0, [true, true, false]),
            (ExtendedReports { senders_only: true, ..all }, 9, [true, false, true]),
            (ExtendedReports { metrics: false, round_trip: false, ..all }, 0, [false; 3]),
            (ExtendedReports { metrics: false, round_trip: false, ..all }, 9, [false; 3]),
        ];
        for (extended, packets, expected) in rows {
            let mut here = Reports::new(now, 1, "here".into(), 1);
            here.extended = extended;
            // One who only listens has asked, so that there would be something to say.
            here.receive(now, &out[..length], Some(2));
            let mut report = [0u8; 300];
            let length = here.write(now, info(packets, 6 << 32), Some(RECEPTION), false, &mut report);
            let (mut seen, mut blocks) = ([false; 3], 0);
            let valid = read(&report[..length], |part| match part {
                Part::Block(..) => blocks += 1,
                Part::Extended(_, XrBlock::Voip { .. }) => seen[0] = true,
                Part::Extended(_, XrBlock::ReferenceTime(_)) => seen[1] = true,
                Part::Extended(_, XrBlock::Delay { .. }) => seen[2] = true,
                _ => {}
            });
            assert!(valid && blocks == 1, "the plain report is always there");
            assert_eq!(seen, expected, "{extended:?}, {packets} packets");
        }
    }

    #[test]
    fn who_does_not_send_gives_receiver_reports() {
        let now = epoch();
        let mut reports = Reports::new(now, 1, "a".into(), 1);
        let mut out = [0u8; 200];
        let mut kinds = Vec::new();
        for packets in [0, 5, 5, 5, 6] {
            reports.write(now, info(packets, 1 << 20), Some(RECEPTION), false, &mut out);
            kinds.push(out[1]);
        }
        assert_eq!(kinds, [201, 200, 200, 201, 200]);
    }

    #[test]
    fn a_farewell_of_a_stranger_is_none() {
        let now = epoch();
        let mut reports = Reports::new(now, 1, "a".into(), 1);
        let mut out = [0u8; 100];
        let mut writer = Writer::new(&mut out);
        writer.bye(9);
        let length = writer.finish();
        assert!(!reports.receive(now, &out[..length], Some(2)).bye);
        assert!(!reports.receive(now, &out[..length], None).bye);
        assert!(reports.receive(now, &out[..length], Some(9)).bye);
    }
}
