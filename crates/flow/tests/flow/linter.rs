//! What the linter finds in flows as admins may write them.
use crate::shipped::{Tables, shipped};
use passline_flow::{Fault, PromptCheck, load};
use passline_identity::TargetId;
use passline_prompt::phrase::PromptId;

fn faults(text: &str) -> Vec<Fault> {
    let files = [("reset.yaml".to_owned(), text.to_owned())];
    load(&files, Tables::shipped()).err().unwrap_or_default()
}

/// The shipped flow with one change.
fn changed(from: &str, to: &str) -> Vec<Fault> {
    let text = shipped("password_reset.yaml");
    assert!(text.contains(from), "`{from}` does not stand in the shipped flow");
    faults(&text.replacen(from, to, 1))
}

#[track_caller]
fn assert_fault(found: &[Fault], rule: &str, words: &str) {
    let fits =
        |fault: &Fault| fault.rule == rule && fault.message.contains(words) && !fault.remedy.is_empty();
    assert!(found.iter().any(fits), "no {rule} with `{words}` in {found:#?}");
    assert!(found.iter().all(|fault| fault.line > 0 && fault.column > 0), "{found:#?}");
}

/// Removes the step that begins with this line.
fn without_step(text: &str, first: &str) -> String {
    let mut out = Vec::new();
    let mut cutting = false;
    for line in text.lines() {
        if line.starts_with(first) {
            cutting = true;
            continue;
        }
        // A step ends where the next one begins.
        if cutting && (line.starts_with("  - ") || !line.starts_with(' ') && !line.is_empty()) {
            cutting = false;
        }
        if !cutting {
            out.push(line);
        }
    }
    out.join("\n")
}

#[test]
fn without_auth_every_operation_is_found_with_a_way_to_it() {
    let found = faults(&without_step(&shipped("password_reset.yaml"), "  - auth:"));
    for what in
        ["operation: reset", "operation: unlock", "operation: disk_code", "speak_secret", "choose_targets"]
    {
        assert_fault(&found, "L1", what);
    }
    let reset = found.iter().find(|fault| fault.message.contains("operation: reset")).expect("found above");
    assert!(reset.message.contains("start/language (line"), "{reset}");
    assert!(reset.message.contains("main/menu (line") && reset.message.contains("[1]"), "{reset}");
    assert!(reset.message.ends_with(&format!("do_reset/operation:reset (line {})", reset.line)), "{reset}");
}

#[test]
fn a_jump_around_auth_is_found() {
    let found = changed("  - auth:", "  - if: user.has_targets\n    then: main\n  - auth:");
    assert_fault(&found, "L1", "operation: reset");
}

#[test]
fn auth_exits_that_lead_on_are_found() {
    let found = changed(
        "locked: { say: not_verified, interrupt: false, hangup: not_verified }",
        "locked: { say: not_verified, goto: main }",
    );
    assert_fault(&found, "L1", "[locked]");
}

#[test]
fn auth_for_too_few_points_is_found() {
    assert_fault(&changed("require: 2", "require: 1"), "L1", "never asked for");
    assert_fault(&changed("reset:     { needs: 2 }", "reset: { needs: 3 }"), "L1", "needs 3 points");
    assert_fault(&changed("require: 2", "require: 3"), "L1", "nobody could pass");
    assert_fault(&changed("  unlock:    { needs: 2 }\n", ""), "L1", "how many points `unlock` needs");
    assert_fault(&changed("pin: 1, ", ""), "L1", "what `pin` earns");
}

#[test]
fn identifying_somebody_else_takes_the_proof_away() {
    let again = "  - label: do_unlock\n  - identify: { prompt: key_your_id, by: [employee_id] }\n";
    assert_fault(&changed("  - label: do_unlock\n", again), "L1", "operation: unlock");
}

#[test]
fn auth_without_identify_is_found() {
    let found = faults(&without_step(&shipped("password_reset.yaml"), "  - identify:"));
    assert_fault(&found, "L2", "without `identify`");
}

#[test]
fn every_step_left_out_of_the_way_to_a_password_is_found() {
    for step in
        ["  - choose_targets:", "  - operation: reset", "  - choose_computer:", "  - operation: disk_code"]
    {
        let found = faults(&without_step(&shipped("password_reset.yaml"), step));
        assert!(!found.is_empty(), "{step}");
    }
}

#[test]
fn secrets_reach_only_speak_secret() {
    assert_fault(&changed("list: $result.failed", "list: $result.password"), "L4", "$result.password");
    assert_fault(
        &changed("open: \"password reset by phone\"", "open: \"password $result.password\""),
        "L4",
        "holds a variable",
    );
    assert_fault(
        &changed("if: user.has_computer", "if: '$result.password == \"x\"'"),
        "L4",
        "compares a secret",
    );
    assert_fault(&changed("digits_of: $result.password", "digits_of: $disk.code"), "L4", "another secret");
    let collect = "  - collect: { prompt: key_your_id, into: key }\n  - if: '$key == \"1\"'\n    then: main\n  - label: main\n";
    assert_fault(&changed("  - label: main\n", collect), "L4", "$key");
}

