//! From counters to an opinion: what the E-model and the VoIP metrics of RFC 3611 are told of a stream.

use crate::bursts::GMIN;
use crate::emodel::{Impairment, Opinion, PathConditions};
use crate::stats::Statistics;
use crate::xr::VoipMetrics;

/// The other side's jitter buffer is taken to hold so many times the jitter that it reports, and no less than a packet.
const BUFFERED_JITTERS: f32 = 2.0;
/// The most that our playout delays, in ms.
const BUFFER_LIMIT_MS: u16 = 600;

/// How the other side sounds here; `None` before the first audio.
pub(crate) fn here(seen: &Statistics, codec: Impairment) -> Option<Opinion> {
    let loss = seen.loss;
    (seen.expected > 0).then(|| {
        let path = PathConditions {
            loss: loss.loss_rate + loss.discard_rate,
            burst_ratio: loss.burst_ratio,
            delay_ms: one_way(seen) + seen.buffer_ms,
        };
        Opinion::estimate(codec, path)
    })
}

/// How we sound on the other side, from the numbers of its report blocks. Whether losses come in bursts they do not say.
pub(crate) fn there(seen: &Statistics, codec: Impairment) -> Option<Opinion> {
    (seen.sent > 0).then(|| {
        let path = PathConditions {
            loss: seen.remote_lost as f32 / seen.sent as f32,
            burst_ratio: 1.0,
            delay_ms: one_way(seen) + (BUFFERED_JITTERS * seen.remote_jitter_ms).max(seen.packet_ms),
        };
        Opinion::estimate(codec, path)
    })
}

/// Half the round trip, and the time that it takes to fill a packet, in ms.
fn one_way(seen: &Statistics) -> f32 {
    seen.round_trip_ms.unwrap_or(0.0) / 2.0 + seen.packet_ms
}

/// What our extended report says. Levels and echo are not measured.
pub(crate) fn voip_metrics(seen: &Statistics) -> VoipMetrics {
    let loss = seen.loss;
    let ms = |time: f32| time.clamp(0.0, 65_535.0) as u16;
    VoipMetrics {
        loss_rate: loss.loss_rate,
        discard_rate: loss.discard_rate,
        burst_density: loss.burst_density,
        gap_density: loss.gap_density,
        burst_ms: ms(loss.burst_ms),
        gap_ms: ms(loss.gap_ms),
        end_system_ms: Some(ms(seen.packet_ms + seen.buffer_ms)),
        gmin: GMIN as u8,
        r_factor: seen.opinion.map(|opinion| opinion.r.round() as u8),
        mos_lq: seen.opinion.map(|opinion| opinion.mos_lq),
        mos_cq: seen.opinion.map(|opinion| opinion.mos_cq),
        buffer_ms: ms(seen.buffer_ms),
        buffer_max_ms: ms(seen.buffer_ms.max(seen.delay_ms)),
        buffer_limit_ms: BUFFER_LIMIT_MS,
        ..VoipMetrics::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bursts::LossMetrics;

    fn seen(loss_rate: f32, round_trip_ms: Option<f32>) -> Statistics {
        Statistics {
            expected: 1000,
            sent: 1000,
            buffer_ms: 40.0,
            packet_ms: 20.0,
            round_trip_ms,
            loss: LossMetrics { loss_rate, burst_ratio: 1.0, ..LossMetrics::default() },
            ..Statistics::default()
        }
    }

    #[test]
    fn a_good_line_is_good_and_a_bad_one_bad_on_both_sides() {
        let codec = Impairment::G711_CONCEALED;
        let good = here(&seen(0.0, Some(10.0)), codec).expect("audio came");
        assert!(good.r > 91.0 && good.mos_cq > 4.3, "{good:?}");
        let lossy = here(&seen(0.1, Some(10.0)), codec).expect("audio came");
        assert!((3.2..3.8).contains(&lossy.mos_lq), "{lossy:?}");
        let far = here(&seen(0.0, Some(800.0)), codec).expect("audio came");
        assert!(far.mos_cq < 3.3 && far.mos_lq > 4.4, "{far:?}");
        let there = there(&Statistics { remote_lost: 100, ..seen(0.0, Some(10.0)) }, codec).expect("sent");
        assert!((there.mos_lq - lossy.mos_lq).abs() < 0.01, "{there:?}");
        assert_eq!(here(&Statistics::default(), codec), None);
    }

    #[test]
    fn the_extended_report_says_what_the_counters_say() {
        let mut statistics = seen(0.25, Some(10.0));
        statistics.opinion = here(&statistics, Impairment::G711_CONCEALED);
        let told = voip_metrics(&statistics);
        assert_eq!((told.loss_rate, told.end_system_ms, told.buffer_ms), (0.25, Some(60), 40));
        assert_eq!(told.r_factor, statistics.opinion.map(|opinion| opinion.r.round() as u8));
        assert_eq!((told.signal_dbm, told.noise_dbm, told.external_r_factor), (None, None, None));
        assert_eq!(voip_metrics(&Statistics::default()).mos_cq, None);
    }
}
