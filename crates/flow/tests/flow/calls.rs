//! Whole calls as callers make them.
use crate::{
    shipped::{Tables, program, shipped},
    world::{Call, PASSWORD, World},
};
use passline_flow::{Flow, load};
use passline_identity::{Fault, Query, TargetId};
use passline_prompt::phrase::{Item, Rate};
use std::time::Duration;

#[test]
fn a_flow_can_move_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<Flow>();
}

#[test]
fn a_password_for_all_systems() {
    let mut call = Call::to("5000", World::default());
    call.go_well();
    assert_eq!(call.outcome(), Some("completed"));
    assert!(call.ended());
    assert_eq!((call.asked("heard"), call.asked("unheard")), (1, 0));
    let Some(Query::Reset { targets, needs, must_change, language, expires, .. }) =
        call.queries.iter().find(|query| matches!(query, Query::Reset { .. }))
    else {
        panic!("no reset")
    };
    assert_eq!(*targets, ["directory", "crm"].map(TargetId::from));
    assert_eq!((*needs, *must_change, language.as_str()), (2, true, "en"));
    assert_eq!(*expires, Duration::from_secs(1800));
    assert_eq!(call.tickets(), [("password reset by phone", true)]);
    assert!(call.audits().contains(&("call_ended", "completed")));
    assert!(
        call.said().iter().any(|line| line.contains("works_once_until time(14:30) choose_new_one vpn_hint"))
    );
    assert!(call.said().iter().any(|line| line.contains("target_directory has_new_password")));
}

#[test]
fn the_password_is_said_in_parts_whole_and_spelled_and_never_logged() {
    let mut call = Call::to("5000", World::default());
    call.go_well();
    let items: Vec<&Item> = call.phrases.iter().flat_map(|phrase| &phrase.items).collect();
    let spelled: String = items
        .iter()
        .filter_map(|item| match item {
            Item::Spelled(part) => Some(part.expose()),
            _ => None,
        })
        .collect();
    let whole: Vec<&str> = items
        .iter()
        .filter_map(|item| match item {
            Item::Whole(part) => Some(part.expose()),
            _ => None,
        })
        .collect();
    assert_eq!(spelled, PASSWORD, "spelled once, with its hyphens");
    assert_eq!(whole, ["Tango", "48", "Maple", "Rivet"]);
    let log = call.log.join("\n");
    for word in ["Tango", "Maple", "Rivet", "(48", "246810", "1975", "40711"] {
        assert!(!log.contains(word), "{word} is in the log");
    }
    assert!(log.contains("secret"));
}

#[test]
fn german_is_spoken_to_whoever_chooses_it() {
    let mut call = Call::to("5000", World::default());
    call.hear("language_menu");
    call.press("2");
    call.hear("key_your_id");
    assert!(call.said().last().is_some_and(|line| line.starts_with("de:")));
    assert!(call.said().contains(&"en:language_menu"), "each language is offered in its own");
}

#[test]
fn both_languages_are_offered_and_silence_chooses_the_first() {
    let mut call = Call::to("5000", World::default());
    call.hear("key_your_id");
    let said = call.said();
    assert_eq!(said[..4], ["en:language_menu", "de:language_menu", "en:language_menu", "de:language_menu"]);
    assert!(said[4].starts_with("en:welcome"));
}

#[test]
fn one_system_of_two() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.press("1");
    call.hear("choose_systems");
    assert!(call.said().last().is_some_and(|line| {
        line.contains("for_target target_directory press digits(1)")
            && line.contains("for_target target_crm press digits(2)")
            && line.contains("all_systems digits(9)")
    }));
    call.press("2");
    call.hear("password_intro");
    let crm = |query: &Query| matches!(query, Query::Reset { targets, .. } if *targets == ["crm"].map(TargetId::from));
    assert!(call.queries.iter().any(crm));
}

#[test]
fn whoever_has_one_system_is_not_asked_which() {
    let world = World { targets: vec![("directory", Some(false))], machines: vec![], ..World::default() };
    let mut call = Call::to("5000", world);
    call.verify();
    assert!(
        !call.said().last().is_some_and(|line| line.contains("disk_unlock_code")),
        "no computer, no code"
    );
    call.press("1");
    call.hear("password_intro");
    assert!(!call.log.join("\n").contains("choose_systems"));
}

#[test]
fn whoever_has_nothing_is_told_so() {
    let world = World { targets: vec![], machines: vec![], ..World::default() };
    let mut call = Call::to("5000", world);
    call.identify(crate::world::ID);
    call.prove(crate::world::PIN, crate::world::ANSWER);
    call.hear("nothing_available");
    call.hear("goodbye");
    call.run_out();
    assert!(call.ended());
}

