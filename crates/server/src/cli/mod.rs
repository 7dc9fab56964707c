//! The command line: what can be asked of `passline`, and with which exit code it answers.
mod operate;
mod storm;

pub use operate::{BansCommand, CallInfoArgs, CallsArgs, CaptureCommand, DevicesArgs, TrunkCommand};

pub use storm::{LawArg, ModeArg, SocketsArg, SoundArg, StormArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};
use passline_rtp::{CODECS, Codec};
use std::path::PathBuf;

/// A phone number that gives people their account back.
#[derive(Debug, Parser)]
#[command(
    name = "passline",
    version,
    about,
    after_help = "Without a command, passline serves (`passline serve`).

Exit codes: 0 done · 1 the answer is no (a call failed, a check found faults, a password does not bind)
            2 wrong usage · 3 wrong configuration or input file · 4 the machine refused (port in use, no permission)"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The same as for `serve`, so that a bare `passline` can be told where its configuration lies.
    #[command(flatten)]
    pub config: ConfigArg,
}

/// Where the configuration lies.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArg {
    /// Configuration file (YAML). Without it, passline.yaml in this folder, or else the embedded defaults.
    #[arg(long, value_name = "FILE", env = "PASSLINE_CONFIG", global = true)]
    pub config: Option<PathBuf>,
}

/// One command each.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the mini-PBX until SIGINT or SIGTERM.
    #[command(after_help = "Examples:
  passline serve
  passline serve --config /etc/passline/passline.yaml")]
    Serve,
    /// Run the mini-PBX with a fresh demo store, call it as a locked-out user, show the call, prove the new password.
    #[command(after_help = "Examples:
  passline demo
  passline demo --record heard.wav")]
    Demo(DemoArgs),
    /// Check configuration, flows and prompts; each fault with file, line, column and remedy.
    #[command(after_help = "Examples:
  passline check
  passline check --config passline.yaml")]
    Check,
    /// Place a call with a script of keys, and report what was heard.
    #[command(
        after_help = "A script is a list of words, carried out one after another once the call is answered:
  40711#          presses these keys, one after another (0-9 * # A-D)
  p500            pauses 500 ms
  hear:PROMPT     waits until this prompt was heard (where the other side is Passline)
  quiet:1500      waits until 1500 ms of silence were heard
  hangup          hangs up (the end of the script does not: it listens until the other side does)
A script with secret keys in it is read from a file (--keys @FILE) or from standard input (--keys -).

Examples:
  passline call sip:5001@127.0.0.1 --keys 'p1000 123# quiet:3000 hangup'
  passline call sip:5000@127.0.0.1 --keys @reset.keys --record heard.wav --json
  passline call sip:2001@192.0.2.10 --transport tls --ca tls-certificate.pem --user 2002 --password-file 2002.password"
    )]
    Call(CallArgs),
    /// Place many calls at once with audio both ways, and measure what the callers hear.
    #[command(
        after_help = "Prints a table. Exit code 0: all that was asked for was met · 1: not. Ctrl-C hangs up and prints what was measured.

Examples:
  passline storm sip:5001@127.0.0.1 --calls 500 --for 30s --max-loss 0.1% --max-p99 5ms
  passline storm sip:5001@127.0.0.1 --calls 200 --hold 10s --for 5m --max-gap 100ms
  passline storm sip:5001@127.0.0.1 --mode setups --rate 1000 --for 10s --json
  passline storm sip:600@192.0.2.10 --calls 100 --yes-i-own-this"
    )]
    Storm(Box<StormArgs>),
    /// Show the calls of the past, or those that are going on.
    #[command(after_help = "Examples:
  passline calls --last 20
  passline calls --live
  passline calls --follow
  passline calls --json | jq .outcome")]
    Calls(CallsArgs),
    /// Show all about one call: record, diagnosis, the ladder of its SIP messages.
    #[command(after_help = "Examples:
  passline call-info last
  passline call-info 8f3a --json")]
    CallInfo(CallInfoArgs),
    /// Tell the running server to read configuration, flows and prompts again, as SIGHUP does.
    Reload,
    /// Show, make and lift bans of source addresses.
    #[command(
        subcommand,
        after_help = "Examples:
  passline bans list
  passline bans add 198.51.100.7 --minutes 60
  passline bans remove 198.51.100.7"
    )]
    Bans(BansCommand),
    /// Show and test trunks.
    #[command(
        subcommand,
        after_help = "Examples:
  passline trunk list
  passline trunk test pbx"
    )]
    Trunk(TrunkCommand),
    /// Show the devices and where they are registered.
    Devices(DevicesArgs),
    /// Capture SIP messages and media of the running server, secrets masked.
    #[command(
        subcommand,
        after_help = "Examples:
  passline capture start /tmp/trunk.pcapng
  passline capture start /tmp/call.pcapng --media --minutes 5
  passline capture stop
  passline replay /tmp/call.pcapng --plot /tmp/call.svg
  sngrep -I /tmp/trunk.pcapng"
    )]
    Capture(CaptureCommand),
    /// Run the calls of a capture through the media engine in virtual time.
    #[command(
        after_help = "One JSON line per call, and one per RTP stream that belongs to no call. Times are in ms since the first packet
