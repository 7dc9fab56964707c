//! Two of our own user agents over a bad network, seeded: reliable ringing, crossing offers, refreshes and transfers come
//! to one end on both sides, and nothing is left over.

use crate::lossy::World;
use crate::support::SDP;
use passline_sip::*;
use std::time::Duration;

const POLICY: CallPolicy = CallPolicy {
    rel100: Rel100::Prefer,
    session: SessionPolicy { expires: 120, min_se: 90, refresher: Refresher::Negotiated, offer: true },
};

/// What a layer above does with its news: rings, then answers, then says yes to everything.
fn agree(event: &Event) -> Vec<Command> {
    let sdp = || SDP.as_bytes().to_vec();
    match event {
        Event::Incoming { call, .. } => vec![
            Command::Ring { call: *call, sdp: None },
            Command::Ring { call: *call, sdp: Some(sdp()) },
            Command::Accept { call: *call, sdp: sdp() },
        ],
        Event::Reoffered { call, .. } => vec![Command::AcceptReinvite { call: *call, sdp: sdp() }],
        Event::Referred { call, .. } => vec![
            Command::AcceptRefer { call: *call },
            Command::NotifyRefer { call: *call, status: 180, reason: String::new(), done: false },
            Command::NotifyRefer { call: *call, status: 200, reason: String::new(), done: true },
        ],
        _ => Vec::new(),
    }
}

fn count(events: &[Event], fits: impl Fn(&Event) -> bool) -> usize {
    events.iter().filter(|e| fits(e)).count()
}

#[test]
fn dialogs_on_a_bad_network_come_to_one_end() {
    let (mut stood, mut transferred) = (0, 0);
    for seed in 0..80u64 {
        let config = Config { policy: POLICY, ..Config::default() };
        let mut world = World::with(2000 + seed, 200, config, agree);
        let ours = world.call();
        world.run(Duration::from_secs(40));
        if count(&world.events[0], |e| matches!(e, Event::Answered { .. })) == 0 {
            continue;
        }
        stood += 1;
        let theirs = world.events[1].iter().find_map(|e| match e {
            Event::Incoming { call, .. } => Some(*call),
            _ => None,
        });
        let theirs = theirs.unwrap();
        // Both want something else at once: one waits for the other.
        world.command(0, Command::Reinvite { call: ours, sdp: b"v=0 a".to_vec() });
        world.command(1, Command::Reinvite { call: theirs, sdp: b"v=0 b".to_vec() });
        world.run(Duration::from_secs(200));
        let alive = world.ended(0).is_empty() && world.ended(1).is_empty();
        for who in 0..2 {
            let answers = count(&world.events[who], |e| matches!(e, Event::Reanswered { .. }));
            assert_eq!(answers, 1, "seed {seed}, side {who}: each wish has one answer");
        }
        if alive {
            assert!(
                (0..2).all(|who| count(&world.events[who], |e| matches!(
                    e,
                    Event::Reanswered { result: Ok(_), .. }
                )) == 1),
                "seed {seed}: glare is no refusal"
            );
        }
        world.command(1, Command::Refer { call: theirs, to: "sip:desk@192.0.2.77".into(), replaces: None });
        world.run(Duration::from_secs(120));
        let done = |e: &Event| matches!(e, Event::ReferProgress { done: true, .. });
        if alive && world.ended(0).is_empty() && world.ended(1).is_empty() {
            assert_eq!(count(&world.events[1], done), 1, "seed {seed}: {:?}", world.events[1]);
            assert_eq!(count(&world.events[0], |e| matches!(e, Event::Referred { .. })), 1, "seed {seed}");
            let good = |e: &Event| matches!(e, Event::ReferProgress { status: 200, done: true, .. });
            transferred += count(&world.events[1], good);
        }
        let last = if seed % 2 == 0 { (0, ours) } else { (1, theirs) };
        world.command(last.0, Command::HangUp { call: last.1, reason: None });
        world.run(Duration::from_secs(200));
        for who in 0..2 {
            assert_eq!(world.ended(who).len(), 1, "seed {seed}, side {who}: {:?}", world.events[who]);
            let agent = &world.agents[who];
            assert_eq!((agent.calls(), agent.transactions(), agent.deadline()), (0, 0, None), "seed {seed}");
        }
    }
    assert!(stood >= 76, "{stood} of 80 calls stood at 20 % loss");
    assert!(transferred >= 70, "{transferred} of {stood} transfers were heard of to the end");
}

#[test]
fn on_a_good_network_nobody_waits_and_timers_refresh() {
    let config = Config { policy: POLICY, ..Config::default() };
    let mut world = World::with(1, 0, config, agree);
    let ours = world.call();
    world.run(Duration::from_secs(3600));
    assert!(world.ended(0).is_empty() && world.ended(1).is_empty(), "refreshed for an hour");
    world.command(0, Command::HangUp { call: ours, reason: None });
    world.run(Duration::from_secs(40));
    assert_eq!((world.ended(0), world.ended(1)), (vec![EndCause::LocalHangUp], vec![EndCause::RemoteBye]));
}

#[test]
fn who_vanishes_is_noticed_by_the_timer() {
    let config = Config { policy: POLICY, ..Config::default() };
    let mut world = World::with(1, 0, config, agree);
    world.call();
    world.run(Duration::from_secs(10));
    world.loss = 1000;
    world.run(Duration::from_secs(240));
    for who in 0..2 {
        assert!(
            matches!(world.ended(who)[..], [EndCause::Expired | EndCause::Lost]),
            "{:?}",
            world.ended(who)
        );
        assert_eq!((world.agents[who].calls(), world.agents[who].deadline()), (0, None));
    }
}
