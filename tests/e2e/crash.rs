//! The server dies in the middle of a reset, as by a power cut.
use crate::audit::Audit;
use passline_tests::{
    person::{Patience, Person},
    server::{Server, Setup},
    slapd::{OLD_PASSWORD, Slapd},
    talk::{Act, Plan, Talk, talk_once},
    voice::Voice,
};
use std::{
    cell::RefCell,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Calls, and ends the server when a prompt begins.
fn killed_at(server: &RefCell<Server>, person: &Person, moment: &str) -> Talk {
    let (uri, voice) = (server.borrow().uri("5000"), server.borrow().voice);
    let mut patience = Patience::hurried(person.clone());
    let plan = Plan::minded(&uri, |prompt, transcript| {
        if prompt.name == moment {
            server.borrow_mut().kill();
            return vec![Act::Vanish];
        }
        let keys = patience.keys(prompt, transcript);
        keys.map_or_else(Vec::new, |keys| vec![Act::Wait(150), Act::Keys(keys)])
    });
    talk_once(voice, plan)
}

fn consistent(server: &Server) {
    let database = rusqlite::Connection::open(server.file("data/passline.db")).expect("the store");
    let verdict: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a verdict");
    assert_eq!(verdict, "ok");
    let broken: i64 = database
        .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(broken, 0);
}

#[test]
fn killed_while_the_password_is_spoken() {
    let server = RefCell::new(Server::start(Setup::default()));
    let talk = killed_at(&server, &Person::ada(), "that_was_all");
    let password = talk.password();
    server.borrow_mut().restart();
    let server = server.borrow();
    let audit = Audit::wait(&server, "reset_unheard", "-", "closed");
    assert!(audit.has("reset", "directory", "ok") && audit.has("reset", "crm", "ok"), "{audit:?}");
    assert!(audit.has("reset_unheard", "-", "after_restart"), "{audit:?}");
    assert!(audit.has("randomise", "directory", "ok") && audit.has("randomise", "crm", "ok"), "{audit:?}");
    for target in ["directory", "crm"] {
        assert!(!server.binds("ada", target, &password), "nobody confirmed that it was heard");
    }
    assert!(!server.binds("ada", "directory", "Old-Ada-Directory-1"));
    consistent(&server);
    // And the user can simply call again.
    let talk = talk_once(server.voice, Plan::reset(&server.uri("5000"), &Person::ada()));
    assert!(server.binds("ada", "directory", &talk.password()));
}

#[test]
fn killed_while_a_target_is_being_changed() {
    let slapd = Slapd::start(&["ada"]);
    // The change may take so long that the caller is told to wait.
    let more = slapd.targets().replace("timeout_ms: 700", "timeout_ms: 8000") + "policy: { retry_ms: 200 }\n";
    let server = RefCell::new(Server::start(Setup { demo: false, more, ..Setup::default() }));
    let person = Person::ada();
    server.borrow().enrol(&person, &["directory", "ldap"]);
    let (uri, voice) = (server.borrow().uri("5000"), server.borrow().voice);
    let mut patience = Patience::hurried(person.clone());
    let mut frozen = false;
    let plan = Plan::minded(&uri, |prompt, transcript| {
        match prompt.name.as_str() {
            "choose_systems" => {
                slapd.freeze();
                frozen = true;
            }
            // On a busy machine this is said while answers are checked, too.
            "one_moment" if frozen => {
                server.borrow_mut().kill();
                return vec![Act::Vanish];
            }
            _ => {}
        }
        let keys = patience.keys(prompt, transcript);
        keys.map_or_else(Vec::new, |keys| vec![Act::Wait(150), Act::Keys(keys)])
    });
    let talk = talk_once(voice, plan);
    assert!(talk.ear.password().is_none(), "nothing was spoken yet");
    slapd.thaw();
    server.borrow_mut().restart();
    let server = server.borrow();
    let audit = Audit::wait(&server, "reset_unheard", "-", "closed");
    assert!(audit.has("reset", "ldap", "begun"), "the intent was written first: {audit:?}");
    assert!(audit.has("randomise", "ldap", "ok") && audit.has("randomise", "directory", "ok"), "{audit:?}");
    assert!(!slapd.binds("ada", OLD_PASSWORD), "nobody knows which password was in force");
    consistent(&server);
    let talk = talk_once(server.voice, Plan::reset(&server.uri("5000"), &person));
    assert!(slapd.binds("ada", &talk.password()));
}

#[test]
fn killed_before_anything_was_changed() {
    let server = RefCell::new(Server::start(Setup::default()));
    killed_at(&server, &Person::ada(), "what_do_you_need");
    server.borrow_mut().restart();
    let server = server.borrow();
    let audit = Audit::of(&server);
    assert!(audit.has("verify", "-", "ok"), "{audit:?}");
    assert_eq!(audit.count("reset"), 0, "{audit:?}");
    assert!(server.binds("ada", "directory", "Old-Ada-Directory-1"), "what was in force stays in force");
    consistent(&server);
}

/// A moment between the last answer and the spoken password: so long after this query was asked for the n-th time.
#[derive(Clone, Copy)]
struct Moment {
    query: &'static str,
    times: usize,
    delay_ms: u64,
}

impl Moment {
    /// The caller has keyed the last answer.
    const fn verifying(delay_ms: u64) -> Self {
        // The PIN was the first.
        Self { query: "verify", times: 2, delay_ms }
    }

    /// The caller has chosen the systems.
    const fn applying(delay_ms: u64) -> Self {
        Self { query: "reset", times: 1, delay_ms }
    }

    /// Waits for it, and ends the server.
    fn kill(self, server: &Mutex<Server>, log: &Path) {
        let wanted = format!("query=\"{}\"", self.query);
        let (start, mut times, mut line) = (Instant::now(), 0, Vec::new());
        let mut log = BufReader::new(File::open(log).expect("the server's log"));
        while times < self.times {
            if log.read_until(b'\n', &mut line).expect("the server's log") == 0 {
                assert!(start.elapsed() < Duration::from_secs(120), "{wanted} does not come");
                std::thread::sleep(Duration::from_millis(1));
            } else if line.ends_with(b"\n") {
                times += usize::from(String::from_utf8_lossy(&line).contains(&wanted));
                line.clear();
            }
        }
        std::thread::sleep(Duration::from_millis(self.delay_ms));
        server.lock().expect("no panic before").kill();
    }

    /// The caller's part; nobody is there any more soon after the last keys.
    fn call(self, uri: &str, voice: Voice, person: &Person) {
        let mut patience = Patience::hurried(person.clone());
        let mut keyed = 0;
        let last = if self.query == "verify" { "question_" } else { "choose_systems" };
        let plan = Plan::minded(uri, |prompt, transcript| {
            let Some(keys) = patience.keys(prompt, transcript) else {
                return Vec::new();
            };
            keyed += usize::from(prompt.name.starts_with(last));
            let mut acts = vec![Act::Wait(150), Act::Keys(keys)];
            if keyed == self.times {
                acts.extend([Act::Wait(2000), Act::Vanish]);
            }
            acts
        });
        talk_once(voice, plan);
    }
}

/// One crash; what the next start says of it must be true. Returns what became of the reset.
fn story(moment: Moment) -> &'static str {
    let server = Server::start(Setup::default());
    let (uri, voice, log) = (server.uri("5000"), server.voice, server.file("server-1.log"));
    let (server, person) = (Mutex::new(server), Person::ada());
    std::thread::scope(|scope| {
        scope.spawn(|| moment.kill(&server, &log));
        moment.call(&uri, voice, &person);
    });
    let mut server = server.into_inner().expect("no panic before");
    server.restart();
    let begun = Audit::of(&server).has("reset", "directory", "begun");
    let sent = begun && Audit::of(&server).count("reset_unheard") > 0;
    let audit = if sent { Audit::wait(&server, "reset_unheard", "-", "closed") } else { Audit::of(&server) };
    for (target, old) in [("directory", "Old-Ada-Directory-1"), ("crm", "Old-Ada-Crm-1")] {
        let randomised = audit.has("randomise", target, "ok");
        let untouched = !begun || audit.has("reset", target, "not_sent");
        assert!(randomised != untouched, "the audit says which: {target}, {audit:#?}");
        assert_eq!(server.binds("ada", target, old), untouched, "{target}, {audit:#?}");
    }
    assert!(!begun || sent || audit.has("reset", "-", "interrupted"), "{audit:#?}");
    consistent(&server);
    let talk = talk_once(voice, Plan::reset(&server.uri("5000"), &person));
    for target in ["directory", "crm"] {
        assert!(server.binds("ada", target, &talk.password()), "the next call helps");
    }
    match (begun, sent) {
        (false, _) => "not begun",
        (true, false) => "begun, but nothing sent",
        (true, true) => "sent, and made invalid",
    }
}

