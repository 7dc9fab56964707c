//! `menu`: one key, one way. What is not available is neither offered nor taken.
use super::{
    Exit, Need, Step, block,
    collect::{leave, silence_exits, with_silence},
    condition::Condition,
};
use crate::{
    fields::{Fields, read_key},
    graph::{Follow, NodeId},
    parser::{Parser, PromptRef},
    run::{Choice, Chosen, Context, Event, Next, Running},
    yaml::{Node, Value},
};
use passline_prompt::phrase::Item;
use std::time::Duration;

/// Keys and where they lead.
#[derive(Clone, Debug)]
struct Menu {
    prompt: PromptRef,
    options: Vec<Opt>,
    repeat: Option<(char, Option<PromptRef>)>,
    first_timeout: Duration,
    tries: u8,
    no_input: Option<NodeId>,
    no_match: Option<NodeId>,
    empty: Option<NodeId>,
}

#[derive(Clone, Debug)]
struct Opt {
    key: char,
    text: Option<PromptRef>,
    condition: Option<Condition>,
    to: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let prompt = fields.need_prompt(p, "prompt");
    let first_timeout = fields.duration(p, "first_timeout", Duration::from_secs(8));
    let tries = fields.number(p, "tries", 1..=10, p.tries);
    let (mut options, mut repeat) = (Vec::new(), None);
    let list = fields.need(p, "options");
    match list.map(|node| (node.place, node.value)) {
        Some((_, Value::Map(entries))) => {
            for (key, node) in entries {
                let Some(symbol) = read_key(p, key.place, &key.text) else { continue };
                match option(p, symbol, node, id) {
                    Some(Ok(option)) => options.push(option),
                    Some(Err(text)) => repeat = Some((symbol, text)),
                    None => {}
                }
            }
        }
        Some((place, _)) => {
            p.fault(
                place,
                "syntax",
                "`options` is no mapping of keys",
                "Write `\"1\": { goto: …, text: … }`.",
            );
        }
        None => {}
    }
    let mut exits = fields.exits(p);
    let no_input = exits.silence_exit(p, "no_input", id);
    let no_match = exits.silence_exit(p, "no_match", id);
    let conditional = !options.is_empty() && options.iter().all(|option| option.condition.is_some());
    let empty = if conditional { exits.need_exit(p, "empty", id) } else { exits.exit(p, "empty", id) };
    exits.finish(p);
    if options.is_empty() {
        p.fault(fields.place, "syntax", "a menu without a choice", "Add options that lead somewhere.");
    }
    Some(Box::new(Menu { prompt: prompt?, options, repeat, first_timeout, tries, no_input, no_match, empty }))
}

/// A way (`Ok`) or the key that repeats the menu (`Err`, with its text).
fn option(
    p: &mut Parser<'_>,
    key: char,
    node: Node,
    owner: NodeId,
) -> Option<Result<Opt, Option<PromptRef>>> {
    if let Value::Text(_) = node.value {
        let to = block::exit(p, node, &key.to_string(), owner);
        return Some(Ok(Opt { key, text: None, condition: None, to }));
    }
    let mut fields = Fields::of(p, node, "option")?;
    let text = fields.prompt(p, "text");
    if fields.flag(p, "repeat", false) {
        fields.finish(p);
        return Some(Err(text));
    }
    let condition = fields.take("if").and_then(|node| Condition::parse(p, &node));
    let outer = p.section.clone();
    p.section = format!("{outer}.{key}");
    let to = block::short(p, fields.rest(), fields.place, Follow::After(owner));
    p.section = outer;
    Some(Ok(Opt { key, text, condition, to }))
}

impl Step for Menu {
    fn kind(&self) -> &'static str {
        "menu"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(Choosing { step: self.clone(), choice: None })
    }

    fn exits(&self) -> Vec<Exit> {
        let mut exits = silence_exits(self.no_input, self.no_match);
        exits.extend(self.empty.map(|to| Exit::plain("empty", to)));
        exits.extend(self.options.iter().filter_map(|option| Some(Exit::plain(option.key, option.to?))));
        exits
    }

    fn falls_through(&self) -> bool {
        false
    }

    fn needs(&self) -> Vec<Need> {
        self.options
            .iter()
            .filter_map(|option| option.condition.as_ref())
            .flat_map(Condition::needs)
            .collect()
    }

    fn prompts(&self) -> Vec<PromptRef> {
        let mut prompts = vec![self.prompt.clone()];
        prompts.extend(self.options.iter().filter_map(|option| option.text.clone()));
        prompts.extend(self.repeat.iter().filter_map(|(_, text)| text.clone()));
        with_silence(prompts, &self.prompt, &["no_input", "no_match"])
    }

    fn waits(&self) -> bool {
        true
    }

    fn public(&self) -> bool {
        true
    }

    fn keys(&self) -> Vec<char> {
        self.options.iter().map(|option| option.key).chain(self.repeat.iter().map(|(key, _)| *key)).collect()
    }

    fn harmless(&self) -> bool {
        true
    }
}

struct Choosing {
    step: Menu,
    choice: Option<Choice>,
}

impl Choosing {
    fn next(&self, chosen: Chosen) -> Next {
        match chosen {
            Chosen::More => Next::Stay,
            Chosen::Key(key) => {
                leave(self.step.options.iter().find(|option| option.key == key).and_then(|o| o.to))
            }
            Chosen::NoInput => leave(self.step.no_input),
            Chosen::NoMatch => leave(self.step.no_match),
        }
    }
}

/// "For a new password, press" "1".
pub(super) fn offer(text: &PromptRef, key: char) -> [Item; 3] {
    let name = match key {
        '*' => Item::Prompt("star".into()),
        '#' => Item::Prompt("pound".into()),
        digit => Item::Digits(digit.to_string()),
    };
    [Item::Prompt(text.id.clone()), name, Item::Pause(400)]
}

impl Running for Choosing {
    fn start(&mut self, cx: &mut Context) -> Next {
        self.step
            .options
            .retain(|option| option.condition.as_ref().is_none_or(|condition| condition.holds(cx)));
        if self.step.options.is_empty() {
            return leave(self.step.empty);
        }
        let mut items = vec![Item::Prompt(self.step.prompt.id.clone()), Item::Pause(300)];
        for option in &self.step.options {
            items.extend(option.text.iter().flat_map(|text| offer(text, option.key)));
        }
        if let Some((key, Some(text))) = &self.step.repeat {
            items.extend(offer(text, *key));
        }
        let keys = self.step.options.iter().map(|option| option.key).collect();
        let repeat = self.step.repeat.as_ref().map(|(key, _)| *key);
        let mut choice = Choice::new(items, keys, repeat, self.step.first_timeout, self.step.tries);
        let chosen = choice.start(cx);
        self.choice = Some(choice);
        self.next(chosen)
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        let Some(choice) = &mut self.choice else { return leave(self.step.empty) };
        let chosen = choice.event(cx, &event);
        self.next(chosen)
    }
}
