//! The calling side (RFC 3261 §9.1, §13.2, §17.1; forks of §13.2.2.4).

use crate::support::*;
use passline_sip::message::Name;
use passline_sip::*;
use std::time::Duration;

const CONTACT: &str = "Contact: <sip:callee@192.0.2.9:5060>\r\nContent-Type: application/sdp\r\n";

fn placed() -> (Bench, CallHandle, String) {
    let mut bench = Bench::new();
    let call = bench.ua.next_call_handle();
    let path = bench.path;
    let (to, from) = ("sip:5000@192.0.2.9".into(), "\"Demo\" <sip:demo@192.0.2.1>".into());
    bench.command(Command::Invite(Box::new(Invite::new(call, to, from, path, SDP.into()))));
    let invite = bench.last();
    bench.said();
    (bench, call, invite)
}

#[test]
fn a_call_rings_is_answered_and_hung_up() {
    let (mut bench, call, invite) = placed();
    assert!(
        invite.starts_with(
            "INVITE sip:5000@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"
        )
    );
    assert!(field(&invite, Name::From).starts_with("\"Demo\" <sip:demo@192.0.2.1>;tag="));
    bench.receive(&response(invite.as_bytes(), 100, "", "", ""));
    bench.receive(&response(invite.as_bytes(), 183, "t1", CONTACT, "v=0 early"));
    assert_eq!(bench.happened(), [Event::Ringing { call, status: 183, sdp: Some(b"v=0 early".to_vec()) }]);
    bench.receive(&response(invite.as_bytes(), 200, "t1", CONTACT, "v=0 answer"));
    assert_eq!(bench.happened(), [Event::Answered { call, sdp: Some(b"v=0 answer".to_vec()) }]);
    assert!(
        bench.last().starts_with("ACK sip:callee@192.0.2.9:5060 ")
            && field(&bench.last(), Name::CSeq) == "1 ACK"
    );
    bench.receive(&response(invite.as_bytes(), 200, "t1", CONTACT, "v=0 answer"));
    assert_eq!(bench.said(), ["ACK", "ACK"], "the ACK of a repeated 200 is repeated");
    bench.command(Command::SendInfo {
        call,
        content_type: "application/dtmf-relay".into(),
        body: b"Signal=1\r\n".to_vec(),
    });
    assert!(field(&bench.last(), Name::CSeq) == "2 INFO" && bench.last().ends_with("\r\n\r\nSignal=1\r\n"));
    bench.command(Command::HangUp { call, reason: None });
    let bye = bench.last();
    assert_eq!(field(&bye, Name::CSeq), "3 BYE");
    bench.receive(&response(bye.as_bytes(), 200, "", "", ""));
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::LocalHangUp }]);
    bench.said();
    bench.receive(&response(invite.as_bytes(), 200, "t1", CONTACT, "v=0 answer"));
    assert_eq!(bench.said(), ["ACK"], "also when the call is over");
    bench.pass(Duration::from_secs(70));
    assert_eq!((bench.ua.calls(), bench.ua.transactions()), (0, 0));
}

#[test]
fn the_callee_hangs_up() {
    let (mut bench, call, invite) = placed();
    bench.receive(&response(invite.as_bytes(), 200, "t1", CONTACT, "v=0"));
    bench.happened();
    let from = field(&invite, Name::From);
    let bye = format!(
        "BYE sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKp\r\nFrom: <sip:5000@192.0.2.9>;tag=t1\r\nTo: {from}\r\nCall-ID: {}\r\nCSeq: 9 BYE\r\n\r\n",
        field(&invite, Name::CallId)
    );
    bench.receive(&bye);
    assert_eq!(
        bench.happened(),
        [Event::Bye { call, reason: None }, Event::Ended { call, cause: EndCause::RemoteBye }]
    );
    assert_eq!(bench.said(), ["ACK", "200"]);
}

