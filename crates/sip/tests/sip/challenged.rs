//! Our requests when they are challenged, redirected or fail (RFC 3261 §8.1.3, §22.2; RFC 3263 §4.3; RFC 8760).

use crate::digest::{param, proves};
use crate::support::*;
use passline_identity::Secret;
use passline_sip::message::Name;
use passline_sip::*;
use std::sync::Arc;
use std::time::Duration;

const CONTACT: &str = "Contact: <sip:callee@192.0.2.9:5060>\r\nContent-Type: application/sdp\r\n";
const SHA: &str = "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n";
const PROXY: &str =
    "Proxy-Authenticate: Digest realm=\"pbx\", nonce=\"p1\", qop=\"auth,auth-int\", algorithm=MD5\r\n";

fn credentials() -> Credentials {
    Credentials { user: "trunk".into(), password: Arc::new(Secret::new("s3cret")), realm: None }
}

fn placed(change: impl FnOnce(&mut Invite)) -> (Bench, CallHandle, String) {
    let mut bench = Bench::new();
    let call = bench.ua.next_call_handle();
    let (to, from) = ("sip:5000@192.0.2.9".to_owned(), "sip:demo@192.0.2.1".to_owned());
    let mut invite = Invite::new(call, to, from, bench.path, SDP.into());
    change(&mut invite);
    bench.command(Command::Invite(Box::new(invite)));
    let invite = bench.last();
    bench.said();
    (bench, call, invite)
}

fn with_credentials(invite: &mut Invite) {
    invite.credentials = Some(credentials());
}

fn header(message: &str, name: &str) -> String {
    let line = message
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_else(|| panic!("{name} in {message}"));
    line.trim_start_matches([':', ' ']).to_owned()
}

