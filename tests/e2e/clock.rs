//! The wall clock steps by an hour, forward and back, while people are on the phone.
use passline_tests::{
    clock::Clock,
    process::Process,
    server::{Server, Setup},
    wait_for,
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

fn live(server: &Server) -> usize {
    server.json(&["calls", "--live", "--json"]).len()
}

#[test]
fn a_clock_that_steps_by_an_hour_ends_no_call_and_changes_no_digit_nor_any_time_out() {
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

    // Callers who vanish: the time-out for missing media neither comes at once nor an hour late.
    for (round, offset) in [(1, HOUR), (2, -HOUR)] {
        clock.set(0);
        let mut command = server.command();
        command.args(["storm", &uri, "--calls", "5", "--rate", "50", "--for", "10m"]);
        let mut storm = Process::start(&mut command, &server.file("vanishing.log"));
        let all = wait_for(Duration::from_secs(20), || (live(&server) == 5).then_some(()));
        assert!(all.is_some(), "all of them call: {}", storm.output());
        sleep(Duration::from_secs(2));
        clock.set(offset);
        sleep(Duration::from_secs(2));
        assert_eq!(live(&server), 5, "the step has ended nobody");
        storm.kill();
        // Our hang-up finds nobody, either: it is given up after 64 T1 = 32 s (RFC 3261 section 17.1.2.2).
        let none = wait_for(Duration::from_secs(90), || (live(&server) == 0).then_some(()));
        assert!(none.is_some(), "the time-out ends the calls");
        let calls = server.calls(CALLS + 5 * round);
        let gone: Vec<_> = calls.iter().filter(|call| call["outcome"] == "media_timeout").collect();
        assert_eq!(gone.len(), 5 * round, "{calls:#?}");
        for call in gone {
            // At least the time-out itself, on top of what they were there for.
            let lasted = seconds(call, "answered", "end");
            assert!((5.0..120.0).contains(&lasted), "{lasted} s: {call:#}");
        }
    }
}
