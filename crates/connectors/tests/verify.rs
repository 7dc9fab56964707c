//! Who calls, and whether it is them.
mod common;

use common::{
    keyed,
    world::{BY, World, quick},
};
use passline_connectors::{AuthorityConfig, EmbeddedDirectory, NewUser, demo_users};
use passline_identity::{
    Answer, Directory, Fault, IdentifyBy, Person, Proof, Query, QuestionId, Secret, SecretDigits, Task,
    Verdict,
};
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn only_both_proofs_open_the_menu() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.identify("c", "100123").await;
    let refused = Answer::Failed(Fault::NotAuthenticated);
    assert_eq!(world.ask("c", Query::Capabilities { subject }).await, refused);
    assert_eq!(world.pin("c", subject, "739204").await, Verdict::Passed);
    assert_eq!(world.pin("c", subject, "739204").await, Verdict::Passed, "the same proof earns nothing more");
    assert_eq!(world.ask("c", Query::Capabilities { subject }).await, refused);
    assert_eq!(world.ask("c", World::reset_query(subject, &["directory"])).await, refused);
    let questions = world.questions("c", subject).await;
    assert_eq!(world.verify("c", subject, World::answers("ada", &questions, true)).await, Verdict::Passed);
    let Answer::Capabilities(can) = world.ask("c", Query::Capabilities { subject }).await else { panic!() };
    let targets: Vec<_> = can.targets.iter().map(|target| (target.id.0.as_str(), target.locked)).collect();
    assert_eq!(targets, [("crm", Some(false)), ("directory", Some(false))]);
    assert_eq!(world.ask("other", Query::Capabilities { subject }).await, refused, "a handle is of one call");
    world.authority.call_ended(&"c".into()).await;
    assert_eq!(world.ask("c", Query::Capabilities { subject }).await, refused, "and dies with it");
}

#[tokio::test]
async fn an_unknown_id_is_asked_the_same_questions_every_time_and_never_passes() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let mut asked = Vec::new();
    for call in ["a", "b", "c"] {
        let subject = world.identify(call, "555555").await;
        let questions = world.questions(call, subject).await;
        assert_eq!(questions.len(), 2);
        // Right answers of somebody else, and somebody's PIN.
        assert_eq!(
            world.verify(call, subject, World::answers("ada", &questions, true)).await,
            Verdict::Failed
        );
        if call != "c" {
            assert_eq!(world.pin(call, subject, "739204").await, Verdict::Failed);
        }
        assert_eq!(
            world.ask(call, World::reset_query(subject, &["crm"])).await,
            Answer::Failed(Fault::NotAuthenticated)
        );
        asked.push(questions);
    }
    assert!(asked.iter().all(|questions| *questions == asked[0]), "{asked:?}");
    // The fifth failure was the last free one, as for a known user.
    let subject = world.identify("d", "555555").await;
    assert_eq!(world.pin("d", subject, "739204").await, Verdict::Locked);
    let mut sets = Vec::new();
    for number in 0..40 {
        let subject = world.identify("e", &format!("77{number}")).await;
        sets.push(world.questions("e", subject).await);
    }
    sets.sort();
    sets.dedup();
    assert!(sets.len() > 6, "unknown IDs differ from one another as known ones do: {}", sets.len());
}

#[tokio::test]
async fn questions_stay_until_they_are_answered_rightly() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(folder.path(), AuthorityConfig { number_tries: 0, ..quick() }, None).await;
    let mut sets = Vec::new();
    for number in 0..30 {
        let call = number.to_string();
        let subject = world.identify(&call, "100123").await;
        let questions = world.questions(&call, subject).await;
        let again = world.identify("again", "100123").await;
        assert_eq!(world.questions("again", again).await, questions, "another call gets no other questions");
        let wrong = world.verify(&call, subject, World::answers("ada", &questions, false)).await;
        assert_eq!(wrong, Verdict::Failed);
        assert_eq!(world.questions(&call, subject).await, questions, "a failure neither");
        assert_eq!(
            world.verify(&call, subject, World::answers("ada", &questions, true)).await,
            Verdict::Passed
        );
        assert_eq!(world.pin(&call, subject, "739204").await, Verdict::Passed);
        sets.push(questions);
    }
    sets.sort();
    sets.dedup();
    assert!(sets.len() > 5, "then they are drawn anew: {}", sets.len());
}

