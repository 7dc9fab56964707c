//! How calls are taken, and why not.
use crate::peer::{PEER, Peer};
use crate::world::{Ports, World, address};
use passline_engine::rtp::Method;
use passline_engine::{ControlInput, Trunk};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_whole_call() {
    let mut world = World::new();
    let mut peer = Peer::new("whole");
    let stream = peer.call(&mut world);
    peer.speak(&mut world, stream, SECOND);
    // One packet each 20 ms to where the description said, in sequence.
    let count = world.wire.rtp.len();
    assert!((50..=51).contains(&count), "{count}");
    assert!(world.wire.rtp.iter().all(|sent| sent.to == peer.rtp && sent.packet.len() == 172));
    let sequence =
        |at: usize| u16::from_be_bytes([world.wire.rtp[at].packet[2], world.wire.rtp[at].packet[3]]);
    assert!((1..count).all(|at| sequence(at) == sequence(at - 1).wrapping_add(1)));
    assert!(world.wire.rtp.windows(2).all(|pair| pair[1].at - pair[0].at == Duration::from_millis(20)));
    peer.dial(&mut world, stream, &[1, 4, 4, 10, 11]);
    peer.speak(&mut world, stream, 3 * SECOND);
    peer.bye(&mut world);
    world.expect_sip("SIP/2.0 200");
    let record = world.records.pop().expect("a record");
    assert_eq!(record.digits.as_deref(), Some("144*#"));
    assert_eq!(record.dtmf, Some(Method::Rfc4733));
    assert_eq!((record.from.as_str(), record.to.as_str()), ("alice", "5001"));
    assert_eq!(record.outcome, "caller_left");
    assert_eq!(record.codec, Some("PCMU"));
    assert!(record.steps.iter().any(|step| step.contains("echo_keys")));
    assert_eq!(record.statistics.expect("media").lost, 0);
    // Goodbye by RTCP too (RFC 3550 §6.6): packet type 203 somewhere in the last compound.
    let last = &world.wire.rtcp.last().expect("RTCP").packet;
    assert!(last.windows(2).any(|pair| pair[1] == 203 && pair[0] >> 6 == 2));
    world.expect_empty();
}

#[test]
fn no_packet_leaves_before_the_ack() {
    let mut world = World::new();
    let mut peer = Peer::new("early");
    peer.invite(&mut world, "5001", &peer.sdp("sendrecv"));
    world.expect_sip("SIP/2.0 100");
    let answer = world.expect_sip("SIP/2.0 200");
    peer.learn(&answer);
    let stream = world.opened[0].0;
    peer.speak(&mut world, stream, SECOND);
    assert_eq!(world.wire.rtp.len() + world.wire.rtcp.len(), 0);
    peer.ack(&mut world, "");
    peer.speak(&mut world, stream, SECOND);
    assert!(world.wire.rtp.len() >= 49);
    peer.bye(&mut world);
    world.expect_empty();
}

#[test]
fn an_invite_without_an_offer_is_answered_with_one() {
    let mut world = World::new();
    let mut peer = Peer::new("delayed");
    peer.invite(&mut world, "5001", "");
    world.expect_sip("SIP/2.0 100");
    let offer = world.expect_sip("SIP/2.0 200");
    assert!(offer.contains("m=audio ") && offer.contains("telephone-event"), "{offer}");
    peer.learn(&offer);
    peer.ack(&mut world, &peer.sdp("sendrecv"));
    let stream = world.opened[0].0;
    peer.dial(&mut world, stream, &[7]);
    peer.bye(&mut world);
    assert_eq!(world.records[0].digits.as_deref(), Some("7"));
    world.expect_empty();
}

#[test]
fn an_ack_without_the_answer_ends_the_call() {
    let mut world = World::new();
    let mut peer = Peer::new("unanswered");
    peer.invite(&mut world, "5001", "");
    world.expect_sip("SIP/2.0 100");
    let offer = world.expect_sip("SIP/2.0 200");
    peer.learn(&offer);
    peer.ack(&mut world, "");
    let bye = world.expect_sip("BYE ");
    peer.ok(&mut world, &bye);
    assert_eq!(world.records[0].outcome, "no_media");
    world.expect_empty();
}

