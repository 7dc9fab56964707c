//! `choose_computer`: one of the caller's computers; whoever has only one is not asked.
use super::{
    Exit, Gain, Kind, Need, Step,
    choose_targets::nth_key,
    collect::{leave, silence_exits, with_silence},
};
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef},
    run::{Choice, Chosen, Context, Event, Next, Running, Variable},
};
use passline_identity::MachineId;
use passline_prompt::phrase::Item;
use std::time::Duration;

/// Computers that can be offered, one key each.
const MOST: usize = 9;
/// Digits of a computer's name that are read out.
const ENDING: usize = 4;

/// The question for a computer.
#[derive(Clone, Debug)]
struct ChooseComputer {
    prompt: PromptRef,
    into: String,
    tries: u8,
    none: Option<NodeId>,
    no_input: Option<NodeId>,
    no_match: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let prompt = fields.need_prompt(p, "say");
    let into = fields.into(p, "computer");
    let tries = fields.number(p, "tries", 1..=10, p.tries);
    let mut exits = fields.exits(p);
    let none = exits.need_exit(p, "none", id);
    let no_input = exits.silence_exit(p, "no_input", id);
    let no_match = exits.silence_exit(p, "no_match", id);
    exits.finish(p);
    Some(Box::new(ChooseComputer { prompt: prompt?, into, tries, none, no_input, no_match }))
}

impl Step for ChooseComputer {
    fn kind(&self) -> &'static str {
        "choose_computer"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(Choosing { step: self.clone(), choice: None })
    }

    fn exits(&self) -> Vec<Exit> {
        let mut exits = silence_exits(self.no_input, self.no_match);
        exits.extend(self.none.map(|to| Exit::plain("none", to)));
        exits
    }

    fn gains(&self) -> Vec<Gain> {
        vec![Gain::Variable(self.into.clone(), Kind::Computer)]
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Points(1, "choose_computer")]
    }

    fn prompts(&self) -> Vec<PromptRef> {
        let own =
            ["for_computer_number", "for_computer_ending", "press", "to_repeat", "no_input", "no_match"];
        with_silence(vec![self.prompt.clone()], &self.prompt, &own)
    }

    fn public(&self) -> bool {
        true
    }

    fn keys(&self) -> Vec<char> {
        ('0'..='9').collect()
    }
}

struct Choosing {
    step: ChooseComputer,
    choice: Option<Choice>,
}

/// "For the computer whose name ends in 4 8 press 1": by the last digits where all differ in them, else by number.
fn offers(machines: &[MachineId]) -> Vec<Item> {
    let ending = |machine: &MachineId| {
        let digits: Vec<char> = machine.0.chars().filter(char::is_ascii_digit).collect();
        digits[digits.len().saturating_sub(ENDING)..].iter().collect::<String>()
    };
    let endings: Vec<String> = machines.iter().map(ending).collect();
    let differ = endings.iter().enumerate().all(|(at, one)| !one.is_empty() && !endings[..at].contains(one));
    let mut items = Vec::new();
    for (index, ending) in endings.iter().enumerate() {
        let Some(key) = nth_key(index) else { break };
        items.extend(match differ {
            true => [Item::Prompt("for_computer_ending".into()), Item::Digits(ending.clone())],
            false => [Item::Prompt("for_computer_number".into()), Item::Digits(key.to_string())],
        });
        items.extend([Item::Prompt("press".into()), Item::Digits(key.to_string()), Item::Pause(400)]);
    }
    items
}

impl Choosing {
    fn next(&self, cx: &mut Context, chosen: Chosen) -> Next {
        let key = match chosen {
            Chosen::More => return Next::Stay,
            Chosen::Key(key) => key,
            Chosen::NoInput => return leave(self.step.no_input),
            Chosen::NoMatch => return leave(self.step.no_match),
        };
        let index = (0..MOST).find(|index| nth_key(*index) == Some(key)).unwrap_or(0);
        self.take(cx, index)
    }

    fn take(&self, cx: &mut Context, index: usize) -> Next {
        let Some(machine) = cx.capabilities.machines.get(index).cloned() else {
            return leave(self.step.none);
        };
        cx.variables.insert(self.step.into.clone(), Variable::Computer(machine));
        Next::Done
    }
}

impl Running for Choosing {
    fn start(&mut self, cx: &mut Context) -> Next {
        if cx.capabilities.machines.len() < 2 {
            return self.take(cx, 0);
        }
        let machines = &cx.capabilities.machines[..cx.capabilities.machines.len().min(MOST)];
        let mut items = vec![Item::Prompt(self.step.prompt.id.clone()), Item::Pause(300)];
        items.extend(offers(machines));
        let again = PromptRef { id: "to_repeat".into(), place: self.step.prompt.place };
        items.extend(super::menu::offer(&again, '0'));
        let keys = (0..machines.len()).filter_map(nth_key).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computers_are_named_by_endings_that_differ_else_by_number() {
        let ids =
            |names: &[&str]| offers(&names.iter().map(|name| MachineId::from(*name)).collect::<Vec<_>>());
        assert!(ids(&["nb-10048", "pc7"]).contains(&Item::Digits("0048".into())));
        assert!(ids(&["nb-1", "pc-1"]).contains(&Item::Prompt("for_computer_number".into())));
        assert!(ids(&["nb", "pc-1"]).contains(&Item::Prompt("for_computer_number".into())));
    }
}
