//! `passline storm`: many callers on one thread, and what they hear.
mod batch;
mod digits;
mod ear;
mod histogram;
mod keys;
mod limits;
mod lines;
mod link;
mod load;
mod media;
mod message;
mod network;
mod plan;
mod proof;
mod report;
mod search;
mod secrecy;
mod sound;
mod stream;
mod talk;
mod tally;
mod vitals;

pub use network::{Bursts, Stall};
pub use plan::Bare;

use crate::{
    cli::{Cli, StormArgs},
    config::Config,
    entropy,
    exit::Failure,
    harden,
};
use clap::{CommandFactory, error::ErrorKind};
use limits::Limits;
use link::Link;
use load::Load;
use media::Media;
use message::Common;
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use plan::Plan;
use rand_core::Rng;
use search::Search;
use sound::Sound;
use std::{
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tally::Tally;

/// Between two levels of a search; ports of ended calls rest for a while, too.
const BREATH: Duration = Duration::from_secs(5);
/// After a level that failed: by then the other side has given up what it still waited for (64 T1, RFC 3261 §17), and
/// the next level is not measured beside what is left of this one.
const RECOVERY: Duration = Duration::from_secs(34);

/// Calls, measures, prints; [`Failure::No`] if what was asked for was not met.
///
/// # Errors
/// Of the arguments and of the machine.
pub fn run(args: &StormArgs, config: Option<&Path>) -> Result<(), Failure> {
    let plan = Plan::new(args).or_else(|failure| match failure {
        // What the arguments say is wrong usage here, as it is to the parser of the command line.
        Failure::Input(faults) => Cli::command().error(ErrorKind::ValueValidation, faults.join("; ")).exit(),
        other => Err(other),
    })?;
    let records = if args.check_digits { Some(Config::load(config)?.0) } else { None };
    if let Some(core) = args.core {
        pin(core)?;
    }
    harden::raise_file_limit();
    let stop = on_interrupt()?;
    if args.search {
        return search(args, plan, records.as_ref(), &stop);
    }
    let (tally, faults) = once(args, &plan, records.as_ref(), &stop)?;
    print(&match args.json {
        true => format!("{}\n", report::json(&plan, &tally, &faults)),
        false => report::table(&plan, &tally, &faults),
    });
    if faults.is_empty() { Ok(()) } else { Err(Failure::No) }
}

/// One run, and what it did not meet.
fn once(
    args: &StormArgs,
    plan: &Plan,
    records: Option<&Config>,
    stop: &AtomicBool,
) -> Result<(Tally, Vec<String>), Failure> {
    let sound = Sound::new(args.sound, plan.codec, args.seed, plan.press_ms);
    let link = Link::open(plan.local, plan.server, plan.tcp)?;
    let common = Common {
        uri: plan.uri.clone(),
        user: plan
            .credentials
            .as_ref()
            .map_or_else(|| "storm".into(), |credentials| credentials.user.clone()),
        local: link.local()?,
        transport: if plan.tcp { "TCP" } else { "UDP" },
        run: entropy::rng().next_u32(),
        credentials: plan.credentials.clone(),
    };
    let media = Media::new(plan.local, sound, args.habit(), args.impairment(), plan.first, plan.shared)?;
    let mut tally = Load::new(plan, link, media, common, args.pid).run(stop)?;
    if let Some(config) = records {
        tally.digits = Some(digits::check(config, &tally.keyed)?);
    }
    let faults = Limits::from(args).faults(&tally, plan.setups);
    Ok((tally, faults))
}

/// Runs at one level after another; prints a line for each, and the highest one that met what is asked for.
fn search(args: &StormArgs, plan: Plan, records: Option<&Config>, stop: &AtomicBool) -> Result<(), Failure> {
    let first = if plan.setups { plan.rate as u64 } else { plan.calls as u64 };
    let mut search = Search::new(first.max(1));
    let mut levels = Vec::new();
    while let Some(level) = search.next().filter(|_| !stop.load(Ordering::Relaxed)) {
        let mut plan = plan.clone();
        if plan.setups {
            plan.rate = level as f64;
        } else {
            plan.calls = level as usize;
        }
        let (tally, faults) = once(args, &plan, records, stop)?;
        if tally.interrupted {
            break;
        }
        search.tried(level, faults.is_empty());
        if args.json {
            levels.push(report::json(&plan, &tally, &faults));
        } else {
            print(&report::level(level, &plan, &tally, &faults));
        }
        if search.next().is_some() {
            rest(if faults.is_empty() { BREATH } else { RECOVERY }, stop);
        }
    }
    let ceiling = search.ceiling();
    let unit = if plan.setups { "set-ups a second" } else { "calls" };
    print(&match args.json {
        true => format!("{}\n", serde_json::json!({ "ceiling": ceiling, "levels": levels })),
        false => format!("ceiling: {ceiling} {unit}\n"),
    });
    if ceiling > 0 { Ok(()) } else { Err(Failure::No) }
}

/// Sleeps so long, or until somebody wants the end.
fn rest(time: Duration, stop: &AtomicBool) {
    let until = Instant::now() + time;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// To standard output; whoever has closed it does not want to know.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Keeps this process on one core.
fn pin(core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|error| Failure::machine(format!("core {core}: {error}")))
}

/// Set by the first Ctrl-C or SIGTERM; the second one ends the process.
fn on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::machine)?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            runtime.block_on(async {
                use tokio::signal::unix::{SignalKind, signal};
                let (Ok(mut interrupt), Ok(mut terminate)) =
                    (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
                else {
                    return;
                };
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    if told.swap(true, Ordering::Relaxed) {
                        std::process::exit(130);
                    }
                }
            });
        })
        .map_err(Failure::machine)?;
    Ok(stop)
}
