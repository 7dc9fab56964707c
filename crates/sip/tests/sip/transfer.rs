//! REFER in both directions (RFC 3515, 3892, 4488), its notices (RFC 3420, 6665), and Replaces (RFC 3891).

use crate::support::*;
use passline_sip::message::Name;
use passline_sip::*;
use std::time::Duration;

const TO: &str = "Refer-To: <sip:desk@203.0.113.7>\r\n";

fn refer(branch: &str, cseq: u32, tag: &str, extra: &str) -> String {
    request("REFER", branch, cseq, tag, extra, "")
}

/// A NOTIFY from the peer of [`Bench::confirmed`].
fn notify(cseq: u32, tag: &str, event: &str, state: &str, body: &str) -> String {
    let extra = format!(
        "Event: {event}\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag;version=2.0\r\n"
    );
    request("NOTIFY", &format!("z9hG4bKn{cseq}"), cseq, tag, &extra, body)
}

fn progress(call: CallHandle, status: u16, reason: &str, done: bool) -> Event {
    Event::ReferProgress { call, status, reason: reason.into(), done }
}

#[test]
fn we_refer_and_hear_how_it_goes() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    bench.command(Command::Refer { call, to: "sip:desk@203.0.113.7".into(), replaces: None });
    let refer = bench.last();
    assert!(refer.starts_with("REFER sip:caller@192.0.2.9:5060 "));
    assert_eq!(field(&refer, Name::ReferTo), "<sip:desk@203.0.113.7>");
    assert_eq!(field(&refer, Name::ReferredBy), "<sip:5000@192.0.2.1>");
    assert!(!field(&refer, Name::Contact).is_empty());
    // The NOTIFY may overtake the 202.
    bench.receive(&notify(2, &tag, "refer", "active;expires=60", "SIP/2.0 100 Trying\r\n"));
    bench.receive(&response(refer.as_bytes(), 202, "", "", ""));
    bench.receive(&notify(3, &tag, "Refer", "active", "SIP/2.0 180 Ringing\r\n"));
    bench.receive(&notify(4, &tag, "refer", "terminated;reason=noresource", "SIP/2.0 200 OK\r\n"));
    assert_eq!(bench.said(), ["REFER", "200", "200", "200"]);
    assert_eq!(
        bench.happened(),
        [
            progress(call, 100, "Trying", false),
            progress(call, 180, "Ringing", false),
            progress(call, 200, "OK", true)
        ]
    );
    bench.receive(&notify(5, &tag, "refer", "active", "SIP/2.0 200 OK\r\n"));
    assert_eq!(bench.said(), ["481"], "the subscription is over");
    bench.command(Command::Refer { call, to: "sip:x@y".into(), replaces: None });
    assert!(bench.last().starts_with("REFER "), "another may follow");
}

#[test]
fn refusals_of_our_refer() {
    for (status, ends) in [(405, false), (403, false), (603, false), (481, true)] {
        let mut bench = Bench::new();
        let (call, _) = bench.confirmed();
        bench.command(Command::Refer { call, to: "sip:desk@d".into(), replaces: None });
        let refer = bench.last();
        bench.said();
        bench.receive(&response(refer.as_bytes(), status, "", "", ""));
        assert_eq!(bench.happened(), [progress(call, status, "X", true)]);
        assert_eq!(bench.said() == ["BYE"], ends);
    }
    // No subscription (RFC 4488): accepted, and no more is heard.
    let mut bench = Bench::new();
    let (call, _) = bench.confirmed();
    bench.command(Command::Refer { call, to: "sip:desk@d".into(), replaces: None });
    let refer = bench.last();
    bench.receive(&response(refer.as_bytes(), 202, "", "Refer-Sub: false\r\n", ""));
    assert_eq!(bench.happened(), [progress(call, 202, "X", true)]);
}

#[test]
fn a_subscription_without_news_runs_out() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    bench.command(Command::Refer { call, to: "sip:desk@d".into(), replaces: None });
    let refer = bench.last();
    bench.receive(&response(refer.as_bytes(), 202, "", "", ""));
    bench.receive(&notify(2, &tag, "refer;id=2147483648", "active", "SIP/2.0 100 Trying\r\n"));
    assert_eq!(bench.said(), ["REFER", "481"], "of another REFER");
    bench.receive(&notify(3, &tag, "refer", "active;expires=30", "SIP/2.0 100 Trying\r\n"));
    bench.happened();
    bench.pass(Duration::from_secs(31));
    assert_eq!(bench.happened(), [progress(call, 408, "Request Timeout", true)]);
    assert_eq!(bench.ua.calls(), 1, "the call goes on");
}

