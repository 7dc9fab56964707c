//! SIPp speaks the parts of SIP that softphones use once in a while; each scenario fails by itself when anything else happens.
use passline_tests::{
    relay::Relay,
    server::{Server, Setup},
    sipp::Scenario,
};
use serde_json::Value;

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

#[test]
fn of_two_forked_answers_the_second_is_ended() {
    let server = Server::start(Setup::default());
    let sipp = Scenario::called(&server, "forked.xml");
    let uri = format!("sip:anybody@127.0.0.1:{}", sipp.port);
    let mut process = sipp.start(&server);
    let listens = passline_tests::wait_for(std::time::Duration::from_secs(10), || {
        std::net::UdpSocket::bind(uri.rsplit('@').next().expect("host")).is_err().then_some(())
    });
    assert!(listens.is_some(), "{}", process.output());
    let called = server.cli(&["call", &uri, "--keys", "quiet:900 hangup"], "");
    let status = process.wait(std::time::Duration::from_secs(20));
    assert!(
        status.is_some_and(|status| status.success()),
        "{}\n{}{}",
        process.output(),
        called.out,
        called.err
    );
}
