//! Session timers at work (RFC 4028), both roles, against the figures of the RFC.

use crate::support::*;
use passline_sip::message::Name;
use passline_sip::*;
use std::time::Duration;

fn policy(refresher: Refresher, offer: bool) -> CallPolicy {
    let session = SessionPolicy { expires: 200, min_se: 90, refresher, offer };
    CallPolicy { session, ..CallPolicy::default() }
}

fn config(policy: CallPolicy) -> Config {
    Config { policy, ..Config::default() }
}

/// A call from the peer that stands; the 200.
fn called(policy: CallPolicy, extra: &str) -> (Bench, CallHandle, String) {
    let mut bench = Bench::with(config(policy), udp("192.0.2.1:5060", "192.0.2.9:5060"));
    let extra = format!("Contact: <sip:c@192.0.2.9>\r\n{extra}c: application/sdp\r\n");
    bench.receive(&request("INVITE", "z9hG4bKa", 1, "", &extra, SDP));
    let Some(Event::Incoming { call, .. }) = bench.happened().pop() else { panic!("{:?}", bench.said()) };
    bench.command(Command::Accept { call, sdp: b"v=0 standing".to_vec() });
    let ok = bench.last();
    bench.receive(&request("ACK", "z9hG4bKb", 1, &tag_of(&ok), "", ""));
    bench.said();
    bench.happened();
    (bench, call, ok)
}

/// A call of ours that stands; its INVITE.
fn placed(policy: CallPolicy, extra: &str) -> (Bench, CallHandle, String) {
    let mut bench = Bench::with(config(policy), udp("192.0.2.1:5060", "192.0.2.9:5060"));
    let call = bench.ua.next_call_handle();
    let path = bench.path;
    let (to, from) = ("sip:5000@192.0.2.9".into(), "sip:demo@192.0.2.1".into());
    bench.command(Command::Invite(Box::new(Invite::new(call, to, from, path, SDP.into()))));
    let invite = bench.last();
    let extra = format!("Contact: <sip:callee@192.0.2.9>\r\n{extra}c: application/sdp\r\n");
    bench.receive(&response(invite.as_bytes(), 200, "t1", &extra, "v=0 theirs"));
    bench.said();
    bench.happened();
    (bench, call, invite)
}

fn sent(bench: &mut Bench, method: &str) -> Vec<u128> {
    bench.said_when().into_iter().filter(|(_, v)| v == method).map(|(ms, _)| ms).collect()
}

#[test]
fn our_invite_asks_as_the_settings_say() {
    let table = [
        (Refresher::Negotiated, true, "200"),
        (Refresher::Ours, true, "200;refresher=uac"),
        (Refresher::Theirs, true, "200;refresher=uas"),
        (Refresher::Ours, false, ""),
    ];
    for (refresher, offer, value) in table {
        let (_, _, invite) = placed(policy(refresher, offer), "");
        assert_eq!(field(&invite, Name::SessionExpires), value);
        assert!(field(&invite, Name::Supported).contains("timer") && !invite.contains("Min-SE"));
    }
    let mut own = policy(Refresher::Negotiated, true);
    own.session.min_se = 120;
    let (_, _, invite) = placed(own, "");
    assert!(invite.contains("Min-SE: 120\r\n"));
}

#[test]
fn a_422_is_answered_with_the_interval_it_wants() {
    let mut bench =
        Bench::with(config(policy(Refresher::Ours, true)), udp("192.0.2.1:5060", "192.0.2.9:5060"));
    let call = bench.ua.next_call_handle();
    let path = bench.path;
    let (to, from) = ("sip:5000@192.0.2.9".into(), "sip:demo@192.0.2.1".into());
    bench.command(Command::Invite(Box::new(Invite::new(call, to, from, path, SDP.into()))));
    let first = bench.last();
    bench.receive(&response(first.as_bytes(), 422, "x", "Min-SE: 600\r\n", ""));
    let second = bench.last();
    assert_eq!(bench.said(), ["INVITE", "ACK", "INVITE"]);
    assert_eq!(
        (field(&second, Name::SessionExpires), field(&second, Name::MinSe), field(&second, Name::CSeq)),
        ("600;refresher=uac".into(), "600".into(), "2 INVITE".into())
    );
    assert_eq!(field(&second, Name::CallId), field(&first, Name::CallId));
    assert_eq!(field(&second, Name::From), field(&first, Name::From));
    assert!(second.ends_with(SDP) && second.matches("Session-Expires").count() == 1);
    bench.receive(&response(second.as_bytes(), 422, "x", "Min-SE: 600\r\n", ""));
    assert!(
        matches!(bench.happened().as_slice(), [Event::Refused { status: 422, .. }, Event::Ended { .. }]),
        "the same demand again leads nowhere"
    );
    let _ = call;
}

