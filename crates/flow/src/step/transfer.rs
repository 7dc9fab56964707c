//! `transfer`: hands the caller over to a number, such as the help desk's.
use super::{Exit, Step, collect::leave};
use crate::{
    fields::Fields,
    graph::NodeId,
    io::Output,
    parser::Parser,
    run::{Context, Event, Next, Running},
};

/// Longest number.
const LONGEST: usize = 32;

/// A caller handed over.
#[derive(Clone, Debug)]
struct Transfer {
    to: String,
    failed: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let to = fields.need(p, "to").and_then(|node| {
        let number = p.plain_text(&node, "to")?;
        let fit = !number.is_empty()
            && number.len() <= LONGEST
            && number.chars().all(|c| c.is_ascii_alphanumeric() || "+*#-_.".contains(c));
        if !fit {
            let message = format!("`{number}` is no number to transfer to");
            p.fault(
                node.place,
                "syntax",
                message,
                "write an extension or a number, e.g. `to: \"100\"`".to_owned(),
            );
        }
        fit.then_some(number)
    });
    let mut exits = fields.exits(p);
    let failed = exits.need_exit(p, "failed", id);
    exits.finish(p);
    Some(Box::new(Transfer { to: to?, failed }))
}

impl Step for Transfer {
    fn kind(&self) -> &'static str {
        "transfer"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn exits(&self) -> Vec<Exit> {
        self.failed.map(|to| Exit::plain("failed", to)).into_iter().collect()
    }

    fn falls_through(&self) -> bool {
        false
    }

    fn waits(&self) -> bool {
        true
    }
}

impl Running for Transfer {
    fn start(&mut self, cx: &mut Context) -> Next {
        cx.out.push_back(Output::Transfer { to: self.to.clone() });
        Next::Stay
    }

    fn event(&mut self, cx: &mut Context, _event: Event) -> Next {
        // Whoever waits to be put through presses keys for nothing.
        cx.stop_and_clear();
        Next::Stay
    }

    fn transferred(&mut self, _cx: &mut Context, done: bool) -> Next {
        if done { Next::HangUp("transferred") } else { leave(self.failed) }
    }
}
