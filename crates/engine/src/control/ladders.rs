//! SIP messages that go by before it is known which call they are of.
use crate::LadderLine;
use passline_sip::Trace;
use std::collections::VecDeque;
use std::time::Instant;

/// Most lines kept within one turn.
const MOST: usize = 256;

/// Lines of one turn whose call is not known (yet).
#[derive(Default)]
pub(crate) struct Strays {
    lines: VecDeque<(String, LadderLine)>,
}

/// The line of a message.
pub(crate) fn line(at: Instant, trace: &Trace) -> LadderLine {
    LadderLine {
        at,
        direction: trace.direction,
        first_line: trace.first_line.clone(),
        cseq: trace.cseq.clone(),
        peer: trace.remote,
    }
}

impl Strays {
    /// Keeps a line.
    pub(crate) fn keep(&mut self, call_id: String, line: LadderLine) {
        if self.lines.len() < MOST {
            self.lines.push_back((call_id, line));
        }
    }

    /// The lines of one call, which are forgotten here.
    pub(crate) fn take(&mut self, call_id: &str) -> Vec<LadderLine> {
        let mut taken = Vec::new();
        self.lines.retain(|(id, line)| {
            let wanted = id == call_id;
            if wanted {
                taken.push(line.clone());
            }
            !wanted
        });
        taken
    }

    /// The turn is over: what the user agent answered by itself is told, as Call-ID and lines.
    pub(crate) fn end(&mut self) -> Vec<(String, Vec<LadderLine>)> {
        let mut calls = Vec::new();
        while let Some((call_id, _)) = self.lines.front() {
            let call_id = call_id.clone();
            let lines = self.take(&call_id);
            calls.push((call_id, lines));
        }
        calls
    }
}
