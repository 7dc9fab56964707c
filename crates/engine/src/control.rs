//! The control half of the engine: user agent, sessions, flows, ports.
use crate::{ControlInput, ControlOutput, EngineConfig, PortPool};
use passline_flow::Program;
use passline_prompt::Library;
use rand_chacha::ChaCha20Rng;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// All calls of one process, without their media.
pub struct Control {
    outputs: VecDeque<ControlOutput>,
}

impl Control {
    /// A machine without calls. `rng` feeds tags, branches, call names, SSRCs and the flows; `ports` has its own.
    pub fn new(
        now: Instant,
        config: EngineConfig,
        program: Arc<Program>,
        library: Arc<Library>,
        ports: PortPool,
        rng: ChaCha20Rng,
    ) -> Self {
        let _ = (now, config, program, library, ports, rng);
        Control {
            outputs: VecDeque::new(),
        }
    }

    /// Moves the machine; then drain [`poll`](Self::poll) and re-read [`deadline`](Self::deadline).
    pub fn handle(&mut self, now: Instant, input: ControlInput<'_>) {
        let _ = (now, input);
    }

    /// The next thing to do, until `None`.
    pub fn poll(&mut self) -> Option<ControlOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`ControlInput::Timer`] at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }
}
