//! The called side, request by request (RFC 3261 §9.2, §13.3, §14.2, §15, §17.2).

use crate::support::*;
use passline_sip::message::Name;
use passline_sip::*;
use std::time::Duration;

fn accept(call: CallHandle) -> Command {
    Command::Accept { call, sdp: b"v=0\r\n".to_vec() }
}

#[test]
fn an_invite_is_described_and_rung() {
    let mut bench = Bench::new();
    let extra = "Contact: <sip:c@192.0.2.9>\r\nUser-Agent: Ph\u{1b}one\r\nDiversion: \"x\" <sip:7@pbx>;reason=busy, <sip:8@pbx>\r\n\
                 P-Asserted-Identity : <tel:+491>\r\nRecord-Route: <sip:p1;lr>, <sip:p2;lr>\r\nc: application/sdp\r\n";
    bench.receive(&request("INVITE", "z9hG4bKa", 1, "", extra, SDP));
    let events = bench.happened();
    let [Event::Incoming { call, info }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (info.number.as_str(), info.from_user.as_str(), info.from_display.as_str()),
        ("5000", "alice", "A")
    );
    assert_eq!(
        (info.diversions.as_slice(), info.asserted.as_slice()),
        (
            ["\"x\" <sip:7@pbx>;reason=busy".to_owned(), "<sip:8@pbx>".into()].as_slice(),
            ["<tel:+491>".to_owned()].as_slice()
        )
    );
    assert_eq!((info.user_agent.as_deref(), info.call_id.as_str()), (Some("Ph\u{fffd}one"), "cid"));
    assert_eq!(info.sdp.as_deref(), Some(SDP.as_bytes()));
    bench.command(Command::Ring { call: *call, sdp: None });
    let ringing = bench.last();
    assert!(field(&ringing, Name::To).contains(";tag=") && field(&ringing, Name::RecordRoute).contains("p1"));
    bench.command(accept(*call));
    let ok = bench.last();
    assert_eq!(tag_of(&ok), tag_of(&ringing));
    assert_eq!(field(&ok, Name::Contact), "<sip:192.0.2.1:5060>");
    assert_eq!(bench.said(), ["100", "180", "200"]);
}

#[test]
fn a_200_is_repeated_until_its_ack_and_then_given_up() {
    let mut bench = Bench::new();
    let call = bench.incoming();
    bench.command(accept(call));
    bench.said();
    bench.receive(&invite("z9hG4bKa", 1, SDP));
    assert!(bench.said().is_empty(), "RFC 6026: a copy of the INVITE is absorbed");
    bench.pass(Duration::from_secs(33));
    let said = bench.said_when();
    let times: Vec<_> = said.iter().filter(|(_, v)| v == "200").map(|(ms, _)| *ms).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert!(said.iter().any(|(ms, v)| *ms == 32000 && v == "BYE"));
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::NoAck }]);
    bench.pass(Duration::from_secs(40));
    assert_eq!((bench.ua.calls(), bench.ua.transactions(), bench.ua.deadline()), (0, 0, None));
}

#[test]
fn a_hang_up_before_the_ack_waits_for_it() {
    let mut bench = Bench::new();
    let call = bench.incoming();
    bench.command(accept(call));
    let tag = tag_of(&bench.last());
    bench.command(Command::HangUp { call, reason: Some("bye \"bye\"".into()) });
    assert_eq!(bench.said(), ["100", "200"]);
    bench.receive(&request("ACK", "z9hG4bKb", 1, &tag, "", ""));
    let bye = bench.last();
    assert_eq!(field(&bye, Name::Reason), "SIP;cause=200;text=\"bye 'bye'\"");
    assert!(bye.starts_with("BYE sip:caller@192.0.2.9:5060 SIP/2.0"));
    assert!(bench.happened().is_empty());
    bench.receive(&response(bye.as_bytes(), 200, "", "", ""));
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::LocalHangUp }]);
}

