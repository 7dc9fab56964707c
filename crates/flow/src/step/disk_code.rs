//! `operation: disk_code`: the recovery code of one of the caller's computers.
use super::{
    Exit, Gain, Kind, Need, Step,
    collect::{leave, with_silence},
    reset::{hold, needs},
};
use crate::{
    fields::Fields,
    graph::NodeId,
    parser::{Parser, PromptRef, VarRef},
    run::{Context, Event, Next, Running, Variable, unexpected},
};
use passline_identity::{Answer, Fault, Query};

/// The request for a code.
#[derive(Clone, Debug)]
struct DiskCode {
    computer: VarRef,
    needs: u8,
    hold: PromptRef,
    into: String,
    failed: Option<NodeId>,
}

pub(super) fn parse(fields: &mut Fields, p: &mut Parser<'_>, id: NodeId) -> Option<Box<dyn Step>> {
    let computer = fields.variable(p, "computer");
    let hold = hold(fields, p);
    let into = fields.into(p, "disk");
    let needs = needs(fields, p, "disk_code");
    let mut exits = fields.exits(p);
    let failed = exits.need_exit(p, "failed", id);
    exits.finish(p);
    Some(Box::new(DiskCode { computer: computer?, needs: needs?, hold, into, failed }))
}

impl Step for DiskCode {
    fn kind(&self) -> &'static str {
        "operation:disk_code"
    }

    fn begin(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn exits(&self) -> Vec<Exit> {
        self.failed.into_iter().map(|to| Exit::plain("failed", to)).collect()
    }

    fn gains(&self) -> Vec<Gain> {
        vec![Gain::Variable(self.into.clone(), Kind::Code)]
    }

    fn needs(&self) -> Vec<Need> {
        let computer = Need::Variable(self.computer.clone(), &[Kind::Computer]);
        vec![Need::Points(self.needs, "operation: disk_code"), computer]
    }

    fn prompts(&self) -> Vec<PromptRef> {
        with_silence(vec![self.hold.clone()], &self.hold, &["still_working"])
    }
}

impl Running for DiskCode {
    fn start(&mut self, cx: &mut Context) -> Next {
        if cx.session_is_over() {
            return Next::SessionOver;
        }
        let machine = match cx.variable(&self.computer) {
            Some(Variable::Computer(machine)) => machine.clone(),
            _ => return leave(self.failed),
        };
        let Some(subject) = cx.subject else { return leave(self.failed) };
        cx.hold = Some(self.hold.id.clone());
        cx.ask(Query::DiskCode { subject, machine, needs: self.needs });
        Next::Stay
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        cx.stop_and_clear();
        match event {
            Event::Answer(Answer::DiskCode(code)) => {
                cx.variables.insert(self.into.clone(), Variable::Code(code));
                Next::Done
            }
            // Nothing was changed, so there is nothing to be in doubt of: the caller hears that there is no code.
            Event::Answer(Answer::Failed(
                Fault::NotFound | Fault::Refused | Fault::Timeout | Fault::Unavailable,
            )) => leave(self.failed),
            Event::Answer(answer) => unexpected(&answer),
            Event::Spoken | Event::Key(_) | Event::Timer => Next::Stay,
        }
    }
}
