//! `passline check`: configuration, prompts, flows and targets, without serving anybody.
use crate::{config::Config, content::Content, desk, exit::Failure};
use std::path::PathBuf;

/// Checks everything that can be checked without a network; faults go to standard error.
pub async fn run(config: &Config, file: Option<PathBuf>) -> Result<(), Failure> {
    let source =
        file.as_ref().map_or_else(|| "embedded defaults".to_owned(), |path| path.display().to_string());
    config.check_files(file.as_deref())?;
    for warning in config.warnings() {
        eprintln!("{source}: {warning}");
    }
    // The store tells which questions are asked; where there is none yet, a check must not make it.
    let questions = if desk::database(config).exists() {
        desk::questions(&desk::open_store(config)?).await?
    } else {
        Vec::new()
    };
    let content = Content::load(config, &questions)?;
    for warning in &content.warnings {
        eprintln!("warning: {warning}");
    }
    println!("{source}: good");
    println!("{}", content.origin);
    for (number, flow) in content.program.entries() {
        println!("{number} → {}", content.program.name(flow));
    }
    println!("languages: {}", content.library.languages().join(", "));
    Ok(())
}
