//! Reliable provisional responses (RFC 3262), both sides, with the offers and answers of RFC 3311 and RFC 6337.

use crate::support::*;
use passline_sip::message::Name;
use passline_sip::*;
use std::time::Duration;

const SUPPORTED: &str =
    "Contact: <sip:c@192.0.2.9>\r\nSupported: 100rel\r\nAllow: UPDATE\r\nc: application/sdp\r\n";
const REQUIRED: &str = "Contact: <sip:c@192.0.2.9>\r\nRequire: 100rel\r\nc: application/sdp\r\n";

fn ring(call: CallHandle, sdp: Option<&str>) -> Command {
    Command::Ring { call, sdp: sdp.map(|s| s.as_bytes().to_vec()) }
}

fn accept(call: CallHandle) -> Command {
    Command::Accept { call, sdp: b"v=0 accept".to_vec() }
}

fn called(rel100: Rel100, extra: &str, sdp: &str) -> (Bench, CallHandle) {
    let policy = CallPolicy { rel100, ..CallPolicy::default() };
    let mut bench =
        Bench::with(Config { policy, ..Config::default() }, udp("192.0.2.1:5060", "192.0.2.9:5060"));
    bench.receive(&request("INVITE", "z9hG4bKa", 1, "", extra, sdp));
    let Some(Event::Incoming { call, .. }) = bench.happened().pop() else { panic!("{:?}", bench.said()) };
    bench.said();
    (bench, call)
}

fn rseq(text: &str) -> u32 {
    field(text, Name::RSeq).parse().unwrap()
}

fn prack(branch: &str, cseq: u32, ringing: &str, extra: &str, body: &str) -> String {
    let rack = format!("RAck: {} 1 INVITE\r\n{extra}", rseq(ringing));
    request("PRACK", branch, cseq, &tag_of(ringing), &rack, body)
}

#[test]
fn when_a_provisional_response_is_reliable() {
    let plain = "Contact: <sip:c@192.0.2.9>\r\nc: application/sdp\r\n";
    let table = [
        (Rel100::Never, SUPPORTED, false),
        (Rel100::Required, plain, false),
        (Rel100::Required, SUPPORTED, false),
        (Rel100::Required, REQUIRED, true),
        (Rel100::Prefer, plain, false),
        (Rel100::Prefer, SUPPORTED, true),
        (Rel100::Prefer, REQUIRED, true),
    ];
    for (rel100, extra, reliable) in table {
        let (mut bench, call) = called(rel100, extra, SDP);
        bench.command(ring(call, None));
        let ringing = bench.last();
        assert_eq!(field(&ringing, Name::Require) == "100rel", reliable, "{rel100:?} {extra}");
        assert_eq!(field(&ringing, Name::RSeq).is_empty(), !reliable);
        assert!(ringing.starts_with("SIP/2.0 180 ") && field(&ringing, Name::Allow).contains("PRACK"));
    }
    let policy = CallPolicy { rel100: Rel100::Never, ..CallPolicy::default() };
    let mut bench =
        Bench::with(Config { policy, ..Config::default() }, udp("192.0.2.1:5060", "192.0.2.9:5060"));
    bench.receive(&request("INVITE", "z9hG4bKa", 1, "", REQUIRED, SDP));
    assert!(bench.last().starts_with("SIP/2.0 420 ") && bench.last().contains("Unsupported: 100rel\r\n"));
}

#[test]
fn a_reliable_response_is_repeated_without_a_cap_and_then_refused() {
    let (mut bench, call) = called(Rel100::Required, REQUIRED, SDP);
    bench.command(ring(call, None));
    bench.pass(Duration::from_secs(33));
    let times: Vec<_> = bench.said_when();
    let want: Vec<(u128, String)> = [0u128, 500, 1500, 3500, 7500, 15500, 31500]
        .map(|ms| (ms, "180".to_owned()))
        .into_iter()
        .chain([(32000, "504".to_owned()), (32500, "504".to_owned())])
        .collect();
    assert_eq!(times, want, "RFC 3262 §3: T1 doubles, not capped at T2, 64*T1 in all");
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::NoPrack }]);
}

