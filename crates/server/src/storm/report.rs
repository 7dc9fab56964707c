//! What is told at the end of a run: a table for people, or one JSON object.
use super::{
    plan::Plan,
    tally::{Tally, cpu},
    vitals::Vitals,
};
use serde_json::{Value, json};

/// A turn that ends later than this, in ms, is late itself.
const LATE_MS: f64 = 2.0;

/// Lines of the table: name and value.
type Lines = Vec<(&'static str, String)>;

/// Share of a core that a process took, in percent.
fn busy(tally: &Tally, before: Option<Vitals>, after: Option<Vitals>) -> Option<f64> {
    let seconds = tally.measured.as_secs_f64();
    (seconds > 0.0).then_some(())?;
    Some(cpu(before, after)?.as_secs_f64() / seconds * 100.0)
}

/// One JSON object.
pub fn json(plan: &Plan, tally: &Tally, faults: &[String]) -> Value {
    let (heard, counts) = (&tally.heard.heard, &tally.heard);
    let histogram = |histogram: &super::histogram::Histogram| {
        json!({
            "count": histogram.total(),
            "p50_ms": histogram.percentile_ms(0.5),
            "p99_ms": histogram.percentile_ms(0.99),
            "p999_ms": histogram.percentile_ms(0.999),
            "max_ms": histogram.largest_ms(),
        })
    };
    let refused: serde_json::Map<_, _> =
        tally.refused.iter().map(|(status, count)| (status.to_string(), json!(count))).collect();
    let vitals = |vitals: Option<Vitals>| {
        vitals.map(|vitals| {
            json!({
                "cpu_ms": vitals.cpu.as_millis() as u64,
                "memory_kb": vitals.memory_kb,
                "threads": vitals.threads,
                "descriptors": vitals.descriptors,
            })
        })
    };
    let audio = json!({
        "sent": counts.sent,
        "unsent": counts.unsent,
        "received": heard.received,
        "coverage": tally.coverage(),
        "lost": heard.lost,
        "loss": tally.loss(),
        "duplicated": heard.duplicated,
        "reordered": heard.reordered,
        "restarts": heard.restarts,
        "foreign": counts.foreign,
        "stray": counts.stray,
        "unauthentic": counts.unauthentic,
        "reports": counts.reports,
        "deviation": histogram(&counts.deviations),
        "gaps_40_ms": heard.gaps,
        "gaps_100_ms": heard.long_gaps,
        "longest_gap_ms": heard.longest as f64 / 1e6,
        "silent_calls": counts.silent_calls,
    });
    let network = &tally.network;
    let network = json!({
        "packets": network.packets,
        "lost": network.lost,
        "doubled": network.doubled,
        "delayed": network.delayed,
        "restamped": network.restamped,
    });
    let digits = tally.digits.as_ref().map(|digits| {
        json!({
            "pressed": digits.pressed,
            "right": digits.right,
            "counted": digits.counted,
            "wrong": digits.wrong,
            "missing": digits.missing,
            "swallowed": digits.swallowed,
            "extra": digits.extra,
            "masked_calls": digits.masked,
            "unknown_calls": digits.unknown,
            "packets_lost": digits.lost,
            "packets_doubled": digits.duplicated,
            "faulty": digits.faulty,
        })
    });
    let server = json!({
        "cpu_percent": busy(tally, tally.server[1], tally.server[2]),
        "cpu_ms_per_call_second": if plan.setups { None } else { tally.cost_ms(false) },
        "cpu_ms_per_setup": if plan.setups { tally.cost_ms(true) } else { None },
        "memory_kb_per_call": tally.memory_kb(),
        "before": vitals(tally.server[0]),
        "begin": vitals(tally.server[1]),
        "end": vitals(tally.server[2]),
        "after": vitals(tally.server[3]),
    });
    json!({
        "uri": plan.uri,
        "calls": plan.calls,
        "rate": plan.rate,
        "measured_s": tally.measured.as_secs_f64(),
        "interrupted": tally.interrupted,
        "placed": tally.placed,
        "answered": tally.answered,
        "failed": tally.failed(),
        "refused": refused,
        "retry_after": tally.retry_after,
        "dropped": tally.dropped,
        "without_audio": tally.without_audio,
        "reason": tally.reason,
        "hang_ups_refused": tally.rude,
        "info_refused": tally.info_refused,
        "retransmissions": tally.retransmissions,
        "setup": histogram(&tally.setup),
        "standing": tally.standing,
        "call_seconds": tally.call_seconds,
        "audio": (!plan.setups).then_some(audio),
        "network": network,
        "keyed": plan.has_keys.then(|| tally.keyed.iter().map(|keyed| (&keyed.call, &keyed.pressed)).collect::<std::collections::BTreeMap<_, _>>()),
        "digits": digits,
        "late": histogram(&tally.late),
        "sockets": if plan.shared { "shared" } else { "per-call" },
        "srtp": plan.srtp.map(passline_rtp::srtp::Suite::name),
        "own_cpu_percent": busy(tally, tally.own[0], tally.own[1]),
        "server": tally.server[1].map(|_| server),
        "met": faults.is_empty(),
        "faults": faults,
    })
}

/// The table.
pub fn table(plan: &Plan, tally: &Tally, faults: &[String]) -> String {
    let mut lines = Lines::new();
    calls(plan, tally, &mut lines);
    if !plan.setups {
        audio(tally, &mut lines);
    }
    keys(plan, tally, &mut lines);
    machines(plan, tally, &mut lines);
    let mut text: String = lines.iter().map(|(name, value)| format!("{name:<14} {value}\n")).collect();
    if tally.interrupted {
        text.push_str("ended before its time\n");
    }
    faults.iter().for_each(|fault| text.push_str(&format!("not met: {fault}\n")));
    if faults.is_empty() {
        text.push_str("met\n");
    }
    text
}

/// One line of a search.
pub fn level(level: u64, plan: &Plan, tally: &Tally, faults: &[String]) -> String {
    let cost = tally.cost_ms(plan.setups).map(|ms| format!(", {ms:.3} ms CPU each")).unwrap_or_default();
    let quality = if plan.setups {
        format!("{} answered, p99 {:.1} ms", tally.answered, tally.setup.percentile_ms(0.99))
    } else {
        let p99 = tally.heard.deviations.percentile_ms(0.99);
        format!("p99 {p99:.2} ms, {:.4} % lost", tally.loss() * 100.0)
    };
    let verdict = if faults.is_empty() { "met".to_owned() } else { faults.join("; ") };
    format!("{level:>7}  {quality}{cost}: {verdict}\n")
}

fn calls(plan: &Plan, tally: &Tally, lines: &mut Lines) {
    let Tally { placed, answered, retransmissions, setup, .. } = tally;
    let seconds = tally.measured.as_secs_f64();
    if plan.setups {
        let rate = *answered as f64 / seconds.max(1e-9);
        lines.push((
            "set-ups",
            format!("{placed} placed, {answered} answered in {seconds:.1} s: {rate:.0} a second"),
        ));
    } else {
        let standing = tally.standing;
        lines.push((
            "calls",
            format!("{placed} placed, {answered} answered, {standing} stood at the end of {seconds:.1} s"),
        ));
    }
    let failed = tally.failed();
    let why = if failed > 0 { format!(": {}", tally.why()) } else { String::new() };
    lines.push(("failed", format!("{failed}{why}")));
    if let Some(reason) = &tally.reason {
        lines.push(("", reason.clone()));
    }
    if tally.rude + tally.info_refused > 0 {
        lines.push((
            "",
            format!("{} hang-ups and {} INFO refused or not answered", tally.rude, tally.info_refused),
        ));
    }
    lines.push((
        "set-up time",
        format!(
            "p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms; {retransmissions} requests sent again",
            setup.percentile_ms(0.5),
            setup.percentile_ms(0.99),
            setup.largest_ms()
        ),
    ));
}

fn audio(tally: &Tally, lines: &mut Lines) {
    let (heard, counts) = (&tally.heard.heard, &tally.heard);
    let deviations = &counts.deviations;
    lines.push((
        "deviation",
        format!(
            "from 20 ms: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, largest {:.1} ms",
            deviations.percentile_ms(0.5),
            deviations.percentile_ms(0.99),
            deviations.percentile_ms(0.999),
            deviations.largest_ms()
        ),
    ));
    lines.push((
        "packets",
        format!(
            "{} heard ({:.2} % of one each 20 ms), {} lost ({:.4} %), {} doubled, {} out of order; {} sent",
            heard.received,
            tally.coverage() * 100.0,
            heard.lost,
            tally.loss() * 100.0,
            heard.duplicated,
            heard.reordered,
            counts.sent
        ),
    ));
    lines.push((
        "silence",
        format!(
            "{} gaps over 40 ms, {} over 100 ms, longest {:.0} ms; {} callers heard nothing",
            heard.gaps,
            heard.long_gaps,
            heard.longest as f64 / 1e6,
            counts.silent_calls
        ),
    ));
    let odd = [
        (counts.unsent, "packets not taken by the kernel"),
        (counts.foreign, "packets that are no RTP"),
        (counts.stray, "packets of no call"),
        (counts.unauthentic, "packets not under the agreed key"),
        (heard.restarts, "streams that began anew"),
    ];
    let odd: Vec<_> =
        odd.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if !odd.is_empty() {
        lines.push(("", odd.join(", ")));
    }
}

fn keys(plan: &Plan, tally: &Tally, lines: &mut Lines) {
    let network = &tally.network;
    if network.packets > 0 {
        lines.push((
            "own network",
            format!(
                "of {} packets of the callers {} lost, {} doubled, {} delayed, {} restamped",
                network.packets, network.lost, network.doubled, network.delayed, network.restamped
            ),
        ));
    }
    if !plan.has_keys {
        return;
    }
    let Some(digits) = &tally.digits else {
        let pressed: usize = tally.keyed.iter().map(|keyed| keyed.pressed.len()).sum();
        lines.push((
            "keys",
            format!("{pressed} pressed; not checked: what was heard, only the other side knows"),
        ));
        return;
    };
    lines.push((
        "keys",
        format!(
            "{} pressed, {} right, {} wrong, {} missing, {} extra; {} lost whole by the callers' own network; \
             {} calls without a record",
            digits.pressed,
            digits.right,
            digits.wrong,
            digits.missing,
            digits.extra,
            digits.swallowed,
            digits.unknown
        ),
    ));
    if digits.masked > 0 {
        lines.push((
            "",
            format!(
                "{} more in {} calls whose records have no key in clear: compared by number alone",
                digits.counted, digits.masked
            ),
        ));
    }
    for (call, pressed, heard) in &digits.faulty {
        // The number at its end is that of the caller.
        let caller = call.rsplit('-').next().and_then(|number| number.parse::<u32>().ok()).unwrap_or(0);
        let caller = plan.first + caller;
        lines.push(("", format!("{call}: pressed {pressed}, heard {heard}; again: --caller {caller}")));
    }
    lines.push((
        "to the server",
        format!("{} packets lost, {} doubled, by its call records", digits.lost, digits.duplicated),
    ));
}

fn machines(plan: &Plan, tally: &Tally, lines: &mut Lines) {
    if let Some(percent) = busy(tally, tally.server[1], tally.server[2]) {
        let unit = if plan.setups { "set-up" } else { "call-second" };
        let cost = tally.cost_ms(plan.setups).unwrap_or_default();
        lines.push(("server", format!("{cost:.3} ms CPU per {unit}, {percent:.1} % of a core")));
        let memory = |at: usize| tally.server.get(at).copied().flatten().map_or(0, |vitals| vitals.memory_kb);
        let of = |at: usize| tally.server.get(at).copied().flatten().unwrap_or_default();
        let each = match tally.memory_kb() {
            Some(each) if !plan.setups => format!(" ({each:.1} kB a call)"),
            _ => String::new(),
        };
        lines.push(("", format!(
            "memory {} kB before, {} kB under load{each}, {} kB after; descriptors {} → {} → {}, threads {} → {} → {}",
            memory(0), memory(2), memory(3),
            of(0).descriptors, of(2).descriptors, of(3).descriptors,
            of(0).threads, of(2).threads, of(3).threads,
        )));
    }
    let own = busy(tally, tally.own[0], tally.own[1]).unwrap_or_default();
    lines.push((
        "ourselves",
        format!(
            "{own:.1} % of a core; packets left late by p50 {:.2} ms, p99 {:.2} ms, at most {:.1} ms",
            tally.late.percentile_ms(0.5),
            tally.late.percentile_ms(0.99),
            tally.late.largest_ms()
        ),
    ));
    if tally.late.percentile_ms(0.99) > LATE_MS {
        lines.push((
            "",
            "the callers themselves were late: what was heard may be better than this tells".to_owned(),
        ));
    }
}
