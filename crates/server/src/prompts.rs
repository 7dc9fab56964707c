//! `passline prompts`: make the recordings, and look at their sound.
use crate::{cli::PromptsCommand, config::Config, content, exit::Failure};
use passline_prompt::Severity;
use serde_json::json;
use std::{path::PathBuf, process::Command};

/// Carries out one command.
pub fn run(config: &Config, command: PromptsCommand) -> Result<(), Failure> {
    match command {
        PromptsCommand::Render { language, prompts } => render(config, language, &prompts),
        PromptsCommand::Check { json } => check(config, json),
    }
}

/// Runs the script that lies beside the prompts; it names the Debian packages that it needs.
fn render(config: &Config, language: Option<String>, prompts: &[String]) -> Result<(), Failure> {
    let media = config.media.clone().unwrap_or_else(|| PathBuf::from("media"));
    let script = media.join("render");
    if !script.is_file() {
        let hint = "it makes the WAV files; run this command in the source folder, or set `media` in the configuration";
        return Err(Failure::input(format!("{}: is missing; {hint}", script.display())));
    }
    let status = Command::new(&script).args(language).args(prompts).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure::No),
        Err(error) => Err(Failure::machine(format!("{}: {error}", script.display()))),
    }
}

fn check(config: &Config, as_json: bool) -> Result<(), Failure> {
    let (library, assets, mut findings) = content::load_library(config)?;
    for source in content::sources(config, &assets) {
        findings.extend(passline_prompt::check::check(&source));
    }
    for finding in &findings {
        if as_json {
            let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
            let line = json!({
                "severity": severity,
                "file": finding.file,
                "line": finding.line,
                "message": finding.message,
                "remedy": finding.remedy,
            });
            println!("{line}");
        } else {
            println!("{}/{finding}", assets.origin);
        }
    }
    let clips = assets.files.keys().filter(|path| path.ends_with(".wav")).count();
    if findings.is_empty() && library.is_some() {
        if !as_json {
            println!("{clips} clips in {}: all good", assets.origin);
        }
        Ok(())
    } else {
        Err(Failure::No)
    }
}
