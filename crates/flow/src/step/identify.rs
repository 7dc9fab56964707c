//! `identify`: who calls. A miss looks like a hit: the identity side hands out a decoy that never passes.
use super::{
    Exit, Gain, Step,
    collect::{digit_spec, leave, silence_exits, with_silence},
};
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef, did_you_mean},
    run::{Context, DigitSpec, Digits, Event, Next, Read, Running, unexpected},
    yaml::{Node, Value},
};
use passline_identity::{Answer, IdentifyBy, Query};
use passline_prompt::phrase::Item;

/// The question for an ID.
#[derive(Clone, Debug)]
struct Identify {
    prompt: PromptRef,
    by: Vec<IdentifyBy>,
    spec: DigitSpec,
    no_input: Option<NodeId>,
    no_match: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let prompt = fields.need_prompt(p, "prompt");
    let by = fields.need(p, "by").map(|node| by(p, node));
    if let Some(unknown) = fields.text(p, "unknown")
        && unknown != "same_as_known"
    {
        let message = format!("`unknown: {unknown}` would tell callers which IDs exist");
        p.fault(fields.place, "L6", message, "Write `unknown: same_as_known`, or leave it out.");
    }
    let spec = digit_spec(fields, p, DigitSpec::default());
    let mut exits = fields.exits(p);
    let no_input = exits.silence_exit(p, "no_input", id);
    let no_match = exits.silence_exit(p, "no_match", id);
    exits.finish(p);
    Some(Box::new(Identify { prompt: prompt?, by: by?, spec, no_input, no_match }))
}

fn by(p: &mut Parser<'_>, node: Node) -> Vec<IdentifyBy> {
    let nodes = match node.value {
        Value::List(nodes) => nodes,
        _ => vec![node],
    };
    let mut ways = Vec::new();
    for node in nodes {
        match p.text(&node, "by").as_deref() {
            Some("employee_id") => ways.push(IdentifyBy::EmployeeId),
            Some("keypad_login") => ways.push(IdentifyBy::KeypadLogin),
            Some(other) => {
                let message = format!("callers cannot be identified by `{other}`");
                p.fault(node.place, "syntax", message, did_you_mean(other, &["employee_id", "keypad_login"]));
            }
            None => {}
        }
    }
    ways
}

impl Step for Identify {
    fn kind(&self) -> &'static str {
        "identify"
    }

    fn begin(&self) -> Box<dyn Running> {
        let digits = Digits::new(self.spec, vec![Item::Prompt(self.prompt.id.clone())]);
        Box::new(Identifying { step: self.clone(), digits })
    }

    fn exits(&self) -> Vec<Exit> {
        silence_exits(self.no_input, self.no_match)
    }

    fn gains(&self) -> Vec<Gain> {
        vec![Gain::Identified]
    }

    fn prompts(&self) -> Vec<PromptRef> {
        with_silence(vec![self.prompt.clone()], &self.prompt, &["no_input", "not_understood"])
    }

    fn waits(&self) -> bool {
        true
    }

    fn keys(&self) -> Vec<char> {
        ('0'..='9').chain([self.spec.end, self.spec.clear]).collect()
    }
}

struct Identifying {
    step: Identify,
    digits: Digits,
}

impl Identifying {
    fn next(&self, cx: &mut Context, read: Read) -> Next {
        match read {
            Read::More => Next::Stay,
            Read::Done(id) => {
                cx.ask(Query::Identify { id, by: self.step.by.clone() });
                Next::Stay
            }
            Read::NoInput => leave(self.step.no_input),
            Read::NoMatch => leave(self.step.no_match),
        }
    }
}

impl Running for Identifying {
    fn start(&mut self, cx: &mut Context) -> Next {
        // Another person from here on: nothing of the one before holds any more.
        cx.subject = None;
        cx.verified = None;
        cx.capabilities = Default::default();
        let read = self.digits.start(cx);
        self.next(cx, read)
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        match event {
            Event::Answer(Answer::Identified(subject)) => {
                cx.subject = Some(subject.id);
                Next::Done
            }
            Event::Answer(answer) => unexpected(&answer),
            event => {
                let read = self.digits.event(cx, &event);
                self.next(cx, read)
            }
        }
    }
}
