//! `operation: unlock`: clears intruder lockouts, passwords stay.
use super::{
    Exit, Gain, Kind, Need, Step,
    collect::{leave, with_silence},
    reset::{chosen, hold, needs, targets},
};
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef, VarRef},
    run::{Context, Event, Next, Running, Variable, unexpected},
};
use passline_identity::{Answer, Query, SubjectId, TargetId};

/// The order to unlock.
#[derive(Clone, Debug)]
struct Unlock {
    /// `None`: wherever an account is locked, or may be.
    targets: Option<VarRef>,
    needs: u8,
    hold: PromptRef,
    into: String,
    none: Option<NodeId>,
    partial: Option<NodeId>,
    failed: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let targets = targets(fields, p, "all_locked");
    let hold = hold(fields, p);
    let into = fields.into(p, "unlocked");
    let needs = needs(fields, p, "unlock");
    let mut exits = fields.exits(p);
    let none = exits.need_exit(p, "none", id);
    let partial = exits.need_exit(p, "partial", id);
    let failed = exits.need_exit(p, "failed", id);
    exits.finish(p);
    Some(Box::new(Unlock { targets: targets?, needs: needs?, hold, into, none, partial, failed }))
}

impl Step for Unlock {
    fn kind(&self) -> &'static str {
        "operation:unlock"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn exits(&self) -> Vec<Exit> {
        let gaining = [("partial", self.partial), ("failed", self.failed)];
        let mut exits: Vec<Exit> = gaining
            .into_iter()
            .filter_map(|(name, to)| Some(Exit { name: name.into(), to: to?, gains: self.gains() }))
            .collect();
        exits.extend(self.none.map(|to| Exit::plain("none", to)));
        exits
    }

    fn gains(&self) -> Vec<Gain> {
        vec![Gain::Variable(self.into.clone(), Kind::Unlock)]
    }

    fn needs(&self) -> Vec<Need> {
        let mut needs = vec![Need::Points(self.needs, "operation: unlock")];
        needs.extend(self.targets.iter().map(|targets| Need::Variable(targets.clone(), &[Kind::Targets])));
        needs
    }

    fn prompts(&self) -> Vec<PromptRef> {
        with_silence(vec![self.hold.clone()], &self.hold, &["still_working"])
    }
}

impl Unlock {
    fn unlock(&self, cx: &mut Context, subject: SubjectId, targets: Vec<TargetId>) -> Next {
        if targets.is_empty() {
            return leave(self.none);
        }
        cx.ask(Query::Unlock { subject, targets, needs: self.needs });
        Next::Stay
    }
}

impl Running for Unlock {
    fn start(&mut self, cx: &mut Context) -> Next {
        if cx.session_is_over() {
            return Next::SessionOver;
        }
        let Some(subject) = cx.subject else { return leave(self.failed) };
        cx.hold = Some(self.hold.id.clone());
        match &self.targets {
            Some(variable) => {
                let targets = chosen(cx, Some(variable));
                self.unlock(cx, subject, targets)
            }
            None => {
                // What is locked may have changed since the caller was verified.
                cx.ask(Query::Capabilities { subject });
                Next::Stay
            }
        }
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        cx.stop_and_clear();
        match event {
            Event::Answer(Answer::Capabilities(capabilities)) => {
                cx.capabilities = capabilities;
                let locked = cx.capabilities.targets.iter().filter(|target| target.locked != Some(false));
                let targets = locked.map(|target| target.id.clone()).collect();
                match cx.subject {
                    Some(subject) => self.unlock(cx, subject, targets),
                    None => leave(self.failed),
                }
            }
            Event::Answer(Answer::Unlock(results)) => {
                let (all, bad) =
                    (results.len(), results.iter().filter(|result| result.result.is_err()).count());
                for result in results.iter().filter(|result| result.result.is_ok()) {
                    let known = cx.capabilities.targets.iter_mut().find(|target| target.id == result.target);
                    known.into_iter().for_each(|target| target.locked = Some(false));
                }
                cx.variables.insert(self.into.clone(), Variable::Unlock(results));
                match bad {
                    0 if all > 0 => Next::Done,
                    bad if bad < all => leave(self.partial),
                    _ => leave(self.failed),
                }
            }
            Event::Answer(answer) => unexpected(&answer),
            Event::Spoken | Event::Key(_) | Event::Timer => Next::Stay,
        }
    }
}
