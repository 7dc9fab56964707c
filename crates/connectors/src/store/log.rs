//! Audit log and tickets.
use super::{Store, StoreError, utc};
use passline_identity::{AuditEvent, AuditLog, CallId, TargetId, Task};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

/// One line of the audit log as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditLine {
    /// RFC 3339, UTC.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub event: AuditEvent,
}

/// One ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketLine {
    /// Number.
    pub id: i64,
    /// Call.
    pub call: Option<String>,
    /// Login.
    pub login: Option<String>,
    /// One line.
    pub summary: String,
    /// RFC 3339.
    pub opened: String,
    /// RFC 3339; `None` while open.
    pub closed: Option<String>,
}

/// A number with all digits but its last two masked, for logs and call records.
pub fn mask_number(number: &str) -> String {
    let shown = number.chars().filter(char::is_ascii_digit).count().saturating_sub(2);
    let mut digit = 0;
    let mask = |c: char| {
        digit += usize::from(c.is_ascii_digit());
        if c.is_ascii_digit() && digit <= shown { '•' } else { c }
    };
    number.chars().map(mask).collect()
}

impl Store {
    /// The last audit lines, oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn audit(&self, last: usize) -> Result<Vec<AuditLine>, StoreError> {
        let query =
            "SELECT at, call, login, event, target, result, detail FROM audit ORDER BY seq DESC LIMIT ?1";
        self.last(query, last, |row| {
            let event = AuditEvent {
                call: row.get::<_, Option<String>>(1)?.map(CallId),
                login: row.get(2)?,
                event: row.get(3)?,
                target: row.get::<_, Option<String>>(4)?.map(TargetId),
                result: row.get(5)?,
                detail: row.get(6)?,
            };
            Ok(AuditLine { at: utc(row.get(0)?), event })
        })
        .await
    }

    /// The last tickets, oldest first.
    ///
    /// # Errors
    /// Of the database.
    pub async fn tickets(&self, last: usize) -> Result<Vec<TicketLine>, StoreError> {
        let query = "SELECT id, call, login, summary, opened, closed FROM tickets ORDER BY id DESC LIMIT ?1";
        self.last(query, last, |row| {
            Ok(TicketLine {
                id: row.get(0)?,
                call: row.get(1)?,
                login: row.get(2)?,
                summary: row.get(3)?,
                opened: utc(row.get(4)?),
                closed: row.get::<_, Option<i64>>(5)?.map(utc),
            })
        })
        .await
    }

    /// Opens the call's ticket, or adds to it; `resolved` closes it, otherwise it is open (again).
    pub(crate) async fn ticket(
        &self,
        call: &CallId,
        login: Option<&str>,
        summary: &str,
        resolved: bool,
    ) -> Result<(), StoreError> {
        let (call, login, summary) = (call.0.clone(), login.map(str::to_owned), summary.to_owned());
        let now = self.now_ms();
        self.change(move |change| ticket(change, now, &call, login.as_deref(), &summary, resolved)).await
    }

    /// Appends audit events durably, all or none.
    pub(crate) async fn record(&self, events: Vec<AuditEvent>) -> Result<(), StoreError> {
        let now = self.now_ms();
        self.change(move |change| events.iter().try_for_each(|event| append(change, now, event))).await
    }

    /// The newest rows of a query with `LIMIT ?1`, turned round.
    pub(super) async fn last<T: Send + 'static>(
        &self,
        query: &'static str,
        last: usize,
        map: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        self.run(move |connection| {
            let mut rows: Vec<T> =
                connection.prepare_cached(query)?.query_map([last], map)?.collect::<Result<_, _>>()?;
            rows.reverse();
            Ok(rows)
        })
        .await
    }
}

impl AuditLog for Store {
    fn append<'a>(&'a self, event: &'a AuditEvent) -> Task<'a, ()> {
        Box::pin(async move { Ok(self.record(vec![event.clone()]).await?) })
    }
}

pub(super) fn append(connection: &Connection, now: i64, event: &AuditEvent) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO audit (at, call, login, event, target, result, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    insert.execute(params![
        now,
        event.call.as_ref().map(|call| &call.0),
        event.login,
        event.event,
        event.target.as_ref().map(|target| &target.0),
        event.result,
        event.detail
    ])?;
    Ok(())
}

pub(super) fn ticket(
    connection: &Connection,
    now: i64,
    call: &str,
    login: Option<&str>,
    summary: &str,
    resolved: bool,
) -> Result<(), StoreError> {
    let mut query = connection.prepare_cached("SELECT summary FROM tickets WHERE call = ?1")?;
    let before: Option<String> = query.query_row([call], |row| row.get(0)).optional()?;
    let closed = resolved.then_some(now);
    match before {
        None => connection.execute(
            "INSERT INTO tickets (call, login, summary, opened, closed) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![call, login, summary, now, closed],
        )?,
        Some(before) => connection.execute(
            "UPDATE tickets SET summary = ?2, login = coalesce(login, ?3), closed = ?4 WHERE call = ?1",
            params![call, format!("{before}; {summary}"), login, closed],
        )?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::light;
    use super::*;

    #[test]
    fn masking_keeps_two_digits() {
        for (number, masked) in
            [("+491701234567", "+••••••••••67"), ("42", "42"), ("", ""), ("anonymous", "anonymous")]
        {
            assert_eq!(mask_number(number), masked);
        }
    }

    #[tokio::test]
    async fn one_ticket_per_call() {
        let (_folder, store) = light();
        let call = CallId("c".into());
        store.ticket(&call, None, "first", false).await.unwrap();
        store.ticket(&call, Some("ada"), "second", true).await.unwrap();
        let tickets = store.tickets(9).await.unwrap();
        assert_eq!(tickets.len(), 1);
        assert_eq!(
            (tickets[0].summary.as_str(), tickets[0].login.as_deref()),
            ("first; second", Some("ada"))
        );
        assert!(tickets[0].closed.is_some());
    }

    #[tokio::test]
    async fn audit_keeps_what_it_is_given() {
        let (_folder, store) = light();
        let event = AuditEvent {
            call: Some(CallId("c".into())),
            login: Some("ada".into()),
            event: "reset".into(),
            target: Some("crm".into()),
            result: "ok".into(),
            detail: None,
        };
        store.append(&event).await.unwrap();
        assert_eq!(store.audit(9).await.unwrap()[0].event, event);
    }
}
