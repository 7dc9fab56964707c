//! The user agent.

use crate::{CallHandle, Config, Input, Output};
use rand_chacha::ChaCha20Rng;
use std::collections::VecDeque;
use std::time::Instant;

/// All transactions and dialogs of one process, as a machine without sockets.
pub struct UserAgent {
    config: Config,
    rng: ChaCha20Rng,
    accepting: bool,
    next_call: u64,
    outputs: VecDeque<Output>,
}

impl UserAgent {
    /// A user agent without calls. `rng` feeds tags, branches and Call-IDs.
    pub fn new(config: Config, rng: ChaCha20Rng) -> Self {
        UserAgent { config, rng, accepting: true, next_call: 1, outputs: VecDeque::new() }
    }

    /// A handle for [`Command::Invite`](crate::Command::Invite).
    pub fn next_call_handle(&mut self) -> CallHandle {
        let handle = CallHandle(self.next_call);
        self.next_call += 1;
        handle
    }

    /// Whether new calls are taken; when not, INVITE and OPTIONS outside dialogs get 503 (drain).
    pub fn set_accepting(&mut self, accepting: bool) {
        self.accepting = accepting;
    }

    /// Number of calls known, answered or not.
    pub fn calls(&self) -> usize {
        0
    }

    /// Moves the machine; then drain [`poll`](Self::poll) and re-read [`deadline`](Self::deadline).
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        let _ = (now, input, &self.config, &self.rng);
    }

    /// The next thing to do, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Timer`] at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }
}
