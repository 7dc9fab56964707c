//! What an administrator does with a running server: looks at calls, reloads, bans, captures, ends it.
use passline_tests::{
    needle::Needle,
    ports,
    process::{Process, run},
    server::{Server, Setup},
    wait_for,
};
use serde_json::Value;
use std::{fs, os::unix::fs::MetadataExt, process::Command, time::Duration};

const LONG: Duration = Duration::from_secs(60);

/// A call of 5001 that goes on until it is hung up by its script; `more` are further arguments.
fn caller(server: &Server, keys: &str, more: &[&str]) -> Process {
    let mut command = server.command();
    command.args(["call", &server.uri("5001"), "--keys", keys]).args(more);
    Process::start(&mut command, &server.file(&format!("call-{}.txt", ports::one())))
}

/// Replaces something in the configuration of a server.
fn change(server: &Server, from: &str, to: &str) {
    let path = server.file("passline.yaml");
    let text = fs::read_to_string(&path).expect("its configuration");
    assert!(text.contains(from), "{from:?} is not in {text}");
    fs::write(&path, text.replace(from, to)).expect("its folder");
}

fn live(server: &Server) -> Vec<Value> {
    server.json(&["calls", "--live", "--json"])
}

#[test]
fn running_calls_are_shown_followed_and_explained_afterwards() {
    let server = Server::start(Setup::default());
    let mut following = server.command();
    let following =
        Process::start(following.args(["calls", "--follow", "--json"]), &server.file("follow.txt"));
    let mut call = caller(&server, "p500 12# p8000 hangup", &[]);
    let started = wait_for(LONG, || live(&server).into_iter().next()).expect("a running call");
    let name = started["started"]["call"].as_str().expect("its name").to_owned();
    assert_eq!(started["started"]["to"], "5001");
    // While it lasts, its messages are there already.
    let info = server.json(&["call-info", &name, "--json"]).remove(0);
    let lines: Vec<_> = info["ladder"]
        .as_array()
        .expect("messages")
        .iter()
        .filter_map(|line| line["line"].as_str())
        .collect();
    assert!(lines.iter().any(|line| line.starts_with("INVITE sip:5001@")), "{lines:?}");
    assert!(call.wait(LONG).expect("an end").success(), "{}", call.output());
    assert_eq!(server.call()["call"], name.as_str());
    assert!(live(&server).is_empty());
    let followed = wait_for(LONG, || {
        let output = following.output();
        (output.contains("\"ended\"")).then_some(output)
    });
    let followed = followed.expect("the end is told");
    let news: Vec<Value> = followed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(news.iter().any(|news| news["started"]["call"] == name.as_str()), "{followed}");
    assert!(news.iter().any(|news| news["ended"]["call"] == name.as_str()), "{followed}");

    let shown = server.cli(&["call-info", &name[..6]], "").good();
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text:?} is not in {shown}"));
    let order = ["INVITE sip:5001@", "200 OK", "ACK sip:", "BYE sip:"].map(at);
    assert!(order.is_sorted(), "{shown}");
    let bars: Vec<Vec<usize>> = shown
        .lines()
        .filter(|line| line.contains("▶│") || line.contains("│◀"))
        .map(|line| line.chars().enumerate().filter(|(_, c)| *c == '│').map(|(at, _)| at).collect())
        .collect();
    assert!(bars.len() >= 5 && bars.iter().all(|line| *line == bars[0]), "{shown}");
    assert_eq!(server.json(&["call-info", "last", "--json"])[0]["call"], name.as_str());
    assert_eq!(server.cli(&["call-info", "no-such-call"], "").code, 3);
}

#[test]
fn a_running_call_shows_how_it_sounds_as_its_record_does_afterwards() {
    let server = Server::start(Setup::default());
    let mut call = caller(&server, "p500 12# p20000 hangup", &[]);
    let measured = |call: &Value| {
        let quality = &call["quality"];
        quality["round_trip_ms"].is_number()
            && quality["mos"].is_number()
            && call["received"].as_u64() > Some(100)
    };
    let started = || live(&server).into_iter().map(|news| news["started"].clone()).find(measured);
    let listed = wait_for(LONG, started).expect("a running call with its figures");
    let name = listed["call"].as_str().expect("its name").to_owned();
    let info = server.json(&["call-info", &name, "--json"]).remove(0);
    let (list, text) =
        (server.cli(&["calls", "--live"], "").good(), server.cli(&["call-info", &name], "").good());
    for word in ["PCMU", "MOS ", " packets in, ", "round trip "] {
        assert!(list.contains(word) && text.contains(word), "{word:?} is not in {list} and {text}");
    }
    assert!(text.contains("still running") && text.contains("\nlosses "), "{text}");
    assert!(call.wait(LONG).expect("an end").success(), "{}", call.output());
    let record = server.call();
    assert_eq!(record["call"], name.as_str());
    for count in ["received", "sent", "lost", "duplicated"] {
        let counts = [&listed, &info, &record].map(|call| call[count].as_u64().expect("a count"));
        assert!(counts.is_sorted(), "{count}: {counts:?}");
    }
    let mos = [&listed, &info, &record].map(|call| call["quality"]["mos"].as_f64().expect("a score"));
    assert!(mos.iter().all(|mos| (1.0..4.6).contains(mos)), "{mos:?}");
}

