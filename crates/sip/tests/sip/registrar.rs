//! The registrar and the digest of requests to us (RFC 3261 §10.3, §22; RFC 7616; RFC 3327; RFC 5626).

use crate::digest::{Phone, challenges};
use crate::support::*;
use passline_identity::Secret;
use passline_sip::message::Name;
use passline_sip::*;
use std::sync::Arc;
use std::time::Duration;

fn account(user: &str, password: &str) -> Account {
    Account { user: user.into(), password: Arc::new(Secret::new(password)), max_contacts: 2 }
}

fn config() -> Config {
    let accounts = vec![account("100", "pw of 100"), account("101", "pw of 101")];
    let algorithms = vec![Algorithm::Sha512256, Algorithm::Sha256, Algorithm::Md5];
    Config { registrar: true, accounts, algorithms, ..Config::default() }
}

fn bench() -> Bench {
    Bench::with(config(), udp("192.0.2.1:5060", "192.0.2.9:5060"))
}

fn phone() -> Phone {
    Phone::new("100", "pw of 100")
}

fn register(branch: &str, call_id: &str, cseq: u32, extra: &str) -> String {
    format!(
        "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:100@192.0.2.1>;tag=ft\r\nTo: <sip:100@192.0.2.1>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n\
         User-Agent: A Phone Of The Ordinary Kind/1.2.3 with a long name to make room for every challenge that there is to send\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, NOTIFY, MESSAGE, REFER, SUBSCRIBE, PRACK\r\n{extra}Content-Length: 0\r\n\r\n"
    )
}

/// Challenges for a fresh nonce, the preferred first.
fn challenged(bench: &mut Bench) -> Vec<String> {
    let room = format!("Contact: <sip:100@192.0.2.9>\r\nX-Room: {}\r\n", "for three challenges ".repeat(8));
    bench.receive(&register("ask", "fresh", 1, &room));
    let answer = bench.last();
    assert_eq!(bench.said(), ["401"]);
    challenges(&answer)
}

/// Registers with right credentials; gives back the answer.
fn registered(bench: &mut Bench, branch: &str, call_id: &str, cseq: u32, extra: &str) -> String {
    let challenge = challenged(bench).remove(0);
    let credentials = phone().answers(&challenge);
    bench.receive(&register(branch, call_id, cseq, &format!("{credentials}{extra}")));
    let answer = bench.last();
    bench.said();
    answer
}

fn status(answer: &str) -> &str {
    &answer[8..11]
}

