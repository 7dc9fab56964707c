//! Drives the flow of one call: keys and answers in, phrases and queries out.
use super::{Dialog, Session, Side};
use crate::core::{Core, Notice};
use crate::{ControlOutput, ShardCommand, TraceKind};
use passline_flow::{Input, Output};
use passline_identity::{Answer, Key};
use passline_prompt::Segment;
use passline_prompt::phrase::Phrase;
use passline_rtp::Press;
use std::collections::VecDeque;
use std::time::Instant;

/// What a key shows as where keys are secret.
const MASK: char = '•';

impl Session {
    pub(super) fn start_flow(&mut self, now: Instant, core: &mut Core) {
        if let Side::Flow(side) = &mut self.side {
            side.started = true;
        }
        self.drive(now, core, Input::Start);
    }

    pub(super) fn digit(&mut self, now: Instant, core: &mut Core, press: Press) {
        let key = press.digit.to_char();
        let public = match &self.side {
            Side::Flow(side) => !side.secret,
            Side::Leg(_) => {
                // Whoever steers the leg hears it; nobody said that it is public.
                self.draft.digit(key, press.method, false);
                return self.leg_digit(core, press);
            }
            Side::Bridged(_) => {
                self.draft.digit(key, press.method, false);
                return core.notice(self.handle, Notice::Digit(press));
            }
        };
        self.draft.digit(key, press.method, public);
        core.trace(now, Some(&self.call), || TraceKind::Digit {
            shown: if public { key } else { MASK },
            method: press.method,
        });
        if let Some(key) = Key::new(key) {
            self.drive(now, core, Input::Key(key));
        }
    }

    pub(super) fn played(&mut self, now: Instant, core: &mut Core, number: u32) {
        let Side::Flow(side) = &mut self.side else {
            return self.leg_played(core);
        };
        // A phrase that was replaced while its end was under way to us is not the flow's concern any more.
        if side.speaking == Some(number) {
            side.speaking = None;
            self.drive(now, core, Input::Said(number));
        }
    }

    /// The caller (or we) left: the flow may still ask what it must.
    pub(super) fn wind_up(&mut self, now: Instant, core: &mut Core) {
        let Side::Flow(side) = &mut self.side else {
            self.timer = None;
            return;
        };
        side.speaking = None;
        side.leave_at = None;
        if !side.started {
            side.flow = None;
        }
        if side.flow.is_none() {
            self.timer = None;
            return;
        }
        if !self.draft.is_winding_up() {
            self.draft.winding_up();
            self.timer = Some(now + core.config.wind_up);
            self.drive(now, core, Input::HungUp);
        }
    }

    /// The flow had its time.
    pub(super) fn abandon_flow(&mut self, _now: Instant, _core: &mut Core) {
        if let Side::Flow(side) = &mut self.side {
            side.flow = None;
        }
    }

    pub(super) fn drive_timer(&mut self, now: Instant, core: &mut Core) {
        let due = match &self.side {
            Side::Flow(side) => side.flow.as_ref().and_then(|flow| flow.deadline()),
            Side::Leg(_) | Side::Bridged(_) => None,
        };
        if due.is_some_and(|at| at <= now) {
            self.drive(now, core, Input::Timer);
        }
    }

