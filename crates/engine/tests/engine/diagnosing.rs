//! Faults that are made on purpose, each with the sentence that it must end in.
use crate::peer::Peer;
use crate::phone::{Manners, Phone, Town};
use crate::world::{Ports, World, address};
use passline_engine::sip::{Credentials, Event};
use passline_engine::{ControlInput, EngineConfig, Reach, Route, Trunk};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const PBX: &str = "203.0.113.5:5060";

/// Codes of all diagnoses so far.
fn codes(world: &World) -> Vec<&'static str> {
    world.records.iter().filter_map(|record| record.diagnosis.as_ref().map(|why| why.code())).collect()
}

/// A peer that calls and does what it is told; what was diagnosed.
fn incoming(
    change: impl FnOnce(&mut EngineConfig),
    act: impl FnOnce(&mut World, &mut Peer),
) -> Vec<&'static str> {
    let mut world = World::with(change);
    let mut peer = Peer::new("fault");
    act(&mut world, &mut peer);
    world.run(200 * SECOND);
    assert_eq!(world.control.calls(), 0);
    for record in &world.records {
        if let Some(why) = &record.diagnosis {
            println!("{}: {}", why.code(), why.sentence());
        }
    }
    codes(&world)
}

fn plain(_: &mut EngineConfig) {}

fn offer(world: &mut World, peer: &mut Peer, sdp: &str) {
    peer.invite(world, "5001", sdp);
}

#[test]
fn each_fault_of_a_caller_has_its_sentence() {
    let sdp = |peer: &Peer| peer.sdp("sendrecv");
    let cases: Vec<(&str, Vec<&'static str>)> = vec![
        ("unknown_number", incoming(plain, |w, p| p.invite(w, "9999", &sdp(p)))),
        (
            "no_common_codec",
            incoming(plain, |w, p| offer(w, p, &sdp(p).replace("RTP/AVP 0 101", "RTP/AVP 18"))),
        ),
        ("unknown_encryption", incoming(plain, |w, p| offer(w, p, &sdp(p).replace("RTP/AVP", "RTP/SAVP")))),
        ("bad_description", incoming(plain, |w, p| offer(w, p, "no description"))),
        (
            "unsupported_extension",
            incoming(plain, |w, p| {
                p.extra = "Require: teleport\r\n".into();
                offer(w, p, &sdp(p));
            }),
        ),
        (
            "bad_request",
            incoming(plain, |w, p| {
                p.extra = "Max-Forwards: many\r\n".into();
                offer(w, p, &sdp(p));
            }),
        ),
        ("full", incoming(|c| c.max_calls = 0, |w, p| offer(w, p, &sdp(p)))),
        (
            "draining",
            incoming(plain, |w, p| {
                w.input(ControlInput::Drain);
                offer(w, p, &sdp(p));
            }),
        ),
        (
            "no_port",
            incoming(plain, |w, p| {
                w.ports = Ports::Fail;
                offer(w, p, &sdp(p));
            }),
        ),
        ("no_ack", incoming(plain, |w, p| offer(w, p, &sdp(p)))),
        (
            "no_answer",
            incoming(plain, |w, p| {
                offer(w, p, "");
                w.expect_sip("SIP/2.0 100");
                let answer = w.expect_sip("SIP/2.0 200");
                p.learn(&answer);
                p.ack(w, "");
            }),
        ),
        (
            "cancelled",
            incoming(plain, |w, p| {
                w.ports = Ports::Wait;
                offer(w, p, &sdp(p));
                w.run(2 * SECOND);
                p.cancel(w);
            }),
        ),
        (
            "one_way_audio",
            incoming(plain, |w, p| {
                p.call(w);
            }),
        ),
        (
            "no_media",
            incoming(plain, |w, p| {
                p.rtp = address("0.0.0.0:40000");
                p.invite(w, "5001", &sdp(p));
                w.expect_sip("SIP/2.0 100");
                let answer = w.expect_sip("SIP/2.0 200");
                p.learn(&answer);
                p.ack(w, "");
            }),
        ),
        (
            "wrong_source",
            incoming(plain, |w, p| {
                let stream = p.call(w);
                p.rtp = address("198.51.100.99:40000");
                p.speak(w, stream, 40 * SECOND);
            }),
        ),
        (
            "media_stopped",
            incoming(plain, |w, p| {
                let stream = p.call(w);
                p.speak(w, stream, 2 * SECOND);
            }),
        ),
        (
            "no_digits",
            incoming(plain, |w, p| {
                let stream = p.call(w);
                p.speak(w, stream, 30 * SECOND);
                p.bye(w);
            }),
        ),
        (
            "dialog_lost",
            incoming(plain, |w, p| {
                p.extra = "Session-Expires: 90;refresher=uas\r\nSupported: timer\r\n".into();
                let stream = p.call(w);
                p.extra.clear();
                p.speak(w, stream, 45 * SECOND);
                while let Some((_, text)) = w.sip.pop_front() {
                    if text.starts_with("UPDATE") || text.starts_with("INVITE") {
                        p.say(w, &text, "481 Call/Transaction Does Not Exist");
                    }
                }
            }),
        ),
        (
            "session_expired",
            incoming(plain, |w, p| {
                p.extra = "Session-Expires: 90;refresher=uac\r\nSupported: timer\r\n".into();
                let stream = p.call(w);
                p.extra.clear();
                p.speak(w, stream, 100 * SECOND);
            }),
        ),
        (
            "too_long",
            incoming(
                |c| c.max_call = 5 * SECOND,
                |w, p| {
                    let stream = p.call(w);
                    p.speak(w, stream, 8 * SECOND);
                },
            ),
        ),
        ("trunk_full", incoming(|c| c.policy.trunks.push(trunk("t", Some(0))), |w, p| offer(w, p, &sdp(p)))),
        (
            "not_allowed",
            incoming(
                |c| {
                    let reach = Reach { flows: Some(Vec::new()), ..Reach::default() };
                    c.policy.trunks.push(Trunk { reach, ..trunk("t", None) });
                },
                |w, p| offer(w, p, &sdp(p)),
            ),
        ),
        (
            "loop",
            incoming(
                |c| {
                    let reach = Reach { trunks: true, ..Reach::default() };
                    let address = Some("sip:pbx.example".into());
                    c.policy.trunks.push(Trunk { reach, address, options: None, ..trunk("t", None) });
                    c.policy.routes.push(Route {
                        prefix: "9".into(),
                        trunk: "t".into(),
                        devices: true,
                        trunks: true,
                    });
                },
                |w, p| p.invite(w, "9999", &sdp(p)),
            ),
        ),
    ];
    for (wanted, found) in cases {
        assert!(found.contains(&wanted), "{wanted}: {found:?}");
    }
}