#[tokio::test]
async fn only_what_was_asked_is_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.identify("c", "100123").await;
    let all: Vec<QuestionId> = demo_users()[0].answers.iter().map(|(id, _)| QuestionId::from(*id)).collect();
    assert_eq!(
        world.verify("c", subject, World::answers("ada", &all, true)).await,
        Verdict::Failed,
        "nothing was asked"
    );
    let asked = world.questions("c", subject).await;
    for wrong in [&asked[..1], &[asked[1].clone(), asked[0].clone()], &all] {
        assert_eq!(world.verify("c", subject, World::answers("ada", wrong, true)).await, Verdict::Failed);
    }
    assert_eq!(world.verify("c", subject, Proof::Answers(Vec::new())).await, Verdict::Failed);
}

#[tokio::test]
async fn waits_grow_and_end_in_a_lock_that_an_administrator_opens() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(folder.path(), AuthorityConfig { number_tries: 0, ..quick() }, None).await;
    let subject = world.identify("c", "100123").await;
    for _ in 0..5 {
        assert_eq!(world.pin("c", subject, "000000").await, Verdict::Failed);
    }
    for wait in [30, 60, 120, 240, 480, 960, 1920, 3600] {
        assert_eq!(
            world.pin("c", subject, "739204").await,
            Verdict::Locked,
            "the right one is not compared either"
        );
        world.wait(wait + 1);
        assert_eq!(world.pin("c", subject, "000000").await, Verdict::Failed);
    }
    world.wait(1_000_000);
    assert_eq!(world.pin("c", subject, "739204").await, Verdict::Locked);
    assert_eq!(world.store.user("ada").await.unwrap().locked_until.as_deref(), Some("forever"));
    world.store.unlock("ada", None).await.unwrap();
    assert_eq!(world.pin("c", subject, "739204").await, Verdict::Passed);
}

#[tokio::test]
async fn one_right_proof_forgives_nothing_and_both_forgive_all() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let subject = world.identify("c", "100123").await;
    let failures = async || world.store.user("ada").await.unwrap().failures;
    let questions = world.questions("c", subject).await;
    for expected in 1..=4 {
        assert_eq!(world.pin("c", subject, "739204").await, Verdict::Passed);
        world.verify("c", subject, World::answers("ada", &questions, false)).await;
        assert_eq!(failures().await, expected, "guessing answers beside a known PIN is counted");
    }
    assert_eq!(world.verify("c", subject, World::answers("ada", &questions, true)).await, Verdict::Passed);
    assert_eq!(failures().await, 0);
}

#[tokio::test]
async fn guessing_in_parallel_gains_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let world =
        Arc::new(World::with(folder.path(), AuthorityConfig { number_tries: 0, ..quick() }, None).await);
    let mut guesses = Vec::new();
    for number in 0..40 {
        let world = world.clone();
        guesses.push(tokio::spawn(async move {
            let call = number.to_string();
            let subject = world.identify(&call, "100123").await;
            world.pin(&call, subject, &format!("00{number:04}")).await
        }));
    }
    let mut compared = 0;
    for guess in guesses {
        compared += usize::from(guess.await.unwrap() == Verdict::Failed);
    }
    assert_eq!(compared, 5);
}

