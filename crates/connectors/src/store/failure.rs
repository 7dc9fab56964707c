//! Wrong proofs in a row, and the questions that stay until they are answered.
use super::{Store, StoreError, log, utc};
use passline_identity::{AuditEvent, QuestionId};
use rusqlite::{Connection, OptionalExtension, params};

/// Never again without an administrator.
const FOREVER: i64 = i64::MAX;
/// After how long without a failure the rows of numbers and unknown IDs are dropped, ms.
const DAY: i64 = 24 * 3600 * 1000;

/// The name under which a known user's failures are kept.
pub(crate) fn user(login: &str) -> String {
    format!("user:{login}")
}

/// When wrong proofs lead to waits; NIST SP 800-63B-4 §3.2.2 allows 100 in a row at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Wrong proofs before the first wait; 0 = no limit.
    pub(crate) free: u32,
    /// First wait, ms; doubles.
    pub(crate) first: i64,
    /// Longest wait, ms.
    pub(crate) longest: i64,
    /// Whether the failure after the longest wait locks for good.
    pub(crate) lock: bool,
}

impl Limits {
    /// Until when nothing is compared after `count` failures, the last of them `now`.
    fn until(self, count: u32, now: i64) -> i64 {
        if self.free == 0 || count < self.free {
            return 0;
        }
        let wait = |step: u32| self.first.saturating_mul(1_i64.checked_shl(step.min(40)).unwrap_or(i64::MAX));
        let step = count - self.free;
        if self.lock && step > 0 && wait(step - 1) >= self.longest {
            return FOREVER;
        }
        now.saturating_add(wait(step).min(self.longest))
    }
}

/// Whether a proof may be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Yes; it is counted as a failure already.
    Counted,
    /// No: wait or lockout.
    Locked,
}

impl Store {
    /// Counts a failure in advance, so that hanging up or a crash between comparing and counting gains nothing.
    pub(crate) async fn attempt(
        &self,
        name: &str,
        limits: Limits,
        number: &str,
        number_limits: Limits,
    ) -> Result<Attempt, StoreError> {
        let (name, number, now) = (name.to_owned(), number.to_owned(), self.now_ms());
        self.change(move |change| {
            let (count, _, until) = row(change, &name)?;
            let (_, _, number_until) = row(change, &number)?;
            if until > now || (number_limits.free > 0 && number_until > now) {
                // Written all the same: a locked and a free name take the same time.
                write(change, &name, count, now, until)?;
                return Ok(Attempt::Locked);
            }
            let count = count.saturating_add(1);
            write(change, &name, count, now, limits.until(count, now))?;
            Ok(Attempt::Counted)
        })
        .await
    }

    /// The proof was right: takes its advance failure back, or all of them once the caller is `verified`. Questions
    /// that were `answered` are drawn anew for the next call.
    pub(crate) async fn passed(
        &self,
        name: &str,
        verified: bool,
        answered: bool,
        audit: AuditEvent,
    ) -> Result<(), StoreError> {
        let (name, now) = (name.to_owned(), self.now_ms());
        self.change(move |change| {
            take_back(change, &name, verified, now)?;
            if answered {
                forget_asked(change, &name)?;
            }
            log::append(change, now, &audit)
        })
        .await
    }

    /// The proof was wrong, or was not compared: a wrong one counts for the caller's number too, which is forgiven after
    /// a quiet time.
    pub(crate) async fn failed(
        &self,
        number: &str,
        limits: Limits,
        compared: bool,
        audit: AuditEvent,
    ) -> Result<(), StoreError> {
        let (number, now) = (number.to_owned(), self.now_ms());
        self.change(move |change| {
            let (count, last, until) = row(change, &number)?;
            let quiet = now.saturating_sub(last.max(until)) > limits.longest;
            if compared {
                let count = if quiet { 1 } else { count.saturating_add(1) };
                write(change, &number, count, now, limits.until(count, now))?;
            } else {
                write(change, &number, count, last, until)?;
            }
            change.execute(
                "DELETE FROM failures WHERE name NOT LIKE 'user:%' AND until < ?1 AND last < ?1",
                [now - DAY],
            )?;
            // Not of users, and a decoy's set comes out the same when it is drawn anew.
            change.execute("DELETE FROM asked WHERE name LIKE 'decoy:%' AND at < ?1", [now - DAY])?;
            log::append(change, now, &audit)
        })
        .await
    }

