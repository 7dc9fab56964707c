//! `list`: what became of an operation, system by system.
use super::{Kind, Names, Need, Step};
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef, VarRef},
    run::{Context, Event, Next, Running, Utterance, Variable},
};
use passline_identity::TargetResult;
use passline_prompt::phrase::Item;

/// `$result` (all systems) or `$result.failed` (those where it did not work).
#[derive(Clone, Debug)]
struct List {
    of: VarRef,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, _id: NodeId) -> Option<Box<dyn Step>> {
    let Some(head) = fields.head("of") else {
        fields.missing(p, "of");
        return None;
    };
    let of = p.variable(&head, "list", false)?;
    if of.field.as_deref().is_some_and(|field| field != "failed") {
        p.fault(head.place, "syntax", "only `failed` of a result can be listed", "Write `$result.failed`.");
    }
    Some(Box::new(List { of }))
}

impl Step for List {
    fn kind(&self) -> &'static str {
        "list"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Variable(self.of.clone(), &[Kind::Reset, Kind::Unlock])]
    }

    fn prompts(&self) -> Vec<PromptRef> {
        let own = [
            "has_new_password",
            "could_not_be_changed",
            "did_not_answer",
            "is_unlocked",
            "could_not_be_unlocked",
            "may_be_unlocked",
        ];
        own.map(|id| PromptRef { id: id.into(), place: self.of.place }).to_vec()
    }

    fn names(&self) -> Option<Names> {
        Some(Names::Targets)
    }
}

impl List {
    fn sentence(result: &TargetResult, words: [&str; 3]) -> [Item; 3] {
        let [good, bad, unknown] = words;
        let word = match &result.result {
            Ok(()) => good,
            failed if super::reset::effect_unknown(failed) => unknown,
            Err(_) => bad,
        };
        [super::choose_targets::target_name(&result.target), Item::Prompt(word.into()), Item::Pause(400)]
    }
}

impl Running for List {
    fn start(&mut self, cx: &mut Context) -> Next {
        let (results, words) = match cx.variable(&self.of) {
            Some(Variable::Reset(outcome, _)) => {
                (&outcome.results, ["has_new_password", "could_not_be_changed", "did_not_answer"])
            }
            Some(Variable::Unlock(results)) => {
                (results, ["is_unlocked", "could_not_be_unlocked", "may_be_unlocked"])
            }
            _ => return Next::Done,
        };
        let only_failed = self.of.field.is_some();
        let bad = results.iter().any(|result| result.result.is_err());
        let listed = results.iter().filter(|result| !only_failed || result.result.is_err());
        let items: Vec<Item> = listed.flat_map(|result| Self::sentence(result, words)).collect();
        if items.is_empty() {
            return Next::Done;
        }
        let utterance = Utterance::new(items);
        // Nobody may miss which of his passwords did not change; that all did need not be heard to the end.
        cx.say(if bad { utterance.firm() } else { utterance });
        Next::Stay
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        match event {
            Event::Spoken => Next::Done,
            Event::Key(key) => {
                cx.hush();
                cx.keep(key);
                Next::Done
            }
            _ => Next::Stay,
        }
    }
}
