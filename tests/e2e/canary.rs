//! No PIN, answer, ID or password in any log, file, packet of signalling or terminal output.
//!
//! That the search finds what is there is proven by the tests of [`passline_tests::needle`].
use passline_connectors::{NewUser, Store, demo_users};
use passline_identity::{MachineId, QuestionId, Secret, SecretDigits, TargetId};
use passline_tests::{
    capture::Capture,
    needle::Needle,
    person::{Patience, Person},
    program::passline,
    server::{Server, Setup},
    talk::{Act, Plan, Talk, talk},
    voice::Voice,
};
use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    time::{Duration, Instant},
};

const OLD_PASSWORD: &str = "Old-Canary-Password-88";
const TARGETS: [&str; 2] = ["directory", "crm"];
const DISK_CODE: &str = "135795-597531-029898-345565-177980-720885-046662-090101";

/// Somebody with secrets that occur nowhere by chance: long ones, and answers of four digits (the flow wants them so)
/// with a zero in front, as no count, port or time is written.
fn person(index: usize) -> Person {
    let long = |first: usize| (first + index * 10_101_013).to_string();
    let answer = |question: usize| format!("0{}", 100 + (137 + 97 * index + 211 * question) % 863);
    let answers = [answer(0), answer(1), answer(2), answer(3)];
    let [a, b, c, d] = &answers;
    Person::new(&format!("canary{index}"), &long(739_164_820_517), &long(618_273_645_546), [a, b, c, d])
}

fn enrol(server: &Server, people: &[&Person], with_machine: &Person, locked: &Person) {
    let digits = |text: &str| SecretDigits::parse(text).expect("digits");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        fs::create_dir_all(server.file("data")).expect("our own folder");
        let store = Store::open(&server.file("data/passline.db")).expect("a new store");
        for Person { login, employee_id, pin, answers, .. } in people {
            let accounts = TARGETS.map(|target| (TargetId::from(target), login.clone())).into();
            let (login, name) = (login.clone(), "Somebody".to_owned());
            let user = NewUser { login: login.clone(), name, employee_id: employee_id.clone(), accounts };
            store.add_user(user).await.expect("a user");
            for target in TARGETS {
                store
                    .set_password(&login, &target.into(), &Secret::new(OLD_PASSWORD))
                    .await
                    .expect("a password");
            }
            store.set_pin(&login, &digits(pin)).await.expect("a PIN");
            let answers = answers.iter().map(|(id, answer)| (QuestionId::from(id.as_str()), digits(answer)));
            store.set_answers(&login, &answers.collect::<Vec<_>>()).await.expect("answers");
        }
        let (machine, code) = (MachineId::from("LAPTOP-7"), Secret::new(DISK_CODE));
        store.set_disk_code(&with_machine.login, &machine, &code).await.expect("a code");
        store.lock(&locked.login, Some(&TARGETS[0].into())).await.expect("an account");
    });
}

/// Somebody who wants something else than a password, and tries again where that is asked for.
fn visit<'a>(uri: &str, person: &Person, wish: &'static str) -> Plan<'a> {
    let person = person.clone();
    let (mut patience, mut block) = (Patience::patient(person.clone()), String::new());
    Plan::minded(uri, move |prompt, transcript| {
        let keys = match prompt.name.as_str() {
            "what_do_you_need" if !prompt.complete => Some(wish.to_owned()),
            "what_do_you_need" => None,
            "try_again" => {
                patience = Patience::patient(person.clone());
                None
            }
            "block_number" => {
                block.clear();
                None
            }
            name if wish == "3" && prompt.complete && name.starts_with("digit_") => {
                block.push_str(&name["digit_".len()..]);
                // A block has been heard to its end: the next one.
                DISK_CODE.split('-').any(|one| block.ends_with(one)).then(|| "1".to_owned())
            }
            _ => patience.keys(prompt, transcript),
        };
        keys.map_or_else(Vec::new, |keys| vec![Act::Wait(150), Act::Keys(keys)])
    })
}

