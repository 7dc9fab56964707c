//! A caller: dials, listens, presses keys, and tells what it heard.
pub mod ear;
pub mod script;

use crate::{cli::DtmfArg, content::Content, entropy, exit::Failure};
use ear::Ear;
use passline_engine::sip::{Credentials, Transport};
use passline_engine::{Control, Encryption, EngineConfig, LegCommand, LegEvent, LegId, PortPool};
use passline_net::{Command, DialRequest, Handle, NetConfig, NetEvent, TlsConfig};
use passline_prompt::{Heard, Transcript};
use passline_rtp::{Codec, Digit, FrameKind, Method};
use script::{Action, Script, Word};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// The only call that a caller places.
const LEG: LegId = LegId(1);
/// After a hang-up, the other side has this long to say that it heard it.
const FAREWELL: Duration = Duration::from_secs(5);

/// Whom to call, and how to press.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Whom.
    pub uri: String,
    /// Transport; `None`: as the URI says.
    pub transport: Option<Transport>,
    /// What answers a challenge.
    pub credentials: Option<Credentials>,
    /// Whether the audio is encrypted.
    pub srtp: Encryption,
    /// User part of our From.
    pub from: String,
    /// Our address.
    pub address: IpAddr,
    /// How digits are sent.
    pub dtmf: DtmfArg,
    /// Length of a press.
    pub press_ms: u16,
    /// Silence between two presses.
    pub pause_ms: u16,
    /// The call is hung up after that in any case.
    pub max: Duration,
}

/// Decides what to do with what is heard.
pub trait Brain {
    /// A clip is being heard for the first time (`heard.complete` is false), or was heard to its end. The words returned
    /// are appended to the script.
    fn hear(&mut self, heard: &Heard, transcript: &mut Transcript) -> Vec<Word>;
    /// A key goes out.
    fn press(&mut self, _digit: Digit) {}
}

/// Follows its script and nothing else.
pub struct Plain;

impl Brain for Plain {
    fn hear(&mut self, _heard: &Heard, _transcript: &mut Transcript) -> Vec<Word> {
        Vec::new()
    }
}

/// How a call went.
pub struct Outcome {
    /// SIP status of a refusal.
    pub refused: Option<(u16, String)>,
    /// Codec, once answered.
    pub codec: Option<String>,
    /// Keys pressed.
    pub pressed: usize,
    /// Digits that the other side sent us.
    pub digits: String,
    /// From the answer to the end.
    pub talked: Duration,
    /// Whether the script came to its end.
    pub script_done: bool,
    /// Why it ended, in a word.
    pub cause: String,
    /// All that was heard.
    pub ear: Option<Ear>,
}

/// The caller's own SIP and RTP.
pub struct Line {
    handle: Handle,
    events: mpsc::Receiver<NetEvent>,
}

impl Line {
    /// Opens the caller's sockets on any free port of an address.
    pub async fn open(
        address: IpAddr,
        content: &Content,
        ports: std::ops::RangeInclusive<u16>,
        authorities: Vec<PathBuf>,
    ) -> Result<Self, Failure> {
        let engine =
            EngineConfig { media_address: address, max_calls: 1, inband: true, ..EngineConfig::default() };
        let net = NetConfig {
            sip_udp: vec![SocketAddr::new(address, 0)],
            sip_tcp: vec![SocketAddr::new(address, 0)],
            media_address: address,
            shard_capacity: engine.shard_capacity,
            tls: TlsConfig { extra_roots: authorities, ..TlsConfig::default() },
            ..NetConfig::default()
        };
        let (program, library) = (content.program.clone(), content.library.clone());
        let control = move |listeners| {
            let mut engine = engine;
            engine.sip.listeners = listeners;
            let pool = PortPool::new(ports, entropy::rng());
            Control::new(Instant::now(), engine, program, library, pool, entropy::rng())
        };
        let (handle, events) = passline_net::start(net, control).await.map_err(Failure::machine)?;
        Ok(Self { handle, events })
    }

