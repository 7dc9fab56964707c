//! The process dies in the middle of a reset: at the next start the journal tells what happened, nothing that nobody
//! heard stays in force, and what was heard stays.
mod common;

use common::world::{Mood, World};
use passline_identity::{Answer, ResetId};
use std::{path::Path, time::Duration};
use tokio::runtime::Runtime;

const BOTH: [&str; 2] = ["directory", "crm"];

/// Runs the story in its own runtime and drops everything at the given moment, as a crash would.
fn until_the_crash<T>(story: impl Future<Output = T>) -> T {
    let runtime = Runtime::new().unwrap();
    let result = runtime.block_on(story);
    runtime.shutdown_background();
    result
}

/// What the next start does: the audit lines as `event target result`, journal state, states per target.
fn next_start(folder: &Path) -> (Vec<String>, String, Vec<(String, String)>) {
    until_the_crash(async {
        let world = World::new(folder).await;
        let events = world.authority.recover().await;
        world.settled().await;
        assert!(world.authority.recover().await.is_empty(), "nothing is left for another start");
        let audit = world.store.audit(9999).await.unwrap();
        let mut lines = Vec::new();
        for event in &events {
            assert!(audit.iter().any(|line| line.event == *event), "told and kept: {event:?}");
            let target = event.target.as_ref().map_or("-", |target| target.0.as_str());
            lines.push(format!("{} {target} {}", event.event, event.result));
        }
        let (state, targets) = world.journal().await;
        (lines, state, targets)
    })
}

fn states(states: &[(&str, &str)]) -> Vec<(String, String)> {
    states.iter().map(|(target, state)| ((*target).to_owned(), (*state).to_owned())).collect()
}

/// Starts a reset that hangs on `crm` in the given way, and crashes.
fn crash_while_sending(folder: &Path, mood: Mood) {
    until_the_crash(async {
        let world = World::new(folder).await;
        let subject = world.verified("c", "ada").await;
        world.mood(mood);
        let asked = world.ask("c", World::reset_query(subject, &BOTH));
        assert!(tokio::time::timeout(Duration::from_millis(120), asked).await.is_err(), "it hangs");
        assert_eq!(world.journal().await.1, states(&[("crm", "sent"), ("directory", "applied")]));
    });
}

#[test]
fn killed_while_a_target_is_being_asked() {
    for mood in [Mood::HangsBefore, Mood::HangsAfter] {
        let folder = tempfile::tempdir().unwrap();
        crash_while_sending(folder.path(), mood);
        let (events, state, targets) = next_start(folder.path());
        assert_eq!(events, ["reset_unheard - after_restart", "randomise crm ok", "randomise directory ok"]);
        assert_eq!(state, "randomised");
        assert_eq!(targets, states(&[("crm", "randomised"), ("directory", "randomised")]));
        until_the_crash(async {
            let world = World::new(folder.path()).await;
            assert!(!world.binds("ada", "directory", "Old-Ada-Directory-1").await);
            let tickets = world.store.tickets(9).await.unwrap();
            assert!(tickets[0].summary.contains("cut off") && tickets[0].closed.is_some());
            // And the user can simply call again.
            let subject = world.verified("again", "ada").await;
            let new = world.reset("again", subject, &BOTH).await.password.unwrap();
            assert!(world.binds("ada", "crm", new.expose()).await);
        });
    }
}

/// Turns the journal back to a state between two of its writes; the targets are as they are.
fn turn_back(folder: &Path, reset: &str, targets: &str) {
    let database = rusqlite::Connection::open(folder.join("store.db")).unwrap();
    database.execute("UPDATE resets SET state = ?1", [reset]).unwrap();
    database.execute("UPDATE reset_targets SET state = ?1", [targets]).unwrap();
}

/// A reset whose answer came; then the crash.
fn crash_before_it_was_heard(folder: &Path) -> String {
    until_the_crash(async {
        let world = World::new(folder).await;
        let subject = world.verified("c", "ada").await;
        world.reset("c", subject, &BOTH).await.password.unwrap().expose().to_owned()
    })
}