/// All at once, each with a server of its own: at whatever point of the change a machine dies, the next start tells what
/// happened, and no password is left that nobody knows whether it works.
#[test]
fn killed_anywhere_between_the_last_answer_and_the_first_word() {
    let _alone = crate::alone();
    let delays = [0, 8, 20, 35, 60, 150];
    let applying = delays.map(Moment::applying);
    let moments = [Moment::verifying(0), Moment::verifying(15)].into_iter().chain(applying);
    let found: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = moments.map(|moment| (moment, scope.spawn(move || story(moment)))).collect();
        running
            .into_iter()
            .map(|(moment, story)| (moment, story.join().expect("a consistent store")))
            .collect()
    });
    for (Moment { query, delay_ms, .. }, found) in &found {
        eprintln!("killed {delay_ms} ms after the query {query}: {found}");
    }
    assert!(found.iter().any(|(_, found)| *found == "not begun"));
    assert!(found.iter().any(|(_, found)| *found == "sent, and made invalid"));
}

#[test]
fn killed_after_the_caller_had_it() {
    let server = RefCell::new(Server::start(Setup::default()));
    let talk = killed_at(&server, &Person::ada(), "digits_right");
    let password = talk.password();
    server.borrow_mut().restart();
    let server = server.borrow();
    let audit = Audit::of(&server);
    assert!(audit.has("reset_heard", "-", "ok"), "{audit:?}");
    assert_eq!((audit.count("randomise"), audit.count("reset_unheard")), (0, 0), "{audit:?}");
    for (target, old) in [("directory", "Old-Ada-Directory-1"), ("crm", "Old-Ada-Crm-1")] {
        assert!(server.binds("ada", target, &password), "what was heard stays");
        assert!(!server.binds("ada", target, old));
    }
    consistent(&server);
    let again = talk_once(server.voice, Plan::reset(&server.uri("5000"), &Person::ada())).password();
    assert!(server.binds("ada", "crm", &again) && !server.binds("ada", "crm", &password));
}
