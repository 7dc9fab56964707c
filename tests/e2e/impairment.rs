//! One press, one digit, live: real phones behind a bad network, two hundred other calls beside them, and a process that
//! is stopped, or starved by a busy neighbour, now and then.
use passline_rtp::{Codec, Digit, Method, ToneGenerator};
use passline_tests::{
    baresip::Baresip,
    impair::{Done, Impairment, Relay, Stall},
    live::Presser,
    server::{Server, Setup},
    sipp::Sipp,
    talk::{Act, Plan, talk},
    voice::Voice,
    wait_for,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Presses in each measured call.
const PRESSES: usize = 200;
/// Other calls at the same time.
const LOAD: usize = 200;
/// Presses in each of those.
const LOAD_PRESSES: usize = 60;
/// Samples of a tone and of the pause after it, 8 kHz.
const TONE: u32 = 640;
const PAUSE: usize = 640;
/// Our process stands still for so long, and then runs for so long.
const STOPPED: Duration = Duration::from_millis(300);
const RUNNING: Duration = Duration::from_secs(9);
/// A neighbour keeps all cores busy for so long, each time after we stood still.
const BURNT: Duration = Duration::from_secs(2);

/// What the issue names: 5 % loss, 10 % duplication, 60 ms jitter, standstills of 400 ms.
fn harsh(seed: u64) -> Impairment {
    Impairment {
        seed,
        loss: 50,
        duplicate: 100,
        jitter: Duration::from_millis(60),
        stall: Some(Stall { every: Duration::from_secs(7), lasts: Duration::from_millis(400) }),
        ..Impairment::default()
    }
}

/// Random keys; one in three is the one before it again.
fn keys(seed: u64, count: usize) -> String {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut before = '5';
    (0..count)
        .map(|_| {
            if !rng.next_u32().is_multiple_of(3) {
                before = char::from(b"0123456789*#"[rng.next_u32() as usize % 12]);
            }
            before
        })
        .collect()
}

/// The keys as tones, with a second of silence before and five after.
fn tones(keys: &str) -> Vec<i16> {
    let mut samples = vec![0; 8000];
    for key in keys.chars() {
        let digit = Digit::from_char(key).expect("a key");
        let begin = samples.len();
        samples.resize(begin + TONE as usize + PAUSE, 0);
        ToneGenerator::new(digit, TONE / 8).fill(&mut samples[begin..]);
    }
    samples.resize(samples.len() + 40_000, 0);
    samples
}

/// How far what was heard is from what was pressed.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    missed: usize,
    extra: usize,
}

impl Heard {
    /// By the longest common subsequence.
    fn of(pressed: &str, heard: &str) -> Self {
        let (a, b): (Vec<_>, Vec<_>) = (pressed.chars().collect(), heard.chars().collect());
        let mut row = vec![0; b.len() + 1];
        for x in &a {
            let mut corner = 0;
            for (at, y) in b.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if x == y { corner + 1 } else { above.max(row[at]) };
                corner = above;
            }
        }
        let common = row[b.len()];
        Self { missed: a.len() - common, extra: b.len() - common }
    }
}

/// A phone that presses its keys by command.
fn press_all(phone: &mut dyn Presser, keys: &str) {
    for part in keys.as_bytes().chunks(20) {
        let part = std::str::from_utf8(part).expect("keys are ASCII");
        let took = phone.press(part);
        std::thread::sleep(took);
    }
    // Phones send one key after another, and may be behind what they were told.
    std::thread::sleep(Duration::from_secs(6));
}

fn by_sipp(server: &Server, relay: &Relay, keys: &str) {
    let mut sipp = Sipp::call_at(server, relay.sip, "5001", Codec::Pcmu, Sipp::ports());
    stands(relay);
    press_all(&mut sipp, keys);
    sipp.press("bye");
    assert!(sipp.completes(), "{}", sipp.output());
}

fn by_baresip(server: &Server, relay: &Relay, keys: &str) {
    let mut baresip = Baresip::start(server, Codec::Pcma);
    baresip.dial(&relay.uri("5001"));
    stands(relay);
    press_all(&mut baresip, keys);
    baresip.hang_up();
    wait_for(Duration::from_secs(5), || baresip.is_over().then_some(()));
}

fn by_tones_of_baresip(server: &Server, relay: &Relay, keys: &str) {
    let spoken = tones(keys);
    let mut baresip = Baresip::speaking(server, Codec::Pcmu, "baresip-tones", &spoken);
    baresip.dial(&relay.uri("5001"));
    stands(relay);
    std::thread::sleep(Duration::from_millis(spoken.len() as u64 / 8));
    baresip.hang_up();
    wait_for(Duration::from_secs(5), || baresip.is_over().then_some(()));
}

/// By our own caller.
fn by_method(relay: &Relay, method: Method, keys: &str) {
    let opening = vec![Act::Wait(1000), Act::Keys(keys.to_owned()), Act::Wait(1500), Act::HangUp];
    let plan = Plan { method, opening, ..Plan::minded(&relay.uri("5001"), |_, _| Vec::new()) };
    talk(Voice::Quick, vec![plan]);
}

/// A busy neighbour: one thread a core that does nothing but turn round.
fn burn() {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let begun = Instant::now();
                while begun.elapsed() < BURNT {
                    std::hint::spin_loop();
                }
            });
        }
    });
}

/// Waits until the call stands.
fn stands(relay: &Relay) {
    let taken = wait_for(Duration::from_secs(20), || relay.answered().then_some(()));
    assert!(taken.is_some(), "the call was not taken");
    std::thread::sleep(Duration::from_secs(1));
}

