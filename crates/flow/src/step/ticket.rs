//! `ticket`: a line in the ticket journal.
use super::Step;
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, did_you_mean},
    run::{Context, Event, Next, Running},
};

/// Opens a ticket, and closes it at once if nothing is left to do.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub summary: String,
    pub resolved: bool,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, _id: NodeId) -> Option<Box<dyn Step>> {
    let open = fields.need(p, "open").and_then(|node| p.plain_text(&node, "open"));
    let close = fields.take("close").and_then(|node| Some((p.plain_text(&node, "close")?, node.place)));
    if let Some((close, place)) = &close
        && close != "resolved"
    {
        p.fault(
            *place,
            "syntax",
            format!("`close: {close}` is not known"),
            did_you_mean(close, &["resolved"]),
        );
    }
    Some(Box::new(Ticket { summary: open?, resolved: close.is_some() }))
}

impl Step for Ticket {
    fn kind(&self) -> &'static str {
        "ticket"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn harmless(&self) -> bool {
        true
    }
}

impl Running for Ticket {
    fn start(&mut self, cx: &mut Context) -> Next {
        // Nobody waits for it, and a journal that is down must not keep a caller from his account.
        cx.ticket(&self.summary, self.resolved);
        Next::Done
    }

    fn event(&mut self, _cx: &mut Context, _event: Event) -> Next {
        Next::Stay
    }
}