fn answer(bench: &mut Bench, to: &str, status: u16, extra: &str) -> Vec<String> {
    bench.receive(&response(to.as_bytes(), status, "t1", extra, ""));
    bench.sent.iter().map(|(_, _, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect()
}

#[test]
fn an_invite_proves_itself_to_proxy_and_server() {
    let (mut bench, call, first) = placed(with_credentials);
    let sent = answer(&mut bench, &first, 407, PROXY);
    assert!(
        sent[0].starts_with("ACK sip:5000@192.0.2.9 ")
            && field(&sent[0], Name::Via) == field(&first, Name::Via)
    );
    let second = &sent[1];
    assert_eq!(field(second, Name::CallId), field(&first, Name::CallId));
    assert_eq!(
        (field(second, Name::From), field(second, Name::To)),
        (field(&first, Name::From), field(&first, Name::To))
    );
    assert_eq!(field(second, Name::CSeq), "2 INVITE");
    assert_ne!(field(second, Name::Via), field(&first, Name::Via));
    assert!(second.ends_with(SDP) && proves(&header(second, "Proxy-Authorization"), "INVITE", "s3cret", SDP));
    let second = second.clone();
    bench.said();
    let third = answer(&mut bench, &second, 401, SHA).pop().unwrap();
    assert_eq!(
        (field(&third, Name::CSeq), param(&header(&third, "Authorization"), "algorithm")),
        ("3 INVITE".into(), "SHA-256".into())
    );
    assert!(proves(&header(&third, "Authorization"), "INVITE", "s3cret", SDP));
    assert!(proves(&header(&third, "Proxy-Authorization"), "INVITE", "s3cret", SDP));
    assert!(bench.happened().is_empty());
    bench.said();
    bench.receive(&response(third.as_bytes(), 200, "t2", CONTACT, "v=0"));
    assert_eq!(bench.happened(), [Event::Answered { call, sdp: Some(b"v=0".to_vec()) }]);
    let ack = bench.last();
    assert_eq!(header(&ack, "Authorization"), header(&third, "Authorization"), "RFC 3261 §22.1");
    assert_eq!(field(&ack, Name::CSeq), "3 ACK");
    bench.receive(&response(first.as_bytes(), 407, "t1", PROXY, ""));
    assert_eq!(bench.said(), ["ACK", "ACK"], "a late copy of a refusal is acknowledged, no more");
}

#[test]
fn a_challenge_is_not_answered_for_ever() {
    let fresh =
        |n: u32, stale: &str| SHA.replace("n1", &format!("n{n}")).replace("\r\n", &format!("{stale}\r\n"));
    // Refused means refused.
    let (mut bench, call, first) = placed(with_credentials);
    let second = answer(&mut bench, &first, 401, SHA).pop().unwrap();
    bench.said();
    assert_eq!(answer(&mut bench, &second, 401, &fresh(2, "")).len(), 1, "only the ACK");
    assert!(
        matches!(&bench.happened()[..], [Event::Refused { status: 401, .. }, Event::Ended { call: c, .. }] if *c == call)
    );
    // Stale for ever is an end too.
    let (mut bench, _, first) = placed(with_credentials);
    let mut last = answer(&mut bench, &first, 401, SHA).pop().unwrap();
    let mut rounds = 1;
    for n in 2..20 {
        bench.said();
        let sent = answer(&mut bench, &last, 401, &fresh(n, ", stale=true"));
        if sent.len() == 1 {
            break;
        }
        last = sent[1].clone();
        rounds += 1;
    }
    assert_eq!(rounds, 4);
    assert!(matches!(bench.happened()[0], Event::Refused { status: 401, .. }));
    // Weaker than before is an attack.
    let (mut bench, _, first) = placed(with_credentials);
    let second = answer(&mut bench, &first, 401, SHA).pop().unwrap();
    bench.said();
    let weak = "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n2\", stale=true, qop=\"auth\"\r\n";
    assert_eq!(answer(&mut bench, &second, 401, weak).len(), 1);
}

#[test]
fn challenges_that_are_not_ours_to_answer() {
    for (what, extra) in [
        ("another realm", "WWW-Authenticate: Digest realm=\"evil\", nonce=\"n\"\r\n"),
        ("no digest", "WWW-Authenticate: Basic realm=\"pbx\"\r\n"),
        ("two realms in one", "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n\", realm=\"evil\"\r\n"),
        ("nothing", ""),
        (
            "an unknown algorithm",
            "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n\", algorithm=AKAv1-MD5\r\n",
        ),
    ] {
        let (mut bench, _, first) =
            placed(|i| i.credentials = Some(Credentials { realm: Some("pbx".into()), ..credentials() }));
        assert_eq!(answer(&mut bench, &first, 401, extra).len(), 1, "{what}");
        assert!(matches!(bench.happened()[0], Event::Refused { status: 401, .. }));
        assert_eq!(bench.ua.calls(), 0);
    }
    let (mut bench, _, first) = placed(|_| ());
    assert_eq!(answer(&mut bench, &first, 407, PROXY).len(), 1, "without credentials");
    let (mut bench, call, first) = placed(with_credentials);
    bench.receive(&response(first.as_bytes(), 100, "", "", ""));
    bench.command(Command::HangUp { call, reason: None });
    bench.said();
    assert_eq!(answer(&mut bench, &first, 407, PROXY).len(), 1, "the call was cancelled meanwhile");
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::Cancelled }]);
}

