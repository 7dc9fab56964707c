//! A world without sockets: virtual time, one caller, one identity side that does what the test says.
use crate::shipped::{Tables, program};
use passline_flow::{CallContext, Flow, Input, Output, Program, PromptCheck};
use passline_identity::{
    Answer, Capabilities, Fault, Key, MachineId, Proof, Query, ResetId, ResetOutcome, Secret, Subject,
    SubjectId, Target, TargetId, TargetResult, Verdict,
};
use passline_prompt::phrase::{Item, Phrase};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// ID, PIN and answers of the one person whom the world knows.
pub const ID: &str = "40711";
pub const PIN: &str = "246810";
pub const ANSWER: &str = "1975";
pub const PASSWORD: &str = "Tango-48-Maple-Rivet";
pub const CODE: &str = "123456-234567-345678";

#[allow(clippy::disallowed_methods)] // a test's epoch
fn epoch() -> Instant {
    Instant::now()
}

/// How the identity side behaves.
#[derive(Clone, Debug)]
pub struct World {
    pub targets: Vec<(&'static str, Option<bool>)>,
    pub machines: Vec<&'static str>,
    pub password: &'static str,
    /// Results of operations per target; `Ok` where nothing is said.
    pub results: BTreeMap<&'static str, Fault>,
    /// Queries, by name, that fail.
    pub failing: BTreeMap<&'static str, Fault>,
    /// How long a query takes, by name; 20 ms where nothing is said. `None`: no answer ever.
    pub delays: BTreeMap<&'static str, Option<Duration>>,
    pub locked: bool,
}

impl Default for World {
    fn default() -> Self {
        Self {
            targets: vec![("directory", Some(false)), ("crm", Some(true))],
            machines: vec!["nb-0048"],
            password: PASSWORD,
            results: BTreeMap::new(),
            failing: BTreeMap::new(),
            delays: BTreeMap::new(),
            locked: false,
        }
    }
}

/// Name of a query, for tables in tests.
pub fn name(query: &Query) -> &'static str {
    match query {
        Query::Identify { .. } => "identify",
        Query::Questions { .. } => "questions",
        Query::Verify { .. } => "verify",
        Query::Capabilities { .. } => "capabilities",
        Query::Reset { .. } => "reset",
        Query::ResetHeard { .. } => "heard",
        Query::ResetUnheard { .. } => "unheard",
        Query::Unlock { .. } => "unlock",
        Query::DiskCode { .. } => "disk_code",
        Query::Audit(_) => "audit",
        Query::Ticket { .. } => "ticket",
    }
}

impl World {
    fn answer(&self, query: &Query) -> Answer {
        if let Some(fault) = self.failing.get(name(query)) {
            return Answer::Failed(*fault);
        }
        let known = SubjectId(1);
        let results = |targets: &[TargetId]| -> Vec<TargetResult> {
            let result = |target: &TargetId| match self.results.get(target.0.as_str()) {
                Some(fault) => Err(*fault),
                None => Ok(()),
            };
            targets
                .iter()
                .map(|target| TargetResult { target: target.clone(), result: result(target) })
                .collect()
        };
        match query {
            Query::Identify { id, .. } => {
                let id = if id.expose() == ID { known } else { SubjectId(2) };
                Answer::Identified(Subject { id })
            }
            Query::Questions { ask, .. } => {
                Answer::Questions(Tables::shipped().questions().into_iter().take(usize::from(*ask)).collect())
            }
            Query::Verify { subject, proof, .. } => {
                let right = match proof {
                    Proof::Pin(pin) => pin.expose() == PIN,
                    Proof::Answers(answers) => answers.iter().all(|(_, answer)| answer.expose() == ANSWER),
                };
                Answer::Verdict(match (self.locked, right && *subject == known) {
                    (true, _) => Verdict::Locked,
                    (false, true) => Verdict::Passed,
                    (false, false) => Verdict::Failed,
                })
            }
            Query::Capabilities { .. } => Answer::Capabilities(Capabilities {
                targets: self
                    .targets
                    .iter()
                    .map(|(id, locked)| Target { id: (*id).into(), locked: *locked })
                    .collect(),
                machines: self.machines.iter().map(|id| MachineId::from(*id)).collect(),
            }),
            Query::Reset { targets, .. } => {
                let results = results(targets);
                let applied = results.iter().any(|result| result.result.is_ok());
                Answer::Reset(ResetOutcome {
                    reset: ResetId("r".to_owned()),
                    password: applied.then(|| Secret::new(self.password)),
                    results,
                    valid_until: (14, 30),
                })
            }
            Query::Unlock { targets, .. } => Answer::Unlock(results(targets)),
            Query::DiskCode { .. } => Answer::DiskCode(Secret::new(CODE)),
            _ => Answer::Done,
        }
    }
}

