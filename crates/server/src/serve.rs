//! `passline serve`: the mini-PBX until somebody ends it.
use crate::{
    admin,
    config::Config,
    desk,
    exit::Failure,
    http,
    logging::LogLevel,
    node::Node,
    notify,
    reload::{self, Reloader},
    steps,
};
use passline_connectors::DemoUser;
use passline_net::{Command, Handle};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

/// Serves. The first SIGINT or SIGTERM lets running calls finish, the second ends them; SIGHUP reloads. `named` is the
/// configuration file of the command line.
pub async fn run(
    config: Config,
    named: Option<PathBuf>,
    embedded: bool,
    log: LogLevel,
) -> Result<(), Failure> {
    for warning in config.warnings() {
        eprintln!("{warning}");
        tracing::warn!("{warning}");
    }
    let demo = config.identity.demo.unwrap_or(embedded);
    let watched = match config.http.listen {
        Some(address) => Some(http::bind(address).await?),
        None => None,
    };
    let node = Node::start(&config, demo, steps::wanted()).await?;
    let (handle, store) = (node.handle.clone(), node.store.clone());
    let reloader = Arc::new(Reloader::new(named, config.clone(), store, handle.clone(), log));
    let desk = admin::Desk {
        hub: node.hub.clone(),
        reloader: reloader.clone(),
        handle: handle.clone(),
        capture: node.capture.clone(),
    };
    let _socket = admin::start(admin::socket(&config), desk)?;
    print_banner(&config, &node);
    if let Some(listener) = watched {
        let (handle, metrics) = (handle.clone(), node.metrics.clone());
        let (authority, store) = (node.authority().clone(), node.store.clone());
        tokio::spawn(http::serve(listener, http::Watch { handle, metrics, authority, store }));
    }
    tokio::spawn(reload::on_hangup(reloader.clone()));
    tokio::spawn(end_on_signal(handle, reloader));
    notify::say("READY=1");
    node.run(steps::log).await;
    Ok(())
}

async fn end_on_signal(handle: Handle, reloader: Arc<Reloader>) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    let mut either = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    either().await;
    notify::say("STOPPING=1");
    let patience = reloader.patience().await;
    tracing::info!(
        "no new calls; running ones may finish within {} s, a second signal ends them",
        patience.as_secs()
    );
    handle.send(Command::Drain);
    let _ = tokio::time::timeout(patience, either()).await;
    handle.send(Command::HangUpAll);
    let _ = tokio::time::timeout(Duration::from_secs(5), either()).await;
    handle.send(Command::Stop);
}

fn print_banner(config: &Config, node: &Node) {
    println!("Passline {} is listening.", env!("CARGO_PKG_VERSION"));
    let listeners =
        config.sip.listen.iter().map(|listen| format!("{} {}", listen.transport.name(), listen.address));
    println!("  SIP    {}", listeners.collect::<Vec<_>>().join(", "));
    let host = config.sip.listen[0].address;
    for (number, flow) in node.content.program.entries() {
        println!("  Dial   sip:{number}@{host}  {}", node.content.program.name(flow).replace('_', " "));
    }
    print_demo(&node.demo);
    println!("  Data   {}", desk::database(config).display());
    if let Some(address) = config.http.listen {
        println!("  Watch  http://{address}/metrics, /healthz, /readyz");
    }
    println!("  From   {}", node.content.origin);
    for warning in &node.content.warnings {
        tracing::warn!("{warning}");
    }
}

/// The first demo user's secrets; they stand in the README too.
pub fn print_demo(demo: &[DemoUser]) {
    let Some(user) = demo.first() else { return };
    let answers: Vec<_> =
        user.answers.iter().map(|(question, answer)| format!("{question} {answer}")).collect();
    println!(
        "  Demo   {}: ID {}, PIN {}, answers: {}",
        user.login,
        user.employee_id,
        user.pin,
        answers.join(", ")
    );
}
