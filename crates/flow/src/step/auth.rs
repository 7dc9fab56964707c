//! `auth`: proofs by policy. All of them are gathered, then judged together; a caller never learns which was wrong,
//! nor whether the account is locked, nor whether the ID exists.
use super::{Exit, Gain, Names, Need, Step, block, collect::leave};
use crate::{
    factor::{FACTORS, Factor, Gathered, Gathering, NOT_YET},
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef, did_you_mean},
    run::{Context, Event, Next, Running, Utterance, items, unexpected},
    yaml::{Node, Value},
};
use passline_identity::{Answer, Fault, Proof, Query, Verdict};
use std::sync::Arc;

/// The factors that are asked for, and what they earn.
#[derive(Clone, Debug)]
struct Auth {
    require: u8,
    factors: Arc<[(Box<dyn Factor>, u8)]>,
    tries: u8,
    at: PromptRef,
    failed: Option<NodeId>,
    locked: Option<NodeId>,
    no_input: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let require = fields.number(p, "require", 1..=20, 1);
    let tries = fields.number(p, "tries", 1..=10, p.tries);
    let at = PromptRef { id: "try_again".into(), place: fields.place };
    let factors = match fields.need(p, "offer").map(|node| (node.place, node.value)) {
        Some((_, Value::List(nodes))) => {
            nodes.into_iter().filter_map(|node| factor(p, node)).collect::<Vec<_>>()
        }
        Some((place, _)) => {
            p.fault(place, "syntax", "`offer` is no list", "Write `- pin: { … }` and so on below it.");
            Vec::new()
        }
        None => Vec::new(),
    };
    check_points(p, fields, require, &factors);
    let mut exits = fields.exits(p);
    let failed = exits.need_exit(p, "failed", id);
    let locked = match exits.take("locked") {
        Some(node) => block::exit(p, node, "locked", id),
        None => failed,
    };
    let no_input = exits.silence_exit(p, "no_input", id);
    exits.finish(p);
    Some(Box::new(Auth { require, factors: factors.into(), tries, at, failed, locked, no_input }))
}

fn factor(p: &mut Parser<'_>, node: Node) -> Option<(Box<dyn Factor>, u8)> {
    let place = node.place;
    let mut entries = match node.value {
        Value::Map(entries) if entries.len() == 1 => entries,
        _ => {
            p.fault(
                place,
                "syntax",
                "a factor is one key, such as `pin`",
                "Write `- pin: { min: 4, max: 8 }`.",
            );
            return None;
        }
    };
    let (key, value) = entries.remove(0);
    let name = key.text.as_str();
    let Some((_, parse)) = FACTORS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = FACTORS.iter().map(|(known, _)| *known).collect();
        let message = match NOT_YET.contains(&name) {
            true => format!("factor `{name}` is not supported yet"),
            false => format!("`{name}` is no factor"),
        };
        p.fault(key.place, "syntax", message, did_you_mean(name, &known));
        return None;
    };
    let mut fields = Fields::of_step(name, key.place, value, Vec::new());
    let factor = parse(&mut fields, p);
    fields.finish(p);
    let factor = factor?;
    // Questions are called a set where points are given, since all of them earn the points together.
    let aliases = [factor.name(), if factor.name() == "questions" { "question_set" } else { "" }];
    let points =
        p.points.iter().find(|(name, _)| aliases.contains(&name.as_str())).map(|(_, points)| *points);
    if points.is_none() {
        let message = format!("`policy.points` does not say what `{name}` earns");
        p.fault(key.place, "L1", message, format!("Add `{name}: 1` (or more) to `policy.points`."));
    }
    Some((factor, points?))
}

fn check_points(p: &mut Parser<'_>, fields: &Fields, require: u8, factors: &[(Box<dyn Factor>, u8)]) {
    let mut sum = 0_u8;
    for (factor, points) in factors {
        if sum >= require {
            let message =
                format!("`{}` is never asked for: the factors before it earn enough", factor.name());
            p.fault(fields.place, "L1", message, "Raise `require`, or remove the factor.");
        }
        sum = sum.saturating_add(*points);
    }
    if sum < require && !factors.is_empty() {
        let message = format!("the factors earn {sum} points, but {require} are required: nobody could pass");
        p.fault(fields.place, "L1", message, "Offer more factors, or lower `require`.");
    }
}

