//! Silence, wrong keys, slow and failing systems, hang-ups everywhere.
use crate::world::{Call, ID, PIN, World, name};
use passline_identity::{Fault, Query};
use std::time::Duration;

#[test]
fn silence_at_every_question_ends_the_call_politely() {
    let mut call = Call::to("5000", World::default());
    call.run_out();
    assert_eq!(call.outcome(), Some("no_input"));
    assert_eq!(call.said().iter().filter(|line| line.contains("no_input")).count(), 2, "asked three times");
    assert!(call.said().last().is_some_and(|line| line.contains("too_many_tries")));

    let places: [(&str, &[&str]); 4] = [
        ("enter_your_pin", &[]),
        ("question_birth_year", &["246810#"]),
        ("what_do_you_need", &["246810#", "1975", "1975"]),
        ("choose_systems", &["246810#", "1975", "1975", "1"]),
    ];
    for (place, keys) in places {
        let mut call = Call::to("5000", World::default());
        call.identify(ID);
        let prompts = ["enter_your_pin", "question_birth_year", "question_house_number", "what_do_you_need"];
        for (prompt, keys) in prompts.iter().zip(keys) {
            call.hear(prompt);
            call.press(keys);
        }
        call.hear(place);
        call.run_out();
        assert_eq!(call.outcome(), Some("no_input"), "{place}");
        assert!(call.ended());
    }
}

#[test]
fn wrong_keys_in_menus_end_the_call_after_three_tries() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.press("5");
    call.hear("no_match");
    call.press("6");
    call.hear("no_match");
    call.press("#");
    call.run_out();
    assert_eq!(call.outcome(), Some("no_match"));
}

#[test]
fn an_id_that_is_too_short_is_asked_for_again() {
    let mut call = Call::to("5000", World::default());
    call.hear("language_menu");
    call.press("1");
    call.hear("key_your_id");
    call.press("4#");
    call.hear("not_understood");
    call.press("40711#");
    call.hear("enter_your_pin");
}

#[test]
fn a_slow_directory_is_bridged_by_words_and_each_answer_waits_for_their_end() {
    let mut world = World::default();
    world.delays.insert("reset", Some(Duration::from_millis(1500)));
    let mut call = Call::to("5000", world.clone());
    call.verify();
    call.press("1");
    call.hear("choose_systems");
    call.press("9");
    call.hear("one_moment");
    let asked = call.now;
    call.hear("password_intro");
    assert!(call.now - asked >= Duration::from_millis(1000), "the sentence was said to its end");
    assert!(!call.log.join("\n").contains("still_working"));

    world.delays.insert("reset", Some(Duration::from_secs(15)));
    let mut call = Call::to("5000", world);
    call.verify();
    call.press("1");
    call.hear("choose_systems");
    call.press("9");
    call.hear("one_moment");
    call.hear("still_working");
    call.hear("still_working");
    call.hear("password_intro");
}

#[test]
fn keys_during_a_query_are_kept_for_the_next_question() {
    let mut world = World::default();
    world.delays.insert("identify", Some(Duration::from_secs(3)));
    let mut call = Call::to("5000", world);
    call.identify(ID);
    call.press("246810#");
    call.hear("question_birth_year");
    assert!(!call.log.join("\n").contains("enter_your_pin"));
}

#[test]
fn a_reset_without_answer_is_told_as_unknown_and_a_late_answer_is_closed() {
    let mut world = World::default();
    world.delays.insert("reset", Some(Duration::from_secs(40)));
    let mut call = Call::to("5000", world);
    call.verify();
    call.press("1");
    call.hear("choose_systems");
    call.press("9");
    call.hear("could_not_change_unknown");
    assert!(call.audits().contains(&("reset", "timeout")));
    call.hear("anything_else");
    call.press("2");
    call.run_out();
    assert!(call.ended());
    assert_eq!((call.asked("heard"), call.asked("unheard")), (0, 1), "the late password is made void");
}

