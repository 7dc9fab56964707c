//! What a verified caller may do, besides a new password.
use super::{Authority, Inner, audit, join::join, result_name};
use passline_identity::{
    Answer, AuditEvent, CallId, Capabilities, Fault, MachineId, SubjectId, Target, TargetId, TargetResult,
};

impl Inner {
    /// Targets with their state, all asked at the same time, and machines.
    pub(super) async fn capabilities(&self, call: &CallId, subject: SubjectId) -> Result<Answer, Fault> {
        let person = self.authorise(call, subject, self.config.verified_points, "capabilities").await?;
        let limit = self.config.status_limit();
        let asked = person.accounts.iter().filter_map(|(id, account)| Some((self.target(id)?, account)));
        let states = asked.map(|(target, account)| async move {
            let status = target.run(limit, |connector| connector.status(account)).await;
            Target { id: target.id().clone(), locked: status.ok().map(|status| status.locked) }
        });
        let targets = join(states).await;
        Ok(Answer::Capabilities(Capabilities { targets, machines: person.machines.clone() }))
    }

    /// The escrowed code of one of the caller's own machines.
    pub(super) async fn disk_code(
        &self,
        call: &CallId,
        subject: SubjectId,
        needs: u8,
        machine: &MachineId,
    ) -> Result<Answer, Fault> {
        let person = self.authorise(call, subject, needs, "disk_code").await?;
        let limit = self.config.change_limit();
        let code = if person.machines.contains(machine) {
            let code = self.directory.disk_code(&person.login, &machine.0);
            tokio::time::timeout(limit, code).await.unwrap_or(Err(Fault::Timeout))
        } else {
            Err(Fault::NotFound)
        };
        let result = result_name(code.as_ref().map(|_| ()).map_err(|fault| *fault));
        let event = audit(call, Some(&person.login), "disk_code", result);
        // Audited before it is said: a code that nobody can account for is not handed out.
        self.store.record(vec![AuditEvent { detail: Some(machine.0.clone()), ..event }]).await?;
        Ok(Answer::DiskCode(code?))
    }
}

impl Authority {
    /// Clears lockouts, on all targets at the same time.
    pub(super) async fn unlock(
        &self,
        call: &CallId,
        subject: SubjectId,
        needs: u8,
        targets: Vec<TargetId>,
    ) -> Result<Answer, Fault> {
        let this = &self.0;
        let person = this.authorise(call, subject, needs, "unlock").await?;
        let limit = this.config.change_limit();
        let person = &person;
        let unlocks = targets.into_iter().map(|id| async move {
            let account = person.accounts.iter().find(|(target, _)| *target == id);
            let result = match (this.target(&id), account) {
                (Some(target), Some((_, account))) => {
                    target.run(limit, |connector| connector.unlock(account)).await
                }
                _ => Err(Fault::NotFound),
            };
            TargetResult { target: id, result }
        });
        let results = join(unlocks).await;
        let events = results.iter().map(|result| AuditEvent {
            target: Some(result.target.clone()),
            ..audit(call, Some(&person.login), "unlock", result_name(result.result))
        });
        this.store.record(events.collect()).await?;
        Ok(Answer::Unlock(results))
    }
}