#[test]
fn a_prack_ends_the_repetitions_and_only_its_own() {
    let (mut bench, call) = called(Rel100::Required, REQUIRED, SDP);
    bench.command(ring(call, None));
    let ringing = bench.last();
    bench.said();
    let tag = tag_of(&ringing);
    let good = rseq(&ringing);
    for (n, rack) in
        [format!("{} 1 INVITE", good.wrapping_add(1)), format!("{good} 2 INVITE"), format!("{good} 1 UPDATE")]
            .iter()
            .enumerate()
    {
        let text =
            request("PRACK", &format!("z9hG4bKp{n}"), 2 + n as u32, &tag, &format!("RAck: {rack}\r\n"), "");
        bench.receive(&text);
    }
    assert_eq!(bench.said(), ["481", "481", "400"]);
    let text = prack("z9hG4bKgood", 6, &ringing, "", "");
    bench.receive(&text);
    bench.receive(&text);
    bench.receive(&prack("z9hG4bKagain", 7, &ringing, "", ""));
    assert_eq!(bench.said(), ["200", "200", "481"], "a copy gets the same answer, another PRACK none");
    bench.pass(Duration::from_secs(40));
    assert!(bench.said().is_empty() && bench.happened().is_empty());
}

#[test]
fn one_at_a_time_with_rising_numbers() {
    let (mut bench, call) = called(Rel100::Required, REQUIRED, SDP);
    bench.command(ring(call, None));
    let first = bench.last();
    bench.command(ring(call, Some("v=0 early")));
    bench.command(ring(call, None));
    assert_eq!(bench.said(), ["180"]);
    bench.receive(&prack("z9hG4bKp1", 2, &first, "", ""));
    let second = bench.last();
    assert_eq!(bench.said(), ["200", "183"]);
    assert_eq!(rseq(&second), rseq(&first) + 1);
    assert!(second.ends_with("\r\n\r\nv=0 early"));
    // RFC 3262 §3: the 2xx waits for the PRACK of a response with a description.
    bench.command(accept(call));
    assert!(bench.said().is_empty());
    bench.receive(&prack("z9hG4bKp2", 3, &second, "", ""));
    let ok = bench.last();
    assert_eq!(bench.said(), ["200", "200"]);
    assert!(ok.ends_with("Content-Length: 0\r\n\r\n"), "the answer has gone reliably: {ok}");
    bench.receive(&request("ACK", "z9hG4bKk", 1, &tag_of(&ok), "", ""));
    assert_eq!(bench.happened(), [Event::Confirmed { call, sdp: None }]);
}

#[test]
fn a_2xx_does_not_wait_for_a_response_without_description() {
    let (mut bench, call) = called(Rel100::Prefer, SUPPORTED, SDP);
    bench.command(ring(call, None));
    let ringing = bench.last();
    bench.command(accept(call));
    assert!(bench.last().ends_with("v=0 accept"));
    assert_eq!(bench.said(), ["180", "200"]);
    bench.receive(&prack("z9hG4bKp", 2, &ringing, "", ""));
    assert_eq!(bench.said(), ["200"], "a PRACK under way still finds its response");
    bench.pass(Duration::from_millis(400));
    assert!(bench.said().is_empty());
}

#[test]
fn a_plain_183_is_followed_by_the_same_answer() {
    let (mut bench, call) = called(Rel100::Required, SUPPORTED, SDP);
    bench.command(ring(call, Some("v=0 early")));
    assert!(bench.last().starts_with("SIP/2.0 183 ") && bench.last().ends_with("v=0 early"));
    bench.pass(Duration::from_secs(59));
    assert_eq!(bench.said(), ["183"]);
    bench.pass(Duration::from_secs(62));
    assert_eq!(bench.said(), ["183", "183"], "each minute, or proxies give up (RFC 3261 §13.3.1.1)");
    bench.command(accept(call));
    assert!(bench.last().ends_with("v=0 accept"));
}

