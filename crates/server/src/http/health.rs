//! `/healthz`: whether the process does its work, or should be started anew. `/readyz`: whether it takes calls now.
use super::{ALIVE, Watch};
use axum::{
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use passline_connectors::TargetSeen;
use passline_net::Load;
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// A shard that has something to do must do something by then.
const TICKS: Duration = Duration::from_secs(2);

/// What is wrong.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Reason {
    /// A word for machines.
    code: &'static str,
    /// What, in a few words.
    text: String,
}

impl Reason {
    fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

#[derive(Serialize)]
struct Verdict {
    ok: bool,
    reasons: Vec<Reason>,
}

/// 200 if the control task answers and every shard does what it has to do, else 503.
pub async fn alive(State(watch): State<Arc<Watch>>) -> Response {
    let (_, reasons) = vital(&watch).await;
    say(reasons)
}

/// 200 if a call would be taken and could be served, else 503.
pub async fn ready(State(watch): State<Arc<Watch>>) -> Response {
    let (load, mut reasons) = vital(&watch).await;
    if let Some(load) = load {
        reasons.extend(door(&load));
    }
    // Anything that the store answers will do; a database that hangs answers nothing.
    match timeout(ALIVE, watch.store.calls(1)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => reasons.push(Reason::new("directory", format!("the store fails: {error}"))),
        Err(_) => reasons.push(Reason::new("directory", "the store does not answer")),
    }
    reasons.extend(targets(&watch.authority.targets_seen()));
    say(reasons)
}

async fn vital(watch: &Watch) -> (Option<Box<Load>>, Vec<Reason>) {
    let load = watch.load().await;
    let mut reasons = Vec::new();
    if load.is_none() {
        reasons.push(Reason::new("control", "the control task does not answer"));
    }
    for (shard, metrics) in watch.handle.shards().iter().enumerate() {
        if !metrics.lives(TICKS).await {
            reasons.push(Reason::new("media", format!("media shard {shard} does not tick")));
        }
    }
    (load, reasons)
}

/// Why the next call would be refused.
fn door(load: &Load) -> Vec<Reason> {
    let census = &load.census;
    let calls = census.incoming + census.outgoing;
    let mut reasons = Vec::new();
    if census.draining {
        reasons.push(Reason::new("draining", "no new calls are taken: the server is ending"));
    }
    if calls >= census.max_calls {
        reasons.push(Reason::new("full", format!("{calls} of {} calls", census.max_calls)));
    }
    if census.busy >= census.busy_limit {
        let (busy, limit) = (census.busy, census.busy_limit);
        let text = format!("the media shards are at work {busy} % of the time, {limit} % are allowed");
        reasons.push(Reason::new("overloaded", text));
    }
    if census.idle_ports == 0 {
        reasons.push(Reason::new("no_port", "every RTP port is in use"));
    }
    reasons
}

/// While one target answers, callers can be served.
fn targets(seen: &[TargetSeen]) -> Option<Reason> {
    let none = !seen.is_empty() && seen.iter().all(|target| !target.available);
    none.then(|| Reason::new("targets", "no target system answers"))
}

fn say(reasons: Vec<Reason>) -> Response {
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verdict = Verdict { ok: reasons.is_empty(), reasons };
    match serde_json::to_string(&verdict) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body + "\n").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_shut_for_a_reason() {
        let codes = |load: &Load| door(load).iter().map(|reason| reason.code).collect::<Vec<_>>();
        let mut load = Load::default();
        load.census.max_calls = 2;
        load.census.idle_ports = 10;
        load.census.busy = 84;
        load.census.busy_limit = 85;
        assert_eq!(codes(&load), Vec::<&str>::new());
        load.census.incoming = 1;
        load.census.outgoing = 1;
        assert_eq!(codes(&load), ["full"]);
        load.census.draining = true;
        load.census.busy = 85;
        load.census.idle_ports = 0;
        assert_eq!(codes(&load), ["draining", "full", "overloaded", "no_port"]);
    }

    #[test]
    fn one_target_that_answers_is_enough() {
        let target = |available| TargetSeen {
            target: "crm".into(),
            available,
            results: Vec::new(),
            times: Default::default(),
            sum_us: 0,
        };
        assert_eq!(targets(&[]), None);
        assert_eq!(targets(&[target(false), target(true)]), None);
        assert_eq!(targets(&[target(false)]).map(|reason| reason.code), Some("targets"));
    }
}
