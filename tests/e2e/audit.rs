//! What the audit log says.
use passline_tests::{server::Server, wait_for};
use std::time::Duration;

/// Lines as (login, event, target, result), `-` where there is none.
#[derive(Debug)]
pub struct Audit(Vec<[String; 4]>);

impl Audit {
    /// All of a server.
    pub fn of(server: &Server) -> Self {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        let lines = server.audit();
        Self(
            lines
                .iter()
                .map(|line| ["login", "event", "target", "result"].map(|field| text(&line[field])))
                .collect(),
        )
    }

    /// The same, once this line is there.
    #[track_caller]
    pub fn wait(server: &Server, event: &str, target: &str, result: &str) -> Self {
        let found = wait_for(Duration::from_secs(30), || {
            Some(Self::of(server)).filter(|audit| audit.has(event, target, result))
        });
        found.unwrap_or_else(|| panic!("{event} {target} {result} does not come: {:#?}", Self::of(server)))
    }

    /// The same, once this line of a login is there.
    #[track_caller]
    pub fn wait_of(server: &Server, login: &str, event: &str, target: &str, result: &str) -> Self {
        let found = wait_for(Duration::from_secs(30), || {
            Some(Self::of(server).of_login(login)).filter(|audit| audit.has(event, target, result))
        });
        found.unwrap_or_else(|| {
            panic!("{login} {event} {target} {result} does not come: {:#?}", Self::of(server))
        })
    }

    /// The lines about one login.
    pub fn of_login(&self, login: &str) -> Self {
        Self(self.0.iter().filter(|line| line[0] == login).cloned().collect())
    }

    /// Whether there is such a line.
    pub fn has(&self, event: &str, target: &str, result: &str) -> bool {
        self.0.iter().any(|line| line[1..] == [event, target, result])
    }

    /// How many lines tell of this event.
    pub fn count(&self, event: &str) -> usize {
        self.0.iter().filter(|line| line[1] == event).count()
    }
}
