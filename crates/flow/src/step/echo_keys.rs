//! `echo_keys`: the line test. Always audio; keys are read back; only a hang-up or the call's limit ends it.
use super::{Step, collect::with_silence};
use crate::{
    Output,
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef},
    run::{Context, Event, Next, Running},
};
use passline_prompt::phrase::Item;
use std::time::Duration;

/// Keys read back at once; whoever presses more hears the last ones.
const MOST: usize = 200;

/// The line test.
#[derive(Clone, Debug)]
struct EchoKeys {
    prompt: PromptRef,
    heard: PromptRef,
    after: Duration,
    pause: Duration,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, _id: NodeId) -> Option<Box<dyn Step>> {
    let prompt = fields.need_prompt(p, "prompt");
    let heard = fields.prompt_or(p, "heard", "you_pressed");
    let after = fields.duration(p, "after", Duration::from_secs(2));
    let pause = fields.duration(p, "pause", Duration::from_millis(700));
    if pause > Duration::from_secs(1) {
        p.fault(fields.place, "syntax", "a line test pauses for at most 1s", "Shorten `pause`.");
    }
    Some(Box::new(EchoKeys { prompt: prompt?, heard, after, pause }))
}

impl Step for EchoKeys {
    fn kind(&self) -> &'static str {
        "echo_keys"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(Echoing { step: self.clone(), pressed: String::new() })
    }

    fn falls_through(&self) -> bool {
        false
    }

    fn prompts(&self) -> Vec<PromptRef> {
        let own = ["star", "pound", "key_a", "key_b", "key_c", "key_d"];
        with_silence(vec![self.prompt.clone(), self.heard.clone()], &self.prompt, &own)
    }

    fn waits(&self) -> bool {
        true
    }

    fn public(&self) -> bool {
        true
    }

    fn keys(&self) -> Vec<char> {
        ('0'..='9').chain(['*', '#']).collect()
    }

    fn harmless(&self) -> bool {
        true
    }
}

struct Echoing {
    step: EchoKeys,
    pressed: String,
}

impl Echoing {
    fn prompt(&self, cx: &mut Context) -> Next {
        let pause = u16::try_from(self.step.pause.as_millis()).unwrap_or(1000);
        cx.say_items(vec![Item::Prompt(self.step.prompt.id.clone()), Item::Pause(pause)]);
        Next::Stay
    }
}

/// Keys as clips: digits as digits, the others by their names.
fn names(keys: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for key in keys.chars() {
        let name = match key {
            '*' => "star",
            '#' => "pound",
            'A' => "key_a",
            'B' => "key_b",
            'C' => "key_c",
            'D' => "key_d",
            digit => {
                match items.last_mut() {
                    Some(Item::Digits(digits)) => digits.push(digit),
                    _ => items.push(Item::Digits(digit.to_string())),
                }
                continue;
            }
        };
        items.push(Item::Prompt(name.into()));
    }
    items
}

impl Running for Echoing {
    fn start(&mut self, cx: &mut Context) -> Next {
        while let Some(key) = cx.typed_ahead() {
            self.pressed.push(key.expose());
        }
        if self.pressed.is_empty() {
            return self.prompt(cx);
        }
        cx.wake_after(self.step.after);
        Next::Stay
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        match event {
            Event::Key(key) => {
                cx.hush();
                self.pressed.push(key.expose());
                cx.wake_after(self.step.after);
                Next::Stay
            }
            Event::Timer => {
                let pressed = std::mem::take(&mut self.pressed);
                let mut items = vec![Item::Prompt(self.step.heard.id.clone()), Item::Pause(200)];
                items.extend(names(&pressed[pressed.len().saturating_sub(MOST)..]));
                items.push(Item::Pause(700));
                cx.out.push_back(Output::PublicKeys(pressed));
                cx.say_items(items);
                Next::Stay
            }
            Event::Spoken => self.prompt(cx),
            Event::Answer(_) => Next::Stay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_name() {
        let prompt = |id: &str| Item::Prompt(id.into());
        assert_eq!(
            names("12*#3A"),
            [
                Item::Digits("12".into()),
                prompt("star"),
                prompt("pound"),
                Item::Digits("3".into()),
                prompt("key_a")
            ]
        );
    }
}
