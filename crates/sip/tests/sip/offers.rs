//! Our own re-INVITE, glare, and ends of dialogs by refusals (RFC 3261 §14, RFC 3264 §4, RFC 5407).

use crate::support::*;
use passline_sip::message::Name;
use passline_sip::*;
use std::time::Duration;

const BODY: &str = "Contact: <sip:callee@192.0.2.9:5060>\r\nc: application/sdp\r\n";

fn reinvite(call: CallHandle, sdp: &str) -> Command {
    Command::Reinvite { call, sdp: sdp.into() }
}

/// A call that we placed and that stands.
fn placed() -> (Bench, CallHandle, String) {
    let mut bench = Bench::new();
    let call = bench.ua.next_call_handle();
    let path = bench.path;
    let (to, from) = ("sip:5000@192.0.2.9".into(), "sip:demo@192.0.2.1".into());
    bench.command(Command::Invite(Box::new(Invite::new(call, to, from, path, SDP.into()))));
    let invite = bench.last();
    bench.receive(&response(invite.as_bytes(), 200, "t1", BODY, "v=0 answer"));
    bench.said();
    bench.happened();
    (bench, call, invite)
}

#[test]
fn hold_is_offered_answered_and_acknowledged() {
    let (mut bench, call) = {
        let (bench, call, _) = placed();
        (bench, call)
    };
    bench.command(reinvite(call, "v=0 hold"));
    let hold = bench.last();
    assert!(hold.starts_with("INVITE sip:callee@192.0.2.9:5060 ") && hold.ends_with("v=0 hold"));
    assert!(!field(&hold, Name::Contact).is_empty() && field(&hold, Name::CSeq) == "2 INVITE");
    bench.receive(&response(hold.as_bytes(), 100, "", "", ""));
    let moved = "Contact: <sip:moved@192.0.2.9:5071>\r\nc: application/sdp\r\n";
    let ok = response(hold.as_bytes(), 200, "", moved, "v=0 held");
    bench.receive(&ok);
    let ack = bench.last();
    assert!(ack.starts_with("ACK sip:moved@192.0.2.9:5071 "), "the 200 refreshes the target: {ack}");
    assert_eq!(field(&ack, Name::CSeq), "2 ACK");
    bench.receive(&ok);
    assert_eq!(bench.said(), ["INVITE", "ACK", "ACK"]);
    assert_eq!(bench.happened(), [Event::Reanswered { call, result: Ok(Some(b"v=0 held".to_vec())) }]);
    bench.command(Command::HangUp { call, reason: None });
    assert_eq!(field(&bench.last(), Name::CSeq), "3 BYE");
    bench.receive(&ok);
    assert_eq!(bench.said(), ["BYE", "ACK"], "also when the call is ending");
}

#[test]
fn no_two_offers_cross() {
    let (mut bench, call, invite) = placed();
    let peer = |method: &str, cseq: u32, sdp: &str| {
        let from = field(&invite, Name::From);
        format!(
            "{method} sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKp{cseq}\r\nFrom: <sip:5000@192.0.2.9>;tag=t1\r\nTo: {from}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\n{BODY}Content-Length: {}\r\n\r\n{sdp}",
            field(&invite, Name::CallId),
            sdp.len()
        )
    };
    // Theirs first: ours waits, then goes by itself.
    bench.receive(&peer("INVITE", 1, "v=0 theirs"));
    assert_eq!(bench.happened(), [Event::Reoffered { call, sdp: Some(b"v=0 theirs".to_vec()) }]);
    bench.command(reinvite(call, "v=0 ours"));
    assert_eq!(bench.said(), ["100"]);
    bench.command(Command::AcceptReinvite { call, sdp: b"v=0 ok".to_vec() });
    assert_eq!(bench.said(), ["200"], "not before the ACK");
    bench.receive(&peer("ACK", 1, ""));
    let ours = bench.last();
    assert_eq!(bench.said(), ["INVITE"]);
    // Ours first: 491 to INVITE and UPDATE (RFC 3261 §14.2, RFC 3311 §5.2).
    bench.receive(&peer("INVITE", 2, "v=0 x"));
    bench.receive(&peer("UPDATE", 3, "v=0 x"));
    assert_eq!(bench.said(), ["491", "491"]);
    bench.happened();
    // A second wish waits for the first answer; a third takes its place.
    bench.command(reinvite(call, "v=0 second"));
    bench.command(reinvite(call, "v=0 third"));
    assert!(bench.said().is_empty());
    bench.receive(&response(ours.as_bytes(), 200, "", BODY, "v=0 a"));
    assert!(bench.last().ends_with("v=0 third"));
    assert_eq!(bench.said(), ["ACK", "INVITE"]);
}