#[test]
fn bye_goes_by_the_route_set_and_its_answer_may_be_anything() {
    for status in [200, 481, 401, 500] {
        let mut bench = Bench::new();
        let extra = "Contact: <sip:c@10.9.9.9>\r\nRecord-Route: <sip:192.0.2.7:5070;lr>\r\nRecord-Route: <sip:far.example;lr>\r\nc: application/sdp\r\n";
        bench.receive(&request("INVITE", "z9hG4bKa", 1, "", extra, SDP));
        let Some(Event::Incoming { call, .. }) = bench.happened().pop() else { panic!() };
        bench.command(accept(call));
        let tag = tag_of(&bench.last());
        bench.receive(&request("ACK", "z9hG4bKb", 1, &tag, "", ""));
        bench.happened();
        bench.command(Command::HangUp { call, reason: None });
        let bye = bench.last();
        assert!(bye.starts_with("BYE sip:c@10.9.9.9 SIP/2.0"), "{bye}");
        assert!(bye.contains("Route: <sip:192.0.2.7:5070;lr>\r\nRoute: <sip:far.example;lr>"));
        assert_eq!(bench.sent.last().unwrap().1.remote.to_string(), "192.0.2.7:5070");
        bench.said();
        bench.receive(&response(bye.as_bytes(), status, "", "", ""));
        assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::LocalHangUp }]);
        assert!(bench.said().is_empty(), "a challenge is not answered");
    }
}

#[test]
fn cancel_before_and_after_the_answer() {
    let mut bench = Bench::new();
    let call = bench.incoming();
    bench.receive(&request("CANCEL", "z9hG4bKother", 1, "", "", ""));
    bench.receive(&request("CANCEL", "z9hG4bKa", 1, "", "", ""));
    assert_eq!(bench.said(), ["100", "481", "200", "487"]);
    assert_eq!(
        bench.happened(),
        [Event::Cancelled { call, reason: None }, Event::Ended { call, cause: EndCause::Cancelled }]
    );
    bench.command(accept(call));
    bench.receive(&invite("z9hG4bKa", 1, SDP));
    assert_eq!(bench.said(), ["487"], "a copy of the INVITE gets the final answer again");
    bench.receive(&request("ACK", "z9hG4bKa", 1, "x", "", ""));
    bench.pass(Duration::from_secs(6));
    assert!(bench.said().is_empty());
    assert_eq!(bench.ua.transactions(), 0);

    let mut bench = Bench::new();
    let call = bench.incoming();
    bench.command(accept(call));
    bench.receive(&request("CANCEL", "z9hG4bKa", 1, "", "", ""));
    assert_eq!(bench.said(), ["100", "200", "200"]);
    assert!(bench.happened().is_empty(), "too late to cancel");
}

#[test]
fn rejections() {
    let mut bench = Bench::new();
    let call = bench.incoming();
    bench.command(Command::Reject {
        call,
        status: 503,
        reason: Some("Full".into()),
        retry_after: Some(30),
        warning: None,
    });
    assert!(bench.last().starts_with("SIP/2.0 503 Full\r\n") && bench.last().contains("Retry-After: 30\r\n"));
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::Rejected }]);
    bench.receive(&request("ACK", "z9hG4bKa", 1, "x", "", ""));
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.said(), ["100", "503"]);

    let mut bench = Bench::new();
    let call = bench.incoming();
    let warning = Some(Warning { code: 302, text: "No \"SRTP\"\r\nVia: x\\".into() });
    bench.command(Command::Reject { call, status: 488, reason: None, retry_after: None, warning });
    let told = "\r\nWarning: 302 passline \"No \\\"SRTP\\\"Via: x\\\\\"\r\n";
    assert!(bench.last().contains(told), "{}", bench.last());

    let mut bench = Bench::new();
    let call = bench.incoming();
    bench.command(Command::HangUp { call, reason: None });
    assert_eq!(
        (bench.said(), bench.happened()),
        (vec!["100".into(), "603".into()], vec![Event::Ended { call, cause: EndCause::LocalHangUp }])
    );
}

#[test]
fn bye_in_every_state() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    bench.receive(&request("BYE", "z9hG4bKbye", 2, &tag, "Reason: Q.850;cause=16\r\n", ""));
    let reason = Some("Q.850;cause=16".to_owned());
    assert_eq!(
        bench.happened(),
        [Event::Bye { call, reason }, Event::Ended { call, cause: EndCause::RemoteBye }]
    );
    bench.receive(&request("BYE", "z9hG4bKbye", 2, &tag, "", ""));
    bench.receive(&request("BYE", "z9hG4bKbye2", 3, &tag, "", ""));
    bench.receive(&request("BYE", "z9hG4bKbye3", 3, "", "", ""));
    assert_eq!(bench.said(), ["200", "200", "481", "481"]);
    assert!(bench.happened().is_empty());

    // In an early dialog: the INVITE must still get its answer.
    let mut bench = Bench::new();
    let call = bench.incoming();
    bench.command(Command::Ring { call, sdp: None });
    let tag = tag_of(&bench.last());
    bench.receive(&request("BYE", "z9hG4bKbye", 2, &tag, "", ""));
    assert_eq!(bench.said(), ["100", "180", "200", "487"]);
    assert!(matches!(bench.happened().last(), Some(Event::Ended { cause: EndCause::RemoteBye, .. })));

    // Crossing ours.
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    bench.command(Command::HangUp { call, reason: None });
    bench.receive(&request("INFO", "z9hG4bKi", 2, &tag, "", ""));
    bench.receive(&request("BYE", "z9hG4bKbye", 3, &tag, "", ""));
    assert_eq!(bench.said(), ["BYE", "481", "200"]);
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::LocalHangUp }]);
}

