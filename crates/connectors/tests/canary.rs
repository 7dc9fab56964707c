//! No secret in any file of the store, and none in what it tells.
mod common;

use common::{
    keyed, secret,
    world::{Mood, World},
};
use passline_connectors::{CallRecord, NewUser, StoreOptions};
use passline_identity::{Answer, MachineId, Proof, Query, QuestionId, TargetId, Verdict};
use std::{fs, path::Path};

/// Long enough not to come about by chance.
const PIN: &str = "8317264059138264";
const WRONG_PIN: &str = "5029481736620481";
const ANSWER: &str = "6620918273645546";
const OTHER_ANSWER: &str = "1029384756574839";
const WRONG_ANSWER: &str = "7483920165748392";
const OLD_PASSWORD: &str = "Canary-Old-Password-77";
const DISK_CODE: &str = "135795-597531-029898-345565-177980-720885-046662-090101";
const UNKNOWN_ID: &str = "9182736450918273";
const CALLER: &str = "+4930123456";

fn holds(bytes: &[u8], text: &str) -> bool {
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [text.as_bytes(), &utf16].iter().any(|text| bytes.windows(text.len()).any(|window| window == *text))
}

fn assert_clean(folder: &Path, secrets: &[String]) -> usize {
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        seen += bytes.len();
        for secret in secrets {
            assert!(
                !holds(&bytes, secret),
                "{} holds a secret of {} characters",
                path.display(),
                secret.len()
            );
        }
    }
    seen
}

#[tokio::test]
async fn no_secret_reaches_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path()).await;
    let store = &world.store;
    let accounts =
        vec![(TargetId::from("directory"), "cas".to_owned()), (TargetId::from("crm"), "cas".to_owned())];
    let user = NewUser { login: "cas".into(), employee_id: "4242".into(), accounts, ..NewUser::default() };
    store.add_user(user).await.unwrap();
    store.set_pin("cas", &keyed(PIN)).await.unwrap();
    let answers: [(QuestionId, _); 2] =
        [("birth_year".into(), keyed(ANSWER)), ("first_phone".into(), keyed(OTHER_ANSWER))];
    store.set_answers("cas", &answers).await.unwrap();
    for target in ["directory", "crm"] {
        store.set_password("cas", &target.into(), &secret(OLD_PASSWORD)).await.unwrap();
    }
    store.set_disk_code("cas", &MachineId::from("PC"), &secret(DISK_CODE)).await.unwrap();

    let mut secrets: Vec<String> =
        [PIN, WRONG_PIN, ANSWER, OTHER_ANSWER, WRONG_ANSWER, OLD_PASSWORD, DISK_CODE, UNKNOWN_ID, CALLER]
            .map(str::to_owned)
            .to_vec();
    secrets.extend(DISK_CODE.split('-').map(str::to_owned));
    let unknown = world.identify("c0", UNKNOWN_ID).await;
    world.questions("c0", unknown).await;
    world.pin("c0", unknown, PIN).await;
    for call in ["c1", "c2", "c3"] {
        let subject = world.identify(call, "4242").await;
        let questions = world.questions(call, subject).await;
        let given = |right: bool| {
            let answer = |question: &QuestionId| match (right, question.0.as_str()) {
                (false, _) => WRONG_ANSWER,
                (true, "birth_year") => ANSWER,
                (true, _) => OTHER_ANSWER,
            };
            Proof::Answers(
                questions.iter().map(|question| (question.clone(), keyed(answer(question)))).collect(),
            )
        };
        assert_eq!(world.pin(call, subject, WRONG_PIN).await, Verdict::Failed);
        assert_eq!(world.pin(call, subject, PIN).await, Verdict::Passed);
        assert_eq!(world.verify(call, subject, given(false)).await, Verdict::Failed);
        assert_eq!(world.verify(call, subject, given(true)).await, Verdict::Passed);
        world.mood(if call == "c2" { Mood::HangsAfter } else { Mood::Well });
        let outcome = world.reset(call, subject, &["directory", "crm"]).await;
        let password = outcome.password.unwrap();
        assert!(world.binds("cas", "directory", password.expose()).await);
        assert!(!world.binds("cas", "directory", OLD_PASSWORD).await);
        secrets.push(password.expose().to_owned());
        let code = world.ask(call, Query::DiskCode { subject, machine: "PC".into(), needs: 2 }).await;
        assert!(matches!(code, Answer::DiskCode(_)));
        if call == "c1" {
            world.heard(call, &outcome.reset).await;
        }
        world.mood(Mood::Well);
        world.authority.call_ended(&call.into()).await;
        store
            .add_call(&CallRecord { call: call.into(), from: "•••".into(), ..CallRecord::default() }, 1000)
            .await
            .unwrap();
    }
    world.settled().await;

    let told = [
        serde_json::to_string(&store.audit(9999).await.unwrap()).unwrap(),
        serde_json::to_string(&store.users().await.unwrap()).unwrap(),
        serde_json::to_string(&store.resets(99).await.unwrap()).unwrap(),
        serde_json::to_string(&store.tickets(99).await.unwrap()).unwrap(),
        serde_json::to_string(&store.calls(99).await.unwrap()).unwrap(),
    ];
    for secret in &secrets {
        assert!(told.iter().all(|text| !holds(text.as_bytes(), secret)));
    }
    assert!(
        told[0].contains("reset_unheard") && told[0].contains("\"verify\""),
        "there was something to tell"
    );
    // While open: database, WAL and shared memory; after closing: what SQLite folded together.
    assert!(assert_clean(folder.path(), &secrets) > 100_000);
    drop(world);
    let again =
        passline_connectors::Store::open_with(&folder.path().join("store.db"), StoreOptions::default())
            .unwrap();
    again.users().await.unwrap();
    drop(again);
    assert!(assert_clean(folder.path(), &secrets) > 50_000);
}
