//! The SQLite store: people and their proofs, embedded accounts, failures, the reset journal, audit, tickets, calls.
//!
//! One thread owns the one connection; others send it work and await the result. Every change is whole or not at all, and
//! is on the disk (WAL, `synchronous=FULL`) before its result is told. Other processes may open the same file.
mod account;
mod calls;
mod failure;
mod journal;
mod key;
mod log;
mod people;
mod proof;
mod schema;
mod worker;

use crate::{HashCost, hash::Hasher};
use key::Keys;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use std::{
    fs,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;
use worker::{Job, TakenBack};

pub use account::AccountInfo;
pub(crate) use failure::{Attempt, Limits, user as user_name};
pub use journal::ResetLine;
pub(crate) use journal::{Head, OpenTarget, TargetState};
pub use log::{AuditLine, TicketLine, mask_number};
pub use people::{NewUser, UserInfo};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// From SQLite.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// Reading or writing a file.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, #[source] std::io::Error),
    /// No such user, account, machine.
    #[error("no {0}")]
    NotFound(String),
    /// What was given cannot be kept.
    #[error("{0}")]
    Invalid(String),
    /// The database and its key file do not belong together, or were made by a newer version.
    #[error("{0}")]
    Unusable(String),
    /// Changes that were made together could not be kept.
    #[error("database: {0}")]
    Together(String),
    /// The store's thread is gone.
    #[error("the store is closed")]
    Closed,
}

impl From<StoreError> for passline_identity::Fault {
    /// A missing row is the caller's business; everything else is ours and goes to the log.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotFound,
            other => {
                tracing::error!(error = %other, "store");
                Self::Internal
            }
        }
    }
}

/// The wall clock, or one that tests move.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>);

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(jiff::Timestamp::now))
    }
}

impl Clock {
    /// A clock of one's own.
    pub fn new(now: impl Fn() -> jiff::Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now.
    pub fn now(&self) -> jiff::Timestamp {
        (self.0)()
    }
}

/// How a store is opened.
#[derive(Clone, Default)]
pub struct StoreOptions {
    /// Cost of new hashes.
    pub hash: HashCost,
    /// Hashes computed at once; 0 = 2.
    pub hashes_at_once: usize,
    /// Time.
    pub clock: Clock,
}

/// The thread that owns the connection, from outside.
struct Worker {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Worker {
    /// Waits for the last change and for SQLite to fold its log into the database.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The store; cheap to clone, closed when the last clone is dropped.
#[derive(Clone)]
pub struct Store {
    worker: Arc<Worker>,
    keys: Keys,
    hasher: Hasher,
    clock: Clock,
}

impl Store {
    /// Opens or creates the database (mode 0600) and its key file `<path>.key`, and migrates.
    ///
    /// # Errors
    /// If a file cannot be read or written, the key file is missing or another one, or the database is newer.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, StoreOptions::default())
    }

    /// [`Store::open`] with options.
    ///
    /// # Errors
    /// As there, and if the hash cost is out of range.
    pub fn open_with(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let file = |fault| StoreError::File(path.into(), fault);
        // Made by us and not by SQLite, so that it is private from its first moment; WAL and SHM take over its mode.
        fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(file)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(file)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "secure_delete", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        schema::migrate(&mut connection)?;
        let keys = keys_of(&mut connection, &Keys::path(path))?;
        let at_once = if options.hashes_at_once == 0 { 2 } else { options.hashes_at_once };
        let hasher = Hasher::new(options.hash, keys.hashes.clone(), at_once)?;
        let (jobs, work) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("passline-store".into())
            .spawn(move || {
                worker::run(&mut connection, &work);
            })
            .map_err(file)?;
        let worker = Arc::new(Worker { jobs: Some(jobs), thread: Some(thread) });
        Ok(Self { worker, keys, hasher, clock: options.clock })
    }

