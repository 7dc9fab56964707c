//! Bounds: calls, transactions, octets to strangers, connections; and the drain.

use crate::support::*;
use passline_sip::message::Name;
use passline_sip::*;
use std::time::Duration;

fn stranger(n: usize) -> String {
    invite("z9hG4bKa", 1, SDP).replace("z9hG4bKa", &format!("z9hG4bK{n}")).replace("cid", &format!("cid{n}"))
}

#[test]
fn a_flood_of_invites_is_bounded_and_passes() {
    let config =
        Config { max_transactions: 50, max_calls: 100, user_agent: String::new(), ..Config::default() };
    let mut bench = Bench::with(config, udp("192.0.2.1:5060", "192.0.2.9:5060"));
    for n in 0..500 {
        bench.receive(&stranger(n));
    }
    assert_eq!((bench.ua.transactions(), bench.ua.calls(), bench.happened().len()), (50, 50, 50));
    assert!(bench.last().starts_with("SIP/2.0 503 ") && bench.last().contains("Retry-After: 10\r\n"));
    let said = bench.said();
    assert_eq!(
        (said.iter().filter(|v| *v == "100").count(), said.iter().filter(|v| *v == "503").count()),
        (50, 450)
    );
}

#[test]
fn what_is_answered_makes_room_and_calls_can_always_end() {
    let config = Config { max_transactions: 8, max_calls: 100, ..Config::default() };
    let mut bench = Bench::with(config, udp("192.0.2.1:5060", "192.0.2.9:5060"));
    // Far more short calls within 32 s than transactions.
    for n in 0..100 {
        bench.receive(&stranger(n));
        let Some(Event::Incoming { call, .. }) = bench.happened().pop() else {
            panic!("call {n}: {:?}", bench.said())
        };
        bench.command(Command::Accept { call, sdp: SDP.into() });
        let tag = tag_of(&bench.last());
        let inside = |method: &str, cseq| {
            let name = format!("z9hG4bK{method}{n}");
            request(method, &name, cseq, &tag, "", "").replace("cid", &format!("cid{n}"))
        };
        bench.receive(&inside("ACK", 1));
        bench.receive(&inside("BYE", 2));
        assert_eq!(bench.said().last().map(String::as_str), Some("200"), "call {n}");
        // A BYE is served above the limit.
        assert!(bench.ua.transactions() <= 9);
    }
    assert_eq!(bench.ua.calls(), 0);
    bench.pass(Duration::from_secs(100));
    assert_eq!((bench.ua.transactions(), bench.ua.deadline()), (0, None));
}

#[test]
fn the_call_limit_and_the_drain_answer_503() {
    let mut bench =
        Bench::with(Config { max_calls: 1, ..Config::default() }, udp("192.0.2.1:5060", "192.0.2.9:5060"));
    bench.receive(&stranger(1));
    bench.receive(&stranger(2));
    assert_eq!(bench.said(), ["100", "503"]);
    let mut bench = Bench::new();
    let (_, tag) = bench.confirmed();
    bench.ua.set_accepting(false);
    bench.receive(&stranger(2));
    bench.receive(&request("OPTIONS", "z9hG4bKo", 1, "", "", "").replace("cid", "other"));
    bench.receive(&request("INFO", "z9hG4bKi", 2, &tag, "", ""));
    assert_eq!(bench.said(), ["503", "503", "200"], "running calls go on");
}

#[test]
fn stateless_answers_are_not_longer_than_their_requests() {
    for method in ["OPTIONS", "BYE", "INFO", "UPDATE"] {
        let mut bench = Bench::new();
        let text = request(method, "z9hG4bKo", 1, "", "", "");
        bench.receive(&text);
        let answer = bench.last();
        assert!(answer.len() <= text.len(), "{method}: {} for {}", answer.len(), text.len());
        bench.receive(&text);
        assert_eq!(tag_of(&answer), tag_of(&bench.last()), "the same request gets the same tag");
        assert_eq!((bench.ua.transactions(), bench.ua.deadline()), (0, None));
    }
}

#[test]
fn garbage_gets_no_answer() {
    let mut bench = Bench::new();
    let ack = request("ACK", "z9hG4bKo", 1, "x", "", "");
    let response = response(request("INVITE", "z9hG4bKo", 1, "", "", "").as_bytes(), 200, "t", "", "");
    for text in [
        "",
        "\r\n\r\n",
        "\0\0\0\0",
        "GET / HTTP/1.1\r\nA: b\r\n\r\n",
        "OPTIONS sip:a SIP/2.0\r\nTo: x\r\n\r\n",
        &ack,
        &ack.replace("CSeq: 1", "CSeq: x"),
        &response,
    ] {
        bench.receive(text);
        assert!(bench.sent.is_empty(), "{text:?}");
    }
}

