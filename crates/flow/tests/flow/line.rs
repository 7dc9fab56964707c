//! The line test.
use crate::world::{Call, World};
use std::time::Duration;

#[test]
fn the_line_test_reads_keys_back_and_lasts_until_hang_up() {
    let mut call = Call::to("5001", World::default());
    call.hear("line_test_prompt");
    call.hear("line_test_prompt");
    call.press("12*#3A");
    call.hear("you_pressed");
    assert_eq!(call.public_keys, ["12*#3A"]);
    let line = call.said().last().map(|line| (*line).to_owned()).unwrap_or_default();
    assert_eq!(line, "en:you_pressed digits(12) star pound digits(3) key_a");
    call.press("7");
    call.hear("you_pressed");
    assert_eq!(call.public_keys, ["12*#3A", "7"], "a key interrupts the reading");
    call.hear("line_test_prompt");
    assert!(call.log.contains(&"public".to_owned()));
    call.hang_up();
    call.run_out();
    assert!(call.ended());
    assert!(call.audits().contains(&("caller_left", "ok")));
}

#[test]
fn the_line_test_is_never_silent_and_ends_after_ten_minutes() {
    let mut call = Call::to("5001", World::default());
    call.run_out();
    assert_eq!(call.outcome(), Some("line_test"));
    assert!(call.elapsed() >= Duration::from_secs(600) && call.elapsed() < Duration::from_secs(610));
    let says: Vec<u64> = call
        .log
        .iter()
        .zip(&call.times)
        .filter(|(line, _)| line.starts_with("say"))
        .map(|(_, at)| *at)
        .collect();
    // Each prompt takes a second here, with its pause 1.7 s: the next one begins at once.
    assert!(says.windows(2).all(|pair| pair[1] - pair[0] <= 1700));
}