#[test]
fn glare_is_waited_out_as_section_14_1_says() {
    for (ours, least, most) in [(true, 2100, 4000), (false, 0, 2000)] {
        let mut waits = Vec::new();
        for n in 0..40 {
            let (mut bench, call) = if ours {
                let (bench, call, _) = placed();
                (bench, call)
            } else {
                let mut bench = Bench::new();
                let (call, _) = bench.confirmed();
                (bench, call)
            };
            // The generator is seeded: other draws before make other waits.
            for _ in 0..n {
                bench.ua.next_call_handle();
                bench.receive(&request("OPTIONS", "z9hG4bKo", 1, "", "", "").replace("cid", "other"));
                let info = Command::SendInfo { call, content_type: "text/x".into(), body: b"x".to_vec() };
                bench.command(info);
            }
            bench.command(reinvite(call, "v=0 ours"));
            let first = bench.last();
            let sent = (bench.now - bench.start).as_millis();
            bench.receive(&response(first.as_bytes(), 491, "", "", ""));
            bench.sent.clear();
            bench.pass(Duration::from_secs(5));
            let again: Vec<u128> =
                bench.said_when().into_iter().filter(|(_, v)| v == "INVITE").map(|(ms, _)| ms).collect();
            waits.push(again[0] - sent);
        }
        assert!(waits.iter().all(|w| (least..=most).contains(w) && w % 10 == 0), "{waits:?}");
        let spread = waits.iter().max().unwrap() - waits.iter().min().unwrap();
        assert!(spread > 1000, "{waits:?}");
    }
}

#[test]
fn glare_without_end_is_given_up() {
    let (mut bench, call, _) = placed();
    bench.command(reinvite(call, "v=0 ours"));
    let mut tries = 0;
    while let Some((_, _, bytes)) = bench.sent.pop() {
        if verb(&bytes) == "INVITE" {
            tries += 1;
            bench.sent.clear();
            bench.receive(&response(&bytes, 491, "", "", ""));
            bench.sent.clear();
            bench.pass(Duration::from_secs(5));
            bench.sent.truncate(1);
        }
    }
    assert_eq!(tries, 6);
    assert_eq!(bench.happened(), [Event::Reanswered { call, result: Err(491) }]);
    bench.command(Command::HangUp { call, reason: None });
    assert_eq!(bench.said(), ["BYE"], "the session went on");
}

#[test]
fn refusals_of_a_reinvite() {
    // status, extra, what the layer above hears, whether the call ends
    let table = [
        (488, "", Some(488), false),
        (403, "", Some(403), false),
        (487, "", Some(487), false),
        (481, "", Some(481), true),
        (408, "", Some(408), true),
        (500, "", Some(500), false),
        (500, "Retry-After: 5 (busy)\r\n", None, false),
        (503, "Retry-After: 3600\r\n", Some(503), false),
    ];
    for (status, extra, heard, ends) in table {
        let (mut bench, call, _) = placed();
        bench.command(reinvite(call, "v=0 ours"));
        let ours = bench.last();
        bench.said();
        bench.receive(&response(ours.as_bytes(), status, "", extra, ""));
        let events = bench.happened();
        match heard {
            Some(code) => assert_eq!(events, [Event::Reanswered { call, result: Err(code) }]),
            None => {
                assert!(events.is_empty());
                bench.pass(Duration::from_millis(4900));
                assert_eq!(bench.said(), ["ACK"]);
                bench.pass(Duration::from_millis(200));
            }
        }
        let said = bench.said();
        assert_eq!(said.contains(&"BYE".to_owned()), ends, "{status}: {said:?}");
        assert_eq!(said.contains(&"INVITE".to_owned()), heard.is_none());
        if ends {
            bench.pass(Duration::from_secs(40));
            assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::Lost }]);
        }
    }
}

#[test]
fn silence_to_a_reinvite_ends_the_call() {
    let (mut bench, call, _) = placed();
    bench.command(reinvite(call, "v=0 ours"));
    bench.pass(Duration::from_secs(80));
    assert_eq!(
        bench.happened(),
        [Event::Reanswered { call, result: Err(408) }, Event::Ended { call, cause: EndCause::Lost }]
    );
    bench.pass(Duration::from_secs(40));
    assert_eq!((bench.ua.calls(), bench.ua.transactions(), bench.ua.deadline()), (0, 0, None));
}

#[test]
fn a_reinvite_that_only_rings_is_cancelled() {
    let (mut bench, call, _) = placed();
    bench.command(reinvite(call, "v=0 ours"));
    let ours = bench.last();
    bench.receive(&response(ours.as_bytes(), 180, "", "", ""));
    bench.said();
    bench.pass(Duration::from_secs(61));
    assert_eq!(bench.said()[0], "CANCEL");
    bench.receive(&response(ours.as_bytes(), 487, "", "", ""));
    assert_eq!(bench.happened(), [Event::Reanswered { call, result: Err(487) }]);
}

