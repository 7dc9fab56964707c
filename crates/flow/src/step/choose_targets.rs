//! `choose_targets`: one system, or all; whoever has only one is not asked.
use super::{
    Exit, Gain, Kind, Names, Need, Step,
    collect::{leave, silence_exits, with_silence},
};
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef},
    run::{Choice, Chosen, Context, Event, Next, Running, Variable},
};
use passline_identity::TargetId;
use passline_prompt::phrase::{Item, PromptId};
use std::time::Duration;

/// Systems that have a key of their own, `1` to `8`; the others are reached by "all".
const MOST: usize = 8;

/// The question for systems.
#[derive(Clone, Debug)]
struct ChooseTargets {
    prompt: PromptRef,
    all_key: char,
    into: String,
    tries: u8,
    none: Option<NodeId>,
    no_input: Option<NodeId>,
    no_match: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let prompt = fields.need_prompt(p, "say");
    let all_key = fields.key(p, "all_key", '9');
    if !matches!(all_key, '9' | '*' | '#') {
        let message = format!("`all_key: \"{all_key}\"` collides with the keys of the systems");
        p.fault(fields.place, "L11", message, "Use \"9\"; \"0\" repeats, \"1\" to \"8\" are systems.");
    }
    let into = fields.into(p, "targets");
    let tries = fields.number(p, "tries", 1..=10, p.tries);
    let mut exits = fields.exits(p);
    let none = exits.need_exit(p, "none", id);
    let no_input = exits.silence_exit(p, "no_input", id);
    let no_match = exits.silence_exit(p, "no_match", id);
    exits.finish(p);
    Some(Box::new(ChooseTargets { prompt: prompt?, all_key, into, tries, none, no_input, no_match }))
}

impl Step for ChooseTargets {
    fn kind(&self) -> &'static str {
        "choose_targets"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(Choosing { step: self.clone(), targets: Vec::new(), choice: None })
    }

    fn exits(&self) -> Vec<Exit> {
        let mut exits = silence_exits(self.no_input, self.no_match);
        exits.extend(self.none.map(|to| Exit::plain("none", to)));
        exits
    }

    fn gains(&self) -> Vec<Gain> {
        vec![Gain::Variable(self.into.clone(), Kind::Targets)]
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Points(1, "choose_targets")]
    }

    fn prompts(&self) -> Vec<PromptRef> {
        let own = ["for_target", "press", "all_systems", "to_repeat", "no_input", "no_match"];
        with_silence(vec![self.prompt.clone()], &self.prompt, &own)
    }

    fn names(&self) -> Option<Names> {
        Some(Names::Targets)
    }

    fn public(&self) -> bool {
        true
    }

    fn keys(&self) -> Vec<char> {
        ('0'..='8').chain([self.all_key]).collect()
    }
}

/// The prompt with a system's name.
pub(super) fn target_name(target: &TargetId) -> Item {
    Item::Prompt(PromptId(format!("target_{target}")))
}

/// The key of the n-th of several.
pub(super) fn nth_key(index: usize) -> Option<char> {
    char::from_digit(u32::try_from(index).ok()? + 1, 10)
}

struct Choosing {
    step: ChooseTargets,
    targets: Vec<TargetId>,
    choice: Option<Choice>,
}

impl Choosing {
    fn chosen(&self, cx: &mut Context, targets: Vec<TargetId>) -> Next {
        cx.variables.insert(self.step.into.clone(), Variable::Targets(targets));
        Next::Done
    }

    fn next(&self, cx: &mut Context, chosen: Chosen) -> Next {
        match chosen {
            Chosen::More => Next::Stay,
            Chosen::Key(key) if key == self.step.all_key => self.chosen(cx, self.targets.clone()),
            Chosen::Key(key) => {
                let target =
                    (0..MOST).find(|index| nth_key(*index) == Some(key)).and_then(|i| self.targets.get(i));
                let target = target.cloned().into_iter().collect();
                self.chosen(cx, target)
            }
            Chosen::NoInput => leave(self.step.no_input),
            Chosen::NoMatch => leave(self.step.no_match),
        }
    }
}

impl Running for Choosing {
    fn start(&mut self, cx: &mut Context) -> Next {
        self.targets = cx.capabilities.targets.iter().map(|target| target.id.clone()).collect();
        match self.targets.as_slice() {
            [] => return leave(self.step.none),
            [_] => return self.chosen(cx, self.targets.clone()),
            _ => {}
        }
        let prompt = |id: &str| Item::Prompt(id.into());
        let mut items = vec![Item::Prompt(self.step.prompt.id.clone()), Item::Pause(300)];
        let mut keys = Vec::new();
        for (target, key) in self.targets.iter().zip((0..MOST).filter_map(nth_key)) {
            items.extend([prompt("for_target"), target_name(target), prompt("press")]);
            items.extend([Item::Digits(key.to_string()), Item::Pause(400)]);
            keys.push(key);
        }
        let all = PromptRef { id: "all_systems".into(), place: self.step.prompt.place };
        let again = PromptRef { id: "to_repeat".into(), place: self.step.prompt.place };
        items.extend(super::menu::offer(&all, self.step.all_key));
        items.extend(super::menu::offer(&again, '0'));
        keys.push(self.step.all_key);
        let mut choice = Choice::new(items, keys, Some('0'), Duration::from_secs(8), self.step.tries);
        let chosen = choice.start(cx);
        self.choice = Some(choice);
        self.next(cx, chosen)
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        let Some(choice) = &mut self.choice else { return leave(self.step.none) };
        let chosen = choice.event(cx, &event);
        self.next(cx, chosen)
    }
}