#[test]
fn public_digits_may_be_compared() {
    let collect = "  - collect: { prompt: key_your_id, into: key, secret: false, length: 1 }\n  - if: '$key == \"1\"'\n    then: main\n  - label: main\n";
    assert_eq!(changed("  - label: main\n", collect), []);
}

#[test]
fn exits_must_be_wired() {
    let found = changed("  no_input:     { say: too_many_tries, interrupt: false, hangup: no_input }\n", "");
    for step in ["identify", "auth", "menu", "choose_targets", "confirm"] {
        assert_fault(&found, "L5", &format!("exit `no_input` of `{step}`"));
    }
    let remedy = &found[0].remedy;
    assert!(remedy.contains("no_input: {") && remedy.contains("`on` of the flow"), "{remedy}");
    let failed = "      failed:  { say: could_not_change, interrupt: false, goto: anything_else }\n";
    assert_fault(&changed(failed, ""), "L5", "exit `failed` of `operation`");
    assert_fault(
        &changed(
            "      unconfirmed: { say: not_confirmed, interrupt: false, goto: another }\n",
            "      {}\n",
        ),
        "L5",
        "unconfirmed",
    );
    assert_fault(
        &changed("    confirm: { digits_of: $result.password, tries: 2, rounds: 2 }\n", ""),
        "L5",
        "heard",
    );
}

#[test]
fn circles_that_wait_for_nobody_and_loose_ends_are_found() {
    let found = changed(
        "  - label: goodbye\n",
        "  - label: goodbye\n  - say: goodbye\n  - goto: goodbye\n  - label: b\n",
    );
    assert_fault(&found, "L5", "circle");
    assert_fault(&changed("  - hangup: completed\n", ""), "L5", "without `hangup`");
    assert_fault(
        &changed("  - hangup: completed\n", "  - hangup: completed\n  - say: goodbye\n"),
        "unreachable",
        "never reached",
    );
    assert_fault(&changed("hangup: call_limit", "goto: main"), "L5", "waits for the caller");
    assert_fault(&changed("{ audit: caller_left }", "{ say: goodbye }"), "L5", "caller is gone");
}

#[test]
fn labels_are_there_once() {
    assert_fault(&changed("no: goodbye", "no: godbye"), "L5", "no label `godbye`");
    assert!(changed("no: goodbye", "no: godbye").iter().any(|fault| fault.remedy.contains("`goodbye`")));
    assert_fault(&changed("- label: do_unlock", "- label: do_reset"), "syntax", "stands twice");
    assert_fault(
        &changed("- hangup: completed", "- hangup: completed\n  - label: end"),
        "syntax",
        "no step after it",
    );
}

#[test]
fn failed_and_locked_must_sound_the_same() {
    let found = changed("locked: { say: not_verified,", "locked: { say: sorry_technical,");
    assert_fault(&found, "L6", "different words");
    assert_fault(&changed("unknown: same_as_known", "unknown: told"), "L6", "which IDs exist");
}