/// Digest leak (ES2021-05): who is called must not get an answer to a challenge of our BYE or INFO.
#[test]
fn inside_a_call_only_who_was_answered_before_is_answered() {
    let challenge = |realm: &str| SHA.replace("pbx", realm).replace("n1", "n7");
    let talk = |answered: bool| {
        let (mut bench, call, mut invite) = placed(with_credentials);
        if answered {
            invite = answer(&mut bench, &invite, 401, SHA).pop().unwrap();
        }
        bench.receive(&response(invite.as_bytes(), 200, "t2", CONTACT, "v=0"));
        bench.happened();
        bench.command(Command::HangUp { call, reason: None });
        let bye = bench.last();
        bench.said();
        (bench, call, bye)
    };
    let (mut bench, call, bye) = talk(true);
    let again = answer(&mut bench, &bye, 401, &challenge("pbx")).pop().unwrap();
    assert!(proves(&header(&again, "Authorization"), "BYE", "s3cret", ""));
    assert_eq!(
        field(&bye, Name::CSeq).replace(" BYE", "").parse::<u32>().unwrap() + 1,
        field(&again, Name::CSeq).replace(" BYE", "").parse().unwrap()
    );
    assert!(bench.happened().is_empty());
    bench.said();
    bench.receive(&response(again.as_bytes(), 401, "", &challenge("pbx").replace("n7", "n8"), ""));
    assert!(bench.said().is_empty());
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::LocalHangUp }]);

    for (answered, extra, what) in [
        (true, challenge("evil"), "another realm"),
        (true, challenge("pbx").replace("WWW-", "Proxy-"), "another kind"),
        (true, challenge("pbx").replace("SHA-256", "MD5"), "a weaker algorithm"),
        (false, challenge("pbx"), "a call that went through without"),
    ] {
        let (mut bench, call, bye) = talk(answered);
        assert!(
            answer(&mut bench, &bye, if extra.starts_with('P') { 407 } else { 401 }, &extra).is_empty(),
            "{what}"
        );
        assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::LocalHangUp }], "{what}");
    }
    // A call that came in has no credentials at all.
    let mut bench = Bench::new();
    let (call, _) = bench.confirmed();
    bench.command(Command::HangUp { call, reason: None });
    let bye = bench.last();
    bench.said();
    assert!(answer(&mut bench, &bye, 401, SHA).is_empty());
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::LocalHangUp }]);
}

fn targets(bench: &Bench) -> Vec<(String, String)> {
    bench
        .sent
        .iter()
        .filter(|(_, _, bytes)| bytes.starts_with(b"INVITE"))
        .map(|(_, path, bytes)| {
            let text = String::from_utf8_lossy(bytes);
            (text.split(' ').nth(1).unwrap().to_owned(), path.remote.to_string())
        })
        .collect()
}

#[test]
fn redirections_are_followed_the_best_first_and_with_an_end() {
    let moved = "Contact: <sip:second@192.0.2.20>;q=0.5, <sip:first@192.0.2.21:5070;transport=udp>;q=0.9\r\n\
                 Contact: <tel:+1>, <sip:5000@192.0.2.9>, <sip:third@name.example>;q=0.1, <mailto:a@b>, <sip:x@192.0.2.66;method=BYE>\r\n";
    let (mut bench, call, first) = placed(|i| i.follow = 5);
    answer(&mut bench, &first, 302, moved);
    assert_eq!(
        targets(&bench),
        [("sip:first@192.0.2.21:5070;transport=udp".to_owned(), "192.0.2.21:5070".to_owned())]
    );
    let second = bench.last();
    assert_eq!(
        (field(&second, Name::CSeq), field(&second, Name::To)),
        ("2 INVITE".into(), field(&first, Name::To))
    );
    bench.said();
    // A loop back and a contact known: neither is tried again; then the next of the list, at last the name by the old way.
    answer(&mut bench, &second, 302, "Contact: <sip:5000@192.0.2.9>, <sip:second@192.0.2.20>\r\n");
    assert_eq!(targets(&bench), [("sip:second@192.0.2.20".to_owned(), "192.0.2.20:5060".to_owned())]);
    let third = bench.last();
    bench.said();
    answer(&mut bench, &third, 404, "");
    assert_eq!(targets(&bench)[0].0, "sip:third@name.example");
    let fourth = bench.last();
    bench.said();
    assert!(bench.happened().is_empty());
    answer(&mut bench, &fourth, 486, "");
    assert!(
        matches!(&bench.happened()[..], [Event::Refused { status: 486, .. }, Event::Ended { call: c, .. }] if *c == call)
    );

    let (mut bench, _, first) = placed(|i| i.follow = 1);
    let second = answer(&mut bench, &first, 302, moved).pop().unwrap();
    bench.said();
    answer(&mut bench, &second, 302, "Contact: <sip:more@192.0.2.22>\r\n");
    assert_eq!(bench.said(), ["ACK"], "one was to be followed");
    let (mut bench, _, first) = placed(|i| i.follow = 3);
    let second = answer(&mut bench, &first, 302, moved).pop().unwrap();
    bench.said();
    answer(&mut bench, &second, 603, "");
    assert_eq!(bench.said(), ["ACK"], "6xx is everybody's answer");
}

