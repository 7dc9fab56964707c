use super::*;
use crate::Rate;

const PEER: [u8; 4] = [192, 0, 2, 1];
const OTHER: [u8; 4] = [192, 0, 2, 2];

/// A guard and its clock.
struct Bench {
    guard: Guard,
    now: Instant,
}

impl Bench {
    fn new(change: impl FnOnce(&mut GuardConfig)) -> Bench {
        let now = Instant::now();
        let mut config = GuardConfig::default();
        change(&mut config);
        Bench { guard: Guard::new(now, config), now }
    }

    fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    fn datagram(&mut self, from: [u8; 4], bytes: impl AsRef<[u8]>) -> Verdict {
        self.guard.datagram(self.now, from.into(), bytes.as_ref())
    }

    fn answer(&mut self, to: [u8; 4], bytes: impl AsRef<[u8]>) -> bool {
        self.guard.may_send(self.now, to.into(), true, bytes.as_ref())
    }

    fn news(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.guard.poll()).map(|ban| format!("{} {}", ban.source, ban.reason)).collect()
    }
}

fn request(method: &str, call: &str, to_tag: &str, more: &str) -> String {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:5001@x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=theirs\r\n\
         To: <sip:5001@x>{to_tag}\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n{more}\r\n{}",
        "v".repeat(400)
    )
}

fn response(status: u16, method: &str, call: &str, more: &str) -> String {
    format!(
        "SIP/2.0 {status} X\r\nFrom: <sip:a@b>;tag=theirs\r\nTo: <sip:5001@x>;tag=ours-{call}\r\nCall-ID: {call}\r\n\
         CSeq: 1 {method}\r\n{more}\r\n"
    )
}

#[test]
fn garbage_is_dropped_and_in_the_end_its_source() {
    let mut bench = Bench::new(|config| config.garbage = Rate::per_second(10, 1));
    for _ in 0..10 {
        assert_eq!(bench.datagram(PEER, [0xFF; 900]), Verdict::Dropped);
    }
    assert!(bench.news().is_empty());
    // Keep-alives and STUN are not meant.
    for _ in 0..100 {
        bench.datagram(OTHER, "\r\n\r\n");
        bench.datagram(OTHER, b"\0\x01\0\0\x21\x12\xA4\x42abcdefghijkl");
    }
    bench.datagram(PEER, "hello");
    assert_eq!(bench.news(), ["192.0.2.1 sends what is no SIP"]);
    assert_eq!(bench.datagram(PEER, request("INVITE", "1", "", "")), Verdict::Dropped);
    assert_eq!(bench.datagram(OTHER, request("INVITE", "1", "", "")), Verdict::Stranger);
    assert_eq!(bench.guard.list(bench.now)[0].dropped, 1);
    bench.wait(3_600_001);
    assert_eq!(bench.datagram(PEER, request("INVITE", "2", "", "")), Verdict::Stranger);
}

#[test]
fn loopback_and_trunks_are_never_limited() {
    let trunk = "198.51.100.0/24".parse().expect("a network");
    let mut bench = Bench::new(|config| config.trusted.push(trunk));
    for index in 0..10_000 {
        let invite = request("INVITE", &index.to_string(), "", "User-Agent: friendly-scanner\r\n");
        assert_eq!(bench.datagram([198, 51, 100, 7], &invite), Verdict::Known);
        assert_eq!(bench.datagram([127, 0, 0, 1], [0xFF; 20]), Verdict::Known);
        assert!(bench.answer([127, 0, 0, 1], response(404, "INVITE", &index.to_string(), "")));
    }
    assert!(bench.guard.connection(bench.now, "::1".parse().expect("an address")));
    assert!(bench.news().is_empty());
}

#[test]
fn a_source_is_held_to_its_rate_and_banned_if_it_goes_on() {
    let mut bench = Bench::new(|config| {
        config.messages = Rate::per_second(20, 10);
        config.ban_over_rate = 100;
    });
    let options = request("OPTIONS", "1", "", "");
    let passed = (0..50).filter(|_| bench.datagram(PEER, &options) == Verdict::Stranger).count();
    assert_eq!(passed, 20);
    assert_eq!(bench.datagram(OTHER, &options), Verdict::Stranger);
    bench.wait(1000);
    let passed = (0..50).filter(|_| bench.datagram(PEER, &options) == Verdict::Stranger).count();
    assert_eq!(passed, 10);
    assert!(bench.news().is_empty());
    for _ in 0..50 {
        bench.datagram(PEER, &options);
    }
    assert_eq!(bench.news(), ["192.0.2.1 goes on beyond its rate"]);
}

