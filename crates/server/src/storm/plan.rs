//! What is to be done in a run: the arguments, checked.
use super::{keys::Habit, network::Impairment};
use crate::{
    cli::{DtmfArg, LawArg, ModeArg, SocketsArg, StormArgs, TransportArg},
    config::password,
    exit::Failure,
};
use passline_rtp::{Codec, srtp::Suite};
use passline_sip::{
    Credentials,
    message::{Scheme, Uri},
};
use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket},
    sync::Arc,
    time::Duration,
};

/// Calls at one time that need no confirmation beyond loopback.
const HARMLESS: usize = 10;
/// More callers than these share sockets.
const MANY: u32 = 1000;
/// Set-ups a second that need none.
const HARMLESS_RATE: f64 = 10.0;

/// Another side without SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bare {
    /// Address and first port.
    pub first: SocketAddr,
    /// Last port.
    pub last: u16,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Request-URI.
    pub uri: String,
    /// Where it is; nothing is sent elsewhere but media, to its own address or to those that were named.
    pub server: SocketAddr,
    /// Our address.
    pub local: IpAddr,
    /// SIP over TCP.
    pub tcp: bool,
    /// Addresses that may receive our media.
    pub media_addresses: Vec<IpAddr>,
    /// Calls at one time.
    pub calls: usize,
    /// The number that the first caller has.
    pub first: u32,
    /// New calls a second.
    pub rate: f64,
    /// How long is measured.
    pub duration: Duration,
    /// How long a call lasts; without it, to the end.
    pub hold: Option<Duration>,
    /// Only set-ups, without media.
    pub setups: bool,
    /// Codec of the callers.
    pub codec: Codec,
    /// Sockets for the media of many callers each.
    pub shared: bool,
    /// The audio is encrypted with this suite.
    pub srtp: Option<Suite>,
    /// Keys are pressed.
    pub has_keys: bool,
    /// They travel as telephone-events.
    pub needs_events: bool,
    /// Length of a press, ms.
    pub press_ms: u16,
    /// No SIP.
    pub bare: Option<Bare>,
    /// For those who ask who calls.
    pub credentials: Option<Credentials>,
}

impl Plan {
    /// Looks the destination up and checks what goes together.
    ///
    /// # Errors
    /// One sentence each, with the remedy.
    pub fn new(args: &StormArgs) -> Result<Self, Failure> {
        let (server, is_tcp) = match args.bare {
            Some(bare) => (bare.first, false),
            None => destination(args.uri.as_deref().unwrap_or_default())?,
        };
        let local = match args.from_address {
            Some(address) => address,
            None => source(server)?,
        };
        let tcp = match args.transport {
            Some(TransportArg::Udp) => false,
            Some(TransportArg::Tcp) => true,
            _ if args.bare.is_some() => false,
            Some(TransportArg::Tls) => return Err(Failure::input("storm calls over udp or tcp, not tls")),
            None => is_tcp,
        };
        if !args.rate.is_finite() || args.rate <= 0.0 {
            return Err(Failure::input("--rate is a number above 0, e.g. 100"));
        }
        let wait = Duration::from_millis(u64::from(args.press) + 100);
        if args.key_every.is_some_and(|every| every < wait) {
            return Err(Failure::input(format!(
                "--key-every is shorter than a press and a pause; take at least {} ms",
                wait.as_millis()
            )));
        }
        let mut media_addresses = args.media_address.clone();
        media_addresses.push(server.ip());
        let plan = Self {
            uri: args.bare.map_or_else(
                || args.uri.clone().unwrap_or_default(),
                |bare| format!("{}-{}", bare.first, bare.last),
            ),
            server,
            local,
            tcp,
            media_addresses,
            calls: if args.caller.is_some() { 1 } else { args.calls as usize },
            first: args.caller.unwrap_or(0),
            rate: args.rate,
            duration: args.duration,
            hold: args.hold,
            setups: args.mode == ModeArg::Setups,
            codec: match args.codec {
                LawArg::Pcmu => Codec::Pcmu,
                LawArg::Pcma => Codec::Pcma,
            },
            shared: match args.sockets {
                SocketsArg::Auto => args.calls > MANY,
                SocketsArg::PerCall => false,
                SocketsArg::Shared => true,
            },
            srtp: args.srtp,
            has_keys: args.key_every.is_some(),
            needs_events: args.key_every.is_some() && args.dtmf == DtmfArg::Rfc4733,
            press_ms: args.press,
            bare: args.bare,
            credentials: match (&args.user, &args.password_file) {
                (Some(user), Some(file)) => {
                    let password = Arc::new(password(file).map_err(Failure::input)?);
                    Some(Credentials { user: user.clone(), password, realm: None })
                }
                _ => None,
            },
        };
        let far = !server.ip().is_loopback();
        let heavy = plan.calls > HARMLESS || (plan.setups && plan.rate > HARMLESS_RATE);
        if far && heavy && !args.yes_i_own_this {
            return Err(Failure::input(format!(
                "{server} is not on this machine: more than {HARMLESS} calls, or {HARMLESS_RATE} set-ups a second, can put a \
                 telephone system out of service; where it is yours to load, add --yes-i-own-this"
            )));
        }
        Ok(plan)
    }
}