#[test]
fn answers_go_back_to_the_source_only() {
    let path = udp("192.0.2.1:5060", "198.51.100.4:40000");
    let table = [
        ("SIP/2.0/UDP 203.0.113.66:7777;branch=z9hG4bKo", "198.51.100.4:7777"),
        (
            "SIP/2.0/UDP 203.0.113.66;branch=z9hG4bKo;maddr=203.0.113.67;received=203.0.113.68",
            "198.51.100.4:5060",
        ),
        ("SIP/2.0/UDP 203.0.113.66:7777;rport;branch=z9hG4bKo", "198.51.100.4:40000"),
    ];
    for (via, to) in table {
        let mut bench = Bench::with(Config::default(), path);
        bench.receive(
            &request("OPTIONS", "z9hG4bKo", 1, "", "", "")
                .replace("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKo", via),
        );
        assert_eq!(bench.sent[0].1.remote.to_string(), to);
        assert!(field(&bench.last(), Name::Via).contains(";received=198.51.100.4"));
    }
}

#[test]
fn two_hundred_connections_that_invite_and_vanish_leave_nothing() {
    let mut bench = Bench::new();
    for n in 0..200u64 {
        let path = tcp("192.0.2.1:5060", &format!("192.0.2.9:{}", 10_000 + n), n);
        bench.input(Input::Connected { path });
        bench.input(Input::Stream { path, bytes: stranger(n as usize).as_bytes() });
        if n % 2 == 0
            && let Some(Event::Incoming { call, .. }) = bench.happened().pop()
        {
            bench.command(Command::Accept { call, sdp: SDP.into() });
        }
        bench.input(Input::Closed { connection: n });
    }
    bench.pass(Duration::from_secs(100));
    assert_eq!((bench.ua.calls(), bench.ua.transactions(), bench.ua.deadline()), (0, 0, None));
}

#[test]
fn a_message_that_never_ends_closes_its_connection() {
    let path = tcp("192.0.2.1:5060", "192.0.2.9:40000", 1);
    let mut bench = Bench::with(Config::default(), path);
    bench.input(Input::Connected { path });
    bench.input(Input::Stream { path, bytes: b"\r\n\r\n" });
    assert_eq!(bench.sent.pop().unwrap().2, b"\r\n", "keep-alive (RFC 5626)");
    bench.pass(Duration::from_secs(100));
    assert!(bench.others.is_empty(), "an idle connection may stay");
    for _ in 0..25 {
        bench.input(Input::Stream { path, bytes: b"O" });
        bench.pass(Duration::from_secs(1));
    }
    assert_eq!(bench.others, [Output::CloseConnection(1)]);
}

#[test]
fn a_response_finds_its_way_back_when_the_connection_is_gone() {
    let path = tcp("192.0.2.1:5060", "192.0.2.9:40000", 1);
    let mut bench = Bench::with(Config::default(), path);
    bench.input(Input::Connected { path });
    bench.input(Input::Stream {
        path,
        bytes: stranger(1).replace("192.0.2.9:5060;branch", "192.0.2.9:5088;branch").as_bytes(),
    });
    let Some(Event::Incoming { call, .. }) = bench.happened().pop() else { panic!() };
    bench.command(Command::Accept { call, sdp: SDP.into() });
    bench.input(Input::Closed { connection: 1 });
    bench.pass(Duration::from_millis(600));
    let [Output::Connect { path: to }] = bench.others.as_slice() else { panic!("{:?}", bench.others) };
    assert_eq!(to.remote.to_string(), "192.0.2.9:5088");
}

#[test]
fn traces_show_no_bodies_and_no_control_characters() {
    let mut bench =
        Bench::with(Config { trace: true, ..Config::default() }, udp("192.0.2.1:5060", "192.0.2.9:5060"));
    let (_, tag) = bench.confirmed();
    bench.others.clear();
    bench.receive(
        &request("INFO", "z9hG4bKx", 2, &tag, "c: application/dtmf-relay\r\n", "Signal=5\r\n")
            .replace("sip:5000", "sip:\u{1b}5"),
    );
    bench.receive(&request("INFO", "z9hG4bKy", 3, &tag, "c: application/dtmf-relay\r\n", "Signal=5\r\n"));
    let text = format!("{:?}", bench.others);
    assert!(
        text.contains("INFO sip:5000@192.0.2.1 SIP/2.0")
            && text.contains("3 INFO")
            && text.contains("SIP/2.0 200 OK")
    );
    assert!(!text.contains("Signal") && !text.contains("\\u{1b}"));
}

#[test]
fn one_caller_cannot_use_up_the_transactions_of_all() {
    let mut bench = Bench::new();
    let (_, tag) = bench.confirmed();
    for n in 0..2_000u32 {
        bench.receive(&request("INFO", &format!("z9hG4bKi{n}"), 2 + n, &tag, "", ""));
    }
    let said = bench.said();
    let count = |verb: &str| said.iter().filter(|v| *v == verb).count();
    assert_eq!((count("200"), count("503")), (256, 1744));
    bench.receive(&stranger(1));
    assert_eq!(bench.said(), ["100"], "others are served");
    bench.receive(&request("BYE", "z9hG4bKbye", 3_000, &tag, "", ""));
    assert_eq!(bench.said(), ["200"], "and it may go");
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.ua.transactions(), 1);
}
