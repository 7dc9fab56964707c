//! What an administrator meets on the command line: misspelt names, exit codes, users.
use passline_tests::{
    process::{Finished, run},
    program::{passline, root},
    server::{Server, Setup},
};
use std::{fs, path::Path, process::Command, time::Duration};

fn cli(folder: &Path, arguments: &[&str]) -> Finished {
    run(Command::new(passline()).current_dir(folder).args(arguments), "", Duration::from_secs(60))
}

#[test]
fn check_names_file_line_column_and_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("our own folder");
    put("bad.yaml", "sip:\n  listen: [\"udp:127.0.0.1:5060\"]\n  max_cals: 5\n");
    let finished = cli(folder.path(), &["check", "--config", "bad.yaml"]);
    assert_eq!(finished.code, 3, "{finished:?}");
    assert!(finished.err.contains("bad.yaml:3:3") && finished.err.contains("max_calls"), "{}", finished.err);

    fs::create_dir(folder.path().join("flows")).expect("our own folder");
    let shipped =
        fs::read_to_string(root().join("config/flows/password_reset.yaml")).expect("the shipped flow");
    put(
        "flows/reset.yaml",
        &shipped.replace("goto: do_unlock", "goto: do_unlok").replace("say: welcome", "say: welcom"),
    );
    put("flows.yaml", &format!("flows: flows\nmedia: {}\n", root().join("media").display()));
    let finished = cli(folder.path(), &["check", "--config", "flows.yaml"]);
    assert_eq!(finished.code, 3, "{finished:?}");
    for (wrong, remedy) in [("do_unlok", "Did you mean `do_unlock`?"), ("welcom", "correct the name")] {
        let broken = fs::read_to_string(folder.path().join("flows/reset.yaml")).expect("just written");
        let names =
            |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == wrong);
        let line = broken.lines().position(names).expect("it stands there") + 1;
        let fault = finished.err.lines().find(|fault| fault.contains(&format!("`{wrong}`")));
        let fault = fault.unwrap_or_else(|| panic!("{wrong} is not found: {}", finished.err));
        assert!(fault.contains(&format!("reset.yaml:{line}:")), "{fault}");
        assert!(finished.err.contains(remedy), "{}", finished.err);
    }
    let good = cli(folder.path(), &["check"]).good();
    assert!(good.contains("5000") && good.contains("5001"), "the embedded defaults are good: {good}");
}

#[test]
fn exit_codes_are_as_documented() {
    let folder = tempfile::tempdir().expect("a folder");
    let code = |arguments: &[&str]| cli(folder.path(), arguments).code;
    assert_eq!(code(&["--help"]), 0);
    assert_eq!(code(&["--version"]), 0);
    assert_eq!(code(&["no-such-command"]), 2);
    assert_eq!(code(&["check", "--config", "none.yaml"]), 3);
    assert_eq!(code(&["replay", "none.pcap"]), 3);
    assert_eq!(code(&["dtmf", "none.wav"]), 3);
    assert_eq!(code(&["call", "not a uri"]), 3);
    // Nobody answers there: port 9 of loopback.
    assert_eq!(code(&["call", "sip:5000@127.0.0.1:9", "--max", "3"]), 1);
    let server = Server::start(Setup::default());
    let taken = run(server.command().arg("serve"), "", Duration::from_secs(20));
    assert_eq!(taken.code, 4, "{taken:?}");
    // Whichever of its addresses it asks for first.
    let named = [server.sip, server.http].iter().any(|address| taken.err.contains(&address.to_string()));
    assert!(taken.err.contains("in use") && named, "{}", taken.err);
}

#[test]
fn users_are_administered_and_secrets_come_by_standard_input_or_file() {
    let server = Server::start(Setup { demo: false, ..Setup::default() });
    server.cli(&["user", "add", "dora", "--employee-id", "4711", "--account", "directory"], "").good();
    let pin = server.file("pin");
    fs::write(&pin, "736251\n").expect("the server's folder");
    server.cli(&["user", "set-pin", "dora", "--file", pin.to_str().expect("a path")], "").good();
    server.cli(&["user", "set-answers", "dora"], "birth_year: 1970\nhouse_number: 0012\n").good();
    let shown = server.cli(&["user", "show", "dora"], "").good();
    assert!(
        shown.contains("PIN          set") && shown.contains("birth_year") && !shown.contains("736251"),
        "{shown}"
    );
    let listed = server.cli(&["user", "list"], "").good();
    assert!(listed.contains("dora"));
    assert_eq!(server.cli(&["user", "show", "nobody"], "").code, 3);
    let demo = Server::start(Setup::default());
    assert!(demo.binds("ada", "directory", "Old-Ada-Directory-1"));
    demo.cli(&["user", "lock", "ada"], "").good();
    assert!(demo.cli(&["user", "show", "ada"], "").good().contains("locked"));
    assert!(!demo.binds("ada", "directory", "Old-Ada-Directory-1"), "locked out");
    demo.cli(&["user", "unlock", "ada"], "").good();
    assert!(demo.binds("ada", "directory", "Old-Ada-Directory-1"));
    // No option takes a secret as its value.
    for command in ["set-pin", "set-answers", "check-password"] {
        let help = server.cli(&["user", command, "--help"], "").good();
        assert!(!help.contains("<PIN>") && !help.contains("<PASSWORD>") && help.contains("--file"), "{help}");
        assert_eq!(server.cli(&["user", command, "dora", "--pin", "1234"], "").code, 2);
        assert_eq!(server.cli(&["user", command, "dora", "1234"], "").code, 2, "no second argument");
    }
    assert_eq!(server.cli(&["user", "set-pin", "dora"], "12a4\n").code, 3, "letters are no keys");
}

#[test]
fn a_public_address_without_a_list_is_warned_of_loudly() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "sip: { listen: [\"udp:0.0.0.0:5060\"] }\nmedia: MEDIA\nflows: FLOWS\n";
    let text = text
        .replace("MEDIA", &root().join("media").display().to_string())
        .replace("FLOWS", &root().join("config/flows").display().to_string());
    fs::write(folder.path().join("open.yaml"), text).expect("our own folder");
    let finished = cli(folder.path(), &["check", "--config", "open.yaml"]);
    assert_eq!(finished.code, 0);
    assert!(finished.err.contains("WARNING") && finished.err.contains("sip.allow"), "{}", finished.err);
}
