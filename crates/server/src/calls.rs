//! `passline calls` and `passline audit`: what happened, and what is happening.
use crate::{
    admin::{
        Link, Request,
        view::{MediaFigures, News, RunningCall},
    },
    cli::{AuditArgs, CallsArgs},
    config::Config,
    desk,
    exit::Failure,
    operate::print_json,
};
use passline_connectors::CallRecord;

/// The last call records, or the running calls.
pub async fn run(config: &Config, args: &CallsArgs) -> Result<(), Failure> {
    if args.live || args.follow {
        return running(config, args).await;
    }
    let calls = desk::open_store(config)?.calls(args.last as usize).await.map_err(Failure::machine)?;
    for call in calls {
        if args.json { print_json(&call)? } else { print_call(&call) }
    }
    Ok(())
}

async fn running(config: &Config, args: &CallsArgs) -> Result<(), Failure> {
    let mut link = Link::ask(config, &Request::Calls { follow: args.follow }).await?;
    while let Some(value) = link.next().await? {
        if args.json {
            print_json(&value)?;
            continue;
        }
        match serde_json::from_value(value).map_err(Failure::machine)? {
            News::Started(call) => print_running(&call),
            News::Ended(record) => print_call(&record),
            News::Status { at, text } => println!("{at}  {text}"),
        }
    }
    Ok(())
}

fn print_running(call: &RunningCall) {
    let media = match (&call.codec, &call.media) {
        (Some(codec), Some(media)) => format!("  {codec}  {}", sound(media)),
        _ => String::new(),
    };
    println!("{}  {}  {} → {}  running{media}", call.start, call.call, call.from, call.to);
}

/// How a call sounds or sounded, in a line.
fn sound(media: &MediaFigures) -> String {
    let MediaFigures { sent, received, lost, duplicated, jitter_ms, quality, .. } = media;
    let mos = quality.mos.map(|mos| format!("MOS {mos:.1}, ")).unwrap_or_default();
    let round_trip = quality.round_trip_ms.map(|ms| format!(", round trip {ms:.0} ms")).unwrap_or_default();
    format!(
        "{mos}{received} packets in, {lost} lost, {duplicated} doubled, jitter {jitter_ms:.1} ms{round_trip}, {sent} out"
    )
}

/// The last audit lines.
pub async fn audit(config: &Config, args: &AuditArgs) -> Result<(), Failure> {
    let lines = desk::open_store(config)?.audit(args.last as usize).await.map_err(Failure::machine)?;
    for line in lines {
        if args.json {
            print_json(&line)?;
            continue;
        }
        let event = &line.event;
        let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
        println!(
            "{} {} {} {} {} {} {}",
            line.at,
            or_dash(event.call.as_ref().map(|call| call.0.as_str())),
            or_dash(event.login.as_deref()),
            event.event,
            or_dash(event.target.as_ref().map(|target| target.0.as_str())),
            event.result,
            event.detail.as_deref().unwrap_or_default(),
        );
    }
    Ok(())
}

/// One call, for people.
pub fn print_call(call: &CallRecord) {
    let digits = match &call.digits {
        Some(digits) => digits.clone(),
        None => format!("{} keys", call.digit_count),
    };
    let evidence = match call.evidence.packets {
        0 => String::new(),
        packets => format!(" in {packets} packets, {} lost", call.evidence.lost),
    };
    println!(
        "{}  {}  {} → {}  {}  {} by {}{evidence}  {}  {}",
        call.start,
        call.call,
        call.from,
        call.to,
        call.codec.as_deref().unwrap_or("no media"),
        digits,
        call.dtmf.as_deref().unwrap_or("no key"),
        sound(&call.into()),
        call.outcome,
    );
    if let Some(diagnosis) = &call.diagnosis {
        println!("    {}", diagnosis.sentence);
    }
}
