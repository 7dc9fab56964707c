//! `passline storm`: what it says of a server is true, and its exit code says whether it is good enough.
use passline_tests::{
    ports,
    process::{Finished, Process, run},
    program::passline,
    server::{Server, Setup},
};
use serde_json::Value;
use std::{process::Command, time::Duration};

fn house() -> Server {
    Server::start(Setup { demo: false, max_calls: 80, log: "info", ..Setup::default() })
}

fn report(finished: &Finished) -> Value {
    serde_json::from_str(&finished.out).unwrap_or_else(|_| panic!("{finished:?}"))
}

/// Keys by caller; the rest of a Call-ID is the run's own.
fn keyed(report: &Value) -> Vec<(String, String)> {
    let calls = report["keyed"].as_object().expect("keys were pressed");
    let mut keyed: Vec<_> = calls
        .iter()
        .map(|(call, keys)| {
            (
                call.rsplit('-').next().unwrap_or_default().to_owned(),
                keys.as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    keyed.sort();
    keyed
}

#[test]
fn fifty_callers_on_a_bad_network_are_heard_digit_by_digit_and_the_same_seed_does_the_same() {
    let _alone = crate::alone();
    let server = house();
    let uri = server.uri("5001");
    let storm = |seed: &str, dtmf: &str| {
        let arguments = [
            "storm",
            &uri,
            "--calls",
            "50",
            "--rate",
            "50",
            "--for",
            "10s",
            "--key-every",
            "2s",
            "--dtmf",
            dtmf,
            "--check-digits",
            "--loss",
            "5%",
            "--duplicate",
            "10%",
            "--jitter",
            "30ms",
            "--seed",
            seed,
            "--max-loss",
            "0%",
            "--pid",
        ];
        let pid = server.pid().to_string();
        server.cli(&[&arguments[..], &[&pid, "--json"]].concat(), "")
    };
    let first = storm("7", "rfc4733");
    let told = report(&first);
    assert_eq!(first.code, 0, "{told}");
    assert_eq!((&told["answered"], &told["failed"], &told["standing"]), (&50.into(), &0.into(), &50.into()));
    let (digits, network) = (&told["digits"], &told["network"]);
    assert!(digits["pressed"].as_u64() >= Some(150), "{digits}");
    assert_eq!(digits["right"], digits["pressed"]);
    // What its own network lost is what the server missed, but for the last packets of each call.
    let (lost, missed) =
        (network["lost"].as_u64().unwrap_or(0), digits["packets_lost"].as_u64().unwrap_or(0));
    assert!(lost > 500 && missed <= lost && missed * 10 > lost * 9, "{lost} lost, {missed} missed");
    assert!(told["audio"]["coverage"].as_f64() > Some(0.9) && told["audio"]["lost"] == 0, "{told}");
    assert!(told["server"]["cpu_ms_per_call_second"].as_f64() > Some(0.0), "{told}");

    // One of them alone: what it presses and what is lost of it is the same, bit for bit.
    let alone = server.cli(
        &["storm", &uri, "--caller", "17", "--for", "10s", "--key-every", "2s", "--seed", "7", "--json"],
        "",
    );
    let alone = report(&alone)["keyed"].as_object().and_then(|calls| calls.values().next().cloned());
    let (_, among) = keyed(&told).into_iter().find(|(caller, _)| caller == "17").expect("caller 17");
    let alone = alone.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    // The end of a run is not of the same frame each time.
    let common = alone.len().min(among.len());
    assert!(common >= 3 && alone[..common] == among[..common], "{alone} alone, {among} among others");

    let again = report(&storm("7", "info"));
    let (told, repeated) = (keyed(&told), keyed(&again));
    assert_eq!(told.len(), repeated.len());
    for ((caller, before), (_, after)) in told.iter().zip(&repeated) {
        let common = before.len().min(after.len());
        assert!(common >= 3 && before[..common] == after[..common], "caller {caller}: {before}, {after}");
    }
    assert_eq!(again["digits"]["right"], again["digits"]["pressed"], "{again}");
}

#[test]
fn encrypted_callers_are_heard_key_by_key_and_one_who_gets_plain_audio_says_so() {
    let _alone = crate::alone();
    let server = house();
    let uri = server.uri("5001");
    let usual = ["storm", &uri, "--calls", "20", "--rate", "50", "--for", "6s", "--key-every", "1s"];
    let checks = ["--check-digits", "--max-loss", "0%", "--json"];
    for (round, (ways, suite)) in (1..).zip([
        (&["--srtp", "--sockets", "shared"][..], "AES_CM_128_HMAC_SHA1_80"),
        (&["--srtp=AEAD_AES_256_GCM", "--duplicate", "10%"], "AEAD_AES_256_GCM"),
    ]) {
        let storm = server.cli(&[&usual[..], &checks, ways].concat(), "");
        let told = report(&storm);
        assert!(storm.code == 0 && told["answered"] == 20 && told["srtp"] == suite, "{told}");
        let (digits, audio) = (&told["digits"], &told["audio"]);
        assert!(digits["pressed"].as_u64() >= Some(60), "{digits}");
        assert_eq!(digits["right"], digits["pressed"]);
        assert!(audio["coverage"].as_f64() > Some(0.95), "{audio}");
        assert_eq!((&audio["unauthentic"], &audio["foreign"]), (&0.into(), &0.into()), "{audio}");
        let calls = server.calls(20 * round);
        let same = calls.iter().filter(|call| call["encryption"] == suite).count();
        assert_eq!(same, 20, "{calls:?}");
    }
    drop(server);
    let rtp = "  srtp: \"off\"\n".to_owned();
    let plain = Server::start(Setup { demo: false, max_calls: 80, log: "info", rtp, ..Setup::default() });
    let storm = plain.cli(&["storm", &plain.uri("5001"), "--calls", "3", "--for", "1s", "--srtp"], "");
    assert!(storm.code == 1 && storm.out.contains("3 refused with 488"), "{storm:?}");
    assert!(storm.out.contains("takes no encrypted audio"), "{storm:?}");
}

#[test]
fn callers_with_an_account_answer_challenges_and_a_wrong_password_is_a_refusal() {
    let _alone = crate::alone();
    let trunk = "trunks:\n  - { name: pbx, networks: [127.0.0.1], user: \"201\", password_file: phone.password, \
        inbound: digest, options_s: 0 }\n";
    let setup = Setup { demo: false, max_calls: 80, log: "info", more: trunk.into(), ..Setup::default() };
    let mut server = Server::prepare(setup);
    server.secret("phone.password", "correct-horse-battery");
    server.secret("wrong.password", "battery-horse-correct");
    server.restart();
    let uri = server.uri("5001");
    let storm = |password: &str, more: &[&str]| {
        let file = server.file(password).display().to_string();
        let usual =
            ["storm", &uri, "--calls", "20", "--rate", "50", "--user", "201", "--password-file", &file];
        server.cli(&[&usual[..], more, &["--json"]].concat(), "")
    };
    let keys = ["--for", "5s", "--key-every", "1s", "--check-digits", "--max-loss", "0%"];
    for dtmf in ["rfc4733", "info"] {
        let storm = storm("phone.password", &[&keys[..], &["--dtmf", dtmf]].concat());
        let told = report(&storm);
        assert!(storm.code == 0 && told["answered"] == 20 && told["hang_ups_refused"] == 0, "{told}");
        assert_eq!(told["digits"]["right"], told["digits"]["pressed"], "{told}");
    }
    let calls = server.calls(40);
    assert!(calls.iter().all(|call| call["trunk"] == "pbx"), "{calls:#?}");
    let nobody = server.cli(&["storm", &uri, "--calls", "3", "--for", "1s"], "");
    assert!(nobody.code == 1 && nobody.out.contains("3 refused with 401"), "{nobody:?}");
    let storm = storm("wrong.password", &["--for", "1s"]);
    let told = report(&storm);
    assert!(storm.code == 1 && told["answered"] == 0 && told["failed"] == 20, "{told}");
}

#[test]
fn the_exit_code_says_whether_it_is_good_enough() {
    let _alone = crate::alone();
    let server = house();
    let uri = server.uri("5001");
    let short = ["storm", &uri, "--calls", "10", "--rate", "50", "--for", "2s"];
    let with = |more: &[&str]| server.cli(&[&short[..], more].concat(), "");
    let good = with(&["--max-loss", "0%", "--hold", "1s"]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.out.contains("deviation") && good.out.ends_with("met\n"), "{}", good.out);
    // No packets come closer together than they are sent.
    let bad = with(&["--max-gap", "1ms"]);
    assert!(bad.code == 1 && bad.out.contains("not met: a caller heard nothing for"), "{bad:?}");
    let nobody = server.cli(&["storm", &server.uri("4711"), "--calls", "3", "--for", "1s"], "");
    assert!(nobody.code == 1 && nobody.out.contains("3 refused with 404"), "{nobody:?}");
    for wrong in [&["--for", "5"][..], &["--max-loss", "lots"], &["--rate", "0"]] {
        assert_eq!(with(wrong).code, 2, "{wrong:?}");
    }
    let far = server.cli(&["storm", "sip:1@192.0.2.1", "--from-address", "127.0.0.1"], "");
    assert!(far.code == 2 && far.err.contains("--yes-i-own-this"), "{far:?}");
}

#[test]
fn who_is_interrupted_hangs_up_and_tells_what_was_measured() {
    let _alone = crate::alone();
    let server = house();
    let mut command = server.command();
    command.args(["storm", &server.uri("5001"), "--calls", "20", "--rate", "100", "--for", "10m", "--json"]);
    let mut storm = Process::start(&mut command, &server.file("storm.log"));
    let running = || {
        let live = server.json(&["calls", "--live", "--json"]);
        (live.len() == 20).then_some(())
    };
    passline_tests::wait_for(Duration::from_secs(20), running).expect("all of them call");
    std::thread::sleep(Duration::from_secs(2));
    storm.signal("INT");
    let status = storm.wait(Duration::from_secs(20)).expect("it ends");
    let told: Value = serde_json::from_str(&storm.output()).expect("a report");
    assert!(status.success() && told["interrupted"] == true && told["hang_ups_refused"] == 0, "{told}");
    assert!(told["audio"]["received"].as_u64() > Some(0), "{told}");
    // Each call has ended, and has its record.
    server.calls(20);
}

#[test]
fn sipp_is_called_as_well() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (sip, media) = (ports::one(), ports::adjacent(4, false));
    let mut sipp = Command::new("sipp");
    sipp.current_dir(folder.path()).args(["-sn", "uas", "-nostdin", "-rtp_echo", "-i", "127.0.0.1"]);
    sipp.args(["-mi", "127.0.0.1", "-p", &sip.to_string(), "-mp", &media.to_string()]);
    let _sipp = Process::start(&mut sipp, &folder.path().join("sipp.log"));
    std::thread::sleep(Duration::from_millis(500));
    let uri = format!("sip:service@127.0.0.1:{sip}");
    let storm = |more: &[&str]| {
        let mut command = Command::new(passline());
        command.args(["storm", &uri, "--json"]).args(more);
        run(&mut command, "", Duration::from_secs(60))
    };
    // SIPp sends every packet back: the callers hear themselves.
    let calls = storm(&["--calls", "20", "--rate", "50", "--for", "3s", "--max-loss", "0%"]);
    let told = report(&calls);
    assert_eq!(calls.code, 0, "{told}");
    assert!(told["answered"] == 20 && told["audio"]["coverage"].as_f64() > Some(0.9), "{told}");
    let setups = storm(&["--mode", "setups", "--rate", "100", "--for", "3s"]);
    let told = report(&setups);
    assert_eq!(setups.code, 0, "{told}");
    assert_eq!(
        (&told["placed"], &told["failed"], &told["hang_ups_refused"]),
        (&told["answered"], &0.into(), &0.into())
    );
    assert!(told["answered"].as_u64() > Some(200), "{told}");
}
