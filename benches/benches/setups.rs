//! Call set-ups a second on one core (INVITE, 200, ACK, BYE at once; no media): Passline beside Kamailio's shortest script
//! and SIPp's own answering side, in the same run, each alone on core 0 while SIPp calls from core 1.
//!
//! For each: the highest rate at which every call of two seconds went through with at most one message in a thousand sent
//! again; and the CPU time of one set-up at a rate that all of them bear, the median of five runs.
use passline_tests::{
    kamailio::{Kamailio, Role},
    ports,
    process::{Process, run},
    program::root,
    server::{Server, Setup},
};
use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, process::Command, time::Duration};

/// A rate that each of them bears, for the CPU time.
const EASY: u32 = 200;
/// Where the search for the highest rate begins and ends.
const LOWEST: u32 = 100;
const HIGHEST: u32 = 12_800;
/// Seconds of calls in each run.
const SECONDS: u32 = 2;
const RUNS: usize = 5;

fn main() {
    // `cargo test` runs benches of this kind too, to see that they start.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::Builder::new().prefix("passline-bench-").tempdir().expect("a temporary folder");
    // Calls from 127.0.0.1 have no limits but the number of calls at one time; first, since it wants many ports in a row.
    let mut server = Server::prepare(Setup { max_calls: 1500, log: "warn", demo: false, ..Setup::default() });
    println!("{:<24} {:>14} {:>22}", "", "set-ups/s", "CPU ms per set-up");
    {
        let address = ports::local(ports::one());
        let mut command = Command::new("sipp");
        command.current_dir(folder.path()).args(["-sn", "uas", "-nostdin", "-i", "127.0.0.1"]);
        command.args(["-p", &address.port().to_string(), "-mp", &ports::adjacent(4, false).to_string()]);
        let process = Process::start(&mut command, &folder.path().join("uas.log"));
        std::thread::sleep(Duration::from_millis(500));
        measure("SIPp (uas)", folder.path(), address, process.id());
    }
    {
        let mut kamailio = Kamailio::start(folder.path(), &Role::Answerer);
        let id = kamailio.process().id();
        measure("Kamailio (stateless)", folder.path(), kamailio.sip, id);
    }
    {
        server.restart();
        let (id, sip) = (server.process().id(), server.sip);
        measure("Passline", folder.path(), sip, id);
    }
}

/// One line of the table.
fn measure(name: &str, folder: &Path, server: SocketAddr, id: u32) {
    family(id).keys().for_each(|process| pin(*process));
    let mut costs: Vec<f64> = (0..RUNS)
        .filter_map(|_| {
            let before = cpu_ms(id);
            let calls = calls(folder, server, EASY)?;
            Some((cpu_ms(id) - before) / f64::from(calls))
        })
        .collect();
    costs.sort_by(f64::total_cmp);
    let cost = costs.get(costs.len() / 2).map_or("failed".to_owned(), |cost| format!("{cost:.3}"));
    let spread = costs.first().zip(costs.last()).map_or(String::new(), |(a, b)| format!("({a:.3}-{b:.3})"));
    println!("{name:<24} {:>14} {cost:>8} {spread}", highest(folder, server));
}

/// The highest clean rate, found by doubling and then by halving the distance three times.
fn highest(folder: &Path, server: SocketAddr) -> u32 {
    let mut good = 0;
    let mut rate = LOWEST;
    while rate <= HIGHEST && calls(folder, server, rate).is_some() {
        (good, rate) = (rate, rate * 2);
    }
    let mut bad = rate;
    for _ in 0..3 {
        let between = (good + bad) / 2;
        if good > 0 && bad <= HIGHEST && calls(folder, server, between).is_some() {
            good = between;
        } else {
            bad = between;
        }
    }
    good
}

/// Calls at this rate; their number if all of them went through cleanly.
fn calls(folder: &Path, server: SocketAddr, rate: u32) -> Option<u32> {
    let count = rate * SECONDS;
    let own = ports::Lease::take(6, true);
    let statistics = folder.join(format!("statistics-{}.csv", own.first()));
    let _ = fs::remove_file(&statistics);
    let mut command = Command::new("taskset");
    command.current_dir(folder).args(["-c", "1", "sipp", &server.to_string(), "-sf"]);
    command.arg(root().join("tests/peers/setups.xml"));
    command.args(["-s", "5001", "-r", &rate.to_string(), "-m", &count.to_string(), "-l", "1400", "-nostdin"]);
    command.args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", &own.first().to_string()]);
    command.args(["-mp", &(own.first() + 2).to_string()]);
    command.args(["-timeout", "30", "-trace_stat", "-fd", "1", "-stf"]).arg(&statistics);
    let finished = run(&mut command, "", Duration::from_secs(40));
    // Ports of ended calls rest for a moment.
    std::thread::sleep(Duration::from_millis(1000));
    let last = last_row(&statistics)?;
    let of = |name: &str| last.get(name).and_then(|value| value.parse::<u32>().ok()).unwrap_or(u32::MAX);
    let clean = finished.code == 0
        && of("SuccessfulCall(C)") == count
        && of("Retransmissions(C)") <= count / 1000
        && of("TotalCallCreated") == count;
    clean.then_some(count)
}

/// SIPp's last line of statistics, by the names of its columns.
fn last_row(file: &Path) -> Option<BTreeMap<String, String>> {
    let text = fs::read_to_string(file).ok()?;
    let (names, values) = (text.lines().next()?, text.lines().last()?);
    Some(names.split(';').map(str::to_owned).zip(values.split(';').map(str::to_owned)).collect())
}

fn pin(process: u32) {
    let mut taskset = Command::new("taskset");
    taskset.args(["-a", "-c", "-p", "0", &process.to_string()]);
    run(&mut taskset, "", Duration::from_secs(5));
}

/// A process and those that it started: id and CPU time in ms, of all threads.
fn family(id: u32) -> BTreeMap<u32, f64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("Linux").flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // Fields after the name in parentheses: 1 is the parent, 2 the group, 11 and 12 user and system time in 10 ms.
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<_> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok()).unwrap_or(0);
        if process == id || number(1) == id || number(2) == id {
            found.insert(process, f64::from(number(11) + number(12)) * 10.0);
        }
    }
    found
}

fn cpu_ms(id: u32) -> f64 {
    family(id).values().sum()
}
