//! Accounts of the embedded targets: they behave like those of a real directory.
use super::{Store, StoreError, failure, people, utc};
use passline_identity::{AccountStatus, Secret, TargetId};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use std::time::Duration;

/// Wrong passwords in a row that lock an embedded account.
const TRIES: i64 = 5;

/// An account, for `user show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountInfo {
    /// Where.
    pub target: TargetId,
    /// Account name there.
    pub account: String,
    /// Whether the account lives in this store; the rest is only known for those.
    pub embedded: bool,
    /// Locked out.
    pub locked: bool,
    /// The password must be changed.
    pub must_change: bool,
    /// Until when the password works, RFC 3339.
    pub expires: Option<String>,
}

impl Store {
    /// Sets the password of an embedded account without conditions, making the account if need be.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the user has no account on this target.
    pub async fn set_password(
        &self,
        login: &str,
        target: &TargetId,
        password: &Secret,
    ) -> Result<(), StoreError> {
        let account = self.account_of(login, target).await?;
        let row = (target.0.clone(), account.clone());
        self.change(move |change| {
            change.execute(
                "INSERT OR IGNORE INTO accounts (target, account) VALUES (?1, ?2)",
                [row.0, row.1],
            )?;
            Ok(())
        })
        .await?;
        self.account_set(target, &account, password, false, None).await
    }

    /// Locks the embedded accounts of a person, all or on one target, as intruder detection would.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such user or embedded account.
    pub async fn lock(&self, login: &str, target: Option<&TargetId>) -> Result<(), StoreError> {
        self.set_locked(login, target, true).await
    }

    /// Clears the lockout of the embedded accounts, all or on one target; for all, also the failures on the phone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such user or embedded account.
    pub async fn unlock(&self, login: &str, target: Option<&TargetId>) -> Result<(), StoreError> {
        self.set_locked(login, target, false).await
    }

    /// Whether a password signs in at an embedded target, counted and refused as a real directory would.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such user or account.
    pub async fn check_password(
        &self,
        login: &str,
        target: &TargetId,
        password: &Secret,
    ) -> Result<bool, StoreError> {
        let account = self.account_of(login, target).await?;
        self.account_check(target, &account, password).await
    }

    async fn account_of(&self, login: &str, target: &TargetId) -> Result<String, StoreError> {
        let (login, target) = (login.to_owned(), target.0.clone());
        self.run(move |connection| {
            let person = people::id_of(connection, &login)?;
            let mut query =
                connection.prepare_cached("SELECT account FROM links WHERE person = ?1 AND target = ?2")?;
            let account = query.query_row(params![person, target], |row| row.get(0)).optional()?;
            account.ok_or_else(|| StoreError::NotFound(format!("account of `{login}` on `{target}`")))
        })
        .await
    }

