//! `language`: the caller chooses one by key; silence chooses the flow's first.
use super::Step;
use crate::{
    fields::{Fields, read_key},
    graph::NodeId,
    parser::{Parser, PromptRef},
    run::{Choice, Chosen, Context, Event, Next, Running, Utterance},
    yaml::Value,
};
use passline_prompt::phrase::Item;
use std::time::Duration;

/// Keys and their languages; each is offered in its own language.
#[derive(Clone, Debug)]
struct Language {
    menu: Vec<(char, String)>,
    prompt: PromptRef,
    first_timeout: Duration,
    tries: u8,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, _id: NodeId) -> Option<Box<dyn Step>> {
    let prompt = fields.prompt_or(p, "prompt", "language_menu");
    let first_timeout = fields.duration(p, "first_timeout", Duration::from_secs(5));
    let tries = fields.number(p, "tries", 1..=5, 2);
    let node = fields.need(p, "menu")?;
    let Value::Map(entries) = node.value else {
        p.wrong_kind(&node, "menu", "a mapping such as `{ \"1\": en, \"2\": de }`");
        return None;
    };
    let mut menu: Vec<(char, String)> = Vec::new();
    for (key, value) in entries {
        let symbol = read_key(p, key.place, &key.text);
        let language = p.text(&value, "menu");
        if let (Some(symbol), Some(language)) = (symbol, language) {
            menu.push((symbol, language));
        }
    }
    Some(Box::new(Language { menu, prompt, first_timeout, tries }))
}

impl Step for Language {
    fn kind(&self) -> &'static str {
        "language"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(Choosing { step: self.clone(), choice: None })
    }

    fn prompts(&self) -> Vec<PromptRef> {
        vec![self.prompt.clone()]
    }

    fn languages(&self) -> Vec<String> {
        self.menu.iter().map(|(_, language)| language.clone()).collect()
    }

    fn public(&self) -> bool {
        true
    }

    fn keys(&self) -> Vec<char> {
        self.menu.iter().map(|(key, _)| *key).collect()
    }

    fn harmless(&self) -> bool {
        true
    }
}

struct Choosing {
    step: Language,
    choice: Option<Choice>,
}

impl Choosing {
    fn next(&self, cx: &mut Context, chosen: Chosen) -> Next {
        match chosen {
            Chosen::More => return Next::Stay,
            Chosen::Key(key) => {
                if let Some((_, language)) = self.step.menu.iter().find(|(offered, _)| *offered == key) {
                    cx.language.clone_from(language);
                }
            }
            // Whoever does not press a key can still be helped, in the flow's first language.
            Chosen::NoInput | Chosen::NoMatch => {}
        }
        Next::Done
    }
}

impl Running for Choosing {
    fn start(&mut self, cx: &mut Context) -> Next {
        self.step.menu.retain(|(_, language)| cx.call.languages.contains(language));
        if self.step.menu.len() < 2 {
            return Next::Done;
        }
        let prompt = self
            .step
            .menu
            .iter()
            .map(|(_, language)| {
                let items = vec![Item::Prompt(self.step.prompt.id.clone()), Item::Pause(500)];
                Utterance::new(items).in_language(language)
            })
            .collect();
        let keys = self.step.menu.iter().map(|(key, _)| *key).collect();
        let mut choice = Choice::polyglot(prompt, keys, self.step.first_timeout, self.step.tries);
        let chosen = choice.start(cx);
        self.choice = Some(choice);
        self.next(cx, chosen)
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        let Some(choice) = &mut self.choice else { return Next::Done };
        let chosen = choice.event(cx, &event);
        self.next(cx, chosen)
    }
}
