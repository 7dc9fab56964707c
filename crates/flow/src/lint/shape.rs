//! L5: everything leads somewhere, no cycle spins. L6: the same words for failed and locked. L11: keys do not collide.
use super::{Lint, family};
use crate::{graph::NodeId, parser::did_you_mean, yaml::Place};
use passline_prompt::phrase::PromptId;
use std::collections::BTreeSet;

pub(super) fn check(lint: &mut Lint<'_>) {
    labels(lint);
    let reached = reached(lint);
    ends(lint, &reached);
    unreachable(lint, &reached);
    spinning(lint);
    hangup_handler(lint);
    ending_handlers(lint);
    same_words(lint);
    global_keys(lint);
}

fn labels(lint: &mut Lint<'_>) {
    let graph = &lint.flow.graph;
    let known: Vec<&str> = graph.labels().map(|(name, _, _)| name).collect();
    let mut faults: Vec<(Place, String, String)> = Vec::new();
    for (_, placed) in graph.iter() {
        if let Some((label, place)) = placed.step.jump()
            && graph.labelled(label).is_none()
        {
            faults.push((place, format!("there is no label `{label}`"), did_you_mean(label, &known)));
        }
    }
    for (place, message, remedy) in faults {
        lint.fault(place, "L5", message, remedy);
    }
}

fn reached(lint: &Lint<'_>) -> BTreeSet<NodeId> {
    let mut reached = BTreeSet::new();
    let mut open = lint.roots();
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            open.extend(lint.successors(id).into_iter().map(|(_, to)| to));
        }
    }
    reached
}

/// A call must end by `hangup`, not because the file does.
fn ends(lint: &mut Lint<'_>, reached: &BTreeSet<NodeId>) {
    for id in reached {
        let Some(placed) = lint.flow.graph.get(*id) else { continue };
        let (step, place) = (&placed.step, placed.place);
        if step.jump().is_none() && step.falls_through() && lint.flow.graph.after(*id).is_none() {
            let message =
                format!("the flow ends after `{}` in `{}` without `hangup`", step.kind(), placed.section);
            lint.fault(place, "L5", message, "Add `hangup: completed` or `goto: <label>` after it.");
        }
    }
}

fn unreachable(lint: &mut Lint<'_>, reached: &BTreeSet<NodeId>) {
    let flow = lint.flow;
    // A label that nothing jumps to is the usual reason; one fault per stretch of steps is enough.
    let mut before_was_dead = false;
    for (id, placed) in flow.graph.iter() {
        let dead = !reached.contains(&id) && !placed.section.starts_with("on");
        if dead && !before_was_dead {
            let message = format!("`{}` in `{}` is never reached", placed.step.kind(), placed.section);
            lint.fault(placed.place, "unreachable", message, "Lead an exit or a `goto` to it, or remove it.");
        }
        before_was_dead = dead;
    }
}

/// A cycle in which nothing waits for the caller would run for ever.
fn spinning(lint: &mut Lint<'_>) {
    let graph = &lint.flow.graph;
    let mut left: BTreeSet<NodeId> =
        graph.iter().filter(|(_, placed)| !placed.step.waits()).map(|(id, _)| id).collect();
    // Whatever leads to no other node of the rest is in no cycle; what remains in the end is or leads to one.
    loop {
        let out: Vec<NodeId> = left
            .iter()
            .copied()
            // A key that leads away is a caller who is there.
            .filter(|id| {
                !lint.successors(*id).iter().any(|(by, to)| !by.starts_with("key ") && left.contains(to))
            })
            .collect();
        if out.is_empty() {
            break;
        }
        out.iter().for_each(|id| {
            left.remove(id);
        });
    }
    let Some(first) = left.iter().next().and_then(|id| graph.get(*id)) else { return };
    let message =
        format!("from `{}` the flow runs in a circle without waiting for the caller", first.section);
    let place = first.place;
    lint.fault(place, "L5", message, "Put a step into the circle that takes keys, e.g. `confirm`.");
}

