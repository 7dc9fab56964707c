//! `if`: one of two ways.
use super::{Exit, Need, Step, block, condition::Condition};
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::Parser,
    run::{Context, Event, Next, Running},
};

/// A fork.
#[derive(Clone, Debug)]
struct If {
    condition: Condition,
    then: Option<NodeId>,
    otherwise: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let Some(head) = fields.head("when") else {
        fields.missing(p, "when");
        return None;
    };
    let condition = Condition::parse(p, &head);
    let then = fields.need(p, "then").and_then(|node| block::exit(p, node, "then", id));
    let otherwise = fields.take("else").and_then(|node| block::exit(p, node, "else", id));
    Some(Box::new(If { condition: condition?, then, otherwise }))
}

impl Step for If {
    fn kind(&self) -> &'static str {
        "if"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn exits(&self) -> Vec<Exit> {
        let named = [("then", self.then), ("else", self.otherwise)];
        named.into_iter().filter_map(|(name, to)| Some(Exit::plain(name, to?))).collect()
    }

    fn falls_through(&self) -> bool {
        self.otherwise.is_none()
    }

    fn needs(&self) -> Vec<Need> {
        self.condition.needs()
    }
}

impl Running for If {
    fn start(&mut self, cx: &mut Context) -> Next {
        let way = if self.condition.holds(cx) { self.then } else { self.otherwise };
        way.map_or(Next::Done, Next::Exit)
    }

    fn event(&mut self, _cx: &mut Context, _event: Event) -> Next {
        Next::Stay
    }
}
