//! People, their PINs, answers, machines and links to accounts.
use super::{AccountInfo, Store, StoreError, account, failure, proof::digits};
use passline_identity::{AccountId, MachineId, Person, QuestionId, Secret, SecretDigits, TargetId, keypad};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

/// A person to add.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// Login name, unique.
    pub login: String,
    /// Name for people.
    pub name: String,
    /// What the caller keys, unique; letters are keyed as on a telephone.
    pub employee_id: String,
    /// Account per target: `(target, account name)`.
    pub accounts: Vec<(TargetId, String)>,
}

/// A person, for `user show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserInfo {
    /// Login name.
    pub login: String,
    /// Name for people.
    pub name: String,
    /// Employee ID.
    pub employee_id: String,
    /// Whether a PIN is set.
    pub has_pin: bool,
    /// Enrolled questions.
    pub questions: Vec<QuestionId>,
    /// Computers with an escrowed code.
    pub machines: Vec<MachineId>,
    /// Accounts.
    pub accounts: Vec<AccountInfo>,
    /// Wrong proofs since the last success.
    pub failures: u32,
    /// `None` = free; `forever` or an RFC 3339 time until which no proof is compared.
    pub locked_until: Option<String>,
}

impl Store {
    /// Adds a person.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if login or employee ID is empty, has no key on a telephone, or is taken.
    pub async fn add_user(&self, user: NewUser) -> Result<(), StoreError> {
        let now = self.now_ms();
        self.change(move |change| {
            let (employee_keys, login_keys) = (keys(&user.employee_id), keys(&user.login));
            if login_keys.is_empty() || user.login.chars().any(char::is_control) {
                return Err(StoreError::Invalid("a login needs letters or digits".into()));
            }
            if employee_keys.is_empty() {
                return Err(StoreError::Invalid("an employee ID needs digits (or letters)".into()));
            }
            let taken: bool = change.query_row(
                "SELECT count(*) FROM people WHERE login = ?1 OR employee_id = ?2",
                [&user.login, &user.employee_id],
                |row| Ok(row.get::<_, i64>(0)? > 0),
            )?;
            if taken {
                return Err(StoreError::Invalid("this login or employee ID is taken".into()));
            }
            change.execute(
                "INSERT INTO people (login, name, employee_id, employee_keys, login_keys, created)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![user.login, user.name, user.employee_id, employee_keys, login_keys, now],
            )?;
            link(change, change.last_insert_rowid(), &user.accounts)
        })
        .await
    }

