//! Transfers: blind, attended, by Replaces, by a flow; and by whom they are refused.
use crate::phone::{Manners, Town};
use crate::world::address;
use passline_engine::sip::{CallHandle, Command, Event};
use passline_engine::{Reach, Route, Trunk};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const PBX: &str = "203.0.113.5:5060";

/// Three phones; 11 has called 12, and both talk.
fn three() -> (Town, [usize; 3], CallHandle) {
    let mut town = Town::with(|config| {
        config.policy.trunks.push(Trunk {
            name: "pbx".into(),
            networks: vec!["203.0.113.5/32".parse().expect("a network")],
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
    let phones = [
        town.register("11", "198.51.100.11:5060"),
        town.register("12", "198.51.100.12:5060"),
        town.register("13", "198.51.100.13:5060"),
    ];
    for (index, octet) in [0x11, 0x22, 0x33].into_iter().enumerate() {
        town.phones[phones[index]].says = (0, octet);
    }
    let call = town.call(phones[0], "12");
    town.run(2 * SECOND);
    (town, phones, call)
}

fn refer(to: &str) -> impl Fn(CallHandle) -> Command + use<> {
    let to = format!("sip:{to}@192.0.2.10:5060");
    move |call| Command::Refer { call, to: to.clone(), replaces: None }
}

fn progress(town: &Town, phone: usize) -> Vec<(u16, bool)> {
    let of = |event: &Event| match event {
        Event::ReferProgress { status, done, .. } => Some((*status, *done)),
        _ => None,
    };
    town.phones[phone].events.iter().filter_map(of).collect()
}

/// Packets of one voice heard in the next two seconds.
fn hears(town: &mut Town, phone: usize, octet: u8) -> bool {
    let before = town.phones[phone].heard_octet(octet);
    town.run(2 * SECOND);
    town.phones[phone].heard_octet(octet) > before + 80
}

#[test]
fn a_blind_transfer_joins_the_other_two() {
    let (mut town, [a, b, c], call) = three();
    town.command(a, refer("13")(call));
    town.run(2 * SECOND);
    assert_eq!(progress(&town, a).last(), Some(&(200, true)), "{:?}", progress(&town, a));
    assert_eq!(town.phones[c].incoming.len(), 1);
    assert!(town.phones[a].says_it_was(|e| matches!(e, Event::Ended { .. })), "the referrer is out");
    assert!(hears(&mut town, b, 0x33));
    assert!(hears(&mut town, c, 0x22));
    town.phones[c].press(&[5]);
    town.run(SECOND);
    assert_eq!(town.phones[b].presses(), [5]);
    let call = town.phones[c].came();
    town.hang_up(c, call);
    town.run(SECOND);
    assert!(town.phones[b].says_it_was(|e| matches!(e, Event::Bye { .. })));
    town.expect_quiet();
}

#[test]
fn a_referrer_may_leave_at_once_and_a_failed_transfer_gives_the_call_back() {
    let (mut town, [a, b, c], call) = three();
    town.phones[c].manners = Manners::Answer(3000);
    town.command(a, refer("13")(call));
    town.run(SECOND);
    town.hang_up(a, call);
    town.run(4 * SECOND);
    assert!(hears(&mut town, b, 0x33) && hears(&mut town, c, 0x22));
    let call = town.phones[b].came();
    town.hang_up(b, call);
    town.expect_quiet();

    let (mut town, [a, b, c], call) = three();
    town.phones[c].manners = Manners::Refuse(486);
    town.command(a, refer("13")(call));
    town.run(2 * SECOND);
    assert_eq!(progress(&town, a).last(), Some(&(486, true)));
    assert!(hears(&mut town, b, 0x11) && hears(&mut town, a, 0x22), "as before");
    town.hang_up(a, call);
    town.expect_quiet();

    // The referrer has left, and nobody answers: the one it left behind is told by a BYE.
    let (mut town, [a, b, c], call) = three();
    town.phones[c].manners = Manners::Ring;
    town.command(a, refer("13")(call));
    town.run(SECOND);
    town.hang_up(a, call);
    town.run(70 * SECOND);
    assert!(town.phones[b].says_it_was(|e| matches!(e, Event::Bye { .. })));
    town.expect_quiet();
    assert!(
        town.world
            .records
            .iter()
            .any(|record| { matches!(&record.diagnosis, Some(why) if why.code() == "transfer_failed") })
    );
}

#[test]
fn a_help_desk_sends_its_caller_into_a_flow() {
    let (mut town, [a, b, _], call) = three();
    town.command(a, refer("5002")(call));
    town.run(SECOND);
    assert_eq!(progress(&town, a).last(), Some(&(200, true)));
    town.run(5 * SECOND);
    assert!(town.phones[b].says_it_was(|e| matches!(e, Event::Bye { .. })), "and hangs up");
    town.expect_quiet();
    assert!(town.world.records.iter().any(|record| record.outcome == "completed"));
}

#[test]
fn an_attended_transfer_joins_the_far_ends() {
    let (mut town, [a, b, c], first) = three();
    let second = town.call(a, "13");
    town.run(2 * SECOND);
    assert_eq!(town.phones[c].incoming.len(), 1);
    // The consulted call is named by a Replaces whose target is ourselves.
    town.command(a, Command::Refer { call: first, to: String::new(), replaces: Some(second) });
    town.run(2 * SECOND);
    assert_eq!(progress(&town, a).last(), Some(&(200, true)), "{:?}", progress(&town, a));
    assert!(hears(&mut town, b, 0x33) && hears(&mut town, c, 0x22));
    let ended = town.phones[a].events.iter().filter(|e| matches!(e, Event::Ended { .. })).count();
    assert_eq!(ended, 2, "both calls of the referrer are over");
    let call = town.phones[b].came();
    town.hang_up(b, call);
    town.expect_quiet();
}

#[test]
fn an_invite_with_replaces_takes_the_place_of_a_call() {
    let (mut town, [a, b, c], call) = three();
    // 13 takes the call of 11 over, as a pick-up does: it learned the dialog's names elsewhere.
    let names = town.phones[a].ua.replaces_of(call).expect("a dialog");
    let now = town.world.now;
    town.phones[c].call_with(now, "12", |invite| {
        invite.headers = vec![("Replaces".into(), names.clone())];
    });
    town.run(2 * SECOND);
    assert!(town.phones[c].says_it_was(|e| matches!(e, Event::Answered { .. })));
    assert!(town.phones[a].says_it_was(|e| matches!(e, Event::Bye { .. })), "its place is taken");
    assert!(hears(&mut town, b, 0x33) && hears(&mut town, c, 0x22));
    let call = town.phones[b].came();
    town.hang_up(b, call);
    town.expect_quiet();

    // A stranger, or a trunk without that right, takes nothing over.
    let (mut town, [a, b, _], call) = three();
    let names = town.phones[a].ua.replaces_of(call).expect("a dialog");
    for at in [PBX, "198.18.0.9:5060"] {
        let thief = town.settle("99", at);
        let now = town.world.now;
        town.phones[thief].call_with(now, "5001", |invite| {
            invite.headers = vec![("Replaces".into(), names.clone())];
            invite.credentials = None;
        });
        town.run(2 * SECOND);
        assert_eq!(town.phones[thief].was_refused(), Some(403), "{at}");
    }
    assert!(hears(&mut town, b, 0x11));
    town.hang_up(a, call);
    town.expect_quiet();
}

#[test]
fn nobody_transfers_further_than_he_may_dial() {
    // A caller of a flow sends us nowhere.
    let (mut town, _, _) = three();
    let pbx = town.settle("4930", PBX);
    let call = town.call(pbx, "5001");
    town.run(2 * SECOND);
    for to in ["0900123", "13", "5002"] {
        town.command(pbx, refer(to)(call));
        town.run(SECOND);
    }
    assert!(progress(&town, pbx).iter().all(|(status, _)| *status >= 400), "{:?}", progress(&town, pbx));
    assert_eq!(town.phones[2].incoming.len(), 0);

    // A device without the right to transfer, or to dial the target, does not either.
    for (reach, to, wanted) in [
        (Reach { extensions: true, trunks: true, ..Reach::default() }, "13", 403),
        (Reach { extensions: true, transfer: true, ..Reach::default() }, "0900123", 404),
        (Reach { extensions: true, transfer: true, ..Reach::default() }, "4711", 404),
    ] {
        let (mut town, [a, b, _], call) = three();
        let mut config = passline_engine::EngineConfig::default();
        crate::phone::house(&mut config);
        config.media_address = address(crate::world::OURS).ip();
        config.policy.registered = reach;
        town.world.input(passline_engine::ControlInput::Configure(Box::new(config)));
        town.command(a, refer(to)(call));
        town.run(SECOND);
        assert_eq!(progress(&town, a).last().map(|(status, _)| *status), Some(wanted), "{to}");
        assert!(hears(&mut town, b, 0x11), "the call goes on");
        town.hang_up(a, call);
        town.expect_quiet();
    }
}

#[test]
fn a_flow_hands_its_caller_over_by_refer_or_by_a_bridge() {
    // A trunk that takes REFER calls the number itself.
    let (mut town, [a, ..], call) = three();
    town.hang_up(a, call);
    let pbx = town.settle("4930", PBX);
    let call = town.call(pbx, "5003");
    town.run(2 * SECOND);
    let target = town.phones[pbx].events.iter().find_map(|event| match event {
        Event::Referred { call, to, .. } => Some((*call, to.clone())),
        _ => None,
    });
    assert_eq!(target, Some((call, "sip:0900@pbx.example".into())));
    town.command(pbx, Command::AcceptRefer { call });
    town.command(pbx, Command::NotifyRefer { call, status: 200, reason: String::new(), done: true });
    town.run(2 * SECOND);
    assert!(town.phones[pbx].says_it_was(|e| matches!(e, Event::Bye { .. })));
    town.expect_quiet();
    assert_eq!(town.world.records.last().expect("one").outcome, "transferred");

    // One that refuses it gets a second call, and we join the two.
    let (mut town, [a, ..], call) = three();
    town.hang_up(a, call);
    let pbx = town.settle("4930", PBX);
    let call = town.call(pbx, "5003");
    town.run(2 * SECOND);
    town.command(pbx, Command::RejectRefer { call, status: 405 });
    town.run(2 * SECOND);
    assert_eq!(town.phones[pbx].incoming.len(), 1);
    assert_eq!(town.phones[pbx].incoming[0].1.number, "0900");
    town.hang_up(pbx, call);
    town.run(SECOND);
    town.expect_quiet();
    assert!(
        town.world.records.iter().any(|record| record.outcome == "transferred" && record.bridged.is_some())
    );

    // A caller from nowhere is put through, too; and if nobody answers, the flow goes on.
    for (manners, outcome) in [(Manners::Answer(300), "transferred"), (Manners::Refuse(486), "completed")] {
        let (mut town, [a, ..], call) = three();
        town.hang_up(a, call);
        let pbx = town.settle("pbx", PBX);
        town.phones[pbx].manners = manners;
        let caller = town.settle("99", "198.18.0.9:5060");
        let call = town.call(caller, "5003");
        town.run(4 * SECOND);
        if outcome == "transferred" {
            town.phones[caller].says = (0, 0x44);
            assert!(hears(&mut town, pbx, 0x44), "put through");
            town.hang_up(caller, call);
        } else {
            town.run(6 * SECOND);
        }
        town.run(SECOND);
        town.expect_quiet();
        assert!(town.world.records.iter().any(|record| record.outcome == outcome), "{outcome}");
    }
}

#[test]
fn a_caller_that_leaves_while_a_flow_puts_it_through_leaves_nothing_ringing() {
    let (mut town, [a, ..], call) = three();
    town.hang_up(a, call);
    let pbx = town.settle("pbx", PBX);
    town.phones[pbx].manners = Manners::Ring;
    let caller = town.settle("99", "198.18.0.9:5060");
    let call = town.call(caller, "5003");
    town.run(3 * SECOND);
    assert_eq!(town.phones[pbx].incoming.len(), 1);
    town.hang_up(caller, call);
    town.run(SECOND);
    assert!(town.phones[pbx].says_it_was(|e| matches!(e, Event::Cancelled { .. })));
    town.expect_quiet();
}