#[test]
fn bad_targets_and_crossing_refers() {
    let mut bench = Bench::new();
    let (call, _) = bench.confirmed();
    bench.command(Command::Refer { call, to: "desk".into(), replaces: None });
    bench.command(Command::Refer { call, to: "sip:d@d".into(), replaces: Some(CallHandle(999)) });
    bench.command(Command::Refer { call, to: "sip:d@d".into(), replaces: None });
    bench.command(Command::Refer { call, to: "sip:d@d".into(), replaces: None });
    let statuses: Vec<u16> = bench
        .happened()
        .iter()
        .filter_map(|e| {
            if let Event::ReferProgress { status, done: true, .. } = e { Some(*status) } else { None }
        })
        .collect();
    assert_eq!(statuses, [416, 481, 491]);
    assert_eq!(bench.said(), ["REFER"]);
}

#[test]
fn bad_fragments() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    bench.command(Command::Refer { call, to: "sip:desk@d".into(), replaces: None });
    bench.said();
    bench.receive(&request(
        "NOTIFY",
        "z9hG4bKx",
        2,
        &tag,
        "Event: refer\r\nSubscription-State: active\r\nContent-Type: text/plain\r\n",
        "hello",
    ));
    assert_eq!(bench.said(), ["415"]);
    bench.receive(&notify(3, &tag, "refer", "active", "hello \u{1b}[31m"));
    assert_eq!(bench.happened(), [progress(call, 100, "Trying", false)], "no status line: as before");
    bench.receive(&notify(4, &tag, "refer", "active", "SIP/2.0 486 Bu\u{1b}sy"));
    assert_eq!(bench.happened(), [progress(call, 486, "Bu\u{fffd}sy", true)]);
}

#[test]
fn the_peer_refers_us() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    let by = format!("{TO}Referred-By: \"Al\u{1b}ice\" <sip:alice@pbx>\r\n");
    let text = refer("z9hG4bKr", 2, &tag, &by);
    bench.receive(&text);
    assert!(bench.said().is_empty(), "the layer above decides");
    assert_eq!(
        bench.happened(),
        [Event::Referred {
            call,
            to: "sip:desk@203.0.113.7".into(),
            replaces: None,
            referred_by: Some("\"Al\u{fffd}ice\" <sip:alice@pbx>".into())
        }]
    );
    bench.receive(&refer("z9hG4bKr2", 3, &tag, TO));
    assert_eq!(bench.said(), ["491"], "one after the other");
    bench.command(Command::AcceptRefer { call });
    let first = bench.last();
    assert_eq!(bench.said(), ["202", "NOTIFY"]);
    assert!(
        first.starts_with("NOTIFY sip:caller@192.0.2.9:5060 ")
            && first.ends_with("\r\n\r\nSIP/2.0 100 Trying\r\n")
    );
    assert_eq!(field(&first, Name::Event), "refer");
    assert_eq!(field(&first, Name::SubscriptionState), "active;expires=180");
    assert_eq!(field(&first, Name::ContentType), "message/sipfrag;version=2.0");
    bench.receive(&response(first.as_bytes(), 200, "", "", ""));
    bench.receive(&text);
    assert_eq!(bench.said(), ["202"], "a copy of the REFER");
    bench.command(Command::NotifyRefer { call, status: 180, reason: String::new(), done: false });
    assert!(bench.last().ends_with("SIP/2.0 180 Ringing\r\n"));
    bench.command(Command::NotifyRefer { call, status: 200, reason: "Fi\r\nne".into(), done: true });
    let last = bench.last();
    assert_eq!(field(&last, Name::SubscriptionState), "terminated;reason=noresource");
    assert!(last.ends_with("SIP/2.0 200 Fi\u{fffd}\u{fffd}ne\r\n"), "{last}");
    assert_eq!(bench.said(), ["NOTIFY", "NOTIFY"]);
    bench.command(Command::NotifyRefer { call, status: 200, reason: String::new(), done: true });
    assert!(bench.said().is_empty());
    // The next one in this dialog carries an id (RFC 3515 §2.4.6).
    bench.receive(&refer("z9hG4bKr4", 9, &tag, TO));
    bench.command(Command::AcceptRefer { call });
    assert_eq!(field(&bench.last(), Name::Event), "refer;id=9");
}