#[test]
fn without_a_server_it_says_so_and_two_do_not_share_a_folder() {
    let mut server = Server::prepare(Setup::default());
    for arguments in [
        &["calls", "--live"][..],
        &["calls", "--follow"],
        &["bans", "list"],
        &["devices"],
        &["trunk", "list"],
        &["capture", "stop"],
        &["reload"],
    ] {
        let finished = server.cli(arguments, "");
        assert!(
            finished.code == 4 && finished.err.contains("no server is running"),
            "{arguments:?} {finished:?}"
        );
    }
    server.restart();
    let socket = fs::metadata(server.file("data/passline.sock")).expect("a socket");
    assert_eq!(socket.mode() & 0o777, 0o600);
    let other = server.file("other.yaml");
    fs::write(&other, format!("data: data\nsip: {{ listen: [\"udp:{}\"] }}\n", ports::local(ports::one())))
        .expect("its folder");
    let other = other.to_str().expect("a path").to_owned();
    let second = run(
        Command::new(passline_tests::program::passline())
            .current_dir(server.folder())
            .args(["serve", "--config", &other]),
        "",
        LONG,
    );
    assert!(second.code == 4 && second.err.contains("another server is running"), "{second:?}");
    assert!(live(&server).is_empty(), "the first still answers");
    // What a killed server leaves behind keeps nobody from starting.
    server.kill();
    assert!(server.file("data/passline.sock").exists());
    server.restart();
    assert!(live(&server).is_empty());
    assert!(server.stop(), "{}", server.log());
    assert!(!server.file("data/passline.sock").exists());
}

#[test]
fn a_reload_takes_over_what_it_can_and_keeps_the_calls() {
    let mut server = Server::start(Setup::default());
    server.secret("2001.password", "Reloaded-Secret-2001");
    let mut call = caller(&server, "p500 12# p6000 3# hangup", &[]);
    assert!(wait_for(LONG, || live(&server).into_iter().next()).is_some(), "a running call");

    change(&server, "log:", "devices: [{ extension: \"2001\", password_file: 2001.password }]\nlog:");
    change(&server, "  timeout_s: 170", "  timeout_s: 171\n  dscp: 40");
    let report = server.cli(&["reload"], "").good();
    assert!(report.contains("1 devices") && report.contains("rtp.dscp has changed: restart"), "{report}");
    assert!(server.cli(&["devices"], "").good().contains("2001"));
    // A fault changes nothing, and names its line.
    change(&server, "extension: \"2001\"", "extensoin: \"2001\"");
    let refused = server.cli(&["reload"], "");
    assert!(refused.code == 3 && refused.err.contains("passline.yaml:"), "{refused:?}");
    assert!(refused.err.contains("extensoin"), "{refused:?}");
    // By signal, too.
    change(&server, "extensoin: \"2001\"", "extension: \"2002\"");
    assert!(server.cli(&["devices"], "").good().contains("2001"));
    server.process().signal("HUP");
    let changed = wait_for(LONG, || server.cli(&["devices"], "").good().contains("2002").then_some(()));
    assert!(changed.is_some(), "{}", server.log());

    assert!(call.wait(LONG).expect("an end").success(), "{}", call.output());
    assert_eq!(server.call()["digits"], "12#3#", "the call went on");
    assert!(Needle::new("Reloaded-Secret-2001").found_in(server.log().as_bytes()).is_none());
}

#[test]
fn how_long_calls_may_go_on_after_sigterm_is_a_setting() {
    let mut server = Server::start(Setup { sip: "  shutdown_s: 1\n".into(), ..Setup::default() });
    let mut call = caller(&server, "p120000 hangup", &[]);
    assert!(wait_for(LONG, || live(&server).into_iter().next()).is_some(), "a running call");
    assert!(server.stop(), "ended long before the call would have: {}", server.log());
    assert!(server.log().contains("within 1 s"), "{}", server.log());
    assert!(call.wait(LONG).is_some(), "the caller was told");
    server.restart();
    assert_eq!(server.calls(1)[0]["outcome"], "hung_up");
}

