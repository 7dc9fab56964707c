//! A new password on one or more targets.
use super::{Authority, Inner, audit, draw::handle, join::join, result_name};
use crate::store::{Head, OpenTarget, TargetState};
use passline_identity::{
    Answer, CallId, Fault, PasswordStyle, Person, ResetId, ResetOutcome, Secret, SubjectId, TargetId,
    TargetResult, generate_password,
};
use std::time::Duration;

/// What the caller wants.
pub(super) struct Order {
    pub(super) targets: Vec<TargetId>,
    pub(super) style: PasswordStyle,
    pub(super) language: String,
    pub(super) expires: Duration,
    pub(super) must_change: bool,
}

impl Authority {
    /// One generated password, written to the journal as intent, then applied to all targets at the same time, each
    /// result journalled before it is told.
    pub(super) async fn reset(
        &self,
        call: &CallId,
        subject: SubjectId,
        needs: u8,
        order: Order,
    ) -> Result<Answer, Fault> {
        let this = &self.0;
        let person = this.authorise(call, subject, needs, "reset").await?;
        let mut targets: Vec<TargetId> = Vec::new();
        for target in &order.targets {
            if !targets.contains(target) {
                targets.push(target.clone());
            }
        }
        let reachable: Vec<OpenTarget> =
            targets.iter().filter_map(|target| this.reachable(&person, target)).collect();
        if reachable.is_empty() {
            this.store.record(vec![audit(call, Some(&person.login), "reset", "not_found")]).await?;
            return Err(Fault::NotFound);
        }
        let (reset, password) = this.draw(&order);
        let head = Head {
            call: call.clone(),
            login: person.login.clone(),
            state: "pending".into(),
            must_change: order.must_change,
        };
        this.store.reset_begin(&reset, head.clone(), reachable.clone()).await?;

        let (head, reset_ref, password_ref, order_ref) = (&head, &reset, &password, &order);
        let changes = targets.into_iter().map(|target| {
            let open = reachable.iter().find(|open| open.target == target);
            async move {
                let result = match open {
                    Some(open) => this.apply(reset_ref, head, open, password_ref, order_ref).await,
                    None => Err(Fault::NotFound),
                };
                TargetResult { target, result }
            }
        });
        let results = join(changes).await;

        let applied = results.iter().any(|result| result.result.is_ok());
        let effect = |result: &TargetResult| {
            matches!(state_of(result.result), TargetState::Applied | TargetState::Unknown)
        };
        let state = if results.iter().any(effect) { "applied" } else { "failed" };
        // Registered before anything may fail: whatever comes, the end of the call finds it.
        let running = this.sessions().opened(call, &reset);
        this.store.reset_move(&reset, &["pending"], state, None, None).await?;
        if state == "failed" {
            this.sessions().closed(call, &reset);
        } else if !applied || !running {
            // Nobody will be told this password, or nobody is there any more.
            self.unheard(call, &reset).await?;
        }
        Ok(Answer::Reset(ResetOutcome {
            reset,
            password: applied.then_some(password),
            results,
            valid_until: this.local_time_after(order.expires),
        }))
    }
}

impl Inner {
    fn reachable(&self, person: &Person, target: &TargetId) -> Option<OpenTarget> {
        let (_, account) = person.accounts.iter().find(|(id, _)| id == target)?;
        self.target(target)?;
        Some(OpenTarget { target: target.clone(), account: account.clone() })
    }

    /// A journal key and a password.
    fn draw(&self, order: &Order) -> (ResetId, Secret) {
        let words = self.words.get(&order.language).filter(|words| !words.is_empty());
        let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
        let style = match order.style {
            PasswordStyle::Words if words.is_empty() => {
                tracing::warn!(language = order.language, "no word list: the password is made of characters");
                PasswordStyle::Alnum24
            }
            style => style,
        };
        let mut rng = self.rng();
        (ResetId(format!("{:032x}", handle(&mut *rng))), generate_password(style, &words, &mut *rng))
    }

    async fn apply(
        &self,
        reset: &ResetId,
        head: &Head,
        open: &OpenTarget,
        password: &Secret,
        order: &Order,
    ) -> Result<(), Fault> {
        let target = self.target(&open.target).ok_or(Fault::NotFound)?;
        let limit = self.config.change_limit();
        let lane = self.account_lane(&open.target, &open.account);
        // Another change of the same account that takes too long is waited for no longer than the target itself.
        let lane = tokio::time::timeout(limit, lane.lock()).await;
        let result = if lane.is_ok() {
            self.store.reset_turn(reset, open).await?;
            target
                .run(limit, |connector| {
                    connector.set_temporary_password(
                        &open.account,
                        password,
                        order.must_change,
                        order.expires,
                    )
                })
                .await
        } else {
            Err(Fault::Unavailable)
        };
        let event = head.event("reset", Some(&open.target), result_name(result));
        self.store.reset_target(reset, &open.target, state_of(result), event).await?;
        result
    }

    /// The caller confirmed: what was applied stays.
    pub(super) async fn heard(&self, call: &CallId, reset: &ResetId) -> Result<Answer, Fault> {
        let head = self.own_head(call, reset).await?;
        let uncertain = self.store.reset_uncertain(reset).await?;
        let ticket = (!uncertain.is_empty()).then(|| {
            let names: Vec<&str> = uncertain.iter().map(|target| target.0.as_str()).collect();
            (
                format!(
                    "no answer in time from {}: the new password may or may not work there",
                    names.join(", ")
                ),
                false,
            )
        });
        let moved =
            self.store.reset_move(reset, &["applied"], "heard", Some(("reset_heard", "ok")), ticket).await?;
        self.sessions().closed(call, reset);
        match head.state.as_str() {
            _ if moved => Ok(Answer::Done),
            "heard" | "failed" => Ok(Answer::Done),
            // Too late: it is being replaced.
            _ => Err(Fault::Refused),
        }
    }

    /// The journal entry, if it is of this call.
    pub(super) async fn own_head(&self, call: &CallId, reset: &ResetId) -> Result<Head, Fault> {
        let head: Option<Head> = self.store.reset_head(reset).await?;
        head.filter(|head| head.call == *call).ok_or(Fault::NotFound)
    }

    fn local_time_after(&self, wait: Duration) -> (u8, u8) {
        let until = self.store.now().checked_add(wait).unwrap_or(jiff::Timestamp::MAX);
        let local = until.to_zoned(jiff::tz::TimeZone::system());
        (local.hour().unsigned_abs(), local.minute().unsigned_abs())
    }
}

/// What a result says of the effect.
fn state_of(result: Result<(), Fault>) -> TargetState {
    match result {
        Ok(()) => TargetState::Applied,
        Err(Fault::NotFound | Fault::Refused | Fault::Unavailable | Fault::NotAuthenticated) => {
            TargetState::Refused
        }
        Err(Fault::Timeout | Fault::Internal) => TargetState::Unknown,
    }
}