/// Where a URI leads, and whether it asks for TCP.
fn destination(uri: &str) -> Result<(SocketAddr, bool), Failure> {
    let parsed = Uri::parse(uri).filter(|parsed| parsed.scheme == Scheme::Sip);
    let parsed = parsed
        .ok_or_else(|| Failure::input(format!("`{uri}` is no SIP URI; write e.g. sip:5001@127.0.0.1")))?;
    let is_tcp = parsed.params.split(';').any(|param| param.eq_ignore_ascii_case("transport=tcp"));
    let address = match parsed.socket_addr() {
        Some(address) => address,
        None => {
            let host = parsed.host.map(|host| host.to_string()).unwrap_or_default();
            let found = (host.as_str(), parsed.port.unwrap_or(5060)).to_socket_addrs();
            let found = found.map_err(|error| Failure::machine(format!("{host}: {error}")))?.next();
            found.ok_or_else(|| Failure::machine(format!("{host}: has no address")))?
        }
    };
    Ok((address, is_tcp))
}

/// The address from which the system sends to a destination.
fn source(destination: SocketAddr) -> Result<IpAddr, Failure> {
    let any: IpAddr = if destination.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).map_err(Failure::machine)?;
    socket.connect(destination).map_err(|error| Failure::machine(format!("{destination}: {error}")))?;
    Ok(socket.local_addr().map_err(Failure::machine)?.ip())
}

impl StormArgs {
    /// How the callers press keys, if they do.
    pub fn habit(&self) -> Option<Habit> {
        let Self { seed, dtmf: method, press: press_ms, hold, .. } = *self;
        self.key_every.map(|every| Habit { seed, method, every, press_ms, hold })
    }

    /// What happens to the packets that the callers send.
    pub fn impairment(&self) -> Impairment {
        Impairment {
            seed: self.seed,
            loss: self.loss.unwrap_or(0.0),
            bursts: self.bursts,
            duplicate: self.duplicate.unwrap_or(0.0),
            reorder: self.reorder.unwrap_or(0.0),
            jitter: self.jitter.unwrap_or(Duration::ZERO),
            stall: self.stall,
            restamp_ends: self.restamp_ends,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn plan(line: &str) -> Result<Plan, String> {
        let words = ["passline", "storm"].into_iter().chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Some(Command::Storm(args)) = cli.command else { return Err("another command".into()) };
        Plan::new(&args).map_err(|failure| failure.lines().join("; "))
    }

    #[test]
    fn a_uri_tells_where_and_how() {
        let plan = plan("sip:5001@127.0.0.1:5070;transport=tcp --calls 5000").unwrap();
        assert_eq!((plan.server.to_string().as_str(), plan.tcp), ("127.0.0.1:5070", true));
        assert!(plan.local.is_loopback() && !plan.setups);
    }

    #[test]
    fn nobody_elses_machine_is_loaded_by_accident() {
        let far = |line: &str| plan(&format!("sip:1@192.0.2.1 --from-address 127.0.0.1 {line}"));
        assert!(far("--calls 10").is_ok());
        assert!(far("--calls 11").unwrap_err().contains("--yes-i-own-this"));
        assert!(far("--calls 5 --mode setups --rate 50").unwrap_err().contains("--yes-i-own-this"));
        assert!(far("--calls 11 --yes-i-own-this").is_ok());
    }

    #[test]
    fn one_caller_of_a_run_can_call_alone() {
        let plan = plan("sip:1@127.0.0.1 --caller 47").unwrap();
        assert_eq!((plan.calls, plan.first), (1, 47));
    }

    #[test]
    fn nonsense_is_refused_with_a_remedy() {
        for line in [
            "",
            "5001",
            "sip:1@127.0.0.1 --rate 0",
            "sip:1@127.0.0.1 --rate -3",
            "sip:1@127.0.0.1 --calls 0",
            "sip:1@127.0.0.1 --for 5",
            "sip:1@127.0.0.1 --max-loss 101%",
            "sips:1@127.0.0.1",
        ] {
            assert!(plan(line).is_err(), "{line}");
        }
    }
}
