//! `passline call-info`: all about one call.
use crate::{
    admin::{
        Link, Refused, Request,
        view::{MediaFigures, RunningCall},
    },
    cli::CallInfoArgs,
    config::Config,
    desk,
    exit::Failure,
    ladder,
    operate::print_json,
};
use passline_connectors::{CallQuality, CallRecord, DigitEvidence, KeyPress, RemoteQuality};

/// Looks in the store, and then among the running calls.
pub async fn run(config: &Config, args: &CallInfoArgs) -> Result<(), Failure> {
    let store = desk::open_store(config)?;
    let mut found = if args.call == "last" {
        let last = store.calls(1).await.map_err(Failure::machine)?;
        match last.first() {
            Some(call) => store.calls_named(&call.call, 1).await.map_err(Failure::machine)?,
            None => return Err(Failure::input("no call has been kept yet")),
        }
    } else {
        store.calls_named(&args.call, 6).await.map_err(Failure::machine)?
    };
    // A whole name may be the beginning of another.
    if let Some(exact) = found.iter().position(|call| call.call == args.call) {
        found = vec![found.swap_remove(exact)];
    }
    match found.as_slice() {
        [call] => show(call, args.json),
        [] => running(config, args).await,
        several => {
            let names: Vec<_> = several.iter().map(|call| call.call.as_str()).collect();
            Err(Failure::input(format!("several calls begin with `{}`: {} …", args.call, names.join(", "))))
        }
    }
}

async fn running(config: &Config, args: &CallInfoArgs) -> Result<(), Failure> {
    let unknown = |also: &str| {
        Failure::input(format!(
            "no call `{}` is kept{also}; `passline calls` and `passline calls --live` show the names",
            args.call
        ))
    };
    let link = match Link::ask(config, &Request::Call { call: args.call.clone() }).await {
        Ok(link) => link,
        Err(Refused::NoServer(_)) => return Err(unknown("")),
        Err(refused) => return Err(refused.into()),
    };
    let calls: Vec<RunningCall> = match link.all().await {
        Ok(calls) => calls,
        Err(_) => return Err(unknown(", and none is running")),
    };
    for call in calls {
        if args.json {
            print_json(&call)?;
        } else {
            show_running(&call);
        }
    }
    Ok(())
}

fn show(call: &CallRecord, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(call);
    }
    line("call", &call.call);
    line("from", &call.from);
    line("to", &call.to);
    some("asserted", call.identity.as_deref());
    some("diverted by", (!call.diversions.is_empty()).then(|| call.diversions.join(", ")).as_deref());
    some("trunk", call.trunk.as_deref());
    some("device", call.account.as_deref());
    some("bridged to", call.bridged.as_deref());
    line("direction", &call.direction);
    line("peer", &call.peer);
    some("software", call.user_agent.as_deref());
    let proxies = match call.via_hops {
        0 | 1 => "none seen".to_owned(),
        hops => format!("{} on the way", hops - 1),
    };
    line("proxies", &proxies);
    line("Call-ID", &call.sip_call_id);
    line("start", &call.start);
    line("answered", call.answered.as_deref().unwrap_or("never"));
    line("end", &call.end);
    line("outcome", &call.outcome);
    if call.times > 1 {
        line("times", &format!("{} such calls in a row, kept as one", call.times));
    }
    if let Some(codec) = &call.codec {
        let figures = call.into();
        line("media", &format!("{codec}, {}; {} packets foreign", packets(&figures), call.foreign));
        match &call.encryption {
            Some(suite) => line(
                "encryption",
                &format!(
                    "SRTP {suite}; dropped: {} packets not authentic, {} copies, {} too old, {} after the end of their \
                     key; {} of ours not encrypted and not sent",
                    call.unauthentic, call.replayed, call.too_old, call.keyless, call.unprotected
                ),
            ),
            None => line("encryption", "none"),
        }
        sound(&figures.quality);
        if call.other_events > 0 {
            let name = call.other_event.as_deref().unwrap_or("unreadable");
            line("events", &format!("{} packets that are no keys, the last: {name}", call.other_events));
        }
        let DigitEvidence { presses, packets, lost, merged, .. } = call.evidence;
        let method = call.dtmf.as_deref().unwrap_or("no method");
        let shown = call.digits.as_ref().map(|digits| format!(": {digits}")).unwrap_or_default();
        line(
            "keys",
            &format!(
                "{presses} presses, {packets} packets, {lost} lost, {} digits by {method}{shown}",
                call.digit_count
            ),
        );
        if merged > 0 {
            line("", &format!("{merged} of them came by more than one way, and are one digit each"));
        }
    }
    if !call.steps.is_empty() {
        line("steps", &call.steps.join(" → "));
    }
    if let Some(diagnosis) = &call.diagnosis {
        println!("\n{}", diagnosis.sentence);
    }
    show_presses(&call.presses);
    draw(&call.ladder);
    Ok(())
}

