//! Calls as they end: how many, why, and how they sounded.
use super::{Counters, Histograms};
use passline_engine::{CallRecord, Direction};
use passline_rtp::{CODECS, Method, Statistics};
use prometheus_client::{
    metrics::{counter::Counter, histogram::Histogram},
    registry::Registry,
};
use std::sync::atomic::AtomicU64;

/// Counters and histograms of calls.
pub struct Calls {
    started: Counter,
    ended: Counters<2>,
    refused: Counters<1>,
    codecs: Counters<1>,
    trunks: Counters<2>,
    seconds: Histogram,
    digits: Counters<1>,
    merged: Counter,
    mos: Histograms,
    loss: Histograms,
    jitter: Histograms,
    round_trip: Histogram,
    packets: Counters<1>,
    concealed: Counter<f64, AtomicU64>,
    foreign_events: Counter,
}

impl Calls {
    /// Counters that the registry knows.
    pub(super) fn register<'a>(registry: &mut Registry, trunks: impl IntoIterator<Item = &'a str>) -> Self {
        let calls = Self {
            started: Counter::default(),
            ended: Counters::default(),
            refused: Counters::default(),
            codecs: Counters::default(),
            trunks: Counters::default(),
            seconds: Histogram::new([5.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0]),
            digits: Counters::default(),
            merged: Counter::default(),
            mos: Histograms::new_with_constructor(|| {
                Histogram::new([1.5, 2.0, 2.5, 3.0, 3.2, 3.4, 3.6, 3.8, 4.0, 4.2, 4.3, 4.4, 4.5])
            }),
            loss: Histograms::new_with_constructor(|| {
                Histogram::new([0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2])
            }),
            jitter: Histograms::new_with_constructor(|| {
                Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16])
            }),
            round_trip: Histogram::new([0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8]),
            packets: Counters::default(),
            concealed: Counter::default(),
            foreign_events: Counter::default(),
        };
        calls.tell(registry);
        calls.begin(trunks);
        calls
    }

    /// What is usual stands there from the start; rare outcomes, reasons and codecs come when they come.
    fn begin<'a>(&self, trunks: impl IntoIterator<Item = &'a str>) {
        for direction in ["incoming", "outgoing"] {
            for outcome in ["caller_left", "hung_up", "refused"] {
                drop(
                    self.ended.get_or_create(&[("direction", direction.into()), ("outcome", outcome.into())]),
                );
            }
        }
        for reason in ["full", "overloaded", "unknown_number", "not_allowed", "no_common_codec"] {
            drop(self.refused.get_or_create(&[("reason", reason.into())]));
        }
        for codec in CODECS {
            drop(self.codecs.get_or_create(&[("codec", codec.label.into())]));
        }
        for trunk in trunks {
            for direction in ["incoming", "outgoing"] {
                drop(self.trunks.get_or_create(&[("trunk", trunk.into()), ("direction", direction.into())]));
            }
        }
        for method in [Method::Rfc4733, Method::Inband, Method::Info] {
            drop(self.digits.get_or_create(&[("method", method.as_str().into())]));
        }
        for side in ["here", "there"] {
            for histogram in [&self.mos, &self.loss, &self.jitter] {
                drop(histogram.get_or_create(&[("side", side.into())]));
            }
        }
        for (fate, _) in fates(&Statistics::default()) {
            drop(self.packets.get_or_create(&[("fate", fate.into())]));
        }
    }

    fn tell(&self, to: &mut Registry) {
        to.register("passline_calls_started", "Calls that came in and were taken", self.started.clone());
        to.register(
            "passline_calls_ended",
            "Calls that are over, by direction and outcome",
            self.ended.clone(),
        );
        to.register("passline_calls_refused", "Calls that were not taken, by reason", self.refused.clone());
        to.register(
            "passline_calls_codec",
            "Calls that are over and had media, by codec",
            self.codecs.clone(),
        );
        to.register(
            "passline_calls_trunk",
            "Calls that are over and went over a trunk, by trunk and direction",
            self.trunks.clone(),
        );
        to.register("passline_call_seconds", "Time from answer to end of calls", self.seconds.clone());
        to.register(
            "passline_digits",
            "Keys pressed in calls that are over, by the method that was first to tell of each",
            self.digits.clone(),
        );
        to.register(
            "passline_digits_merged",
            "Keys that came by more than one method and are one digit nevertheless",
            self.merged.clone(),
        );
        to.register(
            "passline_call_mos",
            "Mean opinion score of calls by the E-model (ITU-T G.107), as heard here and at the other side",
            self.mos.clone(),
        );
        to.register(
            "passline_call_loss_ratio",
            "Packets lost of calls, here and at the other side",
            self.loss.clone(),
        );
        to.register(
            "passline_call_jitter_seconds",
            "Interarrival jitter of calls (RFC 3550), here and at the other side",
            self.jitter.clone(),
        );
        to.register(
            "passline_call_round_trip_seconds",
            "Round trip of RTP of calls whose other side sends RTCP",
            self.round_trip.clone(),
        );
        to.register(
            "passline_rtp_call_packets",
            "RTP packets of calls that are over, by fate: lost, late, duplicated, reordered, recovered, unknown, bad",
            self.packets.clone(),
        );
        to.register(
            "passline_rtp_concealed_seconds",
            "Audio that was made up in calls that are over",
            self.concealed.clone(),
        );
        to.register(
            "passline_rtp_other_events",
            "Telephone-event packets that were no keys",
            self.foreign_events.clone(),
        );
    }

    /// A call came in and was taken.
    pub fn started(&self) {
        self.started.inc();
    }

    /// A call is over, or equal ones were refused in a row.
    pub fn ended(&self, record: &CallRecord) {
        let direction = match record.direction {
            Direction::Incoming => "incoming",
            Direction::Outgoing => "outgoing",
        };
        let times = u64::from(record.count.max(1));
        self.ended
            .get_or_create(&[("direction", direction.into()), ("outcome", record.outcome.clone())])
            .inc_by(times);
        if record.outcome == "refused" && record.direction == Direction::Incoming {
            let reason = record.diagnosis.as_ref().map_or("other", |diagnosis| diagnosis.code());
            self.refused.get_or_create(&[("reason", reason.into())]).inc_by(times);
        }
        if let Some(trunk) = &record.trunk {
            self.trunks
                .get_or_create(&[("trunk", trunk.clone()), ("direction", direction.into())])
                .inc_by(times);
        }
        if let Some(answered) = record.answered {
            self.seconds.observe(record.end.saturating_duration_since(answered).as_secs_f64());
        }
        self.keys(record);
        if let Some((codec, statistics)) = record.codec.zip(record.statistics.as_ref()) {
            self.codecs.get_or_create(&[("codec", codec.into())]).inc();
            self.sound(statistics);
        }
    }

    fn keys(&self, record: &CallRecord) {
        let ledger = &record.ledger;
        let digit = |method: &str| self.digits.get_or_create_owned(&[("method", method.into())]);
        for press in &ledger.presses {
            digit(press.method.as_str()).inc();
        }
        // The ledger keeps so many presses one by one and counts the others.
        let others = u64::from(record.digit_count).saturating_sub(ledger.presses.len() as u64);
        if let Some(method) = record.dtmf.filter(|_| others > 0) {
            digit(method.as_str()).inc_by(others);
        }
        self.merged.inc_by(u64::from(ledger.merged));
    }

    fn sound(&self, seen: &Statistics) {
        let (here, there) = ([("side", "here".into())], [("side", "there".into())]);
        if let Some(opinion) = seen.opinion {
            self.mos.get_or_create(&here).observe(opinion.mos_cq.into());
            self.loss.get_or_create(&here).observe(seen.loss.loss_rate.into());
            self.jitter.get_or_create(&here).observe(f64::from(seen.jitter_ms) / 1000.0);
        }
        if let Some(opinion) = seen.remote_opinion {
            self.mos.get_or_create(&there).observe(opinion.mos_cq.into());
            self.loss.get_or_create(&there).observe(seen.remote_lost as f64 / seen.sent.max(1) as f64);
            self.jitter.get_or_create(&there).observe(f64::from(seen.remote_jitter_ms) / 1000.0);
        }
        if let Some(round_trip) = seen.round_trip_ms {
            self.round_trip.observe(f64::from(round_trip) / 1000.0);
        }
        for (fate, count) in fates(seen) {
            self.packets.get_or_create(&[("fate", fate.into())]).inc_by(count);
        }
        self.concealed.inc_by(seen.concealed_ms as f64 / 1000.0);
        self.foreign_events.inc_by(seen.other_events);
    }
}

/// Packets by what became of them.
fn fates(seen: &Statistics) -> [(&'static str, u64); 7] {
    [
        ("lost", seen.lost),
        ("late", seen.late),
        ("duplicated", seen.duplicated),
        ("reordered", seen.reordered),
        ("recovered", seen.recovered),
        ("unknown", seen.unknown),
        ("bad", seen.bad),
    ]
}