#[test]
fn the_refresher_updates_at_half_time() {
    let peers = [
        called(policy(Refresher::Ours, false), "k: timer\r\nAllow: UPDATE\r\nx: 200\r\n"),
        called(policy(Refresher::Negotiated, true), "Allow: UPDATE\r\n"),
        placed(policy(Refresher::Ours, true), "Allow: UPDATE\r\nx: 200;refresher=uac\r\n"),
        placed(policy(Refresher::Theirs, true), "Allow: UPDATE\r\n"),
    ];
    for (mut bench, call, _) in peers {
        let begun = (bench.now - bench.start).as_millis();
        for round in 1..=3u128 {
            bench.pass(Duration::from_secs(100));
            let update = bench.last();
            assert_eq!(sent(&mut bench, "UPDATE"), [begun + round * 100_000]);
            assert_eq!(field(&update, Name::SessionExpires), "200;refresher=uac");
            assert!(
                update.ends_with("Content-Length: 0\r\n\r\n") && !field(&update, Name::Contact).is_empty()
            );
            bench.receive(&response(update.as_bytes(), 200, "", "x: 200;refresher=uac\r\n", ""));
        }
        assert!(bench.happened().is_empty());
        // Nobody answers any more: BYE 32 s (or a third) before the end.
        bench.pass(Duration::from_secs(260));
        assert!(matches!(
            bench.happened().as_slice(),
            [Event::Ended { call: c, cause: EndCause::Lost | EndCause::Expired }] if *c == call
        ));
    }
}

#[test]
fn without_update_a_reinvite_refreshes_with_the_description_unchanged() {
    let (mut bench, _, ok) = called(policy(Refresher::Ours, false), "k: timer\r\nx: 200\r\n");
    assert_eq!(field(&ok, Name::SessionExpires), "200;refresher=uas");
    for round in 0..2 {
        bench.pass(Duration::from_secs(100));
        let invite = bench.last();
        assert_eq!(bench.said(), ["INVITE"]);
        assert!(invite.ends_with("\r\n\r\nv=0 standing"), "the same octets, so the same o= line: {invite}");
        assert_eq!(field(&invite, Name::SessionExpires), "200;refresher=uac");
        let extra = "x: 200;refresher=uac\r\nRequire: timer\r\nc: application/sdp\r\n";
        bench.receive(&response(invite.as_bytes(), 200, "", extra, SDP));
        assert_eq!(bench.said(), ["ACK"]);
        // The answer is the description already known: no news.
        assert!(bench.happened().is_empty(), "round {round}");
    }
    bench.pass(Duration::from_secs(100));
    let invite = bench.last();
    bench.receive(&response(invite.as_bytes(), 200, "", "c: application/sdp\r\n", "v=0 changed"));
    assert!(matches!(bench.happened().as_slice(), [Event::Reanswered { result: Ok(Some(_)), .. }]));
}

#[test]
fn a_peer_that_refuses_update_gets_a_reinvite() {
    let (mut bench, _, _) = called(policy(Refresher::Ours, false), "k: timer\r\nAllow: UPDATE\r\nx: 200\r\n");
    bench.pass(Duration::from_secs(100));
    let update = bench.last();
    bench.receive(&response(update.as_bytes(), 405, "", "", ""));
    bench.pass(Duration::ZERO);
    assert_eq!(bench.said(), ["UPDATE", "INVITE"]);
}

#[test]
fn refresh_refusals() {
    // status, extra, seconds until the next try
    for (status, extra, next) in
        [(422, "Min-SE: 300\r\n", 1.0), (491, "", 2.0), (500, "", 34.0), (503, "Retry-After: 1\r\n", 34.0)]
    {
        let (mut bench, _, _) =
            called(policy(Refresher::Ours, false), "k: timer\r\nAllow: UPDATE\r\nx: 200\r\n");
        bench.pass(Duration::from_secs(100));
        let update = bench.last();
        bench.receive(&response(update.as_bytes(), status, "", extra, ""));
        bench.said();
        bench.pass(Duration::from_secs_f64(next - 0.01));
        assert!(bench.said().is_empty(), "{status}");
        bench.pass(Duration::from_millis(20));
        let again = bench.last();
        assert!(again.starts_with("UPDATE "), "{status}");
        if status == 422 {
            assert_eq!(field(&again, Name::SessionExpires), "300;refresher=uac");
            assert_eq!(field(&again, Name::MinSe), "300");
        }
    }
}

