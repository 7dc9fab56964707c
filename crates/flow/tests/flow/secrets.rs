//! Who learns what: unknown and locked callers, wrong proofs, confirmation of the password.
use crate::world::{ANSWER, Call, ID, PIN, World};
use passline_identity::{Fault, Query};
use std::time::Duration;

/// Everything that a caller can perceive, with its times.
fn perceived(call: &Call) -> Vec<(String, u64)> {
    let audible = |line: &str| ["say ", "hush", "hangup "].iter().any(|what| line.starts_with(what));
    call.log
        .iter()
        .zip(&call.times)
        .filter(|(line, _)| audible(line))
        .map(|(line, at)| (line.clone(), *at))
        .collect()
}

fn fail_to_verify(id: &str, pin: &str, answer: &str, locked: bool) -> Call {
    let mut call = Call::to("5000", World { locked, ..World::default() });
    call.identify(id);
    for _ in 0..3 {
        call.prove(pin, answer);
    }
    call.hear("not_verified");
    call.run_out();
    assert_eq!(call.outcome(), Some("not_verified"));
    call
}

#[test]
fn unknown_known_and_locked_callers_hear_the_same_at_the_same_times() {
    let known = fail_to_verify(ID, "111111", ANSWER, false);
    let wrong_answer = fail_to_verify(ID, PIN, "1111", false);
    let unknown = fail_to_verify("99999", PIN, ANSWER, false);
    let locked = fail_to_verify(ID, PIN, ANSWER, true);
    for other in [&wrong_answer, &unknown, &locked] {
        assert_eq!(perceived(&known), perceived(other));
    }
    let asked =
        |call: &Call| call.queries.iter().map(crate::world::name).filter(|name| *name != "ticket").count();
    assert_eq!(asked(&known), asked(&unknown), "as many queries for both");
    assert!(known.audits().contains(&("not_verified", "failed")));
    assert!(locked.audits().contains(&("not_verified", "locked")), "only the audit knows the difference");
}

#[test]
fn a_wrong_proof_is_judged_only_when_all_are_given() {
    let call = fail_to_verify(ID, "111111", "1111", false);
    let steps: Vec<&str> = call
        .log
        .iter()
        .filter_map(|line| line.strip_prefix("ask "))
        .filter(|name| matches!(*name, "questions" | "verify" | "capabilities"))
        .collect();
    assert_eq!(steps, ["questions", "verify", "verify"].repeat(3));
}

#[test]
fn the_second_try_may_pass() {
    let mut call = Call::to("5000", World::default());
    call.identify(ID);
    call.prove("1111", ANSWER);
    call.hear("try_again");
    call.prove(PIN, ANSWER);
    call.hear("what_do_you_need");
}

#[test]
fn a_right_pin_and_a_right_answer_in_different_tries_do_not_add_up() {
    let mut call = Call::to("5000", World::default());
    call.identify(ID);
    call.prove(PIN, "1111");
    call.prove("1111", ANSWER);
    call.prove("1111", "1111");
    call.hear("not_verified");
    assert_eq!(call.asked("capabilities"), 0);
}

#[test]
fn too_few_questions_are_no_proof() {
    let text = crate::shipped::shipped("password_reset.yaml").replace("ask: 2, of: 4", "ask: 9, of: 9");
    let files = [("f".to_owned(), text)];
    let program =
        passline_flow::load(&files, crate::shipped::Tables::shipped()).unwrap_or_else(|f| panic!("{f:?}"));
    // The world knows four questions only.
    let mut call = Call::of(std::sync::Arc::new(program), "5000", World::default());
    call.identify(ID);
    for _ in 0..3 {
        call.hear("enter_your_pin");
        call.press("246810#");
    }
    call.hear("not_verified");
}

#[test]
fn wrong_digits_twice_spell_again_and_twice_more_make_the_password_void() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.order_password();
    for round in 0..2 {
        if round == 0 {
            call.press("1");
        }
        call.hear("again_or_done");
        call.press("#");
        call.hear("key_two_digits");
        call.press("49");
        call.hear("digits_wrong");
        call.hear("key_two_digits");
        call.press("84");
        if round == 0 {
            call.hear("spell_again");
        }
    }
    call.hear("not_confirmed");
    assert_eq!((call.asked("heard"), call.asked("unheard")), (0, 1));
    call.hear("reset_another");
    call.press("2");
    call.run_out();
    assert_eq!((call.asked("heard"), call.asked("unheard")), (0, 1));
}

