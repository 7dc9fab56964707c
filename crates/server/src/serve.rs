//! `passline serve`: the mini-PBX until somebody ends it.
use crate::{
    config::{Config, Transport},
    desk,
    exit::Failure,
    node::Node,
    steps,
};
use passline_connectors::DemoUser;
use passline_net::{Command, Handle};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// After the first signal, running calls may go on for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves. The first SIGINT or SIGTERM lets running calls finish, the second ends them.
pub async fn run(config: &Config, embedded: bool) -> Result<(), Failure> {
    for warning in config.warnings() {
        eprintln!("{warning}");
        tracing::warn!("{warning}");
    }
    let demo = config.identity.demo.unwrap_or(embedded);
    let node = Node::start(config, demo, steps::wanted()).await?;
    print_banner(config, &node);
    let handle = node.handle.clone();
    tokio::spawn(end_on_signal(handle));
    node.run(steps::log).await;
    Ok(())
}

async fn end_on_signal(handle: Handle) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    let either = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let mut either = either;
    either().await;
    tracing::info!(
        "no new calls; running ones may finish within {} s, a second signal ends them",
        PATIENCE.as_secs()
    );
    handle.send(Command::Drain);
    let _ = tokio::time::timeout(PATIENCE, either()).await;
    handle.send(Command::HangUpAll);
    let _ = tokio::time::timeout(Duration::from_secs(5), either()).await;
    handle.send(Command::Stop);
}

fn print_banner(config: &Config, node: &Node) {
    println!("Passline {} is listening.", env!("CARGO_PKG_VERSION"));
    let listeners = config.sip.listen.iter().map(|listen| {
        let transport = if listen.transport == Transport::Udp { "udp" } else { "tcp" };
        format!("{transport} {}", listen.address)
    });
    println!("  SIP    {}", listeners.collect::<Vec<_>>().join(", "));
    let host = config.sip.listen[0].address;
    for (number, flow) in node.content.program.entries() {
        println!("  Dial   sip:{number}@{host}  {}", node.content.program.name(flow).replace('_', " "));
    }
    print_demo(&node.demo);
    println!("  Data   {}", desk::database(config).display());
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