#[test]
fn who_does_not_refresh_watches() {
    let (mut bench, call, ok) = called(policy(Refresher::Theirs, false), "k: timer\r\nx: 200\r\n");
    assert_eq!(
        (field(&ok, Name::SessionExpires), field(&ok, Name::Require)),
        ("200;refresher=uac".into(), "timer".into())
    );
    let tag = tag_of(&ok);
    let begun = bench.now;
    bench.pass(Duration::from_secs(100));
    // A re-INVITE refreshes as well, also one of theirs for another reason.
    bench.receive(&request(
        "INVITE",
        "z9hG4bKre",
        2,
        &tag,
        "Contact: <sip:c@192.0.2.9>\r\nk: timer\r\nx: 200;refresher=uac\r\nc: application/sdp\r\n",
        SDP,
    ));
    bench.command(Command::AcceptReinvite { call, sdp: b"v=0".to_vec() });
    assert_eq!(field(&bench.last(), Name::SessionExpires), "200;refresher=uac");
    bench.receive(&request("ACK", "z9hG4bKack2", 2, &tag, "", ""));
    bench.said();
    bench.happened();
    bench.pass(Duration::from_secs(167));
    assert!(bench.said().is_empty());
    bench.pass(Duration::from_secs(1));
    let bye = bench.last();
    assert!(bye.starts_with("BYE ") && bye.contains("Session Timer Expired"));
    assert_eq!((bench.now - begun).as_secs(), 268, "100 s and then 200 s less 32 s (RFC 4028 §10)");
    bench.receive(&response(bye.as_bytes(), 200, "", "", ""));
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::Expired }]);
}

#[test]
fn a_refresh_without_a_timer_ends_the_timer() {
    let (mut bench, _, ok) = called(policy(Refresher::Theirs, false), "k: timer\r\nx: 200\r\n");
    bench.receive(&request("UPDATE", "z9hG4bKu", 2, &tag_of(&ok), "Contact: <sip:c@192.0.2.9>\r\n", ""));
    assert_eq!(field(&bench.last(), Name::SessionExpires), "");
    bench.said();
    bench.pass(Duration::from_secs(1000));
    assert!(bench.said().is_empty() && bench.happened().is_empty());
    assert_eq!(bench.ua.deadline(), None);
}

#[test]
fn too_short_an_interval_is_refused() {
    let mut strict = policy(Refresher::Negotiated, false);
    strict.session.min_se = 180;
    let mut bench = Bench::with(config(strict), udp("192.0.2.1:5060", "192.0.2.9:5060"));
    bench.receive(&request(
        "INVITE",
        "z9hG4bKa",
        1,
        "",
        "Contact: <sip:c@192.0.2.9>\r\nk: timer\r\nx: 179\r\n",
        "",
    ));
    assert!(bench.last().starts_with("SIP/2.0 422 ") && bench.last().contains("Min-SE: 180\r\n"));
    let (mut bench, _, ok) = called(strict, "k: timer\r\nx: 180\r\n");
    bench.receive(&request("UPDATE", "z9hG4bKu", 2, &tag_of(&ok), "k: timer\r\nx: 100\r\n", ""));
    assert!(bench.last().starts_with("SIP/2.0 422 ") && bench.last().contains("Min-SE: 180\r\n"));
}

#[test]
fn a_greedy_answer_does_not_make_us_send_without_end() {
    let (mut bench, _, _) = placed(policy(Refresher::Ours, true), "Allow: UPDATE\r\nx: 1;refresher=uac\r\n");
    bench.pass(Duration::from_secs(44));
    assert!(bench.said().is_empty(), "never oftener than the RFC's least interval allows");
}

#[test]
fn a_call_may_have_terms_of_its_own() {
    let mut bench =
        Bench::with(config(policy(Refresher::Theirs, false)), udp("192.0.2.1:5060", "192.0.2.9:5060"));
    bench.receive(&request(
        "INVITE",
        "z9hG4bKa",
        1,
        "",
        "Contact: <sip:c@192.0.2.9>\r\nk: timer\r\nx: 600\r\n",
        "",
    ));
    let Some(Event::Incoming { call, .. }) = bench.happened().pop() else { panic!() };
    let session = SessionPolicy { expires: 500, min_se: 90, refresher: Refresher::Ours, offer: false };
    bench.command(Command::Tune { call, policy: CallPolicy { session, ..CallPolicy::default() } });
    bench.command(Command::Accept { call, sdp: SDP.into() });
    assert_eq!(field(&bench.last(), Name::SessionExpires), "500;refresher=uas");
}
