//! What people prove themselves with: PINs and answers.
use super::{Store, StoreError, failure, people::id_of};
use passline_identity::{Key, QuestionId, SecretDigits};
use rusqlite::{OptionalExtension, params};

/// How many digits a PIN or an answer may have.
const DIGITS: std::ops::RangeInclusive<usize> = 4..=16;

impl Store {
    /// Sets the phone PIN: 4-16 digits.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Invalid`].
    pub async fn set_pin(&self, login: &str, pin: &SecretDigits) -> Result<(), StoreError> {
        let hash = self.hasher().hash(checked("a PIN", pin)?.expose()).await?;
        let login = login.to_owned();
        self.change(move |change| {
            let person = id_of(change, &login)?;
            change.execute("INSERT OR REPLACE INTO pins VALUES (?1, ?2)", params![person, hash])?;
            Ok(())
        })
        .await
    }

    /// Replaces all answers of a person: 4-16 digits each.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Invalid`].
    pub async fn set_answers(
        &self,
        login: &str,
        answers: &[(QuestionId, SecretDigits)],
    ) -> Result<(), StoreError> {
        let mut hashes: Vec<(String, String)> = Vec::with_capacity(answers.len());
        for (question, answer) in answers {
            if question.0.is_empty() || hashes.iter().any(|(other, _)| *other == question.0) {
                return Err(StoreError::Invalid(format!("question `{question}` is empty or stands twice")));
            }
            let answer = checked("an answer", answer)?;
            hashes.push((question.0.clone(), self.hasher().hash(answer.expose()).await?));
        }
        let login = login.to_owned();
        self.change(move |change| {
            let person = id_of(change, &login)?;
            change.execute("DELETE FROM answers WHERE person = ?1", [person])?;
            for (question, hash) in hashes {
                change.execute("INSERT INTO answers VALUES (?1, ?2, ?3)", params![person, question, hash])?;
            }
            // The questions kept for the next call may be gone.
            failure::forget_asked(change, &failure::user(&login))
        })
        .await
    }

    /// Whether the PIN is right; same work for nobody and for a person without a PIN.
    pub(crate) async fn pin_matches(
        &self,
        login: Option<&str>,
        pin: &SecretDigits,
    ) -> Result<bool, StoreError> {
        let login = login.unwrap_or("").to_owned();
        let stored: Option<String> = self
            .run(move |connection| {
                let query = "SELECT hash FROM pins JOIN people ON people.id = person WHERE login = ?1";
                Ok(connection.prepare_cached(query)?.query_row([login], |row| row.get(0)).optional()?)
            })
            .await?;
        self.hasher().matches(digits(pin).expose(), stored.as_deref()).await
    }

    /// Whether all answers are right (there must be one); one hash each, whatever the others are.
    pub(crate) async fn answers_match(
        &self,
        login: Option<&str>,
        answers: &[(QuestionId, SecretDigits)],
    ) -> Result<bool, StoreError> {
        let login = login.unwrap_or("").to_owned();
        let questions: Vec<String> = answers.iter().map(|(question, _)| question.0.clone()).collect();
        let stored: Vec<Option<String>> = self
            .run(move |connection| {
                let query = "SELECT hash FROM answers JOIN people ON people.id = person WHERE login = ?1 AND question = ?2";
                let mut query = connection.prepare_cached(query)?;
                let stored = questions
                    .iter()
                    .map(|question| query.query_row([&login, question], |row| row.get(0)).optional())
                    .collect::<Result<_, _>>()?;
                Ok(stored)
            })
            .await?;
        let mut right = !answers.is_empty();
        for ((_, answer), stored) in answers.iter().zip(&stored) {
            right &= self.hasher().matches(digits(answer).expose(), stored.as_deref()).await?;
        }
        Ok(right)
    }
}

/// Only the digits: `*` and `#` end or clear an input and are no part of it.
pub(super) fn digits(keyed: &SecretDigits) -> SecretDigits {
    let mut digits = SecretDigits::default();
    let keys = keyed.expose().chars().filter(char::is_ascii_digit);
    keys.filter_map(Key::new).for_each(|key| digits.push(key));
    digits
}

fn checked(what: &str, keyed: &SecretDigits) -> Result<SecretDigits, StoreError> {
    let digits = digits(keyed);
    if DIGITS.contains(&digits.len()) {
        return Ok(digits);
    }
    Err(StoreError::Invalid(format!("{what} has {} to {} digits", DIGITS.start(), DIGITS.end())))
}

#[cfg(test)]
mod tests {
    use super::super::{
        people::tests::{add, keyed},
        tests::light,
    };
    use super::*;

    #[tokio::test]
    async fn pins_compare_by_digits_only() {
        let (_folder, store) = light();
        add(&store, "ada", "1").await.unwrap();
        assert!(!store.pin_matches(Some("ada"), &keyed("0042")).await.unwrap(), "no PIN is set");
        store.set_pin("ada", &keyed("0042")).await.unwrap();
        for (pin, right) in [("0042", true), ("0042#", true), ("42", false), ("", false), ("00421", false)] {
            assert_eq!(store.pin_matches(Some("ada"), &keyed(pin)).await.unwrap(), right, "{pin}");
        }
        assert!(!store.pin_matches(None, &keyed("0042")).await.unwrap());
        assert!(matches!(store.set_pin("ada", &keyed("042")).await, Err(StoreError::Invalid(_))));
        assert!(matches!(store.set_pin("bob", &keyed("0042")).await, Err(StoreError::NotFound(_))));
    }

    #[tokio::test]
    async fn every_answer_must_be_right() {
        let (_folder, store) = light();
        add(&store, "ada", "1").await.unwrap();
        let given =
            |list: &[(&str, &str)]| list.iter().map(|(q, a)| ((*q).into(), keyed(a))).collect::<Vec<_>>();
        store.set_answers("ada", &given(&[("zip", "12345"), ("birth", "0312")])).await.unwrap();
        for (answers, right) in [
            (&[("zip", "12345"), ("birth", "0312")][..], true),
            (&[("birth", "0312")], true),
            (&[("zip", "12345"), ("birth", "0313")], false),
            (&[("zip", "12345"), ("pet", "0312")], false),
            (&[], false),
        ] {
            assert_eq!(
                store.answers_match(Some("ada"), &given(answers)).await.unwrap(),
                right,
                "{answers:?}"
            );
            assert!(!store.answers_match(None, &given(answers)).await.unwrap());
        }
        assert!(store.set_answers("ada", &given(&[("zip", "12345"), ("zip", "0312")])).await.is_err());
        assert_eq!(store.question_pool().await.unwrap(), ["birth".into(), "zip".into()]);
    }
}
