//! New passwords: applied, partly applied, not heard.
mod common;

use common::world::{Mood, World, quick};
use passline_connectors::AuthorityConfig;
use passline_identity::{Answer, Fault, MachineId, Query, ResetId, TargetId};
use std::{sync::Arc, time::Duration};

const BOTH: [&str; 2] = ["directory", "crm"];

#[tokio::test]
async fn one_password_for_all_targets_and_the_old_ones_are_dead() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.verified("c", "ada").await;
    let outcome = world.reset("c", subject, &BOTH).await;
    assert!(outcome.results.iter().all(|result| result.result.is_ok()));
    let new = outcome.password.unwrap();
    assert_eq!(new.expose().split('-').count(), 4);
    for (target, old) in [("directory", "Old-Ada-Directory-1"), ("crm", "Old-Ada-Crm-1")] {
        assert!(world.binds("ada", target, new.expose()).await);
        assert!(!world.binds("ada", target, old).await);
    }
    assert_eq!(world.journal().await.0, "applied");
    assert_eq!(world.heard("c", &outcome.reset).await, Answer::Done);
    assert_eq!(world.heard("c", &outcome.reset).await, Answer::Done, "twice is once");
    world.authority.call_ended(&"c".into()).await;
    world.settled().await;
    assert_eq!(world.journal().await.0, "heard");
    assert!(world.binds("ada", "crm", new.expose()).await);
    let account = world.store.user("ada").await.unwrap().accounts.remove(0);
    assert!(account.must_change && account.expires.is_some());
    world.wait(1801);
    assert!(!world.binds("ada", "crm", new.expose()).await, "a temporary password expires");
}

#[tokio::test]
async fn a_locked_account_is_free_after_a_reset_or_an_unlock() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.verified("c", "eva").await;
    let Answer::Capabilities(can) = world.ask("c", Query::Capabilities { subject }).await else { panic!() };
    assert_eq!(can.targets.iter().find(|target| target.id.0 == "directory").unwrap().locked, Some(true));
    let targets = vec![TargetId::from("directory"), TargetId::from("nowhere")];
    let Answer::Unlock(results) = world.ask("c", Query::Unlock { subject, targets, needs: 2 }).await else {
        panic!()
    };
    assert_eq!(
        results.iter().map(|result| result.result).collect::<Vec<_>>(),
        [Ok(()), Err(Fault::NotFound)]
    );
    assert!(world.binds("eva", "directory", "Old-Eva-Directory-1").await);
}

#[tokio::test]
async fn the_disk_code_of_the_own_machine() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.verified("c", "ben").await;
    let ask = async |machine: &str| {
        world.ask("c", Query::DiskCode { subject, machine: MachineId::from(machine), needs: 2 }).await
    };
    let Answer::DiskCode(code) = ask("LAPTOP-BEN").await else { panic!() };
    assert_eq!(code.expose().len(), 55);
    assert_eq!(ask("LAPTOP-ADA").await, Answer::Failed(Fault::NotFound));
    let query = Query::DiskCode { subject, machine: MachineId::from("LAPTOP-BEN"), needs: 3 };
    assert_eq!(world.ask("c", query).await, Answer::Failed(Fault::NotAuthenticated));
    let audit = world.store.audit(99).await.unwrap();
    let line = audit.iter().find(|line| line.event.event == "disk_code").unwrap();
    assert_eq!((line.event.result.as_str(), line.event.detail.as_deref()), ("ok", Some("LAPTOP-BEN")));
}