#[test]
fn a_redirection_leads_neither_to_open_paths_nor_away_with_credentials() {
    let tls =
        Flow { transport: Transport::Tls, connection: Some(9), ..tcp("192.0.2.1:5061", "192.0.2.9:5061", 9) };
    let mut bench = Bench::with(Config::default(), tls);
    bench.input(Input::Connected { path: tls });
    let call = bench.ua.next_call_handle();
    let (to, from) = ("sips:5000@192.0.2.9".to_owned(), "sip:demo@192.0.2.1".to_owned());
    let invite =
        Invite { follow: 5, alternatives: vec![other(31)], ..Invite::new(call, to, from, tls, SDP.into()) };
    bench.command(Command::Invite(Box::new(invite.clone())));
    let first = bench.last();
    assert!(first.contains("Contact: <sips:192.0.2.1:5061>\r\n"), "{first}");
    bench.said();
    let moved = response(first.as_bytes(), 302, "t", "Contact: <sip:5001@192.0.2.9>\r\n", "");
    bench.input(Input::Stream { path: tls, bytes: moved.as_bytes() });
    assert_eq!(bench.said(), ["ACK"], "sips stays sips");
    bench.happened();
    bench.command(Command::Invite(Box::new(invite.clone())));
    let busy = response(bench.last().as_bytes(), 503, "t", "", "");
    bench.said();
    bench.input(Input::Stream { path: tls, bytes: busy.as_bytes() });
    assert_eq!(bench.said(), ["ACK"], "nor is an open path an alternative");
    bench.happened();
    bench.command(Command::Invite(Box::new(Invite { path: other(31), ..invite })));
    assert!(bench.said().is_empty() && matches!(bench.happened()[0], Event::Refused { status: 503, .. }));
    let (mut bench, _, first) = placed(|i| {
        i.follow = 5;
        with_credentials(i);
    });
    let second = answer(&mut bench, &first, 302, "Contact: <sip:5000@203.0.113.6>\r\n").pop().unwrap();
    assert_eq!(bench.sent.last().unwrap().1.remote.to_string(), "203.0.113.6:5060");
    bench.said();
    bench.path.remote = "203.0.113.6:5060".parse().unwrap();
    answer(&mut bench, &second, 401, SHA);
    assert_eq!(bench.said(), ["ACK"], "the credentials were for the first host");
    assert!(matches!(bench.happened()[0], Event::Refused { status: 401, .. }));
}

fn other(n: u8) -> Flow {
    udp("192.0.2.1:5060", &format!("192.0.2.{n}:5060"))
}

#[test]
fn the_next_address_is_tried_when_one_fails() {
    // 503, an unreachable port, silence.
    let (mut bench, call, first) = placed(|i| i.alternatives = vec![other(31), other(32), other(33)]);
    let second = answer(&mut bench, &first, 503, "Retry-After: 5\r\n").pop().unwrap();
    assert_eq!(bench.sent.last().unwrap().1.remote.to_string(), "192.0.2.31:5060");
    assert_eq!(field(&second, Name::CallId), field(&first, Name::CallId));
    bench.said();
    bench.input(Input::SendFailed { path: other(31), reason: "refused".into() });
    assert_eq!(bench.sent.last().unwrap().1.remote.to_string(), "192.0.2.32:5060");
    let third = bench.last();
    bench.said();
    bench.pass(Duration::from_millis(3900));
    assert_eq!(bench.said(), ["INVITE", "INVITE", "INVITE"], "at 0.5, 1.5 and 3.5 s");
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.sent.last().unwrap().1.remote.to_string(), "192.0.2.33:5060");
    let fourth = bench.last();
    bench.said();
    assert!(bench.happened().is_empty());
    // The silent one wakes up: it is cancelled, and its answer hung up.
    bench.receive(&response(third.as_bytes(), 180, "late", "", ""));
    assert_eq!(bench.said(), ["CANCEL"]);
    bench.receive(&response(third.as_bytes(), 200, "late", CONTACT, "v=0"));
    assert_eq!(bench.said(), ["ACK", "BYE"]);
    assert!(bench.happened().is_empty());
    bench.receive(&response(fourth.as_bytes(), 200, "t4", CONTACT, "v=0"));
    assert_eq!(bench.happened(), [Event::Answered { call, sdp: Some(b"v=0".to_vec()) }]);
}

