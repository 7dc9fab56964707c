//! A store with demo people, an authority over it, and targets that misbehave on demand.
use super::keyed;
use passline_connectors::{
    Authority, AuthorityConfig, Clock, EmbeddedConnector, EmbeddedDirectory, Store, StoreOptions, demo_users,
    seed_demo,
};
use passline_identity::{
    AccountId, AccountStatus, Answer, CallId, Connector, Directory, Fault, IdentifyBy, PasswordStyle, Proof,
    Query, QuestionId, ResetId, ResetOutcome, Secret, SubjectId, TargetId, Task, Verdict,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

pub const BY: [IdentifyBy; 2] = [IdentifyBy::EmployeeId, IdentifyBy::KeypadLogin];

/// How a target takes a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    Refuses,
    Down,
    /// Never answers and does nothing.
    HangsBefore,
    /// Does it and never answers.
    HangsAfter,
    /// Takes this many ms.
    Slow(u64),
}

/// An embedded target in a mood.
pub struct Moody {
    inner: EmbeddedConnector,
    pub mood: Mutex<Mood>,
}

impl Moody {
    async fn around<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => work.await,
            Mood::Refuses => Err(Fault::Refused),
            Mood::Down => Err(Fault::Unavailable),
            Mood::HangsBefore => std::future::pending().await,
            Mood::HangsAfter => {
                work.await?;
                std::future::pending().await
            }
            Mood::Slow(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                work.await
            }
        }
    }
}

impl Connector for Moody {
    fn id(&self) -> &TargetId {
        self.inner.id()
    }
    fn status<'a>(&'a self, account: &'a AccountId) -> Task<'a, AccountStatus> {
        Box::pin(self.around(self.inner.status(account)))
    }
    fn set_password<'a>(
        &'a self,
        account: &'a AccountId,
        password: &'a Secret,
        must_change: bool,
    ) -> Task<'a, ()> {
        Box::pin(self.around(self.inner.set_password(account, password, must_change)))
    }
    fn set_temporary_password<'a>(
        &'a self,
        account: &'a AccountId,
        password: &'a Secret,
        must_change: bool,
        expires: Duration,
    ) -> Task<'a, ()> {
        Box::pin(self.around(self.inner.set_temporary_password(account, password, must_change, expires)))
    }
    fn unlock<'a>(&'a self, account: &'a AccountId) -> Task<'a, ()> {
        Box::pin(self.around(self.inner.unlock(account)))
    }
    fn check_password<'a>(&'a self, account: &'a AccountId, password: &'a Secret) -> Task<'a, bool> {
        self.inner.check_password(account, password)
    }
}

pub struct World {
    pub store: Store,
    pub authority: Authority,
    pub crm: Arc<Moody>,
    /// Seconds by which the clock is ahead.
    ahead: Arc<AtomicI64>,
}

pub fn quick() -> AuthorityConfig {
    AuthorityConfig {
        change_limit_ms: 200,
        status_limit_ms: 200,
        retry_ms: 20,
        breaker_failures: 1000,
        ..AuthorityConfig::default()
    }
}

impl World {
    pub async fn new(folder: &Path) -> Self {
        Self::with(folder, quick(), None).await
    }

    pub async fn with(folder: &Path, config: AuthorityConfig, directory: Option<Arc<dyn Directory>>) -> Self {
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = {
            let ahead = ahead.clone();
            Clock::new(move || {
                jiff::Timestamp::now() + Duration::from_secs(ahead.load(Ordering::Relaxed) as u64)
            })
        };
        let options = StoreOptions { clock, ..super::options() };
        let store = Store::open_with(&folder.join("store.db"), options).unwrap();
        seed_demo(&store).await.unwrap();
        let crm = EmbeddedConnector::new(store.clone(), "crm".into());
        let crm = Arc::new(Moody { inner: crm, mood: Mutex::new(Mood::Well) });
        let targets: Vec<Arc<dyn Connector>> =
            vec![Arc::new(EmbeddedConnector::new(store.clone(), "directory".into())), crm.clone()];
        let words =
            BTreeMap::from([("en".to_owned(), ["maple", "tango", "rivet"].map(str::to_owned).to_vec())]);
        let directory = directory.unwrap_or_else(|| Arc::new(EmbeddedDirectory::new(store.clone())));
        // As after a real start: never the sequence of the process before.
        static STARTS: AtomicI64 = AtomicI64::new(7);
        let rng = ChaCha20Rng::seed_from_u64(STARTS.fetch_add(1, Ordering::Relaxed) as u64);
        let authority = Authority::new(config, store.clone(), directory, targets, words, rng);
        Self { store, authority, crm, ahead }
    }

