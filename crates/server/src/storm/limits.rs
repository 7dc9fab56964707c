//! What a run must keep to, and whether it did.
use super::{digits::Digits, tally::Tally};
use crate::cli::StormArgs;
use std::time::Duration;

/// Thresholds; `None` is not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Share of packets lost.
    pub loss: Option<f64>,
    /// Share of one packet each 20 ms that must have come.
    pub packets: Option<f64>,
    /// 99th percentile of the deviation.
    pub p99: Option<Duration>,
    /// The longest silence.
    pub gap: Option<Duration>,
    /// Calls that failed.
    pub failed: u64,
}

impl From<&StormArgs> for Limits {
    fn from(args: &StormArgs) -> Self {
        Self {
            loss: args.max_loss,
            packets: args.min_packets,
            p99: args.max_p99,
            gap: args.max_gap,
            failed: args.max_failed,
        }
    }
}

impl Limits {
    /// What was not met, one sentence each.
    pub fn faults(&self, tally: &Tally, setups: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let failed = tally.failed();
        if tally.answered == 0 {
            faults.push("no call was answered".to_owned());
        }
        if failed > self.failed {
            let why = tally.why();
            faults.push(format!("{failed} calls failed ({why}); {} may", self.failed));
        }
        if setups {
            let (again, Tally { placed, wanted, .. }) = (tally.retransmissions, tally);
            if placed * 100 < wanted * 97 {
                faults.push(format!("{placed} of {wanted} calls could be placed"));
            }
            if again > tally.placed / 1000 {
                faults.push(format!("{again} requests had to be sent again; one in a thousand may"));
            }
            return faults;
        }
        let heard = &tally.heard.heard;
        if tally.answered > 0 && heard.received == 0 && !tally.measured.is_zero() {
            faults.push("nothing was heard".to_owned());
        }
        if let Some(most) = self.loss
            && tally.loss() > most
        {
            faults.push(format!(
                "{:.3} % of the packets lost; {:.3} % may be",
                tally.loss() * 100.0,
                most * 100.0
            ));
        }
        if let Some(least) = self.packets
            && tally.coverage() < least
        {
            let (came, least) = (tally.coverage() * 100.0, least * 100.0);
            faults.push(format!("{came:.2} % of the packets came; {least:.2} % must"));
        }
        if let Some(digits) = tally.digits.as_ref().filter(|digits| !digits.are_exact()) {
            let Digits { wrong, missing, extra, unknown, .. } = digits;
            faults.push(format!(
                "not each press was one digit ({wrong} wrong, {missing} missing, {extra} extra; {unknown} calls without a record)"
            ));
        }
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        if let Some(most) = self.p99.map(ms) {
            let p99 = tally.heard.deviations.percentile_ms(0.99);
            if p99 > most {
                faults.push(format!("p99 of the deviation is {p99:.2} ms; {most:.2} ms may be"));
            }
        }
        if let Some(most) = self.gap.map(ms) {
            let longest = heard.longest as f64 / 1e6;
            if longest > most {
                faults.push(format!("a caller heard nothing for {longest:.0} ms; {most:.0} ms may be"));
            }
            if tally.heard.silent_calls > 0 {
                faults.push(format!("{} callers heard nothing at all", tally.heard.silent_calls));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        let mut tally = Tally { answered: 2, measured: Duration::from_secs(1), ..Tally::default() };
        tally.heard.heard.received = 999;
        tally.heard.heard.lost = 1;
        tally.heard.heard.longest = 90_000_000;
        tally.heard.deviations.add(4_000_000);
        tally
    }

    #[test]
    fn what_is_not_asked_for_is_not_held_against_it() {
        assert!(Limits::default().faults(&tally(), false).is_empty());
    }

    #[test]
    fn each_threshold_counts_by_itself() {
        let of = |limits: Limits| limits.faults(&tally(), false).len();
        let ms = Duration::from_millis;
        for (met, missed) in [
            (
                Limits { loss: Some(0.001), ..Limits::default() },
                Limits { loss: Some(0.0009), ..Limits::default() },
            ),
            (
                Limits { p99: Some(ms(4)), ..Limits::default() },
                Limits { p99: Some(ms(3)), ..Limits::default() },
            ),
            (
                Limits { gap: Some(ms(90)), ..Limits::default() },
                Limits { gap: Some(ms(89)), ..Limits::default() },
            ),
        ] {
            assert_eq!((of(met), of(missed)), (0, 1), "{met:?}");
        }
        // 1000 packets in 20 s of calls: one each 20 ms.
        let covered = |share| {
            let tally = Tally { call_seconds: 20.0, ..tally() };
            Limits { packets: Some(share), ..Limits::default() }.faults(&tally, false).len()
        };
        assert_eq!((covered(0.999), covered(1.0)), (0, 1));
        let refused = Tally { refused: [(503, 2)].into(), dropped: 1, ..tally() };
        assert_eq!(Limits { failed: 3, ..Limits::default() }.faults(&refused, false).len(), 0);
        assert_eq!(Limits { failed: 2, ..Limits::default() }.faults(&refused, false).len(), 1);
    }

    #[test]
    fn keys_that_are_not_exact_are_told_by_what_is_wrong_with_them() {
        let faults = |digits| {
            let tally = Tally { digits: Some(digits), ..tally() };
            Limits::default().faults(&tally, false)
        };
        let exact = Digits { pressed: 9, right: 4, counted: 3, swallowed: 2, masked: 1, ..Digits::default() };
        assert!(faults(exact.clone()).is_empty());
        let told = faults(Digits { counted: 2, missing: 1, ..exact });
        let sentence = "not each press was one digit (0 wrong, 1 missing, 0 extra; 0 calls without a record)";
        assert_eq!(told, [sentence]);
    }

    #[test]
    fn silence_is_never_a_success() {
        assert_eq!(Limits::default().faults(&Tally::default(), true), ["no call was answered"]);
        let silent = Tally { answered: 1, measured: Duration::from_secs(1), ..Tally::default() };
        assert_eq!(Limits::default().faults(&silent, false), ["nothing was heard"]);
        assert!(Limits::default().faults(&silent, true).is_empty());
        let slow = Tally { answered: 1999, placed: 1999, retransmissions: 2, ..Tally::default() };
        assert_eq!(Limits::default().faults(&slow, true).len(), 1);
        let behind = Tally { answered: 900, placed: 900, wanted: 1000, ..Tally::default() };
        assert_eq!(Limits::default().faults(&behind, true), ["900 of 1000 calls could be placed"]);
    }
}
