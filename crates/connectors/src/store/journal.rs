//! The reset journal: what every password change came to, durable before and after each step.
use super::{Store, StoreError, log, utc};
use passline_identity::{AccountId, AuditEvent, CallId, ResetId, TargetId};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

/// One password change in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResetLine {
    /// Id.
    pub reset: String,
    /// Call.
    pub call: String,
    /// Login.
    pub login: String,
    /// `pending` → `applied` or `failed` (no target took it); `applied` → `heard` or `unheard`; `unheard` →
    /// `randomised`. All but `heard`, `failed` and `randomised` are finished after a restart.
    pub state: String,
    /// State on each target: `pending` → `sent` → `applied`, `refused` (no effect) or `unknown` (no answer in time);
    /// then, if unheard, `randomised`, `gone` (no such account any more) or `superseded` (by a newer change); `pending`
    /// after a crash becomes `not_sent`.
    pub targets: Vec<(TargetId, String)>,
    /// RFC 3339.
    pub at: String,
}

/// What became of a change on one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetState {
    Applied,
    Refused,
    Unknown,
    Randomised,
    Gone,
    Superseded,
}

impl TargetState {
    fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Randomised => "randomised",
            Self::Gone => "gone",
            Self::Superseded => "superseded",
        }
    }
}

/// A target on which an unheard password may still work.
#[derive(Clone, Debug)]
pub(crate) struct OpenTarget {
    pub(crate) target: TargetId,
    pub(crate) account: AccountId,
}

/// The head of a journal entry.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) call: CallId,
    pub(crate) login: String,
    pub(crate) state: String,
    pub(crate) must_change: bool,
}

/// States of a target in which an unheard password may work.
const OPEN: &str = "('sent', 'applied', 'unknown')";