of the call (its INVITE) or of the stream. The ledger of a digit tells the packets it was heard by, and the methods.

Examples:
  passline replay trace.pcap --json
  passline replay rtp-only.pcapng --digits --codec pcma --event-pt 96
  passline replay trace.pcap --plot trace.svg"
    )]
    Replay(ReplayArgs),
    /// Find the DTMF digits in a WAV file.
    #[command(after_help = "Examples:
  passline dtmf recording.wav
  passline dtmf recording.wav --json")]
    Dtmf(DtmfArgs),
    /// Administer the embedded directory.
    #[command(subcommand)]
    User(UserCommand),
    /// Make or check the voice prompts.
    #[command(subcommand)]
    Prompts(PromptsCommand),
    /// Show the audit log.
    Audit(AuditArgs),
    /// Print completions for a shell.
    #[command(after_help = "Example:
  passline completions bash > /etc/bash_completion.d/passline")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// `passline demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where the audio that the caller heard is written.
    #[arg(long, value_name = "FILE.wav", default_value = "passline-demo.wav")]
    pub record: PathBuf,
}

/// How digits are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DtmfArg {
    /// Telephone events in RTP.
    #[default]
    Rfc4733,
    /// Tones in the audio.
    Inband,
    /// SIP INFO with application/dtmf-relay.
    Info,
}

/// Transport of SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TransportArg {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
}

/// `passline call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// Whom to call, e.g. sip:5000@192.0.2.1:5060;transport=tcp
    pub uri: String,
    /// Transport, whatever the URI says.
    #[arg(long, value_enum)]
    pub transport: Option<TransportArg>,
    /// User that answers a challenge of the other side; needs --password-file.
    #[arg(long, value_name = "USER", requires = "password_file")]
    pub user: Option<String>,
    /// File whose first line is that user's password.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// TLS: PEM file of an authority, or of the other side's own certificate, that is trusted beside the system's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Encrypts the audio (SRTP, keys by SDES): `required` without a word behind it, `optional` leaves it to the other side.
    #[arg(long, value_enum, default_value_t, num_args = 0..=1, default_missing_value = "required", value_name = "WHETHER")]
    pub srtp: SrtpArg,
    /// Script of keys; @FILE reads it from a file, - from standard input.
    #[arg(long, value_name = "SCRIPT", default_value = "")]
    pub keys: String,
    /// How digits are sent.
    #[arg(long, value_enum, default_value_t)]
    pub dtmf: DtmfArg,
    /// Length of a key press, in ms.
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u16).range(40..=10_000))]
    pub press: u16,
    /// Pause between two keys, in ms.
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u16).range(40..=10_000))]
    pub pause: u16,
    /// Writes what was heard, 8 kHz mono.
    #[arg(long, value_name = "FILE.wav")]
    pub record: Option<PathBuf>,
    /// Address to call from; by default the one that the system takes for this destination.
    #[arg(long, value_name = "IP")]
    pub from_address: Option<std::net::IpAddr>,
    /// The caller's number or name in From; else the user, else passline-call.
    #[arg(long, value_name = "USER")]
    pub from: Option<String>,
    /// Hang up after this many seconds in any case.
    #[arg(long, value_name = "S", default_value_t = 600)]
    pub max: u64,
    /// Words such as letters and digits of a spoken password are shown as they are, not masked.
    #[arg(long)]
    pub show_secrets: bool,
    /// Report as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Whether a call of ours is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SrtpArg {
    /// It is not.
    #[default]
    Off,
    /// If the other side wants it, too.
    Optional,
    /// Or there is no call.
    Required,
}

/// `passline audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// How many entries, the newest last.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub last: u32,
    /// One JSON object per line.
    #[arg(long)]
    pub json: bool,
}

