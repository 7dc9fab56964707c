//! Metrics, health and the dashboard of a running server.
use passline_tests::{
    ports,
    process::Process,
    program::root,
    server::{Server, Setup},
    wait_for,
    web::Page,
};
use serde_json::Value;
use std::{collections::BTreeSet, fs, net::TcpListener, process::Command, time::Duration};

const LONG: Duration = Duration::from_secs(60);

/// A call of 5001 that goes on until it is hung up by its script.
fn caller(server: &Server, keys: &str) -> Process {
    let mut command = server.command();
    command.args(["call", &server.uri("5001"), "--keys", keys]);
    Process::start(&mut command, &server.file(&format!("call-{}.txt", ports::one())))
}

/// The page once this is true of it.
fn page_when(server: &Server, good: impl Fn(&Page) -> bool) -> Page {
    let page = wait_for(LONG, || Some(server.metrics()).filter(&good));
    page.unwrap_or_else(|| panic!("not seen in {}", server.web("/metrics").body))
}

#[test]
fn metrics_tell_of_calls_while_they_last_and_afterwards() {
    let server = Server::start(Setup::default());
    let answer = server.web("/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.fields["content-type"].starts_with("application/openmetrics-text"), "{answer:?}");
    let before = Page::read(&answer.body);
    assert_eq!(before.sum("passline_calls_active", &[]), Some(0.0));
    assert_eq!(before.sum("passline_calls_limit", &[]), Some(6.0));
    assert_eq!(before.sum("passline_target_available", &[("target", "crm")]), Some(1.0));

    let mut call = caller(&server, "p500 12# p6000 hangup");
    let during = page_when(&server, |page| page.sum("passline_calls_active_codec", &[]) == Some(1.0));
    assert_eq!(during.sum("passline_calls_active", &[("direction", "incoming")]), Some(1.0));
    assert_eq!(during.sum("passline_media_streams", &[]), Some(1.0));
    assert!(call.wait(LONG).expect("an end").success(), "{}", call.output());
    let record = server.call();
    let after = page_when(&server, |page| page.sum("passline_calls_ended_total", &[]) == Some(1.0));
    let name = record["outcome"].as_str().expect("an outcome");
    let ended = [("direction", "incoming"), ("outcome", name)];
    assert_eq!(after.sum("passline_calls_ended_total", &ended), Some(1.0));
    assert_eq!(after.sum("passline_calls_started_total", &[]), Some(1.0));
    assert_eq!(after.sum("passline_digits_total", &[("method", "rfc4733")]), Some(3.0));
    assert_eq!(after.sum("passline_call_mos_count", &[("side", "here")]), Some(1.0));
    let mos = record["quality"]["mos"].as_f64().expect("a score");
    let sum = after.sum("passline_call_mos_sum", &[("side", "here")]).expect("a score");
    assert!((sum - mos).abs() < 1e-9 && mos > 4.0, "{sum} {record}");
    let codec = record["codec"].as_str().expect("a codec");
    assert_eq!(after.sum("passline_calls_codec_total", &[("codec", codec)]), Some(1.0));
    // The shard counts RTCP, too.
    let received = record["received"].as_f64().expect("a number");
    assert!(after.sum("passline_rtp_received_packets_total", &[]).expect("packets") >= received);
    assert!(after.sum("passline_rtp_sent_packets_total", &[]) > Some(100.0));
    let ticks = after.sum("passline_media_tick_seconds_count", &[]).expect("ticks");
    assert!(ticks > 100.0 && after.sum("passline_media_tick_lateness_seconds_count", &[]) == Some(ticks));
    assert!(after.sum("process_resident_memory_bytes", &[]) > Some(1e6));
    // What was refused, with the reason.
    let mut wrong = server.command();
    wrong.args(["call", &server.uri("4711")]);
    Process::start(&mut wrong, &server.file("refused.txt")).wait(LONG).expect("an end");
    page_when(&server, |page| {
        page.sum("passline_calls_refused_total", &[("reason", "unknown_number")]) == Some(1.0)
    });
    // All lines of a call stand in its span.
    let id = record["call"].as_str().expect("its name");
    let log = server.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(id)).collect();
    assert!(
        lines.len() > 5 && lines.iter().all(|line| line.contains(&format!("call{{id={id}}}"))),
        "{lines:?}"
    );
}

fn codes(server: &Server, path: &str) -> (u16, Vec<String>) {
    let answer = server.web(path);
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(body["ok"], answer.status == 200, "{answer:?}");
    let reasons = body["reasons"].as_array().expect("reasons");
    (
        answer.status,
        reasons.iter().map(|reason| reason["code"].as_str().expect("a code").to_owned()).collect(),
    )
}