#[test]
fn refusals_are_acknowledged_in_the_transaction() {
    for status in [302, 404, 486, 503, 603, 401] {
        let (mut bench, call, invite) = placed();
        let refusal = response(invite.as_bytes(), status, "t", "", "");
        bench.receive(&refusal);
        let ack = bench.last();
        assert!(ack.starts_with("ACK sip:5000@192.0.2.9 "));
        assert_eq!(field(&ack, Name::Via), field(&invite, Name::Via));
        assert!(field(&ack, Name::To).ends_with(";tag=t"));
        bench.receive(&refusal);
        assert_eq!(bench.said(), ["ACK", "ACK"]);
        let reason = "X".to_owned();
        assert_eq!(
            bench.happened(),
            [
                Event::Refused { call, status, reason, cause: None },
                Event::Ended { call, cause: EndCause::Refused }
            ]
        );
    }
}

#[test]
fn silence_is_408_and_an_unreachable_peer_503() {
    let (mut bench, call, _) = placed();
    bench.pass(Duration::from_secs(33));
    assert_eq!(bench.said().len(), 6);
    let reason = "Request Timeout".to_owned();
    assert_eq!(
        bench.happened(),
        [
            Event::Refused { call, status: 408, reason, cause: None },
            Event::Ended { call, cause: EndCause::Refused }
        ]
    );

    let (mut bench, ..) = placed();
    let path = bench.path;
    bench.input(Input::SendFailed { path, reason: String::new() });
    assert!(matches!(bench.happened()[0], Event::Refused { status: 503, .. }));
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let (mut bench, call, invite) = placed();
    bench.command(Command::HangUp { call, reason: None });
    assert!(bench.said().is_empty());
    bench.receive(&response(invite.as_bytes(), 180, "t1", "", ""));
    let cancel = bench.last();
    assert_eq!(
        (field(&cancel, Name::Via), field(&cancel, Name::CSeq)),
        (field(&invite, Name::Via), "1 CANCEL".into())
    );
    bench.receive(&response(cancel.as_bytes(), 200, "t1", "", ""));
    bench.receive(&response(invite.as_bytes(), 487, "t1", "", ""));
    assert_eq!(bench.said(), ["CANCEL", "ACK"]);
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::Cancelled }]);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_hung_up() {
    let (mut bench, call, invite) = placed();
    bench.receive(&response(invite.as_bytes(), 180, "t1", "", ""));
    bench.happened();
    bench.command(Command::HangUp { call, reason: None });
    bench.receive(&response(invite.as_bytes(), 200, "t1", CONTACT, "v=0"));
    let bye = bench.last();
    assert_eq!(bench.said(), ["CANCEL", "ACK", "BYE"]);
    bench.receive(&response(bye.as_bytes(), 200, "", "", ""));
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::Cancelled }]);
}

#[test]
fn a_cancelled_call_without_final_response_is_given_up() {
    let (mut bench, call, invite) = placed();
    bench.receive(&response(invite.as_bytes(), 180, "t1", "", ""));
    bench.happened();
    bench.command(Command::HangUp { call, reason: None });
    bench.pass(Duration::from_secs(33));
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::Cancelled }]);
}

#[test]
fn of_two_answers_the_second_is_acknowledged_and_hung_up() {
    let (mut bench, call, invite) = placed();
    bench.receive(&response(invite.as_bytes(), 180, "t1", CONTACT, ""));
    bench.receive(&response(invite.as_bytes(), 180, "t2", CONTACT, ""));
    bench.receive(&response(invite.as_bytes(), 200, "t1", CONTACT, "v=0"));
    bench.receive(&response(invite.as_bytes(), 200, "t2", CONTACT, "v=0"));
    assert_eq!(bench.said(), ["ACK", "ACK", "BYE"]);
    bench.receive(&response(invite.as_bytes(), 200, "t2", CONTACT, "v=0"));
    assert_eq!(bench.said(), ["ACK"]);
    let answered = bench.happened().iter().filter(|e| matches!(e, Event::Answered { .. })).count();
    assert_eq!((answered, bench.ua.calls()), (1, 1));
    let _ = call;
}