#[test]
fn a_reliable_response_to_a_reinvite_gets_its_prack() {
    let (mut bench, call, _) = placed();
    bench.command(reinvite(call, "v=0 ours"));
    let ours = bench.last();
    bench.said();
    let progress = response(ours.as_bytes(), 183, "", "Require: 100rel\r\nRSeq: 9\r\n", "");
    bench.receive(&progress);
    assert_eq!(field(&bench.last(), Name::RAck), "9 2 INVITE");
    bench.receive(&progress);
    assert_eq!(bench.said(), ["PRACK"]);
}

#[test]
fn a_delayed_offer_inside_the_call() {
    let (mut bench, call, _) = placed();
    bench.command(reinvite(call, ""));
    let ours = bench.last();
    bench.said();
    bench.receive(&response(ours.as_bytes(), 200, "", BODY, "v=0 offer"));
    assert_eq!(bench.happened(), [Event::Reanswered { call, result: Ok(Some(b"v=0 offer".to_vec())) }]);
    assert!(bench.said().is_empty());
    bench.command(Command::Acknowledge { call, sdp: b"v=0 answer".to_vec() });
    assert!(bench.last().starts_with("ACK ") && bench.last().ends_with("v=0 answer"));
}

#[test]
fn hanging_up_does_not_wait_for_a_reinvite() {
    let (mut bench, call, _) = placed();
    bench.command(reinvite(call, "v=0 ours"));
    let ours = bench.last();
    bench.command(Command::HangUp { call, reason: None });
    let bye = bench.last();
    assert_eq!(bench.said(), ["INVITE", "BYE"]);
    bench.receive(&response(bye.as_bytes(), 200, "", "", ""));
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::LocalHangUp }]);
    bench.receive(&response(ours.as_bytes(), 200, "", BODY, "v=0 late"));
    assert_eq!(bench.said(), ["ACK"], "a late 200 is acknowledged, or it would be repeated for 32 s");
    assert!(bench.happened().is_empty());
    bench.pass(Duration::from_secs(40));
    assert_eq!((bench.ua.transactions(), bench.ua.deadline()), (0, None));
}

#[test]
fn a_reinvite_waits_for_the_ack_of_the_first_200() {
    let mut bench = Bench::new();
    let call = bench.incoming();
    bench.command(Command::Accept { call, sdp: SDP.into() });
    let tag = tag_of(&bench.last());
    bench.command(reinvite(call, "v=0 ours"));
    assert_eq!(bench.said(), ["100", "200"]);
    bench.receive(&request("ACK", "z9hG4bKk", 1, &tag, "", ""));
    assert_eq!(bench.said(), ["INVITE"]);
}

#[test]
fn a_refused_offer_changes_nothing() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    let contact = "Contact: <sip:moved@192.0.2.9:5090>\r\nc: application/sdp\r\n";
    bench.receive(&request("INVITE", "z9hG4bKre", 2, &tag, contact, "v=0 new"));
    bench.command(Command::RejectReinvite { call, status: 488, reason: None, warning: None });
    bench.receive(&request("ACK", "z9hG4bKre", 2, &tag, "", ""));
    bench.command(Command::HangUp { call, reason: None });
    assert!(
        bench.last().starts_with("BYE sip:caller@192.0.2.9:5060 "),
        "RFC 3261 §14.2: as if it had never come"
    );
}

#[test]
fn bye_answers_what_is_open() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    bench.receive(&request("INVITE", "z9hG4bKre", 2, &tag, BODY, "v=0 new"));
    bench.receive(&request("BYE", "z9hG4bKb", 3, &tag, "", ""));
    assert_eq!(bench.said(), ["100", "200", "487"]);
    bench.receive(&request("ACK", "z9hG4bKre", 2, &tag, "", ""));
    bench.command(Command::AcceptReinvite { call, sdp: SDP.into() });
    bench.pass(Duration::from_secs(40));
    assert_eq!((bench.said().len(), bench.ua.transactions(), bench.ua.deadline()), (0, 0, None));
}

#[test]
fn cancelling_a_reinvite_leaves_the_call() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    bench.receive(&request("INVITE", "z9hG4bKre", 2, &tag, BODY, "v=0 new"));
    bench.happened();
    bench.receive(&request("CANCEL", "z9hG4bKre", 2, &tag, "", ""));
    bench.receive(&request("ACK", "z9hG4bKre", 2, &tag, "", ""));
    assert_eq!(bench.said(), ["100", "200", "487"]);
    assert!(bench.happened().is_empty());
    bench.receive(&request("INVITE", "z9hG4bKre3", 3, &tag, BODY, "v=0 newer"));
    assert_eq!(bench.happened(), [Event::Reoffered { call, sdp: Some(b"v=0 newer".to_vec()) }]);
}