    pub fn wait(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    pub fn mood(&self, mood: Mood) {
        *self.crm.mood.lock().unwrap() = mood;
    }

    pub async fn ask(&self, call: &str, query: Query) -> Answer {
        self.authority.ask(&CallId::from(call), "+4930123456", query).await
    }

    pub async fn identify(&self, call: &str, id: &str) -> SubjectId {
        match self.ask(call, Query::Identify { id: keyed(id), by: BY.to_vec() }).await {
            Answer::Identified(subject) => subject.id,
            other => panic!("{other:?}"),
        }
    }

    pub async fn questions(&self, call: &str, subject: SubjectId) -> Vec<QuestionId> {
        match self.ask(call, Query::Questions { subject, ask: 2 }).await {
            Answer::Questions(questions) => questions,
            other => panic!("{other:?}"),
        }
    }

    pub async fn pin(&self, call: &str, subject: SubjectId, pin: &str) -> Verdict {
        self.verify(call, subject, Proof::Pin(keyed(pin))).await
    }

    pub async fn verify(&self, call: &str, subject: SubjectId, proof: Proof) -> Verdict {
        match self.ask(call, Query::Verify { subject, proof, points: 1 }).await {
            Answer::Verdict(verdict) => verdict,
            other => panic!("{other:?}"),
        }
    }

    /// The right (or wrong) answers of a demo person to the questions asked.
    pub fn answers(login: &str, questions: &[QuestionId], right: bool) -> Proof {
        let user = demo_users().iter().find(|user| user.login == login).unwrap();
        let answer = |question: &QuestionId| {
            let (_, answer) = user.answers.iter().find(|(id, _)| *id == question.0).unwrap();
            keyed(if right { answer } else { "9999" })
        };
        Proof::Answers(questions.iter().map(|question| (question.clone(), answer(question))).collect())
    }

    /// A verified demo person.
    pub async fn verified(&self, call: &str, login: &str) -> SubjectId {
        let user = demo_users().iter().find(|user| user.login == login).unwrap();
        let subject = self.identify(call, user.employee_id).await;
        assert_eq!(self.pin(call, subject, user.pin).await, Verdict::Passed);
        let questions = self.questions(call, subject).await;
        assert_eq!(self.verify(call, subject, Self::answers(login, &questions, true)).await, Verdict::Passed);
        subject
    }

    pub fn reset_query(subject: SubjectId, targets: &[&str]) -> Query {
        Query::Reset {
            subject,
            targets: targets.iter().map(|target| TargetId::from(*target)).collect(),
            style: PasswordStyle::Words,
            language: "en".into(),
            expires: Duration::from_secs(1800),
            must_change: true,
            needs: 2,
        }
    }

    pub async fn reset(&self, call: &str, subject: SubjectId, targets: &[&str]) -> ResetOutcome {
        match self.ask(call, Self::reset_query(subject, targets)).await {
            Answer::Reset(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    pub async fn heard(&self, call: &str, reset: &ResetId) -> Answer {
        self.ask(call, Query::ResetHeard { reset: reset.clone() }).await
    }

    pub async fn binds(&self, login: &str, target: &str, password: &str) -> bool {
        let target = TargetId::from(target);
        let right = self.store.check_password(login, &target, &Secret::new(password)).await.unwrap();
        if !right {
            // The check itself must not lock the account for the next one.
            self.store.unlock(login, Some(&target)).await.unwrap();
        }
        right
    }

    pub async fn settled(&self) {
        assert!(self.authority.settle(Duration::from_secs(20)).await);
    }

    /// State of the newest journal entry, and of its targets.
    pub async fn journal(&self) -> (String, Vec<(String, String)>) {
        let line = self.store.resets(1).await.unwrap().pop().unwrap();
        (line.state, line.targets.into_iter().map(|(target, state)| (target.0, state)).collect())
    }
}
