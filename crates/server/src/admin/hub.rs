//! What goes on, for those who follow it.
use super::view::{News, RunningCall};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::broadcast;

/// News that a slow follower may be behind; older ones are lost to it.
const BACKLOG: usize = 1024;

/// The running calls, and the news of them.
pub struct Hub {
    calls: Mutex<BTreeMap<String, RunningCall>>,
    news: broadcast::Sender<News>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { calls: Mutex::default(), news: broadcast::Sender::new(BACKLOG) }
    }
}

impl Hub {
    /// Something happened.
    pub fn tell(&self, news: News) {
        match &news {
            News::Started(call) => {
                self.lock().insert(call.call.clone(), call.clone());
            }
            News::Ended(record) => {
                self.lock().remove(&record.call);
            }
            News::Status { .. } => {}
        }
        // Nobody may be listening.
        let _ = self.news.send(news);
    }

    /// The running calls, the oldest first.
    pub fn calls(&self) -> Vec<RunningCall> {
        let mut calls: Vec<_> = self.lock().values().cloned().collect();
        calls.sort_by(|a, b| a.start.cmp(&b.start));
        calls
    }

    /// What happens from now on.
    pub fn follow(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, RunningCall>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
