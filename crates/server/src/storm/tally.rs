//! What was counted in a run.
use super::{
    digits::{Digits, Keyed},
    histogram::Histogram,
    media::Counts,
    network::Done,
    vitals::Vitals,
};
use std::{collections::BTreeMap, time::Duration};

/// What was counted in a run.
#[derive(Default)]
pub struct Tally {
    /// INVITEs of new calls.
    pub placed: u64,
    /// Set-ups that should have been placed; fewer were where too many waited for an answer, or we were too slow.
    pub wanted: u64,
    /// Answered with 2xx.
    pub answered: u64,
    /// Refused, by status; 0: nobody answered.
    pub refused: BTreeMap<u16, u64>,
    /// Of these, with Retry-After.
    pub retry_after: u64,
    /// The other side hung up.
    pub dropped: u64,
    /// Our hang-ups that were refused or not answered.
    pub rude: u64,
    /// Answered, but without audio that we could use; and the first reason.
    pub without_audio: u64,
    /// The first reason.
    pub reason: Option<String>,
    /// Keys by INFO that were refused or not answered.
    pub info_refused: u64,
    /// From INVITE to 2xx.
    pub setup: Histogram,
    /// SIP requests sent again.
    pub retransmissions: u64,
    /// How late we were ourselves with each turn.
    pub late: Histogram,
    /// Seconds of all calls together in the time that was measured.
    pub call_seconds: f64,
    /// Calls that stood at its end.
    pub standing: usize,
    /// How long was measured.
    pub measured: Duration,
    /// What was heard.
    pub heard: Counts,
    /// The server before the first call; at begin and end of the measurement; after the last call.
    pub server: [Option<Vitals>; 4],
    /// Ourselves at begin and end of the measurement.
    pub own: [Option<Vitals>; 2],
    /// What the server heard of them, where that was asked for.
    pub digits: Option<Digits>,
    /// What was pressed in each call that was answered.
    pub keyed: Vec<Keyed>,
    /// What the callers' own network did to their packets.
    pub network: Done,
    /// It was ended before its time.
    pub interrupted: bool,
}

impl Tally {
    /// Calls that did not go as they should.
    pub fn failed(&self) -> u64 {
        self.refused.values().sum::<u64>() + self.dropped + self.without_audio
    }

    /// Why calls failed, in words; empty if none did.
    pub fn why(&self) -> String {
        let refused = self.refused.iter().map(|(status, count)| match status {
            0 => format!("{count} not answered"),
            status => format!("{count} refused with {status}"),
        });
        let others = [
            (self.dropped, "dropped"),
            (self.without_audio, "without audio"),
            (self.retry_after, "of them told to come again later"),
        ];
        let others =
            others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        refused.chain(others).collect::<Vec<_>>().join(", ")
    }

    /// Share of packets that never came.
    pub fn loss(&self) -> f64 {
        let heard = &self.heard.heard;
        heard.lost as f64 / (heard.received + heard.lost).max(1) as f64
    }

    /// Share of the packets that should have come, one each 20 ms of each call.
    pub fn coverage(&self) -> f64 {
        self.heard.heard.received as f64 / (self.call_seconds * 50.0).max(1.0)
    }

    /// CPU time of the server in ms for one second of one call, or for one set-up.
    pub fn cost_ms(&self, setups: bool) -> Option<f64> {
        let used = cpu(self.server[1], self.server[2])?.as_secs_f64() * 1000.0;
        let units = if setups { self.answered as f64 } else { self.call_seconds };
        (units > 0.0).then(|| used / units)
    }

    /// Memory of the server in kB for each call that stood at the end.
    pub fn memory_kb(&self) -> Option<f64> {
        let (idle, loaded) = (self.server[0]?, self.server[2]?);
        let grown = loaded.memory_kb as f64 - idle.memory_kb as f64;
        (self.standing > 0).then(|| grown / self.standing as f64)
    }
}

/// CPU time between two moments.
pub fn cpu(before: Option<Vitals>, after: Option<Vitals>) -> Option<Duration> {
    after?.cpu.checked_sub(before?.cpu)
}