    /// Replaces a person's accounts on all targets; a kept account keeps its password.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_accounts(&self, login: &str, accounts: &[(TargetId, String)]) -> Result<(), StoreError> {
        let (login, accounts) = (login.to_owned(), accounts.to_vec());
        self.change(move |change| {
            let person = id_of(change, &login)?;
            change.execute("DELETE FROM links WHERE person = ?1", [person])?;
            link(change, person, &accounts)
        })
        .await
    }

    /// Keeps a disk recovery code, encrypted.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Invalid`].
    pub async fn set_disk_code(
        &self,
        login: &str,
        machine: &MachineId,
        code: &Secret,
    ) -> Result<(), StoreError> {
        if machine.0.is_empty() || code.expose().is_empty() {
            return Err(StoreError::Invalid("a machine and its code cannot be empty".into()));
        }
        let sealed = self.keys().seal(&format!("{login}/{machine}"), code)?;
        let (login, machine) = (login.to_owned(), machine.0.clone());
        self.change(move |change| {
            let person = id_of(change, &login)?;
            change.execute(
                "INSERT OR REPLACE INTO machines VALUES (?1, ?2, ?3)",
                params![person, machine, sealed],
            )?;
            Ok(())
        })
        .await
    }

    /// All people, by login.
    ///
    /// # Errors
    /// Of the database.
    pub async fn users(&self) -> Result<Vec<UserInfo>, StoreError> {
        let now = self.now_ms();
        self.run(move |connection| {
            let mut logins = connection.prepare_cached("SELECT login FROM people ORDER BY login")?;
            let logins: Vec<String> = logins.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            logins.iter().map(|login| info(connection, login, now)).collect()
        })
        .await
    }

    /// One person.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn user(&self, login: &str) -> Result<UserInfo, StoreError> {
        let (login, now) = (login.to_owned(), self.now_ms());
        self.run(move |connection| info(connection, &login, now)).await
    }

    /// The one person with these keys as employee ID or as login; the work does not depend on whether there is one.
    pub(crate) async fn find(
        &self,
        keyed: &SecretDigits,
        columns: Vec<&'static str>,
    ) -> Result<Option<Person>, StoreError> {
        let keyed = digits(keyed);
        self.run(move |connection| {
            let mut found = None;
            for column in columns {
                let mut query = connection
                    .prepare_cached(&format!("SELECT login FROM people WHERE {column} = ?1 LIMIT 2"))?;
                let logins: Vec<String> =
                    query.query_map([keyed.expose()], |row| row.get(0))?.collect::<Result<_, _>>()?;
                // The first way that knows anybody decides; two people with the same keys are nobody.
                found = found.or((!logins.is_empty()).then_some(logins));
            }
            let login = found.filter(|logins| logins.len() == 1).and_then(|mut logins| logins.pop());
            let person = person(connection, login.as_deref().unwrap_or(""))?;
            Ok(login.map(|login| Person { login, ..person }))
        })
        .await
    }

    /// All questions that anybody has enrolled, sorted.
    pub(crate) async fn question_pool(&self) -> Result<Vec<QuestionId>, StoreError> {
        self.run(|connection| {
            let mut query =
                connection.prepare_cached("SELECT DISTINCT question FROM answers ORDER BY question")?;
            Ok(query.query_map([], |row| Ok(QuestionId(row.get(0)?)))?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The escrowed code of a machine.
    pub(crate) async fn disk_code(&self, login: &str, machine: &str) -> Result<Secret, StoreError> {
        let place = format!("{login}/{machine}");
        let (login, machine) = (login.to_owned(), machine.to_owned());
        let sealed: Option<Vec<u8>> = self
            .run(move |connection| {
                let query = "SELECT code FROM machines JOIN people ON people.id = person WHERE login = ?1 AND machine = ?2";
                Ok(connection.prepare_cached(query)?.query_row([login, machine], |row| row.get(0)).optional()?)
            })
            .await?;
        self.keys().open(&place, &sealed.ok_or_else(|| StoreError::NotFound("code for this machine".into()))?)
    }
}

/// As keyed on a telephone; punctuation is skipped.
fn keys(text: &str) -> String {
    text.chars().filter_map(keypad).map(passline_identity::Key::expose).collect()
}

pub(super) fn id_of(connection: &Connection, login: &str) -> Result<i64, StoreError> {
    let mut query = connection.prepare_cached("SELECT id FROM people WHERE login = ?1")?;
    let id = query.query_row([login], |row| row.get(0)).optional()?;
    id.ok_or_else(|| StoreError::NotFound(format!("user `{login}`")))
}

fn link(connection: &Connection, person: i64, accounts: &[(TargetId, String)]) -> Result<(), StoreError> {
    for (target, account) in accounts {
        if target.0.is_empty() || account.is_empty() {
            return Err(StoreError::Invalid("a target and its account name cannot be empty".into()));
        }
        connection.execute(
            "INSERT OR REPLACE INTO links VALUES (?1, ?2, ?3)",
            params![person, target.0, account],
        )?;
    }
    Ok(())
}

/// Everything about a login but its hashes; empty for an unknown one.
fn person(connection: &Connection, login: &str) -> Result<Person, StoreError> {
    let list = |query: &str| -> Result<Vec<(String, String)>, StoreError> {
        let mut query = connection.prepare_cached(query)?;
        Ok(query.query_map([login], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    };
    let of = "JOIN people ON people.id = person WHERE login = ?1 ORDER BY 1";
    let accounts = list(&format!("SELECT target, account FROM links {of}"))?;
    let questions = list(&format!("SELECT question, '' FROM answers {of}"))?;
    let machines = list(&format!("SELECT machine, '' FROM machines {of}"))?;
    Ok(Person {
        login: login.to_owned(),
        accounts: accounts
            .into_iter()
            .map(|(target, account)| (TargetId(target), AccountId(account)))
            .collect(),
        questions: questions.into_iter().map(|(question, _)| QuestionId(question)).collect(),
        machines: machines.into_iter().map(|(machine, _)| MachineId(machine)).collect(),
    })
}

fn info(connection: &Connection, login: &str, now: i64) -> Result<UserInfo, StoreError> {
    let id = id_of(connection, login)?;
    let person = person(connection, login)?;
    let (name, employee_id, has_pin) = connection
        .prepare_cached(
            "SELECT name, employee_id, EXISTS (SELECT 1 FROM pins WHERE person = id) FROM people WHERE id = ?1",
        )?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let (failures, locked_until) = failure::standing(connection, &failure::user(login), now)?;
    let accounts =
        person.accounts.into_iter().map(|(target, account)| account::info(connection, target, account.0));
    let accounts = accounts.collect::<Result<_, _>>()?;
    let Person { login, questions, machines, .. } = person;
    Ok(UserInfo { login, name, employee_id, has_pin, questions, machines, accounts, failures, locked_until })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::light;
    use super::*;

    pub(in super::super) fn keyed(text: &str) -> SecretDigits {
        SecretDigits::parse(text).unwrap()
    }

    pub(in super::super) async fn add(
        store: &Store,
        login: &str,
        employee_id: &str,
    ) -> Result<(), StoreError> {
        let user = NewUser { login: login.into(), employee_id: employee_id.into(), ..NewUser::default() };
        store.add_user(user).await
    }

    const BOTH: [&str; 2] = ["employee_keys", "login_keys"];

    #[tokio::test]
    async fn people_are_found_by_id_and_by_login_on_the_keypad() {
        let (_folder, store) = light();
        add(&store, "smith01", "E-1001").await.unwrap();
        let login = |person: Option<Person>| person.map(|person| person.login);
        for keys in ["7648401", "31001", "7648401#"] {
            assert_eq!(
                login(store.find(&keyed(keys), BOTH.into()).await.unwrap()).as_deref(),
                Some("smith01"),
                "{keys}"
            );
        }
        assert_eq!(store.find(&keyed("7648401"), vec!["employee_keys"]).await.unwrap(), None);
        assert_eq!(store.find(&keyed(""), BOTH.into()).await.unwrap(), None);
        add(&store, "poguh01", "1002").await.unwrap();
        assert_eq!(
            store.find(&keyed("7648401"), BOTH.into()).await.unwrap(),
            None,
            "two with the same keys are nobody"
        );
        add(&store, "zed", "7648401").await.unwrap();
        assert_eq!(login(store.find(&keyed("7648401"), BOTH.into()).await.unwrap()).as_deref(), Some("zed"));
    }

    #[tokio::test]
    async fn logins_and_ids_are_unique_and_not_empty() {
        let (_folder, store) = light();
        add(&store, "ada", "1").await.unwrap();
        for (login, id) in [("ada", "2"), ("bob", "1"), ("", "3"), ("...", "3"), ("bob", "-")] {
            assert!(matches!(add(&store, login, id).await, Err(StoreError::Invalid(_))), "{login} {id}");
        }
        assert_eq!(store.users().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_disk_code_comes_back_for_its_owner_only() {
        let (_folder, store) = light();
        add(&store, "ada", "1").await.unwrap();
        store.set_disk_code("ada", &MachineId("PC-1".into()), &Secret::new("111111-222222")).await.unwrap();
        assert_eq!(store.disk_code("ada", "PC-1").await.unwrap().expose(), "111111-222222");
        assert!(matches!(store.disk_code("ada", "PC-2").await, Err(StoreError::NotFound(_))));
        assert!(matches!(store.disk_code("bob", "PC-1").await, Err(StoreError::NotFound(_))));
        assert_eq!(store.user("ada").await.unwrap().machines, [MachineId("PC-1".into())]);
    }
}
