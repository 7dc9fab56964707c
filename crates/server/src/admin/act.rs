//! What the admin socket is asked for, carried out. An error is one sentence: why not, and what to do.
use super::{
    Desk,
    view::{BanLine, RunningCall},
};
use crate::{
    capture::Bounds,
    record::{printable, utc},
};
use passline_net::{Ban, Command, Handle};
use std::{net::IpAddr, path::Path, time::Duration};
use tokio::sync::oneshot;

/// The running call whose name begins so.
pub fn call(desk: &Desk, name: &str) -> Result<RunningCall, String> {
    let mut calls = desk.hub.calls();
    calls.retain(|call| call.call.starts_with(name));
    match calls.len() {
        0 => Err(format!("no running call `{}`", printable(name))),
        1 => Ok(calls.remove(0)),
        _ => Err(format!("several running calls begin with `{}`", printable(name))),
    }
}

/// The ban list.
pub async fn bans(handle: &Handle) -> Result<Vec<BanLine>, String> {
    let bans = asked(handle, Command::Bans).await?;
    Ok(bans.into_iter().map(line).collect())
}

fn line(ban: Ban) -> BanLine {
    BanLine {
        source: ban.source,
        reason: printable(&ban.reason),
        since: utc(ban.since),
        until: ban.until.map(utc),
        dropped: ban.dropped,
    }
}

/// Bans a source; refuses what could never be banned.
pub async fn ban(desk: &Desk, source: IpAddr, lasts_s: Option<u64>) -> Result<String, String> {
    if let Some(network) = desk.reloader.trusted(source).await {
        return Err(format!(
            "{source} is in {network}, which is trusted (a trunk, or sip.limits.trusted) and never banned; take it out of \
             the configuration first"
        ));
    }
    let lasts = lasts_s.map(Duration::from_secs);
    desk.handle.send(Command::Ban { source, lasts });
    tracing::warn!(%source, "banned by hand");
    Ok(match lasts_s {
        Some(seconds) => format!("{source} is banned for {seconds} s"),
        None => format!("{source} is banned until `passline bans remove {source}`, or a restart"),
    })
}

/// Lifts a ban.
pub async fn unban(handle: &Handle, source: IpAddr) -> Result<String, String> {
    let was = asked(handle, |done| Command::Unban { source, done }).await?;
    if was {
        tracing::info!(%source, "its ban was lifted by hand");
        Ok(format!("{source} is no longer banned"))
    } else {
        Err(format!("{source} is not banned; `passline bans list` shows who is"))
    }
}

/// Begins a capture.
pub fn capture_start(desk: &Desk, file: &Path, octets: u64, lasts_s: u64) -> Result<String, String> {
    let lasts = Duration::from_secs(lasts_s);
    desk.capture.start(file, Bounds { octets, lasts })?;
    desk.handle.send(Command::Capture(true));
    tracing::info!(file = %file.display(), "SIP messages are captured");
    Ok(format!(
        "SIP messages are written to {} until `passline capture stop`, at most {} min and {} MB; secrets are masked",
        file.display(),
        lasts_s.div_ceil(60),
        octets / 1_000_000
    ))
}

/// Ends it.
pub fn capture_stop(desk: &Desk) -> Result<String, String> {
    desk.handle.send(Command::Capture(false));
    let written = desk.capture.stop()?;
    tracing::info!("capture ended: {written}");
    Ok(written)
}

/// Asks the net.
async fn asked<T>(handle: &Handle, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, String> {
    let (tell, told) = oneshot::channel();
    handle.send(command(tell));
    match tokio::time::timeout(Duration::from_secs(5), told).await {
        Ok(Ok(answer)) => Ok(answer),
        _ => Err("the server is busy or ending; try again".into()),
    }
}