#[test]
fn when_all_addresses_fail_the_call_does() {
    let (mut bench, call, _) = placed(|i| i.alternatives = vec![other(31)]);
    bench.pass(Duration::from_secs(40));
    let events = bench.happened();
    assert!(
        matches!(&events[..], [Event::Refused { status: 408, .. }, Event::Ended { call: c, .. }] if *c == call)
    );
    bench.pass(Duration::from_secs(40));
    assert_eq!((bench.ua.calls(), bench.ua.transactions(), bench.ua.deadline()), (0, 0, None));
    // Once it rings, it waits; once hung up, no other path is tried.
    let (mut bench, call, first) = placed(|i| i.alternatives = vec![other(31)]);
    answer(&mut bench, &first, 180, "");
    bench.said();
    bench.pass(Duration::from_secs(100));
    assert!(bench.said().is_empty());
    bench.command(Command::HangUp { call, reason: None });
    answer(&mut bench, &first, 503, "");
    assert_eq!(bench.said(), ["CANCEL", "ACK"]);
    // Another transport has another Contact.
    let tls = Flow { transport: Transport::Tcp, ..other(31) };
    let (mut bench, _, first) = placed(|i| i.alternatives = vec![tls]);
    answer(&mut bench, &first, 503, "");
    bench.input(Input::Connected { path: Flow { connection: Some(4), ..tls } });
    let second = bench.last();
    assert!(
        second.contains("Contact: <sip:192.0.2.1:5060;transport=tcp>\r\n")
            && second.contains("Via: SIP/2.0/TCP ")
    );
}

#[test]
fn options_ask_what_a_peer_can() {
    let ask = |bench: &mut Bench, uri: &str| {
        let (uri, from, path) = (uri.to_owned(), "sip:passline@192.0.2.1".to_owned(), bench.path);
        bench.command(Command::Ask { id: AskId(5), uri, from, path, credentials: Some(credentials()) });
    };
    let mut bench = Bench::new();
    ask(&mut bench, "sip:192.0.2.9");
    let first = bench.last();
    assert!(first.starts_with("OPTIONS sip:192.0.2.9 SIP/2.0\r\n"));
    bench.said();
    let second = answer(&mut bench, &first, 401, SHA).pop().unwrap();
    assert!(proves(&header(&second, "Authorization"), "OPTIONS", "s3cret", ""));
    let extra = "Server: PBX 1\u{1b}[31m\r\nAllow: INVITE, REFER\r\nContent-Type: application/sdp\r\n";
    bench.receive(&response(second.as_bytes(), 200, "t", extra, "v=0"));
    let events = bench.happened();
    let [Event::Asked { id: AskId(5), status: 200, server, allow, body_sdp, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(server.as_deref(), Some("PBX 1\u{fffd}[31m"));
    assert_eq!((allow.as_deref(), body_sdp.as_deref()), (Some("INVITE, REFER"), Some(&b"v=0"[..])));

    let mut bench = Bench::new();
    ask(&mut bench, "sip:192.0.2.9");
    bench.pass(Duration::from_secs(33));
    assert!(matches!(&bench.happened()[..], [Event::Asked { status: 408, .. }]));
    ask(&mut bench, "sip:192.0.2.9");
    let path = bench.path;
    bench.input(Input::SendFailed { path, reason: "no route".into() });
    assert!(matches!(&bench.happened()[..], [Event::Asked { status: 503, .. }]));
    ask(&mut bench, "nonsense");
    assert!(matches!(&bench.happened()[..], [Event::Asked { status: 400, .. }]));
    assert_eq!((bench.ua.transactions(), bench.ua.deadline()), (0, None));
}
