//! Before a call ends by a limit or a fault, a password that was not confirmed is made invalid, and the caller told.
use super::{Context, Event, Next, Running, Utterance, items};
use crate::graph::NodeId;
use passline_identity::{Answer, Query, ResetId};

/// Reports one open reset after another, then goes on.
pub(crate) struct Settle {
    then: NodeId,
    asked: Option<ResetId>,
}

impl Settle {
    /// Before this node.
    pub fn before(then: NodeId) -> Self {
        Self { then, asked: None }
    }

    fn next(&mut self, cx: &mut Context) -> Next {
        if cx.open_resets.is_empty() {
            cx.say(Utterance::new(items([&"not_confirmed".into()])).firm());
            return Next::Stay;
        }
        let reset = cx.open_resets.remove(0);
        self.asked = Some(reset.clone());
        cx.ask(Query::ResetUnheard { reset });
        Next::Stay
    }
}

impl Running for Settle {
    fn start(&mut self, cx: &mut Context) -> Next {
        self.next(cx)
    }

    fn event(&mut self, cx: &mut Context, event: Event) -> Next {
        match event {
            Event::Answer(Answer::Done) => self.next(cx),
            Event::Answer(answer) => {
                // It could not be made invalid: say nothing that is not true, tell those who can act.
                if let Some(reset) = &self.asked {
                    cx.unheard_failed(reset, &answer);
                }
                cx.give_up_resets();
                Next::Exit(self.then)
            }
            Event::Spoken => Next::Exit(self.then),
            Event::Key(_) | Event::Timer => Next::Stay,
        }
    }
}