/// One measured call: who calls and how, through what network.
struct Row {
    name: &'static str,
    /// User part of its From.
    what: Impairment,
    keys: String,
    call: fn(&Server, &Relay, &str),
}

fn rows() -> Vec<Row> {
    let row = |name, seed, what, call| Row { name, what, keys: keys(seed, PRESSES), call };
    let inband = |seed, every| Impairment { seed, every: Some(every), ..Impairment::default() };
    vec![
        row("SIPp, RFC 4733, PCMU", 1, harsh(101), by_sipp),
        row("baresip, RFC 4733, PCMA", 2, harsh(102), by_baresip),
        row("baresip, tones, PCMU, 20 ms lost in each", 3, inband(103, 7), by_tones_of_baresip),
        row("own, RFC 4733, ends restamped, slow clock", 4, restamped(104, 200), |_, relay, keys| {
            by_method(relay, Method::Rfc4733, keys);
        }),
        row(
            "own, tones, fast clock, 20 ms lost in each",
            5,
            Impairment { drift_ppm: -200, ..inband(105, 9) },
            |_, relay, keys| {
                by_method(relay, Method::Inband, keys);
            },
        ),
    ]
}

fn restamped(seed: u64, drift_ppm: i32) -> Impairment {
    Impairment { restamp_ends: true, drift_ppm, ..harsh(seed) }
}

/// The other calls; their keys must be right as well.
fn load(server: &Server) -> Vec<(String, String)> {
    let uri = server.uri("5001");
    let plan = |index: usize| {
        let keys = keys(1000 + index as u64, LOAD_PRESSES);
        // Pauses keep the caller on the phone as long as the measured ones are.
        let mut opening = vec![Act::Wait(500)];
        for key in keys.chars() {
            opening.extend([Act::Keys(key.into()), Act::Wait(1000)]);
        }
        opening.extend([Act::Wait(1500), Act::HangUp]);
        let after = Duration::from_millis(25) * index as u32;
        Plan { opening, after, ..Plan::minded(&uri, |_, _| Vec::new()) }
    };
    let talks = talk(Voice::Quick, (0..LOAD).map(plan).collect());
    talks.into_iter().map(|talk| (talk.pressed, talk.ended)).collect()
}

/// Records of calls whose digits are these.
fn records_of<'a>(calls: &'a [Value], digits: &str) -> Vec<&'a Value> {
    calls.iter().filter(|call| call["digits"] == digits).collect()
}

#[test]
fn one_press_is_one_digit_behind_a_bad_network_under_load_and_when_stopped() {
    let _alone = crate::alone();
    let setup = Setup { voice: Voice::Quick, max_calls: LOAD + 20, log: "warn", ..Setup::default() };
    let mut server = Server::start(setup);
    let rows = rows();
    let relays: Vec<_> = rows.iter().map(|row| Relay::start(server.sip, row.what)).collect();
    let pid = server.process().id();
    let (begun, mut stops) = (Instant::now(), 0);
    let others = std::thread::scope(|scope| {
        let server = &server;
        let load = scope.spawn(|| load(server));
        let calls: Vec<_> = rows
            .iter()
            .zip(&relays)
            .map(|(row, relay)| scope.spawn(|| (row.call)(server, relay, &row.keys)))
            .collect();
        std::thread::sleep(RUNNING);
        while !(calls.iter().all(|call| call.is_finished()) && load.is_finished()) {
            passline_tests::process::signal(pid, "STOP");
            std::thread::sleep(STOPPED);
            passline_tests::process::signal(pid, "CONT");
            stops += 1;
            burn();
            wait_for(RUNNING, || {
                (calls.iter().all(|call| call.is_finished()) && load.is_finished()).then_some(())
            });
        }
        for (row, call) in rows.iter().zip(calls) {
            call.join().unwrap_or_else(|_| panic!("the caller of {:?} failed", row.name));
        }
        load.join().expect("the other callers")
    });

    let calls = server.calls(rows.len() + LOAD);
    println!(
        "{stops} stops of {STOPPED:?}, each with {BURNT:?} of a busy neighbour after it, in {:?}, {LOAD} other calls",
        begun.elapsed()
    );
    println!("| caller | presses | packets | lost | doubled | held | restamped | digits | missed | extra |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut failed = Vec::new();
    for (row, relay) in rows.iter().zip(&relays) {
        let nearest = |call: &&Value| {
            let heard = Heard::of(&row.keys, call["digits"].as_str().unwrap_or_default());
            heard.missed + heard.extra
        };
        let digits =
            calls.iter().min_by_key(nearest).and_then(|call| call["digits"].as_str()).unwrap_or_default();
        let heard = Heard::of(&row.keys, digits);
        let Done { packets, lost, doubled, held, restamped } = relay.done();
        println!(
            "| {} | {PRESSES} | {packets} | {lost} | {doubled} | {held} | {restamped} | {} | {} | {} |",
            row.name,
            digits.len(),
            heard.missed,
            heard.extra
        );
        if digits != row.keys {
            failed.push(format!("{}: {heard:?}\n  pressed {}\n  heard   {digits}", row.name, row.keys));
        }
    }
    for (pressed, ended) in &others {
        if records_of(&calls, pressed).len() != 1 {
            failed.push(format!("one of the other calls, {ended}: pressed {pressed}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn what_was_missed_and_what_was_doubled_is_told_apart() {
    assert_eq!(Heard::of("112233", "112233"), Heard { missed: 0, extra: 0 });
    assert_eq!(Heard::of("112233", "1112233"), Heard { missed: 0, extra: 1 });
    assert_eq!(Heard::of("112233", "12233"), Heard { missed: 1, extra: 0 });
}
