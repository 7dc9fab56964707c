//! Lists of steps, and the small blocks behind exits: `{ say: …, ticket: …, goto: … }`.
use super::{KINDS, NOT_YET, goto::Goto};
use crate::{
    fields::Fields,
    graph::{Follow, NodeId},
    parser::{Parser, did_you_mean},
    yaml::{Key, Node, Place, Value},
};

/// Steps that may stand in the short form of a block, where a mapping's keys are steps in order.
const SHORT: [&str; 7] = ["say", "play", "list", "ticket", "audit", "goto", "hangup"];

/// Where an exit's block begins; behind its end comes what comes after the owner.
pub(crate) fn exit(p: &mut Parser<'_>, node: Node, name: &str, owner: NodeId) -> Option<NodeId> {
    block(p, node, name, Follow::After(owner))
}

/// A block in any of its three forms: a label's name, a mapping of short steps, a list of steps.
pub(crate) fn block(p: &mut Parser<'_>, node: Node, name: &str, follow: Follow) -> Option<NodeId> {
    let outer = p.section.clone();
    p.section = format!("{outer}.{name}");
    let place = node.place;
    let first = match node.value {
        Value::Text(label) => Some(p.add(Box::new(Goto { label, place }), place, follow)),
        Value::Map(entries) => short(p, entries, place, follow),
        Value::List(items) => chain(p, items, follow, false),
        _ => {
            p.wrong_kind(&node, name, "a label's name, `{ say: …, goto: … }` or a list of steps");
            None
        }
    };
    p.section = outer;
    first
}

/// The short form: each key a step, in order; `do` holds a list of steps.
pub(crate) fn short(
    p: &mut Parser<'_>,
    entries: Vec<(Key, Node)>,
    place: Place,
    follow: Follow,
) -> Option<NodeId> {
    let mut entries = entries;
    if let Some(at) = entries.iter().position(|(key, _)| key.text == "do") {
        let (_, list) = entries.remove(at);
        if let Some((key, _)) = entries.first() {
            let message = format!("`{}` stands beside `do`", key.text);
            p.fault(key.place, "syntax", message, "Move it into the list of `do`.");
        }
        return match list.value {
            Value::List(items) => chain(p, items, follow, false),
            _ => {
                p.wrong_kind(&list, "do", "a list of steps");
                None
            }
        };
    }
    let (mut beside, actions): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| key.text == "interrupt");
    let mut ids = Vec::new();
    for (key, value) in actions {
        let name = key.text.as_str();
        if SHORT.contains(&name) {
            let own = if matches!(name, "say" | "play") { std::mem::take(&mut beside) } else { Vec::new() };
            ids.extend(step(p, &key, value, own));
        } else {
            let message = format!("`{name}` cannot stand in a block behind an exit");
            p.fault(key.place, "syntax", message, did_you_mean(name, &SHORT));
        }
    }
    if let Some((key, _)) = beside.first() {
        p.fault(key.place, "syntax", "`interrupt` stands without `say`", "Remove it, or add `say`.");
    }
    if ids.is_empty() {
        p.fault(place, "syntax", "this block does nothing", "Write a step or a label's name.");
    }
    link(p, &ids, follow);
    ids.first().copied()
}

/// A list of steps, linked one after another; labels only where `labels` says so.
pub(crate) fn chain(p: &mut Parser<'_>, items: Vec<Node>, end: Follow, labels: bool) -> Option<NodeId> {
    let mut ids: Vec<NodeId> = Vec::new();
    let mut waiting: Vec<(String, Place)> = Vec::new();
    for item in items {
        let place = item.place;
        let Value::Map(mut entries) = item.value else {
            p.wrong_kind(&item, "steps", "a step such as `say: welcome`");
            continue;
        };
        if entries.is_empty() {
            p.fault(place, "syntax", "an empty step", "Write a step such as `say: welcome`.");
            continue;
        }
        let (key, value) = entries.remove(0);
        if key.text == "label" {
            if !labels {
                let remedy = "Move the step to `steps` and lead the exit to its label.";
                p.fault(key.place, "syntax", "a label inside a block", remedy);
            } else if let Some(name) = p.text(&value, "label") {
                p.section.clone_from(&name);
                waiting.push((name, value.place));
            }
            // `label: x` may stand alone or on top of a step's own keys.
            if entries.is_empty() {
                continue;
            }
            let (key, value) = entries.remove(0);
            finish_step(p, key, value, entries, &mut ids, &mut waiting);
            continue;
        }
        finish_step(p, key, value, entries, &mut ids, &mut waiting);
    }
    for (name, place) in waiting {
        let message = format!("label `{name}` has no step after it");
        p.fault(place, "syntax", message, "Add a step, e.g. `hangup: completed`, or remove the label.");
    }
    link(p, &ids, end);
    ids.first().copied()
}

fn finish_step(
    p: &mut Parser<'_>,
    key: Key,
    value: Node,
    beside: Vec<(Key, Node)>,
    ids: &mut Vec<NodeId>,
    waiting: &mut Vec<(String, Place)>,
) {
    let Some(id) = step(p, &key, value, beside) else { return };
    for (name, place) in waiting.drain(..) {
        if let Err(earlier) = p.graph.label(&name, id, place) {
            let message = format!("label `{name}` stands twice, first in line {}", earlier.line);
            p.fault(place, "syntax", message, "Give one of them another name.");
        }
    }
    ids.push(id);
}

/// One step. The node exists even if the step has faults, so that labels and exits lead somewhere.
fn step(p: &mut Parser<'_>, key: &Key, value: Node, beside: Vec<(Key, Node)>) -> Option<NodeId> {
    let name = key.text.as_str();
    let Some((_, parse)) = KINDS.iter().find(|(known, _)| *known == name) else {
        if let Some((_, instead)) = NOT_YET.iter().find(|(known, _)| *known == name) {
            let message = format!("step `{name}` is not supported yet");
            p.fault(key.place, "syntax", message, format!("Remove it; {instead}."));
        } else {
            let known: Vec<&str> = KINDS.iter().map(|(known, _)| *known).collect();
            p.fault(key.place, "syntax", format!("`{name}` is no step"), did_you_mean(name, &known));
        }
        return None;
    };
    let id = p.graph.reserve();
    let mut fields = Fields::of_step(name, key.place, value, beside);
    let step = parse(&mut fields, p, id);
    fields.finish(p);
    if let Some(step) = step {
        let section = p.section.clone();
        p.graph.fill(id, step, key.place, section, Follow::End);
    }
    Some(id)
}

fn link(p: &mut Parser<'_>, ids: &[NodeId], end: Follow) {
    for pair in ids.windows(2) {
        p.graph.set_follow(pair[0], Follow::Node(pair[1]));
    }
    if let Some(last) = ids.last() {
        p.graph.set_follow(*last, end);
    }
}
