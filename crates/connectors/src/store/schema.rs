//! Tables and their versions.
use super::StoreError;
use rusqlite::{Connection, TransactionBehavior};

/// One script per version; a released one is never edited, a change is a new one at the end.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    employee_id TEXT NOT NULL UNIQUE,
    employee_keys TEXT NOT NULL, -- as keyed on a telephone
    login_keys TEXT NOT NULL,
    created INTEGER NOT NULL     -- every time: ms since 1970, UTC
) STRICT;
CREATE INDEX people_employee_keys ON people (employee_keys);
CREATE INDEX people_login_keys ON people (login_keys);
CREATE TABLE pins (
    person INTEGER PRIMARY KEY REFERENCES people ON DELETE CASCADE,
    hash TEXT NOT NULL
) STRICT;
CREATE TABLE answers (
    person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
    question TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (person, question)
) STRICT, WITHOUT ROWID;
CREATE TABLE machines (
    person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
    machine TEXT NOT NULL,
    code BLOB NOT NULL,          -- sealed
    PRIMARY KEY (person, machine)
) STRICT, WITHOUT ROWID;
CREATE TABLE links (             -- which account a person has where
    person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
    target TEXT NOT NULL,
    account TEXT NOT NULL,
    PRIMARY KEY (person, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (          -- of the embedded targets
    target TEXT NOT NULL,
    account TEXT NOT NULL,
    hash TEXT,
    failures INTEGER NOT NULL DEFAULT 0,
    locked INTEGER NOT NULL DEFAULT 0,
    must_change INTEGER NOT NULL DEFAULT 0,
    expires INTEGER,
    PRIMARY KEY (target, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE failures (          -- wrong proofs in a row
    name TEXT PRIMARY KEY,       -- user:<login>, decoy:<keyed hash>, number:<keyed hash>
    count INTEGER NOT NULL,
    last INTEGER NOT NULL,
    until INTEGER NOT NULL       -- 0 free
) STRICT, WITHOUT ROWID;
CREATE TABLE asked (             -- the questions that stay until they are answered
    name TEXT PRIMARY KEY,       -- as in failures
    questions TEXT NOT NULL,     -- JSON array
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE resets (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    call TEXT NOT NULL,
    login TEXT NOT NULL,
    state TEXT NOT NULL,
    must_change INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX resets_state ON resets (state);
CREATE TABLE reset_targets (
    reset INTEGER NOT NULL REFERENCES resets ON DELETE CASCADE,
    target TEXT NOT NULL,
    account TEXT NOT NULL,
    state TEXT NOT NULL,
    turn INTEGER NOT NULL DEFAULT 0, -- counts what was sent to this account
    PRIMARY KEY (reset, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX reset_targets_account ON reset_targets (target, account);

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    call TEXT,
    login TEXT,
    event TEXT NOT NULL,
    target TEXT,
    result TEXT NOT NULL,
    detail TEXT
) STRICT;
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    call TEXT UNIQUE,
    login TEXT,
    summary TEXT NOT NULL,
    opened INTEGER NOT NULL,
    closed INTEGER
) STRICT;
CREATE TABLE calls (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    call TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL         -- JSON
) STRICT;
",
    "
-- The SIP messages of a call, which a list of calls need not read.
ALTER TABLE calls ADD COLUMN ladder TEXT NOT NULL DEFAULT '[]';
",
];

/// Brings a database to the newest version, each step in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    loop {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i64 = step.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let next = usize::try_from(version).ok().filter(|version| *version <= MIGRATIONS.len());
        let next = next.ok_or_else(|| {
            let known = MIGRATIONS.len();
            StoreError::Unusable(format!(
                "the database has version {version}; this program knows up to {known}"
            ))
        })?;
        let Some(script) = MIGRATIONS.get(next) else { return Ok(()) };
        step.execute_batch(script)?;
        step.execute_batch(&format!("PRAGMA user_version = {}", version + 1))?;
        step.commit()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_first_version_keeps_its_calls() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection.execute_batch("PRAGMA user_version = 1").unwrap();
        connection
            .execute_batch("INSERT INTO calls (call, record) VALUES ('c', '{\"call\":\"c\"}')")
            .unwrap();
        migrate(&mut connection).unwrap();
        let ladder: String =
            connection.query_row("SELECT ladder FROM calls WHERE call = 'c'", [], |row| row.get(0)).unwrap();
        assert_eq!(ladder, "[]");
    }

    #[test]
    fn migrating_twice_changes_nothing_and_a_newer_database_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        connection.execute_batch("PRAGMA user_version = 99").unwrap();
        assert!(migrate(&mut connection).unwrap_err().to_string().contains("version 99"));
    }
}