/// Something that is kept, sent or shown.
struct Place {
    name: String,
    octets: Vec<u8>,
}

/// Everything that came of the calls so far. RTP is left out: it *is* the call, keys and voice of which are what the
/// caller wants to be understood. It is protected by SRTP or by the network, not by leaving something out.
fn places(server: &Server, capture: &Capture) -> Vec<Place> {
    let mut places = Vec::new();
    for arguments in [
        &["calls", "--last", "100", "--json"][..],
        &["calls", "--last", "100"],
        &["audit", "--last", "1000", "--json"],
        &["audit", "--last", "1000"],
        &["user", "list"],
        &["user", "list", "--json"],
        &["user", "show", "canary1"],
        &["user", "show", "canary1", "--json"],
        &["user", "show", "canary5", "--json"],
        &["check"],
    ] {
        let finished = server.cli(arguments, "");
        assert_eq!(finished.code, 0, "{finished:?}");
        places.push(Place { name: arguments.join(" "), octets: (finished.out + &finished.err).into_bytes() });
    }
    for call in server.json(&["calls", "--last", "100", "--json"]) {
        let id = call["call"].as_str().expect("every record has one");
        let ladder = server.cli(&["call-info", id], "").good();
        assert!(ladder.contains("INVITE"), "{ladder}");
        places.push(Place { name: format!("call-info {id}"), octets: ladder.into_bytes() });
    }
    for path in ["/metrics", "/healthz", "/readyz"] {
        places.push(Place { name: path.into(), octets: server.web(path).body.into_bytes() });
    }
    places.extend(kept(server));
    let sip: Vec<u8> =
        capture.packets().into_iter().flat_map(|packet| [packet.payload, b"\n".into()].concat()).collect();
    assert!(
        sip.starts_with(b"INVITE ") && sip.windows(4).any(|window| window == b"BYE "),
        "there was signalling"
    );
    places.push(Place { name: "signalling".into(), octets: sip });
    places
}

/// Log and data folder.
fn kept(server: &Server) -> Vec<Place> {
    let mut places = vec![Place { name: "log".into(), octets: server.log().into_bytes() }];
    for entry in fs::read_dir(server.file("data")).expect("the data folder") {
        let path = entry.expect("an entry").path();
        // The admin socket keeps nothing.
        if !path.is_file() {
            continue;
        }
        places.push(Place {
            name: format!("data {}", path.display()),
            octets: fs::read(&path).expect("a file"),
        });
    }
    places
}

/// No secret is in any of these places.
#[track_caller]
fn assert_clean(places: &[Place], secrets: &[(String, Needle)]) {
    for Place { name, octets } in places {
        for (what, needle) in secrets {
            if let Some(form) = needle.found_in(octets) {
                panic!("{name} holds {what} as {form}");
            }
        }
    }
}

/// Keys that stand in lines of their own, joined call by call: so, too, a secret can be told.
fn told_one_by_one(log: &str) -> Vec<String> {
    let mut calls: BTreeMap<&str, String> = BTreeMap::new();
    for line in log.lines() {
        let key = line.split_once(" key=").and_then(|(_, rest)| rest.trim_start_matches('"').chars().next());
        let call = line.split_once("call=").and_then(|(_, rest)| rest.split_whitespace().next());
        if let (Some(key), Some(call)) = (key, call) {
            calls.entry(call).or_default().push(key);
        }
    }
    calls.into_values().collect()
}

fn named(what: &str, secret: &str) -> (String, Needle) {
    (what.to_owned(), Needle::new(secret))
}

/// The keys of SRTP that went over the network in SIP.
fn srtp_keys(places: &[Place]) -> Vec<(String, Needle)> {
    let sip = places.iter().find(|place| place.name == "signalling").expect("there was signalling");
    let text = String::from_utf8_lossy(&sip.octets);
    let after = text.split("inline:").skip(1);
    let keys = after.filter_map(|rest| rest.split(['|', ' ', '\r', '\n', '=']).next());
    keys.map(|key| named("a key of SRTP", key)).collect()
}