#[test]
fn unknown_numbers_and_hopeless_offers_are_refused() {
    let cases = [
        ("9999", Peer::new("x").sdp("sendrecv"), "SIP/2.0 404"),
        ("5001", Peer::new("x").sdp("sendrecv").replace("RTP/AVP 0 101", "RTP/AVP 18"), "SIP/2.0 488"),
        ("5001", "this is no session description".to_owned(), "SIP/2.0 4"),
    ];
    for (number, sdp, wanted) in cases {
        let mut world = World::new();
        let mut peer = Peer::new("refused");
        peer.invite(&mut world, number, &sdp);
        world.expect_sip("SIP/2.0 100");
        let response = world.expect_sip(wanted);
        peer.learn(&response);
        // The ACK of a refusal belongs to the INVITE's transaction: same branch.
        let branch = format!("z9hG4bKi{}{}", peer.call_id, peer.cseq);
        let ack = format!(
            "ACK sip:{number}@192.0.2.10:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {PEER};branch={branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: \"A\" <sip:alice@198.51.100.20>;tag=a1\r\n\
             To: <sip:{number}@192.0.2.10:5060>;tag={}\r\nCall-ID: {}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
            peer.to_tag, peer.call_id
        );
        world.sip_in(peer.from, &ack);
        assert!(world.sip.is_empty());
        world.expect_empty();
    }
}

#[test]
fn a_full_house_says_when_to_try_again() {
    let mut world = World::with(|config| config.max_calls = 2);
    for name in ["one", "two"] {
        Peer::new(name).call(&mut world);
    }
    let peer = Peer::new("three");
    peer.invite(&mut world, "5001", &peer.sdp("sendrecv"));
    world.expect_sip("SIP/2.0 100");
    let refusal = world.expect_sip("SIP/2.0 503");
    assert!(refusal.contains("Retry-After: "), "{refusal}");
    world.input(ControlInput::HangUpAll);
    world.expect_empty();
    // The refused call is told, too.
    let refused: Vec<_> = world.records.iter().filter_map(|record| record.diagnosis.clone()).collect();
    use passline_engine::Diagnosis::{Full, ShutDown};
    assert_eq!(refused, [Full { limit: 2 }, ShutDown, ShutDown]);
    assert_eq!(world.records.len(), 3);
}

#[test]
fn a_drained_house_takes_nobody_and_says_when_it_is_empty() {
    let mut world = World::new();
    let mut peer = Peer::new("last");
    let stream = peer.call(&mut world);
    world.input(ControlInput::Drain);
    assert!(!world.drained);
    let late = Peer::new("late");
    late.invite(&mut world, "5001", &late.sdp("sendrecv"));
    let responses: Vec<String> = world.sip.drain(..).map(|(_, text)| text).collect();
    assert!(responses.iter().any(|text| text.starts_with("SIP/2.0 503")), "{responses:?}");
    peer.speak(&mut world, stream, SECOND);
    peer.bye(&mut world);
    assert!(world.drained);
    world.expect_empty();
}

#[test]
fn ports_that_cannot_be_bound_are_passed_over() {
    let mut world = World::new();
    world.ports = Ports::Wait;
    let peer = Peer::new("ports");
    peer.invite(&mut world, "5001", &peer.sdp("sendrecv"));
    world.expect_sip("SIP/2.0 100");
    for attempt in 0..3 {
        let stream = world.opened[attempt].0;
        assert!(world.sip.is_empty());
        world.input(ControlInput::PortFailed(stream));
    }
    let (stream, port) = world.opened[3];
    world.input(ControlInput::PortOpened(stream));
    let answer = world.expect_sip("SIP/2.0 200");
    assert!(answer.contains(&format!("m=audio {port} ")), "{answer}");
    world.input(ControlInput::HangUpAll);
    world.expect_empty();
}

#[test]
fn without_any_port_the_call_is_refused() {
    let mut world = World::new();
    world.ports = Ports::Fail;
    let peer = Peer::new("noport");
    peer.invite(&mut world, "5001", &peer.sdp("sendrecv"));
    world.expect_sip("SIP/2.0 100");
    world.expect_sip("SIP/2.0 503");
    assert_eq!(world.records[0].outcome, "no_port");
    world.expect_empty();
}

