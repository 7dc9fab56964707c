//! The main job, called by our own caller.
use passline_tests::{
    person::Person,
    server::{Server, Setup},
    talk::{Plan, talk_once},
};

#[test]
fn a_reset_gives_the_account_back() {
    let server = Server::start(Setup::default());
    let talk = talk_once(server.voice, Plan::reset(&server.uri("5000"), &Person::ada()));
    let password = talk.password();
    for target in ["directory", "crm"] {
        assert!(server.binds("ada", target, &password), "the new password binds on {target}");
    }
    assert!(!server.binds("ada", "directory", "Old-Ada-Directory-1"));
    assert!(!server.binds("ada", "crm", "Old-Ada-Crm-1"));
    let call = server.call();
    assert_eq!(call["outcome"], "completed");
    assert_eq!(call["digit_count"], talk.pressed.len());
    assert_eq!(call["evidence"]["presses"], talk.pressed.len(), "one press is one digit, with its evidence");
    let presses = call["presses"].as_array().expect("the evidence of each key");
    assert!(presses.iter().all(|press| press["key"].is_null()), "secret keys leave no value: {presses:?}");
    assert!(presses.iter().all(|press| press["packets"].as_u64() >= Some(3)), "{presses:?}");
    let heard: Vec<_> = talk.ear.prompts.iter().map(|prompt| (&prompt.name, prompt.complete)).collect();
    assert!(talk.heard("goodbye"), "to its end: {heard:?}");
}
