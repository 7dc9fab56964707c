//! The way into the process: allow-list and guard, shared by all sockets.
use crate::allow::AllowList;
use crate::guard::{Guard, Reading, Verdict};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A handle of the one gate. The lock is held for the time of a few table look-ups.
#[derive(Clone)]
pub(crate) struct Gate {
    allow: AllowList,
    guard: Arc<Mutex<Guard>>,
}

impl Gate {
    pub(crate) fn new(allow: AllowList, guard: Guard) -> Self {
        Gate { allow, guard: Arc::new(Mutex::new(guard)) }
    }

    pub(crate) fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of a datagram; and whether the control task should ask for news.
    pub(crate) fn datagram(&self, source: IpAddr, bytes: &[u8]) -> (Verdict, bool) {
        if !self.allow.admits(source) {
            return (Verdict::Dropped, false);
        }
        let mut guard = self.guard();
        let verdict = guard.datagram(Instant::now(), source, bytes);
        (verdict, guard.has_news())
    }

    /// Whether a connection is accepted.
    pub(crate) fn connection(&self, source: IpAddr) -> bool {
        self.allow.admits(source) && self.guard().connection(Instant::now(), source)
    }

    /// What becomes of a connection that sent this.
    pub(crate) fn stream(&self, source: IpAddr, bytes: &[u8]) -> Reading {
        self.guard().stream(Instant::now(), source, bytes)
    }
}
