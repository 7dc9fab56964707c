//! Who calls, and what they are asked.
use super::{
    Inner, audit,
    draw::{handle, subset},
    session::Known,
};
use crate::{hash::hex, store::user_name};
use passline_identity::{Answer, CallId, Fault, IdentifyBy, QuestionId, SecretDigits, Subject, SubjectId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

impl Inner {
    /// Known and unknown IDs take the same way; only what is kept in memory differs.
    pub(super) async fn identify(
        &self,
        call: &CallId,
        id: &SecretDigits,
        by: &[IdentifyBy],
    ) -> Result<Answer, Fault> {
        let limit = self.config.status_limit();
        let person =
            tokio::time::timeout(limit, self.directory.find(id, by)).await.unwrap_or(Err(Fault::Timeout))?;
        let decoy = format!("decoy:{}", hex(&self.store.keys().name("decoy", id.expose())));
        let (name, result) = match &person {
            Some(person) => (user_name(&person.login), "known"),
            None => (decoy, "unknown"),
        };
        let login = person.as_ref().map(|person| person.login.clone());
        let subject = SubjectId(handle(&mut *self.rng()));
        self.sessions().add(call, Known::new(subject, person, name));
        self.store.record(vec![audit(call, login.as_deref(), "identified", result)]).await?;
        Ok(Answer::Identified(Subject { id: subject }))
    }

    /// A random subset, kept until it is answered rightly: calling again does not fish for an easier one. A person
    /// with too few questions gets others beside them and cannot pass; nobody hears the difference.
    pub(super) async fn questions(
        &self,
        call: &CallId,
        subject: SubjectId,
        ask: u8,
    ) -> Result<Answer, Fault> {
        let (name, own) = {
            let mut sessions = self.sessions();
            let known = sessions.known(call, subject).ok_or(Fault::NotFound)?;
            (known.name.clone(), known.person.clone())
        };
        let limit = self.config.status_limit();
        let pool =
            tokio::time::timeout(limit, self.directory.questions()).await.unwrap_or(Err(Fault::Timeout))?;
        let ask = usize::from(ask);
        // For the unknown the draw is a function of the ID, so that it also outlives the rows kept here.
        let mut keyed = ChaCha20Rng::from_seed(self.store.keys().name("questions", &name));
        let enrolled = match &own {
            Some(person) if person.questions.len() >= ask => person.questions.clone(),
            Some(person) => {
                let missing = ask - person.questions.len();
                let others: Vec<_> =
                    pool.into_iter().filter(|other| !person.questions.contains(other)).collect();
                [person.questions.clone(), subset(&others, missing, &mut keyed)].concat()
            }
            None => pool,
        };
        let drawn = match own {
            Some(_) => subset(&enrolled, ask, &mut *self.rng()),
            None => subset(&enrolled, ask, &mut keyed),
        };
        let asked: Vec<QuestionId> = self.store.keep_asked(&name, &enrolled, drawn).await?;
        if let Some(known) = self.sessions().known(call, subject) {
            known.asked.clone_from(&asked);
        }
        Ok(Answer::Questions(asked))
    }
}
