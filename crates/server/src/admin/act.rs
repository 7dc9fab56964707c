//! What the admin socket is asked for, carried out. An error is one sentence: why not, and what to do.
use super::{
    Desk,
    view::{BanLine, ContactLine, DeviceLine, RunningCall, TrunkLine},
};
use crate::{
    capture::Bounds,
    news::{self, sentence},
    record::{figures, message, printable, shown, utc},
    trunk_test::{self, Finding},
};
use passline_engine::{DeviceStatus, LiveCall, StreamId, TrunkState, TrunkStatus};
use passline_net::{Ban, Command, Handle};
use passline_rtp::Statistics;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime},
};
use tokio::sync::oneshot;

/// The net must have answered by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// The running calls, the oldest first.
pub async fn calls(handle: &Handle) -> Result<Vec<RunningCall>, String> {
    let snapshot = asked(handle, Command::Snapshot).await?;
    let streams: Vec<_> = snapshot.calls.iter().filter_map(|call| call.stream).collect();
    let seen = seen(handle, &streams).await;
    let shown = |call: &LiveCall| {
        let statistics = call.stream.and_then(|stream| seen.get(&stream));
        RunningCall { ladder: Vec::new(), ..running(call, statistics) }
    };
    Ok(snapshot.calls.iter().map(shown).collect())
}

/// The running call whose name begins so.
pub async fn call(handle: &Handle, name: &str) -> Result<RunningCall, String> {
    let snapshot = asked(handle, Command::Snapshot).await?;
    let mut calls = snapshot.calls.iter().filter(|call| call.call.0.starts_with(name));
    match (calls.next(), calls.next()) {
        (Some(call), None) => {
            let seen = seen(handle, call.stream.as_slice()).await;
            Ok(running(call, seen.values().next()))
        }
        (None, _) => Err(format!("no running call `{}`", printable(name))),
        _ => Err(format!("several running calls begin with `{}`", printable(name))),
    }
}

/// How these sound so far; those of a shard that cannot answer are left out.
async fn seen(handle: &Handle, streams: &[StreamId]) -> BTreeMap<StreamId, Statistics> {
    tokio::time::timeout(PATIENCE, handle.statistics(streams)).await.unwrap_or_default()
}

fn running(call: &LiveCall, statistics: Option<&Statistics>) -> RunningCall {
    RunningCall {
        call: call.call.0.clone(),
        start: utc(SystemTime::now().checked_sub(call.start.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH)),
        from: shown(&call.from),
        to: printable(&call.to),
        answered: call.answered.is_some(),
        trunk: call.trunk.clone(),
        account: call.account.clone(),
        codec: call.codec.map(str::to_owned),
        encryption: call.encryption.map(str::to_owned),
        peer: call.peer.to_string(),
        bridged: call.bridged.as_ref().map(|call| call.0.clone()),
        media: statistics.map(figures),
        ladder: call.ladder.iter().map(|line| message(line, call.start)).collect(),
    }
}

/// Trunks and how they do.
pub async fn trunks(handle: &Handle) -> Result<Vec<TrunkLine>, String> {
    let snapshot = asked(handle, Command::Snapshot).await?;
    let line = |trunk: TrunkStatus| {
        let (state, detail) = match trunk.state {
            TrunkState::Unknown => ("unknown", None),
            TrunkState::Up { server } => ("up", server.as_deref().map(printable)),
            TrunkState::Down(diagnosis) => ("down", Some(sentence(&diagnosis.sentence()))),
        };
        TrunkLine {
            name: trunk.name,
            state: state.into(),
            detail,
            registration: trunk.registration.map(|state| news::registration_state(&state)),
            calls: trunk.calls,
            max_calls: trunk.max_calls,
        }
    };
    Ok(snapshot.trunks.into_iter().map(line).collect())
}

/// Tests a trunk.
pub async fn trunk_test(desk: &Desk, name: &str) -> Result<Vec<Finding>, String> {
    let config = desk.reloader.holds().await;
    let trunk = config.trunks.iter().find(|trunk| trunk.name.value == name);
    let trunk = trunk.ok_or_else(|| {
        format!(
            "the running server has no trunk `{}`; if it is new in the configuration: passline reload",
            printable(name)
        )
    })?;
    trunk_test::examine(&desk.handle, &config, trunk).await
}

/// Devices and where they are registered.
pub async fn devices(handle: &Handle) -> Result<Vec<DeviceLine>, String> {
    let snapshot = asked(handle, Command::Snapshot).await?;
    let line = |device: DeviceStatus| DeviceLine {
        extension: device.user,
        name: device.display,
        contacts: device
            .contacts
            .into_iter()
            .map(|(uri, from)| ContactLine { uri: printable(&uri), from })
            .collect(),
    };
    Ok(snapshot.devices.into_iter().map(line).collect())
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
pub fn capture_start(
    desk: &Desk,
    file: &Path,
    octets: u64,
    lasts_s: u64,
    media: bool,
) -> Result<String, String> {
    let bounds = Bounds { octets, lasts: Duration::from_secs(lasts_s) };
    let (tap, feed) = media.then(passline_net::media_capture).unzip();
    let handle = desk.handle.clone();
    let ended = move || {
        handle.send(Command::Capture(false));
        handle.send(Command::CaptureMedia(None));
    };
    desk.capture.start(file, bounds, feed, ended)?;
    desk.handle.send(Command::Capture(true));
    desk.handle.send(Command::CaptureMedia(tap));
    let what = if media { "SIP messages and media packets" } else { "SIP messages" };
    tracing::info!(file = %file.display(), "{what} are captured");
    Ok(format!(
        "{what} are written to {} until `passline capture stop`, at most {} min and {} MB; secrets are masked",
        file.display(),
        lasts_s.div_ceil(60),
        octets / 1_000_000
    ))
}

/// Ends it.
pub fn capture_stop(desk: &Desk) -> Result<String, String> {
    desk.handle.send(Command::Capture(false));
    desk.handle.send(Command::CaptureMedia(None));
    let written = desk.capture.stop()?;
    tracing::info!("capture ended: {written}");
    Ok(written)
}

/// Asks the net.
async fn asked<T>(handle: &Handle, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, String> {
    let (tell, told) = oneshot::channel();
    handle.send(command(tell));
    match tokio::time::timeout(PATIENCE, told).await {
        Ok(Ok(answer)) => Ok(answer),
        _ => Err("the server is busy or ending; try again".into()),
    }
}