fn secrets_of(person: &Person) -> Vec<(String, Needle)> {
    let login = &person.login;
    let answers = person.answers.iter().map(|(id, answer)| named(&format!("{login}'s answer {id}"), answer));
    answers.chain([named(&format!("{login}'s PIN"), &person.pin)]).collect()
}

fn id_of(person: &Person) -> (String, Needle) {
    named(&format!("{}'s ID", person.login), &person.employee_id)
}

#[test]
fn no_secret_leaves_but_by_the_callers_ear() {
    let mut server = Server::prepare(Setup { log: "trace", demo: false, max_calls: 8, ..Setup::default() });
    let all: Vec<_> = (0..8).map(person).collect();
    let [locked, with_machine, bad_pin, bad_answers, unknown, ..] = &all[..] else { unreachable!() };
    let known: Vec<_> = all.iter().filter(|person| person.login != unknown.login).collect();
    enrol(&server, &known, with_machine, locked);
    server.restart();
    let filter = format!("port {}", server.sip.port());
    let mut capture = Capture::start(server.folder(), &filter, 0);
    // Our own capture, in the data folder with what else is kept.
    server.cli(&["capture", "start", "data/signalling.pcapng"], "").good();

    // What does not make a password: its traces show which words stand everywhere.
    let (uri, wrong) = (server.uri("5000"), person(20));
    let wrong_pin = Person { pin: wrong.pin.clone(), ..bad_pin.clone() };
    let wrong_answers = Person { answers: wrong.answers.clone(), ..bad_answers.clone() };
    let visitors =
        [(locked, "2"), (with_machine, "3"), (&wrong_pin, "1"), (&wrong_answers, "1"), (unknown, "1")];
    let talks = talk(server.voice, visitors.iter().map(|(person, wish)| visit(&uri, person, wish)).collect());
    assert!(talks[0].heard("unlocked"), "{:?}", talks[0].ear.masked());
    let digits = talks[1].ear.prompts.iter().filter_map(|prompt| prompt.name.strip_prefix("digit_"));
    let digits: String = digits.collect();
    assert!(DISK_CODE.split('-').all(|block| digits.contains(block)), "{digits}");
    for refused in &talks[2..] {
        assert!(refused.heard("not_verified"), "{:?}", refused.ear.masked());
    }
    server.calls(visitors.len());
    let before = places(&server, &capture);

    let resets = talk(server.voice, all[5..].iter().map(|person| Plan::reset(&uri, person)).collect());
    let passwords: Vec<_> = resets.iter().map(Talk::password).collect();
    for (person, password) in all[5..].iter().zip(&passwords) {
        assert!(server.binds(&person.login, "crm", password), "the right password is looked for");
    }
    // A call with encrypted audio: its keys are in SIP, and nowhere else.
    server.cli(&["call", &server.uri("5001"), "--srtp", "--keys", "p1500 hangup"], "").good();
    server.calls(all.len() + 1);
    server.cli(&["capture", "stop"], "").good();
    let mut after = places(&server, &capture);
    let keys = srtp_keys(&after);
    assert!(keys.len() >= 4, "offered and answered: {}", keys.len());
    let but_sip: Vec<_> = after.iter().filter(|place| place.name != "signalling").collect();
    for (what, needle) in &keys {
        for place in &but_sip {
            assert!(needle.found_in(&place.octets).is_none(), "{} holds {what}", place.name);
        }
    }

    let mut secrets: Vec<_> = all.iter().chain([&wrong]).flat_map(secrets_of).collect();
    secrets.push(id_of(unknown));
    secrets.push(named("the old password", OLD_PASSWORD));
    secrets.push(named("the disk code", &DISK_CODE.replace('-', "")));
    secrets.extend(DISK_CODE.split('-').map(|block| named("a block of the disk code", block)));
    for password in &passwords {
        secrets.push(named("a password", password));
        secrets.push(named("a password in one word", &password.replace('-', "")));
        secrets.push(named("a password in small letters", &password.to_lowercase()));
        let words: Vec<_> = password.split('-').filter(|word| word.len() >= 5).map(Needle::word).collect();
        let unusual = words
            .into_iter()
            .filter(|word| before.iter().all(|place| word.found_in(&place.octets).is_none()));
        let count = secrets.len();
        secrets.extend(unusual.map(|word| ("a word of a password".to_owned(), word)));
        println!("{} words of a password are looked for by themselves", secrets.len() - count);
    }
    assert!(
        secrets.iter().any(|(what, _)| what == "a word of a password"),
        "three passwords of common words only?"
    );
    assert_clean(&after, &secrets);

    // An ID is known to the administrator: it stands in the directory, and where `user` shows it, but not in traces of
    // calls.
    let ids: Vec<_> = known.iter().map(|person| id_of(person)).collect();
    let is_directory = |place: &Place| place.name.starts_with("data ") || place.name.starts_with("user ");
    let shown =
        after.iter().filter(|place| is_directory(place) && ids[0].1.found_in(&place.octets).is_some());
    assert!(shown.count() >= 3, "the search finds what is there");
    after.retain(|place| !is_directory(place));
    assert_clean(&after, &ids);

    // Metrics name nobody at all: neither whom the directory knows nor who called.
    let page = after.iter().find(|place| place.name == "/metrics").expect("the page of metrics");
    let text = String::from_utf8_lossy(&page.octets);
    assert!(text.contains("passline_calls_ended_total"), "{text}");
    assert_clean(std::slice::from_ref(page), &secrets);
    for person in &all {
        assert!(!text.contains(&person.login), "{}: {text}", person.login);
    }
    for call in server.json(&["calls", "--last", "100", "--json"]) {
        for field in ["from", "peer", "call", "sip_call_id"] {
            let value = call[field].as_str().expect("text");
            assert!(!value.is_empty() && !text.contains(value), "{field} {value}: {text}");
        }
    }

    // Key by key.
    let told = told_one_by_one(&server.log());
    assert_eq!(told.len(), all.len(), "the log tells of keys: {told:?}");
    assert!(told.iter().all(|keys| keys.matches('•').count() > 20), "{told:?}");
    for person in all.iter().chain([&wrong]) {
        let answers = person.answers.iter().map(|(_, answer)| answer);
        for secret in answers.chain([&person.pin, &person.employee_id]) {
            assert!(told.iter().all(|keys| !keys.contains(secret)), "{}: {told:?}", person.login);
        }
    }

    // And what the store is once it was closed.
    capture.finish();
    assert!(server.stop(), "{}", server.log());
    let at_rest = kept(&server);
    assert!(at_rest.iter().any(|place| place.name.ends_with("passline.db") && place.octets.len() > 50_000));
    assert_clean(&at_rest, &secrets);
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
    // One line says what to key, so that anybody can try it; the rest is what a call leaves.
    let traces: String =
        out.lines().filter(|line| !line.trim_start().starts_with("Demo ")).collect::<Vec<_>>().join("\n");
    let ada = &demo_users()[0];
    let mut secrets = vec![named("the password", &password), named("the PIN", ada.pin)];
    secrets.extend(
        ada.answers
            .iter()
            .filter(|(_, answer)| answer.starts_with('0'))
            .map(|(id, answer)| named(id, answer)),
    );
    secrets.push(named("the ID", ada.employee_id));
    let words = password.split('-').filter(|word| word.len() >= 5);
    // Sentences of the demo have words too; as the caller writes it down, it stands only in the password.
    secrets.extend(words.map(|word| named("a word of the password", word)));
    assert_clean(&[Place { name: "the demo's output".into(), octets: traces.into_bytes() }], &secrets);
    assert!(out.contains(ada.pin), "the line that was left out says how to try it");
}