    /// Time, as the store sees it.
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Runs a job on the store's thread. The job runs to its end even if the future is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let job = Job::Read(Box::new(move |connection| {
            // Nobody waits any more: the change is made all the same.
            let _ = tell.send(job(connection));
        }));
        self.send(job)?;
        told.await.map_err(|_| StoreError::Closed)?
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.worker.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(job).map_err(|_| StoreError::Closed)
    }

    /// Makes a change that an error takes back whole; its result is told once it is on the disk. Changes that wait at one
    /// time get there together.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        self.send(Job::Change(Box::new(move |change| match change.and_then(job) {
            // Nobody waits any more: the change is made all the same.
            Ok(result) => Ok(Box::new(move |kept| drop(tell.send(kept.map(|()| result))))),
            Err(error) => {
                let _ = tell.send(Err(error));
                Err(TakenBack)
            }
        })))?;
        told.await.map_err(|_| StoreError::Closed)?
    }
}

/// The keys of a database: made with it, and from then on only ever those.
fn keys_of(connection: &mut Connection, path: &Path) -> Result<Keys, StoreError> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let check: Option<Vec<u8>> = change
        .query_row("SELECT value FROM meta WHERE name = 'key_check'", [], |row| row.get(0))
        .optional()?;
    let keys = match check {
        Some(_) if !path.exists() => {
            let name = path.display();
            return Err(StoreError::Unusable(format!(
                "{name} is missing; restore it from the backup of the database"
            )));
        }
        Some(check) => {
            let keys = Keys::load(path)?;
            if check != keys.check {
                let name = path.display();
                return Err(StoreError::Unusable(format!("{name} is not the key of this database")));
            }
            keys
        }
        None => {
            let keys = Keys::create(path)?;
            change.execute("INSERT INTO meta VALUES ('key_check', ?1)", [&keys.check[..]])?;
            keys
        }
    };
    change.commit()?;
    Ok(keys)
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn utc(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| "forever".to_owned(), |at| format!("{at:.3}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A store with cheap hashes in its own folder.
    pub(crate) fn light() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_with(&folder.path().join("store.db"), options()).unwrap();
        (folder, store)
    }

    pub(crate) fn options() -> StoreOptions {
        StoreOptions { hash: HashCost { memory_kib: 16, passes: 1, lanes: 1 }, ..StoreOptions::default() }
    }

    #[tokio::test]
    async fn every_file_of_the_store_is_private() {
        let (folder, store) = light();
        store
            .add_user(NewUser { login: "a".into(), employee_id: "1".into(), ..NewUser::default() })
            .await
            .unwrap();
        let mut seen = Vec::new();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            seen.push(entry.file_name().into_string().unwrap());
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
        }
        seen.sort();
        assert_eq!(seen, ["store.db", "store.db-shm", "store.db-wal", "store.db.key"]);
    }

    #[test]
    fn a_database_without_its_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        drop(Store::open_with(&path, options()).unwrap());
        let key = Keys::path(&path);
        fs::remove_file(&key).unwrap();
        assert!(Store::open_with(&path, options()).err().unwrap().to_string().contains("restore"));
        fs::write(&key, "00".repeat(32)).unwrap();
        assert!(Store::open_with(&path, options()).err().unwrap().to_string().contains("not the key"));
    }

    #[tokio::test]
    async fn a_failed_change_leaves_nothing() {
        let (_folder, store) = light();
        let failed: Result<(), _> = store
            .change(|change| {
                change.execute("INSERT INTO meta VALUES ('half', x'00')", [])?;
                Err(StoreError::Invalid("on purpose".into()))
            })
            .await;
        assert!(failed.is_err());
        let rows: i64 = store
            .run(|c| Ok(c.query_row("SELECT count(*) FROM meta WHERE name = 'half'", [], |row| row.get(0))?))
            .await
            .unwrap();
        assert_eq!(rows, 0);
    }

    #[test]
    fn times_read_well() {
        assert_eq!(utc(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(utc(i64::MAX), "forever");
    }
}