#[test]
fn bans_are_shown_made_and_lifted() {
    let trusting = "  limits: { trusted: [192.0.2.0/24] }\n";
    let server = Server::start(Setup { sip: trusting.into(), ..Setup::default() });
    assert!(server.cli(&["bans", "list"], "").good().contains("nobody is banned"));
    let ban = |arguments: &[&str]| server.cli(&[&["bans"], arguments].concat(), "");
    assert!(ban(&["add", "127.0.0.1", "--minutes", "5"]).good().contains("banned for 300 s"));
    let refused = caller(&server, "hangup", &["--max", "2"]).wait(LONG).expect("an end");
    assert_eq!(refused.code(), Some(1), "no answer to somebody who is banned");
    let list = server.json(&["bans", "list", "--json"]);
    assert_eq!((list.len(), list[0]["source"].as_str()), (1, Some("127.0.0.1")), "{list:?}");
    assert!(list[0]["dropped"].as_u64() >= Some(1) && list[0]["until"].is_string(), "{list:?}");
    assert!(ban(&["remove", "127.0.0.1"]).good().contains("no longer banned"));
    assert_eq!(ban(&["remove", "127.0.0.1"]).code, 1);
    let mut call = caller(&server, "p500 1# hangup", &[]);
    assert!(call.wait(LONG).expect("an end").success(), "{}", call.output());
    let trusted = ban(&["add", "192.0.2.7"]);
    assert!(trusted.code == 1 && trusted.err.contains("trusted"), "{trusted:?}");
    assert_eq!(ban(&["add", "somebody"]).code, 2);
}

#[test]
fn a_capture_is_read_by_tshark_and_holds_no_secret() {
    let password = "Captured-Secret-4711";
    let setup = Setup {
        more: "devices: [{ extension: \"2001\", password_file: 2001.password }]\n".into(),
        log: "trace",
        ..Setup::default()
    };
    let server = Server::prepare(setup);
    server.secret("2001.password", password);
    let mut server = server;
    server.restart();
    let file = server.file("sip.pcapng");
    let path = file.to_str().expect("a path").to_owned();
    server.cli(&["capture", "start", &path], "").good();
    let again = server.cli(&["capture", "start", &path], "");
    assert!(again.code == 1 && again.err.contains("capture stop"), "{again:?}");
    // Keys in INFO, and credentials in an INVITE that is challenged since extensions are not for everybody.
    let mut keys = caller(&server, "p500 739164825# p500 hangup", &["--dtmf", "info"]);
    assert!(keys.wait(LONG).expect("an end").success(), "{}", keys.output());
    let path_of_password = server.file("2001.password");
    let uri = format!("sip:2001@{};transport=tcp", server.sip);
    let credentials = ["--user", "2001", "--password-file", path_of_password.to_str().expect("a path")];
    let called = server.cli(&[&["call", &uri, "--max", "5"][..], &credentials].concat(), "");
    assert_eq!(called.code, 1, "nobody is registered as 2001");
    let told = server.cli(&["capture", "stop"], "").good();
    assert!(told.contains("messages"), "{told}");
    assert_eq!(fs::metadata(&file).expect("the capture").mode() & 0o777, 0o600);

    let fields = [
        "-e",
        "sip.Method",
        "-e",
        "sip.Status-Code",
        "-e",
        "sip.auth.username",
        "-e",
        "frame.interface_name",
    ];
    let decoded = run(
        Command::new("tshark").args(["-r", &path, "-T", "fields", "-E", "separator=;"]).args(fields),
        "",
        LONG,
    )
    .good();
    let has = |text: &str| decoded.lines().any(|line| line.contains(text));
    for message in ["INVITE;", "INFO;", "ACK;", "BYE;", ";200;", ";401;"] {
        assert!(has(message), "{message} is not in {decoded}");
    }
    assert!(decoded.lines().any(|line| line.starts_with("INVITE;") && line.ends_with(";tcp")), "{decoded}");
    assert!(decoded.lines().any(|line| line.starts_with("INFO;") && line.ends_with(";udp")), "{decoded}");
    // Neither keys nor what a password could be guessed from; and the messages are still there to read.
    let octets = fs::read(&file).expect("the capture");
    let text = String::from_utf8_lossy(&octets);
    assert!(
        !text.contains("Signal=7") && !text.contains("Signal=3") && text.contains("application/dtmf-relay")
    );
    for secret in [password, "739164825"] {
        assert!(Needle::new(secret).found_in(&octets).is_none(), "{secret}");
        assert!(Needle::new(secret).found_in(server.log().as_bytes()).is_none(), "{secret}");
    }
    let responses: Vec<_> =
        text.split("response=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(!responses.is_empty(), "a challenge was answered");
    assert!(responses.iter().all(|response| response.bytes().all(|octet| octet == b'x')), "{responses:?}");
    let refused = server.cli(&["capture", "start", &path], "");
    assert!(
        refused.code == 1 && refused.err.contains("does not exist yet"),
        "never overwritten: {refused:?}"
    );
}
