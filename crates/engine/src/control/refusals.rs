//! Records of refused calls: the first of its kind at once, the others of the same minute in one.
use crate::CallRecord;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

/// How long refusals of one source and reason are counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// Most sources and reasons at once; beyond it all others count as one.
const MOST: usize = 256;

/// A scan or a flood must not fill the store: per source and reason at most two records a minute.
#[derive(Default)]
pub(crate) struct Refusals {
    windows: BTreeMap<(IpAddr, &'static str), Window>,
}

struct Window {
    until: Instant,
    more: u32,
    last: Option<Box<CallRecord>>,
}

impl Refusals {
    /// Takes a record; gives it back if it is the first of its kind.
    pub(crate) fn add(&mut self, now: Instant, record: Box<CallRecord>) -> Option<Box<CallRecord>> {
        let code = record.diagnosis.as_ref().map_or("refused", crate::Diagnosis::code);
        let mut key = (record.peer.ip(), code);
        if self.windows.len() >= MOST && !self.windows.contains_key(&key) {
            key = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), "others");
        }
        match self.windows.get_mut(&key) {
            Some(window) => {
                window.more = window.more.saturating_add(1);
                window.last = Some(record);
                None
            }
            None => {
                self.windows.insert(key, Window { until: now + WINDOW, more: 0, last: None });
                Some(record)
            }
        }
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.windows.values().map(|window| window.until).min()
    }

    /// Ends windows, and gives one record for all that each of them merged.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<CallRecord> {
        let mut merged = Vec::new();
        self.windows.retain(|_, window| {
            let over = window.until <= now;
            if over && let Some(mut record) = window.last.take() {
                record.count = window.more;
                record.ladder.clear();
                merged.push(*record);
            }
            !over
        });
        merged
    }
}
