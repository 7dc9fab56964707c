//! Call records.
use super::{Store, StoreError};
use crate::{CallMessage, CallRecord};
use rusqlite::params;

/// Records that are deleted in one go at most, so that no change takes long.
const SWEEP: u32 = 1000;

impl Store {
    /// Keeps a call record; a second one of the same call replaces the first. Only the last `keep` records stay.
    ///
    /// # Errors
    /// Of the database.
    pub async fn add_call(&self, call: &CallRecord, keep: u32) -> Result<(), StoreError> {
        self.add_calls(std::slice::from_ref(call), keep).await
    }

    /// [`Store::add_call`] of several, in one transaction.
    ///
    /// # Errors
    /// Of the database; then none is kept.
    pub async fn add_calls(&self, calls: &[CallRecord], keep: u32) -> Result<(), StoreError> {
        let json = |fault: serde_json::Error| StoreError::Invalid(fault.to_string());
        let mut rows = Vec::with_capacity(calls.len());
        for call in calls {
            let ladder = serde_json::to_string(&call.ladder).map_err(json)?;
            let call = CallRecord { ladder: Vec::new(), ..call.clone() };
            rows.push((serde_json::to_string(&call).map_err(json)?, ladder, call.call));
        }
        self.change(move |change| {
            let mut insert = change
                .prepare_cached("INSERT OR REPLACE INTO calls (call, record, ladder) VALUES (?1, ?2, ?3)")?;
            for (record, ladder, call) in rows {
                insert.execute(params![call, record, ladder])?;
            }
            change
                .prepare_cached(
                    "DELETE FROM calls WHERE seq IN \
                     (SELECT seq FROM calls WHERE seq <= last_insert_rowid() - ?1 ORDER BY seq LIMIT ?2)",
                )?
                .execute(params![keep, SWEEP])?;
            Ok(())
        })
        .await
    }

    /// The last call records without their messages, oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn calls(&self, last: usize) -> Result<Vec<CallRecord>, StoreError> {
        let texts: Vec<String> =
            self.last("SELECT record FROM calls ORDER BY seq DESC LIMIT ?1", last, |row| row.get(0)).await?;
        texts.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>().map_err(unreadable)
    }

    /// The calls whose name begins so, with their messages, the oldest first; no more than `most`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn calls_named(&self, beginning: &str, most: usize) -> Result<Vec<CallRecord>, StoreError> {
        let (beginning, most) = (beginning.to_owned(), i64::try_from(most).unwrap_or(i64::MAX));
        let rows: Vec<(String, String)> = self
            .run(move |connection| {
                // Not LIKE, whose letters would be wildcards and of either case.
                let mut query = connection.prepare_cached(
                    "SELECT record, ladder FROM calls WHERE substr(call, 1, length(?1)) = ?1 ORDER BY seq LIMIT ?2",
                )?;
                let rows = query.query_map(params![beginning, most], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await?;
        rows.iter().map(|(record, ladder)| joined(record, ladder)).collect()
    }
}

fn joined(record: &str, ladder: &str) -> Result<CallRecord, StoreError> {
    let ladder: Vec<CallMessage> = serde_json::from_str(ladder).map_err(unreadable)?;
    let record: CallRecord = serde_json::from_str(record).map_err(unreadable)?;
    Ok(CallRecord { ladder, ..record })
}

fn unreadable(fault: serde_json::Error) -> StoreError {
    StoreError::Unusable(format!("a call record: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::light;
    use super::*;

    fn call(name: &str) -> CallRecord {
        CallRecord { call: name.into(), to: "5001".into(), jitter_ms: 0.5, ..CallRecord::default() }
    }

    fn names(calls: &[CallRecord]) -> Vec<&str> {
        calls.iter().map(|call| call.call.as_str()).collect()
    }

    #[tokio::test]
    async fn records_come_back_in_order_and_the_oldest_go() {
        let (_folder, store) = light();
        for number in 0..5 {
            store.add_call(&call(&number.to_string()), 4).await.unwrap();
        }
        let calls = store.calls(2).await.unwrap();
        assert_eq!(names(&calls), ["3", "4"]);
        assert_eq!(calls[0].jitter_ms, 0.5);
        assert_eq!(names(&store.calls(99).await.unwrap()), ["1", "2", "3", "4"]);
    }

    #[tokio::test]
    async fn several_records_at_once_are_as_several_one_by_one() {
        let (_folder, store) = light();
        let calls: Vec<CallRecord> = (0..5).map(|number| call(&number.to_string())).collect();
        store.add_calls(&calls[..2], 3).await.unwrap();
        store.add_calls(&calls[1..], 3).await.unwrap();
        assert_eq!(names(&store.calls(99).await.unwrap()), ["2", "3", "4"]);
        store.add_calls(&[], 3).await.unwrap();
        assert_eq!(names(&store.calls(99).await.unwrap()), ["2", "3", "4"]);
    }

    #[tokio::test]
    async fn a_call_is_found_by_the_beginning_of_its_name() {
        let (_folder, store) = light();
        let message = CallMessage { ms: 7, line: "BYE sip:x SIP/2.0".into(), ..CallMessage::default() };
        let with = CallRecord { ladder: vec![message], ..call("ab12") };
        store.add_call(&with, 99).await.unwrap();
        store.add_call(&call("ab34"), 99).await.unwrap();
        assert_eq!(store.calls_named("ab1", 9).await.unwrap(), std::slice::from_ref(&with));
        assert_eq!(names(&store.calls_named("ab", 9).await.unwrap()), ["ab12", "ab34"]);
        assert!(store.calls_named("a_", 9).await.unwrap().is_empty(), "no wildcards");
        assert!(store.calls(9).await.unwrap()[0].ladder.is_empty(), "a list has no messages");
    }

    #[tokio::test]
    async fn a_record_of_an_older_version_is_read() {
        let (_folder, store) = light();
        store
            .change(|change| {
                change.execute(
                    "INSERT INTO calls (call, record) VALUES ('old', '{\"call\":\"old\",\"outcome\":\"completed\"}')",
                    [],
                )?;
                Ok(())
            })
            .await
            .unwrap();
        let calls = store.calls_named("old", 1).await.unwrap();
        assert_eq!((calls[0].outcome.as_str(), calls[0].diagnosis.is_none()), ("completed", true));
    }
}
