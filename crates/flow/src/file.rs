//! One flow file: its head, its handlers, its steps.
use crate::{
    Fault,
    fields::{Fields, read_key},
    graph::{Follow, NodeId},
    parser::{Parser, did_you_mean},
    program::{Definition, GlobalKey, Handlers, Limits},
    step::{AuditStep, HangUp, KINDS, Say, Step, Ticket, block},
    yaml::{self, Node, Place, Value},
};
use std::time::Duration;

/// Longest call that a flow may allow.
const LONGEST_CALL: Duration = Duration::from_secs(3600);

/// Reads a file.
pub(crate) fn parse(path: &str, text: &str) -> Result<Definition, Vec<Fault>> {
    let root = yaml::read(path, text).map_err(|fault| vec![fault])?;
    let mut p = Parser::new(path);
    let definition = flow(&mut p, root);
    match definition {
        Some(definition) if p.faults.is_empty() => Ok(definition),
        _ => Err(p.faults),
    }
}

fn flow(p: &mut Parser<'_>, root: Node) -> Option<Definition> {
    let mut fields = Fields::of(p, root, "flow")?;
    let name = fields.need(p, "flow").and_then(|node| p.text(&node, "flow"));
    let version = u32::from(fields.number(p, "version", 1..=255, 1));
    let languages = languages(p, &mut fields);
    let numbers = numbers(p, &mut fields);
    let limits = limits(p, &mut fields);
    policy(p, &mut fields);
    let handlers = handlers(p, &mut fields);
    let steps = fields.need(p, "steps");
    fields.finish(p);
    let first = match steps {
        Some(Node { value: Value::List(items), .. }) => block::chain(p, items, Follow::End, true),
        Some(node) => {
            p.wrong_kind(&node, "steps", "a list of steps");
            None
        }
        None => None,
    };
    if first.is_none() && p.faults.is_empty() {
        let place = Place { line: 1, column: 1 };
        p.fault(place, "syntax", "a flow without steps", "Add at least `- hangup: completed`.");
    }
    Some(Definition {
        name: name?,
        version,
        languages,
        numbers,
        limits,
        graph: std::mem::take(&mut p.graph),
        first,
        handlers,
    })
}

fn languages(p: &mut Parser<'_>, fields: &mut Fields) -> Vec<String> {
    let Some(node) = fields.need(p, "languages") else { return Vec::new() };
    let place = node.place;
    let Value::List(nodes) = node.value else {
        p.wrong_kind(&node, "languages", "a list such as `[en, de]`");
        return Vec::new();
    };
    let languages: Vec<String> = nodes.iter().filter_map(|node| p.text(node, "languages")).collect();
    if languages.is_empty() {
        p.fault(place, "syntax", "a flow without a language", "Write e.g. `languages: [en]`.");
    }
    languages
}

fn numbers(p: &mut Parser<'_>, fields: &mut Fields) -> Vec<(String, Place)> {
    let Some(entry) = fields.take("entry") else { return Vec::new() };
    let Some(mut entry) = Fields::of(p, entry, "entry") else { return Vec::new() };
    let node = entry.need(p, "number");
    entry.finish(p);
    let nodes = match node {
        Some(Node { value: Value::List(nodes), .. }) => nodes,
        Some(node) => vec![node],
        None => Vec::new(),
    };
    let mut numbers = Vec::new();
    for node in nodes {
        let Some(number) = p.text(&node, "number") else { continue };
        // The user part of a SIP URI as phones dial it.
        if number.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '*' | '#' | '-' | '_' | '.'))
        {
            numbers.push((number, node.place));
        } else {
            let message = format!("`{number}` is no number that can be dialled");
            p.fault(node.place, "syntax", message, "Use digits, letters, `+`, `*`, `#`, `-`, `_` and `.`.");
        }
    }
    numbers
}

fn limits(p: &mut Parser<'_>, fields: &mut Fields) -> Limits {
    let usual = Limits { call: Duration::from_secs(900), session: Duration::from_secs(300) };
    let Some(mut limits) = fields.take("limits").and_then(|node| Fields::of(p, node, "limits")) else {
        return usual;
    };
    let call = limits.duration(p, "call", usual.call);
    let session = limits.duration(p, "session", usual.session);
    p.tries = limits.number(p, "tries", 1..=10, 3);
    if call < Duration::from_secs(30) || call > LONGEST_CALL {
        p.fault(limits.place, "L14", "`call` must be from 30s to 1h", "Write e.g. `call: 15m`.");
    }
    limits.finish(p);
    Limits { call, session }
}

