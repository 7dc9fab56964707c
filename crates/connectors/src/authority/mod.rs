//! Answers a flow's queries: who calls, is it them, and the change they ask for.
mod draw;
mod identify;
mod join;
mod measure;
mod operate;
mod reset;
mod session;
mod settings;
mod target;
mod unheard;
mod verify;

use crate::Store;
pub use measure::{TARGET_BOUNDS_MS, TargetSeen};
use passline_identity::{
    AccountId, Answer, AuditEvent, CallId, Connector, Directory, Fault, Person, Query, SubjectId, TargetId,
};
use rand_chacha::ChaCha20Rng;
use session::Sessions;
pub use settings::AuthorityConfig;
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use target::Guarded;
use tokio::sync::watch;
use tracing::Instrument;

/// Locks by name: a fixed number of them, two names may share one.
const LANES: usize = 64;

/// Answers every [`Query`]; cheap to clone. Must be used within a tokio runtime.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    config: AuthorityConfig,
    store: Store,
    directory: Arc<dyn Directory>,
    targets: Vec<Guarded>,
    words: BTreeMap<String, Vec<String>>,
    rng: Mutex<ChaCha20Rng>,
    sessions: Mutex<Sessions>,
    /// One proof at a time per user: counting cannot be outrun by calling in parallel.
    proofs: Vec<tokio::sync::Mutex<()>>,
    /// One password change at a time per account.
    accounts: Vec<tokio::sync::Mutex<()>>,
    /// Number of background tasks.
    busy: watch::Sender<usize>,
}

impl Authority {
    /// `words`: per language the 1024 words of generated passwords.
    pub fn new(
        config: AuthorityConfig,
        store: Store,
        directory: Arc<dyn Directory>,
        targets: Vec<Arc<dyn Connector>>,
        words: BTreeMap<String, Vec<String>>,
        rng: ChaCha20Rng,
    ) -> Self {
        let targets = targets.into_iter().map(|target| Guarded::new(target, &config)).collect();
        let lanes = || (0..LANES).map(|_| tokio::sync::Mutex::new(())).collect();
        Self(Arc::new(Inner {
            config,
            store,
            directory,
            targets,
            words,
            rng: Mutex::new(rng),
            sessions: Mutex::new(Sessions::default()),
            proofs: lanes(),
            accounts: lanes(),
            busy: watch::Sender::new(0),
        }))
    }

    /// Answers one query. `caller` is the caller's number; only a keyed hash of it is kept.
    ///
    /// Every query runs in its own task: dropping this future, because the caller hung up, stops no change that has
    /// begun.
    pub async fn ask(&self, call: &CallId, caller: &str, query: Query) -> Answer {
        let (this, call, caller) = (self.clone(), call.clone(), caller.to_owned());
        let busy = self.0.begin();
        let work = async move {
            let answer = this.answer(&call, &caller, query).await;
            drop(busy);
            answer.unwrap_or_else(Answer::Failed)
        };
        // What it logs is logged of the call that asked.
        let task = tokio::spawn(work.in_current_span());
        task.await.unwrap_or_else(|fault| {
            tracing::error!(%fault, "query");
            Answer::Failed(Fault::Internal)
        })
    }

    async fn answer(&self, call: &CallId, caller: &str, query: Query) -> Result<Answer, Fault> {
        let this = &self.0;
        match query {
            Query::Identify { id, by } => this.identify(call, &id, &by).await,
            Query::Questions { subject, ask } => this.questions(call, subject, ask).await,
            Query::Verify { subject, proof, points } => {
                this.verify(call, caller, subject, proof, points).await
            }
            Query::Capabilities { subject } => this.capabilities(call, subject).await,
            Query::Reset { subject, targets, style, language, expires, must_change, needs } => {
                let order = reset::Order { targets, style, language, expires, must_change };
                self.reset(call, subject, needs, order).await
            }
            Query::ResetHeard { reset } => this.heard(call, &reset).await,
            Query::ResetUnheard { reset } => self.unheard(call, &reset).await,
            Query::Unlock { subject, targets, needs } => self.unlock(call, subject, needs, targets).await,
            Query::DiskCode { subject, machine, needs } => {
                this.disk_code(call, subject, needs, &machine).await
            }
            Query::Audit(event) => {
                this.store.record(vec![AuditEvent { call: Some(call.clone()), ..event }]).await?;
                Ok(Answer::Done)
            }
            Query::Ticket { subject, summary, resolved } => {
                let login = subject.and_then(|subject| this.sessions().login(call, subject));
                this.store.ticket(call, login.as_deref(), &summary, resolved).await?;
                Ok(Answer::Done)
            }
        }
    }

