//! What an attacker tries with calls, beside what the trunks' and transfers' tests show.
use crate::peer::Peer;
use crate::phone::Town;
use crate::world::{OURS, World, address};
use passline_engine::{Diagnosis, Reach, Route, Trunk};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_description_that_names_our_own_ports_is_refused() {
    let mut world = World::new();
    let mut peer = Peer::new("circle");
    let stream = peer.call(&mut world);
    let (_, port) = world.opened[0];
    let own = address(OURS).ip();
    let before = world.wire.rtp.len();
    // A re-INVITE that sends our packets back to ourselves.
    let offered = peer.sdp("sendrecv").replace("198.51.100.20", &own.to_string());
    let offered = offered.replace("m=audio 40000", &format!("m=audio {port}"));
    peer.in_dialog(&mut world, "INVITE", &offered, "application/sdp");
    assert!(world.sip.iter().any(|(_, text)| text.starts_with("SIP/2.0 488")));
    peer.speak(&mut world, stream, SECOND);
    assert!(world.wire.rtp[before..].iter().all(|sent| sent.to == peer.rtp));
    // A first INVITE with the port of somebody else's call.
    let other = Peer::new("second");
    world.sip.clear();
    other.invite(&mut world, "5001", &offered);
    assert!(world.sip.iter().any(|(_, text)| text.starts_with("SIP/2.0 488")));
    peer.cseq += 1;
    peer.bye(&mut world);
    world.expect_empty();
}

#[test]
fn forged_invites_do_not_shut_known_callers_out() {
    let mut world = World::with(|config| {
        config.max_half_open = 5;
        config.policy.trunks.push(Trunk {
            name: "pbx".into(),
            networks: vec!["203.0.113.0/24".parse().expect("a network")],
            ..Trunk::default()
        });
    });
    for number in 0..12 {
        let mut peer = Peer::new(&format!("forged{number}"));
        peer.from = std::net::SocketAddr::new([198, 18, 1, number].into(), 5060);
        peer.invite(&mut world, "5001", &peer.sdp("sendrecv"));
    }
    let refused = world.sip.iter().filter(|(_, text)| text.starts_with("SIP/2.0 503")).count();
    assert_eq!((refused, world.control.calls()), (7, 5));
    assert_eq!(world.wire.rtp.len(), 0, "no packet at anybody");
    world.sip.clear();
    let mut known = Peer::new("known");
    known.from = address("203.0.113.5:5070");
    known.invite(&mut world, "5001", &known.sdp("sendrecv"));
    assert!(world.sip.iter().any(|(_, text)| text.starts_with("SIP/2.0 200")));
    world.run(120 * SECOND);
    world.expect_empty();
}

#[test]
fn a_circle_between_two_pbxs_comes_to_an_end() {
    // The trunk's PBX sends every call back to us under another Call-ID, with a fresh Max-Forwards.
    let mut town = Town::with(|config| {
        config.policy.trunks.push(Trunk {
            name: "pbx".into(),
            networks: vec!["203.0.113.5/32".parse().expect("a network")],
            address: Some("sip:pbx.example".into()),
            options: None,
            reach: Reach { trunks: true, ..Reach::default() },
            rewrite_out: vec![passline_engine::Rewrite { strip: "0".into(), prepend: "1".into() }],
            rewrite_in: vec![passline_engine::Rewrite { strip: "1".into(), prepend: "0".into() }],
            ..Trunk::default()
        });
        config.policy.routes.push(Route {
            prefix: "0".into(),
            trunk: "pbx".into(),
            devices: true,
            trunks: true,
        });
    });
    town.world.names = vec![("pbx.example".into(), vec![address("203.0.113.5:5060")])];
    let pbx = town.settle("77", "203.0.113.5:5060");
    town.phones[pbx].manners = crate::phone::Manners::Ring;
    town.call(pbx, "1555");
    for _ in 0..40 {
        town.run(Duration::from_millis(100));
        let (came, begun) = (town.phones[pbx].incoming.len(), town.phones[pbx].begun);
        if came >= begun {
            town.call(pbx, "1555");
        }
    }
    assert!(town.world.control.calls() < 20, "{}", town.world.control.calls());
    let codes: Vec<_> =
        town.world.records.iter().filter_map(|r| r.diagnosis.as_ref().map(Diagnosis::code)).collect();
    assert!(codes.contains(&"loop"), "{codes:?}");
    town.run(90 * SECOND);
    town.expect_quiet();
}

#[test]
fn max_forwards_goes_down_with_each_leg_and_ends_at_none() {
    let mut town = Town::with(|_| {});
    let a = town.register("11", "198.51.100.11:5060");
    let b = town.register("12", "198.51.100.12:5060");
    let now = town.world.now;
    let call = town.phones[a].call_with(now, "12", |invite| invite.max_forwards = 7);
    town.run(SECOND);
    assert_eq!(town.phones[b].incoming[0].1.max_forwards, 6);
    town.hang_up(a, call);
    town.run(SECOND);
    let now = town.world.now;
    town.phones[a].events.clear();
    town.phones[a].call_with(now, "12", |invite| invite.max_forwards = 0);
    town.run(SECOND);
    assert!(matches!(town.phones[a].was_refused(), Some(482 | 483)));
    assert_eq!(town.phones[b].incoming.len(), 1);
    town.expect_quiet();
}