fn trunk(name: &str, max_calls: Option<usize>) -> Trunk {
    Trunk {
        name: name.into(),
        networks: vec!["198.51.100.0/24".parse().expect("a network")],
        max_calls,
        ..Trunk::default()
    }
}

/// A device calls out over a trunk whose PBX does this; what was diagnosed.
fn outgoing(act: impl FnOnce(&mut Town, usize)) -> Vec<&'static str> {
    let mut town = Town::with(|config| {
        config.policy.trunks.push(Trunk {
            name: "pbx".into(),
            address: Some("sip:pbx.example".into()),
            options: None,
            ..Trunk::default()
        });
        config.policy.routes.push(Route {
            prefix: "0".into(),
            trunk: "pbx".into(),
            devices: true,
            trunks: false,
        });
    });
    town.world.names = vec![("pbx.example".into(), vec![address(PBX)])];
    let a = town.register("11", "198.51.100.11:5060");
    let pbx = town.settle("pbx", PBX);
    act(&mut town, pbx);
    town.call(a, "0301");
    town.run(80 * SECOND);
    assert!(town.phones[a].was_refused().is_some());
    town.expect_quiet();
    codes(&town.world)
}

#[test]
fn each_fault_of_a_callee_has_its_sentence() {
    let refuse = |status| outgoing(|town, pbx| town.phones[pbx].manners = Manners::Refuse(status));
    let cases = [
        ("busy", refuse(486)),
        ("busy", refuse(600)),
        ("not_found", refuse(404)),
        ("not_found", refuse(484)),
        ("declined", refuse(603)),
        ("not_answered", refuse(480)),
        ("peer_forbids", refuse(403)),
        ("peer_no_codec", refuse(488)),
        ("peer_failed", refuse(500)),
        ("peer_refused", refuse(402)),
        ("loop", refuse(482)),
        ("no_reply", outgoing(|town, pbx| town.phones[pbx].manners = Manners::Dead)),
        ("not_answered", outgoing(|town, pbx| town.phones[pbx].manners = Manners::Ring)),
        ("dns_failed", outgoing(|town, _| town.world.names.clear())),
    ];
    for (wanted, found) in cases {
        assert!(found.contains(&wanted), "{wanted}: {found:?}");
    }
}