/// The caller is gone: only notes can be taken.
fn hangup_handler(lint: &mut Lint<'_>) {
    let mut next = lint.flow.handlers.hangup;
    let mut seen = BTreeSet::new();
    while let Some(id) = next.filter(|id| seen.insert(*id)) {
        let Some(placed) = lint.flow.graph.get(id) else { return };
        let (kind, place) = (placed.step.kind(), placed.place);
        if !matches!(kind, "audit" | "ticket") {
            let message = format!("`{kind}` in `on: hangup`, where the caller is gone");
            lint.fault(place, "L5", message, "Use only `audit` and `ticket` there.");
            return;
        }
        next = lint.flow.graph.after(id);
    }
}

/// Handlers that end the call have no time to wait for the caller.
fn ending_handlers(lint: &mut Lint<'_>) {
    let handlers = &lint.flow.handlers;
    let named = [
        ("error", handlers.error),
        ("call_limit", handlers.call_limit),
        ("session_over", handlers.session_over),
    ];
    for (name, handler) in named {
        let (mut seen, mut open) = (BTreeSet::new(), Vec::from_iter(handler));
        while let Some(id) = open.pop().filter(|id| seen.insert(*id)) {
            let Some(placed) = lint.flow.graph.get(id) else { continue };
            if placed.step.waits() {
                let message =
                    format!("`on: {name}` leads to `{}`, which waits for the caller", placed.step.kind());
                let place =
                    lint.flow.graph.get(handler.unwrap_or(id)).map_or(placed.place, |first| first.place);
                lint.fault(place, "L5", message, "End the call there: `{ say: …, hangup: … }`.");
                break;
            }
            open.extend(lint.successors(id).into_iter().map(|(_, to)| to));
        }
    }
}

/// L6: whoever listens must not learn whether an account is locked.
fn same_words(lint: &mut Lint<'_>) {
    let flow = lint.flow;
    for (_, placed) in flow.graph.iter().filter(|(_, placed)| placed.step.kind() == "auth") {
        let exits = placed.step.exits();
        let words = |name: &str| {
            exits
                .iter()
                .find(|exit| exit.name == name)
                .map(|exit| said_from(lint, exit.to))
                .unwrap_or_default()
        };
        if words("failed") != words("locked") {
            let message = "`failed` and `locked` are told in different words".to_owned();
            let remedy = "Say the same prompts in both; the audit log has the difference.";
            lint.fault(placed.place, "L6", message, remedy);
            return;
        }
    }
}

/// Prompts from a node on, until the flow waits, forks or ends.
fn said_from(lint: &Lint<'_>, from: NodeId) -> Vec<PromptId> {
    let (mut said, mut seen, mut at) = (Vec::new(), BTreeSet::new(), Some(from));
    while let Some(id) = at.filter(|id| seen.insert(*id)) {
        let Some(placed) = lint.flow.graph.get(id) else { break };
        if placed.step.kind() == "say" {
            said.extend(placed.step.prompts().into_iter().map(|prompt| prompt.id));
        }
        at = match lint.successors(id).as_slice() {
            [(_, only)] => Some(*only),
            _ => None,
        };
    }
    said
}

fn global_keys(lint: &mut Lint<'_>) {
    let flow = lint.flow;
    for key in &flow.handlers.keys {
        for (_, placed) in flow.graph.iter() {
            let (step, kind) = (&placed.step, family(placed.step.kind()));
            if key.kinds.iter().any(|of| of == kind) && step.keys().contains(&key.key) {
                let message = format!(
                    "global key `{}` collides with `{kind}` in line {}, which uses it itself",
                    key.key, placed.place.line
                );
                lint.fault(
                    key.place,
                    "L11",
                    message,
                    format!("Take `{kind}` out of `in`, or use another key."),
                );
                break;
            }
        }
    }
}
