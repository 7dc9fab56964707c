//! A minute of steady work: calls come, press keys and go, and nothing is left of them. `benches/storm.sh` does it for as long
//! as you like and at the limit.
use passline_tests::{
    server::{Server, Setup},
    vitals::Vitals,
    wait_for,
};
use serde_json::Value;
use std::time::Duration;

/// Memory that may stay for good, in kB: what is left of a hundredfold would be far more.
const SLACK_KB: u64 = 8 * 1024;
/// Calls at one time.
const CALLS: &str = "120";

/// A figure of the page of metrics.
fn figure(server: &Server, name: &str) -> f64 {
    server.metrics().sum(name, &[]).unwrap_or_else(|| panic!("no {name}"))
}

/// Calls of 6 s each, 20 new ones a second, with keys, for so long.
fn work(server: &Server, time: &str, seed: &str) -> Value {
    let uri = server.uri("5001");
    let usual = ["storm", &uri, "--calls", CALLS, "--rate", "20", "--hold", "6s", "--for", time];
    let keys = ["--key-every", "1s", "--check-digits", "--max-loss", "0%", "--seed", seed, "--json"];
    let storm = server.cli(&[&usual[..], &keys].concat(), "");
    let told: Value = serde_json::from_str(&storm.out).unwrap_or_else(|_| panic!("{storm:?}"));
    assert_eq!(storm.code, 0, "{told}");
    assert_eq!(
        (&told["failed"], &told["dropped"], &told["hang_ups_refused"]),
        (&0.into(), &0.into(), &0.into())
    );
    let digits = &told["digits"];
    assert_eq!((&digits["right"], &digits["extra"]), (&digits["pressed"], &0.into()), "{digits}");
    told
}

#[test]
fn a_minute_of_calls_that_come_and_go_loses_none_and_leaves_nothing() {
    let _alone = crate::alone();
    let setup = Setup { demo: false, max_calls: 240, log: "warn", ..Setup::default() };
    let server = Server::start(setup);
    let ports = figure(&server, "passline_rtp_port_pairs_idle");
    // Pools and caches fill.
    work(&server, "8s", "1");
    let at_rest = || {
        let names = ["passline_calls_active", "passline_media_streams", "passline_sip_dialogs"];
        let busy: f64 = names.iter().map(|name| figure(&server, name)).sum();
        // Transactions of ended calls wait for stragglers (64 T1, RFC 3261 section 17), as do ports.
        let idle = busy == 0.0
            && figure(&server, "passline_sip_transactions") == 0.0
            && figure(&server, "passline_rtp_port_pairs_idle") == ports;
        idle.then_some(())
    };
    assert!(wait_for(Duration::from_secs(60), at_rest).is_some(), "something is left of the first calls");
    let before = Vitals::of(server.pid());
    let told = work(&server, "60s", "2");
    assert!(told["answered"].as_u64() > Some(800), "{told}");
    assert!(told["digits"]["pressed"].as_u64() > Some(2_000), "{told}");
    assert!(wait_for(Duration::from_secs(60), at_rest).is_some(), "something is left of the calls");
    before.are_back(server.pid(), SLACK_KB, Duration::from_secs(20));
}