    async fn set_locked(
        &self,
        login: &str,
        target: Option<&TargetId>,
        locked: bool,
    ) -> Result<(), StoreError> {
        let (login, target) = (login.to_owned(), target.map(|target| target.0.clone()));
        self.change(move |change| {
            let person = people::id_of(change, &login)?;
            let changed = change.execute(
                "UPDATE accounts SET locked = ?1, failures = 0 WHERE (?3 IS NULL OR target = ?3)
                 AND (target, account) IN (SELECT target, account FROM links WHERE person = ?2)",
                params![locked, person, target],
            )?;
            if changed == 0 && (locked || target.is_some()) {
                return Err(StoreError::NotFound(format!("embedded account of `{login}` there")));
            }
            if !locked && target.is_none() {
                failure::forgive(change, &failure::user(&login))?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn account_status(
        &self,
        target: &TargetId,
        account: &str,
    ) -> Result<AccountStatus, StoreError> {
        let (target, account, now) = (target.0.clone(), account.to_owned(), self.now_ms());
        self.run(move |connection| {
            let mut query = connection.prepare_cached(
                "SELECT coalesce(locked, 0), coalesce(must_change OR coalesce(expires <= ?3, 0), 0)
                 FROM (SELECT ?1 AS target, ?2 AS account) LEFT JOIN accounts USING (target, account)
                 WHERE accounts.target NOT NULL OR EXISTS (SELECT 1 FROM links WHERE target = ?1 AND account = ?2)",
            )?;
            let status = query.query_row(params![target, account, now], |row| {
                Ok(AccountStatus { locked: row.get(0)?, expired: row.get(1)? })
            });
            status.optional()?.ok_or_else(|| StoreError::NotFound("such account".into()))
        })
        .await
    }

    pub(crate) async fn account_set(
        &self,
        target: &TargetId,
        account: &str,
        password: &Secret,
        must_change: bool,
        expires: Option<Duration>,
    ) -> Result<(), StoreError> {
        if password.expose().is_empty() {
            return Err(StoreError::Invalid("an empty password is none".into()));
        }
        let hash = self.hasher().hash(password.expose()).await?;
        let now = self.now_ms();
        let expires =
            expires.map(|expires| now.saturating_add(i64::try_from(expires.as_millis()).unwrap_or(i64::MAX)));
        let (target, account) = (target.0.clone(), account.to_owned());
        self.change(move |change| {
            make_linked(change, &target, &account)?;
            let changed = change.execute(
                "UPDATE accounts SET hash = ?3, must_change = ?4, expires = ?5, locked = 0, failures = 0
                 WHERE target = ?1 AND account = ?2",
                params![target, account, hash, must_change, expires],
            )?;
            if changed == 1 { Ok(()) } else { Err(StoreError::NotFound("such account".into())) }
        })
        .await
    }

    pub(crate) async fn account_unlock(&self, target: &TargetId, account: &str) -> Result<(), StoreError> {
        let (target, account) = (target.0.clone(), account.to_owned());
        self.change(move |change| {
            make_linked(change, &target, &account)?;
            let changed = change.execute(
                "UPDATE accounts SET locked = 0, failures = 0 WHERE target = ?1 AND account = ?2",
                [target, account],
            )?;
            if changed == 1 { Ok(()) } else { Err(StoreError::NotFound("such account".into())) }
        })
        .await
    }

    pub(crate) async fn account_check(
        &self,
        target: &TargetId,
        account: &str,
        password: &Secret,
    ) -> Result<bool, StoreError> {
        let (target, account, now) = (target.0.clone(), account.to_owned(), self.now_ms());
        let key = (target.clone(), account.clone());
        type Row = (Option<String>, bool);
        let row: Option<Row> = self
            .run(move |connection| {
                let mut query = connection.prepare_cached(
                    "SELECT hash, locked OR coalesce(expires <= ?3, 0) FROM accounts WHERE target = ?1 AND account = ?2",
                )?;
                Ok(query.query_row(params![key.0, key.1, now], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
            })
            .await?;
        let Some((hash, barred)) = row else { return Err(StoreError::NotFound("such account".into())) };
        let right = !password.expose().is_empty()
            && self.hasher().matches(password.expose(), hash.as_deref()).await?;
        if barred {
            return Ok(false);
        }
        self.change(move |change| {
            let failures = if right { "0" } else { "failures + 1" };
            change.execute(
                &format!("UPDATE accounts SET failures = {failures} WHERE target = ?1 AND account = ?2"),
                [&target, &account],
            )?;
            change.execute(
                "UPDATE accounts SET locked = 1 WHERE target = ?1 AND account = ?2 AND failures >= ?3",
                params![target, account, TRIES],
            )?;
            Ok(right)
        })
        .await
    }
}

/// An account that a person has, but that never had a password, comes into being with its first change.
fn make_linked(connection: &Connection, target: &str, account: &str) -> Result<(), StoreError> {
    connection.execute(
        "INSERT OR IGNORE INTO accounts (target, account)
         SELECT target, account FROM links WHERE target = ?1 AND account = ?2 LIMIT 1",
        [target, account],
    )?;
    Ok(())
}

/// The state of an account, embedded or not.
pub(super) fn info(
    connection: &Connection,
    target: TargetId,
    account: String,
) -> Result<AccountInfo, StoreError> {
    let row = connection
        .prepare_cached(
            "SELECT locked, must_change, expires FROM accounts WHERE target = ?1 AND account = ?2",
        )?
        .query_row([&target.0, &account], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?)))
        .optional()?;
    let embedded = row.is_some();
    let (locked, must_change, expires) = row.unwrap_or_default();
    Ok(AccountInfo { target, account, embedded, locked, must_change, expires: expires.map(utc) })
}

#[cfg(test)]
mod tests {
    use super::super::{NewUser, tests::light};
    use super::*;

    #[tokio::test]
    async fn a_new_person_s_account_can_be_given_its_first_password() {
        let (_folder, store) = light();
        let target = TargetId::from("directory");
        let accounts = vec![(target.clone(), "zoe".to_owned())];
        let user = NewUser { login: "zoe".into(), employee_id: "1".into(), accounts, ..NewUser::default() };
        store.add_user(user).await.unwrap();
        assert_eq!(store.account_status(&target, "zoe").await.unwrap(), AccountStatus::default());
        assert!(matches!(store.lock("zoe", None).await, Err(StoreError::NotFound(_))), "nothing to lock yet");
        let first = Secret::new("First-48-Password");
        assert!(store.account_check(&target, "zoe", &first).await.is_err());
        store.account_set(&target, "zoe", &first, false, None).await.unwrap();
        assert!(store.check_password("zoe", &target, &first).await.unwrap());
        store.lock("zoe", None).await.unwrap();
        assert!(store.account_status(&target, "zoe").await.unwrap().locked);
        assert!(store.account_status(&target, "eve").await.is_err());
        assert!(store.account_set(&target, "eve", &first, false, None).await.is_err());
    }
}
