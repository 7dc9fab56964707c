//! The wall clock steps by an hour, forward and back, while people are on the phone.
use passline_tests::{
    clock::Clock,
    server::{Server, Setup},
};
use serde_json::Value;
use std::{thread::sleep, time::Duration};

/// An hour, in seconds.
const HOUR: i64 = 3600;
const CALLS: usize = 20;

/// Seconds from one time of a record to another.
fn seconds(call: &Value, from: &str, to: &str) -> f64 {
    let at = |name: &str| {
        let text = call[name].as_str().unwrap_or_else(|| panic!("{name} of {call:#}"));
        text.parse::<jiff::Timestamp>().expect("a time").as_millisecond()
    };
    (at(to) - at(from)) as f64 / 1000.0
}

#[test]
fn a_clock_that_steps_by_an_hour_ends_no_call_and_changes_no_digit() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clock = Clock::new(folder.path());
    let environment = clock.environment();
    let setup =
        Setup { demo: false, max_calls: 80, rtp_timeout_s: 5, log: "info", environment, ..Setup::default() };
    let server = Server::start(setup);
    let uri = server.uri("5001");

    // Twenty callers press keys all the while.
    let storm = std::thread::scope(|scope| {
        let storm = scope.spawn(|| {
            let usual = ["storm", &uri, "--calls", "20", "--rate", "50", "--for", "20s", "--key-every", "1s"];
            server.cli(&[&usual[..], &["--check-digits", "--max-loss", "0%", "--json"]].concat(), "")
        });
        for offset in [HOUR, 0, -HOUR, 0] {
            sleep(Duration::from_secs(4));
            clock.set(offset);
        }
        storm.join().expect("the callers")
    });
    let told: Value = serde_json::from_str(&storm.out).unwrap_or_else(|_| panic!("{storm:?}"));
    assert!(storm.code == 0 && told["answered"] == CALLS && told["dropped"] == 0, "{told}");
    let digits = &told["digits"];
    assert!(digits["pressed"].as_u64() >= Some(15 * CALLS as u64), "{digits}");
    assert_eq!((&digits["right"], &digits["extra"]), (&digits["pressed"], &0.into()), "{digits}");
    for call in server.calls(CALLS) {
        // As long as they were, whatever the clock said when.
        let lasted = seconds(&call, "answered", "end");
        assert!((20.0..120.0).contains(&lasted), "{lasted} s: {call:#}");
    }
}
