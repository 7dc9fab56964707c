//! Commands that steer the running server: `bans`, `capture`, `reload`.
use crate::{
    admin::{
        Link, Refused, Request,
        view::{BanLine, ContactLine, DeviceLine, TrunkLine},
    },
    cli::{BansCommand, CaptureCommand, DevicesArgs},
    config::Config,
    exit::Failure,
};
use serde::Serialize;

/// `passline bans`.
pub async fn bans(config: &Config, command: BansCommand) -> Result<(), Failure> {
    match command {
        BansCommand::List { json } => {
            let bans: Vec<BanLine> = Link::ask(config, &Request::Bans).await?.all().await?;
            if bans.is_empty() && !json {
                println!("nobody is banned");
            }
            for ban in bans {
                if json { print_json(&ban)? } else { print_ban(&ban) }
            }
            Ok(())
        }
        BansCommand::Add { source, minutes } => {
            said(config, Request::Ban { source, lasts_s: minutes.map(|minutes| minutes * 60) }).await
        }
        BansCommand::Remove { source } => said(config, Request::Unban { source }).await,
    }
}

fn print_ban(ban: &BanLine) {
    println!(
        "{:<39} since {} until {}  {} dropped  {}",
        ban.source,
        ban.since,
        ban.until.as_deref().unwrap_or("it is lifted"),
        ban.dropped,
        ban.reason
    );
}

/// `passline devices`.
pub async fn devices(config: &Config, args: &DevicesArgs) -> Result<(), Failure> {
    let devices: Vec<DeviceLine> = Link::ask(config, &Request::Devices).await?.all().await?;
    if devices.is_empty() && !args.json {
        println!("no devices are configured; see `devices` in the configuration");
    }
    for device in devices {
        if args.json {
            print_json(&device)?;
            continue;
        }
        let DeviceLine { extension, name, contacts } = device;
        if contacts.is_empty() {
            println!("{extension:<12} {name:<24} not registered");
        }
        for ContactLine { uri, from } in contacts {
            println!("{extension:<12} {name:<24} {from}  {uri}");
        }
    }
    Ok(())
}

/// `passline trunk list`.
pub async fn trunks(config: &Config, json: bool) -> Result<(), Failure> {
    let trunks: Vec<TrunkLine> = Link::ask(config, &Request::Trunks).await?.all().await?;
    if trunks.is_empty() && !json {
        println!("no trunks are configured; see `trunks` in the configuration");
    }
    for trunk in trunks {
        if json {
            print_json(&trunk)?;
            continue;
        }
        let most = trunk.max_calls.map(|most| format!(" of {most}")).unwrap_or_default();
        println!("{:<16} {:<8} {}{most} calls", trunk.name, trunk.state, trunk.calls);
        for more in trunk.detail.iter() {
            println!("    {more}");
        }
        if let Some(registration) = &trunk.registration {
            println!("    registration: {registration}");
        }
    }
    Ok(())
}

/// `passline capture`.
pub async fn capture(config: &Config, command: CaptureCommand) -> Result<(), Failure> {
    match command {
        CaptureCommand::Start { file, media, minutes, max_mb } => {
            // The server has another working folder.
            let file = std::path::absolute(&file).map_err(Failure::input)?;
            let (octets, lasts_s) = (max_mb * 1_000_000, minutes * 60);
            let request = Request::CaptureStart { file, octets, lasts_s, media };
            said(config, request).await
        }
        CaptureCommand::Stop => said(config, Request::CaptureStop).await,
    }
}

/// `passline reload`.
pub async fn reload(config: &Config) -> Result<(), Failure> {
    match Link::ask(config, &Request::Reload).await?.all::<String>().await {
        Ok(report) => {
            report.iter().for_each(|line| println!("{line}"));
            Ok(())
        }
        // Faults of the configuration, line by line.
        Err(Refused::Said(faults)) => Err(Failure::Input(faults.lines().map(str::to_owned).collect())),
        Err(other) => Err(other.into()),
    }
}

/// Asks for something that is answered by one sentence. A refusal is an answer, too: exit code 1.
async fn said(config: &Config, request: Request) -> Result<(), Failure> {
    match Link::ask(config, &request).await?.all::<String>().await {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            Ok(())
        }
        Err(Refused::Said(text)) => {
            eprintln!("{text}");
            Err(Failure::No)
        }
        Err(other) => Err(other.into()),
    }
}

/// One JSON object on one line.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(value).map_err(Failure::machine)?);
    Ok(())
}
