//! No PIN, answer, ID or password in any log, file, packet of signalling or terminal output.
use passline_tests::{
    capture::Capture,
    person::Person,
    program::passline,
    server::{Server, Setup},
    talk::{Plan, talk_once},
    voice::Voice,
};
use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Secrets that occur nowhere by chance. The answers have four digits, as the flow wants them; times and ports could
/// hold those by chance, so the four together are looked for in any order, each beside another.
fn person() -> Person {
    Person::new("canary", "7391648205", "918273645546", ["1887", "0713", "9264", "2239"])
}

/// All files below a folder.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read(&path).expect("a file")));
        }
    }
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    let needle = needle.as_bytes();
    haystack.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

#[test]
fn no_secret_leaves_but_by_the_callers_ear() {
    let server = Server::start(Setup { log: "trace", demo: false, ..Setup::default() });
    let person = person();
    server.enrol(&person, &["directory", "crm"]);
    let filter = format!("port {}", server.sip.port());
    let mut capture = Capture::start(server.folder(), &filter, 0);
    let talk = talk_once(server.voice, Plan::reset(&server.uri("5000"), &person));
    let password = talk.password();
    assert!(server.binds("canary", "directory", &password), "the right password is looked for");
    capture.finish();

    let mut places: Vec<(String, Vec<u8>)> = Vec::new();
    for arguments in [
        &["calls", "--json"][..],
        &["calls"],
        &["audit", "--json"],
        &["audit"],
        &["user", "list"],
        &["user", "list", "--json"],
        &["user", "show", "canary"],
        &["user", "show", "canary", "--json"],
        &["check"],
    ] {
        let finished = server.cli(arguments, "");
        places.push((arguments.join(" "), (finished.out + &finished.err).into_bytes()));
    }
    // Logs, the database with its write-ahead log, the capture of the signalling; not the prompts.
    let mut kept = Vec::new();
    files(server.folder(), &mut kept);
    kept.retain(|(name, _)| !name.contains("/media/"));
    for wanted in ["server-1.log", "data/passline.db", "data/passline.db-wal", "capture-"] {
        assert!(
            kept.iter().any(|(name, bytes)| name.contains(wanted) && !bytes.is_empty()),
            "{wanted} is looked into"
        );
    }
    places.extend(kept);

    let digits: String = password.chars().filter(char::is_ascii_digit).collect();
    assert_eq!(digits.len(), 2, "{password}");
    let mut secrets =
        vec![person.pin.clone(), password.clone(), password.to_lowercase(), password.replace('-', "")];
    // The parts of the password in pairs.
    let parts: Vec<_> = password.split('-').collect();
    secrets.extend(parts.windows(2).map(|pair| pair.join("-")));
    // All keys in a row, as somebody might collect them.
    secrets.push(talk.pressed.clone());
    let answers: Vec<_> = person.answers.iter().map(|(_, answer)| answer.clone()).collect();
    for one in &answers {
        secrets.extend(answers.iter().filter(|other| *other != one).map(|other| format!("{one}{other}")));
    }
    for (place, bytes) in &places {
        for secret in &secrets {
            assert!(!holds(bytes, secret), "a secret stands in {place}");
        }
        for part in parts.iter().filter(|part| part.len() > 4) {
            // As it is written: in lower case it may be a word of any text.
            let found = bytes.windows(part.len()).any(|window| window == part.as_bytes());
            assert!(!found, "a part of the password stands in {place}");
        }
        for answer in &answers {
            // In the log and the terminal an answer of four digits must not stand as a word either.
            let text = String::from_utf8_lossy(bytes);
            let is_text = place.ends_with(".log") || !place.contains('/');
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            assert!(!is_text || !words.into_iter().any(|word| word == answer), "an answer stands in {place}");
        }
        // The number that the caller keyed is known to the administrator, so it stands in the directory and where that
        // is shown, but not among the traces of the call.
        let of_the_call = place.ends_with(".log") || place.starts_with("calls") || place.starts_with("audit");
        assert!(!of_the_call || !holds(bytes, &person.employee_id), "the ID stands in {place}");
    }
}

#[test]
fn the_demo_records_the_call_and_prints_no_password() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(passline());
    command.current_dir(folder.path()).args(["demo", "--record", "heard.wav"]);
    let start = Instant::now();
    let out = passline_tests::process::run(&mut command, "", Duration::from_secs(120)).good();
    println!("{out}\nthe demo took {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(60), "from start to proof");
    let ear = crate::recording::listen(&folder.path().join("heard.wav"), Voice::Shipped);
    for prompt in ["welcome", "your_password_is", "digits_right", "goodbye"] {
        assert!(ear.prompts.iter().any(|heard| heard.name == prompt), "{prompt}: {:?}", ear.masked());
    }
    let password = ear.password().expect("the recording spells it");
    for secret in password.split('-').filter(|part| part.len() > 4).chain([password.as_str()]) {
        assert!(!holds(out.as_bytes(), secret), "the password is shown");
    }
}