    /// Takes an advance failure back because nothing was compared.
    pub(crate) async fn not_compared(&self, name: &str) -> Result<(), StoreError> {
        let (name, now) = (name.to_owned(), self.now_ms());
        self.change(move |change| take_back(change, &name, false, now)).await
    }

    /// The questions kept under a name, or those that are now kept.
    pub(crate) async fn keep_asked(
        &self,
        name: &str,
        enrolled: &[QuestionId],
        drawn: Vec<QuestionId>,
    ) -> Result<Vec<QuestionId>, StoreError> {
        let (name, enrolled, now) = (name.to_owned(), enrolled.to_vec(), self.now_ms());
        self.change(move |change| {
            let mut query = change.prepare_cached("SELECT questions FROM asked WHERE name = ?1")?;
            let kept: Option<String> = query.query_row([&name], |row| row.get(0)).optional()?;
            let kept: Option<Vec<QuestionId>> = kept.and_then(|kept| serde_json::from_str(&kept).ok());
            let fits = |kept: &Vec<QuestionId>| {
                kept.len() == drawn.len() && kept.iter().all(|question| enrolled.contains(question))
            };
            let asked = kept.filter(fits).unwrap_or(drawn);
            let text =
                serde_json::to_string(&asked).map_err(|fault| StoreError::Invalid(fault.to_string()))?;
            change.execute("INSERT OR REPLACE INTO asked VALUES (?1, ?2, ?3)", params![name, text, now])?;
            Ok(asked)
        })
        .await
    }
}

fn take_back(connection: &Connection, name: &str, all: bool, now: i64) -> Result<(), StoreError> {
    let (count, ..) = row(connection, name)?;
    // A wait that was sat out is over: the other proof of this try may be given at once.
    write(connection, name, if all { 0 } else { count.saturating_sub(1) }, now, 0)
}

fn row(connection: &Connection, name: &str) -> Result<(u32, i64, i64), StoreError> {
    let mut query = connection.prepare_cached("SELECT count, last, until FROM failures WHERE name = ?1")?;
    let row = query.query_row([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    Ok(row.optional()?.unwrap_or_default())
}

fn write(connection: &Connection, name: &str, count: u32, last: i64, until: i64) -> Result<(), StoreError> {
    let mut query = connection.prepare_cached("INSERT OR REPLACE INTO failures VALUES (?1, ?2, ?3, ?4)")?;
    query.execute(params![name, count, last, until])?;
    Ok(())
}

pub(super) fn forgive(connection: &Connection, name: &str) -> Result<(), StoreError> {
    connection.execute("DELETE FROM failures WHERE name = ?1", [name])?;
    Ok(())
}

pub(super) fn forget_asked(connection: &Connection, name: &str) -> Result<(), StoreError> {
    connection.execute("DELETE FROM asked WHERE name = ?1", [name])?;
    Ok(())
}

/// Failures and until when nothing is compared.
pub(super) fn standing(
    connection: &Connection,
    name: &str,
    now: i64,
) -> Result<(u32, Option<String>), StoreError> {
    let (count, _, until) = row(connection, name)?;
    Ok((count, (until > now).then(|| utc(until))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { free: 5, first: 30_000, longest: 3_600_000, lock: true };

    #[test]
    fn waits_grow_to_an_hour_and_then_it_is_over() {
        let waits: Vec<i64> = (1..=13).map(|count| LIMITS.until(count, 0) / 1000).collect();
        assert_eq!(waits[..12], [0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600]);
        assert_eq!(LIMITS.until(13, 0), FOREVER);
        assert_eq!(LIMITS.until(u32::MAX, 0), FOREVER);
        let number = Limits { lock: false, ..LIMITS };
        assert_eq!(number.until(u32::MAX, 7), 3_600_007);
        assert_eq!(Limits { free: 0, ..LIMITS }.until(u32::MAX, 7), 0);
    }
}
