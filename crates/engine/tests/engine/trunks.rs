//! Calls from and to trunks: who may dial what, over which trunk, under which name.
use crate::phone::{Manners, Town};
use crate::world::address;
use passline_engine::sip::Event;
use passline_engine::{
    ControlInput, Diagnosis, EngineConfig, IdentitySource, Reach, Rewrite, Route, StatusEvent, Trunk,
    TrunkState,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const PBX: &str = "203.0.113.5:5060";
const SPARE: &str = "203.0.113.6:5060";

fn pbx() -> Trunk {
    Trunk {
        name: "pbx".into(),
        networks: vec!["203.0.113.5/32".parse().expect("a network")],
        address: Some("sip:pbx.example".into()),
        options: None,
        ..Trunk::default()
    }
}

fn route(prefix: &str, trunk: &str) -> Route {
    Route { prefix: prefix.into(), trunk: trunk.into(), devices: true, trunks: false }
}

fn town(change: impl FnOnce(&mut EngineConfig)) -> Town {
    let mut town = Town::with(|config| {
        config.policy.trunks.push(pbx());
        config.policy.routes.push(route("0", "pbx"));
        config.policy.host = Some("ivr.example".into());
        change(config);
    });
    town.world.names =
        vec![("pbx.example".into(), vec![address(PBX)]), ("spare.example".into(), vec![address(SPARE)])];
    town
}

#[test]
fn a_device_calls_out_over_the_trunk_and_the_number_is_rewritten() {
    let mut town = town(|config| {
        let trunk = &mut config.policy.trunks[0];
        trunk.rewrite_out = vec![Rewrite { strip: "00".into(), prepend: "+".into() }];
        trunk.trust_identity = true;
    });
    let a = town.register("11", "198.51.100.11:5060");
    let pbx = town.settle("pbx", PBX);
    let call = town.call(a, "0049305551");
    town.run(2 * SECOND);
    let info = town.phones[pbx].incoming[0].1.clone();
    assert_eq!(info.request_uri, "sip:+49305551@pbx.example");
    assert_eq!((info.from.as_str(), info.from_display.as_str()), ("sip:11@ivr.example", "Phone 11"));
    assert!(info.asserted[0].contains("sip:11@ivr.example"), "{:?}", info.asserted);
    assert!(town.phones[a].says_it_was(|e| matches!(e, Event::Answered { .. })));
    town.hang_up(a, call);
    town.expect_quiet();
    let out = town.world.records.iter().find(|r| r.trunk.is_some()).expect("the trunk's leg");
    assert_eq!((out.trunk.as_deref(), out.to.as_str()), (Some("pbx"), "+49305551"));
}

#[test]
fn an_untrusted_trunk_is_told_no_identity_but_from() {
    let mut town = town(|_| {});
    let a = town.register("11", "198.51.100.11:5060");
    let pbx = town.settle("pbx", PBX);
    town.call(a, "0301");
    town.run(SECOND);
    assert!(town.phones[pbx].incoming[0].1.asserted.is_empty());
    let call = town.phones[pbx].came();
    town.run(SECOND);
    town.hang_up(pbx, call);
    town.expect_quiet();
}

#[test]
fn strangers_reach_flows_and_nothing_else() {
    let mut town = town(|_| {});
    let b = town.register("12", "198.51.100.12:5060");
    let pbx = town.settle("pbx", PBX);
    // Known and unknown numbers look the same: a challenge that this caller cannot answer.
    for (number, at) in [("12", "198.18.0.1:5060"), ("0301", "198.18.0.2:5060"), ("4711", "198.18.0.3:5060")]
    {
        let stranger = town.settle("99", at);
        town.call(stranger, number);
        town.run(SECOND);
        let status = town.phones[stranger].was_refused();
        assert!(matches!(status, Some(401 | 403)), "{number}: {status:?}");
    }
    assert!(town.phones[b].incoming.is_empty() && town.phones[pbx].incoming.is_empty(), "nothing rang");
    let stranger = town.settle("99", "198.18.0.4:5060");
    let call = town.call(stranger, "5001");
    town.run(SECOND);
    assert!(town.phones[stranger].says_it_was(|e| matches!(e, Event::Answered { .. })));
    town.hang_up(stranger, call);
    town.expect_quiet();
    let why: Vec<_> =
        town.world.records.iter().filter_map(|r| r.diagnosis.as_ref().map(Diagnosis::code)).collect();
    assert_eq!(why, ["wrong_credentials"; 3], "{why:?}");
    assert!(
        town.world.status.iter().any(|s| matches!(s, StatusEvent::AuthFailed { user, .. } if user == "99"))
    );
}

#[test]
fn without_credentials_a_caller_is_told_of_once_it_has_not_come_back() {
    let mut town = town(|_| {});
    let stranger = town.settle("99", "198.18.0.1:5060");
    let now = town.world.now;
    town.phones[stranger].call_with(now, "12", |invite| invite.credentials = None);
    town.run(SECOND);
    assert_eq!(town.phones[stranger].was_refused(), Some(401));
    assert!(town.world.records.is_empty());
    town.expect_quiet();
    assert!(matches!(town.world.records[0].diagnosis, Some(Diagnosis::NoCredentials { .. })));
    let lines: Vec<_> = town.world.records[0].ladder.iter().map(|line| line.first_line.clone()).collect();
    assert!(lines[0].starts_with("INVITE sip:12@") && lines[1].starts_with("SIP/2.0 401"), "{lines:?}");
}

#[test]
fn a_trunk_may_dial_what_its_reach_says() {
    let dial = |number: &str, reach: Reach| {
        let mut town = town(|config| {
            config.policy.trunks[0].reach = reach;
            config.policy.routes[0].trunks = true;
        });
        let b = town.register("12", "198.51.100.12:5060");
        let pbx = town.settle("4930", PBX);
        town.call(pbx, number);
        town.run(2 * SECOND);
        let answered = town.phones[pbx].says_it_was(|e| matches!(e, Event::Answered { .. }));
        let status = town.phones[pbx].was_refused();
        (answered, status, town.phones[b].incoming.len())
    };
    let all = Reach { extensions: true, trunks: true, ..Reach::default() };
    assert_eq!(dial("5001", Reach::default()), (true, None, 0));
    assert_eq!(dial("12", Reach::default()), (false, Some(403), 0));
    assert_eq!(dial("12", all.clone()), (true, None, 1));
    assert_eq!(dial("4711", all.clone()), (false, Some(404), 0));
    // It would lead back to where the call came from.
    assert_eq!(dial("0301", all), (false, Some(482), 0));
    let one = Reach { flows: Some(vec!["5002".into()]), ..Reach::default() };
    assert_eq!(dial("5001", one), (false, Some(403), 0));
}

#[test]
fn identity_counts_where_the_trunk_is_trusted_and_only_there() {
    for (trusted, number, source) in
        [(true, "+4930777", IdentitySource::Asserted), (false, "4930", IdentitySource::From)]
    {
        for private in [false, true] {
            let mut town = town(|config| {
                let trunk = &mut config.policy.trunks[0];
                trunk.trust_identity = trusted;
                trunk.rewrite_in = vec![Rewrite { strip: "+49305".into(), prepend: "5".into() }];
            });
            let pbx = town.settle("4930", PBX);
            let now = town.world.now;
            let call = town.phones[pbx].call_with(now, "+49305001", |invite| {
                invite.headers = vec![
                    ("P-Asserted-Identity".into(), "\"Alice\" <sip:+4930777@pbx.example>".into()),
                    ("Diversion".into(), "<sip:+4930888@pbx.example>;reason=no-answer".into()),
                ];
                if private {
                    invite.headers.push(("Privacy".into(), "id".into()));
                }
            });
            town.run(2 * SECOND);
            town.hang_up(pbx, call);
            town.expect_quiet();
            let record = &town.world.records[0];
            assert_eq!(record.to, "5001");
            assert_eq!((record.identity.source, record.identity.private), (source, private));
            // Privacy is honoured in all that is shown and kept.
            assert_eq!(record.from, if private { "anonymous" } else { number });
            assert_eq!(record.identity.number, if private { "" } else { number });
            assert_eq!(record.diversions.is_empty(), !trusted, "{:?}", record.diversions);
            assert_eq!(record.trunk.as_deref(), Some("pbx"));
        }
    }
}

#[test]
fn a_trunk_has_no_more_calls_than_it_may() {
    let mut town = town(|config| config.policy.trunks[0].max_calls = Some(1));
    let pbx = town.settle("4930", PBX);
    let first = town.call(pbx, "5001");
    town.run(SECOND);
    town.call(pbx, "5001");
    town.run(SECOND);
    assert_eq!(town.phones[pbx].was_refused(), Some(503));
    let a = town.register("11", "198.51.100.11:5060");
    town.call(a, "0301");
    town.run(SECOND);
    assert_eq!(town.phones[a].was_refused(), Some(503));
    town.hang_up(pbx, first);
    town.expect_quiet();
    let full = Diagnosis::TrunkFull { trunk: "pbx".into(), limit: 1 };
    assert_eq!(town.world.records.iter().filter(|r| r.diagnosis.as_ref() == Some(&full)).count(), 2);
}

#[test]
fn the_next_route_is_taken_when_the_first_fails() {
    let mut town = town(|config| {
        let spare = Trunk { name: "spare".into(), address: Some("sip:spare.example".into()), ..pbx() };
        config.policy.trunks.push(Trunk { networks: Vec::new(), ..spare });
        config.policy.routes.push(route("0", "spare"));
    });
    let a = town.register("11", "198.51.100.11:5060");
    let pbx = town.settle("pbx", PBX);
    let spare = town.settle("spare", SPARE);
    town.phones[pbx].manners = Manners::Refuse(503);
    town.call(a, "0301");
    town.run(2 * SECOND);
    assert_eq!((town.phones[pbx].incoming.len(), town.phones[spare].incoming.len()), (1, 1));
    assert!(town.phones[a].says_it_was(|e| matches!(e, Event::Answered { .. })));
    let call = town.phones[spare].came();
    town.hang_up(spare, call);
    town.expect_quiet();

    // A name that is not known counts as a failure, and is told.
    town.world.names.clear();
    town.phones[a].events.clear();
    town.call(a, "0301");
    town.run(SECOND);
    assert_eq!(town.phones[a].was_refused(), Some(503));
    town.expect_quiet();
    let last = town.world.records.last().expect("a record");
    assert!(matches!(last.diagnosis, Some(Diagnosis::DnsFailed { .. })), "{last:?}");
}

#[test]
fn a_trunk_that_does_not_answer_is_down_and_comes_up_again() {
    let mut town = town(|config| config.policy.trunks[0].options = Some(30 * SECOND));
    let pbx = town.settle("pbx", PBX);
    town.phones[pbx].manners = Manners::Dead;
    town.run(120 * SECOND);
    let trunk = &town.world.control.snapshot().trunks[0];
    assert!(matches!(trunk.state, TrunkState::Down(Diagnosis::NoReply { .. })), "{trunk:?}");
    town.phones[pbx].manners = Manners::Ring;
    town.run(60 * SECOND);
    let trunk = &town.world.control.snapshot().trunks[0];
    assert!(matches!(trunk.state, TrunkState::Up { .. }), "{trunk:?}");
    let told: Vec<bool> = town
        .world
        .status
        .iter()
        .filter_map(|status| match status {
            StatusEvent::Trunk { state, .. } => Some(matches!(state, TrunkState::Up { .. })),
            _ => None,
        })
        .collect();
    assert_eq!(told, [false, true], "each change once");
}

#[test]
fn a_reload_changes_trunks_and_ends_no_call() {
    let mut town = town(|_| {});
    let pbx = town.settle("4930", PBX);
    let call = town.call(pbx, "5001");
    town.run(2 * SECOND);
    let mut config = EngineConfig::default();
    crate::phone::house(&mut config);
    config.media_address = address(crate::world::OURS).ip();
    config.policy.trunks = vec![Trunk { name: "other".into(), ..pbx_elsewhere() }];
    town.world.input(ControlInput::Configure(Box::new(config)));
    town.run(2 * SECOND);
    assert_eq!(town.world.control.calls(), 1, "the call goes on");
    let names: Vec<_> = town.world.control.snapshot().trunks.into_iter().map(|trunk| trunk.name).collect();
    assert_eq!(names, ["other"]);
    town.hang_up(pbx, call);
    town.run(SECOND);
    town.call(pbx, "12");
    town.run(SECOND);
    assert!(matches!(town.phones[pbx].was_refused(), Some(401 | 403)), "a stranger now");
    town.expect_quiet();
}

fn pbx_elsewhere() -> Trunk {
    Trunk { networks: vec!["192.0.2.200/32".parse().expect("a network")], address: None, ..pbx() }
}