fn works(folder: &Path, password: &str) -> bool {
    until_the_crash(async {
        let world = World::new(folder).await;
        let on = [world.binds("ada", "crm", password).await, world.binds("ada", "directory", password).await];
        assert_eq!(on[0], on[1]);
        on[0]
    })
}

#[test]
fn killed_after_the_intent_and_before_anything_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let password = crash_before_it_was_heard(folder.path());
    turn_back(folder.path(), "pending", "pending");
    let (events, state, targets) = next_start(folder.path());
    assert_eq!(events, ["reset crm not_sent", "reset directory not_sent", "reset - interrupted"]);
    assert_eq!(state, "failed");
    assert_eq!(targets, states(&[("crm", "not_sent"), ("directory", "not_sent")]));
    assert!(works(folder.path(), &password), "what was in force stays: the accounts were not touched");
}

#[test]
fn killed_at_every_step_before_it_was_heard() {
    for (reset, target) in
        [("pending", "sent"), ("pending", "applied"), ("applied", "applied"), ("unheard", "applied")]
    {
        let folder = tempfile::tempdir().unwrap();
        let password = crash_before_it_was_heard(folder.path());
        turn_back(folder.path(), reset, target);
        assert!(works(folder.path(), &password));
        let (_, state, targets) = next_start(folder.path());
        assert_eq!(state, "randomised", "{reset} {target}");
        assert_eq!(
            targets,
            states(&[("crm", "randomised"), ("directory", "randomised")]),
            "{reset} {target}"
        );
        assert!(!works(folder.path(), &password), "{reset} {target}");
    }
}

#[test]
fn killed_after_it_was_heard() {
    let folder = tempfile::tempdir().unwrap();
    let password = until_the_crash(async {
        let world = World::new(folder.path()).await;
        let subject = world.verified("c", "ada").await;
        let outcome = world.reset("c", subject, &BOTH).await;
        assert_eq!(world.heard("c", &outcome.reset).await, Answer::Done);
        outcome.password.unwrap().expose().to_owned()
    });
    let (events, state, _) = next_start(folder.path());
    assert!(events.is_empty(), "{events:?}");
    assert_eq!(state, "heard");
    assert!(works(folder.path(), &password));
}

#[test]
fn killed_while_replacing_and_the_target_is_down_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let password = until_the_crash(async {
        let world = World::new(folder.path()).await;
        let subject = world.verified("c", "ada").await;
        let password = world.reset("c", subject, &BOTH).await.password.unwrap();
        world.mood(Mood::Down);
        world.authority.call_ended(&"c".into()).await;
        assert!(!world.authority.settle(Duration::from_millis(100)).await);
        password.expose().to_owned()
    });
    until_the_crash(async {
        let world = World::new(folder.path()).await;
        world.mood(Mood::Down);
        let events = world.authority.recover().await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!((events[0].event.as_str(), events[0].result.as_str()), ("randomise", "unavailable"));
        world.mood(Mood::Well);
        world.settled().await;
        assert!(!world.binds("ada", "crm", &password).await);
        assert_eq!(world.journal().await.0, "randomised");
        let gone = world.heard("c", &ResetId::from("none")).await;
        assert!(matches!(gone, Answer::Failed(_)));
    });
}

#[test]
fn a_newer_password_survives_the_recovery_of_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let password = until_the_crash(async {
        let world = World::new(folder.path()).await;
        let subject = world.verified("c", "ada").await;
        world.reset("c", subject, &BOTH).await;
        let outcome = world.reset("c", subject, &BOTH).await;
        world.heard("c", &outcome.reset).await;
        outcome.password.unwrap().expose().to_owned()
    });
    let (events, ..) = next_start(folder.path());
    assert_eq!(
        events,
        ["reset_unheard - after_restart", "randomise crm superseded", "randomise directory superseded"]
    );
    assert!(works(folder.path(), &password));
}