#[test]
fn every_algorithm_and_protection_proves_a_phone() {
    for index in 0..3 {
        for qop in ["auth", "auth-int"] {
            let mut bench = bench();
            let offered = challenged(&mut bench);
            assert_eq!(offered.len(), 3, "{offered:?}");
            let phone = Phone { qop, ..phone() };
            let extra = format!("{}Contact: <sip:100@192.0.2.9>\r\n", phone.answers(&offered[index]));
            bench.receive(&register("b", "c", 1, &extra));
            assert_eq!(bench.said(), ["200"], "{} {qop}", offered[index]);
            let events = bench.happened();
            assert!(matches!(&events[..], [Event::Bound { account, expires: 3600, .. }] if account == "100"));
        }
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_alike() {
    let mut answers = Vec::new();
    for (user, password) in
        [("100", "wrong"), ("999", "wrong"), ("999", "nobody has this one"), ("100", "pw of 101")]
    {
        let mut bench = bench();
        let challenge = challenged(&mut bench).remove(0);
        let extra =
            format!("{}Contact: <sip:100@192.0.2.9>\r\n", Phone::new(user, password).answers(&challenge));
        bench.receive(&register("b", "c", 1, &extra));
        let answer = bench.last();
        assert!(!answer.contains("stale"));
        answers.push(answer);
        let events = bench.happened();
        assert!(matches!(&events[..], [Event::AuthFailed { user: claimed, .. }] if claimed == user));
        assert!(bench.ua.bindings("100").is_empty());
        assert_eq!(bench.ua.transactions(), 0, "nothing is kept of strangers");
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
}

#[test]
fn what_was_heard_cannot_be_said_again() {
    let mut bench = bench();
    let challenge = challenged(&mut bench).remove(0);
    let extra = format!("{}Contact: <sip:100@192.0.2.9>\r\n", phone().answers(&challenge));
    bench.receive(&register("b1", "c", 1, &extra));
    bench.receive(&register("b1", "c", 1, &extra));
    assert_eq!(bench.said(), ["200", "200"], "a copy of the datagram gets a copy of the answer");
    bench.receive(&register("b2", "c", 2, &extra));
    assert!(bench.last().contains("stale=true"));
    assert_eq!(bench.said(), ["401"]);
    for (nc, said) in [(3, "200"), (2, "200"), (2, "401"), (3, "401"), (0, "401"), (80, "200"), (4, "401")] {
        let extra =
            format!("{}Contact: <sip:100@192.0.2.9>\r\n", Phone { nc, ..phone() }.answers(&challenge));
        bench.receive(&register(&format!("n{nc}{said}"), &format!("c{nc}{said}"), 1, &extra));
        assert_eq!(bench.said(), [said], "nc {nc}");
    }
}

#[test]
fn a_nonce_is_good_for_its_source_its_time_and_our_key() {
    let extra = |challenge: &str| format!("{}Contact: <sip:100@192.0.2.9>\r\n", phone().answers(challenge));
    let mut one = bench();
    let challenge = challenged(&mut one).remove(0);
    let path = one.path;
    one.path.remote = "192.0.2.77:5060".parse().unwrap();
    one.receive(&register("b1", "c1", 1, &extra(&challenge)));
    assert!(one.last().contains("stale=true"), "right, but issued to somebody else");
    assert_eq!(one.said(), ["401"]);
    one.path = path;
    one.pass(Duration::from_secs(301));
    one.receive(&register("b2", "c2", 1, &extra(&challenge)));
    assert!(one.last().contains("stale=true"));
    assert_eq!(one.said(), ["401"]);
    let foreign = challenge.replace("nonce=\"", "nonce=\"A");
    one.receive(&register("b3", "c3", 1, &extra(&foreign)));
    assert!(one.last().contains("stale=true"));
    let again = challenges(&one.last()).remove(0);
    one.said();
    one.receive(&register("b4", "c4", 1, &extra(&again)));
    assert_eq!(one.said(), ["200"], "the new nonce that came with it is good");
}

#[test]
fn ambiguous_or_weak_credentials_prove_nothing() {
    let mut bench = bench();
    let challenge = challenged(&mut bench).remove(0);
    let good = phone().answers(&challenge);
    let without_qop = good.replace(", qop=auth, nc=00000001", "");
    for (n, bad) in [
        format!("{good}{good}"),
        good.replace("qop=auth", "qop=auth, username=\"100\""),
        good.replace("realm=\"passline\"", "realm=\"else\""),
        good.replace("uri=\"sip:192.0.2.1\"", "uri=\"sip:192.0.2.2\""),
        good.replace("algorithm=SHA-512-256", "algorithm=MD5"),
        good.replace("algorithm=SHA-512-256", "algorithm=MD5-sess"),
        good.replace("response=\"", "response=\"0"),
        good.replace("Digest ", "Basic "),
        without_qop,
        good.replace("username=\"100\"", "username=\"10\u{7}0\""),
    ]
    .into_iter()
    .enumerate()
    {
        bench.receive(&register(
            &format!("b{n}"),
            &format!("c{n}"),
            1,
            &format!("{bad}Contact: <sip:a@192.0.2.9>\r\n"),
        ));
        assert_eq!(bench.said(), ["401"], "{bad}");
    }
    assert!(bench.ua.bindings("100").is_empty());
}

#[test]
fn of_a_short_request_the_last_algorithm_remains() {
    let mut bench = bench();
    let short = register("b", "c", 1, "");
    let start = short.find("User-Agent").unwrap();
    let short =
        format!("{}Contact: <sip:100@192.0.2.9>;expires=600\r\nContent-Length: 0\r\n\r\n", &short[..start]);
    bench.receive(&short);
    let offered = challenges(&bench.last());
    assert!(offered.len() == 1 && offered[0].contains("algorithm=MD5"), "{offered:?}");
}

#[test]
fn bindings_are_listed_refreshed_and_lapse() {
    let mut bench = bench();
    let answer = registered(&mut bench, "b1", "c1", 1, "Contact: <sip:100@192.0.2.9:5060>;expires=100\r\n");
    assert_eq!(
        (status(&answer), field(&answer, Name::Contact)),
        ("200", "<sip:100@192.0.2.9:5060>;expires=100".into())
    );
    let bound = bench.ua.bindings("100");
    assert_eq!((bound.len(), bound[0].path.remote.to_string()), (1, "192.0.2.9:5060".into()));
    assert!(bound[0].user_agent.as_deref().unwrap().starts_with("A Phone"));
    bench.pass(Duration::from_secs(60));
    let answer = registered(&mut bench, "b2", "c1", 2, "");
    assert_eq!(field(&answer, Name::Contact), "<sip:100@192.0.2.9:5060>;expires=40", "a query");
    registered(&mut bench, "b3", "c1", 3, "Contact: <sip:100@192.0.2.9:5060>\r\nExpires: 90\r\n");
    bench.happened();
    bench.pass(Duration::from_secs(80));
    assert_eq!(bench.ua.bindings("100").len(), 1);
    bench.pass(Duration::from_secs(11));
    let events = bench.happened();
    assert!(matches!(&events[..], [Event::Unbound { why: UnboundCause::Expired, .. }]), "{events:?}");
    assert!(bench.ua.bindings("100").is_empty());
    bench.pass(Duration::from_secs(60));
    assert_eq!((bench.ua.transactions(), bench.ua.deadline()), (0, None));
}

#[test]
fn registrations_that_are_refused() {
    let table: &[(&str, &str)] = &[
        ("Contact: <sip:100@192.0.2.9>;expires=30\r\n", "423"),
        ("Contact: <sip:100@192.0.2.9>\r\nExpires: 59\r\n", "423"),
        ("Contact: *\r\n", "400"),
        ("Contact: *\r\nExpires: 10\r\n", "400"),
        ("Contact: *, <sip:100@192.0.2.9>\r\nExpires: 0\r\n", "400"),
        ("Contact: <tel:100>\r\n", "400"),
        ("Contact: <sip:a@192.0.2.9>, <sip:b@192.0.2.9>, <sip:c@192.0.2.9>\r\n", "403"),
        ("Contact: <sip:a@192.0.2.9>, <sip:a@192.0.2.9>\r\n", "400"),
        ("Contact: <sip:a@192.0.2.9>\r\nPath: nonsense\r\n", "400"),
        ("Contact: <sip:a@192.0.2.9>\r\nExpires: 100\r\nExpires: 100\r\n", "400"),
        ("Contact: <sip:a@192.0.2.9>\r\nExpires: soon\r\n", "200"),
        ("Contact: <sip:a@192.0.2.9>\r\nExpires: 99999999999\r\n", "200"),
        ("Contact: <sip:a@192.0.2.9>;expires=4000000000\r\nRequire: path, gruu\r\n", "200"),
    ];
    for (extra, expected) in table {
        let mut bench = bench();
        let answer = registered(&mut bench, "b", "c", 1, extra);
        assert_eq!(status(&answer), *expected, "{extra}");
        assert_eq!(
            bench.ua.bindings("100").len(),
            usize::from(*expected == "200"),
            "{extra}: all or nothing"
        );
        if *expected == "423" {
            assert!(answer.contains("Min-Expires: 60\r\n"));
        }
        if *expected == "200" {
            assert!(answer.contains(";expires=3600\r\n"), "{answer}");
        }
    }
    let mut bench = bench();
    bench.receive(&register("r", "c", 1, "Require: path, magic\r\n"));
    assert_eq!(bench.said(), ["420"]);
    let mut bench = Bench::new();
    bench.receive(&register("r", "c", 1, "Contact: <sip:a@192.0.2.9>\r\n"));
    assert!(bench.last().contains("Allow: INVITE"));
    assert_eq!(bench.said(), ["405"], "without a registrar");
}

#[test]
fn nobody_registers_for_another() {
    let mut bench = bench();
    let challenge = challenged(&mut bench).remove(0);
    let credentials = Phone::new("101", "pw of 101").answers(&challenge);
    bench.receive(&register("b", "c", 1, &format!("{credentials}Contact: <sip:100@192.0.2.9>\r\n")));
    assert_eq!(bench.said(), ["403"]);
    assert!(bench.ua.bindings("100").is_empty() && bench.ua.bindings("101").is_empty());
}

#[test]
fn numbers_of_one_call_id_must_grow() {
    let mut bench = bench();
    assert_eq!(status(&registered(&mut bench, "b1", "c1", 7, "Contact: <sip:a@192.0.2.9>\r\n")), "200");
    assert_eq!(
        status(&registered(&mut bench, "b2", "c1", 7, "Contact: <sip:a@192.0.2.9>;expires=0\r\n")),
        "500"
    );
    assert_eq!(status(&registered(&mut bench, "b3", "c1", 6, "Contact: *\r\nExpires: 0\r\n")), "500");
    assert_eq!(bench.ua.bindings("100").len(), 1);
    assert_eq!(
        status(&registered(&mut bench, "b4", "c2", 1, "Contact: <sip:a@192.0.2.9>;expires=0\r\n")),
        "200"
    );
    assert!(bench.ua.bindings("100").is_empty());
    registered(&mut bench, "b5", "c3", 1, "Contact: <sip:a@192.0.2.9>, <sip:b@192.0.2.9>\r\n");
    bench.happened();
    registered(&mut bench, "b6", "c3", 2, "Contact: *\r\nExpires: 0\r\n");
    let removed = bench.happened();
    assert!(matches!(
        &removed[..],
        [Event::Unbound { why: UnboundCause::Removed, .. }, Event::Unbound { .. }]
    ));
}

#[test]
fn a_device_that_restarts_takes_its_own_place() {
    let mut bench = bench();
    let contact = |uri: &str, reg_id: u32| {
        format!(
            "Contact: <{uri}>;+sip.instance=\"<urn:uuid:1-2>\";reg-id={reg_id}\r\nSupported: path, outbound\r\n"
        )
    };
    let answer = registered(&mut bench, "b1", "c1", 1, &contact("sip:a@192.0.2.9:1111", 1));
    assert!(
        !answer.contains("Require: outbound") // over UDP it would wait for STUN
            && answer.contains(";+sip.instance=\"<urn:uuid:1-2>\";reg-id=1\r\n")
    );
    registered(&mut bench, "b2", "c2", 1, &contact("sip:a@192.0.2.9:2222", 2));
    bench.happened();
    registered(&mut bench, "b3", "c3", 1, &contact("sip:a@192.0.2.9:3333", 1));
    let events = bench.happened();
    let [Event::Unbound { contact: old, why: UnboundCause::Replaced, .. }, Event::Bound { contact: new, .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((old.as_str(), new.as_str()), ("sip:a@192.0.2.9:1111", "sip:a@192.0.2.9:3333"));
    // Without reg-id, too many contacts of one host: the oldest makes room.
    registered(&mut bench, "b4", "c4", 1, "Contact: <sip:a@192.0.2.9:4444>\r\n");
    let ports: Vec<_> = bench.ua.bindings("100").iter().map(|b| b.uri[16..].to_owned()).collect();
    assert_eq!(ports, ["4444", "3333"]);
    bench.path.remote = "192.0.2.10:5060".parse().unwrap();
    let answer = registered(&mut bench, "b5", "c5", 1, "Contact: <sip:a@192.0.2.10>\r\n");
    assert_eq!(status(&answer), "403", "another host does not push it out");
}

#[test]
fn requests_go_back_by_the_path_of_the_registration() {
    let table = [
        ("sip:100@10.0.0.5:5070", ";rport", "192.0.2.9:40000"),
        ("sip:100@192.0.2.9:5070", ";rport", "192.0.2.9:40000"),
        ("sip:100@192.0.2.9:5070", "", "192.0.2.9:5070"),
        ("sip:100@198.51.100.1:5070", "", "192.0.2.9:40000"),
        ("sip:100@phone.example", "", "192.0.2.9:40000"),
    ];
    for (contact, rport, remote) in table {
        let mut bench = Bench::with(config(), udp("192.0.2.1:5060", "192.0.2.9:40000"));
        let challenge = challenged(&mut bench).remove(0);
        let extra = format!("{}Contact: <{contact}>\r\n", phone().answers(&challenge));
        bench.receive(&register("b", "c", 1, &extra).replace(";rport", rport));
        assert_eq!(bench.ua.bindings("100")[0].path.remote.to_string(), remote, "{contact} {rport}");
    }
    let mut bench = bench();
    let extra = "Contact: <sip:100@10.0.0.5>\r\nPath: <sip:p1.example;lr>, <sip:p2.example;lr>\r\nSupported: path\r\n";
    let answer = registered(&mut bench, "b", "c", 1, extra);
    assert!(answer.contains("Path: <sip:p1.example;lr>\r\nPath: <sip:p2.example;lr>\r\n"));
    let binding = bench.ua.bindings("100").remove(0);
    let call = bench.ua.next_call_handle();
    let to = "sip:100@192.0.2.1".to_owned();
    let plain = Invite::new(call, to, "sip:5000@192.0.2.1".into(), binding.path, SDP.into());
    bench.command(Command::Invite(Box::new(Invite {
        uri: Some(binding.uri),
        routes: binding.routes,
        ..plain
    })));
    let invite = bench.last();
    assert!(invite.starts_with("INVITE sip:100@10.0.0.5 SIP/2.0\r\n"));
    assert!(invite.contains("Route: <sip:p1.example;lr>\r\nRoute: <sip:p2.example;lr>\r\n"));
    assert_eq!(field(&invite, Name::To), "<sip:100@192.0.2.1>");
}

#[test]
fn a_binding_goes_with_its_connection() {
    for (extra, lost) in [("", false), (";+sip.instance=\"<urn:uuid:1>\";reg-id=1", true)] {
        let path = tcp("192.0.2.1:5060", "192.0.2.9:40000", 7);
        let mut bench = Bench::with(config(), path);
        bench.input(Input::Connected { path });
        let ask = register("ask", "c", 1, "");
        bench.input(Input::Stream { path, bytes: ask.as_bytes() });
        let challenge = challenges(&bench.last()).remove(0);
        let contact = format!(
            "{}Contact: <sip:100@192.0.2.9:5075;transport=tcp>{extra}\r\nSupported: outbound, path\r\n",
            phone().answers(&challenge)
        );
        bench.input(Input::Stream { path, bytes: register("b", "c", 2, &contact).as_bytes() });
        assert_eq!(bench.last().contains("Require: outbound\r\n"), lost);
        assert_eq!(bench.ua.bindings("100")[0].path.connection, Some(7));
        bench.happened();
        bench.input(Input::Closed { connection: 7 });
        if lost {
            let events = bench.happened();
            assert!(
                matches!(&events[..], [Event::Unbound { why: UnboundCause::FlowLost, .. }]),
                "{events:?}"
            );
            assert!(bench.ua.bindings("100").is_empty());
        } else {
            let path = bench.ua.bindings("100")[0].path;
            assert_eq!((path.connection, path.remote.to_string()), (None, "192.0.2.9:5075".into()));
        }
    }
}

#[test]
fn new_accounts_keep_bindings_whose_password_is_the_same() {
    let mut bench = bench();
    registered(&mut bench, "b", "c", 1, "Contact: <sip:100@192.0.2.9>\r\n");
    bench.happened();
    bench.ua.set_accounts(vec![account("100", "pw of 100"), account("102", "x")]);
    assert_eq!(bench.ua.bindings("100").len(), 1);
    bench.ua.set_accounts(vec![account("100", "another")]);
    bench.input(Input::Timer);
    assert!(matches!(&bench.happened()[..], [Event::Unbound { why: UnboundCause::AccountGone, .. }]));
    assert!(bench.ua.bindings("100").is_empty());
}

/// The INVITE of a phone, as long as INVITEs are.
fn dialled(branch: &str, cseq: u32, credentials: &str) -> String {
    let extra = format!(
        "Contact: <sip:caller@192.0.2.9:5060>\r\nContent-Type: application/sdp\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO\r\n\
         User-Agent: A Phone Of The Ordinary Kind/1.2.3 with a long name to make room for the challenges\r\n{credentials}"
    );
    request("INVITE", branch, cseq, "", &extra, SDP)
}

#[test]
fn an_invite_is_challenged_once_and_then_known() {
    let mut bench = bench();
    let first = dialled("z9hG4bKa", 1, "");
    bench.receive(&first);
    let Some(Event::Incoming { call, info }) = bench.happened().pop() else { panic!() };
    assert_eq!((info.account, info.via_hops, info.record_routes), (None, 1, 0));
    bench.command(Command::Challenge { call });
    let refusal = bench.last();
    assert!(refusal.len() <= first.len(), "{} octets for {}", refusal.len(), first.len());
    let offered = challenges(&refusal);
    assert_eq!(offered.len(), 3);
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::Rejected }]);
    assert_eq!((bench.said(), bench.ua.transactions(), bench.ua.calls()), (vec!["401".to_owned()], 0, 0));
    bench.pass(Duration::from_secs(40));
    assert!(bench.said().is_empty(), "a 401 is not repeated to a source that may be forged");
    bench.receive(&request("ACK", "z9hG4bKa", 1, "x", "", ""));
    let phone = Phone { method: "INVITE", uri: "sip:5000@192.0.2.1", qop: "auth-int", body: SDP, ..phone() };
    bench.receive(&dialled("z9hG4bKb", 2, &phone.answers(&offered[1])));
    let Some(Event::Incoming { info, .. }) = bench.happened().pop() else { panic!() };
    assert_eq!(info.account.as_deref(), Some("100"));
    // With another body the same proof is void; with the same count, old.
    bench.receive(&dialled("z9hG4bKc", 3, &phone.answers(&offered[1])).replace("4000 RTP", "4002 RTP"));
    let events = bench.happened();
    assert!(
        matches!(&events[..], [Event::AuthFailed { .. }, Event::Incoming { info, .. }] if info.account.is_none())
    );
    bench.receive(&dialled("z9hG4bKd", 4, &phone.answers(&offered[1])));
    let Some(Event::Incoming { call, info }) = bench.happened().pop() else { panic!() };
    assert_eq!(info.account, None);
    bench.command(Command::Challenge { call });
    assert!(bench.last().contains("stale=true"));
    // Who takes longer over it lets a 100 go first, and then repeats the 401 as others are.
    bench.pass(Duration::from_millis(300));
    bench.receive(&dialled("z9hG4bKe", 5, ""));
    let Some(Event::Incoming { call, .. }) = bench.happened().pop() else { panic!() };
    bench.said();
    bench.pass(Duration::from_millis(250));
    assert_eq!(bench.said(), ["100"]);
    bench.command(Command::Challenge { call });
    bench.pass(Duration::from_millis(1000));
    assert_eq!(bench.said(), ["401", "401"]);
}

#[test]
fn requests_that_a_pbx_does_not_serve_are_refused_outside_dialogs() {
    for (method, expected) in [
        ("MESSAGE", "405"),
        ("SUBSCRIBE", "489"),
        ("PUBLISH", "405"),
        ("REFER", "403 405"),
        ("NOTIFY", "405 481"),
    ] {
        let mut bench = bench();
        let extra = "Refer-To: <sip:900@toll.example>\r\nEvent: presence\r\nExpires: 600\r\nContact: <sip:a@192.0.2.9>\r\n";
        bench.receive(&request(method, "z9hG4bKm", 1, "", extra, ""));
        let said = bench.said();
        assert!(said.len() == 1 && expected.contains(&said[0]), "{method}: {said:?}");
        assert!(bench.happened().is_empty() && bench.others.is_empty());
    }
}
