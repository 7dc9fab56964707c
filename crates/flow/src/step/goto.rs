//! `goto`: to a label of the same flow.
use super::Step;
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::Parser,
    run::{Context, Event, Next, Running},
    yaml::Place,
};

/// A jump.
#[derive(Clone, Debug)]
pub(crate) struct Goto {
    pub label: String,
    pub place: Place,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, _id: NodeId) -> Option<Box<dyn Step>> {
    let Some(head) = fields.head("label") else {
        fields.missing(p, "label");
        return None;
    };
    let label = p.text(&head, "goto")?;
    Some(Box::new(Goto { label, place: head.place }))
}

impl Step for Goto {
    fn kind(&self) -> &'static str {
        "goto"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn falls_through(&self) -> bool {
        false
    }

    fn jump(&self) -> Option<(&str, Place)> {
        Some((&self.label, self.place))
    }

    fn harmless(&self) -> bool {
        true
    }
}

impl Running for Goto {
    fn start(&mut self, cx: &mut Context) -> Next {
        match cx.definition.graph.labelled(&self.label) {
            Some(node) => Next::Exit(node),
            None => Next::Fail(passline_identity::Fault::Internal),
        }
    }

    fn event(&mut self, _cx: &mut Context, _event: Event) -> Next {
        Next::Stay
    }
}