/// The packets of a call.
fn packets(media: &MediaFigures) -> String {
    let MediaFigures { sent, received, lost, duplicated, reordered, jitter_ms, .. } = media;
    format!(
        "{received} packets in, {sent} out; {lost} lost, {duplicated} doubled, {reordered} reordered, \
         jitter {jitter_ms:.1} ms"
    )
}

/// How the call sounds, and what was lost of it.
fn sound(quality: &CallQuality) {
    opinions(quality);
    line(
        "losses",
        &format!(
            "{:.1} % lost, {:.1} % too late; bursts of {:.0} ms with {:.0} % bad, {:.0} ms apart; clocks {}",
            100.0 * quality.loss_rate,
            100.0 * quality.discard_rate,
            quality.burst_ms,
            100.0 * quality.burst_density,
            quality.gap_ms,
            quality.drift_ppm.map_or("not measured".into(), |ppm| format!("{ppm:+.0} ppm"))
        ),
    );
}

/// How the call sounded here and there, and how its packets came.
fn opinions(quality: &CallQuality) {
    let round_trip = quality.round_trip_ms.map_or("not measured".into(), |ms| format!("{ms:.1} ms"));
    let dscp = quality.dscp.map_or("not known".into(), named_dscp);
    if let (Some(mos), Some(r)) = (quality.mos, quality.r_factor) {
        let listening = quality.mos_listening.unwrap_or(mos);
        line("quality", &format!("MOS {mos:.2} (R {r:.0}; {listening:.2} without delay), as heard here"));
    }
    if let Some(remote) = &quality.remote {
        let there = remote.mos.zip(remote.r_factor).map(|(mos, r)| {
            let RemoteQuality { lost, jitter_ms, .. } = remote;
            format!("MOS {mos:.2} (R {r:.0}) over there, where {lost} were lost, jitter {jitter_ms:.1} ms")
        });
        let told = remote.told_mos.or(remote.told_mos_listening).map(|mos| {
            let r = remote.told_r_factor.map_or(String::new(), |r| format!(" (R {r})"));
            format!("MOS {mos:.1}{r} by its own account")
        });
        line("", &there.into_iter().chain(told).collect::<Vec<_>>().join("; "));
    }
    line(
        "way",
        &format!("round trip {round_trip}, jitter at most {:.1} ms, DSCP {dscp}", quality.jitter_max_ms),
    );
}

/// A code point by its name (RFC 2474, 2597, 3246).
fn named_dscp(dscp: u8) -> String {
    match dscp {
        0 => "0 (best effort)".into(),
        46 => "46 (EF)".into(),
        class if class % 8 == 0 && class < 64 => format!("{class} (CS{})", class / 8),
        class @ 10..=38 if class % 2 == 0 => format!("{class} (AF{}{})", class / 8, class % 8 / 2),
        other => other.to_string(),
    }
}

/// What each key was heard by; secret keys as dots.
fn show_presses(presses: &[KeyPress]) {
    if presses.is_empty() {
        return;
    }
    println!("\n  at s      key  ms     packets  lost  doubled  holes  by");
    for press in presses {
        println!(
            "  {:<9.3} {:<4} {:<6} {:<8} {:<5} {:<8} {:<6} {}",
            press.ms as f64 / 1000.0,
            press.key.unwrap_or('•'),
            press.duration_ms.map_or("-".into(), |ms| ms.to_string()),
            press.packets,
            press.lost,
            press.duplicates,
            press.bridged,
            press.methods.join("+"),
        );
    }
}

fn show_running(call: &RunningCall) {
    line("call", &call.call);
    line("from", &call.from);
    line("to", &call.to);
    some("trunk", call.trunk.as_deref());
    some("device", call.account.as_deref());
    some("bridged to", call.bridged.as_deref());
    line("peer", &call.peer);
    line("start", &call.start);
    let packets = call.media.as_ref().map(|media| format!(", {}", packets(media))).unwrap_or_default();
    some("media", call.codec.as_ref().map(|codec| format!("{codec}{packets}")).as_deref());
    some("encryption", call.encryption.as_ref().map(|suite| format!("SRTP {suite}")).as_deref());
    if let Some(media) = &call.media {
        sound(&media.quality);
    }
    line("outcome", "still running");
    draw(&call.ladder);
}

fn draw(messages: &[passline_connectors::CallMessage]) {
    let lines = ladder::draw(messages);
    if !lines.is_empty() {
        println!();
    }
    lines.iter().for_each(|line| println!("{line}"));
}

fn line(name: &str, value: &str) {
    println!("{name:<12} {value}");
}

fn some(name: &str, value: Option<&str>) {
    if let Some(value) = value {
        line(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::named_dscp;

    #[test]
    fn code_points_have_their_names() {
        for (dscp, name) in
            [(46, "46 (EF)"), (24, "24 (CS3)"), (34, "34 (AF41)"), (0, "0 (best effort)"), (45, "45")]
        {
            assert_eq!(named_dscp(dscp), name);
        }
    }
}