#[test]
fn info_digits_are_heard_and_a_flood_of_them_is_cut() {
    let mut world = World::new();
    let mut peer = Peer::new("info");
    let stream = peer.call(&mut world);
    for body in ["Signal=5\r\nDuration=160\r\n", "Signal= 6\r\nDuration= 160\r\n"] {
        peer.in_dialog(&mut world, "INFO", body, "application/dtmf-relay");
        world.expect_sip("SIP/2.0 200");
        peer.speak(&mut world, stream, Duration::from_millis(400));
    }
    peer.in_dialog(&mut world, "INFO", "7", "application/dtmf");
    peer.speak(&mut world, stream, 2 * SECOND);
    for count in 0..1000 {
        peer.in_dialog(&mut world, "INFO", &format!("Signal={}\r\n", count % 10), "application/dtmf-relay");
    }
    peer.speak(&mut world, stream, SECOND);
    peer.bye(&mut world);
    let record = &world.records[0];
    assert!(record.digits.as_deref().is_some_and(|digits| digits.starts_with("567")), "{:?}", record.digits);
    assert_eq!(record.dtmf, Some(Method::Info));
    assert!(record.digit_count <= 3 + 25, "{}", record.digit_count);
    assert_eq!(record.peer, address(PEER));
    world.expect_empty();
}

#[test]
fn a_key_right_before_the_bye_is_heard() {
    let mut world = World::new();
    let mut peer = Peer::new("hasty");
    let stream = peer.call(&mut world);
    for key in ['1', '1'] {
        peer.in_dialog(
            &mut world,
            "INFO",
            &format!("Signal={key}\r\nDuration=160\r\n"),
            "application/dtmf-relay",
        );
        world.expect_sip("SIP/2.0 200");
        peer.speak(&mut world, stream, Duration::from_millis(100));
    }
    // No tick comes between these two.
    peer.in_dialog(&mut world, "INFO", "Signal=2\r\nDuration=160\r\n", "application/dtmf-relay");
    peer.bye(&mut world);
    let record = &world.records[0];
    assert_eq!((record.digits.as_deref(), record.digit_count), (Some("112"), 3));
}

#[test]
fn a_busy_house_takes_nobody_until_it_is_less_busy() {
    let mut world = World::with(|config| config.busy_limit = 85);
    world.input(ControlInput::Load(84));
    Peer::new("one").call(&mut world);
    world.input(ControlInput::Load(85));
    let peer = Peer::new("two");
    peer.invite(&mut world, "5001", &peer.sdp("sendrecv"));
    world.expect_sip("SIP/2.0 100");
    let refusal = world.expect_sip("SIP/2.0 503");
    assert!(refusal.contains("Retry-After: "), "{refusal}");
    world.input(ControlInput::Load(40));
    Peer::new("three").call(&mut world);
    let refused: Vec<_> = world.records.iter().filter_map(|record| record.diagnosis.clone()).collect();
    assert_eq!(refused, [passline_engine::Diagnosis::Overloaded { busy: 85, limit: 85 }]);
}

#[test]
fn calls_of_a_trunk_that_allows_it_share_ports() {
    let mut world = World::with(|config| {
        config.calls_per_port = 3;
        config.policy.trunks.push(Trunk {
            name: "pbx".into(),
            networks: vec!["198.51.100.20/32".parse().expect("a network")],
            shared_ports: true,
            nat: false,
            options: None,
            ..Trunk::default()
        });
    });
    let mut port_of = |name: &str, rtp: u16| {
        let mut peer = Peer::new(name);
        peer.rtp.set_port(rtp);
        peer.call(&mut world);
        world.opened.last().expect("a port").1
    };
    let first = port_of("one", 40_000);
    assert_eq!(port_of("two", 40_002), first);
    // Nobody could tell its packets from those of the first.
    let other = port_of("three", 40_000);
    assert_ne!(other, first);
    assert_eq!(port_of("four", 40_004), first);
    assert_eq!(port_of("five", 40_006), other);
    world.input(ControlInput::HangUpAll);
    world.expect_empty();
    assert_eq!(world.shared_closed.len(), 2);
}
