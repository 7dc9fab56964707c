//! `passline storm` on the command line.
use super::{DtmfArg, TransportArg};
use crate::storm::{Bare, Bursts, Stall};
use clap::{Args, ValueEnum};
use passline_rtp::srtp::Suite;
use std::{net::IpAddr, path::PathBuf, time::Duration};

/// What a run is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Calls with audio both ways.
    #[default]
    Calls,
    /// Set-ups alone: each call is hung up as soon as it is answered.
    Setups,
}

/// Sockets of the callers' audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SocketsArg {
    /// A port for each caller up to 1000 of them, shared ones beyond.
    #[default]
    Auto,
    /// A port for each caller, as real callers have.
    PerCall,
    /// Twenty ports for all, which costs less; the other side must have a port for each call, or for twenty at most.
    Shared,
}

/// Codec of the callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LawArg {
    /// G.711 µ-law.
    #[default]
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

/// What the callers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SoundArg {
    /// Noise with the rhythm of speech.
    #[default]
    Speech,
    /// 440 Hz.
    Tone,
    /// Silence, in packets.
    Silence,
}

/// `passline storm`.
#[derive(Clone, Debug, Args)]
pub struct StormArgs {
    /// Whom to call, e.g. sip:5001@127.0.0.1:5060;transport=tcp
    #[arg(required_unless_present = "bare")]
    pub uri: Option<String>,
    /// No SIP: audio alone, each call with a port of this range, or all with this port.
    #[arg(long, value_name = "IP:PORT[-PORT]", conflicts_with_all = ["uri", "mode", "hold"], value_parser = bare)]
    pub bare: Option<Bare>,
    /// Calls at one time.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub calls: u32,
    /// New calls a second.
    #[arg(long, value_name = "R", default_value_t = 100.0)]
    pub rate: f64,
    /// How long to measure, once all calls stand (in set-ups mode: how long to call).
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub duration: Duration,
    /// Each call lasts so long and is followed by another; without it, all stand to the end.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "mode")]
    pub hold: Option<Duration>,
    /// Calls with audio, or set-ups alone.
    #[arg(long, value_enum, default_value_t)]
    pub mode: ModeArg,
    /// Codec.
    #[arg(long, value_enum, default_value_t)]
    pub codec: LawArg,
    /// What the callers say.
    #[arg(long, value_enum, default_value_t)]
    pub sound: SoundArg,
    /// Sockets of the callers' audio.
    #[arg(long, value_enum, default_value_t)]
    pub sockets: SocketsArg,
    /// Encrypts the audio (SRTP, keys by SDES) and takes no call without it.
    #[arg(long, value_name = "SUITE", value_parser = suite, num_args = 0..=1, require_equals = true,
        default_missing_value = "AES_CM_128_HMAC_SHA1_80", conflicts_with_all = ["bare", "mode"])]
    pub srtp: Option<Suite>,
    /// Transport of SIP, whatever the URI says: udp or tcp.
    #[arg(long, value_enum)]
    pub transport: Option<TransportArg>,
    /// User that answers a challenge of the other side, and calls by this name; needs --password-file.
    #[arg(long, value_name = "USER", requires = "password_file", conflicts_with = "bare")]
    pub user: Option<String>,
    /// File whose first line is that user's password.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Address to call from; by default the one that the system takes for this destination.
    #[arg(long, value_name = "IP")]
    pub from_address: Option<IpAddr>,
    /// A further address that may ask for our audio; by default the called one alone. May be given several times.
    #[arg(long, value_name = "IP")]
    pub media_address: Vec<IpAddr>,
    /// The same seed says and does the same.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Each caller presses a random key (0-9 * #) so often.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "mode")]
    pub key_every: Option<Duration>,
    /// How keys are sent.
    #[arg(long, value_enum, default_value_t)]
    pub dtmf: DtmfArg,
    /// Length of a key press, in ms.
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u16).range(40..=2_000))]
    pub press: u16,
    /// After the run, compare the keys with the call records of the Passline server whose configuration is --config.
    #[arg(long, requires = "key_every")]
    pub check_digits: bool,
    /// Impairment of the callers' packets: this share is lost, each packet by itself.
    #[arg(long, value_name = "SHARE%", value_parser = share, help_heading = "Impairments")]
    pub loss: Option<f64>,
    /// This share is lost in bursts of this mean length in packets.
    #[arg(long, value_name = "SHARE%xLENGTH", value_parser = bursts, help_heading = "Impairments")]
    pub bursts: Option<Bursts>,
    /// This share comes twice.
    #[arg(long, value_name = "SHARE%", value_parser = share, help_heading = "Impairments")]
    pub duplicate: Option<f64>,
    /// This share is overtaken by the next packet.
    #[arg(long, value_name = "SHARE%", value_parser = share, help_heading = "Impairments")]
    pub reorder: Option<f64>,
    /// Each packet is late by a random time up to this.
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Impairments")]
    pub jitter: Option<Duration>,
    /// The network stands still for so long, so often; what it held comes at once.
    #[arg(long, value_name = "TIME/TIME", value_parser = stall, help_heading = "Impairments")]
    pub stall: Option<Stall>,
    /// Copies of the end of a telephone-event get timestamps of their own, as some gateways make them.
    #[arg(long, help_heading = "Impairments")]
    pub restamp_ends: bool,
    /// Only this caller of a run with the same seed: the same keys, and the same happens to its packets.
    #[arg(long, value_name = "N", conflicts_with_all = ["calls", "hold", "search"])]
    pub caller: Option<u32>,
    /// Run on this processor core only.
    #[arg(long, value_name = "N")]
    pub core: Option<usize>,
    /// Process id of the server, if it runs here: measures its CPU time, memory, threads and descriptors.
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Fail (exit code 1) if more of the packets are lost.
    #[arg(long, value_name = "SHARE%", value_parser = share)]
    pub max_loss: Option<f64>,
    /// Fail if fewer packets come than this share of one each 20 ms; not for systems that are silent between announcements.
    #[arg(long, value_name = "SHARE%", value_parser = share)]
    pub min_packets: Option<f64>,
    /// Fail if the 99th percentile of the deviation from 20 ms between packets is larger.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub max_p99: Option<Duration>,
    /// Fail if a caller hears nothing for longer.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub max_gap: Option<Duration>,
    /// Fail if more calls are refused, not answered, or dropped.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_failed: u64,
    /// Raise the calls (in set-ups mode: the rate) from the given number, run after run, and print the highest that is met.
    #[arg(long)]
    pub search: bool,
    /// Report as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// The called machine is mine to load: needed for more than 10 calls beyond this machine.
    #[arg(long)]
    pub yes_i_own_this: bool,
}

