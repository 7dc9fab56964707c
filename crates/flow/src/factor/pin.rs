//! `pin`: the telephone PIN.
use super::{Factor, Gathered, Gathering};
use crate::{
    fields::Fields,
    parser::{Parser, PromptRef},
    run::{Context, DigitSpec, Digits, Event, Read},
    step::collect::{digit_spec, with_silence},
};
use passline_identity::Proof;
use passline_prompt::phrase::Item;

#[derive(Clone, Debug)]
struct Pin {
    prompt: PromptRef,
    spec: DigitSpec,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>) -> Option<Box<dyn Factor>> {
    let prompt = fields.prompt_or(p, "prompt", "enter_your_pin");
    let spec = digit_spec(fields, p, DigitSpec { min: 4, max: 12, ..DigitSpec::default() });
    if spec.min < 4 {
        p.fault(fields.place, "L8", "a PIN of less than four digits", "Ask for at least four, better six.");
    }
    if !fields.flag(p, "secret", true) {
        p.fault(fields.place, "L4", "a PIN is always secret", "Remove `secret: false`.");
    }
    Some(Box::new(Pin { prompt, spec }))
}

impl Factor for Pin {
    fn name(&self) -> &'static str {
        "pin"
    }

    fn begin(&self) -> Box<dyn Gathering> {
        Box::new(Keying { digits: Digits::new(self.spec, vec![Item::Prompt(self.prompt.id.clone())]) })
    }

    fn prompts(&self) -> Vec<PromptRef> {
        with_silence(vec![self.prompt.clone()], &self.prompt, &["no_input", "not_understood"])
    }

    fn keys(&self) -> Vec<char> {
        ('0'..='9').chain([self.spec.end, self.spec.clear]).collect()
    }
}

struct Keying {
    digits: Digits,
}

fn gathered(read: Read) -> Gathered {
    match read {
        Read::More => Gathered::More,
        Read::Done(pin) => Gathered::Proof(Proof::Pin(pin)),
        Read::NoInput => Gathered::NoInput,
        Read::NoMatch => Gathered::Nothing,
    }
}

impl Gathering for Keying {
    fn start(&mut self, cx: &mut Context) -> Gathered {
        gathered(self.digits.start(cx))
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Gathered {
        gathered(self.digits.event(cx, &event))
    }
}
