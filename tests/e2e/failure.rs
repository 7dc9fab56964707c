//! What goes wrong in a call has its own way out, and nothing half-done stays unreported.
use crate::audit::Audit;
use passline_prompt::Transcript;
use passline_tests::{
    ear::Prompt,
    person::{Patience, Person},
    ports,
    server::{Server, Setup},
    slapd::{OLD_PASSWORD, Slapd},
    talk::{Act, Plan, Talk, talk, talk_once},
    wait_for,
};
use std::time::Duration;

/// Short limits, so that a target that hangs does not hold the tests up.
const POLICY: &str = "policy: { change_limit_ms: 1500, status_limit_ms: 700, retry_ms: 200 }\n";

fn carla() -> Person {
    Person::new("carla", "200300", "648201", ["1990", "0044", "7788", "2015"])
}

/// A server with the embedded directory and a real slapd, and somebody with an account on both.
fn with_slapd(accounts: &[&str]) -> (Server, Slapd) {
    let slapd = Slapd::start(&["carla"]);
    let server = Server::start(Setup { more: slapd.targets() + POLICY, ..Setup::default() });
    server.enrol(&carla(), accounts);
    (server, slapd)
}

/// A person who does something when a prompt begins, and otherwise what the voice says. What is done may take the
/// place of the answer.
fn but<'a>(uri: &str, person: &Person, mut act: impl FnMut(&str) -> Option<Act> + 'a) -> Plan<'a> {
    let mut patience = Patience::hurried(person.clone());
    Plan::minded(uri, move |prompt: &Prompt, transcript: &Transcript| {
        if let Some(act) = act(&prompt.name) {
            return vec![act];
        }
        let keys = patience.keys(prompt, transcript);
        keys.map_or_else(Vec::new, |keys| vec![Act::Wait(150), Act::Keys(keys)])
    })
}

/// What follows each mention of a target.
fn said_of(talk: &Talk, target: &str) -> Vec<String> {
    let complete: Vec<_> = talk.ear.prompts.iter().filter(|prompt| prompt.complete).collect();
    let pairs = complete.windows(2).filter(|pair| pair[0].name == target);
    pairs.map(|pair| pair[1].name.clone()).collect()
}

#[test]
fn a_reset_reaches_a_real_slapd() {
    let (server, slapd) = with_slapd(&["directory", "ldap"]);
    assert!(slapd.binds("carla", OLD_PASSWORD));
    let talk = talk_once(server.voice, Plan::reset(&server.uri("5000"), &carla()));
    let password = talk.password();
    assert!(slapd.binds("carla", &password) && !slapd.binds("carla", OLD_PASSWORD));
    assert!(server.binds("carla", "directory", &password) && server.binds("carla", "ldap", &password));
    assert_eq!(said_of(&talk, "target_ldap"), ["has_new_password"]);
    assert_eq!(server.call()["outcome"], "completed");
}

#[test]
fn a_target_that_hangs_is_spoken_of_as_such() {
    let (server, slapd) = with_slapd(&["directory", "ldap"]);
    let freeze = |prompt: &str| {
        if prompt == "choose_systems" {
            slapd.freeze();
        }
        None
    };
    let talk = talk_once(server.voice, but(&server.uri("5000"), &carla(), freeze));
    slapd.thaw();
    let password = talk.password();
    assert_eq!(said_of(&talk, "target_ldap").last().map(String::as_str), Some("did_not_answer"));
    assert!(talk.heard("some_systems_failed"));
    assert!(server.binds("carla", "directory", &password), "the other target is changed");
    let audit = Audit::of(&server);
    assert!(audit.has("reset", "ldap", "timeout") && audit.has("reset", "directory", "ok"), "{audit:?}");
    assert!(audit.has("reset_heard", "-", "ok"), "{audit:?}");
    // What it was asked it may carry out late; one of the two passwords is in force, never none.
    let settled = wait_for(Duration::from_secs(5), || slapd.binds("carla", &password).then_some(()));
    assert!(settled.is_some() != slapd.binds("carla", OLD_PASSWORD));
}

#[test]
fn a_password_that_was_not_confirmed_is_void_also_where_the_target_hung() {
    let (server, slapd) = with_slapd(&["directory", "ldap"]);
    let leave = |prompt: &str| match prompt {
        "choose_systems" => {
            slapd.freeze();
            None
        }
        "key_two_digits" => Some(Act::HangUp),
        _ => None,
    };
    let talk = talk_once(server.voice, but(&server.uri("5000"), &carla(), leave));
    let password = talk.password();
    let audit = Audit::wait(&server, "randomise", "directory", "ok");
    assert!(audit.has("reset_unheard", "-", "marked"), "{audit:?}");
    assert!(!audit.has("randomise", "ldap", "ok"), "it hangs: {audit:?}");
    slapd.thaw();
    let audit = Audit::wait(&server, "reset_unheard", "-", "closed");
    assert!(audit.has("randomise", "ldap", "ok"), "{audit:?}");
    assert!(!server.binds("carla", "directory", &password));
    assert!(!slapd.binds("carla", &password) && !slapd.binds("carla", OLD_PASSWORD));
    assert_eq!(server.call()["outcome"], "caller_left");
}

