//! `say`, `play`: prompts by name, one after another.
use super::Step;
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef},
    run::{Context, Event, Next, Running, Utterance},
    yaml::{Node, Value},
};
use passline_prompt::phrase::Item;

/// Prompts and pauses.
#[derive(Clone, Debug)]
pub(crate) struct Say {
    pub prompts: Vec<PromptRef>,
    pub interrupt: bool,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, _id: NodeId) -> Option<Box<dyn Step>> {
    let Some(head) = fields.head("prompt") else {
        fields.missing(p, "prompt");
        return None;
    };
    let prompts = prompts(p, head)?;
    let interrupt = fields.flag(p, "interrupt", true);
    Some(Box::new(Say { prompts, interrupt }))
}

fn prompts(p: &mut Parser<'_>, node: Node) -> Option<Vec<PromptRef>> {
    let nodes = match node.value {
        Value::List(nodes) if !nodes.is_empty() => nodes,
        _ => vec![node],
    };
    nodes.iter().map(|node| p.prompt(node, "say")).collect()
}

impl Step for Say {
    fn kind(&self) -> &'static str {
        "say"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn prompts(&self) -> Vec<PromptRef> {
        self.prompts.clone()
    }

    fn harmless(&self) -> bool {
        true
    }
}

impl Running for Say {
    fn start(&mut self, cx: &mut Context) -> Next {
        if !self.interrupt {
            cx.stop_and_clear();
        } else if cx.is_ahead() {
            // Whoever types ahead knows what would be said.
            return Next::Done;
        }
        let items = self.prompts.iter().map(|prompt| Item::Prompt(prompt.id.clone())).collect();
        let utterance = Utterance { interrupt: self.interrupt, ..Utterance::new(items) };
        cx.say(utterance);
        Next::Stay
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        match event {
            Event::Spoken => Next::Done,
            Event::Key(key) => {
                cx.hush();
                cx.keep(key);
                Next::Done
            }
            Event::Answer(_) | Event::Timer => Next::Stay,
        }
    }
}