    /// Hands the flow one input and does all that it wants.
    pub(super) fn drive(&mut self, now: Instant, core: &mut Core, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let Side::Flow(side) = &mut self.side else {
                return;
            };
            let Some(flow) = side.flow.as_mut().filter(|_| side.started) else {
                return;
            };
            flow.handle(now, input);
            while let Some(output) = self.next_output() {
                self.obey(now, core, output, &mut inputs);
            }
        }
    }

    fn next_output(&mut self) -> Option<Output> {
        match &mut self.side {
            Side::Flow(side) => side.flow.as_mut()?.poll(),
            Side::Leg(_) | Side::Bridged(_) => None,
        }
    }

    fn obey(&mut self, now: Instant, core: &mut Core, output: Output, inputs: &mut VecDeque<Input>) {
        match output {
            Output::Say { number, language, phrase, log } => {
                self.say(now, core, number, language, &phrase, log, inputs)
            }
            Output::Hush => {
                if self.stop_speaking() {
                    self.media.shard(core, |stream| ShardCommand::Stop { stream });
                    core.trace(now, Some(&self.call), || TraceKind::Interrupted);
                }
            }
            Output::Ask { number, query } => {
                core.trace(now, Some(&self.call), || TraceKind::Query(query.name()));
                let caller = match &self.side {
                    Side::Flow(side) => side.caller.clone(),
                    Side::Leg(_) | Side::Bridged(_) => String::new(),
                };
                core.push(ControlOutput::Ask { call: self.call.clone(), caller, number, query });
            }
            Output::Secrecy(secret) => {
                if let Side::Flow(side) = &mut self.side {
                    side.secret = secret;
                }
            }
            Output::Step(step) => {
                self.draft.step(&step);
                core.trace(now, Some(&self.call), || TraceKind::Step(step));
            }
            Output::Transfer { to } => core.notice(self.handle, Notice::Transfer { to }),
            // The keys are recorded as they come, so that a hang-up in mid-entry loses none.
            Output::PublicKeys(_) => {}
            Output::HangUp { outcome } => {
                self.draft.outcome(outcome);
                if outcome == "error" {
                    self.draft.diagnose(crate::Diagnosis::FlowFailed);
                }
                self.draft.winding_up();
                self.leave(now, core);
            }
            Output::Ended => {
                if let Side::Flow(side) = &mut self.side {
                    side.flow = None;
                }
                inputs.clear();
                // A flow that ends without a word about the call leaves nothing that could end it.
                if matches!(self.dialog, Dialog::Pending | Dialog::Confirmed) {
                    self.draft.outcome("completed");
                    self.leave(now, core);
                }
            }
        }
    }

    /// The flow is done with the call: it ends as soon as the last words are heard.
    fn leave(&mut self, now: Instant, core: &mut Core) {
        if let Side::Flow(side) = &mut self.side {
            side.leave_at.get_or_insert(now + core.config.linger);
        }
    }

    pub(super) fn leave_if_due(&mut self, now: Instant, core: &mut Core) {
        let Side::Flow(side) = &mut self.side else { return };
        if side.leave_at.is_some_and(|at| at <= now) {
            side.leave_at = None;
            if matches!(self.dialog, Dialog::Pending | Dialog::Confirmed) {
                self.timer = Some(now + core.config.wind_up);
                self.hang_up(now, core, None);
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // the fields of one output
    fn say(
        &mut self,
        now: Instant,
        core: &mut Core,
        number: u32,
        language: String,
        phrase: &Phrase,
        log: String,
        inputs: &mut VecDeque<Input>,
    ) {
        if !self.media.is_live() {
            return;
        }
        if self.stop_speaking() {
            core.trace(now, Some(&self.call), || TraceKind::Interrupted);
        }
        match core.library.render(&language, phrase, self.media.codec()) {
            Ok(mut script) => {
                if let Side::Flow(side) = &mut self.side {
                    side.speaking = Some(number);
                    if !std::mem::replace(&mut side.spoke, true) {
                        let samples = core.config.first_silence.as_millis() as u32 * 8;
                        script.segments.insert(0, Segment::Silence(samples));
                    }
                }
                core.trace(now, Some(&self.call), || TraceKind::Spoken { language, log });
                self.media.shard(core, |stream| ShardCommand::Play { stream, number, script });
            }
            Err(_) => {
                // The linter promised every clip; a call without words is worse than none.
                self.draft.outcome("error");
                self.draft.diagnose(crate::Diagnosis::FlowFailed);
                self.hang_up(now, core, None);
                inputs.clear();
            }
        }
    }

    /// Forgets the phrase being said; false if there is none.
    fn stop_speaking(&mut self) -> bool {
        match &mut self.side {
            Side::Flow(side) => side.speaking.take().is_some(),
            Side::Leg(_) | Side::Bridged(_) => false,
        }
    }
}

pub(super) fn answer_name(answer: &Answer) -> &'static str {
    match answer {
        Answer::Identified(_) => "identified",
        Answer::Questions(_) => "questions",
        Answer::Verdict(passline_identity::Verdict::Passed) => "passed",
        Answer::Verdict(passline_identity::Verdict::Failed) => "failed",
        Answer::Verdict(passline_identity::Verdict::Locked) => "locked",
        Answer::Capabilities(_) => "capabilities",
        Answer::Reset(_) => "reset",
        Answer::Unlock(_) => "unlock",
        Answer::DiskCode(_) => "disk_code",
        Answer::Done => "done",
        Answer::Failed(_) => "fault",
    }
}
