//! Fifty callers at one time, each through the whole flow.
use passline_connectors::{NewUser, Store};
use passline_identity::{QuestionId, SecretDigits, TargetId};
use passline_tests::{
    capture::Capture,
    person::Person,
    rtp::{Evenness, Rtp},
    server::{Server, Setup},
    talk::{Plan, talk},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const CALLS: usize = 50;
const TARGETS: [&str; 2] = ["directory", "crm"];
/// From one INVITE to the next: everybody is on the phone long before the first is through.
const APART: Duration = Duration::from_millis(150);
/// All calls together take no longer.
const LONGEST: Duration = Duration::from_secs(90);
/// Frames of 20 ms in one call that a caller's jitter buffer may miss on a busy machine.
const MISSING: u64 = 5;
/// A person needs a gap of about 50 ms to hear it; a jitter buffer bridges less.
const AUDIBLE_MS: f64 = 60.0;

fn people() -> Vec<Person> {
    let person = |index: usize| {
        let answers =
            ["1980".to_owned(), format!("{index:04}"), format!("{:04}", 9000 - index), "2001".to_owned()];
        let answers = [&*answers[0], &*answers[1], &*answers[2], &*answers[3]];
        Person::new(
            &format!("user{index}"),
            &format!("5{index:05}"),
            &format!("{:06}", 271_828 + index * 7919),
            answers,
        )
    };
    (0..CALLS).map(person).collect()
}

fn enrol(server: &Server, people: &[Person]) {
    let digits = |text: &str| SecretDigits::parse(text).expect("digits");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        std::fs::create_dir_all(server.file("data")).expect("our own folder");
        let store = Store::open(&server.file("data/passline.db")).expect("a new store");
        let mut tasks = tokio::task::JoinSet::new();
        for person in people.iter().cloned() {
            let store = store.clone();
            tasks.spawn(async move {
                let login = &person.login;
                let accounts = TARGETS.map(|target| (TargetId::from(target), login.clone())).into();
                let (employee_id, name) = (person.employee_id.clone(), login.clone());
                store
                    .add_user(NewUser { login: login.clone(), name, employee_id, accounts })
                    .await
                    .expect("a user");
                store.set_pin(login, &digits(&person.pin)).await.expect("a PIN");
                let answers = person.answers.iter();
                let answers = answers.map(|(id, answer)| (QuestionId::from(id.as_str()), digits(answer)));
                store.set_answers(login, &answers.collect::<Vec<_>>()).await.expect("answers");
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("everybody is enrolled");
        }
    });
}

/// The server's record of the call that this caller placed; numbers are kept with their last two digits.
fn record_of(calls: &[Value], index: usize) -> &Value {
    let ends = format!("{index:02}");
    let own = |call: &&Value| call["from"].as_str().is_some_and(|from| from.ends_with(&ends));
    calls.iter().find(own).unwrap_or_else(|| panic!("no record of caller {index}"))
}

#[test]
fn fifty_calls_at_once_lose_no_digit_and_have_no_gap() {
    let _alone = crate::alone();
    let mut server =
        Server::prepare(Setup { demo: false, max_calls: CALLS + 5, log: "info", ..Setup::default() });
    let people = people();
    enrol(&server, &people);
    server.restart();
    let filter = format!("udp and src portrange {}-{}", server.rtp_first, server.rtp_last);
    let mut capture = Capture::start(server.folder(), &filter, 64);
    let plan = |(index, person): (usize, &Person)| Plan {
        after: APART * index as u32,
        ..Plan::reset(&server.uri("5000"), person)
    };
    let begun = Instant::now();
    let talks = talk(server.voice, people.iter().enumerate().map(plan).collect());
    let took = begun.elapsed();
    capture.finish();

    let mut failed = on_the_wire(&capture);
    for (person, talk) in people.iter().zip(&talks).filter(|(_, talk)| talk.codec.is_none()) {
        failed.push(format!("{}: refused with {:?}, {}", person.login, talk.refused, talk.ended));
    }
    assert!(talks.iter().all(|talk| talk.codec.is_some()), "{failed:#?}\n{}", server.log());
    let calls = server.calls(CALLS);
    let mut largest_jitter: f32 = 0.0;
    for (index, (person, talk)) in people.iter().zip(&talks).enumerate() {
        let record = record_of(&calls, index);
        let mut check = |good: bool, what: String| {
            if !good {
                failed.push(format!("{}: {what}", person.login));
            }
        };
        check(record["outcome"] == "completed", format!("{record}"));
        let pressed = talk.pressed.len();
        check(
            record["digit_count"] == pressed,
            format!("{pressed} keys pressed, but {}", record["digit_count"]),
        );
        check(record["lost"] == 0 && record["duplicated"] == 0, format!("towards the server: {record}"));
        let own = talk.record.as_ref().and_then(|record| record.statistics).unwrap_or_default();
        let (received, sent) = (own.received, record["sent"].as_u64().unwrap_or_default());
        check(own.lost == 0 && received > 0, format!("{} packets lost towards the caller", own.lost));
        // What left in the moment of the BYE finds nobody.
        check(sent - received.min(sent) <= 2, format!("{sent} packets sent, {received} received"));
        check(own.remote_lost == 0, format!("the server reported {} packets lost", own.remote_lost));
        check(
            talk.missing <= MISSING,
            format!("{} of {} frames were not there in time", talk.missing, talk.frames),
        );
        largest_jitter = largest_jitter.max(own.jitter_max_ms);
        match talk.ear.password() {
            Some(password) => TARGETS.iter().for_each(|target| {
                check(server.binds(&person.login, target, &password), format!("cannot log in to {target}"));
            }),
            None => check(false, format!("no password; {:?}", talk.ear.masked())),
        }
    }
    let keys: usize = talks.iter().map(|talk| talk.pressed.len()).sum();
    let (missing, frames) =
        talks.iter().fold((0, 0), |sum, talk| (sum.0 + talk.missing, sum.1 + talk.frames));
    eprintln!(
        "{CALLS} calls in {took:.1?}: {keys} keys pressed and counted; {missing} of {frames} frames missing"
    );
    eprintln!("largest jitter at a caller: {largest_jitter:.2} ms (RFC 3550 A.8)");
    assert!(failed.is_empty(), "{failed:#?}");
    let time = |field: &'static str| calls.iter().filter_map(move |call| call[field].as_str());
    assert!(time("start").max() < time("end").min(), "all of them were on the phone at one time");
    assert!(took < LONGEST, "{took:?}");
}

/// The streams as the kernel handed them to the callers; what is wrong with them.
fn on_the_wire(capture: &Capture) -> Vec<String> {
    let mut streams: BTreeMap<u32, Vec<Rtp>> = BTreeMap::new();
    for packet in Rtp::of(&capture.packets(), |packet| packet.from.port() % 2 == 0) {
        streams.entry(packet.ssrc).or_default().push(packet);
    }
    let (mut all, mut failed) = (Evenness::default(), Vec::new());
    for (ssrc, stream) in &streams {
        let one = Evenness::of(stream);
        if (one.lost, one.disordered, one.broken_timestamps) != (0, 0, 0) {
            let Evenness { lost, disordered, broken_timestamps, .. } = one;
            failed.push(format!(
                "{ssrc:08x}: {lost} lost, {disordered} disordered, {broken_timestamps} steps of time other than 20 ms"
            ));
        }
        all.packets += one.packets;
        all.deviation_us.extend(one.deviation_us);
    }
    all.deviation_us.sort_unstable();
    let [p50, p99, p999, worst] = [50.0, 99.0, 99.9, 100.0].map(|percent| all.percentile_ms(percent));
    eprintln!(
        "{} calls, {} packets; deviation from 20 ms: p50 {p50:.2}, p99 {p99:.2}, p99.9 {p999:.2}, worst {worst:.1} ms",
        streams.len(),
        all.packets
    );
    if streams.len() != CALLS {
        failed.push(format!("{} streams", streams.len()));
    }
    if p999 >= AUDIBLE_MS {
        failed.push(format!("gaps of {p999} ms would be heard"));
    }
    failed
}
