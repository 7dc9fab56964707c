//! Commands for whoever runs the server.
use clap::{Args, Subcommand};
use std::{net::IpAddr, path::PathBuf};

/// `passline calls`.
#[derive(Debug, Args)]
pub struct CallsArgs {
    /// How many, the newest last.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: u32,
    /// Those that are going on, of the running server.
    #[arg(long)]
    pub live: bool,
    /// Those that are going on, and what begins and ends, until interrupted.
    #[arg(long)]
    pub follow: bool,
    /// One JSON object per line.
    #[arg(long)]
    pub json: bool,
}

/// `passline call-info`.
#[derive(Debug, Args)]
pub struct CallInfoArgs {
    /// The call's name or the beginning of it, as in `passline calls` and in the log; or `last`.
    pub call: String,
    /// As one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `passline bans`.
#[derive(Debug, Subcommand)]
pub enum BansCommand {
    /// Show them, the newest first.
    List {
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Ban an address; of IPv6 its first 64 bits count.
    Add {
        /// The address.
        source: IpAddr,
        /// For so long; without it until it is lifted.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
        minutes: Option<u64>,
    },
    /// Lift a ban.
    Remove {
        /// The address.
        source: IpAddr,
    },
}

/// `passline trunk`.
#[derive(Debug, Subcommand)]
pub enum TrunkCommand {
    /// Show the trunks of the running server: up or down, registration, calls.
    List {
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Ask a trunk everything that can be asked without a call, and say what is mis-set on which side.
    Test {
        /// Its name in the configuration.
        name: String,
        /// One JSON object per finding.
        #[arg(long)]
        json: bool,
    },
}

/// `passline devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// One JSON object per line.
    #[arg(long)]
    pub json: bool,
}

/// `passline capture`.
#[derive(Debug, Subcommand)]
pub enum CaptureCommand {
    /// Begin to write SIP messages to a pcapng file that does not exist yet.
    Start {
        /// The file.
        file: PathBuf,
        /// RTP and RTCP, too. In calls that ask for secrets or speak them, sound becomes silence, and keys sent as events
        /// become A, B, C, D in turn; calls of flows without any (the line test) are captured as they are.
        #[arg(long)]
        media: bool,
        /// End after so long in any case.
        #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        minutes: u64,
        /// End after so many MB in any case.
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        max_mb: u64,
    },
    /// End it.
    Stop,
}
