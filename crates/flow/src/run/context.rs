//! What all steps of one call share.
use super::{Asking, Late, Utterance, Voice};
use crate::{CallContext, Output, parser::VarRef, program::Definition};
use passline_identity::{
    Answer, AuditEvent, Capabilities, Fault, Key, MachineId, Query, ResetId, ResetOutcome, Secret,
    SecretDigits, SubjectId, TargetId, TargetResult,
};
use passline_prompt::phrase::{Item, PromptId};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

/// Keys that are kept while nobody can take them; more than anyone types ahead.
const AHEAD: usize = 64;
/// A `#` that comes so soon after an input that was complete without it still belongs to that input.
const TRAILING_END: Duration = Duration::from_secs(3);

/// Value of a flow's variable.
#[derive(Clone, Debug)]
pub(crate) enum Variable {
    /// Keyed digits.
    Digits(SecretDigits),
    /// Systems.
    Targets(Vec<TargetId>),
    /// One computer.
    Computer(MachineId),
    /// What became of a reset, and whether the user must choose a new password at the next sign-in.
    Reset(ResetOutcome, bool),
    /// What became of an unlock.
    Unlock(Vec<TargetResult>),
    /// A disk recovery code.
    Code(Secret),
}

/// What all steps of one call share.
pub(crate) struct Context {
    pub now: Instant,
    pub definition: Arc<Definition>,
    pub call: CallContext,
    /// Language that is spoken.
    pub language: String,
    /// Where the call stands, for audit and trace: `main/menu`.
    pub place: String,
    pub subject: Option<SubjectId>,
    /// When the caller was verified.
    pub verified: Option<Instant>,
    pub capabilities: Capabilities,
    pub variables: BTreeMap<String, Variable>,
    /// The running step's timer.
    pub timer: Option<Instant>,
    pub voice: Voice,
    pub asking: Asking,
    /// Resets that were neither confirmed nor reported as unheard.
    pub open_resets: Vec<ResetId>,
    /// What the caller hears first while the running step's query takes long.
    pub hold: Option<PromptId>,
    pub out: VecDeque<Output>,
    ahead: VecDeque<Key>,
    secret: Option<bool>,
    trailing_end_until: Option<Instant>,
}

impl Context {
    pub fn new(now: Instant, definition: Arc<Definition>, call: CallContext) -> Self {
        let language = definition
            .languages
            .iter()
            .find(|language| call.languages.contains(language))
            .or(definition.languages.first())
            .cloned()
            .unwrap_or_default();
        Self {
            now,
            definition,
            call,
            language,
            place: String::new(),
            subject: None,
            verified: None,
            capabilities: Capabilities::default(),
            variables: BTreeMap::new(),
            timer: None,
            voice: Voice::default(),
            asking: Asking::default(),
            open_resets: Vec::new(),
            hold: None,
            out: VecDeque::new(),
            ahead: VecDeque::new(),
            secret: None,
            trailing_end_until: None,
        }
    }

    /// Says these in place of what is being said.
    pub fn say_all(&mut self, what: Vec<Utterance>) {
        self.voice.say(what, &self.language, &mut self.out);
    }

    /// Says this in place of what is being said.
    pub fn say(&mut self, what: Utterance) {
        self.say_all(vec![what]);
    }

    /// Says these items, stopped by keys.
    pub fn say_items(&mut self, items: Vec<Item>) {
        self.say(Utterance::new(items));
    }

    /// Stops what is being said.
    pub fn hush(&mut self) {
        self.voice.hush(&mut self.out);
    }

    /// Wakes the running step after this time.
    pub fn wake_after(&mut self, delay: Duration) {
        self.timer = Some(self.now + delay);
    }

    /// Asks for the running step.
    pub fn ask(&mut self, query: Query) {
        let number = self.asking.ask(self.now, &query);
        self.out.push_back(Output::Ask { number, query });
    }

    /// Asks, and waits for the answer only before the flow ends.
    pub fn ask_loose(&mut self, query: Query) {
        let number = self.asking.ask_loose(self.now, &query);
        self.out.push_back(Output::Ask { number, query });
    }

