//! The asking side of the admin socket.
use super::{Reply, Request, socket};
use crate::{config::Config, exit::Failure};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::ErrorKind;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{UnixStream, unix::OwnedReadHalf},
};

/// Why there is no answer.
#[derive(Debug)]
pub enum Refused {
    /// No server runs with this configuration.
    NoServer(String),
    /// The server or the socket says no.
    Said(String),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoServer(text) | Refused::Said(text) => Self::machine(text),
        }
    }
}

/// One question and its answer.
pub struct Link {
    lines: Lines<BufReader<OwnedReadHalf>>,
    /// Kept open: the server takes a closed one for an asker that left.
    _write: tokio::net::unix::OwnedWriteHalf,
}

impl Link {
    /// Asks the server that runs with this configuration.
    pub async fn ask(config: &Config, request: &Request) -> Result<Self, Refused> {
        let path = socket(config);
        let stream = UnixStream::connect(&path).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Refused::NoServer(format!(
                "no server is running with this configuration (nobody answers at {}); start it with `passline serve`, or \
                 name its configuration with --config FILE",
                path.display()
            )),
            ErrorKind::PermissionDenied => Refused::Said(format!(
                "{}: only the user that the server runs as may ask; use sudo -u USER",
                path.display()
            )),
            _ => Refused::Said(format!("{}: {error}", path.display())),
        })?;
        let (read, mut write) = stream.into_split();
        let broken = |error: std::io::Error| Refused::Said(format!("the server does not listen: {error}"));
        let mut line = serde_json::to_string(request).map_err(|error| Refused::Said(error.to_string()))?;
        line.push('\n');
        write.write_all(line.as_bytes()).await.map_err(broken)?;
        Ok(Self { lines: BufReader::new(read).lines(), _write: write })
    }

    /// The next part of the answer; `None` when it is complete.
    pub async fn next(&mut self) -> Result<Option<Value>, Refused> {
        let line = self.lines.next_line().await.map_err(|error| Refused::Said(error.to_string()))?;
        let Some(line) = line else {
            return Err(Refused::Said("the server has ended before its answer was complete".into()));
        };
        match serde_json::from_str(&line) {
            Ok(Reply::Item(value)) => Ok(Some(value)),
            Ok(Reply::Done) => Ok(None),
            Ok(Reply::Refused(text)) => Err(Refused::Said(text)),
            Err(error) => Err(Refused::Said(format!(
                "the server's answer is not understood ({error}); it may be of another version: restart it"
            ))),
        }
    }

    /// The whole answer.
    pub async fn all<T: DeserializeOwned>(mut self) -> Result<Vec<T>, Refused> {
        let mut items = Vec::new();
        while let Some(value) = self.next().await? {
            items.push(serde_json::from_value(value).map_err(|error| Refused::Said(error.to_string()))?);
        }
        Ok(items)
    }
}
