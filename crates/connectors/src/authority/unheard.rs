//! A password that was set and not heard must not stay: it is replaced by one that nobody knows.
use super::{Authority, Inner, draw::nobody_knows, join::join, result_name};
use crate::store::{Head, OpenTarget, TargetState};
use passline_identity::{Answer, AuditEvent, CallId, Fault, ResetId};
use std::time::Duration;

/// Longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(60);

impl Authority {
    /// Marks an entry as unheard and replaces its password in the background until every target took it.
    pub(super) async fn unheard(&self, call: &CallId, reset: &ResetId) -> Result<Answer, Fault> {
        let this = &self.0;
        this.own_head(call, reset).await?;
        let ticket =
            "a password was set but not heard; it is being replaced by one that nobody knows".to_owned();
        let marked = this
            .store
            .reset_move(
                reset,
                &["pending", "applied"],
                "unheard",
                Some(("reset_unheard", "marked")),
                Some((ticket, false)),
            )
            .await?;
        this.sessions().closed(call, reset);
        if marked {
            self.replace_until_done(reset.clone(), Duration::ZERO);
        }
        Ok(Answer::Done)
    }

    fn replace_until_done(&self, reset: ResetId, first: Duration) {
        let (this, busy) = (self.clone(), self.0.begin());
        tokio::spawn(async move {
            tokio::time::sleep(first).await;
            let mut pause = this.0.retry();
            loop {
                match this.0.replace(&reset).await {
                    Ok((true, _)) => break,
                    Ok((false, _)) => {
                        tracing::warn!(reset = %reset, "an unheard password is not replaced everywhere yet")
                    }
                    Err(fault) => tracing::error!(reset = %reset, %fault, "replacing an unheard password"),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
            drop(busy);
        });
    }

    /// What a crash left: intents that were never sent are closed, everything that nobody confirmed is replaced.
    pub(super) async fn recover_unheard(&self) -> Result<Vec<AuditEvent>, Fault> {
        let this = &self.0;
        let mut events = Vec::new();
        for reset in this.store.resets_unfinished().await? {
            let Some(head) = this.store.reset_head(&reset).await? else { continue };
            events.extend(this.store.reset_not_sent(&reset).await?);
            if this.store.reset_open(&reset).await?.is_empty() && head.state == "pending" {
                let ticket =
                    "the call was cut off before the password was changed; nothing was changed".to_owned();
                let audit = Some(("reset", "interrupted"));
                this.store.reset_move(&reset, &["pending"], "failed", audit, Some((ticket, true))).await?;
                events.push(head.event("reset", None, "interrupted"));
                continue;
            }
            let ticket =
                "the call was cut off before the password was confirmed; it is being replaced".to_owned();
            let audit = Some(("reset_unheard", "after_restart"));
            let from = &["pending", "applied"];
            if this.store.reset_move(&reset, from, "unheard", audit, Some((ticket, false))).await? {
                events.push(head.event("reset_unheard", None, "after_restart"));
            }
            let (done, replaced) = this.replace(&reset).await?;
            events.extend(replaced);
            if !done {
                self.replace_until_done(reset, this.retry());
            }
        }
        Ok(events)
    }
}

impl Inner {
    fn retry(&self) -> Duration {
        Duration::from_millis(self.config.retry_ms.max(10))
    }

    /// One try on every target that is left; true when none is.
    async fn replace(&self, reset: &ResetId) -> Result<(bool, Vec<AuditEvent>), Fault> {
        let head = self.store.reset_head(reset).await?.ok_or(Fault::NotFound)?;
        let open = self.store.reset_open(reset).await?;
        let tries = open.iter().map(|open| self.replace_on(reset, &head, open));
        let events = join(tries).await.into_iter().collect::<Result<Vec<_>, Fault>>()?;
        let done = self.store.reset_open(reset).await?.is_empty();
        if done {
            let ticket = Some(("done: nobody knows the password, the user may call again".to_owned(), true));
            let audit = Some(("reset_unheard", "closed"));
            self.store.reset_move(reset, &["unheard"], "randomised", audit, ticket).await?;
        }
        Ok((done, events))
    }

    async fn replace_on(&self, reset: &ResetId, head: &Head, open: &OpenTarget) -> Result<AuditEvent, Fault> {
        let event = |result: &str| head.event("randomise", Some(&open.target), result);
        let Some(target) = self.target(&open.target) else { return Ok(event("not_configured")) };
        // Held until the result is written, as in a reset: a newer password must not be overwritten by this one.
        let _lane = self.account_lane(&open.target, &open.account).lock().await;
        if self.store.reset_superseded(reset, open).await? {
            self.store
                .reset_target(reset, &open.target, TargetState::Superseded, event("superseded"))
                .await?;
            return Ok(event("superseded"));
        }
        let password = nobody_knows(&mut *self.rng());
        self.store.reset_turn(reset, open).await?;
        let limit = self.config.change_limit();
        let result = target
            .run(limit, |connector| connector.set_password(&open.account, &password, head.must_change))
            .await;
        let state = match result {
            Ok(()) => Some(TargetState::Randomised),
            Err(Fault::NotFound) => Some(TargetState::Gone),
            // Stays open and is tried again.
            Err(_) => None,
        };
        let event = event(result_name(result));
        if let Some(state) = state {
            self.store.reset_target(reset, &open.target, state, event.clone()).await?;
        }
        Ok(event)
    }
}