#[test]
fn what_is_refused_by_itself() {
    for (extra, status) in [
        ("", "400"),
        ("Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>\r\n", "400"),
        ("Refer-To: nonsense\r\n", "400"),
        ("Refer-To: <mailto:a@b>\r\n", "416"),
        ("Refer-To: <sip:a@b;method=SUBSCRIBE>\r\n", "403"),
    ] {
        let mut bench = Bench::new();
        let (_, tag) = bench.confirmed();
        bench.receive(&refer("z9hG4bKr", 2, &tag, extra));
        assert_eq!(bench.said(), [status], "{extra}");
        assert!(bench.happened().is_empty());
    }
    // Outside a call nobody is referred (toll fraud), and nothing is subscribed to.
    let mut bench = Bench::new();
    bench.receive(&refer("z9hG4bKr", 2, "", TO));
    bench.receive(&request("SUBSCRIBE", "z9hG4bKs", 1, "", "Event: dialog\r\n", ""));
    bench.receive(&request("NOTIFY", "z9hG4bKn", 1, "", "Event: refer\r\n", ""));
    bench.receive(&request("PRACK", "z9hG4bKp", 1, "", "RAck: 1 1 INVITE\r\n", ""));
    assert_eq!(bench.said(), ["403", "489", "481", "481"]);
    // Nor by somebody whose call is not answered.
    let mut bench = Bench::new();
    let call = bench.incoming();
    bench.command(Command::Ring { call, sdp: None });
    let tag = tag_of(&bench.last());
    bench.said();
    bench.receive(&refer("z9hG4bKr", 2, &tag, TO));
    assert_eq!(bench.said(), ["403"]);
}

#[test]
fn refusing_a_refer() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    bench.receive(&refer("z9hG4bKr", 2, &tag, TO));
    bench.command(Command::RejectRefer { call, status: 603 });
    bench.command(Command::AcceptRefer { call });
    bench.command(Command::NotifyRefer { call, status: 200, reason: String::new(), done: true });
    assert_eq!(bench.said(), ["603"]);
    // Nobody decides: refused before the referrer gives up.
    bench.receive(&refer("z9hG4bKr3", 3, &tag, TO));
    bench.pass(Duration::from_secs(32));
    assert_eq!(bench.said(), ["603"]);
}

#[test]
fn without_a_subscription_there_are_no_notices() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    bench.receive(&refer("z9hG4bKr", 2, &tag, &format!("{TO}Require: norefersub\r\nRefer-Sub: false\r\n")));
    bench.command(Command::AcceptRefer { call });
    assert!(bench.last().contains("Refer-Sub: false\r\n"));
    bench.command(Command::NotifyRefer { call, status: 200, reason: String::new(), done: true });
    assert_eq!(bench.said(), ["202"]);
}

#[test]
fn the_referrer_renews_ends_or_loses_its_subscription() {
    let begin = || {
        let mut bench = Bench::new();
        let (call, tag) = bench.confirmed();
        bench.receive(&refer("z9hG4bKr", 2, &tag, TO));
        bench.command(Command::AcceptRefer { call });
        let notice = bench.last();
        bench.receive(&response(notice.as_bytes(), 200, "", "", ""));
        bench.said();
        bench.happened();
        (bench, call, tag)
    };
    let (mut bench, _, _) = begin();
    bench.pass(Duration::from_secs(181));
    let over = bench.last();
    assert_eq!(field(&over, Name::SubscriptionState), "terminated;reason=timeout");
    let (mut bench, call, tag) = begin();
    bench.receive(&request("SUBSCRIBE", "z9hG4bKs", 3, &tag, "Event: refer\r\nExpires: 100\r\n", ""));
    assert_eq!(bench.said(), ["200", "NOTIFY"]);
    bench.receive(&request("SUBSCRIBE", "z9hG4bKs2", 4, &tag, "Event: refer\r\nExpires: 0\r\n", ""));
    assert!(field(&bench.last(), Name::SubscriptionState).starts_with("terminated"));
    bench.said();
    bench.command(Command::NotifyRefer { call, status: 200, reason: String::new(), done: true });
    assert!(bench.said().is_empty());
    // 481 to a NOTIFY ends the subscription, not the call (RFC 6665 §4.2.2).
    let (mut bench, call, _) = begin();
    bench.command(Command::NotifyRefer { call, status: 180, reason: String::new(), done: false });
    let notice = bench.last();
    bench.receive(&response(notice.as_bytes(), 481, "", "", ""));
    bench.said();
    bench.command(Command::NotifyRefer { call, status: 200, reason: String::new(), done: true });
    assert!(bench.said().is_empty());
    assert_eq!(bench.ua.calls(), 1);
}