    /// Appends to the audit log.
    pub fn audit(&mut self, event: &str, result: &str, detail: Option<String>) {
        self.ask_loose(Query::Audit(AuditEvent {
            call: Some(self.call.call.clone()),
            login: None,
            event: event.to_owned(),
            target: None,
            result: result.to_owned(),
            detail,
        }));
    }

    /// Keys are (not) secret from now on; said only when it changes.
    pub fn secrecy(&mut self, secret: bool) {
        if self.secret != Some(secret) {
            self.secret = Some(secret);
            self.out.push_back(Output::Secrecy(secret));
        }
    }

    /// Keeps a key for the next step that takes keys.
    pub fn keep(&mut self, key: Key) {
        if self.ahead.len() < AHEAD {
            self.ahead.push_back(key);
        }
    }

    /// The next key that was typed ahead.
    pub fn typed_ahead(&mut self) -> Option<Key> {
        self.ahead.pop_front()
    }

    /// True if keys were typed ahead.
    pub fn is_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Forgets what was typed ahead: it was meant for another question.
    pub fn stop_and_clear(&mut self) {
        self.ahead.clear();
    }

    /// An input was complete by its length; a `#` that follows at once is part of it.
    pub fn expect_trailing_end(&mut self) {
        self.trailing_end_until = Some(self.now + TRAILING_END);
    }

    /// True for the `#` that still belongs to the input before.
    pub fn is_trailing_end(&mut self, key: Key) -> bool {
        let until = self.trailing_end_until.take();
        key.expose() == '#' && until.is_some_and(|until| self.now <= until)
    }

    /// The variable that a step names.
    pub fn variable(&self, variable: &VarRef) -> Option<&Variable> {
        self.variables.get(&variable.name)
    }

    /// Time that is left of the session since `auth`.
    pub fn session_is_over(&self) -> bool {
        self.verified.is_none_or(|verified| self.now >= verified + self.definition.limits.session)
    }

    /// Forgets what was keyed and what was generated: the call is over.
    pub fn forget(&mut self) {
        self.variables.clear();
        self.ahead.clear();
    }

    /// Reports every open reset as unheard, without waiting.
    pub fn give_up_resets(&mut self) {
        for reset in std::mem::take(&mut self.open_resets) {
            self.ask_loose(Query::ResetUnheard { reset });
        }
    }

    /// The running step is left with a query on its way, or the caller is gone: nothing half-done is forgotten.
    pub fn let_go(&mut self) {
        if let Some((late, answer)) = self.asking.let_go() {
            self.late(late, answer);
        }
    }

    /// An answer that no step waits for.
    pub fn late(&mut self, late: Late, answer: Answer) {
        match (late, answer) {
            (Late::Reset, Answer::Reset(outcome)) => {
                self.ask_loose(Query::ResetUnheard { reset: outcome.reset });
            }
            (Late::Unheard(reset), answer) => self.unheard_failed(&reset, &answer),
            _ => {}
        }
    }

    /// A query that no step waits for got no answer at all.
    pub fn never_answered(&mut self, late: Late) {
        match late {
            Late::Reset => {
                self.ticket("A password change got no answer; the journal shows what was begun", false)
            }
            Late::Unheard(reset) => self.unheard_ticket(&reset, "no answer"),
            Late::Nothing => {}
        }
    }

    /// Tells those who can act when a password could not be reported as unheard. A query that only ran into its time
    /// limit is watched further and reported when it is given up.
    pub fn unheard_failed(&mut self, reset: &ResetId, answer: &Answer) {
        match answer {
            Answer::Done | Answer::Failed(Fault::Timeout) => {}
            Answer::Failed(fault) => self.unheard_ticket(reset, &fault.to_string()),
            _ => self.unheard_ticket(reset, "an answer that does not fit"),
        }
    }

    fn unheard_ticket(&mut self, reset: &ResetId, why: &str) {
        self.ticket(
            &format!("Password of reset {reset} was not heard and could not be made invalid: {why}"),
            false,
        );
    }

    /// Opens a ticket.
    pub fn ticket(&mut self, summary: &str, resolved: bool) {
        self.ask_loose(Query::Ticket { subject: self.subject, summary: summary.to_owned(), resolved });
    }
}