#[test]
fn targets_that_are_all_down_end_in_words() {
    let gone = ports::one();
    let slapd = Slapd::start(&["carla"]);
    let targets = slapd.targets();
    let dead = targets.replace(&format!(":{}", targets_port(&targets)), &format!(":{gone}"));
    let dead = dead.replace("id: ldap", "id: crm").trim_start_matches("targets:\n").to_owned();
    let more = format!("{targets}{dead}{POLICY}");
    let server = Server::prepare(Setup { more, ..Setup::default() });
    // The second directory takes the place of the embedded target of that name.
    let file = server.file("passline.yaml");
    let text = std::fs::read_to_string(&file).expect("just written");
    let text =
        text.replace("identity: { demo: true }", "identity: { demo: false, embedded_targets: [directory] }");
    std::fs::write(file, text).expect("our own file");
    let mut server = server;
    server.restart();
    let (frozen, refused) =
        (carla(), Person { login: "carl".into(), employee_id: "200301".into(), ..carla() });
    server.enrol(&frozen, &["ldap"]);
    server.enrol(&refused, &["crm"]);

    let talk = talk_once(server.voice, Plan::reset(&server.uri("5000"), &refused));
    assert!(talk.heard("could_not_change") && !talk.heard("your_password_is"), "{:?}", talk.ear.masked());
    // It has been asked about the account by then, so that the change is sent, and nothing comes back.
    let freeze = |prompt: &str| {
        if prompt == "what_do_you_need" {
            slapd.freeze();
        }
        None
    };
    let talk = talk_once(server.voice, but(&server.uri("5000"), &frozen, freeze));
    slapd.thaw();
    assert!(talk.heard("could_not_change_unknown"), "{:?}", talk.ear.masked());
    let calls = server.calls(2);
    assert!(calls.iter().all(|call| call["outcome"] == "completed"), "{calls:?}");
    let audit = Audit::of(&server);
    assert!(audit.has("reset", "crm", "unavailable") && audit.has("reset", "ldap", "timeout"), "{audit:?}");
}

fn targets_port(targets: &str) -> &str {
    targets.split("127.0.0.1:").nth(1).and_then(|rest| rest.lines().next()).expect("a URL with port")
}

#[test]
fn a_caller_who_leaves_at_any_moment_leaves_nothing_half_done() {
    // Prompt at which somebody hangs up, and whether a password has been set by then.
    let moments = [
        ("language_menu", false),
        ("key_your_id", false),
        ("enter_your_pin", false),
        ("what_do_you_need", false),
        ("choose_systems", false),
        ("password_intro", true),
        ("next_part", true),
        ("key_two_digits", true),
    ];
    let server = Server::start(Setup { max_calls: 10, ..Setup::default() });
    let person = |index: usize| Person {
        login: format!("leaver{index}"),
        employee_id: format!("30040{index}"),
        ..carla()
    };
    let people: Vec<_> = (0..moments.len()).map(person).collect();
    people.iter().for_each(|person| server.enrol(person, &["directory", "crm"]));
    let plan = |(person, (moment, _)): (&Person, &(&'static str, bool))| {
        let moment = *moment;
        but(&server.uri("5000"), person, move |prompt| (prompt == moment).then_some(Act::HangUp))
    };
    let talks = talk(server.voice, people.iter().zip(&moments).map(plan).collect());
    let calls = server.calls(moments.len());
    assert!(calls.iter().all(|call| call["outcome"] == "caller_left"), "{calls:#?}");
    for ((person, (moment, set)), talk) in people.iter().zip(&moments).zip(&talks) {
        let audit = if *set {
            Audit::wait_of(&server, &person.login, "reset_unheard", "-", "closed")
        } else {
            Audit::of(&server)
        };
        let audit = audit.of_login(&person.login);
        assert_eq!(audit.has("reset", "directory", "ok"), *set, "left at {moment}: {audit:?}");
        assert_eq!(audit.has("randomise", "crm", "ok"), *set, "left at {moment}: {audit:?}");
        if *moment == "key_two_digits" {
            let password = talk.password();
            assert!(!server.binds(&person.login, "directory", &password), "heard, but not confirmed");
            assert!(!server.binds(&person.login, "crm", &password), "heard, but not confirmed");
        }
    }
    let left = Audit::of(&server).count("caller_left");
    assert_eq!(left, moments.len(), "each farewell is in the audit");
}

#[test]
fn wrong_proofs_and_silence_end_in_words() {
    let server = Server::start(Setup::default());
    let unknown = Person { employee_id: "999999".into(), ..Person::ada() };
    let wrong = Person { pin: "000000".into(), ..Person::ada() };
    let uri = server.uri("5000");
    // These two answer each prompt each time it begins.
    let stubborn = |person: Person| {
        Plan::minded(&uri, move |prompt: &Prompt, transcript: &Transcript| {
            let wanted = !prompt.complete && (prompt.name != "language_menu" || prompt.language == "en");
            let keys = wanted.then(|| person.keys(&prompt.name, transcript)).flatten();
            keys.map_or_else(Vec::new, |keys| vec![Act::Wait(150), Act::Keys(keys)])
        })
    };
    let silent = Plan::minded(&uri, |_: &Prompt, _: &Transcript| Vec::new());
    let talks = talk(server.voice, vec![stubborn(unknown), stubborn(wrong), silent]);
    for talk in &talks[..2] {
        assert!(talk.heard("not_verified"), "{:?}", talk.ear.masked());
    }
    // Whoever tries IDs hears no difference.
    let asked = |talk: &Talk| {
        // Whether a prompt ends before its keys cut it off is a matter of milliseconds, so both count, once.
        let mut names: Vec<_> = talk.ear.prompts.iter().map(|prompt| prompt.masked.clone()).collect();
        names.dedup();
        names.retain(|name| !name.starts_with("question_"));
        names
    };
    assert_eq!(asked(&talks[0]), asked(&talks[1]));
    assert!(talks[2].heard("too_many_tries"), "{:?}", talks[2].ear.masked());
    let mut outcomes: Vec<_> = server.calls(3).iter().map(|call| call["outcome"].to_string()).collect();
    outcomes.sort();
    assert_eq!(outcomes, ["\"no_input\"", "\"not_verified\"", "\"not_verified\""]);
}