/// A codec by its name.
fn codec(text: &str) -> Result<Codec, String> {
    Codec::from_label(text).ok_or_else(|| {
        let known: Vec<_> = CODECS.iter().map(|info| info.label).collect();
        format!("Passline has {}", known.join(", "))
    })
}

/// `passline replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Capture in pcap or pcapng format.
    pub file: PathBuf,
    /// JSON lines (the default form; kept for scripts).
    #[arg(long, conflicts_with = "digits")]
    pub json: bool,
    /// Only the digits, one line per call or stream.
    #[arg(long)]
    pub digits: bool,
    /// Payload type of telephone-event where no SIP tells it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=127))]
    pub event_pt: Option<u8>,
    /// Codec of the audio where no SIP tells it, e.g. PCMA.
    #[arg(long, value_name = "NAME", value_parser = codec)]
    pub codec: Option<Codec>,
    /// Only RTP that is received on this UDP port.
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Also draw packets, waveform, spectrogram, detections and digits on one time axis. Digits stand in it in clear.
    #[arg(long, value_name = "OUT.svg")]
    pub plot: Option<PathBuf>,
    /// The picture begins here, in seconds since the first frame.
    #[arg(long, value_name = "SECONDS", requires = "plot")]
    pub from: Option<f64>,
    /// The picture ends here.
    #[arg(long, value_name = "SECONDS", requires = "plot")]
    pub to: Option<f64>,
}

/// `passline dtmf`.
#[derive(Debug, Args)]
pub struct DtmfArgs {
    /// WAV file; any rate and format that can be read as PCM is brought to 8 kHz mono.
    pub file: PathBuf,
    /// JSON lines with start and duration in ms.
    #[arg(long)]
    pub json: bool,
}

/// `passline user`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user.
    #[command(after_help = "Example:
  passline user add jsmith --employee-id 40711 --account directory --account ldap=uid=jsmith,ou=people,dc=example,dc=org")]
    Add {
        /// Login name.
        login: String,
        /// Number that the caller keys.
        #[arg(long, value_name = "DIGITS")]
        employee_id: String,
        /// Account as TARGET or TARGET=NAME; may be given several times. Without NAME, the login name.
        #[arg(long = "account", value_name = "TARGET[=NAME]")]
        accounts: Vec<String>,
    },
    /// List the users.
    List {
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Show a user: accounts, locks, what is enrolled. Never a secret.
    Show {
        /// Login name.
        login: String,
        /// As one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Set the telephone PIN, read from a prompt, standard input or a file.
    SetPin {
        /// Login name.
        login: String,
        /// Where the PIN is read from.
        #[command(flatten)]
        secret: SecretArg,
    },
    /// Set the numeric answers, read as lines `question: digits` from a prompt, standard input or a file.
    SetAnswers {
        /// Login name.
        login: String,
        /// Where the lines are read from.
        #[command(flatten)]
        secret: SecretArg,
    },
    /// Lock an account as an intruder lockout would.
    Lock {
        /// Login name.
        login: String,
        /// On which target; without it on every embedded one.
        #[arg(long)]
        target: Option<String>,
    },
    /// Clear intruder lockouts and the counters of failed calls.
    Unlock {
        /// Login name.
        login: String,
        /// On which target; without it on every embedded one.
        #[arg(long)]
        target: Option<String>,
    },
    /// Whether a password, read from a prompt, standard input or a file, binds. Exit code 0 yes, 1 no.
    CheckPassword {
        /// Login name.
        login: String,
        /// On which target.
        #[arg(long, default_value = "directory")]
        target: String,
        /// Where the password is read from.
        #[command(flatten)]
        secret: SecretArg,
    },
}

/// Where a secret is read from: never from an argument, which every process on the machine could read.
#[derive(Debug, Args)]
pub struct SecretArg {
    /// Read from this file instead of a prompt (on a terminal) or standard input.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `passline prompts`.
#[derive(Debug, Subcommand)]
pub enum PromptsCommand {
    /// Make the WAV files anew from their texts with the free synthesisers of Debian (media/render).
    Render {
        /// Language folder; without it, all.
        language: Option<String>,
        /// Prompts; without them, all whose text has changed.
        prompts: Vec<String>,
    },
    /// Check level, clipping, format, silence and joints of every clip, and that nothing is missing.
    Check {
        /// One JSON object per finding.
        #[arg(long)]
        json: bool,
    },
}