#[test]
fn partial_failure_is_told_per_system_and_the_password_is_still_said() {
    let mut world = World::default();
    world.results.insert("crm", Fault::Unavailable);
    let mut call = Call::to("5000", world);
    call.verify();
    call.press("1");
    call.hear("choose_systems");
    call.press("9");
    call.hear("some_systems_failed");
    call.hear("could_not_be_changed");
    assert!(call.said().last().is_some_and(|line| line.ends_with("target_crm could_not_be_changed")));
    call.hear("press_1_when_ready");
    call.press("1");
    call.hear("again_or_done");
    call.press("#");
    call.hear("key_two_digits");
    call.press("48");
    call.hear("has_new_password");
    let line = call.said().last().map(|line| (*line).to_owned()).unwrap_or_default();
    assert_eq!(line, "en:target_directory has_new_password target_crm could_not_be_changed");
}

#[test]
fn total_failure_leaves_the_old_password_and_doubt_is_told_as_doubt() {
    for (fault, prompt) in
        [(Fault::Refused, "could_not_change"), (Fault::Timeout, "could_not_change_unknown")]
    {
        let mut world = World::default();
        world.results.extend([("crm", Fault::Refused), ("directory", fault)]);
        let mut call = Call::to("5000", world);
        call.verify();
        call.press("1");
        call.hear("choose_systems");
        call.press("9");
        call.hear(prompt);
        call.hear("anything_else");
        assert_eq!(call.asked("unheard"), 1, "the journal entry is closed");
        call.press("2");
        call.run_out();
        assert_eq!(call.outcome(), Some("completed"));
    }
}

#[test]
fn an_unlock_touches_only_what_is_or_may_be_locked() {
    let targets = vec![("directory", Some(false)), ("crm", Some(true)), ("ldap", None)];
    let mut call = Call::to("5000", World { targets, ..World::default() });
    call.verify();
    call.press("2");
    call.hear("unlocked");
    let Some(Query::Unlock { targets, needs, .. }) =
        call.queries.iter().find(|query| matches!(query, Query::Unlock { .. }))
    else {
        panic!("no unlock")
    };
    assert_eq!((targets.clone(), *needs), (["crm", "ldap"].map(TargetId::from).to_vec(), 2));
    call.hear("anything_else");
    call.press("1");
    call.hear("what_do_you_need");
    call.hang_up();
    assert_eq!(call.asked("reset"), 0);
}

#[test]
fn nothing_locked_partly_unlocked_and_not_unlocked_have_their_words() {
    let table = [
        (vec![], Some(false), "nothing_locked"),
        (vec![("crm", Fault::Timeout)], Some(true), "some_not_unlocked"),
        (vec![("crm", Fault::Refused), ("directory", Fault::Refused)], Some(true), "could_not_unlock"),
    ];
    for (results, locked, prompt) in table {
        let mut world = World { targets: vec![("directory", locked), ("crm", locked)], ..World::default() };
        world.results.extend(results);
        let mut call = Call::to("5000", world);
        call.verify();
        call.press("2");
        call.hear(prompt);
        call.hear("anything_else");
    }
}

#[test]
fn a_recovery_code_is_said_in_blocks_and_waits_for_the_caller() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.press("3");
    call.hear("disk_code_intro");
    call.hear("press_1_when_ready");
    call.press("1");
    call.hear("block_number");
    call.listen();
    let before = call.said().len();
    call.wait(Duration::from_secs(11));
    assert_eq!(call.said().len(), before + 1, "silence: the same block again");
    assert_eq!(call.said()[before], call.said()[before - 1]);
    let blocks = |call: &Call| call.said().last().map(|line| (*line).to_owned()).unwrap_or_default();
    call.press("1");
    assert!(blocks(&call).contains("number(2)"));
    call.press("1");
    assert!(blocks(&call).contains("number(3)"));
    call.press("7");
    assert!(blocks(&call).contains("number(2)"));
    call.press("0");
    assert!(blocks(&call).contains("number(1)"));
    call.press("#");
    call.hear("anything_else");
    assert_eq!(call.tickets(), [("recovery code given by phone", true)]);
    assert!(!call.log.join("\n").contains("123456"));
}

#[test]
fn several_computers_are_chosen_by_the_end_of_their_names() {
    let mut call = Call::to("5000", World { machines: vec!["nb-0048", "nb-0049"], ..World::default() });
    call.verify();
    call.press("3");
    call.hear("choose_computer");
    call.press("2");
    call.hear("disk_code_intro");
    let second = |query: &Query| matches!(query, Query::DiskCode { machine, .. } if machine.0 == "nb-0049");
    assert!(call.queries.iter().any(second));
}

#[test]
fn another_reset_needs_no_new_proof_within_the_session() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    for round in 0..2 {
        if round == 0 {
            call.order_password();
        } else {
            call.hear("choose_systems");
            call.press("1");
            call.hear("press_1_when_ready");
        }
        call.press("1");
        call.hear("again_or_done");
        call.press("#");
        call.hear("key_two_digits");
        call.press("48");
        call.hear("reset_another");
        call.press("1");
    }
    assert_eq!((call.asked("identify"), call.asked("verify")), (1, 2));
    assert_eq!((call.asked("reset"), call.asked("heard")), (2, 2));
}

