//! The command line as people and scripts meet it.
use passline_rtp::{Digit, ToneGenerator};
use passline_tests::{
    process::{Finished, run},
    program::{passline, root},
    server::{Server, Setup},
};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

fn cli(folder: &Path, arguments: &[&str]) -> Finished {
    run(Command::new(passline()).current_dir(folder).args(arguments), "", Duration::from_secs(120))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn faults_of_configuration_and_flows_name_place_and_remedy() {
    let folder = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("our own folder");
    write("bad.yaml", "sip:\n  listn: []\n");
    let finished = cli(folder.path(), &["check", "--config", "bad.yaml"]);
    assert_eq!(finished.code, 3, "{}", finished.err);
    assert!(finished.err.contains("bad.yaml:2:3") && finished.err.contains("listn"), "{}", finished.err);

    let shipped =
        fs::read_to_string(root().join("config/flows/password_reset.yaml")).expect("the shipped flow");
    let flows = folder.path().join("flows");
    fs::create_dir(&flows).expect("our own folder");
    // Without authentication before the reset, the flow must not load.
    let auth = shipped.find("  - auth:").expect("the shipped flow authenticates");
    let after = shipped[auth..].find("  - label: main").expect("a label follows") + auth;
    write("flows/open.yaml", &format!("{}{}", &shipped[..auth], &shipped[after..]));
    write("flows.yaml", &format!("flows: flows\nmedia: {}\n", root().join("media").display()));
    let finished = cli(folder.path(), &["check", "--config", "flows.yaml"]);
    assert_eq!(finished.code, 3, "{}{}", finished.out, finished.err);
    let place = finished.err.lines().find(|line| line.contains("open.yaml:") && line.contains("[L1]"));
    assert!(place.is_some() && finished.err.contains("remedy:"), "{}", finished.err);
}

#[test]
fn the_shipped_files_are_good_from_disk_and_from_the_binary() {
    let built_in = folder();
    for folder in [root(), built_in.path()] {
        let finished = cli(folder, &["check"]);
        let out = finished.good();
        assert!(out.contains("5000 → password_reset") && out.contains("5001 → line_test"), "{out}");
    }
    cli(root(), &["prompts", "check"]).good();
}

#[test]
fn a_recording_of_any_rate_gives_its_digits() {
    let folder = folder();
    let keys = "159#*0";
    for (rate, channels, name) in [(8000, 1, "a.wav"), (44_100, 2, "b.wav"), (16_000, 1, "c.wav")] {
        write_tones(&folder.path().join(name), keys, rate, channels);
        assert_eq!(cli(folder.path(), &["dtmf", name]).good(), format!("{keys}\n"), "{name}");
    }
    let lines = cli(folder.path(), &["dtmf", "a.wav", "--json"]).good();
    let first: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!((first["digit"].as_str(), first["method"].as_str()), (Some("1"), Some("inband")));
    let near = |value: &Value, ms: f64| (value.as_f64().expect("a number") - ms).abs() <= 10.0;
    assert!(near(&first["at_ms"], 200.0) && near(&first["duration_ms"], 100.0), "{first}");
    fs::write(folder.path().join("text.wav"), "no sound").expect("our own folder");
    let finished = cli(folder.path(), &["dtmf", "text.wav"]);
    assert!(finished.code == 3 && finished.err.contains("text.wav"), "{}", finished.err);
}

/// Each tone 100 ms, 100 ms apart, after 200 ms of silence; other rates by repeating or interpolating samples.
fn write_tones(path: &Path, keys: &str, rate: u32, channels: u16) {
    let mut samples = vec![0i16; 1600];
    for key in keys.chars() {
        let mut tone = [0i16; 800];
        ToneGenerator::new(Digit::from_char(key).expect("a key"), 100).fill(&mut tone);
        samples.extend(tone);
        samples.extend([0; 800]);
    }
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("our own folder");
    let length = samples.len() as u64 * u64::from(rate) / 8000;
    for index in 0..length {
        let place = index as f64 * 8000.0 / f64::from(rate);
        let (whole, part) = (place as usize, place.fract());
        let at = |index: usize| f64::from(samples.get(index).copied().unwrap_or(0));
        let value = at(whole) * (1.0 - part) + at(whole + 1) * part;
        for _ in 0..channels {
            writer.write_sample(value as i16).expect("our own folder");
        }
    }
    writer.finalize().expect("our own folder");
}

#[test]
fn the_line_test_hears_every_key_by_every_method() {
    let server = Server::start(Setup::default());
    let keys = "1234567890*#";
    for (count, method) in ["rfc4733", "inband", "info"].into_iter().enumerate() {
        // Half of the transports each, so that both are seen.
        let uri =
            if count == 1 { format!("{};transport=tcp", server.uri("5001")) } else { server.uri("5001") };
        let script = format!("p400 {keys} p600 hangup");
        let finished = server.cli(&["call", &uri, "--keys", &script, "--dtmf", method, "--json"], "");
        let report: Value = serde_json::from_str(&finished.good()).expect("JSON");
        assert_eq!(report["pressed"], 12, "{report}");
        let call = server.calls(count + 1).pop().expect("a call");
        assert_eq!((call["digits"].as_str(), call["dtmf"].as_str()), (Some(keys), Some(method)), "{call}");
        assert_eq!(call["lost"], 0, "{call}");
    }
}

#[test]
fn a_caller_hears_what_is_said_and_reads_its_script_from_a_file() {
    let server = Server::start(Setup::default());
    let script = server.file("keys");
    fs::write(&script, "hear:line_test_prompt 47# hear:you_pressed quiet:500 hangup")
        .expect("our own folder");
    let wav = server.file("heard.wav");
    let script = format!("@{}", script.display());
    let arguments =
        ["call", &server.uri("5001"), "--keys", &script, "--record", wav.to_str().expect("a path"), "--json"];
    let report: Value = serde_json::from_str(&server.cli(&arguments, "").good()).expect("JSON");
    let heard: Vec<_> =
        report["heard"].as_array().expect("prompts").iter().filter_map(|p| p["prompt"].as_str()).collect();
    assert!(heard.contains(&"line_test_prompt") && heard.contains(&"you_pressed"), "{heard:?}");
    // Letters and digits could be a password's; they are masked unless asked for.
    assert!(heard.iter().all(|name| !name.starts_with("digit_")), "{heard:?}");
    let reader = hound::WavReader::open(&wav).expect("a WAV file");
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (8000, 1));
    assert!(reader.duration() > 8000);
}

