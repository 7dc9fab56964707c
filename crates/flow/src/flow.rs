//! One running flow.
use crate::{
    CallContext, FlowId, Input, Output, Program,
    graph::NodeId,
    lint::family,
    program::Definition,
    run::{Arrived, Context, Event, Next, Running, Settle, Utterance},
};
use passline_identity::{Answer, Fault, Key};
use passline_prompt::phrase::{Item, PromptId};
use rand_chacha::ChaCha20Rng;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Steps in a row without waiting for anything; more means that the flow runs in a circle.
const MOST_STEPS: u32 = 500;
/// After a limit or a fault the last words must end within this.
const LAST_WORDS: Duration = Duration::from_secs(45);

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Not started.
    Fresh,
    /// In its steps.
    Running,
    /// In a handler that ends the call; no second one is entered.
    Ending,
    /// The call is over; answers are outstanding.
    Winding,
    /// Nothing is left.
    Ended,
}

/// One call's way through its flow: a machine without clock, sockets or threads.
///
/// After each [`Flow::handle`], drain [`Flow::poll`] and re-read [`Flow::deadline`]. Outputs depend on nothing but the
/// inputs and their times. A flow whose call is over goes on until [`Output::Ended`], so that a password change which
/// nobody heard is always reported.
pub struct Flow {
    cx: Option<Context>,
    start: Option<(Arc<Definition>, CallContext)>,
    mode: Mode,
    node: Option<NodeId>,
    running: Option<Box<dyn Running>>,
    call_limit: Option<Instant>,
    last_words: Option<Instant>,
    /// "One moment" is being said.
    holding: bool,
    held_before: bool,
}

impl Flow {
    /// A flow that waits for [`Input::Start`]. `_rng` is for steps that draw, such as challenges; none of them exists
    /// yet (passwords, questions and ids are drawn by the store).
    pub fn new(program: Arc<Program>, flow: FlowId, context: CallContext, _rng: ChaCha20Rng) -> Self {
        Self {
            cx: None,
            start: program.definition(flow).map(|definition| (definition, context)),
            mode: Mode::Fresh,
            node: None,
            running: None,
            call_limit: None,
            last_words: None,
            holding: false,
            held_before: false,
        }
    }

    /// Takes one input. Whatever was due before `now` happens first.
    pub fn handle(&mut self, now: Instant, input: Input) {
        if self.mode == Mode::Fresh {
            return self.begin(now, &input);
        }
        let Some(cx) = &mut self.cx else { return };
        cx.now = cx.now.max(now);
        self.fire_due();
        match input {
            Input::Start | Input::Timer => {}
            Input::Key(key) => self.key(key),
            Input::Said(number) => self.said(number),
            Input::Answer(number, answer) => self.answer(number, answer),
            Input::Transferred(done) => self.transferred(done),
            Input::HungUp => self.hung_up(),
        }
        self.finish();
    }

    /// Next output.
    pub fn poll(&mut self) -> Option<Output> {
        let out = &mut self.cx.as_mut()?.out;
        let next = out.pop_front();
        if out.is_empty() {
            // Outputs are rare and large: calls that wait keep no room for them.
            out.shrink_to_fit();
        }
        next
    }

    /// When [`Input::Timer`] must come, if nothing comes before.
    pub fn deadline(&self) -> Option<Instant> {
        let cx = self.cx.as_ref()?;
        match self.mode {
            Mode::Fresh | Mode::Ended => None,
            Mode::Winding => cx.asking.deadline(),
            Mode::Running | Mode::Ending => {
                let limit = if self.mode == Mode::Running { self.call_limit } else { self.last_words };
                [cx.timer, cx.asking.deadline(), limit].into_iter().flatten().min()
            }
        }
    }

    fn begin(&mut self, now: Instant, input: &Input) {
        let Some((definition, call)) = self.start.take() else { return };
        match input {
            Input::Start => {}
            // The caller left before the call began.
            Input::HungUp => {
                let mut cx = Context::new(now, definition, call);
                cx.out.push_back(Output::Ended);
                self.cx = Some(cx);
                self.mode = Mode::Ended;
                return;
            }
            _ => {
                self.start = Some((definition, call));
                return;
            }
        }
        self.call_limit = Some(now + definition.limits.call);
        self.mode = Mode::Running;
        let first = definition.first;
        let mut cx = Context::new(now, definition, call);
        // What is keyed is secret unless a step says otherwise.
        cx.secrecy(true);
        self.cx = Some(cx);
        self.advance(first.map_or(Next::Fail(Fault::Internal), Next::Exit));
        self.finish();
    }

