//! SIPp speaks the parts of SIP that softphones use once in a while; each scenario fails by itself when anything else happens.
use passline_tests::{
    ports,
    process::Process,
    relay::Relay,
    server::{Server, Setup},
    sipp::Scenario,
    wait_for,
};
use serde_json::Value;
use std::{net::UdpSocket, time::Duration};

/// Runs a scenario against a server of its own; the messages, and the record of the only call.
fn runs(file: &str) -> (String, Value) {
    let server = Server::start(Setup::default());
    let finished = Scenario::new(&server, file).run();
    assert_eq!(finished.code, 0, "{file}: {}\n{}\n{}", finished.out, finished.err, server.log());
    (finished.err, server.call())
}

/// The same, where the call ends by the caller's BYE and these keys were pressed.
fn runs_with_keys(file: &str, keys: &str) -> String {
    let (messages, call) = runs(file);
    assert_eq!(
        (call["digits"].as_str(), call["outcome"].as_str()),
        (Some(keys), Some("caller_left")),
        "{call}"
    );
    messages
}

#[test]
fn a_cancel_that_crosses_the_200_changes_nothing() {
    runs_with_keys("cancel-race.xml", "66");
}

#[test]
fn a_delayed_offer_is_answered_in_the_ack() {
    runs_with_keys("delayed-offer.xml", "159");
}

#[test]
fn hold_and_resume_keep_the_keys() {
    runs_with_keys("hold.xml", "1234");
}

#[test]
fn a_reinvite_may_change_the_codec() {
    runs_with_keys("codec-change.xml", "1234");
}

#[test]
fn session_timers_are_negotiated_and_refreshed_by_both_methods() {
    runs_with_keys("session-timer.xml", "78");
}

/// An ordinary call over a path that loses the first of these messages.
fn loses(mut first: impl FnMut(bool, &str) -> bool + Send + 'static, copies_of_200: usize) {
    let server = Server::start(Setup::default());
    let mut done = false;
    let relay = Relay::start(
        server.sip,
        Box::new(move |of_caller, message| {
            let lost = !done && first(of_caller, message);
            done |= lost;
            lost
        }),
    );
    let finished = Scenario::new(&server, "three-keys.xml").by(relay.address).run();
    assert_eq!(finished.code, 0, "{}\n{}", finished.out, finished.err);
    assert_eq!(relay.lost(), 1);
    let seen = finished.err.matches("\nSIP/2.0 200 OK").count();
    assert!(seen >= copies_of_200, "{seen} answers: {}", finished.err);
    assert_eq!(server.call()["digits"], "123");
}

#[test]
fn a_lost_ack_brings_the_200_again() {
    loses(|of_caller, message| of_caller && message.starts_with("ACK "), 3);
}

#[test]
fn a_lost_200_is_sent_again() {
    loses(
        |of_caller, message| !of_caller && message.starts_with("SIP/2.0 200") && message.contains("INVITE"),
        2,
    );
}

/// SIPp waits for a call.
fn waiting(server: &Server, sipp: Scenario) -> Process {
    let port = sipp.port;
    let process = sipp.start(server);
    let listens = wait_for(Duration::from_secs(10), || UdpSocket::bind(ports::local(port)).err());
    assert!(listens.is_some(), "{}", process.output());
    process
}

/// SIPp has come to the end of its scenario.
#[track_caller]
fn completes(mut sipp: Process, what: impl std::fmt::Debug) {
    let status = sipp.wait(Duration::from_secs(20));
    assert!(status.is_some_and(|status| status.success()), "{}\n{what:#?}", sipp.output());
}

/// SIPp is called by `passline call`.
fn is_called(file: &str) {
    let server = Server::start(Setup::default());
    let sipp = Scenario::called(&server, file);
    let uri = format!("sip:anybody@127.0.0.1:{}", sipp.port);
    let process = waiting(&server, sipp);
    let called = server.cli(&["call", &uri, "--keys", "p1500 hangup"], "");
    completes(process, called);
}

#[test]
fn of_two_forked_answers_the_second_is_ended() {
    is_called("forked.xml");
}

#[test]
fn a_number_that_has_moved_is_called_at_its_better_address() {
    is_called("moved.xml");
}

#[test]
fn ringing_is_acknowledged_and_an_update_changes_the_call() {
    is_called("prack.xml");
}

#[test]
fn a_help_desk_transfers_its_caller_into_a_flow() {
    let mut server = Server::prepare(Setup::default());
    let sipp = Scenario::called(&server, "refer.xml").keys(&[("flow", "5001")]);
    // Its network is not the caller's, who would be taken for the trunk itself.
    server.configure(&format!(
        "devices: [{{ extension: 201, password_file: 201.password }}]
trunks: [{{ name: pbx, host: \"127.0.0.1:{}\", networks: [192.0.2.1], may_dial: {{ transfer: true }} }}]
routes: [{{ prefix: \"9\", trunk: pbx, devices: true }}]
",
        sipp.port
    ));
    server.secret("201.password", "help-desk-caller");
    server.restart();
    let process = waiting(&server, sipp);
    let (uri, password) = (server.uri("9000"), server.file("201.password"));
    let account = ["--user", "201", "--password-file", password.to_str().expect("a path")];
    let called =
        server.cli(&[&["call", &uri, "--keys", "p2500 147* p500 hangup"][..], &account].concat(), "");
    assert_eq!(called.code, 0, "{called:?}");
    completes(process, server.log());
    let calls = server.calls(2);
    assert!(calls.iter().any(|call| call["digits"] == "147*"), "{calls:#?}");
    assert!(calls.iter().any(|call| call["outcome"] == "transferred"), "{calls:#?}");
}
