//! How many calls one core bears, and at what cost: `passline serve` on core 0, `passline storm` on core 1; beside it, in
//! the same run and by the same measure, a loop that only receives and sends. Prints tables for benches/README.md.
//!
//! `RUNS` (5) repetitions of `SECONDS` (10) at each of `LEVELS`, reached with `RATE` (200) new calls a second; `PARTS` names
//! what is done, `SOAK` its length, `KINDS` what is called in the curve (`Own Shared Inband OwnSrtp SharedSrtp BareOwn
//! BareShared BareUring`, all by default).
use passline_tests::{
    process::{Process, run, signal},
    program::passline,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

/// SIP of the server.
const SIP: &str = "127.0.0.1:5960";
/// Ports of the server's audio, below those that the system gives to the callers.
const PORTS: (u16, u16) = (2_000, 31_999);
/// Calls that the server may have.
const MOST: u32 = 14_000;
/// What is asked for at each level.
const ASKED: [&str; 6] = ["--max-loss", "0%", "--min-packets", "99.9%", "--max-p99", "5ms"];

fn main() {
    // `cargo test` runs benches of this kind too, to see that they start.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let bench = Bench::new();
    let parts = std::env::var("PARTS").unwrap_or_else(|_| "curve setups leak neighbour stop soak".into());
    for part in parts.split_whitespace() {
        match part {
            "curve" => bench.curve(),
            "setups" => bench.setups(),
            "leak" => bench.leak(),
            "neighbour" => bench.neighbour(),
            "stop" => bench.stop(),
            "soak" => bench.soak(),
            other => eprintln!("PARTS: {other} is none of curve, setups, leak, neighbour, stop, soak"),
        }
    }
}

struct Bench {
    folder: tempfile::TempDir,
    runs: usize,
    seconds: u64,
    /// Calls a second on the way to a level: their set-ups take a share of the core that the calls before them share.
    rate: String,
    levels: Vec<u32>,
    soak: String,
    kinds: Vec<Kind>,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Own,
    Shared,
    Inband,
    OwnSrtp,
    SharedSrtp,
    BareOwn,
    BareShared,
    BareUring,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Own,
        Kind::Shared,
        Kind::Inband,
        Kind::OwnSrtp,
        Kind::SharedSrtp,
        Kind::BareOwn,
        Kind::BareShared,
        Kind::BareUring,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::Own => "Passline, a port per call, keys by RFC 4733",
            Kind::Shared => "Passline, 16 calls a port, keys by RFC 4733",
            Kind::Inband => "Passline, 16 calls a port, keys as tones",
            Kind::OwnSrtp => "Passline, a port per call, SRTP, keys by RFC 4733",
            Kind::SharedSrtp => "Passline, 16 calls a port, SRTP, keys by RFC 4733",
            Kind::BareOwn => "bare loop, a socket per call",
            Kind::BareShared => "bare loop, 20 calls a socket, batches",
            Kind::BareUring => "bare loop, a socket per call, io_uring",
        }
    }

    /// The callers are a trunk: what its settings say.
    fn trunk(self) -> &'static str {
        match self {
            Kind::Own => "dtmf: rfc4733",
            Kind::Shared => "dtmf: rfc4733, shared_ports: true",
            Kind::OwnSrtp => "dtmf: rfc4733, srtp: required",
            Kind::SharedSrtp => "dtmf: rfc4733, srtp: required, shared_ports: true",
            _ => "shared_ports: true",
        }
    }
}

