//! `hangup`: ends the call, with an outcome for the call record.
use super::Step;
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, did_you_mean},
    run::{Context, Event, Next, Running},
};

/// The end of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HangUp {
    pub outcome: &'static str,
}

/// Outcomes that call records know; `normal` is another word for `completed`.
const OUTCOMES: [&str; 9] = [
    "completed",
    "not_verified",
    "no_input",
    "no_match",
    "nothing_available",
    "session_over",
    "call_limit",
    "error",
    "line_test",
];

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, _id: NodeId) -> Option<Box<dyn Step>> {
    let Some(head) = fields.head("outcome") else {
        fields.missing(p, "outcome");
        return None;
    };
    let name = p.plain_text(&head, "hangup")?;
    let outcome = match name.as_str() {
        "normal" => Some("completed"),
        name => OUTCOMES.into_iter().find(|outcome| *outcome == name),
    };
    if outcome.is_none() {
        let remedy = did_you_mean(&name, &OUTCOMES);
        p.fault(head.place, "syntax", format!("`{name}` is no outcome of a call"), remedy);
    }
    Some(Box::new(HangUp { outcome: outcome? }))
}

impl Step for HangUp {
    fn kind(&self) -> &'static str {
        "hangup"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(*self)
    }

    fn falls_through(&self) -> bool {
        false
    }

    fn harmless(&self) -> bool {
        true
    }
}

impl Running for HangUp {
    fn start(&mut self, _cx: &mut Context) -> Next {
        Next::HangUp(self.outcome)
    }

    fn event(&mut self, _cx: &mut Context, _event: Event) -> Next {
        Next::Stay
    }
}
