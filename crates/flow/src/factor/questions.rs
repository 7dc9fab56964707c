//! `questions`: a random subset of the caller's questions, answered by keys.
use super::{Factor, Gathered, Gathering};
use crate::{
    fields::Fields,
    parser::{Parser, PromptRef},
    run::{Context, DigitSpec, Digits, Event, Read},
    step::{
        Names,
        collect::{digit_spec, with_silence},
    },
};
use passline_identity::{Answer, Fault, Proof, Query, QuestionId, SecretDigits};
use passline_prompt::phrase::{Item, PromptId};
use std::collections::VecDeque;

#[derive(Clone, Debug)]
struct Questions {
    ask: u8,
    spec: DigitSpec,
    at: PromptRef,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>) -> Option<Box<dyn Factor>> {
    let ask = fields.number(p, "ask", 1..=9, 2);
    let of = fields.number(p, "of", 1..=20, 20);
    if of < ask {
        let message = format!("`ask: {ask}` of `of: {of}`");
        p.fault(fields.place, "syntax", message, "Ask for fewer questions than people have answered.");
    }
    if !fields.flag(p, "numeric", true) {
        let remedy = "Remove `numeric: false`: answers are keyed.";
        p.fault(fields.place, "syntax", "spoken answers are not supported yet", remedy);
    }
    let spec = digit_spec(fields, p, DigitSpec { min: 1, max: 12, ..DigitSpec::default() });
    let at = PromptRef { id: "not_understood".into(), place: fields.place };
    Some(Box::new(Questions { ask, spec, at }))
}

impl Factor for Questions {
    fn name(&self) -> &'static str {
        "questions"
    }

    fn begin(&self) -> Box<dyn Gathering> {
        Box::new(Answering { step: self.clone(), left: VecDeque::new(), current: None, answers: Vec::new() })
    }

    fn prompts(&self) -> Vec<PromptRef> {
        with_silence(Vec::new(), &self.at, &["no_input", "not_understood"])
    }

    fn names(&self) -> Option<Names> {
        Some(Names::Questions)
    }

    fn keys(&self) -> Vec<char> {
        ('0'..='9').chain([self.spec.end, self.spec.clear]).collect()
    }
}

struct Answering {
    step: Questions,
    left: VecDeque<QuestionId>,
    current: Option<(QuestionId, Digits)>,
    answers: Vec<(QuestionId, SecretDigits)>,
}

impl Answering {
    fn next_question(&mut self, cx: &mut Context) -> Gathered {
        let Some(id) = self.left.pop_front() else {
            return Gathered::Proof(Proof::Answers(std::mem::take(&mut self.answers)));
        };
        let prompt = Item::Prompt(PromptId(format!("question_{id}")));
        let mut digits = Digits::new(self.step.spec, vec![prompt]);
        let read = digits.start(cx);
        self.current = Some((id, digits));
        self.read(cx, read)
    }

    fn read(&mut self, cx: &mut Context, read: Read) -> Gathered {
        match read {
            Read::More => Gathered::More,
            Read::Done(answer) => {
                if let Some((id, _)) = self.current.take() {
                    self.answers.push((id, answer));
                }
                self.next_question(cx)
            }
            Read::NoInput => Gathered::NoInput,
            Read::NoMatch => Gathered::Nothing,
        }
    }
}

impl Gathering for Answering {
    fn start(&mut self, cx: &mut Context) -> Gathered {
        let Some(subject) = cx.subject else { return Gathered::Fail(Fault::Internal) };
        cx.ask(Query::Questions { subject, ask: self.step.ask });
        Gathered::More
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Gathered {
        match event {
            // Fewer questions than asked for would be a weaker proof, and none at all would prove itself.
            Event::Answer(Answer::Questions(ids)) if ids.len() == usize::from(self.step.ask) => {
                self.left = ids.into();
                self.next_question(cx)
            }
            Event::Answer(Answer::Questions(_)) => Gathered::Nothing,
            Event::Answer(Answer::Failed(fault)) => Gathered::Fail(fault),
            Event::Answer(_) => Gathered::Fail(Fault::Internal),
            event => match self.current.take() {
                Some((id, mut digits)) => {
                    let read = digits.event(cx, &event);
                    self.current = Some((id, digits));
                    self.read(cx, read)
                }
                None => Gathered::More,
            },
        }
    }
}
