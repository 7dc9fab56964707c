//! L1, L2 and variables: what must hold before a step holds on every path to it, whatever the jumps.
//!
//! All states that a call can be in are walked, breadth first, so that the counter-example printed is a shortest one.
use super::Lint;
use crate::{
    graph::NodeId,
    step::{Gain, Kind, Need},
    yaml::Place,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// More states than any flow that people can read has.
const MOST: usize = 200_000;

/// What is known when a step is entered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    node: NodeId,
    identified: bool,
    points: u8,
    variables: BTreeMap<String, Kind>,
}

pub(super) fn check(lint: &mut Lint<'_>) {
    let mut states: Vec<(State, Option<usize>, String)> = Vec::new();
    let mut seen: BTreeSet<State> = BTreeSet::new();
    let mut open: VecDeque<usize> = VecDeque::new();
    for node in lint.roots() {
        let state = State { node, identified: false, points: 0, variables: BTreeMap::new() };
        if seen.insert(state.clone()) {
            states.push((state, None, String::new()));
            open.push_back(states.len() - 1);
        }
    }
    let mut reported: BTreeSet<(NodeId, String)> = BTreeSet::new();
    while let Some(at) = open.pop_front() {
        if states.len() > MOST {
            let place = Place { line: 1, column: 1 };
            lint.fault(place, "L1", "too many ways through this flow".to_owned(), "Make it simpler.");
            return;
        }
        let state = states[at].0.clone();
        let Some(placed) = lint.flow.graph.get(state.node) else { continue };
        for need in placed.step.needs() {
            let Some((rule, place, message, remedy)) = unmet(&state, &need, placed.place) else { continue };
            if reported.insert((state.node, message.clone())) {
                let path = path(lint, &states, at);
                lint.fault(place, rule, format!("{message}; for example by the way: {path}"), remedy);
            }
        }
        for (exit, next) in leave(lint, &state) {
            if seen.insert(next.clone()) {
                states.push((next, Some(at), exit));
                open.push_back(states.len() - 1);
            }
        }
    }
}

/// States after a step, by the names of its exits.
fn leave(lint: &Lint<'_>, state: &State) -> Vec<(String, State)> {
    let Some(placed) = lint.flow.graph.get(state.node) else { return Vec::new() };
    let (step, exits) = (&placed.step, placed.step.exits());
    let gains_identity = step.gains().contains(&Gain::Identified);
    let mut next = Vec::new();
    for (name, to) in lint.successors(state.node) {
        let mut after = State { node: to, ..state.clone() };
        if gains_identity {
            // Whoever is identified anew has proven nothing yet.
            (after.identified, after.points) = (false, 0);
        }
        let gains = match exits.iter().find(|exit| !name.is_empty() && exit.name == name) {
            Some(exit) => exit.gains.clone(),
            None if name.is_empty() => step.gains(),
            None => Vec::new(),
        };
        for gain in gains {
            match gain {
                Gain::Identified => after.identified = true,
                Gain::Points(points) => after.points = after.points.max(points),
                Gain::Variable(name, kind) => {
                    after.variables.insert(name, kind);
                }
            }
        }
        next.push((name, after));
    }
    next
}

type Unmet = (&'static str, Place, String, String);

fn unmet(state: &State, need: &Need, place: Place) -> Option<Unmet> {
    match need {
        Need::Identified if !state.identified => {
            let message = "`auth` can be reached without `identify`".to_owned();
            Some(("L2", place, message, "Put `identify` before it on every way.".to_owned()))
        }
        Need::Points(needs, what) if state.points < *needs => {
            let message = format!("`{what}` needs {needs} points and can be reached with {}", state.points);
            let remedy = format!("Put `auth` with `require: {needs}` or more before it on every way.");
            Some(("L1", place, message, remedy))
        }
        Need::Variable(variable, kinds) => {
            let name = &variable.name;
            let found = state.variables.get(name);
            match found {
                Some(kind) if kinds.contains(kind) => None,
                Some(Kind::SecretDigits) => {
                    let message = format!("`${name}` is secret and cannot be compared or shown");
                    Some(("L4", variable.place, message, "A secret reaches only its own step.".to_owned()))
                }
                Some(_) => {
                    let message = format!("`${name}` is of a kind that this step cannot use");
                    Some(("syntax", variable.place, message, "Name the result of a fitting step.".to_owned()))
                }
                None => {
                    let message = format!("`${name}` may not be set yet");
                    let remedy = format!("Put the step with `into: {name}` before it on every way.");
                    Some(("L5", variable.place, message, remedy))
                }
            }
        }
        _ => None,
    }
}

/// `start/language → start/identify → main/menu [1] → do_reset/operation:reset`.
fn path(lint: &Lint<'_>, states: &[(State, Option<usize>, String)], end: usize) -> String {
    let mut steps: Vec<String> = Vec::new();
    let mut at = Some(end);
    let mut by = String::new();
    while let Some(index) = at {
        let (state, before, exit) = &states[index];
        if let Some(placed) = lint.flow.graph.get(state.node)
            && placed.step.jump().is_none()
        {
            let by = if by.is_empty() { String::new() } else { format!(" [{by}]") };
            steps.push(format!("{}/{} (line {}){by}", placed.section, placed.step.kind(), placed.place.line));
        }
        by.clone_from(exit);
        at = *before;
    }
    steps.reverse();
    steps.join(" → ")
}
