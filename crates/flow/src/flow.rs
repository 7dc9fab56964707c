//! One running flow.
use crate::{CallContext, FlowId, Input, Output, Program};
use rand_chacha::ChaCha20Rng;
use std::{sync::Arc, time::Instant};

/// One call's way through its flow: a machine without clock, sockets or threads.
pub struct Flow {}

impl Flow {
    /// A flow that waits for [`Input::Start`].
    pub fn new(_program: Arc<Program>, _flow: FlowId, _context: CallContext, _rng: ChaCha20Rng) -> Self {
        Self {}
    }

    /// Takes one input; after it, drain [`Flow::poll`] and re-read [`Flow::deadline`].
    pub fn handle(&mut self, _now: Instant, _input: Input) {}

    /// Next output.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// When [`Input::Timer`] must come, if nothing comes before.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }
}