#[test]
fn whoever_has_it_but_leaves_unconfirmed_has_not_heard_it() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.order_password();
    call.press("1#");
    call.hear("key_two_digits");
    call.hang_up();
    call.run_out();
    assert_eq!((call.asked("heard"), call.asked("unheard")), (0, 1));
}

#[test]
fn whoever_looks_for_a_pen_too_long_gets_no_password() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.order_password();
    call.hear("waiting_for_you");
    call.hear("not_confirmed");
    assert_eq!(call.asked("unheard"), 1);
    assert!(
        !call
            .phrases
            .iter()
            .any(|p| p.items.iter().any(|i| matches!(i, passline_prompt::phrase::Item::Spelled(_))))
    );
}

#[test]
fn the_intro_cannot_be_skipped() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.press("1");
    call.hear("choose_systems");
    call.press("9");
    call.hear("password_intro");
    let before = call.log.len();
    call.press("1");
    assert_eq!(call.log.len(), before, "a key does nothing here");
    call.hear("press_1_when_ready");
}

#[test]
fn a_silent_listener_hears_it_three_times_and_is_then_asked() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.order_password();
    call.press("1");
    call.hear("key_two_digits");
    let times = call.said().iter().filter(|line| line.contains("your_password_is")).count();
    assert_eq!(times, 3);
    call.press("48");
    call.hear("digits_right");
}

#[test]
fn keys_steer_the_dictation() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.order_password();
    let mut last = |keys: &str| {
        call.press(keys);
        call.said().last().map(|line| (*line).to_owned()).unwrap_or_default()
    };
    assert!(last("1").starts_with("en:your_password_is"));
    assert!(last("1").starts_with("en:next_part"));
    assert!(last("11").starts_with("en:last_part"));
    assert!(last("1").starts_with("en:that_was_all"));
    assert!(last("7").starts_with("en:last_part"));
    assert!(last("7").starts_with("en:next_part"));
    assert!(last("0").starts_with("en:your_password_is"));
    assert!(last("*").starts_with("en:slower your_password_is"));
    assert!(last("#").starts_with("en:key_two_digits"));
}

#[test]
fn a_password_of_digits_is_confirmed_by_all_of_them() {
    let mut call = Call::to("5000", World { password: "123-456-789-000", ..World::default() });
    call.verify();
    call.order_password();
    call.press("1#");
    call.hear("key_all_digits");
    call.press("123456789000#");
    call.hear("digits_right");
    assert_eq!(call.asked("heard"), 1);
}

#[test]
fn a_password_without_digits_is_confirmed_by_pound() {
    let mut call = Call::to("5000", World { password: "BCD-FGH-JKM-PQR", ..World::default() });
    call.verify();
    call.order_password();
    call.press("1#");
    call.hear("digits_right");
    assert_eq!(call.asked("heard"), 1);
}

#[test]
fn a_store_that_cannot_close_the_journal_ends_the_call_honestly() {
    let mut world = World::default();
    world.failing.insert("heard", Fault::Internal);
    let mut call = Call::to("5000", world);
    call.verify();
    call.order_password();
    call.press("1#");
    call.hear("key_two_digits");
    call.press("48");
    call.hear("sorry_technical");
    call.run_out();
    assert_eq!(call.outcome(), Some("error"));
    assert!(!call.log.join("\n").contains("digits_right"));
}

#[test]
fn no_secret_is_in_a_debug_print_of_any_query() {
    let mut call = Call::to("5000", World::default());
    call.go_well();
    let print = format!("{:?} {:?}", call.queries, call.phrases);
    for canary in [PIN, ANSWER, ID, "Tango", "Maple", "Rivet"] {
        assert!(!print.contains(canary), "{canary}");
    }
    assert!(call.queries.iter().any(|query| matches!(query, Query::Verify { .. })));
    assert!(call.elapsed() < Duration::from_secs(300));
}

#[test]
fn a_pound_after_the_two_digits_answers_no_other_question() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.order_password();
    call.press("1#");
    call.hear("key_two_digits");
    call.press("48#");
    call.hear("digits_right");
    call.hear("reset_another");
    assert!(!call.said().last().is_some_and(|line| line.contains("no_match")));
}

#[test]
fn impatient_keys_during_a_change_answer_nothing() {
    let mut world = World::default();
    world.delays.insert("unlock", Some(Duration::from_secs(3)));
    let mut call = Call::to("5000", world);
    call.verify();
    call.press("2");
    call.hear("one_moment");
    call.press("12");
    call.hear("unlocked");
    call.listen();
    call.hear("anything_else");
    call.wait(Duration::from_secs(3));
    assert!(call.outcome().is_none());
}