    /// Places the call and lives through it.
    pub async fn call(
        mut self,
        dial: &Dial,
        words: Vec<Word>,
        content: &Content,
        brain: &mut dyn Brain,
    ) -> Outcome {
        self.handle.send(Command::Dial(DialRequest {
            leg: LEG,
            uri: dial.uri.clone(),
            from: format!("sip:{}@{}", dial.from, host(dial.address)),
            transport: dial.transport,
            credentials: dial.credentials.clone(),
            tap: true,
            events: dial.dtmf == DtmfArg::Rfc4733,
            inband: true,
            srtp: dial.srtp,
        }));
        let spacing = Duration::from_millis(u64::from(dial.press_ms) + u64::from(dial.pause_ms));
        let mut outcome = Outcome {
            refused: None,
            codec: None,
            pressed: 0,
            digits: String::new(),
            talked: Duration::ZERO,
            script_done: false,
            cause: "no answer".into(),
            ear: None,
        };
        let mut talk: Option<(Instant, Script, Ear)> = None;
        let mut words = Some(words);
        let started = Instant::now();
        let mut give_up = started + dial.max;
        let mut hung_up = false;
        loop {
            let wake = tokio::time::timeout(Duration::from_millis(20), self.events.recv()).await;
            let now = Instant::now();
            match wake {
                Ok(None | Some(NetEvent::Stopped)) => break,
                Ok(Some(NetEvent::Leg { event, .. })) => match event {
                    LegEvent::Answered { codec, .. } => {
                        outcome.codec = Some(codec.to_owned());
                        let codec = passline_rtp::CODECS.iter().find(|info| info.label == codec);
                        let codec = codec.map_or(Codec::Pcmu, |info| info.codec);
                        let script = Script::new(words.take().unwrap_or_default(), spacing, now);
                        talk = Some((now, script, Ear::new(&content.library, codec)));
                    }
                    LegEvent::Refused { status, reason } => outcome.refused = Some((status, reason)),
                    LegEvent::Digit(press) => outcome.digits.push(press.digit.to_char()),
                    LegEvent::Ended(cause) => {
                        outcome.cause = format!("{cause:?}");
                        break;
                    }
                    LegEvent::Trying(_)
                    | LegEvent::Ringing
                    | LegEvent::Played
                    | LegEvent::Transferred { .. } => {}
                },
                Ok(Some(NetEvent::Heard { payload, kind, .. })) => {
                    if let Some((_, script, ear)) = &mut talk {
                        let silent = ear.frame(&payload, kind == FrameKind::Received);
                        script.frame(now, silent);
                        listen(ear, script, brain);
                    }
                }
                Ok(Some(_)) | Err(_) => {}
            }
            if let Some((_, script, _)) = &mut talk {
                while let Some(action) = script.poll(now) {
                    match action {
                        Action::Press(digit) => {
                            outcome.pressed += 1;
                            brain.press(digit);
                            self.press(digit, dial);
                        }
                        Action::HangUp => {
                            hung_up = true;
                            give_up = now + FAREWELL;
                            self.handle.send(Command::Leg { leg: LEG, command: LegCommand::HangUp });
                        }
                    }
                }
            }
            if now >= give_up {
                if hung_up {
                    break;
                }
                hung_up = true;
                give_up = now + FAREWELL;
                self.handle.send(Command::Leg { leg: LEG, command: LegCommand::HangUp });
            }
        }
        self.stop().await;
        if let Some((since, script, mut ear)) = talk {
            ear.finish();
            outcome.talked = since.elapsed();
            outcome.script_done = script.is_done();
            outcome.ear = Some(ear);
        }
        outcome
    }

    fn press(&self, digit: Digit, dial: &Dial) {
        let method = match dial.dtmf {
            DtmfArg::Rfc4733 => Method::Rfc4733,
            DtmfArg::Inband => Method::Inband,
            DtmfArg::Info => Method::Info,
        };
        let command = LegCommand::Press { digit, duration_ms: dial.press_ms, method };
        self.handle.send(Command::Leg { leg: LEG, command });
    }

    async fn stop(mut self) {
        self.handle.send(Command::Stop);
        let stopped = async { while !matches!(self.events.recv().await, None | Some(NetEvent::Stopped)) {} };
        let _ = tokio::time::timeout(FAREWELL, stopped).await;
    }
}

/// Hands what the ear made out to script and brain.
fn listen(ear: &mut Ear, script: &mut Script, brain: &mut dyn Brain) {
    while let Some(heard) = ear.poll() {
        if !heard.complete {
            heard.names().for_each(|name| script.heard(name));
        }
        let words = brain.hear(&heard, &mut ear.transcript);
        script.push(words);
    }
}

fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}
