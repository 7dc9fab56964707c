//! The `passline` binary: configuration, wiring, command line.
#![forbid(unsafe_code)]

mod assets;
mod call;
mod caller;
mod calls;
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
mod node;
mod prompts;
mod replay;
mod secret;
mod serve;
mod steps;
mod user;
mod wav;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use config::{Config, LogFormat};
use exit::Failure;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

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
        _ => {}
    }
    let (config, file) = Config::load(cli.config.config.as_deref())?;
    let serving = matches!(command, Command::Serve);
    start_log(&config, serving)?;
    harden::raise_file_limit();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::machine)?;
    runtime.block_on(async {
        match command {
            Command::Serve => serve::run(&config, file.is_none()).await,
            Command::Demo(args) => demo::run(&config, &args).await,
            Command::Check => check::run(&config, file).await,
            Command::Call(args) => call::run(&config, args).await,
            Command::Calls(args) => calls::run(&config, &args).await,
            Command::Audit(args) => calls::audit(&config, &args).await,
            Command::User(command) => user::run(&config, command).await,
            Command::Prompts(command) => prompts::run(&config, command),
            Command::Replay(_) | Command::Dtmf(_) | Command::Completions { .. } => Ok(()),
        }
    })
}

/// Log lines go to standard error. Beside serving, only what is wrong is worth a line.
fn start_log(config: &Config, serving: bool) -> Result<(), Failure> {
    let level = if serving { config.log.level.as_str() } else { "warn" };
    let filter = EnvFilter::try_new(level)
        .map_err(|e| Failure::input(format!("log.level: `{level}` is no filter: {e}; write e.g. info")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    match config.log.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
