//! Queries on their way: the one that the step waits for, and those whose answer nobody waits for.
use passline_identity::{Answer, Query, ResetId};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// The caller hears "one moment" when an answer takes longer than this.
pub(crate) const HOLD_AFTER: Duration = Duration::from_secs(1);
/// … and again after each of these.
pub(crate) const HOLD_EVERY: Duration = Duration::from_secs(6);
/// An answer that takes longer than this counts as none.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// A password change is waited for longer, in silence: a late one must still be closed in the journal.
pub(crate) const LATE_LIMIT: Duration = Duration::from_secs(120);
/// An answer that came while "one moment" is said waits for its end, but no longer than this.
pub(crate) const STASH_LIMIT: Duration = Duration::from_secs(4);

/// The query that the running step waits for.
#[derive(Debug)]
struct Awaited {
    number: u32,
    late: Late,
    limit: Instant,
    hold_at: Option<Instant>,
    stash: Option<(Answer, Instant)>,
}

/// What an answer means that comes when no step waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// Nothing.
    Nothing,
    /// A password may have been set: it must be reported as unheard.
    Reset,
    /// A password is made invalid: if that fails, somebody must know.
    Unheard(ResetId),
}

/// All queries of one call.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    last: u32,
    awaited: Option<Awaited>,
    loose: BTreeMap<u32, (Late, Instant)>,
}

/// What an answer turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// For the running step.
    Step(Answer),
    /// It waits until the hold prompt is over.
    Stashed,
    /// For nobody.
    Late(Late, Answer),
    /// Not asked, or answered before.
    Unknown,
}

impl Asking {
    /// A query for the running step. Returns its number.
    pub fn ask(&mut self, now: Instant, query: &Query) -> u32 {
        self.let_go();
        self.last += 1;
        let late = match query {
            Query::Reset { .. } => Late::Reset,
            Query::ResetUnheard { reset } => Late::Unheard(reset.clone()),
            _ => Late::Nothing,
        };
        self.awaited = Some(Awaited {
            number: self.last,
            late,
            limit: now + LIMIT,
            hold_at: Some(now + HOLD_AFTER),
            stash: None,
        });
        self.last
    }

    /// A query that no step waits for. Returns its number.
    pub fn ask_loose(&mut self, now: Instant, query: &Query) -> u32 {
        self.last += 1;
        let late = match query {
            Query::ResetUnheard { reset } => Late::Unheard(reset.clone()),
            _ => Late::Nothing,
        };
        self.loose.insert(self.last, (late, now + LIMIT));
        self.last
    }

    /// The running step waits no longer. Returns an answer that was already there.
    pub fn let_go(&mut self) -> Option<(Late, Answer)> {
        let awaited = self.awaited.take()?;
        if let Some((answer, _)) = awaited.stash {
            return Some((awaited.late, answer));
        }
        let limit = match awaited.late {
            Late::Reset => awaited.limit + (LATE_LIMIT - LIMIT),
            _ => awaited.limit,
        };
        self.loose.insert(awaited.number, (awaited.late, limit));
        None
    }

    /// True while the running step waits for an answer.
    pub fn waiting(&self) -> bool {
        self.awaited.is_some()
    }

    /// True while any answer is outstanding.
    pub fn outstanding(&self) -> bool {
        self.waiting() || !self.loose.is_empty()
    }

    /// An answer came; `holding` while "one moment" is being said.
    pub fn answered(&mut self, now: Instant, number: u32, answer: Answer, holding: bool) -> Arrived {
        if let Some((late, _)) = self.loose.remove(&number) {
            return Arrived::Late(late, answer);
        }
        match &mut self.awaited {
            Some(awaited) if awaited.number == number && awaited.stash.is_none() => {
                if holding {
                    awaited.stash = Some((answer, now + STASH_LIMIT));
                    return Arrived::Stashed;
                }
                self.awaited = None;
                Arrived::Step(answer)
            }
            _ => Arrived::Unknown,
        }
    }

    /// The hold prompt is over: the answer that waited for it, or the time for the next hold prompt.
    pub fn held(&mut self, now: Instant) -> Option<Answer> {
        let awaited = self.awaited.as_mut()?;
        match awaited.stash.take() {
            Some((answer, _)) => {
                self.awaited = None;
                Some(answer)
            }
            None => {
                awaited.hold_at = Some(now + HOLD_EVERY);
                None
            }
        }
    }

    /// True once each time a hold prompt is due.
    pub fn hold_due(&mut self, now: Instant) -> bool {
        match &mut self.awaited {
            Some(awaited) if awaited.stash.is_none() && awaited.hold_at.is_some_and(|at| at <= now) => {
                awaited.hold_at = None;
                true
            }
            _ => false,
        }
    }

    /// The stashed answer if its hold prompt never ends, or the time limit as an answer.
    pub fn expired(&mut self, now: Instant) -> Option<Answer> {
        let awaited = self.awaited.as_mut()?;
        if awaited.stash.as_ref().is_some_and(|(_, limit)| *limit <= now) {
            return self.held(now);
        }
        if awaited.stash.is_none() && awaited.limit <= now {
            self.let_go();
            return Some(Answer::Failed(passline_identity::Fault::Timeout));
        }
        None
    }

    /// Queries that nobody waits for and that were not answered in time.
    pub fn expired_loose(&mut self, now: Instant) -> Option<Late> {
        let number = self.loose.iter().find(|(_, (_, limit))| *limit <= now).map(|(number, _)| *number)?;
        self.loose.remove(&number).map(|(late, _)| late)
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        let awaited = self.awaited.iter().flat_map(|awaited| match &awaited.stash {
            Some((_, limit)) => [Some(*limit), None],
            None => [Some(awaited.limit), awaited.hold_at],
        });
        awaited.flatten().chain(self.loose.values().map(|(_, limit)| *limit)).min()
    }
}