#[test]
fn a_reset_that_is_never_answered_ends_with_a_ticket() {
    let mut world = World::default();
    world.delays.insert("reset", None);
    let mut call = Call::to("5000", world);
    call.verify();
    call.press("1");
    call.hear("choose_systems");
    call.press("9");
    call.hear("could_not_change_unknown");
    call.run_out();
    assert!(call.ended());
    assert!(call.tickets().iter().any(|(summary, resolved)| summary.contains("got no answer") && !resolved));
}

#[test]
fn a_failing_answer_to_any_query_has_its_way_out() {
    for fault in
        [Fault::Timeout, Fault::Unavailable, Fault::Internal, Fault::NotAuthenticated, Fault::NotFound]
    {
        for query in [
            "identify",
            "questions",
            "verify",
            "capabilities",
            "reset",
            "heard",
            "audit",
            "ticket",
            "unheard",
        ] {
            let mut world = World::default();
            world.failing.insert(query, fault);
            let mut call = Call::to("5000", world);
            drive(&mut call, 3);
            assert!(call.ended(), "{query} {fault}");
            assert!(call.outcome().is_some(), "{query} {fault}");
            if matches!(query, "identify" | "questions" | "verify" | "capabilities" | "heard") {
                assert_eq!(call.outcome(), Some("error"), "{query} {fault}");
                assert!(call.said().last().is_some_and(|line| line.contains("sorry_technical")), "{query}");
                assert!(call.tickets().iter().any(|(_, resolved)| !resolved), "{query}: somebody is told");
                assert!(call.audits().iter().any(|(event, _)| *event == "fault"), "{query}");
            }
            if matches!(query, "audit" | "ticket" | "unheard") {
                assert_eq!(call.outcome(), Some("completed"), "{query} does not stop a call");
            }
        }
        for (query, key) in [("unlock", "2"), ("disk_code", "3")] {
            let mut world = World::default();
            world.failing.insert(query, fault);
            let mut call = Call::to("5000", world);
            call.verify();
            call.press(key);
            call.run_out();
            assert!(call.ended(), "{query} {fault}");
        }
    }
}

#[test]
fn a_store_that_never_answers_does_not_hold_the_call() {
    for query in ["identify", "questions", "verify", "capabilities", "heard", "audit", "ticket"] {
        let mut world = World::default();
        world.delays.insert(query, None);
        let mut call = Call::to("5000", world);
        drive(&mut call, 3);
        assert!(call.ended(), "{query}");
    }
}

#[test]
fn a_fault_after_the_password_was_set_reports_it_as_unheard_and_says_so() {
    // The limit of the call comes while the password is dictated again and again.
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.order_password();
    call.press("1");
    for _ in 0..400 {
        call.wait(Duration::from_secs(3));
        if call.outcome().is_some() {
            break;
        }
        call.press("0");
    }
    call.run_out();
    assert_eq!(call.outcome(), Some("call_limit"));
    assert_eq!((call.asked("heard"), call.asked("unheard")), (0, 1));
    let said = call.said();
    assert_eq!(said[said.len() - 2..], ["en:not_confirmed", "en:call_too_long"]);
    assert!(call.elapsed() < Duration::from_secs(15 * 60 + 60));
}

#[test]
fn a_void_password_that_cannot_be_made_void_is_a_ticket() {
    let mut world = World::default();
    world.failing.insert("unheard", Fault::Unavailable);
    let mut call = Call::to("5000", world);
    call.verify();
    call.order_password();
    call.hang_up();
    call.run_out();
    assert!(call.ended());
    assert!(
        call.tickets()
            .iter()
            .any(|(summary, resolved)| summary.contains("could not be made invalid") && !resolved)
    );
}