#[test]
fn requests_inside_a_dialog() {
    let relay = "Content-Type: Application/DTMF-relay\r\n";
    // method, extra, body, answer
    let table: &[(&str, &str, &str, &str)] = &[
        ("INFO", relay, "Signal=5\r\n", "200"),
        ("INFO", "", "", "200"),
        ("INFO", "Content-Type: application/media_control+xml\r\n", "<x/>", "415"),
        ("INFO", "Info-Package: x\r\n", "", "469"),
        ("OPTIONS", "", "", "200"),
        ("UPDATE", "Contact: <sip:new@192.0.2.9>\r\n", "", "200"),
        ("UPDATE", "Content-Type: text/plain\r\n", "x", "415"),
        ("INVITE", "Content-Type: text/plain\r\n", "x", "415"),
        ("REFER", "", "", "400"),
        ("REFER", "Refer-To: <sip:x;method=BYE>\r\n", "", "403"),
        ("REFER", "Refer-To: <ftp:x>\r\n", "", "416"),
        ("NOTIFY", "Event: message-summary\r\n", "", "489"),
        ("NOTIFY", "Event: refer\r\n", "", "481"),
        ("SUBSCRIBE", "Event: kpml\r\n", "", "489"),
        ("SUBSCRIBE", "o: refer\r\n", "", "481"),
        ("PRACK", "", "", "400"),
        ("PRACK", "RAck: 1 1 INVITE\r\n", "", "481"),
        ("OPTIONS", "Replaces: c;to-tag=1;from-tag=2\r\n", "", "400"),
        ("MESSAGE", "", "", "405"),
        ("XYZZY", "", "", "501"),
        ("INFO", "Require: foo\r\n", "", "420"),
    ];
    for (method, extra, body, answer) in table {
        let mut bench = Bench::new();
        let (call, tag) = bench.confirmed();
        let text = request(method, "z9hG4bKx", 2, &tag, extra, body);
        bench.receive(&text);
        bench.receive(&text);
        assert_eq!(bench.said(), [*answer, *answer], "{method} {extra}");
        let events = bench.happened();
        if *body == "Signal=5\r\n" {
            assert_eq!(
                events,
                [Event::Info {
                    call,
                    content_type: "application/dtmf-relay".into(),
                    body: b"Signal=5\r\n".to_vec()
                }]
            );
        } else {
            assert!(events.is_empty(), "{events:?}");
        }
        bench.receive(&request("INFO", "z9hG4bKy", 1, &tag, "", ""));
        assert_eq!(bench.said(), ["500"], "a lower CSeq is out of order");
    }
}

#[test]
fn a_reinvite_is_offered_answered_and_acknowledged() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    let contact = "Contact: <sip:moved@192.0.2.9:5090>\r\nc: application/sdp\r\n";
    bench.receive(&request("INVITE", "z9hG4bKre", 2, &tag, contact, "v=0 hold"));
    assert_eq!(bench.happened(), [Event::Reoffered { call, sdp: Some(b"v=0 hold".to_vec()) }]);
    bench.receive(&request("INVITE", "z9hG4bKre2", 3, &tag, contact, "v=0"));
    assert_eq!(bench.said(), ["100", "500"], "another while the first is open (RFC 3261 §14.2)");
    bench.command(Command::AcceptReinvite { call, sdp: b"v=0 held".to_vec() });
    bench.receive(&request("INVITE", "z9hG4bKre3", 4, &tag, contact, "v=0"));
    assert_eq!(bench.said(), ["200", "491"], "another while the 200 has no ACK");
    bench.pass(Duration::from_millis(600));
    assert!(bench.said().contains(&"200".to_owned()));
    bench.receive(&request("ACK", "z9hG4bKack2", 2, &tag, "", ""));
    assert_eq!(bench.happened(), [Event::Confirmed { call, sdp: None }]);
    bench.receive(&request("INVITE", "z9hG4bKre4", 5, &tag, contact, ""));
    assert_eq!(bench.happened(), [Event::Reoffered { call, sdp: None }]);
    bench.command(Command::RejectReinvite { call, status: 488, reason: None, warning: None });
    bench.receive(&request("ACK", "z9hG4bKre4", 5, &tag, "", ""));
    bench.command(Command::HangUp { call, reason: None });
    assert!(bench.last().starts_with("BYE sip:moved@192.0.2.9:5090 "));
    assert_eq!(bench.sent.last().unwrap().1.remote.port(), 5090);
}

