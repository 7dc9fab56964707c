//! What must hold of a flow before a call may run it; see each file for its rules.
mod paths;
mod shape;
mod words;

use crate::{Fault, PromptCheck, graph::NodeId, program::Definition, yaml::Place};

/// Faults of one flow.
pub(crate) fn check(file: &str, flow: &Definition, prompts: &dyn PromptCheck) -> Vec<Fault> {
    let mut lint = Lint { file, flow, faults: Vec::new() };
    shape::check(&mut lint);
    paths::check(&mut lint);
    words::check(&mut lint, prompts);
    lint.faults
}

/// A flow under examination.
struct Lint<'a> {
    file: &'a str,
    flow: &'a Definition,
    faults: Vec<Fault>,
}

impl Lint<'_> {
    fn fault(&mut self, place: Place, rule: &'static str, message: String, remedy: impl Into<String>) {
        self.faults.push(Fault {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            rule,
            message,
            remedy: remedy.into(),
        });
    }

    /// Nodes where a call may begin or be led by what happens to it.
    fn roots(&self) -> Vec<NodeId> {
        let handlers = &self.flow.handlers;
        let named = [self.flow.first, handlers.error, handlers.call_limit, handlers.session_over];
        named.into_iter().flatten().collect()
    }

    /// Nodes that may come right after this one, with the exit's name (empty for "done"), in the order of the file.
    fn successors(&self, id: NodeId) -> Vec<(String, NodeId)> {
        let graph = &self.flow.graph;
        let Some(placed) = graph.get(id) else { return Vec::new() };
        let step = &placed.step;
        let mut next: Vec<(String, NodeId)> = Vec::new();
        match step.jump() {
            Some((label, _)) => next.extend(graph.labelled(label).map(|to| (String::new(), to))),
            None if step.falls_through() => next.extend(graph.after(id).map(|to| (String::new(), to))),
            None => {}
        }
        next.extend(step.exits().into_iter().map(|exit| (exit.name, exit.to)));
        let kind = family(step.kind());
        let keys = self.flow.handlers.keys.iter().filter(|key| key.kinds.iter().any(|of| of == kind));
        next.extend(keys.map(|key| (format!("key {}", key.key), key.to)));
        next
    }
}

/// `operation` of `operation:reset`.
pub(crate) fn family(kind: &str) -> &str {
    kind.split(':').next().unwrap_or(kind)
}