/// Plays a caller who answers every question rightly, three at most of each kind, whatever the order.
pub fn drive(call: &mut Call, most: usize) {
    let replies = [
        ("language_menu", "1"),
        ("key_your_id", "40711#"),
        ("enter_your_pin", "246810#"),
        ("question_birth_year", "1975"),
        ("question_house_number", "1975"),
        ("what_do_you_need", "1"),
        ("choose_systems", "9"),
        ("press_1_when_ready", "1"),
        ("again_or_done", "#"),
        ("key_two_digits", "48"),
        ("reset_another", "2"),
        ("anything_else", "2"),
    ];
    let (mut read, mut given) = (0, std::collections::BTreeMap::<&str, usize>::new());
    loop {
        while read < call.log.len() {
            let line = call.log[read].clone();
            read += 1;
            let Some(said) = line.strip_prefix("say ") else { continue };
            for (prompt, keys) in replies {
                let count = given.entry(prompt).or_default();
                if said.split([' ', ':']).any(|word| word == prompt) && *count < most {
                    *count += 1;
                    call.press(keys);
                }
            }
        }
        if !call.happen() {
            return;
        }
    }
}

/// Each password that was handed out is reported exactly once as heard or unheard; the flow ends by itself.
pub fn assert_settled(call: &Call, what: &str) {
    assert!(call.ended(), "{what}: not ended; {:?}", call.log.last());
    let resets = call.asked("reset");
    let (heard, unheard) = (call.asked("heard"), call.asked("unheard"));
    if resets > 0 && !call.world.failing.contains_key("reset") {
        assert_eq!(heard + unheard, resets, "{what}: {heard} heard, {unheard} unheard of {resets}");
    }
}

#[test]
fn a_hang_up_at_any_moment_leaves_nothing_open() {
    let mut whole = Call::to("5000", World::default());
    drive(&mut whole, 3);
    assert_eq!(whole.outcome(), Some("completed"));
    let outputs = whole.log.len();
    assert!(outputs > 60);
    for slow in [None, Some(Duration::from_secs(3)), Some(Duration::from_secs(40))] {
        for count in 1..=outputs + 5 {
            let mut world = World::default();
            if let Some(slow) = slow {
                world.delays.extend([("reset", Some(slow)), ("heard", Some(Duration::from_secs(2)))]);
            }
            let mut call = Call::to("5000", world);
            call.hang_up_after = Some(count);
            drive(&mut call, 3);
            call.run_out();
            assert_settled(&call, &format!("hang-up after output {count}, reset takes {slow:?}"));
            let over = call.audits().iter().any(|(event, _)| matches!(*event, "caller_left" | "call_ended"));
            assert!(over, "hang-up after output {count} is in no audit");
        }
    }
}

#[test]
fn a_hang_up_before_the_answer_to_a_reset_closes_it_when_it_comes() {
    let mut world = World::default();
    world.delays.insert("reset", Some(Duration::from_secs(20)));
    let mut call = Call::to("5000", world);
    call.verify();
    call.press("1");
    call.hear("choose_systems");
    call.press("9");
    call.hear("one_moment");
    call.hang_up();
    assert!(!call.ended(), "the flow waits for the answer");
    call.run_out();
    assert_settled(&call, "late answer");
    assert!(call.queries.iter().any(|query| matches!(query, Query::ResetUnheard { .. })));
    let last = call.queries.iter().map(name).next_back();
    assert_eq!(last, Some("unheard"));
}

#[test]
fn a_caller_who_cancels_before_the_call_begins_leaves_no_trace() {
    use passline_flow::{CallContext, Flow, Input, Output};
    use rand_core::SeedableRng;
    let program = crate::shipped::program();
    let entry = program.entry("5000").expect("answered");
    let context = CallContext { call: "c".into(), dialled: "5000".into(), languages: vec!["en".into()] };
    let mut flow = Flow::new(program, entry, context, rand_chacha::ChaCha20Rng::seed_from_u64(1));
    let call = Call::to("5001", World::default());
    flow.handle(call.now, Input::HungUp);
    assert_eq!(flow.poll(), Some(Output::Ended));
    assert_eq!((flow.poll(), flow.deadline()), (None, None));
}

#[test]
fn a_right_pin_is_needed_even_when_everything_is_slow() {
    let mut world = World::default();
    world
        .delays
        .extend([("verify", Some(Duration::from_secs(29))), ("questions", Some(Duration::from_secs(5)))]);
    let mut call = Call::to("5000", world);
    call.identify(ID);
    call.prove(PIN, "1975");
    call.hear("what_do_you_need");
}
