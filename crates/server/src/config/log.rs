//! `log:` and `calls:` in the configuration.
use serde::Deserialize;

/// Log output.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or a filter such as `info,passline_net=debug`.
    pub level: String,
    /// Form of the lines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Call records.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calls {
    /// How many records are kept; the oldest go first.
    pub keep: u32,
}

impl Default for Calls {
    fn default() -> Self {
        Self { keep: 100_000 }
    }
}