impl Step for Auth {
    fn kind(&self) -> &'static str {
        "auth"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(Authenticating {
            step: self.clone(),
            attempt: 0,
            gathering: None,
            proofs: Vec::new(),
            verdicts: Vec::new(),
            locked: false,
        })
    }

    fn exits(&self) -> Vec<Exit> {
        let named = [("failed", self.failed), ("locked", self.locked), ("no_input", self.no_input)];
        named.into_iter().filter_map(|(name, to)| Some(Exit::plain(name, to?))).collect()
    }

    fn gains(&self) -> Vec<Gain> {
        vec![Gain::Points(self.require)]
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Identified]
    }

    fn prompts(&self) -> Vec<PromptRef> {
        let own = self.factors.iter().flat_map(|(factor, _)| factor.prompts());
        own.chain([self.at.clone()]).collect()
    }

    fn names(&self) -> Option<Names> {
        self.factors.iter().find_map(|(factor, _)| factor.names())
    }

    fn waits(&self) -> bool {
        true
    }

    fn keys(&self) -> Vec<char> {
        self.factors.iter().flat_map(|(factor, _)| factor.keys()).collect()
    }
}

struct Authenticating {
    step: Auth,
    attempt: u8,
    gathering: Option<Box<dyn Gathering>>,
    /// One per factor gathered; `None` where there can be none.
    proofs: Vec<Option<Proof>>,
    verdicts: Vec<bool>,
    locked: bool,
}

impl Authenticating {
    fn attempt(&mut self, cx: &mut Context) -> Next {
        self.attempt += 1;
        self.proofs.clear();
        self.verdicts.clear();
        self.gather(cx)
    }

    fn gather(&mut self, cx: &mut Context) -> Next {
        let Some((factor, _)) = self.step.factors.get(self.proofs.len()) else { return self.judge(cx) };
        let mut gathering = factor.begin();
        let gathered = gathering.start(cx);
        self.gathering = Some(gathering);
        self.gathered(cx, gathered)
    }

    fn gathered(&mut self, cx: &mut Context, gathered: Gathered) -> Next {
        let proof = match gathered {
            Gathered::More => return Next::Stay,
            Gathered::Proof(proof) => Some(proof),
            Gathered::Nothing => None,
            Gathered::NoInput => return leave(self.step.no_input),
            Gathered::Fail(fault) => return Next::Fail(fault),
        };
        self.gathering = None;
        self.proofs.push(proof);
        self.gather(cx)
    }

    /// Every proof goes to the store, also when one before it was wrong: the time tells nothing.
    fn judge(&mut self, cx: &mut Context) -> Next {
        let Some(subject) = cx.subject else { return Next::Fail(Fault::Internal) };
        while let Some(proof) = self.proofs.get_mut(self.verdicts.len()) {
            match proof.take() {
                Some(proof) => {
                    let points = self.step.factors[self.verdicts.len()].1;
                    cx.ask(Query::Verify { subject, proof, points });
                    return Next::Stay;
                }
                None => self.verdicts.push(false),
            }
        }
        if !self.verdicts.is_empty() && self.verdicts.iter().all(|passed| *passed) {
            cx.ask(Query::Capabilities { subject });
            return Next::Stay;
        }
        cx.stop_and_clear();
        if self.attempt < self.step.tries {
            cx.say(Utterance::new(items([&self.step.at.id])).firm());
            return Next::Stay;
        }
        // The same words for both; only the audit log knows which it was.
        let (result, exit) = match self.locked {
            true => ("locked", self.step.locked),
            false => ("failed", self.step.failed),
        };
        cx.audit("not_verified", result, None);
        leave(exit)
    }
}

impl Running for Authenticating {
    fn start(&mut self, cx: &mut Context) -> Next {
        self.attempt(cx)
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        if let Some(mut gathering) = self.gathering.take() {
            let gathered = gathering.event(cx, event);
            self.gathering = Some(gathering);
            return self.gathered(cx, gathered);
        }
        match event {
            Event::Answer(Answer::Verdict(verdict)) => {
                self.locked |= verdict == Verdict::Locked;
                self.verdicts.push(verdict == Verdict::Passed);
                self.judge(cx)
            }
            Event::Answer(Answer::Capabilities(capabilities)) => {
                if self.verdicts.len() != self.step.factors.len()
                    || !self.verdicts.iter().all(|passed| *passed)
                {
                    return Next::Fail(Fault::Internal);
                }
                cx.capabilities = capabilities;
                cx.verified = Some(cx.now);
                Next::Done
            }
            Event::Answer(answer) => unexpected(&answer),
            // "Let us try once more" was said.
            Event::Spoken => self.attempt(cx),
            Event::Key(_) | Event::Timer => Next::Stay,
        }
    }
}
