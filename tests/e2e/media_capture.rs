//! A capture with media of the running server: the same ledger, and nothing that must not be heard.
use passline_replay::{
    capture,
    decap::{Carried, Decapsulator},
};
use passline_rtp::{Codec, EventPayload, Packet};
use passline_tests::{
    impair::{Impairment, Relay},
    needle::Needle,
    person::Person,
    process::run,
    server::{Server, Setup},
    talk::{Plan, talk},
};
use serde_json::Value;
use std::{
    collections::BTreeMap, fs, net::SocketAddr, os::unix::fs::MetadataExt, path::Path, process::Command,
    time::Duration,
};

const LONG: Duration = Duration::from_secs(60);
const KEYS: &str = "1470#*99";

/// One direction of a call's media.
#[derive(Default)]
struct Stream {
    /// Keys or what stands for them, one for each timestamp, in the order of coming.
    events: BTreeMap<u32, u8>,
    order: Vec<u32>,
    /// Octets of audio that are, and are not, the codec's silence.
    silent: usize,
    sounding: usize,
}

/// The RTP of a capture, by sender and receiver.
fn streams(path: &Path) -> BTreeMap<(SocketAddr, SocketAddr), Stream> {
    let (frames, cut) = capture::read(fs::File::open(path).expect("the capture")).expect("pcapng");
    assert!(!cut, "it is whole");
    let mut undo = Decapsulator::default();
    let mut streams: BTreeMap<_, Stream> = BTreeMap::new();
    for frame in &frames {
        let Some(Carried::Udp { from, to, payload }) = undo.frame(frame.link, &frame.bytes) else { continue };
        let Ok(packet) = Packet::parse(&payload) else { continue };
        let stream = streams.entry((from, to)).or_default();
        match Codec::from_static(packet.payload_type) {
            Some(codec) => {
                let silent = packet.payload.iter().filter(|octet| **octet == codec.silence()).count();
                stream.silent += silent;
                stream.sounding += packet.payload.len() - silent;
            }
            None => {
                let event = EventPayload::read(packet.payload).expect("nothing else was negotiated");
                let known = *stream.events.entry(packet.timestamp).or_insert_with(|| {
                    stream.order.push(packet.timestamp);
                    event.code
                });
                assert_eq!(known, event.code, "one press, one code");
            }
        }
    }
    streams
}

fn tshark(path: &str, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.args(["-r", path, "-Y", filter, "-T", "fields", "-E", "separator=;"]);
    fields.iter().for_each(|field| _ = command.args(["-e", field]));
    run(&mut command, "", LONG).good().lines().map(str::to_owned).collect()
}

/// The record's evidence of each press and what a replay makes of the capture, both as packets, duplicates, lost.
fn ledgers(record: &Value, replayed: &Value) -> [Vec<[u64; 3]>; 2] {
    let of = |ledger: &Value| {
        ["packets", "duplicates", "lost"].map(|name| ledger[name].as_u64().expect("a count"))
    };
    let recorded = record["presses"].as_array().expect("presses").iter().map(of).collect();
    let digits = replayed["digits"].as_array().expect("digits");
    [recorded, digits.iter().map(|digit| of(&digit["ledger"])).collect()]
}

