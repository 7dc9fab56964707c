//! Whether it is them.
use super::{Inner, audit, session::Factor};
use crate::store::Attempt;
use passline_identity::{Answer, AuditEvent, CallId, Fault, Proof, SubjectId, Verdict};

impl Inner {
    /// One proof. The failure is counted before anything is compared and taken back if the proof is right; a locked
    /// or unknown caller costs the same work as any other.
    pub(super) async fn verify(
        &self,
        call: &CallId,
        caller: &str,
        subject: SubjectId,
        proof: Proof,
        points: u8,
    ) -> Result<Answer, Fault> {
        let (name, person, asked) = {
            let mut sessions = self.sessions();
            let known = sessions.known(call, subject).ok_or(Fault::NotFound)?;
            (known.name.clone(), known.person.clone(), known.asked.clone())
        };
        let (factor, fits) = match &proof {
            Proof::Pin(_) => (Factor::Pin, true),
            // Only answers to what was asked, all of them and in that order: no picking of easier ones.
            Proof::Answers(answers) => {
                let given = answers.iter().map(|(question, _)| question);
                (Factor::Questions, !asked.is_empty() && given.eq(asked.iter()))
            }
        };
        let number = format!("number:{}", crate::hash::hex(&self.store.keys().name("number", caller)));
        let (user_limits, number_limits) = (self.config.user_limits(), self.config.number_limits());

        let lane = self.proof_lane(&name).lock().await;
        let attempt = self.store.attempt(&name, user_limits, &number, number_limits).await?;
        let comparable = fits && attempt == Attempt::Counted;
        let login = person.as_ref().map(|person| person.login.as_str());
        let right = match self.directory.verify(login.filter(|_| comparable), &proof).await {
            Ok(right) => right && comparable && login.is_some(),
            Err(fault) => {
                if attempt == Attempt::Counted {
                    self.store.not_compared(&name).await?;
                }
                return Err(fault);
            }
        };
        let verdict = match (right, attempt) {
            (true, _) => Verdict::Passed,
            (false, Attempt::Counted) => Verdict::Failed,
            (false, Attempt::Locked) => Verdict::Locked,
        };
        let result = match verdict {
            Verdict::Passed => "ok",
            Verdict::Failed => "failed",
            Verdict::Locked => "locked",
        };
        let detail = match factor {
            Factor::Pin => "pin",
            Factor::Questions => "questions",
        };
        let event = AuditEvent { detail: Some(detail.into()), ..audit(call, login, "verify", result) };
        if right {
            let sum = self.sessions().earn(call, subject, factor, points);
            let verified = sum >= self.config.verified_points.max(1);
            self.store.passed(&name, verified, factor == Factor::Questions, event).await?;
        } else {
            self.store.failed(&number, number_limits, attempt == Attempt::Counted, event).await?;
        }
        drop(lane);
        Ok(Answer::Verdict(verdict))
    }
}
