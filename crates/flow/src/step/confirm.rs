//! `confirm`: yes by 1, no by 2.
use super::{
    Exit, Step,
    collect::{leave, silence_exits, with_silence},
};
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef},
    run::{Choice, Chosen, Context, Event, Next, Running},
};
use passline_prompt::phrase::Item;
use std::time::Duration;

/// A question for yes or no; an answer that is not wired leads to the next step.
#[derive(Clone, Debug)]
struct Confirm {
    prompt: PromptRef,
    yes: Option<NodeId>,
    no: Option<NodeId>,
    no_input: Option<NodeId>,
    no_match: Option<NodeId>,
    tries: u8,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let prompt = fields.need_prompt(p, "prompt");
    let tries = fields.number(p, "tries", 1..=10, p.tries);
    let yes = fields.exit(p, "yes", id);
    let no = fields.exit(p, "no", id);
    let mut exits = fields.exits(p);
    let no_input = exits.silence_exit(p, "no_input", id);
    let no_match = exits.silence_exit(p, "no_match", id);
    exits.finish(p);
    if yes.is_none() && no.is_none() {
        p.fault(
            fields.place,
            "L5",
            "neither `yes` nor `no` leads anywhere",
            "Add `yes: <label>` or `no: <label>`.",
        );
    }
    Some(Box::new(Confirm { prompt: prompt?, yes, no, no_input, no_match, tries }))
}

impl Step for Confirm {
    fn kind(&self) -> &'static str {
        "confirm"
    }

    fn begin(&self) -> Box<dyn Running> {
        let prompt = vec![Item::Prompt(self.prompt.id.clone())];
        let choice = Choice::new(prompt, vec!['1', '2'], Some('0'), Duration::from_secs(8), self.tries);
        Box::new(Confirming { step: self.clone(), choice })
    }

    fn exits(&self) -> Vec<Exit> {
        let mut exits = silence_exits(self.no_input, self.no_match);
        exits.extend(self.yes.map(|to| Exit::plain("yes", to)));
        exits.extend(self.no.map(|to| Exit::plain("no", to)));
        exits
    }

    fn falls_through(&self) -> bool {
        self.yes.is_none() || self.no.is_none()
    }

    fn prompts(&self) -> Vec<PromptRef> {
        with_silence(vec![self.prompt.clone()], &self.prompt, &["no_input", "no_match"])
    }

    fn waits(&self) -> bool {
        true
    }

    fn public(&self) -> bool {
        true
    }

    fn keys(&self) -> Vec<char> {
        vec!['0', '1', '2']
    }
}

struct Confirming {
    step: Confirm,
    choice: Choice,
}

impl Confirming {
    fn next(&self, chosen: Chosen) -> Next {
        match chosen {
            Chosen::More => Next::Stay,
            Chosen::Key('1') => self.step.yes.map_or(Next::Done, Next::Exit),
            Chosen::Key(_) => self.step.no.map_or(Next::Done, Next::Exit),
            Chosen::NoInput => leave(self.step.no_input),
            Chosen::NoMatch => leave(self.step.no_match),
        }
    }
}

impl Running for Confirming {
    fn start(&mut self, cx: &mut Context) -> Next {
        let chosen = self.choice.start(cx);
        self.next(chosen)
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        let chosen = self.choice.event(cx, &event);
        self.next(chosen)
    }
}