#[test]
fn health_and_readiness_say_what_is_wrong() {
    let mut server = Server::start(Setup { max_calls: 1, ..Setup::default() });
    assert_eq!(codes(&server, "/healthz"), (200, vec![]));
    assert_eq!(codes(&server, "/readyz"), (200, vec![]));
    assert_eq!(server.web("/").status, 404);
    let mut call = caller(&server, "p60000 hangup");
    let full = wait_for(LONG, || Some(codes(&server, "/readyz")).filter(|(status, _)| *status != 200));
    assert_eq!(full, Some((503, vec!["full".to_owned()])));
    assert_eq!(codes(&server, "/healthz"), (200, vec![]));
    // The call may finish; no other one is taken.
    server.process().signal("TERM");
    let draining = wait_for(LONG, || Some(codes(&server, "/readyz")).filter(|(_, codes)| codes.len() > 1));
    assert_eq!(draining, Some((503, vec!["draining".to_owned(), "full".to_owned()])));
    assert_eq!(codes(&server, "/healthz"), (200, vec![]));
    // The second signal ends it.
    server.process().signal("TERM");
    assert!(server.process().wait(LONG).expect("an end").success() && call.wait(LONG).is_some());
}

#[test]
fn an_address_that_is_taken_is_told_of_and_a_public_one_warned_of() {
    let server = Server::prepare(Setup::default());
    let held = TcpListener::bind(server.http).expect("a free port");
    let finished = server.cli(&["serve"], "");
    assert_eq!(finished.code, 4, "{finished:?}");
    assert!(finished.err.contains(&format!("HTTP on {}", server.http)), "{finished:?}");
    assert!(finished.err.contains("http.listen"), "{finished:?}");
    drop(held);
    let path = server.file("passline.yaml");
    let text = fs::read_to_string(&path).expect("its configuration");
    fs::write(&path, text.replace("http: { listen: \"127.0.0.1:", "http: { listen: \"0.0.0.0:"))
        .expect("ours");
    let checked = server.cli(&["check"], "");
    assert!((checked.out.clone() + &checked.err).contains("WARNING: http.listen 0.0.0.0:"), "{checked:?}");
    fs::write(&path, text.replace(&format!("\"{}\"", server.http), "localhost")).expect("ours");
    let checked = server.cli(&["check"], "");
    assert_eq!(checked.code, 3, "{checked:?}");
    assert!(checked.err.contains("passline.yaml:") && checked.err.contains("127.0.0.1:9464"), "{checked:?}");
}

/// Metrics that an expression names.
fn named(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("passline_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() {
    let text = fs::read_to_string(root().join("config/grafana-passline.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    // Grafana 10.
    assert!(dashboard["schemaVersion"].as_u64() >= Some(38), "{}", dashboard["schemaVersion"]);
    let pbx = format!("trunks: [{{ name: pbx, host: \"127.0.0.1:{}\" }}]\n", ports::one());
    let server = Server::start(Setup { more: pbx, ..Setup::default() });
    let page = server.metrics();
    let panels = dashboard["panels"].as_array().expect("panels");
    let (mut ids, mut shown, mut taken) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel}");
        let at = |side: &str| panel["gridPos"][side].as_u64().expect("a place");
        assert!(at("x") + at("w") <= 24, "{panel}");
        for (x, y) in
            (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(taken.insert((x, y)), "covers another: {panel}");
        }
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().expect("an expression");
            let names = named(expression);
            assert!(!names.is_empty(), "{expression}");
            for name in names {
                let suffixes = match expression.contains("_bucket") || name.ends_with("_sum") {
                    true => &["_bucket", "_sum"][..],
                    false => &["_total", ""],
                };
                let kind = suffixes.iter().find_map(|suffix| page.types.get(name.strip_suffix(suffix)?));
                let kind = kind.unwrap_or_else(|| panic!("there is no {name}: {expression}"));
                let rated = expression.contains("rate(");
                assert_eq!(rated, kind != "gauge", "{expression}");
                shown.insert(name.trim_end_matches("_total").trim_end_matches("_bucket").to_owned());
            }
        }
    }
    // And whoever adds a metric shows it, or says why not.
    let unseen = ["passline_calls_codec"];
    for name in page.types.keys().filter(|name| !unseen.contains(&name.as_str())) {
        assert!(shown.contains(name), "{name} is on no panel");
    }
    let rows = panels.iter().filter(|panel| panel["type"] == "row").count();
    assert!(rows >= 7, "{rows} rows");
}

#[test]
fn tools_of_others_understand_the_page() {
    let server = Server::start(Setup::default());
    let page = server.file("metrics.txt");
    fs::write(&page, server.web("/metrics").body).expect("the test's own folder");
    let program = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
                   print(len([f for f in read(open(sys.argv[1]).read())]))";
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", program]).arg(&page);
    let out = passline_tests::process::run(&mut command, "", LONG).good();
    assert_eq!(out.trim(), server.metrics().types.len().to_string());
}
