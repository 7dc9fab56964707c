//! Questions to a peer outside of calls and of its health: OPTIONS on demand (`trunk test`).
use super::Control;
use crate::{ControlOutput, Probe, ProbeAnswer, ProbeRequest};
use passline_sip::{AskId, Command, Event, Flow};
use std::time::Instant;

/// A question under way.
pub(super) enum Probing {
    /// Its address is being looked up.
    Resolving(ProbeRequest),
    /// It was asked.
    Asking { id: u64, paths: Vec<Flow> },
}

impl Control {
    pub(super) fn probe(&mut self, request: ProbeRequest) {
        let id = self.fresh_id();
        let (uri, transport) = (request.uri.clone(), request.transport);
        self.probes.insert(id, Probing::Resolving(request));
        self.core.push(ControlOutput::Resolve { id, uri, transport });
    }

    /// The answer to a look-up; false if it was for something else.
    pub(super) fn probe_resolved(&mut self, now: Instant, id: u64, paths: &[Flow], reason: &str) -> bool {
        match self.probes.remove(&id) {
            Some(Probing::Resolving(request)) => {
                let Some(path) = paths.first() else {
                    let probe = Probe { reason: reason.to_owned(), ..Probe::default() };
                    self.core.push(ControlOutput::Probed { id: request.id, probe: Box::new(probe) });
                    return true;
                };
                let from = format!("sip:passline@{}", self.host());
                self.probes.insert(id, Probing::Asking { id: request.id, paths: paths.to_vec() });
                let command = Command::Ask {
                    id: AskId(id),
                    uri: request.uri,
                    from,
                    path: *path,
                    credentials: request.credentials,
                };
                self.core.sip(now, command);
                true
            }
            Some(other) => {
                self.probes.insert(id, other);
                false
            }
            None => false,
        }
    }

    /// An answer to OPTIONS; gives it back if it was for something else.
    pub(super) fn probed(&mut self, event: Event) -> Option<Event> {
        let Event::Asked { id, status, reason, server, allow, body_sdp } = event else { return Some(event) };
        match self.probes.remove(&id.0) {
            Some(Probing::Asking { id, paths }) => {
                let answer = ProbeAnswer { status, reason, server, allow, sdp: body_sdp };
                let probe = Box::new(Probe { paths, reason: String::new(), answer: Some(answer) });
                self.core.push(ControlOutput::Probed { id, probe });
                None
            }
            other => {
                if let Some(probing) = other {
                    self.probes.insert(id.0, probing);
                }
                Some(Event::Asked { id, status, reason, server, allow, body_sdp })
            }
        }
    }
}