    /// To be called once at start, by the one process that takes calls: finishes what a crash left. Passwords that
    /// nobody confirmed are replaced; what cannot be done now is tried again in the background. Returns what was
    /// done, for the log.
    pub async fn recover(&self) -> Vec<AuditEvent> {
        let busy = self.0.begin();
        let done = self.recover_unheard().await;
        drop(busy);
        done.unwrap_or_else(|fault| {
            tracing::error!(%fault, "recovery of the reset journal");
            Vec::new()
        })
    }

    /// The call is over: forgets its subjects; a password that nobody confirmed counts as unheard.
    pub async fn call_ended(&self, call: &CallId) {
        let busy = self.0.begin();
        let open = self.0.sessions().end(call);
        for reset in open {
            if let Err(fault) = self.unheard(call, &reset).await {
                tracing::error!(%fault, call = %call, "an unheard password stays in the journal until the next start");
            }
        }
        drop(busy);
    }

    /// How the targets have done since the start.
    pub fn targets_seen(&self) -> Vec<TargetSeen> {
        self.0.targets.iter().map(Guarded::seen).collect()
    }

    /// Waits until nothing is left to do in the background, at most `limit`; false if something is.
    pub async fn settle(&self, limit: Duration) -> bool {
        let mut busy = self.0.busy.subscribe();
        tokio::time::timeout(limit, busy.wait_for(|tasks| *tasks == 0)).await.is_ok()
    }
}

impl Inner {
    fn begin(self: &Arc<Self>) -> Busy {
        self.busy.send_modify(|tasks| *tasks += 1);
        Busy(self.clone())
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rng(&self) -> MutexGuard<'_, ChaCha20Rng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self, id: &TargetId) -> Option<&Guarded> {
        self.targets.iter().find(|target| target.id() == id)
    }

    fn account_lane(&self, target: &TargetId, account: &AccountId) -> &tokio::sync::Mutex<()> {
        lane(&self.accounts, &(target, account))
    }

    fn proof_lane(&self, name: &str) -> &tokio::sync::Mutex<()> {
        lane(&self.proofs, &name)
    }

    /// The person behind a subject with enough points. A decoy never has any.
    async fn authorise(
        &self,
        call: &CallId,
        subject: SubjectId,
        needs: u8,
        what: &str,
    ) -> Result<Arc<Person>, Fault> {
        let known = self.sessions().person(call, subject, needs);
        if known.is_none() {
            let login = self.sessions().login(call, subject);
            self.store.record(vec![audit(call, login.as_deref(), what, "not_authenticated")]).await?;
        }
        known.ok_or(Fault::NotAuthenticated)
    }
}

fn lane<'a>(lanes: &'a [tokio::sync::Mutex<()>], name: &impl Hash) -> &'a tokio::sync::Mutex<()> {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    &lanes[hasher.finish() as usize % lanes.len()]
}

fn audit(call: &CallId, login: Option<&str>, event: &str, result: &str) -> AuditEvent {
    AuditEvent {
        call: Some(call.clone()),
        login: login.map(str::to_owned),
        event: event.to_owned(),
        target: None,
        result: result.to_owned(),
        detail: None,
    }
}

/// What a fault is called in the audit log.
fn result_name(result: Result<(), Fault>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(Fault::NotFound) => "not_found",
        Err(Fault::Refused) => "refused",
        Err(Fault::Timeout) => "timeout",
        Err(Fault::Unavailable) => "unavailable",
        Err(Fault::NotAuthenticated) => "not_authenticated",
        Err(Fault::Internal) => "internal",
    }
}

/// A task under way, counted until dropped.
struct Busy(Arc<Inner>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.send_modify(|tasks| *tasks -= 1);
    }
}