/// `points` per factor, `needs` per operation.
fn policy(p: &mut Parser<'_>, fields: &mut Fields) {
    let Some(mut policy) = fields.take("policy").and_then(|node| Fields::of(p, node, "policy")) else {
        return;
    };
    if let Some(points) = policy.take("points") {
        let Value::Map(entries) = points.value else {
            return p.wrong_kind(&points, "points", "a mapping such as `{ pin: 1, questions: 1 }`");
        };
        for (key, node) in entries {
            match node.value {
                Value::Int(points @ 1..=20) => p.points.push((key.text, points as u8)),
                _ => p.fault(node.place, "syntax", "points are from 1 to 20", "Write a whole number."),
            }
        }
    }
    for name in ["reset", "unlock", "disk_code"] {
        let Some(mut operation) = policy.take(name).and_then(|node| Fields::of(p, node, name)) else {
            continue;
        };
        // No default: what a password costs is for the admin to say.
        if let Some(node) = operation.need(p, "needs") {
            match node.value {
                Value::Int(points @ 1..=20) => p.needs.push((name.to_owned(), points as u8)),
                _ => p.fault(node.place, "L1", "`needs` is from 1 to 20", "Write a whole number."),
            }
        }
        operation.finish(p);
    }
    policy.finish(p);
}

fn handlers(p: &mut Parser<'_>, fields: &mut Fields) -> Handlers {
    let mut handlers = Handlers::default();
    p.section = "on".to_owned();
    let on = fields.take("on");
    let place = on.as_ref().map_or(fields.place, |node| node.place);
    if let Some(mut on) = on.and_then(|node| Fields::of(p, node, "on")) {
        let mut handler = |p: &mut Parser<'_>, name: &'static str| {
            let node = on.take(name)?;
            block::block(p, node, name, Follow::End)
        };
        p.no_input = handler(p, "no_input");
        p.no_match = handler(p, "no_match");
        handlers.hangup = handler(p, "hangup");
        handlers.error = handler(p, "error");
        handlers.call_limit = handler(p, "call_limit");
        handlers.session_over = handler(p, "session_over");
        if let Some(keys) = on.take("keys") {
            handlers.keys = global_keys(p, keys);
        }
        on.finish(p);
    }
    // What a flow does not say for itself.
    handlers.hangup.get_or_insert_with(|| {
        usual(p, place, "on.hangup", vec![Box::new(AuditStep { event: "caller_left".to_owned() })])
    });
    let say = |id: &str| -> Box<dyn Step> {
        let prompt = crate::parser::PromptRef { id: id.into(), place };
        Box::new(Say { prompts: vec![prompt], interrupt: false })
    };
    let ticket = || -> Box<dyn Step> {
        Box::new(Ticket { summary: "a call ended with a technical error".to_owned(), resolved: false })
    };
    handlers.error.get_or_insert_with(|| {
        usual(
            p,
            place,
            "on.error",
            vec![say("sorry_technical"), ticket(), Box::new(HangUp { outcome: "error" })],
        )
    });
    handlers.call_limit.get_or_insert_with(|| {
        usual(
            p,
            place,
            "on.call_limit",
            vec![say("call_too_long"), Box::new(HangUp { outcome: "call_limit" })],
        )
    });
    handlers.session_over.get_or_insert_with(|| {
        usual(
            p,
            place,
            "on.session_over",
            vec![say("session_over"), Box::new(HangUp { outcome: "session_over" })],
        )
    });
    p.section = "start".to_owned();
    handlers
}

fn usual(p: &mut Parser<'_>, place: Place, section: &str, steps: Vec<Box<dyn Step>>) -> NodeId {
    let outer = std::mem::replace(&mut p.section, section.to_owned());
    let ids: Vec<NodeId> = steps.into_iter().map(|step| p.add(step, place, Follow::End)).collect();
    for pair in ids.windows(2) {
        p.graph.set_follow(pair[0], Follow::Node(pair[1]));
    }
    p.section = outer;
    ids[0]
}

/// `"*": { goto: label, in: [menu, say] }`.
fn global_keys(p: &mut Parser<'_>, node: Node) -> Vec<GlobalKey> {
    let Value::Map(entries) = node.value else {
        p.wrong_kind(&node, "keys", "a mapping of keys");
        return Vec::new();
    };
    let mut keys = Vec::new();
    for (key, node) in entries {
        if key.text.len() > 1 {
            let message = format!("the sequence `{}` is not supported yet as a global key", key.text);
            p.fault(key.place, "syntax", message, "Use one key.");
            continue;
        }
        let symbol = read_key(p, key.place, &key.text);
        let Some(mut fields) = Fields::of(p, node, "keys") else { continue };
        let kinds = match fields.need(p, "in") {
            Some(Node { value: Value::List(nodes), .. }) => {
                nodes.iter().filter_map(|node| Some((p.text(node, "in")?, node.place))).collect()
            }
            Some(node) => {
                p.wrong_kind(&node, "in", "a list of kinds of steps, such as `[menu, say]`");
                Vec::new()
            }
            None => Vec::new(),
        };
        for (kind, place) in &kinds {
            let known: Vec<&str> = KINDS.iter().map(|(known, _)| *known).collect();
            if !known.contains(&kind.as_str()) {
                p.fault(*place, "syntax", format!("`{kind}` is no step"), did_you_mean(kind, &known));
            }
        }
        let to = fields.need(p, "goto").and_then(|node| block::block(p, node, &key.text, Follow::End));
        fields.finish(p);
        if let (Some(key_symbol), Some(to)) = (symbol, to) {
            let kinds = kinds.into_iter().map(|(kind, _)| kind).collect();
            keys.push(GlobalKey { key: key_symbol, kinds, to, place: key.place });
        }
    }
    keys
}