#[test]
fn the_demo_gives_an_account_back_within_a_minute() {
    let folder = folder();
    let start = Instant::now();
    let finished = cli(folder.path(), &["demo", "--record", "heard.wav"]);
    let out = finished.clone().good();
    eprintln!("demo: {:.1} s", start.elapsed().as_secs_f32());
    assert_eq!(
        out.matches("the old password does not bind, the password that the caller wrote down binds").count(),
        2,
        "{out}"
    );
    for seen in ["INVITE sip:5000@", "says   [en]", "digit  • by rfc4733", "step   ", "asks   reset", "BYE "]
    {
        assert!(out.contains(seen), "{seen} is missing in {out}");
    }
    let reader = hound::WavReader::open(folder.path().join("heard.wav")).expect("a WAV file");
    assert!(reader.duration() > 20 * 8000);
}

#[test]
fn help_has_examples_and_completions_are_there() {
    let folder = folder();
    for command in ["serve", "demo", "check", "call", "calls", "replay", "dtmf"] {
        let help = cli(folder.path(), &[command, "--help"]).good();
        assert!(help.contains("Example"), "{command}: {help}");
    }
    assert!(cli(folder.path(), &["--help"]).good().contains("Exit codes"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(cli(folder.path(), &["completions", shell]).good().contains("passline"));
    }
    assert_eq!(cli(folder.path(), &["call"]).code, 2);
    assert_eq!(cli(folder.path(), &["replay", "missing.pcap"]).code, 3);
}

#[test]
fn secrets_are_not_taken_from_arguments() {
    let server = Server::prepare(Setup::default());
    server.cli(&["user", "add", "zoe", "--employee-id", "4711"], "").good();
    assert_eq!(server.cli(&["user", "set-pin", "zoe", "90210"], "").code, 2);
    server.cli(&["user", "set-pin", "zoe"], "90210\n").good();
    let wrong = server.cli(&["user", "set-pin", "zoe"], "9o210\n");
    assert!(wrong.code == 3 && !wrong.err.contains("9o210"), "{}", wrong.err);
    let show = server.cli(&["user", "show", "zoe"], "").good();
    assert!(show.contains("PIN          set") && !show.contains("90210"), "{show}");
}