/// One call in virtual time.
pub struct Call {
    pub flow: Flow,
    pub world: World,
    pub now: Instant,
    start: Instant,
    /// Answers on their way.
    due: Vec<(Instant, u32, Answer)>,
    speaking: Option<(u32, Instant)>,
    /// Everything that happened, one line each: `say en:welcome`, `hush`, `ask reset`, `secret`, `public`,
    /// `step main/menu`, `hangup completed`, `ended`.
    pub log: Vec<String>,
    /// The same with the time in ms.
    pub times: Vec<u64>,
    pub phrases: Vec<Phrase>,
    pub queries: Vec<Query>,
    pub public_keys: Vec<String>,
    language_key: &'static str,
    heard_up_to: usize,
    outputs: usize,
    /// Hang up when this many outputs were seen.
    pub hang_up_after: Option<usize>,
    hung_up: bool,
}

impl Call {
    /// A call in which this key answers the question for a language.
    pub fn in_language(language: &'static str, world: World) -> Self {
        let mut call = Self::to("5000", world);
        call.language_key = if language == "de" { "2" } else { "1" };
        call
    }

    pub fn to(number: &str, world: World) -> Self {
        Self::of(program(), number, world)
    }

    pub fn of(program: Arc<Program>, number: &str, world: World) -> Self {
        let context = CallContext {
            call: "c1".into(),
            dialled: number.to_owned(),
            languages: vec!["en".to_owned(), "de".to_owned()],
        };
        let entry = program.entry(number).expect("a number that is answered");
        let flow = Flow::new(program, entry, context, ChaCha20Rng::seed_from_u64(1));
        let now = epoch();
        let mut call = Self {
            flow,
            world,
            now,
            start: now,
            due: Vec::new(),
            speaking: None,
            log: Vec::new(),
            times: Vec::new(),
            phrases: Vec::new(),
            queries: Vec::new(),
            public_keys: Vec::new(),
            language_key: "1",
            heard_up_to: 0,
            outputs: 0,
            hang_up_after: None,
            hung_up: false,
        };
        call.input(Input::Start);
        call
    }

    pub fn ended(&self) -> bool {
        self.log.last().is_some_and(|line| line == "ended")
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    fn input(&mut self, input: Input) {
        self.flow.handle(self.now, input);
        while let Some(output) = self.flow.poll() {
            assert!(!self.ended(), "an output after the end: {output:?}");
            self.output(output);
        }
        if self.hang_up_after.is_some_and(|count| self.outputs >= count) && !self.hung_up {
            self.hang_up();
        }
    }

    fn line(&mut self, line: String) {
        self.log.push(line);
        self.times.push(self.elapsed().as_millis() as u64);
    }

    fn output(&mut self, output: Output) {
        self.outputs += 1;
        let over = self.log.iter().any(|line| line.starts_with("hangup")) || self.hung_up;
        match output {
            Output::Say { number, language, phrase, log } => {
                assert!(!over, "{log} is said to nobody");
                assert!(!phrase.items.is_empty());
                for item in &phrase.items {
                    if let Item::Prompt(id) = item {
                        assert!(Tables::shipped().has(&language, id), "{} has no sentence", id.0);
                    }
                }
                let length = phrase.items.iter().map(|item| match item {
                    Item::Pause(ms) => u64::from(*ms),
                    Item::Spelled(secret) => 1500 * secret.expose().len() as u64,
                    _ => 1000,
                });
                self.speaking = Some((number, self.now + Duration::from_millis(length.sum())));
                self.phrases.push(phrase);
                self.line(format!("say {language}:{log}"));
            }
            Output::Hush => {
                // What ends at the very instant may be hushed too.
                self.speaking = None;
                self.line("hush".to_owned());
            }
            Output::Ask { number, query } => {
                self.line(format!("ask {}", name(&query)));
                let delay =
                    self.world.delays.get(name(&query)).copied().unwrap_or(Some(Duration::from_millis(20)));
                if let Some(delay) = delay {
                    self.due.push((self.now + delay, number, self.world.answer(&query)));
                }
                self.queries.push(query);
            }
            Output::Secrecy(secret) => self.line(if secret { "secret" } else { "public" }.to_owned()),
            Output::Step(step) => self.line(format!("step {step}")),
            Output::PublicKeys(keys) => self.public_keys.push(keys),
            Output::HangUp { outcome } => {
                assert!(!over, "hangs up twice");
                self.speaking = None;
                self.line(format!("hangup {outcome}"));
            }
            Output::Transfer { to } => self.line(format!("transfer {to}")),
            Output::Ended => self.line("ended".to_owned()),
        }
    }

    /// The next thing that happens by itself; false if nothing will.
    pub fn happen(&mut self) -> bool {
        self.happen_before(None)
    }

    fn happen_before(&mut self, limit: Option<Instant>) -> bool {
        let said = self.speaking.map(|(_, at)| at);
        let answer = self.due.iter().map(|(at, _, _)| *at).min();
        let Some(at) = [said, answer, self.flow.deadline()].into_iter().flatten().min() else { return false };
        if limit.is_some_and(|limit| at > limit) {
            return false;
        }
        self.now = self.now.max(at);
        if answer == Some(at) {
            let index = self.due.iter().position(|(due, _, _)| *due == at).unwrap_or(0);
            let (_, number, answer) = self.due.remove(index);
            self.input(Input::Answer(number, answer));
        } else if let Some((number, _)) = self.speaking.filter(|(_, due)| *due == at) {
            self.speaking = None;
            self.input(Input::Said(number));
        } else {
            self.input(Input::Timer);
        }
        true
    }

    /// Waits.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.happen_before(Some(until)) {}
        self.now = self.now.max(until);
    }