    /// Everything that was due, one after another.
    fn fire_due(&mut self) {
        for _ in 0..MOST_STEPS {
            let (Some(at), Some(cx)) = (self.deadline(), &mut self.cx) else { return };
            if at > cx.now {
                return;
            }
            if let Some(late) = cx.asking.expired_loose(cx.now) {
                cx.never_answered(late);
                continue;
            }
            match self.mode {
                Mode::Fresh | Mode::Ended | Mode::Winding => return,
                Mode::Running if self.call_limit.is_some_and(|limit| limit <= cx.now) => {
                    let handler = cx.definition.handlers.call_limit;
                    self.end_by(handler, "call_limit");
                    continue;
                }
                Mode::Ending if self.last_words.is_some_and(|limit| limit <= cx.now) => {
                    self.advance(Next::HangUp("error"));
                    continue;
                }
                Mode::Running | Mode::Ending => {}
            }
            if let Some(answer) = cx.asking.expired(cx.now) {
                self.deliver(answer);
            } else if cx.asking.hold_due(cx.now) {
                self.hold();
            } else if cx.timer.is_some_and(|timer| timer <= cx.now) {
                cx.timer = None;
                self.event(Event::Timer);
            }
        }
    }

    fn hold(&mut self) {
        let Some(cx) = &mut self.cx else { return };
        let first = cx.hold.clone().unwrap_or_else(|| PromptId("one_moment".to_owned()));
        let prompt = if self.held_before { PromptId("still_working".to_owned()) } else { first };
        (self.holding, self.held_before) = (true, true);
        cx.say(Utterance::new(vec![Item::Prompt(prompt)]).firm());
    }

    fn key(&mut self, key: Key) {
        let Some(cx) = &mut self.cx else { return };
        if !matches!(self.mode, Mode::Running | Mode::Ending) {
            return;
        }
        if cx.is_trailing_end(key) {
            return;
        }
        if cx.asking.waiting() {
            cx.keep(key);
        } else if !cx.voice.firm() {
            if let Some(to) = self.global_key(key) {
                if let Some(cx) = &mut self.cx {
                    cx.hush();
                    cx.stop_and_clear();
                }
                return self.advance(Next::Exit(to));
            }
            self.event(Event::Key(key));
        }
    }

    fn global_key(&self, key: Key) -> Option<NodeId> {
        let cx = self.cx.as_ref().filter(|_| self.mode == Mode::Running)?;
        let kind = family(cx.definition.graph.get(self.node?)?.step.kind());
        let global = &cx.definition.handlers.keys;
        let found = global
            .iter()
            .find(|global| global.key == key.expose() && global.kinds.iter().any(|of| of == kind));
        found.map(|global| global.to)
    }

    fn said(&mut self, number: u32) {
        let Some(cx) = &mut self.cx else { return };
        if !matches!(self.mode, Mode::Running | Mode::Ending) {
            return;
        }
        let language = cx.language.clone();
        if !cx.voice.said(number, &language, &mut cx.out) {
            return;
        }
        if self.holding {
            self.holding = false;
            if let Some(answer) = cx.asking.held(cx.now) {
                self.deliver(answer);
            }
        } else {
            self.event(Event::Spoken);
        }
    }

    fn answer(&mut self, number: u32, answer: Answer) {
        let Some(cx) = &mut self.cx else { return };
        match cx.asking.answered(cx.now, number, answer, self.holding) {
            Arrived::Step(answer) => self.deliver(answer),
            Arrived::Late(late, answer) => cx.late(late, answer),
            Arrived::Stashed | Arrived::Unknown => {}
        }
    }

    /// An answer for the running step.
    fn deliver(&mut self, answer: Answer) {
        self.holding = false;
        self.held_before = false;
        if let Some(cx) = &mut self.cx {
            cx.hold = None;
            cx.voice.hush(&mut cx.out);
        }
        self.event(Event::Answer(answer));
    }

    fn event(&mut self, event: Event) {
        let (Some(cx), Some(running)) = (&mut self.cx, &mut self.running) else { return };
        let next = running.event(cx, event);
        self.advance(next);
    }

    /// The caller was handed over, or could not be.
    fn transferred(&mut self, done: bool) {
        if !matches!(self.mode, Mode::Running | Mode::Ending) {
            return;
        }
        let (Some(cx), Some(running)) = (&mut self.cx, &mut self.running) else { return };
        let next = running.transferred(cx, done);
        self.advance(next);
    }

