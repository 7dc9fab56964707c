//! The store's thread: does what is asked, one after the other. Changes that wait at the same time share one transaction,
//! since what costs is its way to the disk.
use super::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::sync::mpsc::Receiver;

/// Changes in one transaction, so that none waits long.
const TOGETHER: usize = 64;

/// A change was taken back, and whoever asked for it was told why.
pub(super) struct TakenBack;

/// Tells whether a change was kept.
pub(super) type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What the thread is asked to do.
pub(super) enum Job {
    /// Anything, by itself.
    Read(Box<dyn FnOnce(&mut Connection) + Send>),
    /// A change, whole or not at all.
    Change(Change),
}

type Change = Box<dyn FnOnce(Result<&Transaction<'_>, StoreError>) -> Result<Tell, TakenBack> + Send>;

/// Works until nobody can ask any more.
pub(super) fn run(connection: &mut Connection, jobs: &Receiver<Job>) {
    let mut next = jobs.recv().ok();
    while let Some(job) = next.take() {
        match job {
            Job::Read(read) => read(connection),
            Job::Change(change) => {
                let mut changes = vec![change];
                while changes.len() < TOGETHER {
                    match jobs.try_recv() {
                        Ok(Job::Change(change)) => changes.push(change),
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                keep(connection, changes);
            }
        }
        next = next.or_else(|| jobs.recv().ok());
    }
}

/// Makes changes in one transaction, each within a savepoint of its own.
fn keep(connection: &mut Connection, changes: Vec<Change>) {
    let mut told = Vec::with_capacity(changes.len());
    let kept = make(connection, changes, &mut told);
    let error = kept.err();
    // The last one gets the error as it is; it cannot be copied.
    let last = told.pop();
    for tell in told {
        tell(error.as_ref().map_or(Ok(()), |error| Err(StoreError::Together(error.to_string()))));
    }
    if let Some(tell) = last {
        tell(error.map_or(Ok(()), |error| Err(error.into())));
    }
}

/// What is not made because of an error is told so.
fn make(connection: &mut Connection, changes: Vec<Change>, told: &mut Vec<Tell>) -> rusqlite::Result<()> {
    let mut changes = changes.into_iter();
    let done = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
        for change in changes.by_ref() {
            if let Err(error) = transaction.prepare_cached("SAVEPOINT change").and_then(|mut s| s.execute([]))
            {
                refuse(change, &error);
                return Err(error);
            }
            match change(Ok(&transaction)) {
                Ok(tell) => told.push(tell),
                // Fails if the error took back the whole transaction, the changes before this one included.
                Err(TakenBack) => drop(transaction.prepare_cached("ROLLBACK TO change")?.execute([])?),
            }
            transaction.prepare_cached("RELEASE change")?.execute([])?;
        }
        transaction.commit()
    });
    if let Err(error) = &done {
        changes.for_each(|change| refuse(change, error));
    }
    done
}

fn refuse(change: Change, error: &rusqlite::Error) {
    drop(change(Err(StoreError::Together(error.to_string()))));
}

#[cfg(test)]
mod tests {
    use super::super::tests::light;
    use super::*;

    #[tokio::test]
    async fn changes_together_are_each_whole_or_not_at_all() {
        let (_folder, store) = light();
        // While this runs, the others gather.
        let first = store.run(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            Ok(())
        });
        let add = |name: &'static str, fails: bool| {
            store.change(move |change| {
                change.execute("INSERT INTO meta VALUES (?1, x'00')", [name])?;
                if fails { Err(StoreError::Invalid(name.into())) } else { Ok(name) }
            })
        };
        let (_, one, two, three, twice) =
            tokio::join!(first, add("one", false), add("two", true), add("three", false), add("one", false));
        assert_eq!((one.unwrap(), three.unwrap()), ("one", "three"));
        assert!(matches!(two, Err(StoreError::Invalid(_))));
        assert!(matches!(twice, Err(StoreError::Database(_))), "a name is there once");
        let names: Vec<String> = store
            .run(|connection| {
                let mut query =
                    connection.prepare("SELECT name FROM meta WHERE value = x'00' ORDER BY name")?;
                let names = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
                Ok(names)
            })
            .await
            .unwrap();
        assert_eq!(names, ["one", "three"]);
    }

    #[tokio::test]
    async fn a_database_that_is_locked_refuses_all_that_wait() {
        let (folder, store) = light();
        let other = Connection::open(folder.path().join("store.db")).unwrap();
        store.run(|connection| Ok(connection.busy_timeout(std::time::Duration::ZERO)?)).await.unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let change = || store.change(|change| Ok(change.execute("DELETE FROM meta", [])?));
        let (one, two) = tokio::join!(change(), change());
        for refused in [one, two] {
            assert!(refused.unwrap_err().to_string().contains("locked"));
        }
        other.execute_batch("ROLLBACK").unwrap();
        let kept: i64 =
            store.run(|c| Ok(c.query_row("SELECT count(*) FROM meta", [], |row| row.get(0))?)).await.unwrap();
        assert!(kept > 0);
    }
}
