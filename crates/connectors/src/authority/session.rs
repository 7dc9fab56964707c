//! What is known of the callers of running calls; in memory only.
use passline_identity::{CallId, Person, QuestionId, ResetId, SubjectId};
use std::{collections::BTreeMap, sync::Arc};

/// Subjects remembered per call; the oldest is forgotten beyond it.
const SUBJECTS: usize = 16;

/// Kinds of proof; each earns its points once per call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Factor {
    Pin,
    Questions,
}

/// One identified (or decoy) caller.
pub(super) struct Known {
    pub(super) id: SubjectId,
    /// `None` = decoy.
    pub(super) person: Option<Arc<Person>>,
    /// Under which failures and kept questions are stored.
    pub(super) name: String,
    /// What was asked last in this call.
    pub(super) asked: Vec<QuestionId>,
    points: u8,
    passed: Vec<Factor>,
}

impl Known {
    pub(super) fn new(id: SubjectId, person: Option<Person>, name: String) -> Self {
        Self { id, person: person.map(Arc::new), name, asked: Vec::new(), points: 0, passed: Vec::new() }
    }
}

#[derive(Default)]
struct Call {
    subjects: Vec<Known>,
    /// Passwords that were handed out and not yet confirmed.
    open: Vec<ResetId>,
}

/// All running calls.
#[derive(Default)]
pub(super) struct Sessions(BTreeMap<CallId, Call>);

impl Sessions {
    pub(super) fn add(&mut self, call: &CallId, known: Known) {
        let call = self.0.entry(call.clone()).or_default();
        if call.subjects.len() == SUBJECTS {
            call.subjects.remove(0);
        }
        call.subjects.push(known);
    }

    pub(super) fn known(&mut self, call: &CallId, subject: SubjectId) -> Option<&mut Known> {
        self.0.get_mut(call)?.subjects.iter_mut().find(|known| known.id == subject)
    }

    pub(super) fn login(&mut self, call: &CallId, subject: SubjectId) -> Option<String> {
        Some(self.known(call, subject)?.person.as_ref()?.login.clone())
    }

    /// The person, if there is one and the points reach; at least one point is always needed.
    pub(super) fn person(&mut self, call: &CallId, subject: SubjectId, needs: u8) -> Option<Arc<Person>> {
        let known = self.known(call, subject)?;
        if known.points >= needs.max(1) { known.person.clone() } else { None }
    }

    /// Adds the points of a right proof, once per factor; returns the sum.
    pub(super) fn earn(&mut self, call: &CallId, subject: SubjectId, factor: Factor, points: u8) -> u8 {
        let Some(known) = self.known(call, subject) else { return 0 };
        if known.person.is_some() && !known.passed.contains(&factor) {
            known.passed.push(factor);
            known.points = known.points.saturating_add(points);
        }
        known.points
    }

    /// Remembers a password that waits for confirmation; false if the call is over.
    pub(super) fn opened(&mut self, call: &CallId, reset: &ResetId) -> bool {
        let Some(call) = self.0.get_mut(call) else { return false };
        call.open.push(reset.clone());
        true
    }

    pub(super) fn closed(&mut self, call: &CallId, reset: &ResetId) {
        if let Some(call) = self.0.get_mut(call) {
            call.open.retain(|open| open != reset);
        }
    }

    /// Forgets a call; returns what was not confirmed.
    pub(super) fn end(&mut self, call: &CallId) -> Vec<ResetId> {
        self.0.remove(call).map(|call| call.open).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person { login: "ada".into(), accounts: vec![], questions: vec![], machines: vec![] }
    }

    #[test]
    fn a_factor_counts_once_and_a_decoy_never() {
        let (call, real, decoy) = (CallId::from("c"), SubjectId(1), SubjectId(2));
        let mut sessions = Sessions::default();
        sessions.add(&call, Known::new(real, Some(person()), "user:ada".into()));
        sessions.add(&call, Known::new(decoy, None, "decoy:00".into()));
        assert_eq!(sessions.earn(&call, real, Factor::Pin, 1), 1);
        assert_eq!(sessions.earn(&call, real, Factor::Pin, 1), 1);
        assert!(sessions.person(&call, real, 2).is_none());
        assert_eq!(sessions.earn(&call, real, Factor::Questions, 1), 2);
        assert!(sessions.person(&call, real, 2).is_some());
        assert_eq!(sessions.earn(&call, decoy, Factor::Pin, 9), 0);
        assert!(sessions.person(&call, decoy, 0).is_none());
        assert!(sessions.person(&CallId::from("other"), real, 0).is_none(), "a handle is of one call");
    }

    #[test]
    fn without_points_nothing_is_allowed_even_if_nothing_is_needed() {
        let call = CallId::from("c");
        let mut sessions = Sessions::default();
        sessions.add(&call, Known::new(SubjectId(1), Some(person()), "user:ada".into()));
        assert!(sessions.person(&call, SubjectId(1), 0).is_none());
    }

    #[test]
    fn a_call_does_not_grow_without_bound() {
        let call = CallId::from("c");
        let mut sessions = Sessions::default();
        for id in 0..100 {
            sessions.add(&call, Known::new(SubjectId(id), None, String::new()));
        }
        assert!(sessions.known(&call, SubjectId(0)).is_none());
        assert!(sessions.known(&call, SubjectId(99)).is_some());
    }

    #[test]
    fn open_passwords_come_back_at_the_end() {
        let (call, reset) = (CallId::from("c"), ResetId::from("r"));
        let mut sessions = Sessions::default();
        assert!(!sessions.opened(&call, &reset), "the call is over or never was");
        sessions.add(&call, Known::new(SubjectId(1), None, String::new()));
        assert!(sessions.opened(&call, &reset));
        assert!(sessions.opened(&call, &ResetId::from("heard")));
        sessions.closed(&call, &ResetId::from("heard"));
        assert_eq!(sessions.end(&call), [reset]);
        assert!(sessions.end(&call).is_empty());
    }
}