#[test]
fn prompts_must_exist_in_every_language() {
    assert_fault(&changed("say: welcome", "say: welcom"), "L7", "`welcom` does not exist in language `en`");
    assert_fault(&changed("say: welcome", "say: welcom"), "L7", "`welcom` does not exist in language `de`");
    assert_fault(&changed("languages: [en, de]", "languages: [en, de, fr]"), "L7", "`fr` has no prompts");
    assert_fault(&changed("\"2\": de }", "\"2\": fr }"), "L7", "`fr` is offered");

    struct More;
    impl PromptCheck for More {
        fn languages(&self) -> Vec<String> {
            Tables::shipped().languages()
        }
        fn has(&self, language: &str, id: &PromptId) -> bool {
            Tables::shipped().has(language, id) && !(language == "de" && id.0 == "digits_right")
        }
        fn targets(&self) -> Vec<TargetId> {
            ["directory", "payroll"].map(TargetId::from).to_vec()
        }
    }
    let files = [("f".to_owned(), shipped("password_reset.yaml"))];
    let found = load(&files, &More).err().unwrap_or_default();
    assert_fault(&found, "L7", "`target_payroll` does not exist in language `en`");
    assert_fault(&found, "L7", "`digits_right` does not exist in language `de`");
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn global_keys_must_not_collide() {
    let key = |key: &str, kinds: &str| {
        changed("on:\n", &format!("on:\n  keys: {{ \"{key}\": {{ goto: goodbye, in: [{kinds}] }} }}\n"))
    };
    assert_fault(&key("*", "speak_secret"), "L11", "collides with `speak_secret`");
    assert_fault(&key("1", "say, menu"), "L11", "collides with `menu`");
    assert_fault(&key("9", "identify"), "L11", "collides with `identify`");
    assert_fault(&key("99", "menu"), "syntax", "not supported yet");
    assert_fault(&key("9", "menus"), "syntax", "`menus` is no step");
    assert_eq!(key("8", "menu, say"), []);
}

#[test]
fn steps_and_keys_of_the_language_that_do_not_run_yet_are_refused() {
    for step in
        ["risk", "http", "notify", "record", "set", "switch", "for_each", "loop", "call", "watch_sign_in"]
    {
        let found = changed("  - label: main\n", &format!("  - {step}: {{ a: b }}\n  - label: main\n"));
        assert_fault(&found, "syntax", &format!("step `{step}` is not supported yet"));
    }
    assert_fault(
        &changed("- pin:       { min: 4, max: 12 }", "- otp: { length: 6 }"),
        "syntax",
        "factor `otp` is not supported yet",
    );
    assert_fault(
        &changed("\"2\": de }", "\"2\": de }, remember: true"),
        "syntax",
        "`remember` of `language` is not supported yet",
    );
    assert_fault(&changed("operation: reset", "operation: enroll"), "syntax", "operation `enroll`");
}

#[test]
fn unknown_keys_are_refused_with_what_was_meant() {
    let table = [
        ("into: targets", "inot: targets", "did you mean", "`choose_targets` does not know `inot`"),
        ("session: 5m", "sesion: 5m", "`session`", "does not know `sesion`"),
        ("tries: 2, rounds", "trys: 2, rounds", "`tries`", "does not know `trys`"),
        (
            "- confirm: { prompt: anything_else",
            "- confrim: { prompt: anything_else",
            "",
            "`confrim` is no step",
        ),
        (
            "hangup: not_verified }\n        locked",
            "hangup: not_verifed }\n        locked",
            "`not_verified`",
            "no outcome",
        ),
        ("policy:", "polcy:", "`policy`", "does not know `polcy`"),
    ];
    for (from, to, remedy, message) in table {
        let found = changed(from, to);
        assert_fault(&found, "syntax", message);
        if remedy.starts_with('`') {
            assert!(found.iter().any(|fault| fault.remedy.contains(remedy)), "{found:#?}");
        }
    }
}

#[test]
fn wrong_values_are_refused_at_their_place() {
    assert_fault(&changed("expires: 30m", "expires: 30"), "syntax", "`expires` is a number");
    assert_fault(&changed("tries: 3 }", "tries: 99 }"), "syntax", "out of range");
    assert_fault(&changed("interrupt: false", "interrupt: perhaps"), "syntax", "`interrupt`");
    assert_fault(&changed("min: 4, max: 12", "min: 12, max: 4"), "syntax", "`min` is 12");
    assert_fault(&changed("min: 4, max: 12", "min: 3, max: 12"), "L8", "less than four digits");
    assert_fault(&changed("all_key: \"9\"", "all_key: \"1\""), "L11", "collides");
    assert_fault(&changed("\"1\": { text: reset", "\"12\": { text: reset"), "syntax", "`12` is not one key");
    assert_fault(&changed("number: \"5000\"", "number: 5000"), "syntax", "in quotes");
    assert_fault(&changed("targets: $targets", "targets: $other"), "L5", "$other");
    assert_fault(&changed("computer: $computer", "computer: $targets"), "L5", "$targets");
    let found = changed("say: welcome\n    interrupt: false", "say: [welcome\n    interrupt: false");
    assert!(!found.is_empty());
    assert_fault(&changed("call: 15m", "call: 5h"), "L14", "from 30s to 1h");
}

#[test]
fn many_faults_are_reported_at_once_in_order() {
    let text = shipped("password_reset.yaml")
        .replace("say: welcome", "sya: welcome")
        .replace("all_key: \"9\"", "al_key: \"9\"")
        .replace("tries: 2, rounds: 2", "trys: 2");
    let found = faults(&text);
    assert!(found.len() >= 3, "{found:#?}");
    assert!(found.windows(2).all(|pair| pair[0].line <= pair[1].line));
    let shown = found[0].to_string();
    assert!(shown.starts_with("reset.yaml:") && shown.contains("remedy:"), "{shown}");
}

#[test]
fn two_flows_cannot_have_one_number_or_one_name() {
    let text = shipped("line_test.yaml");
    let files = [("a.yaml".to_owned(), text.clone()), ("b.yaml".to_owned(), text)];
    let found = load(&files, Tables::shipped()).err().unwrap_or_default();
    assert_fault(&found, "duplicate", "flow `line_test` is also in a.yaml");
    assert_fault(&found, "duplicate", "number 5001 is already answered");
}

#[test]
fn a_transfer_needs_a_number_and_a_way_out() {
    let with =
        |step: &str| changed("  - label: main\n", &format!("  - label: desk\n  - {step}\n  - label: main\n"));
    let whole = "transfer: { to: \"100\" }\n    exits: { failed: main }";
    assert_eq!(
        with(&format!("label: x\n  - {whole}")).iter().filter(|f| f.message.contains("transfer")).count(),
        0
    );
    assert_fault(&with("transfer: { to: \"100\" }"), "L5", "exit `failed` of `transfer`");
    assert_fault(
        &with("transfer: { to: \"1@evil\" }\n    exits: { failed: main }"),
        "syntax",
        "is no number",
    );
    assert_fault(&with("transfer: { }\n    exits: { failed: main }"), "syntax", "`to`");
}
