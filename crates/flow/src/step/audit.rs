//! `audit`: one line of the audit log.
use super::Step;
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::Parser,
    run::{Context, Event, Next, Running},
};

/// An event for the audit log; the place in the flow goes with it.
#[derive(Clone, Debug)]
pub(crate) struct AuditStep {
    pub event: String,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, _id: NodeId) -> Option<Box<dyn Step>> {
    let Some(head) = fields.head("event") else {
        fields.missing(p, "event");
        return None;
    };
    let event = p.plain_text(&head, "audit")?;
    Some(Box::new(AuditStep { event }))
}

impl Step for AuditStep {
    fn kind(&self) -> &'static str {
        "audit"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn harmless(&self) -> bool {
        true
    }
}

impl Running for AuditStep {
    fn start(&mut self, cx: &mut Context) -> Next {
        // Written at the place where the caller was, not at this step, which may stand in a handler.
        let place = cx.place.clone();
        cx.audit(&self.event, "ok", Some(format!("at {place}")));
        Next::Done
    }

    fn event(&mut self, _cx: &mut Context, _event: Event) -> Next {
        Next::Stay
    }
}
