//! News for the server: nothing is lost that must not be, and nobody waits.
use crate::NetEvent;
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Traces kept while the server does not read.
const ROOM: usize = 4096;

/// The channel to the server and what did not fit into it. Bounded by the number of calls: each has at most a few
/// queries, one record and one leg under way.
pub(crate) struct Outbox {
    to: mpsc::Sender<NetEvent>,
    backlog: VecDeque<NetEvent>,
}

impl Outbox {
    pub(crate) fn new(to: mpsc::Sender<NetEvent>) -> Self {
        Outbox { to, backlog: VecDeque::new() }
    }

    /// Sends, or keeps.
    pub(crate) fn push(&mut self, event: NetEvent) {
        if !self.backlog.is_empty() {
            return self.backlog.push_back(event);
        }
        if let Err(mpsc::error::TrySendError::Full(event)) = self.to.try_send(event) {
            self.backlog.push_back(event);
        }
    }

    /// Sends, or keeps if there is room, else drops.
    pub(crate) fn push_if_room(&mut self, event: NetEvent) {
        if self.backlog.len() < ROOM {
            self.push(event);
        }
    }

    /// Sends if the server keeps up, else drops: for what is large and comes often.
    pub(crate) fn push_if_idle(&mut self, event: NetEvent) {
        if self.backlog.is_empty() && self.to.max_capacity() - self.to.capacity() < ROOM / 2 {
            self.push(event);
        }
    }

    /// How much waits for the server.
    pub(crate) fn len(&self) -> usize {
        self.to.max_capacity() - self.to.capacity() + self.backlog.len()
    }

    /// Whether something is kept.
    pub(crate) fn waits(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Waits for room and sends one event. Safe to be cancelled.
    pub(crate) async fn flush(&mut self) {
        match self.to.reserve().await {
            Ok(permit) => {
                if let Some(event) = self.backlog.pop_front() {
                    permit.send(event);
                }
            }
            // Nobody listens any more.
            Err(_) => self.backlog.clear(),
        }
    }

    /// The last event.
    pub(crate) async fn stopped(mut self) {
        while self.waits() {
            self.flush().await;
        }
        let _ = self.to.send(NetEvent::Stopped).await;
    }
}
