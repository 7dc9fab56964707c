//! `collect`: digits into a variable.
use super::{Exit, Gain, Kind, Step};
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef},
    run::{Context, DigitSpec, Digits, Event, Next, Read, Running, Variable},
};
use passline_identity::SecretDigits;
use passline_prompt::phrase::Item;
use std::time::Duration;

/// A question for digits.
#[derive(Clone, Debug)]
struct Collect {
    prompt: PromptRef,
    into: String,
    secret: bool,
    spec: DigitSpec,
    no_input: Option<NodeId>,
    no_match: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let prompt = fields.need_prompt(p, "prompt");
    let into = fields.into(p, "digits");
    let secret = fields.flag(p, "secret", true);
    let spec = digit_spec(fields, p, DigitSpec::default());
    let mut exits = fields.exits(p);
    let no_input = exits.silence_exit(p, "no_input", id);
    let no_match = exits.silence_exit(p, "no_match", id);
    exits.finish(p);
    Some(Box::new(Collect { prompt: prompt?, into, secret, spec, no_input, no_match }))
}

/// The keys `length`, `min`, `max`, `first_timeout`, `digit_timeout`, `end`, `clear`, `tries`.
pub(crate) fn digit_spec(fields: &mut Fields, p: &mut Parser<'_>, usual: DigitSpec) -> DigitSpec {
    let most = SecretDigits::MAX as u8;
    let length = fields.number(p, "length", 1..=most, 0);
    let (min, max) = match length {
        0 => (
            fields.number(p, "min", 1..=most, usual.min as u8),
            fields.number(p, "max", 1..=most, usual.max as u8),
        ),
        length => (length, length),
    };
    if min > max {
        let message = format!("`min` is {min} and `max` is {max}");
        p.fault(fields.place, "syntax", message, "Make `min` the smaller one.");
    }
    let spec = DigitSpec {
        min: usize::from(min),
        max: usize::from(max),
        first_timeout: fields.duration(p, "first_timeout", usual.first_timeout),
        digit_timeout: fields.duration(p, "digit_timeout", usual.digit_timeout),
        end: fields.key(p, "end", usual.end),
        clear: fields.key(p, "clear", usual.clear),
        tries: fields.number(p, "tries", 1..=10, p.tries),
    };
    if spec.end == spec.clear || spec.end.is_ascii_digit() || spec.clear.is_ascii_digit() {
        let remedy = "Use \"#\" and \"*\", each for one of them.";
        p.fault(fields.place, "L11", "`end` and `clear` collide with each other or with digits", remedy);
    }
    if spec.first_timeout < Duration::from_secs(1) || spec.digit_timeout < Duration::from_secs(1) {
        let remedy = "Give callers at least a second.";
        p.fault(fields.place, "syntax", "a time-out of less than a second", remedy);
    }
    spec
}

impl Step for Collect {
    fn kind(&self) -> &'static str {
        "collect"
    }

    fn begin(&self) -> Box<dyn Running> {
        let digits = Digits::new(self.spec, vec![Item::Prompt(self.prompt.id.clone())]);
        Box::new(Collecting { step: self.clone(), digits })
    }

    fn exits(&self) -> Vec<Exit> {
        silence_exits(self.no_input, self.no_match)
    }

    fn gains(&self) -> Vec<Gain> {
        let kind = if self.secret { Kind::SecretDigits } else { Kind::Digits };
        vec![Gain::Variable(self.into.clone(), kind)]
    }

    fn prompts(&self) -> Vec<PromptRef> {
        with_silence(vec![self.prompt.clone()], &self.prompt, &["no_input", "not_understood"])
    }

    fn waits(&self) -> bool {
        true
    }

    fn public(&self) -> bool {
        !self.secret
    }

    fn keys(&self) -> Vec<char> {
        ('0'..='9').chain([self.spec.end, self.spec.clear]).collect()
    }
}

/// The two ways out that every question for keys has.
pub(crate) fn silence_exits(no_input: Option<NodeId>, no_match: Option<NodeId>) -> Vec<Exit> {
    let named = [("no_input", no_input), ("no_match", no_match)];
    named.into_iter().filter_map(|(name, to)| Some(Exit::plain(name, to?))).collect()
}

/// A step's prompts with those that it says by itself.
pub(crate) fn with_silence(mut prompts: Vec<PromptRef>, at: &PromptRef, own: &[&str]) -> Vec<PromptRef> {
    prompts.extend(own.iter().map(|id| PromptRef { id: (*id).into(), place: at.place }));
    prompts
}

struct Collecting {
    step: Collect,
    digits: Digits,
}

impl Collecting {
    fn next(&self, cx: &mut Context, read: Read) -> Next {
        match read {
            Read::More => Next::Stay,
            Read::Done(digits) => {
                cx.variables.insert(self.step.into.clone(), Variable::Digits(digits));
                Next::Done
            }
            Read::NoInput => leave(self.step.no_input),
            Read::NoMatch => leave(self.step.no_match),
        }
    }
}

/// Through an exit that the linter has seen wired.
pub(crate) fn leave(exit: Option<NodeId>) -> Next {
    exit.map_or(Next::Fail(passline_identity::Fault::Internal), Next::Exit)
}

impl Running for Collecting {
    fn start(&mut self, cx: &mut Context) -> Next {
        let read = self.digits.start(cx);
        self.next(cx, read)
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        let read = self.digits.event(cx, &event);
        self.next(cx, read)
    }
}