#[test]
fn a_delayed_offer_travels_reliably_and_is_answered_in_the_prack() {
    let (mut bench, call) = called(Rel100::Required, REQUIRED, "");
    bench.command(ring(call, Some("v=0 offer")));
    let offer = bench.last();
    assert!(offer.ends_with("v=0 offer"));
    bench.said();
    // Glare: our offer is open (RFC 3311 §5.2).
    let update = "Contact: <sip:c@192.0.2.9>\r\nc: application/sdp\r\n";
    bench.receive(&request("UPDATE", "z9hG4bKu", 2, &tag_of(&offer), update, "v=0 theirs"));
    assert_eq!(bench.said(), ["491"]);
    bench.receive(&prack("z9hG4bKp", 3, &offer, "c: application/sdp\r\n", "v=0 answer"));
    assert_eq!(bench.happened(), [Event::EarlyAnswer { call, sdp: b"v=0 answer".to_vec() }]);
    bench.command(accept(call));
    assert!(bench.last().ends_with("Content-Length: 0\r\n\r\n"));
    // Without 100rel there is nothing to offer in: 180 only.
    let (mut bench, call) = called(Rel100::Required, "Contact: <sip:c@192.0.2.9>\r\n", "");
    bench.command(ring(call, Some("v=0 offer")));
    assert!(bench.last().ends_with("Content-Length: 0\r\n\r\n"));
    bench.command(accept(call));
    assert!(bench.last().ends_with("v=0 accept"), "the offer goes in the 200");
}

#[test]
fn updates_before_the_answer() {
    let update = "Contact: <sip:moved@192.0.2.9:5070>\r\nc: application/sdp\r\n";
    // Before our answer has gone reliably: 500 with a wait (RFC 3311 §5.2).
    let (mut bench, call) = called(Rel100::Prefer, SUPPORTED, SDP);
    bench.command(ring(call, None));
    let ringing = bench.last();
    bench.receive(&prack("z9hG4bKp", 2, &ringing, "", ""));
    bench.said();
    bench.receive(&request("UPDATE", "z9hG4bKu", 3, &tag_of(&ringing), update, "v=0 new"));
    assert!(bench.last().starts_with("SIP/2.0 500 ") && bench.last().contains("Retry-After: "));
    bench.receive(&request(
        "UPDATE",
        "z9hG4bKu2",
        4,
        &tag_of(&ringing),
        "Contact: <sip:c@192.0.2.9>\r\n",
        "",
    ));
    assert!(bench.last().starts_with("SIP/2.0 200 "), "without an offer nothing is in the way");
    // After it: the layer above answers, and an Accept waits for that.
    bench.command(ring(call, Some("v=0 early")));
    let early = bench.last();
    bench.receive(&prack("z9hG4bKp3", 5, &early, "", ""));
    bench.said();
    bench.receive(&request("UPDATE", "z9hG4bKu3", 6, &tag_of(&early), update, "v=0 new"));
    assert_eq!(bench.happened(), [Event::Reoffered { call, sdp: Some(b"v=0 new".to_vec()) }]);
    bench.receive(&request("UPDATE", "z9hG4bKu4", 7, &tag_of(&early), update, "v=0 newer"));
    assert_eq!(bench.said(), ["500"]);
    bench.command(accept(call));
    assert!(bench.said().is_empty());
    bench.command(Command::AcceptReinvite { call, sdp: b"v=0 answer".to_vec() });
    assert_eq!(bench.said(), ["200", "200"]);
    bench.receive(&request("ACK", "z9hG4bKk", 1, &tag_of(&early), "", ""));
    bench.command(Command::HangUp { call, reason: None });
    assert!(bench.last().starts_with("BYE sip:moved@192.0.2.9:5070 "), "UPDATE refreshed the target");
}

#[test]
fn our_update_before_the_answer() {
    let (mut bench, call) = called(Rel100::Prefer, SUPPORTED, SDP);
    bench.command(ring(call, Some("v=0 early")));
    let early = bench.last();
    bench.command(Command::Reinvite { call, sdp: b"v=0 changed".to_vec() });
    assert_eq!(bench.said(), ["183"], "not before the PRACK (RFC 3311 §5.1)");
    bench.receive(&prack("z9hG4bKp", 2, &early, "", ""));
    let update = bench.last();
    assert_eq!(bench.said(), ["200", "UPDATE"]);
    assert!(update.ends_with("v=0 changed"));
    bench.receive(&response(update.as_bytes(), 200, "", "c: application/sdp\r\n", "v=0 theirs"));
    assert_eq!(bench.happened(), [Event::Reanswered { call, result: Ok(Some(b"v=0 theirs".to_vec())) }]);
}

