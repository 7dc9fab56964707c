//! Flows that were loaded together, and the numbers that reach them.
use crate::{
    Fault, file,
    graph::{Graph, NodeId},
    lint,
};
use passline_identity::{QuestionId, TargetId};
use passline_prompt::phrase::PromptId;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// One flow of a [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub(crate) usize);

/// What the linter asks of the prompt library and of the configuration.
pub trait PromptCheck {
    /// Languages for which prompts are loaded.
    fn languages(&self) -> Vec<String>;
    /// Whether a language has this prompt.
    fn has(&self, language: &str, id: &PromptId) -> bool;
    /// Configured targets; each needs the prompt `target_<id>`.
    fn targets(&self) -> Vec<TargetId> {
        Vec::new()
    }
    /// Questions that may be asked; each needs the prompt `question_<id>`.
    fn questions(&self) -> Vec<QuestionId> {
        Vec::new()
    }
}

/// All flows, checked; shared by every call.
#[derive(Debug)]
pub struct Program {
    flows: Vec<Arc<Definition>>,
    entries: BTreeMap<String, FlowId>,
}

/// One flow, checked.
#[derive(Debug)]
pub(crate) struct Definition {
    pub name: String,
    pub version: u32,
    /// Languages that are spoken, the usual one first.
    pub languages: Vec<String>,
    /// Numbers that reach it, and where the file says so.
    pub numbers: Vec<(String, crate::yaml::Place)>,
    pub limits: Limits,
    pub graph: Graph,
    pub first: Option<NodeId>,
    pub handlers: Handlers,
}

/// Time limits of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the start of the call.
    pub call: Duration,
    /// From the end of `auth`, for operations.
    pub session: Duration,
}

/// Where a flow goes when something happens to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handlers {
    pub hangup: Option<NodeId>,
    pub error: Option<NodeId>,
    pub call_limit: Option<NodeId>,
    pub session_over: Option<NodeId>,
    /// Keys that work in some steps of every kind named.
    pub keys: Vec<GlobalKey>,
}

/// One key that leads away from any step of some kinds.
#[derive(Clone, Debug)]
pub(crate) struct GlobalKey {
    pub key: char,
    pub kinds: Vec<String>,
    pub to: NodeId,
    pub place: crate::yaml::Place,
}

/// Parses and lints flow files (`(path for messages, YAML)`); all faults of all files at once.
///
/// # Errors
/// The faults, sorted by place; never empty.
pub fn load(files: &[(String, String)], prompts: &dyn PromptCheck) -> Result<Program, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut flows: Vec<(&str, Arc<Definition>)> = Vec::new();
    for (path, text) in files {
        match file::parse(path, text) {
            Ok(definition) => {
                faults.extend(lint::check(path, &definition, prompts));
                flows.push((path, Arc::new(definition)));
            }
            Err(found) => faults.extend(found),
        }
    }
    let mut entries = BTreeMap::new();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for (index, (path, flow)) in flows.iter().enumerate() {
        let mut fault = |place: crate::yaml::Place, message: String, remedy: &str| {
            faults.push(Fault {
                file: (*path).to_owned(),
                line: place.line,
                column: place.column,
                rule: "duplicate",
                message,
                remedy: remedy.to_owned(),
            });
        };
        if let Some(other) = names.insert(&flow.name, path) {
            let message = format!("flow `{}` is also in {other}", flow.name);
            fault(crate::yaml::Place { line: 1, column: 1 }, message, "Give one of them another name.");
        }
        for (number, place) in &flow.numbers {
            if let Some(FlowId(other)) = entries.insert(number.clone(), FlowId(index)) {
                let message =
                    format!("number {number} is already answered by flow `{}`", flows[other].1.name);
                fault(*place, message, "Give one of them another number.");
            }
        }
    }
    if !faults.is_empty() {
        faults.sort();
        faults.dedup();
        return Err(faults);
    }
    Ok(Program { flows: flows.into_iter().map(|(_, flow)| flow).collect(), entries })
}

impl Program {
    /// The flow that answers a dialled number.
    pub fn entry(&self, number: &str) -> Option<FlowId> {
        self.entries.get(number).copied()
    }

    /// All numbers that are answered, and by which flow.
    pub fn entries(&self) -> impl Iterator<Item = (&str, FlowId)> {
        self.entries.iter().map(|(number, flow)| (number.as_str(), *flow))
    }

    /// Name of a flow, as in its file.
    pub fn name(&self, flow: FlowId) -> &str {
        self.flows.get(flow.0).map_or("", |flow| &flow.name)
    }

    /// Version of a flow, as in its file.
    pub fn version(&self, flow: FlowId) -> u32 {
        self.flows.get(flow.0).map_or(0, |flow| flow.version)
    }

    /// Whether nothing secret is keyed or said in this flow, whatever way it goes: it identifies nobody, and consists of
    /// `language`, `menu`, `say`, `echo_keys`, `goto`, `hangup`, `ticket` and `audit` only. A capture may show the media of its calls.
    pub fn is_public(&self, flow: FlowId) -> bool {
        let harmless = |flow: &Arc<Definition>| flow.graph.iter().all(|(_, placed)| placed.step.harmless());
        self.flows.get(flow.0).is_some_and(harmless)
    }

    pub(crate) fn definition(&self, flow: FlowId) -> Option<Arc<Definition>> {
        self.flows.get(flow.0).cloned()
    }
}
