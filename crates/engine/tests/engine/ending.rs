//! How calls end, wanted and unwanted.
use crate::peer::Peer;
use crate::world::{Ports, World};
use passline_engine::ControlInput;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_caller_who_cancels_while_ports_open_gets_487() {
    let mut world = World::new();
    world.ports = Ports::Wait;
    let peer = Peer::new("cancelled");
    peer.invite(&mut world, "5001", &peer.sdp("sendrecv"));
    world.expect_sip("SIP/2.0 100");
    peer.cancel(&mut world);
    world.expect_sip("SIP/2.0 200");
    world.expect_sip("SIP/2.0 487");
    // The sockets stand only now: nobody wants them any more.
    let stream = world.opened[0].0;
    world.input(ControlInput::PortOpened(stream));
    assert_eq!(world.records[0].outcome, "cancelled");
    assert_eq!(world.records[0].answered, None);
    world.expect_empty();
}

#[test]
fn without_an_ack_the_call_is_given_up_and_nothing_was_sent() {
    let mut world = World::new();
    let peer = Peer::new("noack");
    peer.invite(&mut world, "5001", &peer.sdp("sendrecv"));
    world.run(120 * SECOND);
    let copies = world.sip.iter().filter(|(_, text)| text.starts_with("SIP/2.0 200")).count();
    // T1 doubling to T2 until 64·T1 = 32 s (RFC 3261 §13.3.1.4): bounded.
    assert!((8..=12).contains(&copies), "{copies}");
    assert!(world.sip.iter().any(|(_, text)| text.starts_with("BYE ")));
    assert_eq!(world.records[0].outcome, "no_ack");
    assert_eq!(world.wire.rtp.len() + world.wire.rtcp.len(), 0);
    world.expect_empty();
}

#[test]
fn a_hang_up_at_any_moment_leaves_nothing() {
    for moment in 0..60 {
        let mut world = World::new();
        let mut peer = Peer::new(&format!("moment{moment}"));
        let stream = peer.call(&mut world);
        for step in 0..moment {
            let packets = if step % 7 == 3 { peer.press(step % 10) } else { vec![peer.audio()] };
            for packet in packets {
                world.rtp_in(stream, peer.rtp, &packet);
            }
            world.run(Duration::from_millis(70));
        }
        peer.bye(&mut world);
        world.expect_sip("SIP/2.0 200");
        assert_eq!(world.records.len(), 1, "moment {moment}");
        assert_eq!(world.records[0].outcome, "caller_left");
        let sent = world.wire.rtp.len();
        world.expect_empty();
        assert_eq!(world.wire.rtp.len(), sent, "a packet after the end");
    }
}

#[test]
fn a_bye_before_the_ack_ends_the_call() {
    let mut world = World::new();
    let mut peer = Peer::new("hasty");
    peer.invite(&mut world, "5001", &peer.sdp("sendrecv"));
    world.expect_sip("SIP/2.0 100");
    let answer = world.expect_sip("SIP/2.0 200");
    peer.learn(&answer);
    peer.bye(&mut world);
    assert_eq!(world.records.len(), 1);
    assert_eq!(world.wire.rtp.len(), 0);
    world.expect_empty();
}

#[test]
fn a_vanished_caller_is_hung_up_on() {
    let mut world = World::new();
    let mut peer = Peer::new("vanished");
    let stream = peer.call(&mut world);
    peer.speak(&mut world, stream, SECOND);
    world.run(29 * SECOND);
    assert!(world.sip.is_empty());
    world.run(2 * SECOND);
    let bye = world.expect_sip("BYE ");
    assert_eq!(world.records.len(), 0, "the BYE is not answered yet");
    peer.ok(&mut world, &bye);
    assert_eq!(world.records[0].outcome, "media_timeout");
    world.expect_empty();
}

#[test]
fn the_longest_call_ends() {
    let mut world = World::with(|config| config.max_call = 5 * SECOND);
    let mut peer = Peer::new("long");
    let stream = peer.call(&mut world);
    peer.speak(&mut world, stream, 6 * SECOND);
    world.expect_sip("BYE ");
    world.expect_empty();
    assert_eq!(world.records[0].outcome, "too_long");
}

#[test]
fn the_last_words_are_heard_to_their_end_before_the_bye() {
    let mut world = World::new();
    let mut peer = Peer::new("farewell");
    peer.invite(&mut world, "5002", &peer.sdp("sendrecv"));
    world.expect_sip("SIP/2.0 100");
    let answer = world.expect_sip("SIP/2.0 200");
    peer.learn(&answer);
    peer.ack(&mut world, "");
    let stream = world.opened[0].0;
    while world.sip.is_empty() {
        peer.speak(&mut world, stream, Duration::from_millis(20));
    }
    let bye = world.expect_sip("BYE ");
    let is_silent = |at: &usize| world.wire.rtp[*at].packet[12..].iter().all(|octet| *octet == 0xFF);
    let frames = world.wire.rtp.len();
    let before = (0..frames).take_while(is_silent).count();
    let after = (0..frames).rev().take_while(is_silent).count();
    assert!((14..=16).contains(&before), "{before} frames before the first word");
    assert!((9..=11).contains(&after), "{after} frames after the last word");
    peer.ok(&mut world, &bye);
    assert_eq!(world.records[0].outcome, "completed");
    world.expect_empty();
}