#[test]
fn a_scan_does_not_fill_the_records() {
    let mut world = World::new();
    for number in 0..500 {
        let mut peer = Peer::new(&format!("scan{number}"));
        let last = 1 + (number % 3) as u8;
        peer.from = std::net::SocketAddr::new([198, 18, 0, last].into(), 5060);
        peer.invite(&mut world, &format!("9{number}"), &peer.sdp("sendrecv"));
        world.sip.clear();
        world.run(Duration::from_millis(10));
    }
    assert_eq!(world.records.len(), 3, "one of each source at once");
    assert_eq!(world.records[0].ladder.len(), 3, "{:?}", world.records[0].ladder);
    world.run(120 * SECOND);
    assert_eq!(world.records.len(), 6, "and one for all others of the minute");
    let calls: u32 = world.records.iter().map(|record| record.count).sum();
    assert_eq!(calls, 500);
    world.expect_empty();
}

#[test]
fn a_registration_that_fails_says_what_to_change() {
    // The phone is a registrar that does not know us.
    let mut town = Town::with(|config| {
        config.policy.trunks.push(Trunk {
            name: "pbx".into(),
            address: Some("sip:pbx.example".into()),
            options: None,
            register: Some(passline_engine::RegisterTerms {
                aor: "sip:4711@pbx.example".into(),
                expires: 600,
            }),
            credentials: Some(Credentials {
                user: "4711".into(),
                password: std::sync::Arc::new(passline_engine::identity::Secret::new("wrong")),
                realm: None,
            }),
            ..Trunk::default()
        });
    });
    town.world.names = vec![("pbx.example".into(), vec![address(PBX)])];
    let mut registrar = Phone::new(town.world.now, "pbx", PBX);
    registrar.be_registrar("4711", "right");
    town.phones.push(registrar);
    town.run(5 * SECOND);
    let trunk = &town.world.control.snapshot().trunks[0];
    let Some(passline_engine::RegistrationStatus::Failed { diagnosis, .. }) = &trunk.registration else {
        panic!("{trunk:?}");
    };
    assert_eq!(diagnosis.code(), "registration_refused");
    assert!(diagnosis.sentence().contains("user and password"), "{}", diagnosis.sentence());
}

#[test]
fn a_registration_stands_and_calls_go_by_it() {
    let mut town = Town::with(|config| {
        config.policy.trunks.push(Trunk {
            name: "pbx".into(),
            address: Some("sip:pbx.example".into()),
            options: None,
            register: Some(passline_engine::RegisterTerms {
                aor: "sip:4711@pbx.example".into(),
                expires: 600,
            }),
            credentials: Some(Credentials {
                user: "4711".into(),
                password: std::sync::Arc::new(passline_engine::identity::Secret::new("right")),
                realm: None,
            }),
            ..Trunk::default()
        });
        config.policy.routes.push(Route {
            prefix: "0".into(),
            trunk: "pbx".into(),
            devices: true,
            trunks: false,
        });
    });
    town.world.names = vec![("pbx.example".into(), vec![address(PBX)])];
    let mut registrar = Phone::new(town.world.now, "pbx", PBX);
    registrar.be_registrar("4711", "right");
    town.phones.push(registrar);
    town.run(5 * SECOND);
    let trunk = &town.world.control.snapshot().trunks[0];
    let registered =
        matches!(trunk.registration, Some(passline_engine::RegistrationStatus::Registered { .. }));
    assert!(registered, "{trunk:?}");
    // The registrar knows us by our address of record: so does a call of ours.
    let a = town.register("11", "198.51.100.11:5060");
    let call = town.call(a, "0301");
    town.run(3 * SECOND);
    let from = &town.phones[0].incoming[0].1.from;
    assert_eq!(from, "sip:4711@pbx.example");
    town.hang_up(a, call);
    town.expect_quiet();
    assert!(!town.phones[0].says_it_was(|event| matches!(event, Event::Unbound { .. })));
}