#[test]
fn a_delayed_offer_brings_its_answer_in_the_ack() {
    let mut bench = Bench::new();
    bench.receive(&request("INVITE", "z9hG4bKa", 1, "", "Contact: <sip:c@192.0.2.9>\r\n", ""));
    let Some(Event::Incoming { call, info }) = bench.happened().pop() else { panic!() };
    assert_eq!(info.sdp, None);
    bench.command(accept(call));
    let tag = tag_of(&bench.last());
    bench.receive(&request("ACK", "z9hG4bKb", 1, &tag, "c: application/sdp\r\n", SDP));
    assert_eq!(bench.happened(), [Event::Confirmed { call, sdp: Some(SDP.into()) }]);
    bench.receive(&request("ACK", "z9hG4bKb", 1, &tag, "c: application/sdp\r\n", SDP));
    assert!(bench.happened().is_empty(), "once");
}

#[test]
fn merged_requests_are_a_loop() {
    let mut bench = Bench::new();
    bench.incoming();
    bench.receive(&invite("z9hG4bKotherpath", 1, SDP));
    assert_eq!(bench.said(), ["100", "482"]);
    assert!(bench.happened().is_empty());
}

#[test]
fn session_timers_end_dead_calls_and_refresh_living_ones() {
    let begin = |refresher: &str, allow: &str| {
        let mut bench = Bench::new();
        let extra = format!(
            "Contact: <sip:c@192.0.2.9>\r\nk: timer\r\nx: 100{refresher}\r\n{allow}c: application/sdp\r\n"
        );
        bench.receive(&request("INVITE", "z9hG4bKa", 1, "", &extra, SDP));
        let Some(Event::Incoming { call, .. }) = bench.happened().pop() else { panic!() };
        bench.command(accept(call));
        let ok = bench.last();
        bench.receive(&request("ACK", "z9hG4bKb", 1, &tag_of(&ok), "", ""));
        bench.said();
        bench.happened();
        (bench, call, ok)
    };
    let (mut bench, call, ok) = begin("", "");
    assert_eq!(
        (field(&ok, Name::SessionExpires), field(&ok, Name::Require)),
        ("100;refresher=uac".into(), "timer".into())
    );
    bench.pass(Duration::from_secs(60));
    bench.receive(&request(
        "UPDATE",
        "z9hG4bKu",
        2,
        &tag_of(&ok),
        "k: timer\r\nSession-Expires: 100\r\n",
        "",
    ));
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.said(), ["200"]);
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.said()[0], "BYE");
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::Expired }]);

    let (mut bench, call, ok) = begin(";refresher=uas", "Allow: INVITE, UPDATE\r\n");
    assert_eq!(field(&ok, Name::SessionExpires), "100;refresher=uas");
    for _ in 0..3 {
        bench.pass(Duration::from_secs(50));
        let update = bench.last();
        assert!(update.starts_with("UPDATE "));
        bench.receive(&response(update.as_bytes(), 200, "", "", ""));
        bench.said();
    }
    bench.pass(Duration::from_secs(50));
    let update = bench.last();
    bench.receive(&response(update.as_bytes(), 481, "", "", ""));
    bench.pass(Duration::from_secs(33));
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::Lost }]);

    let mut bench = Bench::new();
    bench.receive(&request(
        "INVITE",
        "z9hG4bKa",
        1,
        "",
        "Contact: <sip:c@192.0.2.9>\r\nk: timer\r\nx: 30\r\n",
        "",
    ));
    assert!(bench.last().starts_with("SIP/2.0 422 ") && bench.last().contains("Min-SE: 90\r\n"));
}
