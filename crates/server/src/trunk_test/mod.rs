//! `passline trunk test`: asks a trunk everything that can be asked without a call, and says in plain words what is
//! mis-set on which side. It runs inside the server where one runs, since a PBX may know that one's address only; else in
//! a net of its own.
mod examine;
mod judge;
mod media;

pub use examine::examine;

use crate::{
    admin::{Link, Refused, Request},
    config::{Config, Listen, Transport, Trunk},
    entropy,
    exit::Failure,
    operate::print_json,
    wire,
};
use passline_engine::{Control, PortPool};
use passline_net::{Command, NetEvent};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// On which side something is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Passline's configuration or host.
    Passline,
    /// The PBX or provider.
    Pbx,
    /// Between them.
    Network,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, but somebody should know.
    Note,
    /// Must be changed.
    Bad,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// How it came out.
    pub verdict: Verdict,
    /// Where to change something.
    pub side: Option<Side>,
    /// One sentence: what is.
    pub says: String,
    /// One sentence: what to do.
    pub remedy: Option<String>,
}

impl Finding {
    fn good(check: &str, says: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Good, side: None, says: says.into(), remedy: None }
    }

    fn note(check: &str, says: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, ..Self::good(check, says) }
    }

    fn bad(check: &str, side: Side, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        let good = Self::good(check, says);
        Self { verdict: Verdict::Bad, side: Some(side), remedy: Some(remedy.into()), ..good }
    }
}

/// Tests a trunk and prints what was found; exit code 1 if anything is wrong.
pub async fn run(config: &Config, name: &str, json: bool) -> Result<(), Failure> {
    let findings = match Link::ask(config, &Request::TrunkTest { name: name.into() }).await {
        Ok(link) => link.all().await?,
        Err(Refused::NoServer(_)) => {
            let trunk = config.trunks.iter().find(|trunk| trunk.name.value == name);
            let trunk = trunk.ok_or_else(|| Failure::input(unknown(config, name)))?;
            if !json {
                println!("no server is running; the trunk is asked from a port of our own");
            }
            alone(config, trunk).await?
        }
        Err(refused) => return Err(refused.into()),
    };
    for finding in &findings {
        if json { print_json(finding)? } else { print(finding) }
    }
    let bad = findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
    if !json {
        match bad {
            0 => println!("trunk {name}: nothing wrong was found"),
            1 => println!("trunk {name}: one thing is wrong"),
            _ => println!("trunk {name}: {bad} things are wrong"),
        }
    }
    if bad == 0 { Ok(()) } else { Err(Failure::No) }
}

/// That there is no such trunk, and which there are.
pub fn unknown(config: &Config, name: &str) -> String {
    let names: Vec<_> = config.trunks.iter().map(|trunk| trunk.name.value.as_str()).collect();
    let names = if names.is_empty() { "none".into() } else { names.join(", ") };
    format!("there is no trunk `{name}` in the configuration; the trunks are: {names}")
}

fn print(finding: &Finding) {
    let sign = match finding.verdict {
        Verdict::Good => "good ",
        Verdict::Note => "note ",
        Verdict::Bad => "WRONG",
    };
    println!("{sign}  {:<13} {}", finding.check, finding.says);
    let side = match finding.side {
        Some(Side::Passline) => "Passline",
        Some(Side::Pbx) => "PBX",
        Some(Side::Network) => "network",
        None => "",
    };
    if let Some(remedy) = &finding.remedy {
        println!("       {:<13} {remedy}", format!("→ {side}:"));
    }
}

/// Without a server: the same addresses, any ports, this trunk alone.
async fn alone(config: &Config, trunk: &Trunk) -> Result<Vec<Finding>, Failure> {
    let mut config = config.clone();
    config.trunks.retain(|other| other.name.value == trunk.name.value);
    config.devices.clear();
    config.routes.clear();
    // Nothing is listened on: any port of the addresses that we would listen on.
    let mut listen: Vec<Listen> = config.sip.listen.clone();
    for listen in &mut listen {
        listen.address.set_port(0);
    }
    let tcp: Vec<Listen> =
        listen.iter().map(|listen| Listen { transport: Transport::Tcp, ..*listen }).collect();
    let udp = listen.iter().map(|listen| Listen { transport: Transport::Udp, ..*listen });
    config.sip.listen = udp.chain(tcp).collect();
    config.sip.listen.dedup();
    let engine = wire::engine(&config, false).map_err(Failure::Input)?;
    let net = wire::net(&config, &engine);
    let content = crate::content::Content::load(&config, &[])?;
    let ports = config.rtp.ports.first..=config.rtp.ports.last;
    let (program, library) = (content.program, content.library);
    let control = move |listeners| {
        let mut engine = engine;
        engine.sip.listeners = listeners;
        let pool = PortPool::new(ports, entropy::rng());
        Control::new(Instant::now(), engine, program, library, pool, entropy::rng())
    };
    let (handle, mut events) = passline_net::start(net, control).await.map_err(Failure::machine)?;
    let reading =
        tokio::spawn(async move { while !matches!(events.recv().await, None | Some(NetEvent::Stopped)) {} });
    let findings = examine(&handle, &config, trunk).await;
    handle.send(Command::Stop);
    let _ = reading.await;
    findings.map_err(Failure::machine)
}
