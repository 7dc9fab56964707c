//! Log lines go to standard error; their filter can change while the program runs.
use crate::{
    config::{Log, LogFormat},
    exit::Failure,
};
use std::sync::Arc;
use tracing_subscriber::{EnvFilter, fmt, reload};

/// Sets the filter of a running log.
#[derive(Clone)]
pub struct LogLevel(Arc<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>);

impl LogLevel {
    /// Takes another filter.
    ///
    /// # Errors
    /// If it is none.
    pub fn set(&self, level: &str) -> Result<(), String> {
        (self.0)(filter(level)?).map_err(|error| error.to_string())
    }
}

/// Starts the log. Beside serving, only what is wrong is worth a line.
pub fn start(log: &Log, serving: bool) -> Result<LogLevel, Failure> {
    let filter = filter(if serving { &log.level } else { "warn" }).map_err(Failure::input)?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    Ok(match log.format {
        LogFormat::Text => {
            let lines = lines.with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            LogLevel(Arc::new(move |filter| handle.reload(filter)))
        }
        LogFormat::Json => {
            let lines = lines.json().with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            LogLevel(Arc::new(move |filter| handle.reload(filter)))
        }
    })
}

fn filter(level: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(level)
        .map_err(|error| format!("log.level: `{level}` is no filter: {error}; write e.g. info"))
}