#[test]
fn a_capture_with_media_replays_to_the_same_ledger_and_tells_no_secret() {
    let server = Server::start(Setup { log: "trace", ..Setup::default() });
    let people = [
        Person::new("near", "739164820517", "618273645546", ["0481", "0927", "0633", "0759"]),
        Person::new("far", "517482930164", "645546182736", ["0194", "0277", "0366", "0953"]),
    ];
    people.iter().for_each(|person| server.enrol(person, &["directory", "crm"]));
    let file = server.file("calls.pcapng");
    let path = file.to_str().expect("a path").to_owned();
    let told = server.cli(&["capture", "start", &path, "--media"], "").good();
    assert!(told.contains("media"), "{told}");

    // Two get their accounts back, one of them over a bad network, and the line test is called.
    let bad = Impairment {
        seed: 4733,
        loss: 50,
        duplicate: 100,
        jitter: Duration::from_millis(30),
        ..Impairment::default()
    };
    let relay = Relay::start(server.sip, bad);
    let plans = [server.uri("5000"), relay.uri("5000")];
    let plans = plans.iter().zip(&people).map(|(uri, person)| Plan::reset(uri, person)).collect();
    let talks = talk(server.voice, plans);
    let passwords: Vec<_> = talks.iter().map(passline_tests::talk::Talk::password).collect();
    let script = format!("p1000 {KEYS} p2500 hangup");
    server.cli(&["call", &server.uri("5001"), "--keys", &script], "").good();
    let records = server.calls(3);
    let told = server.cli(&["capture", "stop"], "").good();
    println!("{told}");
    assert!(told.contains("media packets") && !told.contains("missed"), "{told}");
    assert_eq!(fs::metadata(&file).expect("the capture").mode() & 0o777, 0o600);
    let again = server.cli(&["capture", "start", &path, "--media"], "");
    assert!(again.code == 1 && again.err.contains("does not exist yet"), "never overwritten: {again:?}");

    // The same ledger, call by call and press by press.
    let replayed = server.json(&["replay", &path, "--json"]);
    let mut far = None;
    for record in &records {
        let call = replayed.iter().find(|call| call["call_id"] == record["sip_call_id"]);
        let call = call.unwrap_or_else(|| panic!("{} is not in {replayed:?}", record["sip_call_id"]));
        let [recorded, heard] = ledgers(record, call);
        assert_eq!(recorded, heard, "{}", record["to"]);
        let evidence = &record["evidence"];
        let sum = |at: usize| heard.iter().map(|press| press[at]).sum::<u64>();
        assert_eq!(evidence["presses"].as_u64(), Some(heard.len() as u64));
        assert_eq!(evidence["packets"].as_u64(), Some(sum(0)));
        assert_eq!(evidence["duplicates"].as_u64(), Some(sum(1)));
        assert_eq!(evidence["lost"].as_u64(), Some(sum(2)));
        println!(
            "{}: {} presses, {} packets, {} doubled, {} lost",
            record["to"],
            heard.len(),
            sum(0),
            sum(1),
            sum(2)
        );
        if sum(1) + sum(2) > 0 {
            far = Some(heard.len());
        }
        let digits = call["digits"].as_array().expect("digits").iter();
        let digits: String = digits.filter_map(|digit| digit["digit"].as_str()).collect();
        if record["to"] == "5001" {
            assert_eq!((digits.as_str(), record["digits"].as_str()), (KEYS, Some(KEYS)));
        } else {
            assert!(digits.chars().all(|key| "ABCD".contains(key)), "{digits}");
        }
    }
    assert_eq!(far, Some(talks[1].pressed.chars().count()), "the bad network was one");
    let picture = server.file("calls.svg");
    server.cli(&["replay", &path, "--plot", picture.to_str().expect("a path")], "").good();
    assert!(fs::read_to_string(&picture).expect("a picture").contains("<svg "));

    // Sound in one call only, and keys as they are: in the line test. Of the others it is told how many there were.
    let streams = streams(&file);
    let is_ours = |at: SocketAddr| (server.rtp_first..=server.rtp_last).contains(&at.port());
    let ours = |from: SocketAddr, to: SocketAddr| if is_ours(from) { from.port() } else { to.port() };
    let sounding = streams.iter().filter(|(_, stream)| stream.sounding > 0);
    let sounding: Vec<_> = sounding.map(|((from, to), _)| ours(*from, *to)).collect();
    assert_eq!(sounding.len(), 1, "the prompts of the line test, and nothing else");
    let mut counts = Vec::new();
    for ((from, to), stream) in &streams {
        assert!(is_ours(*from) || is_ours(*to), "true addresses: {from} {to}");
        let audio = stream.silent + stream.sounding;
        assert!(audio > 8000, "{from} to {to}: there was audio, {audio} octets");
        let codes: Vec<_> = stream.order.iter().map(|at| stream.events[at]).collect();
        if is_ours(*from) {
            assert!(codes.is_empty(), "we press nothing");
        } else if ours(*from, *to) == sounding[0] {
            let keys = codes.iter().filter_map(|code| "0123456789*#".chars().nth(usize::from(*code)));
            assert_eq!(keys.collect::<String>(), KEYS);
        } else {
            assert!(codes.iter().all(|code| (12..16).contains(code)), "{from} to {to}: {codes:?}");
            counts.push(codes.len());
        }
    }
    let mut pressed: Vec<_> = talks.iter().map(|talk| talk.pressed.chars().count()).collect();
    counts.sort_unstable();
    pressed.sort_unstable();
    assert_eq!(counts, pressed);

    // What others read.
    let events = tshark(&path, "rtpevent", &["rtpevent.event_id", "udp.dstport"]);
    let is_key = |line: &&String| {
        line.split(';').next().and_then(|id| id.parse::<u8>().ok()).is_some_and(|id| id < 12)
    };
    let ports: Vec<_> = events.iter().filter(is_key).filter_map(|line| line.split(';').nth(1)).collect();
    assert!(
        !ports.is_empty() && ports.iter().all(|port| *port == ports[0]),
        "keys in one call only: {ports:?}"
    );
    assert!(events.len() > ports.len() * 2, "and the others are there");
    for filter in ["rtp.p_type == 0", "rtcp.pt == 203", "sip.Method == \"INVITE\""] {
        assert!(!tshark(&path, filter, &["frame.number"]).is_empty(), "{filter}");
    }
    assert!(tshark(&path, "_ws.malformed", &["frame.number"]).is_empty());

    // Secrets, wherever they could stand.
    let octets = fs::read(&file).expect("the capture");
    let digits = people.iter().flat_map(|person| [&person.pin, &person.employee_id]);
    for secret in digits.chain(&passwords) {
        assert!(Needle::new(secret).found_in(&octets).is_none());
        assert!(Needle::new(secret).found_in(server.log().as_bytes()).is_none());
    }
}