/// `500ms`, `60s`, `30m` or `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text
        .strip_suffix(unit)
        .and_then(|number| number.parse().ok())
        .ok_or("wants a number with its unit, e.g. 500ms, 60s, 30m")?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err("wants a unit: ms, s, m or h, e.g. 500ms, 60s, 30m".into()),
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| *duration <= Duration::from_secs(7 * 86_400))
        .ok_or_else(|| "is longer than a week".into())
}

/// `0.1%` or `0.1`, as a share of one.
fn share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>();
    let percent = number.ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.map(|percent| percent / 100.0).ok_or_else(|| "wants a percentage from 0 to 100, e.g. 0.1%".into())
}

/// A crypto suite by the name that it has in session descriptions.
fn suite(text: &str) -> Result<Suite, String> {
    let known = || Suite::ALL.map(Suite::name).join(", ");
    Suite::from_name(text).ok_or_else(|| format!("is none of {}", known()))
}

/// `15%x4`: 15 % in bursts of 4.
fn bursts(text: &str) -> Result<Bursts, String> {
    let (lost, length) = text.split_once('x').ok_or("wants a share and a length, e.g. 15%x4")?;
    let length: f64 = length.parse().map_err(|_| "wants a length in packets after the x, e.g. 15%x4")?;
    let share = share(lost)?;
    let fits = share < 1.0 && (1.0..=1000.0).contains(&length);
    fits.then_some(Bursts { share, length })
        .ok_or_else(|| "wants a share below 100% and a length from 1 to 1000".into())
}

/// `127.0.0.1:20000-23999` or `127.0.0.1:20000`.
fn bare(text: &str) -> Result<Bare, String> {
    let wanted = "wants an address and ports, e.g. 127.0.0.1:20000-23999";
    let (first, last) = text.split_once('-').map_or((text, None), |(first, last)| (first, Some(last)));
    let first: std::net::SocketAddr = first.parse().map_err(|_| wanted)?;
    let last = last.map_or(Ok(first.port()), str::parse).map_err(|_| wanted)?;
    (last >= first.port()).then_some(Bare { first, last }).ok_or_else(|| wanted.into())
}

/// `400ms/5s`: 400 ms in every 5 s.
fn stall(text: &str) -> Result<Stall, String> {
    let (lasts, every) = text.split_once('/').ok_or("wants a length and a distance, e.g. 400ms/5s")?;
    let (lasts, every) = (duration(lasts)?, duration(every)?);
    (lasts < every)
        .then_some(Stall { lasts, every })
        .ok_or_else(|| "wants a distance above the length".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1800)));
        for wrong in ["", "5", "s", "-5s", "5x", "1.2.3s", "900000h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!(share("0.1%"), Ok(0.001));
        assert_eq!(share("5"), Ok(0.05));
        assert!(share("101%").is_err() && share("x").is_err() && share("-1").is_err());
        assert_eq!(bursts("15%x4"), Ok(Bursts { share: 0.15, length: 4.0 }));
        assert!(["15%", "x4", "15%x0", "100%x4", "15%xx"].iter().all(|wrong| bursts(wrong).is_err()));
        assert_eq!(bare("127.0.0.1:20-30").map(|bare| bare.last), Ok(30));
        assert_eq!(bare("127.0.0.1:20").map(|bare| bare.last), Ok(20));
        assert!(["20-30", "127.0.0.1:30-20", "127.0.0.1"].iter().all(|wrong| bare(wrong).is_err()));
        assert_eq!(suite("aes_cm_128_hmac_sha1_80"), Ok(Suite::AesCm128Sha1_80));
        assert!(suite("AES").unwrap_err().contains("AEAD_AES_256_GCM"));
        let stalls = Stall { lasts: Duration::from_millis(400), every: Duration::from_secs(5) };
        assert_eq!(stall("400ms/5s"), Ok(stalls));
        assert!(["400ms", "5s/400ms", "/"].iter().all(|wrong| stall(wrong).is_err()));
    }
}