#[tokio::test]
async fn many_calls_of_one_user_at_once_do_not_lock_each_other_out() {
    let folder = tempfile::tempdir().unwrap();
    let world = Arc::new(World::new(folder.path()).await);
    let calls: Vec<_> = (0..50)
        .map(|number| {
            let world = world.clone();
            tokio::spawn(async move { world.verified(&number.to_string(), "ada").await })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn a_number_that_guesses_over_many_users_must_wait() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(folder.path(), AuthorityConfig { number_tries: 10, ..quick() }, None).await;
    for number in 0..10 {
        let subject = world.identify("c", &format!("60{number}")).await;
        assert_eq!(world.pin("c", subject, "1111").await, Verdict::Failed);
    }
    let subject = world.identify("c", "100123").await;
    assert_eq!(world.pin("c", subject, "739204").await, Verdict::Locked);
    let query = Query::Verify { subject, proof: Proof::Pin(keyed("739204")), points: 1 };
    let other = world.authority.ask(&"c".into(), "+49409999", query).await;
    assert_eq!(other, Answer::Verdict(Verdict::Passed), "another number is free");
    world.wait(31);
    assert_eq!(world.pin("c", subject, "739204").await, Verdict::Passed);
}

#[tokio::test]
async fn a_user_with_too_few_questions_hears_enough_and_cannot_pass() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let user = NewUser { login: "zoe".into(), employee_id: "42".into(), ..NewUser::default() };
    world.store.add_user(user).await.unwrap();
    world.store.set_answers("zoe", &[("birth_year".into(), keyed("1970"))]).await.unwrap();
    let subject = world.identify("c", "42").await;
    let questions = world.questions("c", subject).await;
    assert_eq!(questions.len(), 2);
    let answers = questions.iter().map(|question| (question.clone(), keyed("1970"))).collect();
    assert_eq!(world.verify("c", subject, Proof::Answers(answers)).await, Verdict::Failed);
}

/// Writes down what it is asked.
struct Watched(EmbeddedDirectory, Arc<Mutex<Vec<String>>>);

impl Directory for Watched {
    fn find<'a>(&'a self, id: &'a SecretDigits, by: &'a [IdentifyBy]) -> Task<'a, Option<Person>> {
        self.1.lock().unwrap().push(format!("find by {}", by.len()));
        self.0.find(id, by)
    }
    fn verify<'a>(&'a self, login: Option<&'a str>, proof: &'a Proof) -> Task<'a, bool> {
        let hashes = if let Proof::Answers(answers) = proof { answers.len() } else { 1 };
        self.1.lock().unwrap().push(format!("{hashes} hashes"));
        self.0.verify(login, proof)
    }
    fn disk_code<'a>(&'a self, login: &'a str, machine: &'a str) -> Task<'a, Secret> {
        self.0.disk_code(login, machine)
    }
    fn questions(&self) -> Task<'_, Vec<QuestionId>> {
        self.1.lock().unwrap().push("pool".into());
        self.0.questions()
    }
}

#[tokio::test]
async fn known_unknown_and_locked_callers_cost_the_same_work() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let directory = EmbeddedDirectory::new(common::open(folder.path()));
    let world = World::with(folder.path(), quick(), Some(Arc::new(Watched(directory, asked.clone())))).await;
    let mut works = Vec::new();
    for (call, id) in [("known", "100123"), ("unknown", "31337"), ("locked", "100456")] {
        if call == "locked" {
            let subject = world.identify("before", id).await;
            for _ in 0..5 {
                world.pin("before", subject, "0000").await;
            }
        }
        asked.lock().unwrap().clear();
        let lines = world.store.audit(10_000).await.unwrap().len();
        let query = Query::Identify { id: keyed(id), by: BY.to_vec() };
        let Answer::Identified(subject) = world.ask(call, query).await else { panic!() };
        let questions = world.questions(call, subject.id).await;
        world.pin(call, subject.id, "0000").await;
        let answers = questions.iter().map(|question| (question.clone(), keyed("0000"))).collect();
        world.verify(call, subject.id, Proof::Answers(answers)).await;
        let audited = world.store.audit(10_000).await.unwrap().len() - lines;
        works.push((asked.lock().unwrap().clone(), audited));
    }
    assert_eq!(works[0], works[1]);
    assert_eq!(works[0], works[2]);
    assert_eq!(works[0].0, ["find by 2", "pool", "1 hashes", "2 hashes"]);
}