impl Store {
    /// The last password changes in the journal, oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn resets(&self, last: usize) -> Result<Vec<ResetLine>, StoreError> {
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        self.run(move |connection| {
            let mut heads = connection.prepare_cached(
                "SELECT id, call, login, state, at, seq FROM resets ORDER BY seq DESC LIMIT ?1",
            )?;
            let mut targets = connection
                .prepare_cached("SELECT target, state FROM reset_targets WHERE reset = ?1 ORDER BY target")?;
            let mut lines = Vec::new();
            let mut rows = heads.query([last])?;
            while let Some(row) = rows.next()? {
                let states = targets
                    .query_map([row.get::<_, i64>(5)?], |row| Ok((TargetId(row.get(0)?), row.get(1)?)))?;
                lines.push(ResetLine {
                    reset: row.get(0)?,
                    call: row.get(1)?,
                    login: row.get(2)?,
                    state: row.get(3)?,
                    targets: states.collect::<Result<_, _>>()?,
                    at: utc(row.get(4)?),
                });
            }
            lines.reverse();
            Ok(lines)
        })
        .await
    }

    /// Writes the intent; from now on a crash cannot hide the change.
    pub(crate) async fn reset_begin(
        &self,
        reset: &ResetId,
        head: Head,
        targets: Vec<OpenTarget>,
    ) -> Result<(), StoreError> {
        let (id, now) = (reset.0.clone(), self.now_ms());
        self.change(move |change| {
            change.execute(
                "INSERT INTO resets (id, call, login, state, must_change, at) VALUES (?1, ?2, ?3, 'pending', ?4, ?5)",
                params![id, head.call.0, head.login, head.must_change, now],
            )?;
            let seq = change.last_insert_rowid();
            for OpenTarget { target, account } in &targets {
                change.execute(
                    "INSERT INTO reset_targets (reset, target, account, state) VALUES (?1, ?2, ?3, 'pending')",
                    params![seq, target.0, account.0],
                )?;
                log::append(change, now, &head.event("reset", Some(target), "begun"))?;
            }
            Ok(())
        })
        .await
    }

    /// Writes that a password is about to be sent to an account; the caller holds the account until its result is
    /// written, so that turns are in the order of what the target saw.
    pub(crate) async fn reset_turn(&self, reset: &ResetId, open: &OpenTarget) -> Result<(), StoreError> {
        let (id, target, account) = (reset.0.clone(), open.target.0.clone(), open.account.0.clone());
        self.change(move |change| {
            change.execute(
                "UPDATE reset_targets SET state = CASE state WHEN 'pending' THEN 'sent' ELSE state END,
                 turn = 1 + (SELECT max(turn) FROM reset_targets WHERE target = ?2 AND account = ?3)
                 WHERE reset = (SELECT seq FROM resets WHERE id = ?1) AND target = ?2",
                [id, target, account],
            )?;
            Ok(())
        })
        .await
    }

    /// Writes what became of one target.
    pub(crate) async fn reset_target(
        &self,
        reset: &ResetId,
        target: &TargetId,
        state: TargetState,
        audit: AuditEvent,
    ) -> Result<(), StoreError> {
        let (id, target, now) = (reset.0.clone(), target.0.clone(), self.now_ms());
        self.change(move |change| {
            change.execute(
                "UPDATE reset_targets SET state = ?3
                 WHERE reset = (SELECT seq FROM resets WHERE id = ?1) AND target = ?2",
                params![id, target, state.name()],
            )?;
            log::append(change, now, &audit)
        })
        .await
    }

    /// Moves an entry from one of some states to another; false if it is in none of them. `audit` and `ticket`
    /// (summary, resolved) are written with it or not at all.
    pub(crate) async fn reset_move(
        &self,
        reset: &ResetId,
        from: &'static [&'static str],
        to: &'static str,
        audit: Option<(&'static str, &'static str)>,
        ticket: Option<(String, bool)>,
    ) -> Result<bool, StoreError> {
        let (id, now) = (reset.0.clone(), self.now_ms());
        self.change(move |change| {
            let Some(head) = head(change, &id)? else { return Ok(false) };
            if !from.contains(&head.state.as_str()) {
                return Ok(false);
            }
            change.execute("UPDATE resets SET state = ?2 WHERE id = ?1", [id.as_str(), to])?;
            if let Some((name, result)) = audit {
                log::append(change, now, &head.event(name, None, result))?;
            }
            if let Some((summary, resolved)) = ticket {
                log::ticket(change, now, &head.call.0, Some(&head.login), &summary, resolved)?;
            }
            Ok(true)
        })
        .await
    }

    /// The head of an entry.
    pub(crate) async fn reset_head(&self, reset: &ResetId) -> Result<Option<Head>, StoreError> {
        let id = reset.0.clone();
        self.run(move |connection| head(connection, &id)).await
    }

    /// Targets of an entry on which its password may still work.
    pub(crate) async fn reset_open(&self, reset: &ResetId) -> Result<Vec<OpenTarget>, StoreError> {
        let id = reset.0.clone();
        self.run(move |connection| {
            let mut query = connection.prepare_cached(&format!(
                "SELECT target, account FROM reset_targets JOIN resets ON seq = reset
                 WHERE id = ?1 AND reset_targets.state IN {OPEN} ORDER BY target"
            ))?;
            let rows = query.query_map([id], |row| {
                Ok(OpenTarget { target: TargetId(row.get(0)?), account: AccountId(row.get(1)?) })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Whether a later change reached the same account: then the older password is gone and the newer must stay.
    pub(crate) async fn reset_superseded(
        &self,
        reset: &ResetId,
        open: &OpenTarget,
    ) -> Result<bool, StoreError> {
        let (id, target, account) = (reset.0.clone(), open.target.0.clone(), open.account.0.clone());
        self.run(move |connection| {
            let mut query = connection.prepare_cached(
                "SELECT count(*) FROM reset_targets WHERE target = ?2 AND account = ?3
                 AND state IN ('applied', 'randomised') AND turn >
                 (SELECT turn FROM reset_targets JOIN resets ON seq = reset WHERE id = ?1 AND target = ?2)",
            )?;
            Ok(query.query_row([id, target, account], |row| row.get::<_, i64>(0))? > 0)
        })
        .await
    }

    /// After a crash: what was not sent yet is not sent any more.
    pub(crate) async fn reset_not_sent(&self, reset: &ResetId) -> Result<Vec<AuditEvent>, StoreError> {
        let (id, now) = (reset.0.clone(), self.now_ms());
        self.change(move |change| {
            let Some(head) = head(change, &id)? else { return Ok(Vec::new()) };
            let mut query = change.prepare_cached(
                "UPDATE reset_targets SET state = 'not_sent' WHERE state = 'pending'
                 AND reset = (SELECT seq FROM resets WHERE id = ?1) RETURNING target",
            )?;
            let targets: Vec<String> = query.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let events: Vec<_> = targets
                .into_iter()
                .map(|target| head.event("reset", Some(&TargetId(target)), "not_sent"))
                .collect();
            events.iter().try_for_each(|event| log::append(change, now, event))?;
            Ok(events)
        })
        .await
    }

    /// Targets that did not say whether they took the password.
    pub(crate) async fn reset_uncertain(&self, reset: &ResetId) -> Result<Vec<TargetId>, StoreError> {
        let id = reset.0.clone();
        self.run(move |connection| {
            let mut query = connection.prepare_cached(
                "SELECT target FROM reset_targets JOIN resets ON seq = reset
                 WHERE id = ?1 AND reset_targets.state IN ('sent', 'unknown') ORDER BY target",
            )?;
            Ok(query.query_map([id], |row| Ok(TargetId(row.get(0)?)))?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Entries that nobody confirmed, oldest first.
    pub(crate) async fn resets_unfinished(&self) -> Result<Vec<ResetId>, StoreError> {
        self.run(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT id FROM resets WHERE state IN ('pending', 'applied', 'unheard') ORDER BY seq",
            )?;
            Ok(query.query_map([], |row| Ok(ResetId(row.get(0)?)))?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

impl Head {
    pub(crate) fn event(&self, name: &str, target: Option<&TargetId>, result: &str) -> AuditEvent {
        AuditEvent {
            call: Some(self.call.clone()),
            login: Some(self.login.clone()),
            event: name.to_owned(),
            target: target.cloned(),
            result: result.to_owned(),
            detail: None,
        }
    }
}

fn head(connection: &Connection, id: &str) -> Result<Option<Head>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT call, login, state, must_change FROM resets WHERE id = ?1")?;
    let row = query.query_row([id], |row| {
        Ok(Head {
            call: CallId(row.get(0)?),
            login: row.get(1)?,
            state: row.get(2)?,
            must_change: row.get(3)?,
        })
    });
    Ok(row.optional()?)
}
