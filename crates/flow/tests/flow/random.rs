//! Callers who press anything at any time: the flow never panics, always ends, and never leaves a password open.
use crate::{
    failures::{assert_settled, drive},
    world::{Call, World},
};
use passline_identity::Fault;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Act {
    Press(char),
    Wait(u16),
    Verify,
    Happen(u8),
}

fn act() -> impl Strategy<Value = Act> {
    let keys: Vec<char> = "0123456789*#ABCD".chars().collect();
    prop_oneof![
        6 => proptest::sample::select(keys).prop_map(Act::Press),
        2 => (0_u16..20_000).prop_map(Act::Wait),
        1 => Just(Act::Verify),
        4 => (0_u8..20).prop_map(Act::Happen),
    ]
}

fn world() -> impl Strategy<Value = World> {
    let queries = [
        "identify",
        "questions",
        "verify",
        "capabilities",
        "reset",
        "heard",
        "unheard",
        "unlock",
        "disk_code",
    ];
    let faults = [Fault::Timeout, Fault::Unavailable, Fault::Internal, Fault::Refused];
    let failing = proptest::option::weighted(
        0.3,
        (proptest::sample::select(queries.to_vec()), proptest::sample::select(faults.to_vec())),
    );
    let slow = proptest::option::weighted(0.3, (proptest::sample::select(queries.to_vec()), 0_u64..50_000));
    let bad = proptest::option::weighted(0.3, proptest::sample::select(faults.to_vec()));
    (failing, slow, bad).prop_map(|(failing, slow, bad)| {
        let mut world = World::default();
        world.failing.extend(failing);
        world.delays.extend(slow.map(|(query, ms)| (query, Some(Duration::from_millis(ms)))));
        world.results.extend(bad.map(|fault| ("crm", fault)));
        world
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_caller_is_served_to_an_end(
        world in world(),
        acts in proptest::collection::vec(act(), 0..120),
        hang_up in proptest::option::of(0_usize..120),
        number in proptest::sample::select(vec!["5000", "5001"]),
    ) {
        let mut call = Call::to(number, world);
        for (index, act) in acts.iter().enumerate() {
            if hang_up == Some(index) {
                call.hang_up();
                break;
            }
            match act {
                Act::Press(key) => call.press(&key.to_string()),
                Act::Wait(ms) => call.wait(Duration::from_millis(u64::from(*ms))),
                Act::Verify => call.press("40711#246810#19751975"),
                Act::Happen(times) => (0..*times).for_each(|_| { call.happen(); }),
            }
        }
        call.run_out();
        assert_settled(&call, "random caller");
        // The limit of the call, the last words, the last queries, and what was waited for by hand.
        let longest = Duration::from_secs(15 * 60 + 45 + 150) + Duration::from_secs(120 * 20);
        prop_assert!(call.elapsed() < longest);
    }

    #[test]
    fn a_good_caller_in_a_bad_world_is_served_to_an_end(world in world(), hang_up in proptest::option::of(1_usize..120)) {
        let mut call = Call::to("5000", world);
        call.hang_up_after = hang_up;
        drive(&mut call, 3);
        call.run_out();
        assert_settled(&call, "good caller");
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z:{}\\[\\] \\n\\-\"#&*$0-9]{0,200}", cut in 0_usize..6000) {
        let files = |text: String| [("f".to_owned(), text)];
        let _ = passline_flow::load(&files(text.clone()), crate::shipped::Tables::shipped());
        // The shipped flow with something foreign in its midst.
        let mut flow = crate::shipped::shipped("password_reset.yaml");
        let at = (0..=cut.min(flow.len())).rev().find(|at| flow.is_char_boundary(*at)).unwrap_or(0);
        flow.insert_str(at, &text);
        let _ = passline_flow::load(&files(flow), crate::shipped::Tables::shipped());
    }
}
