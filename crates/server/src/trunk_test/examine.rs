//! The checks in their order.
use super::{Finding, Side, judge, media};
use crate::{
    config::{Config, Trunk, networks_of, password},
    news,
};
use passline_engine::{Probe, ProbeRequest, RegistrationStatus, Snapshot, sip::Credentials};
use passline_net::{Command, Handle};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// An answer to OPTIONS has come by then, or never comes (RFC 3261: 32 s and name look-ups).
const LONGEST_PROBE: Duration = Duration::from_secs(45);
/// A registration that was just begun is waited for so long.
const LONGEST_REGISTRATION: Duration = Duration::from_secs(40);

/// Asks everything. An error means that the net has ended.
pub async fn examine(handle: &Handle, config: &Config, trunk: &Trunk) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    let credentials = credentials(trunk, &mut findings);
    if let Some(host) = &trunk.host {
        let probe = probe(handle, &host.uri, credentials).await?;
        findings.extend(judge::lookup(trunk, host, &probe));
        findings.extend(judge::source(trunk, &probe));
        if let Some(answer) = &probe.answer {
            let transport = probe.paths.first().map(|path| (path.transport, path.remote));
            findings.extend(judge::answer(trunk, host, transport, answer));
            findings.extend(judge::allow(trunk, answer));
            findings.extend(media::judge(trunk, answer));
        }
        if trunk.register {
            findings.push(registration(handle, trunk).await?);
        }
    } else {
        findings.push(Finding::note(
            "host",
            format!(
                "the trunk only calls us, so there is nobody to ask; calls from {} are taken as its own",
                networks(trunk)
            ),
        ));
    }
    findings.extend(judge::ours(config, trunk));
    Ok(findings)
}

/// Its networks as text.
pub fn networks(trunk: &Trunk) -> String {
    networks_of(trunk).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn credentials(trunk: &Trunk, findings: &mut Vec<Finding>) -> Option<Credentials> {
    let (user, file) = (trunk.user.as_ref()?, trunk.password_file.as_ref()?);
    match password(&file.value) {
        Ok(password) => {
            Some(Credentials { user: user.clone(), password: Arc::new(password), realm: trunk.realm.clone() })
        }
        Err(fault) => {
            let remedy = "correct `password_file`, or the file's owner and mode";
            findings.push(Finding::bad("password", Side::Passline, fault, remedy));
            None
        }
    }
}

async fn probe(handle: &Handle, uri: &str, credentials: Option<Credentials>) -> Result<Probe, String> {
    let (done, told) = oneshot::channel();
    let request = ProbeRequest { id: 0, uri: uri.into(), transport: None, credentials };
    handle.send(Command::Probe { request: Box::new(request), done });
    match tokio::time::timeout(LONGEST_PROBE, told).await {
        Ok(Ok(probe)) => Ok(probe),
        _ => Err("the server is busy or ending; try again".into()),
    }
}

/// How our registration stands, once that is known.
async fn registration(handle: &Handle, trunk: &Trunk) -> Result<Finding, String> {
    let start = Instant::now();
    loop {
        let (tell, told) = oneshot::channel();
        handle.send(Command::Snapshot(tell));
        let snapshot: Snapshot = told.await.map_err(|_| "the server is ending".to_owned())?;
        let own = snapshot.trunks.into_iter().find(|other| other.name == trunk.name.value);
        match own.and_then(|own| own.registration) {
            Some(RegistrationStatus::Trying) if start.elapsed() < LONGEST_REGISTRATION => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Some(RegistrationStatus::Registered { expires }) => {
                return Ok(Finding::good("registration", format!("registered for {expires} s")));
            }
            Some(RegistrationStatus::Failed { status, diagnosis, .. }) => {
                let sentence = news::sentence(&diagnosis.sentence());
                return Ok(judge::registration(trunk, status, &sentence));
            }
            Some(other) => {
                let state = news::registration_state(&other);
                let says = format!("the registration is {state}");
                return Ok(Finding::bad("registration", Side::Passline, says, "try again in a minute"));
            }
            None => {
                let says = "the running server does not register with this trunk";
                return Ok(Finding::bad("registration", Side::Passline, says, "run `passline reload`"));
            }
        }
    }
}
