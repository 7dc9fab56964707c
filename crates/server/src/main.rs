//! The `passline` binary: configuration, wiring, command line.
#![forbid(unsafe_code)]

mod admin;
mod assets;
mod call;
mod call_info;
mod caller;
mod calls;
mod capture;
mod check;
mod cli;
mod config;
mod content;
mod demo;
mod desk;
mod dtmf;
mod entropy;
mod exit;
mod harden;
mod http;
mod instance;
mod keeper;
mod ladder;
mod logging;
mod metrics;
mod news;
mod node;
mod notify;
mod operate;
mod pcapng;
mod prompts;
mod record;
mod reload;
mod replay;
mod secret;
mod serve;
mod steps;
mod storm;
mod trunk_test;
mod user;
mod wav;
mod wire;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use config::Config;
use exit::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    harden::forbid_dumps();
    let cli = Cli::parse();
    // Two providers of TLS could come in by dependencies; this one is meant.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let command = cli.command.unwrap_or(Command::Serve);
    match &command {
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "passline", &mut std::io::stdout());
            return Ok(());
        }
        Command::Replay(args) => return replay::run(args),
        Command::Dtmf(args) => return dtmf::run(args),
        Command::Storm(args) => return storm::run(args, cli.config.config.as_deref()),
        _ => {}
    }
    let (config, file) = Config::load(cli.config.config.as_deref())?;
    let serving = matches!(command, Command::Serve);
    let log = logging::start(&config.log, serving)?;
    harden::raise_file_limit();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::machine)?;
    runtime.block_on(async {
        match command {
            Command::Serve => {
                config.check_files(file.as_deref())?;
                // On the runtime's own threads: this one would have to be woken up for each event of each call.
                let serving = serve::run(config, cli.config.config, file.is_none(), log);
                tokio::spawn(serving).await.map_err(Failure::machine)?
            }
            Command::Demo(args) => demo::run(&config, &args).await,
            Command::Check => check::run(&config, file).await,
            Command::Call(args) => call::run(&config, args).await,
            Command::Calls(args) => calls::run(&config, &args).await,
            Command::CallInfo(args) => call_info::run(&config, &args).await,
            Command::Reload => operate::reload(&config).await,
            Command::Bans(command) => operate::bans(&config, command).await,
            Command::Devices(args) => operate::devices(&config, &args).await,
            Command::Trunk(command) => match command {
                cli::TrunkCommand::List { json } => operate::trunks(&config, json).await,
                cli::TrunkCommand::Test { name, json } => trunk_test::run(&config, &name, json).await,
            },
            Command::Capture(command) => operate::capture(&config, command).await,
            Command::Audit(args) => calls::audit(&config, &args).await,
            Command::User(command) => user::run(&config, command).await,
            Command::Prompts(command) => prompts::run(&config, command),
            Command::Replay(_) | Command::Dtmf(_) | Command::Storm(_) | Command::Completions { .. } => Ok(()),
        }
    })
}