#[test]
fn strangers_together_leave_room_for_those_in_calls() {
    let mut bench = Bench::new(|config| {
        config.all_messages = Rate::per_second(100, 100);
        config.all_invites = Rate::per_second(50, 20);
    });
    // A call stands.
    assert_eq!(bench.datagram(PEER, request("INVITE", "good", "", "")), Verdict::Stranger);
    assert!(bench.answer(PEER, response(200, "INVITE", "good", "")));
    assert_eq!(bench.datagram(PEER, request("ACK", "good", "ours-good", "")), Verdict::Known);
    // Everybody else calls at once, from forged addresses.
    let flood = |bench: &mut Bench, from: u32| {
        let source = (0x0A00_0000 + from).to_be_bytes();
        bench.datagram(source, request("INVITE", &from.to_string(), "", "")) == Verdict::Stranger
    };
    let passed = (0..20_000).filter(|from| flood(&mut bench, *from)).count();
    assert_eq!(passed, 49);
    for _ in 0..100 {
        assert_eq!(bench.datagram(PEER, request("INFO", "good", "ours-good", "")), Verdict::Known);
    }
    assert!(bench.guard.counters(bench.now).sources <= GuardConfig::default().sources);
}

#[test]
fn calls_that_nobody_confirms_are_few() {
    let mut bench = Bench::new(|config| config.half_open_per_source = 3);
    let invite =
        |bench: &mut Bench, call: u32| bench.datagram(PEER, request("INVITE", &call.to_string(), "", ""));
    assert_eq!((0..10).filter(|call| invite(&mut bench, *call) == Verdict::Stranger).count(), 3);
    assert_eq!(invite(&mut bench, 2), Verdict::Stranger, "its repetition");
    // One is refused: room for another.
    assert!(bench.answer(PEER, response(486, "INVITE", "1", "")));
    assert_eq!(invite(&mut bench, 20), Verdict::Stranger);
    assert_eq!(invite(&mut bench, 21), Verdict::Dropped);
    bench.wait(32_000);
    assert_eq!(invite(&mut bench, 22), Verdict::Stranger);
}

#[test]
fn scanners_are_dropped_at_their_first_request() {
    let mut bench = Bench::new(|_| {});
    let scan = request("OPTIONS", "1", "", "User-Agent: friendly-scanner\r\n");
    assert_eq!(bench.datagram(PEER, &scan), Verdict::Dropped);
    assert_eq!(bench.news(), ["192.0.2.1 is the scanner friendly-scanner"]);
    assert!(!bench.guard.connection(bench.now, PEER.into()));
    assert!(bench.guard.unban(bench.now, PEER.into()) && !bench.guard.unban(bench.now, PEER.into()));
    assert!(bench.guard.connection(bench.now, PEER.into()));
    assert_eq!(bench.guard.stream(bench.now, PEER.into(), scan.as_bytes()), Reading::Close);
    bench.guard.configure(GuardConfig { scanners: false, ..GuardConfig::default() });
    assert_eq!(bench.datagram(OTHER, &scan), Verdict::Stranger);
}

#[test]
fn who_tries_out_passwords_or_numbers_is_banned_and_gets_no_answer_any_more() {
    let mut bench = Bench::new(|_| {});
    let mut attempts = 0;
    for index in 0..100 {
        let call = index.to_string();
        bench.datagram(PEER, request("REGISTER", &call, "", "Authorization: Digest x\r\n"));
        attempts += usize::from(bench.answer(PEER, response(401, "REGISTER", &call, "")));
    }
    assert_eq!(attempts, 10);
    assert_eq!(bench.news(), ["192.0.2.1 tries out passwords"]);
    for index in 0..100 {
        bench.datagram(OTHER, request("INVITE", &index.to_string(), "", ""));
        bench.answer(OTHER, response(404, "INVITE", &index.to_string(), ""));
    }
    assert_eq!(bench.news(), ["192.0.2.2 tries out numbers"]);
}

#[test]
fn challenges_and_stale_nonces_are_no_offence_nor_is_an_office_with_one_wrong_phone() {
    let mut bench = Bench::new(|_| {});
    for index in 0..100 {
        let call = index.to_string();
        bench.wait(200);
        bench.datagram(PEER, request("REGISTER", &call, "", ""));
        bench.answer(PEER, response(401, "REGISTER", &call, ""));
        let again = request("REGISTER", &call, "", "Authorization: Digest x\r\n");
        bench.datagram(PEER, &again);
        bench.answer(PEER, response(401, "REGISTER", &call, "WWW-Authenticate: Digest stale=true\r\n"));
        bench.datagram(PEER, &again);
        assert!(bench.answer(PEER, response(200, "REGISTER", &call, "")));
    }
    for index in 0..30 {
        let call = format!("wrong-{index}");
        bench.wait(5_000);
        bench.datagram(PEER, request("REGISTER", &call, "", "Authorization: Digest x\r\n"));
        bench.answer(PEER, response(403, "REGISTER", &call, ""));
    }
    assert!(bench.news().is_empty());
}