#[tokio::test]
async fn each_target_has_its_own_result() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.verified("c", "ada").await;
    for (mood, fault, state) in [
        (Mood::Refuses, Fault::Refused, "refused"),
        (Mood::Down, Fault::Unavailable, "refused"),
        (Mood::HangsBefore, Fault::Timeout, "unknown"),
        (Mood::HangsAfter, Fault::Timeout, "unknown"),
    ] {
        world.mood(mood);
        let outcome = world.reset("c", subject, &["directory", "crm", "nowhere", "crm"]).await;
        let results: Vec<_> =
            outcome.results.iter().map(|result| (result.target.0.as_str(), result.result)).collect();
        let expected = [("directory", Ok(())), ("crm", Err(fault)), ("nowhere", Err(Fault::NotFound))];
        assert_eq!(results, expected, "{mood:?}");
        assert!(world.binds("ada", "directory", outcome.password.unwrap().expose()).await);
        assert_eq!(world.heard("c", &outcome.reset).await, Answer::Done);
        let (head, targets) = world.journal().await;
        assert_eq!(head, "heard");
        assert_eq!(targets[0], ("crm".to_owned(), state.to_owned()));
    }
    let ticket = world.store.tickets(9).await.unwrap().pop().unwrap();
    assert!(ticket.summary.contains("no answer in time from crm") && ticket.closed.is_none(), "{ticket:?}");
}

#[tokio::test]
async fn if_no_target_takes_it_there_is_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.verified("c", "ada").await;
    world.mood(Mood::Refuses);
    let outcome = world.reset("c", subject, &["crm"]).await;
    assert_eq!(outcome.password, None);
    assert_eq!(world.journal().await.0, "failed");
    assert!(world.binds("ada", "crm", "Old-Ada-Crm-1").await, "nothing was changed");
    assert_eq!(
        world.ask("c", World::reset_query(subject, &["nowhere"])).await,
        Answer::Failed(Fault::NotFound)
    );
    // No answer: it may have worked, and nobody knows the password. The account gets a known state when it is back.
    world.mood(Mood::HangsAfter);
    assert_eq!(world.reset("c", subject, &["crm"]).await.password, None);
    world.mood(Mood::Well);
    world.settled().await;
    assert_eq!(world.journal().await, ("randomised".into(), vec![("crm".into(), "randomised".into())]));
}

#[tokio::test]
async fn an_unheard_password_is_replaced_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    for by_query in [true, false] {
        let subject = world.verified("c", "ada").await;
        let outcome = world.reset("c", subject, &BOTH).await;
        let new = outcome.password.unwrap();
        if by_query {
            assert_eq!(
                world.ask("c", Query::ResetUnheard { reset: outcome.reset.clone() }).await,
                Answer::Done
            );
        } else {
            world.authority.call_ended(&"c".into()).await;
        }
        world.settled().await;
        for target in BOTH {
            assert!(!world.binds("ada", target, new.expose()).await);
        }
        assert_eq!(world.journal().await.0, "randomised");
        assert_eq!(world.heard("c", &outcome.reset).await, Answer::Failed(Fault::Refused), "too late");
        assert_eq!(
            world.ask("c", Query::ResetUnheard { reset: outcome.reset }).await,
            Answer::Done,
            "twice is once"
        );
    }
    let tickets = world.store.tickets(9).await.unwrap();
    assert!(tickets[0].closed.is_some() && tickets[0].summary.contains("nobody knows"));
    let audit = world.store.audit(999).await.unwrap();
    let count = |event: &str, result: &str| {
        audit.iter().filter(|line| line.event.event == event && line.event.result == result).count()
    };
    assert_eq!(
        (count("reset_unheard", "marked"), count("randomise", "ok"), count("reset_unheard", "closed")),
        (2, 4, 2)
    );
}

#[tokio::test]
async fn replacing_waits_for_a_target_that_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.verified("c", "ada").await;
    let new = world.reset("c", subject, &BOTH).await.password.unwrap();
    world.mood(Mood::Down);
    world.authority.call_ended(&"c".into()).await;
    assert!(!world.authority.settle(Duration::from_millis(300)).await);
    assert!(world.binds("ada", "crm", new.expose()).await, "nothing can be done yet");
    assert!(!world.binds("ada", "directory", new.expose()).await, "this one is done");
    assert_eq!(world.journal().await.0, "unheard");
    assert!(world.store.tickets(1).await.unwrap()[0].closed.is_none());
    world.mood(Mood::Well);
    world.settled().await;
    assert!(!world.binds("ada", "crm", new.expose()).await);
    assert_eq!(world.journal().await.0, "randomised");
}