#[test]
fn news_reach_a_referrer_that_has_hung_up() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    bench.receive(&refer("z9hG4bKr", 2, &tag, TO));
    bench.command(Command::AcceptRefer { call });
    bench.receive(&request("BYE", "z9hG4bKb", 3, &tag, "", ""));
    assert!(matches!(bench.happened().last(), Some(Event::Ended { .. })));
    let before = field(&bench.last(), Name::CSeq);
    bench.said();
    bench.command(Command::NotifyRefer { call, status: 200, reason: String::new(), done: true });
    let last = bench.last();
    assert!(last.ends_with("SIP/2.0 200 OK\r\n") && before.ends_with("BYE"), "{last}");
    bench.command(Command::NotifyRefer { call, status: 200, reason: String::new(), done: true });
    assert_eq!(bench.said(), ["NOTIFY"]);
    bench.pass(Duration::from_secs(60));
    assert_eq!((bench.ua.transactions(), bench.ua.deadline()), (0, None));
}

#[test]
fn a_call_that_ends_ends_its_refer() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    bench.command(Command::Refer { call, to: "sip:desk@d".into(), replaces: None });
    bench.receive(&notify(2, &tag, "refer", "active", "SIP/2.0 180 Ringing\r\n"));
    bench.happened();
    bench.receive(&request("BYE", "z9hG4bKb", 3, &tag, "", ""));
    assert_eq!(
        bench.happened(),
        [
            Event::Bye { call, reason: None },
            progress(call, 180, "Ringing", true),
            Event::Ended { call, cause: EndCause::RemoteBye }
        ]
    );
}

/// A second call of ours, to somebody else, that stands.
fn second(bench: &mut Bench) -> (CallHandle, String) {
    let call = bench.ua.next_call_handle();
    let path = udp("192.0.2.1:5060", "203.0.113.7:5060");
    let (to, from) = ("sip:desk@203.0.113.7".into(), "sip:demo@192.0.2.1".into());
    bench.command(Command::Invite(Box::new(Invite::new(call, to, from, path, SDP.into()))));
    let invite = bench.last();
    let extra = "Contact: <sip:desk@203.0.113.7:5080;x=y>\r\nc: application/sdp\r\n";
    bench.receive(&response(invite.as_bytes(), 200, "desk;1", extra, SDP));
    bench.said();
    bench.happened();
    (call, invite)
}

#[test]
fn an_attended_transfer_names_the_other_call() {
    let mut bench = Bench::new();
    let (call, _) = bench.confirmed();
    let (other, invite) = second(&mut bench);
    let id = field(&invite, Name::CallId);
    let ours = field(&invite, Name::From).rsplit_once("tag=").unwrap().1.to_owned();
    assert_eq!(bench.ua.replaces_of(other), Some(format!("{id};to-tag=desk;from-tag={ours}")));
    bench.command(Command::Refer { call, to: String::new(), replaces: Some(other) });
    let refer = bench.last();
    assert_eq!(
        field(&refer, Name::ReferTo),
        format!("<sip:desk@203.0.113.7:5080;x=y?Replaces={id}%3Bto-tag%3Ddesk%3Bfrom-tag%3D{ours}>")
    );
    assert!(refer.starts_with("REFER sip:caller@192.0.2.9:5060 "));
    // What a transferor would say of this call, seen from its side.
    assert_eq!(bench.ua.call_named(&format!("{id};to-tag={ours};from-tag=desk")), Some(other));
    assert_eq!(bench.ua.call_named(&format!("{id};to-tag=desk;from-tag={ours}")), None);
}

#[test]
fn an_attended_transfer_by_the_peer() {
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    let to = "r: <sip:desk@203.0.113.7?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&X=y>\r\n";
    bench.receive(&refer("z9hG4bKr", 2, &tag, to));
    assert_eq!(
        bench.happened(),
        [Event::Referred {
            call,
            to: "sip:desk@203.0.113.7".into(),
            replaces: Some("a@b;to-tag=1;from-tag=2".into()),
            referred_by: None
        }]
    );
}