#[test]
fn route_set_and_target_come_from_the_answer() {
    let (mut bench, call, invite) = placed();
    let extra = "Contact: <sip:c@10.1.1.1>\r\nRecord-Route: <sip:far.example;lr>, <sip:192.0.2.77;lr>\r\n";
    bench.receive(&response(invite.as_bytes(), 200, "t1", extra, ""));
    let ack = bench.last();
    assert!(
        ack.starts_with("ACK sip:c@10.1.1.1 ")
            && ack.contains("Route: <sip:192.0.2.77;lr>\r\nRoute: <sip:far.example;lr>"),
        "{ack}"
    );
    assert_eq!(bench.sent.last().unwrap().1.remote.to_string(), "192.0.2.77:5060");
    let _ = call;
}

#[test]
fn over_tcp_a_connection_is_made_and_messages_wait_for_it() {
    let path = Flow { connection: None, ..tcp("192.0.2.1:5060", "192.0.2.9:5060", 0) };
    let mut bench = Bench::with(Config::default(), path);
    let call = bench.ua.next_call_handle();
    let (to, from) = ("sip:5000@192.0.2.9;transport=tcp".to_owned(), "sip:demo@192.0.2.1".to_owned());
    bench.command(Command::Invite(Box::new(Invite::new(call, to.clone(), from.clone(), path, SDP.into()))));
    assert!(bench.sent.is_empty() && matches!(bench.others.as_slice(), [Output::Connect { .. }]));
    let connected = Flow { connection: Some(5), local: "192.0.2.1:33333".parse().unwrap(), ..path };
    bench.input(Input::Connected { path: connected });
    assert_eq!(bench.said(), ["INVITE"]);
    bench.pass(Duration::from_secs(10));
    assert!(bench.said().is_empty(), "no retransmission over TCP");
    bench.input(Input::Closed { connection: 5 });
    assert!(matches!(bench.happened().as_slice(), [Event::Refused { status: 503, .. }, Event::Ended { .. }]));

    let call = bench.ua.next_call_handle();
    bench.command(Command::Invite(Box::new(Invite::new(call, to, from, path, SDP.into()))));
    bench.input(Input::SendFailed { path, reason: String::new() });
    assert!(matches!(bench.happened().as_slice(), [Event::Refused { status: 503, .. }, Event::Ended { .. }]));
}

#[test]
fn bad_targets_are_refused_at_once() {
    for (to, status) in [("5000", 416), ("sip:a b@c", 416), ("", 416)] {
        let mut bench = Bench::new();
        let call = bench.ua.next_call_handle();
        let path = bench.path;
        bench.command(Command::Invite(Box::new(Invite::new(
            call,
            to.into(),
            "sip:a@b".into(),
            path,
            vec![],
        ))));
        assert!(matches!(bench.happened()[0], Event::Refused { status: s, .. } if s == status));
        assert_eq!(bench.ua.calls(), 0);
    }
}

#[test]
fn reasons_go_with_cancel_and_come_with_refusals() {
    let (mut bench, call, invite) = placed();
    bench.receive(&response(invite.as_bytes(), 180, "t1", "", ""));
    bench.command(Command::HangUp { call, reason: Some("Call completed elsewhere".into()) });
    assert_eq!(field(&bench.last(), Name::Reason), "SIP;cause=200;text=\"Call completed elsewhere\"");

    let (mut bench, call, invite) = placed();
    bench.receive(&response(invite.as_bytes(), 503, "t1", "Reason: Q.850;cause=34\r\n", ""));
    let (reason, cause) = ("X".to_owned(), Some("Q.850;cause=34".to_owned()));
    assert_eq!(
        bench.happened(),
        [
            Event::Refused { call, status: 503, reason, cause },
            Event::Ended { call, cause: EndCause::Refused }
        ]
    );
}

#[test]
fn a_branch_that_is_over_does_not_ring() {
    let (mut bench, call, invite) = placed();
    bench.receive(&response(invite.as_bytes(), 180, "t1", CONTACT, ""));
    bench.receive(&response(invite.as_bytes(), 199, "t1", "Require: 100rel\r\nRSeq: 5\r\n", ""));
    assert_eq!(bench.said(), ["PRACK"]);
    bench.receive(&response(invite.as_bytes(), 199, "t2", "", ""));
    assert_eq!(bench.happened(), [Event::Ringing { call, status: 180, sdp: None }]);
}