impl Bench {
    fn new() -> Self {
        let set = |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.into());
        let levels = set("LEVELS", "100 250 500 1000 2000 4000 5000 6000");
        Self {
            folder: tempfile::Builder::new().prefix("passline-storm-").tempdir().expect("a temporary folder"),
            runs: set("RUNS", "5").parse().expect("RUNS is a number"),
            seconds: set("SECONDS", "10").parse().expect("SECONDS is a number"),
            rate: set("RATE", "200"),
            levels: levels
                .split_whitespace()
                .map(|level| level.parse().expect("LEVELS are numbers"))
                .collect(),
            soak: set("SOAK", "5m"),
            kinds: {
                let names = set("KINDS", "");
                let named = |kind: &Kind| names.split_whitespace().any(|name| name == format!("{kind:?}"));
                Kind::ALL.into_iter().filter(|kind| names.is_empty() || named(kind)).collect()
            },
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A fresh server on core 0, with the ways of the usual kind.
    fn server(&self) -> Process {
        self.server_for(Kind::Shared)
    }

    fn server_for(&self, kind: Kind) -> Process {
        let data = self.file("data");
        let _ = std::fs::remove_dir_all(&data);
        let (first, last) = PORTS;
        let extra = std::env::var("SERVER_CONFIG").unwrap_or_default();
        let config = format!(
            "data: {}\nsip:\n  listen: [\"udp:{SIP}\"]\n  max_calls: {MOST}\nrtp:\n  ports: {first}-{last}\n  busy_limit: 100\n\
             trunks:\n  - {{ name: callers, networks: [127.0.0.1], options_s: 0, {} }}\nlog: {{ level: warn }}\n{extra}\n",
            data.display(),
            kind.trunk()
        );
        let path = self.file("passline.yaml");
        std::fs::write(&path, config).expect("our own folder");
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(passline()).arg("--config").arg(&path).arg("serve");
        let log = self.file("server.log");
        let process = Process::start(&mut command, &log);
        let up = passline_tests::wait_for(Duration::from_secs(30), || {
            std::net::UdpSocket::bind(SIP).is_err().then_some(())
        });
        assert!(up.is_some(), "the server does not listen: {}", process.output());
        std::thread::sleep(Duration::from_secs(1));
        process
    }

    /// A fresh bare loop on core 0.
    fn bare(&self, calls: u32, way: Option<&str>) -> Process {
        let mut command = Command::new("taskset");
        command.args(["-c", "0", env!("CARGO_BIN_EXE_bare"), &PORTS.0.to_string(), &calls.to_string()]);
        command.args(way);
        let process = Process::start(&mut command, &self.file("bare.log"));
        process.prints(0, "ready", Duration::from_secs(10));
        process
    }

    /// One run of the callers on core 1.
    fn storm(&self, pid: u32, arguments: &[&str]) -> Value {
        let mut command = Command::new(passline());
        command.arg("--config").arg(self.file("passline.yaml")).arg("storm").args(arguments).args([
            "--core",
            "1",
            "--json",
            "--pid",
            &pid.to_string(),
        ]);
        let finished = run(&mut command, "", Duration::from_secs(7200));
        serde_json::from_str(&finished.out).unwrap_or_else(|_| panic!("{finished:?}"))
    }

    /// One level of one kind.
    fn level(&self, kind: Kind, calls: u32) -> Value {
        let (calls_text, time) = (calls.to_string(), format!("{}s", self.seconds));
        let uri = format!("sip:5001@{SIP}");
        let range = |ports: u32| format!("127.0.0.1:{}-{}", PORTS.0, u32::from(PORTS.0) + ports - 1);
        // As many calls on a port as the callers have lines.
        let (own, shared) = (range(calls), range(calls.div_ceil(20)));
        let mut arguments = vec![
            "--calls",
            &calls_text,
            "--rate",
            &self.rate,
            "--for",
            &time,
            "--key-every",
            "5s",
            "--sockets",
            "shared",
        ];
        arguments.extend(ASKED);
        let process = match kind {
            Kind::Own | Kind::Shared | Kind::Inband | Kind::OwnSrtp | Kind::SharedSrtp => {
                arguments.push(&uri);
                self.server_for(kind)
            }
            Kind::BareOwn => {
                arguments.extend(["--bare", &own]);
                self.bare(calls, None)
            }
            Kind::BareShared => {
                arguments.extend(["--bare", &shared]);
                self.bare(calls, Some("shared"))
            }
            Kind::BareUring => {
                arguments.extend(["--bare", &own]);
                self.bare(calls, Some("uring"))
            }
        };
        match kind {
            Kind::Inband => arguments.extend(["--dtmf", "inband"]),
            Kind::OwnSrtp | Kind::SharedSrtp => arguments.push("--srtp"),
            _ => {}
        }
        self.storm(process.id(), &arguments)
    }

    /// Levels of all kinds in turn, and the ceilings.
    fn curve(&self) {
        let mut seen: BTreeMap<(Kind, u32), Vec<Value>> = BTreeMap::new();
        let mut full: BTreeMap<Kind, u32> = BTreeMap::new();
        for _ in 0..self.runs {
            for &level in &self.levels {
                for &kind in &self.kinds {
                    // Beyond a level that failed every time there is nothing to see.
                    if full.get(&kind).is_some_and(|limit| level > *limit) {
                        continue;
                    }
                    let report = self.level(kind, level);
                    eprintln!("{} {level}: {}", kind.name(), brief(&report));
                    if number(&report, "/audio/coverage") < 0.9 {
                        full.insert(kind, level);
                    }
                    seen.entry((kind, level)).or_default().push(report);
                }
            }
        }
        println!(
            "\n| calls | | CPU ms per call-second | p99 deviation, ms | longest gap, ms | lost % | memory per call, kB | set-up p99, ms | callers late by p99, ms | met |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|");
        for ((kind, level), reports) in &seen {
            let of = |pointer: &str| middle(reports, pointer);
            let met = reports.iter().filter(|report| report["met"] == true).count();
            println!(
                "| {level} | {} | {:.3} | {:.2} | {:.0} | {:.4} | {:.1} | {:.1} | {:.2} | {met} of {} |",
                kind.name(),
                of("/server/cpu_ms_per_call_second"),
                of("/audio/deviation/p99_ms"),
                of("/audio/longest_gap_ms"),
                of("/audio/loss") * 100.0,
                of("/server/memory_kb_per_call"),
                of("/setup/p99_ms"),
                of("/late/p99_ms"),
                reports.len()
            );
        }
        // The highest level that was met more often than not.
        let ceiling = |kind: Kind| {
            let met = |reports: &Vec<Value>| {
                reports.iter().filter(|r| r["met"] == true).count() * 2 > reports.len()
            };
            let levels = seen.iter().filter(|((other, _), reports)| *other == kind && met(reports));
            levels.map(|((_, level), _)| *level).max().unwrap_or(0)
        };
        println!("\n| | highest level met | packets a second | share of the best bare loop |");
        println!("|---|---|---|---|");
        let loops = [Kind::BareOwn, Kind::BareShared, Kind::BareUring];
        let bare = loops.map(ceiling).into_iter().max().unwrap_or(0).max(1);
        for &kind in &self.kinds {
            let calls = ceiling(kind);
            let share = f64::from(calls) / f64::from(bare) * 100.0;
            println!("| {} | {calls} | {} | {share:.0} % |", kind.name(), calls * 100);
        }
    }

    /// Set-ups a second.
    fn setups(&self) {
        let uri = format!("sip:5001@{SIP}");
        let mut ceilings = Vec::new();
        for _ in 0..self.runs {
            let server = self.server();
            let arguments =
                ["--mode", "setups", "--search", "--rate", "1000", "--calls", "4000", "--for", "3s", &uri];
            let report = self.storm(server.id(), &arguments);
            let levels = report["levels"].as_array().cloned().unwrap_or_default();
            let mut cost = levels
                .iter()
                .filter(|level| level["met"] == true)
                .map(|l| number(l, "/server/cpu_ms_per_setup"));
            ceilings.push((number(&report, "/ceiling"), cost.next_back().unwrap_or(f64::NAN)));
        }
        ceilings.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all: Vec<_> = ceilings.iter().map(|(ceiling, _)| format!("{ceiling:.0}")).collect();
        if let Some((ceiling, cost)) = ceilings.get(ceilings.len() / 2) {
            println!("\nset-ups a second: {ceiling:.0} (runs: {}), {cost:.3} ms CPU each", all.join(", "));
        }
    }

    /// A hundred thousand calls: what is left of them.
    fn leak(&self) {
        let uri = format!("sip:5001@{SIP}");
        let server = self.server();
        let storm = |seconds: &str| {
            self.storm(
                server.id(),
                &["--mode", "setups", "--rate", "1000", "--calls", "4000", "--for", seconds, &uri],
            )
        };
        // A transaction stays for 32 s (RFC 3261 §17): after so many seconds of calls there are as many as there ever are,
        // pools and caches are full, and so many seconds after the last call all of it is at rest.
        let settle = || std::thread::sleep(Duration::from_secs(40));
        let first = storm("40s");
        settle();
        let all = storm("100s");
        settle();
        let after = storm("1s");
        println!("\n| | calls answered | memory, kB | descriptors | threads |\n|---|---|---|---|---|");
        for (name, report) in [("after 40 000", &first), ("after 100 000 more", &all), ("at rest", &after)] {
            let at = if name == "at rest" { "before" } else { "after" };
            let of = |what: &str| number(report, &format!("/server/{at}/{what}"));
            println!(
                "| {name} | {} | {} | {} | {} |",
                report["answered"],
                of("memory_kb"),
                of("descriptors"),
                of("threads")
            );
        }
    }

    /// Someone else burns both cores for 2 s.
    fn neighbour(&self) {
        self.disturbed("a neighbour on both cores for 2 s", |_| {
            let mut burners: Vec<_> = (0..4)
                .map(|core| {
                    let mut command = Command::new("taskset");
                    command.args(["-c", &(core % 2).to_string(), "sh", "-c", "while :; do :; done"]);
                    Process::start(&mut command, &self.file(&format!("burner-{core}.log")))
                })
                .collect();
            std::thread::sleep(Duration::from_secs(2));
            burners.iter_mut().for_each(Process::kill);
        });
    }

    /// The server stands still for 500 ms.
    fn stop(&self) {
        self.disturbed("the process stopped for 500 ms", |pid| {
            signal(pid, "STOP");
            std::thread::sleep(Duration::from_millis(500));
            signal(pid, "CONT");
        });
    }

    /// 500 calls with keys, disturbed in the middle of 20 s; every key is compared with the records.
    fn disturbed(&self, name: &str, disturb: impl Fn(u32)) {
        let server = self.server();
        let pid = server.id();
        let config = self.file("passline.yaml");
        let begun = Instant::now();
        let report = std::thread::scope(|scope| {
            let storm = scope.spawn(|| {
                let uri = format!("sip:5001@{SIP}");
                let config = config.display().to_string();
                self.storm(
                    pid,
                    &[
                        "--calls",
                        "500",
                        "--rate",
                        "250",
                        "--for",
                        "20s",
                        "--key-every",
                        "3s",
                        "--check-digits",
                        "--config",
                        &config,
                        &uri,
                    ],
                )
            });
            std::thread::sleep(Duration::from_secs(12).saturating_sub(begun.elapsed()));
            disturb(pid);
            storm.join().expect("the callers")
        });
        let digits = &report["digits"];
        println!(
            "\n{name}: {} calls answered, {} dropped; {} keys pressed, {} right, {} missing, {} extra; {}",
            report["answered"],
            report["dropped"],
            digits["pressed"],
            digits["right"],
            digits["missing"],
            digits["extra"],
            brief(&report)
        );
    }

    /// A long run at 70 % of the highest level asked for.
    fn soak(&self) {
        let server = self.server();
        let calls = (self.levels.iter().max().copied().unwrap_or(1000) * 7 / 10).to_string();
        let uri = format!("sip:5001@{SIP}");
        // The line test ends a call after ten minutes by itself.
        let usual = ["--calls", &calls, "--rate", "250", "--hold", "4m", "--for", &self.soak];
        let arguments = [&usual[..], &["--key-every", "10s", "--check-digits", &uri]].concat();
        let (report, memory_by_minute) = std::thread::scope(|scope| {
            let storm = scope.spawn(|| self.storm(server.id(), &arguments));
            let mut minutes = Vec::new();
            while !storm.is_finished() {
                minutes.push(passline_tests::vitals::Vitals::of(server.id()).memory_kb);
                let next = std::time::Instant::now() + Duration::from_secs(60);
                while !storm.is_finished() && std::time::Instant::now() < next {
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
            (storm.join().expect("the storm's thread"), minutes)
        });
        let memory = |at: &str| number(&report, &format!("/server/{at}/memory_kb"));
        println!(
            "\nsoak of {} with {calls} calls at a time, {} in all: {} failed, {} dropped; keys {}; memory {} kB at its begin, \
             {} kB at its end, by the minute {memory_by_minute:?}; {}",
            self.soak,
            report["answered"],
            report["failed"],
            report["dropped"],
            report["digits"],
            memory("begin"),
            memory("end"),
            brief(&report)
        );
    }
}

fn number(report: &Value, pointer: &str) -> f64 {
    report.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// The median of a figure.
fn middle(reports: &[Value], pointer: &str) -> f64 {
    let mut figures: Vec<_> = reports.iter().map(|report| number(report, pointer)).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn brief(report: &Value) -> String {
    format!(
        "{:.3} ms CPU per call-second, p99 {:.2} ms, longest gap {:.0} ms, {:.4} % lost, {:.2} % of the packets, callers late by p99 {:.2} ms; {}",
        number(report, "/server/cpu_ms_per_call_second"),
        number(report, "/audio/deviation/p99_ms"),
        number(report, "/audio/longest_gap_ms"),
        number(report, "/audio/loss") * 100.0,
        number(report, "/audio/coverage") * 100.0,
        number(report, "/late/p99_ms"),
        report["faults"]
    )
}