#[test]
fn after_five_minutes_the_session_is_over_for_operations() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    // The caller keeps the menu alive.
    for _ in 0..40 {
        call.wait(Duration::from_secs(8));
        call.press("0");
    }
    call.press("2");
    call.hear("session_over");
    call.run_out();
    assert_eq!((call.outcome(), call.asked("unlock")), (Some("session_over"), 0));
}

#[test]
fn keys_are_secret_everywhere_but_in_menus() {
    let mut call = Call::to("5000", World::default());
    call.go_well();
    let mut secret = false;
    for line in &call.log {
        match line.as_str() {
            "secret" => secret = true,
            "public" => secret = false,
            _ => {}
        }
        let Some(step) = line.strip_prefix("step ") else { continue };
        let kind = step.rsplit('/').next().unwrap_or_default();
        let public = matches!(kind, "language" | "menu" | "confirm" | "choose_targets");
        // The step's secrecy follows its line at once.
        let at = call.log.iter().position(|other| other == line).unwrap_or_default();
        let next = call.log.get(at + 1).map(String::as_str);
        let after = match next {
            Some("secret") => true,
            Some("public") => false,
            _ => secret,
        };
        assert_eq!(after, !public, "{step}");
    }
    assert_eq!(call.log[0], "secret", "before anything is known, keys are secret");
}

#[test]
fn an_expert_types_everything_ahead() {
    let mut call = Call::to("5000", World::default());
    call.press("1");
    call.hear("welcome");
    call.listen();
    call.press("40711#246810#19751975");
    call.hear("what_do_you_need");
    assert_eq!(call.asked("verify"), 2);
}

#[test]
fn keys_during_the_welcome_are_not_taken_for_the_id() {
    let mut call = Call::to("5000", World::default());
    call.press("1");
    call.hear("welcome");
    call.press("99");
    call.hear("key_your_id");
    call.press("40711#");
    call.hear("enter_your_pin");
    assert!(
        call.queries
            .iter()
            .any(|query| matches!(query, Query::Identify { id, .. } if id.expose() == "40711"))
    );
}

#[test]
fn the_clear_key_begins_anew_and_a_pause_ends_an_id() {
    let mut call = Call::to("5000", World::default());
    call.hear("language_menu");
    call.press("1");
    call.hear("key_your_id");
    call.press("999*40711");
    call.hear("enter_your_pin");
    assert!(
        call.queries
            .iter()
            .any(|query| matches!(query, Query::Identify { id, .. } if id.expose() == "40711"))
    );
}

#[test]
fn a_pound_after_a_complete_answer_belongs_to_it() {
    let mut call = Call::to("5000", World::default());
    call.identify(crate::world::ID);
    call.hear("enter_your_pin");
    call.press("246810#");
    for question in ["question_birth_year", "question_house_number"] {
        call.hear(question);
        call.press("1975#");
    }
    call.hear("what_do_you_need");
    assert!(!call.log.join("\n").contains("no_match") && !call.log.join("\n").contains("not_understood"));
}

#[test]
fn a_key_stops_what_may_be_stopped() {
    let mut call = Call::to("5000", World::default());
    call.hear("language_menu");
    call.press("1");
    assert!(call.log.contains(&"hush".to_owned()));
}

#[test]
fn the_caller_slows_the_password_down() {
    let mut call = Call::to("5000", World::default());
    call.verify();
    call.order_password();
    call.press("1***");
    let rates: Vec<Rate> =
        call.phrases.iter().map(|phrase| phrase.rate).filter(|rate| *rate != Rate::Normal).collect();
    assert_eq!(rates, [Rate::Slow, Rate::Slowest, Rate::Slowest]);
}

#[test]
fn equal_inputs_give_equal_outputs() {
    let run = || {
        let mut call = Call::to("5000", World::default());
        call.go_well();
        (call.log, call.times)
    };
    assert_eq!(run(), run());
}

#[test]
fn the_shipped_flows_have_no_fault_and_answer_their_numbers() {
    let program = program();
    let numbers: Vec<(String, &str)> =
        program.entries().map(|(number, flow)| (number.to_owned(), program.name(flow))).collect();
    assert_eq!(numbers, [("5000".to_owned(), "password_reset"), ("5001".to_owned(), "line_test")]);
    assert!(program.entry("5002").is_none());
}

#[test]
fn a_global_key_leads_away_from_the_steps_named_and_only_from_them() {
    let text = shipped("password_reset.yaml")
        .replace("on:\n", "on:\n  keys: { \"8\": { goto: goodbye, in: [menu, say] } }\n")
        .replace("flow: password_reset", "flow: other");
    let program =
        load(&[("f".to_owned(), text)], Tables::shipped()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let mut call = Call::of(std::sync::Arc::new(program), "5000", World::default());
    call.verify();
    call.press("8");
    call.hear("goodbye");
    call.run_out();
    assert_eq!(call.outcome(), Some("completed"));
}

#[test]
fn both_tables_have_the_same_sentences() {
    assert_eq!(Tables::shipped().ids("en"), Tables::shipped().ids("de"));
}