    /// Runs until nothing happens any more.
    pub fn run_out(&mut self) {
        let mut events = 0;
        while self.happen() {
            events += 1;
            assert!(events < 50_000, "the call never ends: {:?}", &self.log[self.log.len() - 10..]);
        }
    }

    /// Waits until this prompt is begun, not counting what was waited for before. Panics if it never is.
    #[track_caller]
    pub fn hear(&mut self, prompt: &str) {
        assert!(self.try_hear(prompt), "never heard `{prompt}`; log:\n{}", self.log.join("\n"));
    }

    pub fn try_hear(&mut self, prompt: &str) -> bool {
        let spoken =
            |line: &str| line.starts_with("say ") && line[4..].split([' ', ':']).any(|word| word == prompt);
        loop {
            if let Some(at) = self.log[self.heard_up_to..].iter().position(|line| spoken(line)) {
                self.heard_up_to += at + 1;
                return true;
            }
            if self.elapsed() > Duration::from_secs(3600) || !self.happen() {
                return false;
            }
        }
    }

    /// Waits until nothing is being said.
    pub fn listen(&mut self) {
        while self.speaking.is_some() && self.happen() {}
    }

    /// Presses keys, 150 ms apart.
    pub fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.wait(Duration::from_millis(150));
            self.input(Input::Key(Key::new(key).expect("a key")));
        }
    }

    pub fn hang_up(&mut self) {
        self.hung_up = true;
        self.speaking = None;
        self.input(Input::HungUp);
    }

    pub fn asked(&self, query: &str) -> usize {
        self.queries.iter().filter(|asked| name(asked) == query).count()
    }

    pub fn outcome(&self) -> Option<&str> {
        self.log.iter().find_map(|line| line.strip_prefix("hangup "))
    }

    /// What was said, without steps and queries.
    pub fn said(&self) -> Vec<&str> {
        self.log.iter().filter_map(|line| line.strip_prefix("say ")).collect()
    }

    pub fn audits<'a>(&'a self) -> Vec<(&'a str, &'a str)> {
        let audit = |query: &'a Query| match query {
            Query::Audit(event) => Some((event.event.as_str(), event.result.as_str())),
            _ => None,
        };
        self.queries.iter().filter_map(audit).collect()
    }

    pub fn tickets<'a>(&'a self) -> Vec<(&'a str, bool)> {
        let ticket = |query: &'a Query| match query {
            Query::Ticket { summary, resolved, .. } => Some((summary.as_str(), *resolved)),
            _ => None,
        };
        self.queries.iter().filter_map(ticket).collect()
    }

    /// Language, ID, PIN and answers, to the main menu.
    pub fn verify(&mut self) {
        self.identify(ID);
        self.prove(PIN, ANSWER);
        self.hear("what_do_you_need");
    }

    pub fn identify(&mut self, id: &str) {
        self.hear("language_menu");
        self.press(self.language_key);
        self.hear("key_your_id");
        self.press(&format!("{id}#"));
    }

    pub fn prove(&mut self, pin: &str, answer: &str) {
        self.hear("enter_your_pin");
        self.press(&format!("{pin}#"));
        for question in ["question_birth_year", "question_house_number"] {
            self.hear(question);
            self.press(answer);
        }
    }

    /// From the main menu to a password on all systems, ready to be dictated.
    pub fn order_password(&mut self) {
        self.press("1");
        self.hear("choose_systems");
        self.press("9");
        self.hear("password_intro");
        self.hear("press_1_when_ready");
    }

    /// A whole call in which everything goes well.
    pub fn go_well(&mut self) {
        self.verify();
        self.order_password();
        self.press("1");
        self.hear("again_or_done");
        self.press("#");
        self.hear("key_two_digits");
        self.press("48");
        self.hear("digits_right");
        self.hear("reset_another");
        self.press("2");
        self.hear("goodbye");
        self.run_out();
    }
}