#[test]
fn an_offer_in_a_prack_is_answered_in_its_200() {
    let (mut bench, call) = called(Rel100::Prefer, SUPPORTED, SDP);
    bench.command(ring(call, Some("v=0 early")));
    let early = bench.last();
    bench.said();
    bench.receive(&prack("z9hG4bKp", 2, &early, "c: application/sdp\r\n", "v=0 again"));
    assert_eq!(bench.happened(), [Event::Reoffered { call, sdp: Some(b"v=0 again".to_vec()) }]);
    assert!(bench.said().is_empty());
    bench.command(Command::AcceptReinvite { call, sdp: b"v=0 third".to_vec() });
    assert!(bench.last().starts_with("SIP/2.0 200 ") && bench.last().ends_with("v=0 third"));
    assert_eq!(field(&bench.last(), Name::CSeq), "2 PRACK");
}

#[test]
fn cancel_and_bye_while_a_prack_is_missing() {
    let (mut bench, call) = called(Rel100::Required, REQUIRED, SDP);
    bench.command(ring(call, Some("v=0 early")));
    let early = bench.last();
    bench.command(accept(call));
    bench.receive(&request("CANCEL", "z9hG4bKa", 1, "", "Reason: SIP;cause=200\r\n", ""));
    assert_eq!(bench.said(), ["183", "200", "487"]);
    let reason = Some("SIP;cause=200".to_owned());
    assert_eq!(
        bench.happened(),
        [Event::Cancelled { call, reason }, Event::Ended { call, cause: EndCause::Cancelled }]
    );
    bench.receive(&prack("z9hG4bKp", 2, &early, "", ""));
    assert_eq!(bench.said(), ["481"]);
    bench.receive(&request("ACK", "z9hG4bKa", 1, &tag_of(&early), "", ""));
    bench.pass(Duration::from_secs(60));
    assert_eq!((bench.said().len(), bench.ua.transactions(), bench.ua.deadline()), (0, 0, None));

    let (mut bench, call) = called(Rel100::Required, REQUIRED, SDP);
    bench.command(ring(call, Some("v=0 early")));
    let tag = tag_of(&bench.last());
    bench.receive(&request("BYE", "z9hG4bKb", 2, &tag, "", ""));
    assert_eq!(bench.said(), ["183", "200", "487"]);
    assert!(matches!(bench.happened().last(), Some(Event::Ended { cause: EndCause::RemoteBye, .. })));
    let _ = call;
}

fn placed(sdp: &str) -> (Bench, CallHandle, String) {
    let mut bench = Bench::new();
    let call = bench.ua.next_call_handle();
    let path = bench.path;
    let (to, from) = ("sip:5000@192.0.2.9".into(), "sip:demo@192.0.2.1".into());
    bench.command(Command::Invite(Box::new(Invite::new(call, to, from, path, sdp.into()))));
    let invite = bench.last();
    bench.said();
    (bench, call, invite)
}

fn reliable(invite: &str, status: u16, tag: &str, rseq: u32, sdp: &str) -> String {
    let extra = format!(
        "Contact: <sip:callee@192.0.2.9:5060>\r\nRequire: 100rel\r\nAllow: UPDATE\r\nRSeq: {rseq}\r\nc: application/sdp\r\n"
    );
    response(invite.as_bytes(), status, tag, &extra, sdp)
}

#[test]
fn our_prack_names_what_it_acknowledges() {
    let (mut bench, call, invite) = placed(SDP);
    assert!(field(&invite, Name::Supported).contains("100rel"));
    let ringing = reliable(&invite, 183, "t1", 4_000_000_000, "v=0 early");
    bench.receive(&ringing);
    let prack = bench.last();
    assert!(prack.starts_with("PRACK sip:callee@192.0.2.9:5060 "));
    assert_eq!(
        (field(&prack, Name::RAck), field(&prack, Name::CSeq)),
        ("4000000000 1 INVITE".into(), "2 PRACK".into())
    );
    bench.receive(&ringing);
    assert_eq!(bench.said(), ["PRACK"], "a copy is dropped (RFC 3262 §4)");
    bench.receive(&reliable(&invite, 180, "t1", 4_000_000_002, ""));
    assert!(bench.said().is_empty(), "out of order: not acknowledged");
    bench.receive(&response(prack.as_bytes(), 200, "", "", ""));
    bench.receive(&reliable(&invite, 180, "t1", 4_000_000_001, ""));
    assert_eq!(field(&bench.last(), Name::RAck), "4000000001 1 INVITE");
    bench.receive(&reliable(&invite, 180, "t2", 7, ""));
    assert_eq!(field(&bench.last(), Name::RAck), "7 1 INVITE", "each callee counts by itself");
    assert_eq!(
        bench.happened(),
        [
            Event::Ringing { call, status: 183, sdp: Some(b"v=0 early".to_vec()) },
            Event::Ringing { call, status: 180, sdp: None },
            Event::Ringing { call, status: 180, sdp: None },
        ]
    );
    // The answer came reliably; what the 200 says beside it counts for nothing (RFC 3261 §13.2.1).
    bench.receive(&response(
        invite.as_bytes(),
        200,
        "t1",
        "Contact: <sip:callee@192.0.2.9>\r\nc: application/sdp\r\n",
        "v=0 other",
    ));
    assert_eq!(bench.happened(), [Event::Answered { call, sdp: Some(b"v=0 early".to_vec()) }]);
}

