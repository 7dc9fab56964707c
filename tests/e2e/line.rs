//! The line test (5001): its digits stand in clear, so that an administrator can prove a line.
use passline_rtp::Codec;
use passline_tests::{
    live::{Presser, WireEar},
    server::{Server, Setup},
    sipp::{self, Sipp},
    talk::{Act, Plan, talk_once},
    voice::Voice,
    wait_for,
};
use serde_json::Value;
use std::time::Duration;

#[test]
fn keys_are_read_back_and_any_key_interrupts() {
    let server = Server::start(Setup::default());
    let plan = Plan::minded(&server.uri("5001"), |prompt, _| match (prompt.name.as_str(), prompt.complete) {
        ("line_test_prompt", false) => vec![Act::Keys("407".into())],
        ("digit_7", true) => vec![Act::Wait(200), Act::HangUp],
        _ => Vec::new(),
    });
    let talk = talk_once(server.voice, plan);
    let names: Vec<_> =
        talk.ear.prompts.iter().map(|prompt| (prompt.name.as_str(), prompt.complete)).collect();
    let at =
        names.iter().position(|name| *name == ("you_pressed", true)).unwrap_or_else(|| panic!("{names:?}"));
    assert!(names[..at].contains(&("line_test_prompt", false)), "the prompt was cut off: {names:?}");
    assert_eq!(names[at + 1..at + 4], [("digit_4", true), ("digit_0", true), ("digit_7", true)]);
    assert_eq!(server.call()["digits"], "407");
}

#[test]
fn tshark_reads_the_same_digits_from_sipp() {
    let voice = Voice::Quick;
    let server = Server::start(Setup { voice, ..Setup::default() });
    let ports = Sipp::ports();
    let mut capture = sipp::capture(&server, ports);
    let mut sipp = Sipp::call(&server, "5001", Codec::Pcmu, ports);
    let mut wire = WireEar::new(&voice.library(), Codec::Pcmu, (ports.1, ports.1));
    let began = wait_for(Duration::from_secs(20), || {
        wire.listen(&capture);
        wire.ear.poll()
    });
    assert!(began.is_some(), "{}", sipp.output());
    let keys = "147*2580369#";
    std::thread::sleep(sipp.press(keys) + Duration::from_millis(500));
    sipp.press("bye");
    assert!(sipp.completes(), "{}", sipp.output());
    capture.finish();
    let expected = crate::agree::Expected { codec: Codec::Pcmu, pressed: keys, media: (ports.1, ports.1) };
    crate::agree::on_the_call(&server, &capture, &expected);
    assert_eq!(server.call()["digits"], keys);

    // And the program itself reads the capture as it heard the call.
    let replayed = capture.replay();
    let digits = |call: &Value| -> String {
        let digits = call["digits"].as_array().expect("digits");
        digits.iter().filter_map(|digit| digit["digit"].as_str()).collect()
    };
    let of_calls: Vec<_> = replayed.iter().filter(|call| !call["call_id"].is_null()).map(digits).collect();
    assert_eq!(of_calls, [keys], "{replayed:#?}");
}