#[test]
fn replaces_finds_the_call_or_says_why_not() {
    let newcomer = |replaces: &str| {
        request(
            "INVITE",
            "z9hG4bKnew",
            1,
            "",
            &format!("Contact: <sip:n@192.0.2.9>\r\n{replaces}c: application/sdp\r\n"),
            SDP,
        )
        .replace("Call-ID: cid", "Call-ID: newcomer")
    };
    let mut bench = Bench::new();
    let (call, tag) = bench.confirmed();
    let table = [
        (
            format!("Replaces: cid;to-tag={tag};from-tag=ft\r\nReplaces: cid;to-tag={tag};from-tag=ft\r\n"),
            "400",
        ),
        (format!("Replaces: cid;to-tag={tag}\r\n"), "400"),
        (format!("Replaces: cid;to-tag={tag};from-tag=other\r\n"), "481"),
        (format!("Replaces: cid;to-tag=ft;from-tag={tag}\r\n"), "481"),
        (format!("Replaces: cid;to-tag={tag};from-tag=ft;early-only\r\n"), "486"),
    ];
    for (replaces, status) in table {
        bench.receive(&newcomer(&replaces));
        assert_eq!(bench.said(), [status], "{replaces}");
        assert!(bench.happened().is_empty());
    }
    bench.receive(&newcomer(&format!("Require: replaces\r\nReplaces: cid ;from-tag=ft; to-tag={tag}\r\n")));
    let events = bench.happened();
    let [Event::Incoming { info, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(info.replaces, Some(call));

    // A call that rings here cannot be taken away (RFC 3891 §3); one that we placed and that rings there can.
    let mut bench = Bench::new();
    let call = bench.incoming();
    bench.command(Command::Ring { call, sdp: None });
    let tag = tag_of(&bench.last());
    bench.receive(&newcomer(&format!("Replaces: cid;to-tag={tag};from-tag=ft\r\n")));
    assert_eq!(bench.said(), ["100", "180", "481"]);
    let mut bench = Bench::new();
    let call = bench.ua.next_call_handle();
    let path = bench.path;
    let (to, from) = ("sip:5000@192.0.2.9".into(), "sip:demo@192.0.2.1".into());
    bench.command(Command::Invite(Box::new(Invite::new(call, to, from, path, SDP.into()))));
    let invite = bench.last();
    bench.receive(&response(invite.as_bytes(), 180, "t1", "Contact: <sip:c@192.0.2.9>\r\n", ""));
    let value = bench.ua.replaces_of(call).unwrap();
    let (id, tags) = value.split_once(';').unwrap();
    // Seen from the other side the tags change places.
    let value = tags.replace("to-tag", "x").replace("from-tag", "to-tag").replace('x', "from-tag");
    bench.happened();
    bench.receive(&newcomer(&format!("Replaces: {id};{value};early-only\r\n")));
    let events = bench.happened();
    let [Event::Incoming { info, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(info.replaces, Some(call));
    // And one that is ending: 603.
    bench.command(Command::HangUp { call, reason: None });
    bench.said();
    bench.receive(
        &newcomer(&format!("Replaces: {id};{value}\r\n"))
            .replace("newcomer", "third")
            .replace("4bKnew", "4bKthird"),
    );
    assert_eq!(bench.said(), ["603"]);
}

#[test]
fn identities_are_data() {
    let mut bench = Bench::new();
    let extra = "Contact: <sip:c@192.0.2.9>\r\nP-Asserted-Identity : \"An\u{1b}na\" <sip:+4930@pbx;user=phone>, <tel:+4930>\r\n\
        P-Preferred-Identity: <sip:anna@pbx>\r\nRemote-Party-ID: \"A\" <sip:rp@pbx>;party=calling;privacy=full\r\nPrivacy: id;header\r\n\
        Diversion: <sip:7001@pbx>;reason=no-answer;counter=1, <sip:7000@pbx>;reason=unconditional\r\n\
        History-Info: <sip:5000@pbx>;index=1.1, <sip:7000@pbx?Reason=SIP%3Bcause%3D302>;index=1\r\n\
        b: <sip:boss@pbx>\r\nVia: SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKq\r\n";
    bench.receive(&request("INVITE", "z9hG4bKa", 1, "", extra, ""));
    let events = bench.happened();
    let [Event::Incoming { info, .. }] = events.as_slice() else { panic!("{events:?} {:?}", bench.said()) };
    assert_eq!(info.asserted, ["\"An\u{fffd}na\" <sip:+4930@pbx;user=phone>", "<tel:+4930>"]);
    assert_eq!(info.preferred, ["<sip:anna@pbx>"]);
    assert_eq!(info.remote_party_id.as_deref(), Some("\"A\" <sip:rp@pbx>;party=calling;privacy=full"));
    assert_eq!(info.privacy.as_deref(), Some("id;header"));
    assert_eq!(info.diversions.len(), 2);
    assert_eq!(info.history, ["<sip:7000@pbx?Reason=SIP%3Bcause%3D302>;index=1", "<sip:5000@pbx>;index=1.1"]);
    assert_eq!(info.referred_by.as_deref(), Some("<sip:boss@pbx>"));
    assert_eq!(info.via_hops, 2);
    let number = |item: &str| IncomingCall::identity(item).unwrap().1;
    assert_eq!(info.asserted.iter().map(|i| number(i)).collect::<Vec<_>>(), ["+4930", "+4930"]);
    assert_eq!(number(&info.diversions[0]), "7001");
}