#[test]
fn a_200_without_description_means_the_early_one() {
    for early in [
        |invite: &str| reliable(invite, 183, "t1", 1, "v=0 early"),
        |invite: &str| response(invite.as_bytes(), 183, "t1", "c: application/sdp\r\n", "v=0 early"),
    ] {
        let (mut bench, call, invite) = placed(SDP);
        bench.receive(&early(&invite));
        bench.happened();
        bench.receive(&response(invite.as_bytes(), 200, "t1", "Contact: <sip:callee@192.0.2.9>\r\n", ""));
        assert_eq!(bench.happened(), [Event::Answered { call, sdp: Some(b"v=0 early".to_vec()) }]);
    }
}

#[test]
fn an_offer_in_a_response_is_answered_in_prack_or_ack() {
    let (mut bench, call, invite) = placed("");
    bench.receive(&reliable(&invite, 183, "t1", 1, "v=0 offer"));
    assert_eq!(bench.happened(), [Event::Ringing { call, status: 183, sdp: Some(b"v=0 offer".to_vec()) }]);
    assert!(bench.said().is_empty(), "the PRACK waits for the answer");
    bench.command(Command::Acknowledge { call, sdp: b"v=0 answer".to_vec() });
    let prack = bench.last();
    assert!(prack.starts_with("PRACK ") && prack.ends_with("v=0 answer"));
    bench.receive(&response(invite.as_bytes(), 200, "t1", "Contact: <sip:callee@192.0.2.9>\r\n", ""));
    assert_eq!(bench.said(), ["PRACK", "ACK"]);
    assert_eq!(bench.happened(), [Event::Answered { call, sdp: None }]);

    let (mut bench, call, invite) = placed("");
    let ok = response(
        invite.as_bytes(),
        200,
        "t1",
        "Contact: <sip:callee@192.0.2.9>\r\nc: application/sdp\r\n",
        "v=0 offer",
    );
    bench.receive(&ok);
    bench.receive(&ok);
    assert_eq!(bench.happened(), [Event::Answered { call, sdp: Some(b"v=0 offer".to_vec()) }]);
    assert!(bench.said().is_empty(), "the ACK waits for the answer");
    bench.command(Command::Acknowledge { call, sdp: b"v=0 answer".to_vec() });
    bench.receive(&ok);
    assert!(bench.last().starts_with("ACK ") && bench.last().ends_with("v=0 answer"));
    assert_eq!(bench.said(), ["ACK", "ACK"]);
    bench.command(Command::HangUp { call, reason: None });
    assert_eq!(bench.said(), ["BYE"]);

    // Hung up before the layer above answered: ACK first.
    let (mut bench, call, invite) = placed("");
    bench.receive(&response(invite.as_bytes(), 200, "t1", "c: application/sdp\r\n", "v=0 offer"));
    bench.command(Command::HangUp { call, reason: None });
    assert_eq!(bench.said(), ["ACK", "BYE"]);
}

#[test]
fn a_cancelled_call_still_acknowledges_what_rings() {
    let (mut bench, call, invite) = placed(SDP);
    bench.command(Command::HangUp { call, reason: None });
    bench.receive(&reliable(&invite, 180, "t1", 1, ""));
    assert_eq!(bench.said(), ["PRACK", "CANCEL"]);
    assert!(bench.happened().is_empty());
    bench.receive(&response(invite.as_bytes(), 487, "t1", "", ""));
    assert_eq!(bench.happened(), [Event::Ended { call, cause: EndCause::Cancelled }]);
}