#[tokio::test]
async fn replacing_an_old_password_never_destroys_a_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.verified("first", "ada").await;
    world.reset("first", subject, &["crm"]).await;
    world.mood(Mood::Down);
    world.authority.call_ended(&"first".into()).await;
    assert!(!world.authority.settle(Duration::from_millis(100)).await);
    let subject = world.verified("second", "ada").await;
    world.mood(Mood::Well);
    let outcome = world.reset("second", subject, &["crm"]).await;
    world.heard("second", &outcome.reset).await;
    world.settled().await;
    assert!(world.binds("ada", "crm", outcome.password.unwrap().expose()).await);
}

#[tokio::test]
async fn hanging_up_in_the_middle_stops_nothing_half_way() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.verified("c", "ada").await;
    world.mood(Mood::Slow(100));
    let asked = world.ask("c", World::reset_query(subject, &BOTH));
    assert!(
        tokio::time::timeout(Duration::from_millis(30), asked).await.is_err(),
        "the engine dropped the query"
    );
    world.authority.call_ended(&"c".into()).await;
    world.mood(Mood::Well);
    world.settled().await;
    let (state, targets) = world.journal().await;
    assert_eq!(state, "randomised");
    assert!(targets.iter().all(|(_, state)| state == "randomised"), "{targets:?}");
}

#[tokio::test]
async fn a_journal_key_belongs_to_its_call() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.verified("c", "ada").await;
    let outcome = world.reset("c", subject, &["crm"]).await;
    assert_eq!(world.heard("other", &outcome.reset).await, Answer::Failed(Fault::NotFound));
    assert_eq!(world.heard("c", &ResetId::from("none")).await, Answer::Failed(Fault::NotFound));
    assert_eq!(world.journal().await.0, "applied");
}

#[tokio::test]
async fn a_dead_target_is_left_alone_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let config = AuthorityConfig { breaker_failures: 2, breaker_open_ms: 60_000, ..quick() };
    let world = World::with(folder.path(), config, None).await;
    let subject = world.verified("c", "ada").await;
    world.mood(Mood::HangsBefore);
    let unlock = async || {
        let targets = vec![TargetId::from("crm")];
        let Answer::Unlock(mut results) = world.ask("c", Query::Unlock { subject, targets, needs: 2 }).await
        else {
            panic!()
        };
        results.remove(0).result
    };
    assert_eq!(unlock().await, Err(Fault::Timeout));
    assert_eq!(unlock().await, Err(Fault::Timeout));
    let start = std::time::Instant::now();
    assert_eq!(unlock().await, Err(Fault::Unavailable));
    assert!(start.elapsed() < Duration::from_millis(150), "at once");
    let Answer::Capabilities(can) = world.ask("c", Query::Capabilities { subject }).await else { panic!() };
    let states: Vec<_> = can.targets.iter().map(|target| target.locked).collect();
    assert_eq!(states, [None, Some(false)], "the other target is not affected");
}

#[tokio::test]
async fn fifty_resets_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = AuthorityConfig { change_limit_ms: 20_000, status_limit_ms: 20_000, ..quick() };
    let world = Arc::new(World::with(folder.path(), config, None).await);
    let calls: Vec<_> = (0..50)
        .map(|number| {
            let world = world.clone();
            tokio::spawn(async move {
                let call = number.to_string();
                let subject = world.verified(&call, ["ada", "eva"][number % 2]).await;
                let outcome = world.reset(&call, subject, &BOTH).await;
                assert!(outcome.results.iter().all(|result| result.result.is_ok()), "{:?}", outcome.results);
                assert_eq!(world.heard(&call, &outcome.reset).await, Answer::Done);
                world.authority.call_ended(&call.as_str().into()).await;
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    world.settled().await;
    assert!(world.store.resets(99).await.unwrap().iter().all(|line| line.state == "heard"));
}