#[test]
fn a_forger_of_passwords_gets_nobody_banned_who_is_logged_in_and_learns_nothing() {
    let mut bench = Bench::new(|_| {});
    let login = |call: &str| request("REGISTER", call, "", "Authorization: Digest x\r\n");
    bench.datagram(PEER, login("good"));
    bench.answer(PEER, response(200, "REGISTER", "good", ""));
    let mut answers = 0;
    for index in 0..1000 {
        let call = index.to_string();
        if bench.datagram(PEER, login(&call)) != Verdict::Dropped {
            answers += usize::from(bench.answer(PEER, response(401, "REGISTER", &call, "")));
        }
    }
    assert_eq!((answers, bench.news().len()), (100, 0));
    // His calls go on, and later his logins.
    assert_eq!(bench.datagram(PEER, request("INVITE", "call", "", "")), Verdict::Known);
    assert_eq!(bench.datagram(PEER, login("good")), Verdict::Dropped);
    bench.wait(60_001);
    assert_eq!(bench.datagram(PEER, login("good")), Verdict::Known);
}

#[test]
fn connections_hold_no_more_unconfirmed_calls_than_datagrams() {
    let mut bench = Bench::new(|config| config.half_open_per_source = 3);
    for index in 0..4 {
        let text = request("INVITE", &index.to_string(), "", "");
        let want = if index < 3 { Reading::On } else { Reading::Close };
        assert_eq!(bench.guard.stream(bench.now, PEER.into(), text.as_bytes()), want);
    }
    // One is confirmed; who confirms may have more.
    let answer = response(200, "INVITE", "0", "");
    assert!(bench.guard.may_send(bench.now, PEER.into(), false, answer.as_bytes()));
    let ack = request("ACK", "0", "ours-0", "");
    assert_eq!(bench.guard.stream(bench.now, PEER.into(), ack.as_bytes()), Reading::On);
    for index in 10..20 {
        let text = request("INVITE", &index.to_string(), "", "");
        assert_eq!(bench.guard.stream(bench.now, PEER.into(), text.as_bytes()), Reading::On);
    }
    assert_eq!(
        bench.guard.stream(bench.now, PEER.into(), request("INVITE", "20", "", "").as_bytes()),
        Reading::Close
    );
}

#[test]
fn a_forged_invite_costs_its_victim_no_more_than_the_forger() {
    let mut bench = Bench::new(|_| {});
    let invite = request("INVITE", "1", "", "");
    let answer = response(200, "INVITE", "1", &format!("\r\n{}", "v".repeat(300)));
    bench.datagram(PEER, &invite);
    // A provisional answer, the 200, its ten repetitions, a BYE and its repetitions.
    let mut sent = 0;
    for message in [response(100, "INVITE", "1", ""), response(180, "INVITE", "1", "")] {
        sent += if bench.answer(PEER, &message) { message.len() } else { 0 };
    }
    for _ in 0..11 {
        sent += if bench.answer(PEER, &answer) { answer.len() } else { 0 };
    }
    let bye = "BYE sip:a@b SIP/2.0\r\nFrom: <sip:5001@x>;tag=ours-1\r\nTo: <sip:a@b>;tag=theirs\r\n\r\n";
    for _ in 0..11 {
        sent += if bench.answer(PEER, bye) { bye.len() } else { 0 };
    }
    assert!(sent <= invite.len() && sent >= answer.len(), "{sent} for {}", invite.len());
    assert!(bench.guard.counters(bench.now).unsent > 10);
}

#[test]
fn pieces_of_streams_are_slowed_down_not_dropped() {
    let mut bench = Bench::new(|config| config.messages = Rate::per_second(10, 10));
    let many = request("OPTIONS", "1", "", "").repeat(25);
    let reading = bench.guard.stream(bench.now, PEER.into(), many.as_bytes());
    assert_eq!(reading, Reading::After(Duration::from_millis(1500)));
    bench.wait(5_000);
    for _ in 0..10 {
        assert_eq!(bench.guard.stream(bench.now, PEER.into(), b"x"), Reading::On);
    }
    assert!(matches!(bench.guard.stream(bench.now, PEER.into(), b"x"), Reading::After(_)));
}

#[test]
fn a_datagram_of_a_flood_costs_little() {
    // Not a measurement: a bound so wide that only a mistake in the order of growth breaks it.
    let mut bench = Bench::new(|_| {});
    let invite = request("INVITE", "1", "", "");
    let begin = Instant::now();
    for source in 0..200_000u32 {
        bench.datagram(source.to_be_bytes(), [0xFF; 1200]);
        bench.datagram((source | 0x4000_0000).to_be_bytes(), &invite);
    }
    let each = begin.elapsed() / 400_000;
    println!("{each:?} a datagram");
    assert!(each < Duration::from_micros(50));
}