    /// Goes from step to step until one waits.
    fn advance(&mut self, next: Next) {
        let mut next = next;
        for _ in 0..MOST_STEPS {
            let Some(cx) = &mut self.cx else { return };
            let graph_next = |node: Option<NodeId>| node.and_then(|node| cx.definition.graph.after(node));
            let node = match next {
                Next::Stay => return,
                Next::HangUp(outcome) => return self.hang_up(outcome),
                Next::Exit(node) => Some(node),
                Next::Done => graph_next(self.node),
                Next::Fail(fault) => {
                    cx.audit("fault", fault.name(), Some(format!("at {}", cx.place)));
                    let handler = cx.definition.handlers.error;
                    return self.end_by(handler, "error");
                }
                Next::SessionOver => {
                    let handler = cx.definition.handlers.session_over;
                    return self.end_by(handler, "session_over");
                }
            };
            let Some(node) = node else { return self.hang_up("completed") };
            next = self.enter(node);
        }
        self.advance_failed();
    }

    fn advance_failed(&mut self) {
        let Some(cx) = &mut self.cx else { return };
        cx.audit("fault", "internal", Some("the flow runs in a circle".to_owned()));
        self.hang_up("error");
    }

    fn enter(&mut self, node: NodeId) -> Next {
        let Some(cx) = &mut self.cx else { return Next::Stay };
        let definition = Arc::clone(&cx.definition);
        let Some(placed) = definition.graph.get(node) else { return Next::Fail(Fault::Internal) };
        self.node = Some(node);
        cx.timer = None;
        cx.let_go();
        self.holding = false;
        let kind = placed.step.kind();
        if kind != "goto" {
            cx.place = format!("{}/{kind}", placed.section);
            cx.out.push_back(Output::Step(cx.place.clone()));
            cx.secrecy(!placed.step.public());
        }
        let mut running = placed.step.begin();
        let next = running.start(cx);
        self.running = Some(running);
        next
    }

    /// Leaves the running step for a handler that ends the call; what was half done is settled first.
    fn end_by(&mut self, handler: Option<NodeId>, outcome: &'static str) {
        let Some(cx) = &mut self.cx else { return };
        let Some(handler) = handler.filter(|_| self.mode == Mode::Running) else {
            return self.hang_up(outcome);
        };
        self.mode = Mode::Ending;
        self.last_words = Some(cx.now + LAST_WORDS);
        cx.timer = None;
        cx.let_go();
        cx.stop_and_clear();
        cx.voice.hush(&mut cx.out);
        self.holding = false;
        if cx.open_resets.is_empty() {
            return self.advance(Next::Exit(handler));
        }
        let mut settle = Settle::before(handler);
        let next = settle.start(cx);
        self.running = Some(Box::new(settle));
        self.advance(next);
    }

    /// Ends the call from our side.
    fn hang_up(&mut self, outcome: &'static str) {
        let Some(cx) = &mut self.cx else { return };
        if !matches!(self.mode, Mode::Running | Mode::Ending) {
            return;
        }
        let place = cx.place.clone();
        self.wind_up();
        let Some(cx) = &mut self.cx else { return };
        cx.audit("call_ended", outcome, Some(format!("at {place}")));
        cx.out.push_back(Output::HangUp { outcome });
    }

    /// The caller left.
    fn hung_up(&mut self) {
        if !matches!(self.mode, Mode::Running | Mode::Ending) {
            return;
        }
        self.wind_up();
        // The handler takes notes: its steps are done as soon as they are entered.
        let Some(cx) = &mut self.cx else { return };
        let definition = Arc::clone(&cx.definition);
        let mut node = definition.handlers.hangup;
        for _ in 0..MOST_STEPS {
            let Some(placed) = node.and_then(|node| definition.graph.get(node)) else { return };
            placed.step.begin().start(cx);
            node = node.and_then(|node| definition.graph.after(node));
        }
    }

    fn wind_up(&mut self) {
        let Some(cx) = &mut self.cx else { return };
        self.mode = Mode::Winding;
        self.running = None;
        self.holding = false;
        cx.timer = None;
        cx.voice.fall_silent();
        cx.let_go();
        cx.give_up_resets();
        cx.forget();
    }

    /// Says so when nothing is left.
    fn finish(&mut self) {
        let Some(cx) = &mut self.cx else { return };
        if self.mode == Mode::Winding && !cx.asking.outstanding() {
            self.mode = Mode::Ended;
            cx.out.push_back(Output::Ended);
        }
    }
}
