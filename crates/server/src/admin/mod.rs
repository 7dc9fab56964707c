//! Administration of a running server: a Unix domain socket in the data folder, one JSON line to ask, JSON lines back.
//!
//! Only the user that the server runs as, and root, get an answer.
mod act;
mod client;
mod hub;
mod serve;
pub mod view;

pub use client::{Link, Refused};
pub use hub::Hub;
pub use serve::{Desk, start};

use crate::config::Config;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{net::IpAddr, path::PathBuf};

/// Longest line of a request, in octets.
const LONGEST_REQUEST: u64 = 64 * 1024;

/// Where the socket is.
pub fn socket(config: &Config) -> PathBuf {
    config.data().join("passline.sock")
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The calls that are not over; with `follow`, then what begins, ends and changes, until the asker leaves.
    Calls {
        /// Go on.
        #[serde(default)]
        follow: bool,
    },
    /// A call that is not over, with its messages.
    Call {
        /// Its name or the beginning of it.
        call: String,
    },
    /// Read configuration, flows and prompts again.
    Reload,
    /// The ban list, the newest first.
    Bans,
    /// Ban a source.
    Ban {
        /// Its address.
        source: IpAddr,
        /// For so long, in seconds; without it until the ban is lifted.
        #[serde(default)]
        lasts_s: Option<u64>,
    },
    /// Lift a ban.
    Unban {
        /// Its address.
        source: IpAddr,
    },
    /// Trunks and how they do.
    Trunks,
    /// Ask a trunk everything that can be asked without a call.
    TrunkTest {
        /// Its name.
        name: String,
    },
    /// Devices and where they are registered.
    Devices,
    /// Write SIP messages, and media packets if wanted, to a file.
    CaptureStart {
        /// The file, absolute; must not exist.
        file: PathBuf,
        /// End after so many octets.
        octets: u64,
        /// End after so long.
        lasts_s: u64,
        /// RTP and RTCP, too.
        #[serde(default)]
        media: bool,
    },
    /// End that.
    CaptureStop,
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A part of it.
    Item(Value),
    /// It is complete.
    Done,
    /// Refused, or failed: why, and what to do.
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_documented() {
        let line = |reply: &Reply| serde_json::to_string(reply).unwrap();
        assert_eq!(line(&Reply::Done), "\"done\"");
        assert_eq!(line(&Reply::Item(1.into())), "{\"item\":1}");
        let ask: Request = serde_json::from_str("{\"ask\":\"calls\"}").unwrap();
        assert_eq!(ask, Request::Calls { follow: false });
        assert!(serde_json::from_str::<Request>("{\"ask\":\"calls\",\"shell\":\"rm\"}").is_err());
    }
}
