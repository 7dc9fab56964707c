//! A telephone or a PBX with a user agent of its own, and a town of them around the engine.
use crate::peer::Peer;
use crate::world::{OURS, World, address};
use passline_engine::identity::Secret;
use passline_engine::rtp::Packet;
use passline_engine::sip::{
    self, Account, CallHandle, Command, Credentials, Event, Flow, IncomingCall, Input, Invite, Listener,
    Output, Registration, RegistrationId, Transport, UserAgent,
};
use passline_engine::{Device, EngineConfig, StreamId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a phone does when it is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manners {
    /// Rings, and answers after so many ms.
    Answer(u64),
    /// Rings and rings.
    Ring,
    /// Refuses with this.
    Refuse(u16),
    /// Does not even say 100.
    Dead,
}

pub struct Phone {
    pub user: String,
    pub at: SocketAddr,
    pub ua: UserAgent,
    pub manners: Manners,
    /// Everything that was told, in order.
    pub events: Vec<Event>,
    /// Calls that came in.
    pub incoming: Vec<(CallHandle, IncomingCall)>,
    answering: Vec<(Instant, CallHandle)>,
    pub rtp: SocketAddr,
    pub remote: Option<SocketAddr>,
    /// RTP source: what it says.
    pub voice: Peer,
    /// What is said next, in place of silence.
    pub packets: VecDeque<Vec<u8>>,
    /// The octet of its silence, and payload type; other phones tell by it whom they hear.
    pub says: (u8, u8),
    pub silent: bool,
    /// RTP received: payload type, marker, payload.
    pub heard: Vec<(u8, Vec<u8>)>,
    /// Calls it has begun.
    pub begun: usize,
    /// Formats it offers and answers with.
    pub formats: &'static str,
}

impl Phone {
    pub fn new(now: Instant, user: &str, at: &str) -> Phone {
        let at = address(at);
        let listeners = vec![Listener { transport: Transport::Udp, address: at }];
        let config = sip::Config { listeners, user_agent: "Phone".into(), ..sip::Config::default() };
        let octets = format!("{user} {at}").into_bytes();
        let seed =
            octets.iter().fold(77u64, |seed, octet| seed.wrapping_mul(1_099_511_628_211) ^ u64::from(*octet));
        let rtp = SocketAddr::new(at.ip(), at.port() + 20_000);
        let mut voice = Peer::new(user);
        voice.rtp = rtp;
        let _ = now;
        Phone {
            user: user.to_owned(),
            at,
            ua: UserAgent::new(config, ChaCha20Rng::seed_from_u64(seed)),
            manners: Manners::Answer(500),
            events: Vec::new(),
            incoming: Vec::new(),
            answering: Vec::new(),
            rtp,
            remote: None,
            voice,
            packets: VecDeque::new(),
            says: (0, 0xFF),
            silent: false,
            heard: Vec::new(),
            begun: 0,
            formats: "0 101",
        }
    }

    pub fn path(&self) -> Flow {
        Flow { transport: Transport::Udp, local: self.at, remote: address(OURS), connection: None }
    }

    pub fn sdp(&self) -> Vec<u8> {
        self.sdp_of(self.formats, "sendrecv")
    }

    pub fn sdp_of(&self, formats: &str, direction: &str) -> Vec<u8> {
        let (ip, port) = (self.rtp.ip(), self.rtp.port());
        let events = if formats.contains("101") {
            "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
        } else {
            ""
        };
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n\
             {events}a={direction}\r\n"
        )
        .into_bytes()
    }

    /// Serves REGISTER for one account, as a PBX does.
    pub fn be_registrar(&mut self, user: &str, password: &str) {
        let listeners = vec![Listener { transport: Transport::Udp, address: self.at }];
        let password = Arc::new(Secret::new(password));
        let accounts = vec![Account { user: user.to_owned(), password, max_contacts: 3 }];
        let realm = "pbx.example".to_owned();
        let config = sip::Config { listeners, accounts, realm, registrar: true, ..sip::Config::default() };
        self.ua = UserAgent::new(config, ChaCha20Rng::seed_from_u64(4711));
    }

    fn credentials(&self) -> Credentials {
        let password = Arc::new(Secret::new(format!("pw-{}", self.user)));
        Credentials { user: self.user.clone(), password, realm: None }
    }

    pub fn command(&mut self, now: Instant, command: Command) {
        self.ua.handle(now, Input::Command(command));
    }

    pub fn call_with(&mut self, now: Instant, number: &str, change: impl FnOnce(&mut Invite)) -> CallHandle {
        self.begun += 1;
        let call = self.ua.next_call_handle();
        let to = format!("sip:{number}@{OURS}");
        let from = format!("sip:{}@{OURS}", self.user);
        let mut invite = Invite::new(call, to, from, self.path(), self.sdp());
        invite.credentials = Some(self.credentials());
        change(&mut invite);
        self.command(now, Command::Invite(Box::new(invite)));
        call
    }

    /// Handle of the newest call that came in.
    pub fn came(&self) -> CallHandle {
        self.incoming.last().expect("a call").0
    }

    pub fn says_it_was(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(wanted)
    }

    pub fn was_refused(&self) -> Option<u16> {
        self.events.iter().find_map(|event| match event {
            Event::Refused { status, .. } => Some(*status),
            _ => None,
        })
    }

    /// Presses keys by RFC 4733, with pauses.
    pub fn press(&mut self, codes: &[u8]) {
        for code in codes {
            let press = self.voice.press(*code);
            self.packets.extend(press);
            for _ in 0..5 {
                let pause = self.voice.audio_of(self.says.0, self.says.1);
                self.packets.push_back(pause);
            }
        }
    }

    /// Presses of RFC 4733 heard, by event code: one for each timestamp.
    pub fn presses(&self) -> Vec<u8> {
        let mut seen: Vec<(u32, u8)> = Vec::new();
        for (payload_type, packet) in &self.heard {
            let Ok(packet) = Packet::parse(packet) else { continue };
            if *payload_type == 101 && !seen.iter().any(|(at, _)| *at == packet.timestamp) {
                seen.push((packet.timestamp, packet.payload[0]));
            }
        }
        seen.into_iter().map(|(_, code)| code).collect()
    }

    /// How many packets held mostly this octet.
    pub fn heard_octet(&self, octet: u8) -> usize {
        let mostly = |packet: &[u8]| packet.iter().skip(12).filter(|o| **o == octet).count() > 100;
        self.heard.iter().filter(|(_, packet)| mostly(packet)).count()
    }

    fn take(&mut self, now: Instant, event: Event) {
        match &event {
            Event::Incoming { call, info } => {
                self.incoming.push((*call, (**info).clone()));
                if let Some(sdp) = &info.sdp {
                    self.remote = media(sdp);
                }
                match self.manners {
                    Manners::Answer(after) => {
                        self.command(now, Command::Ring { call: *call, sdp: None });
                        self.answering.push((now + Duration::from_millis(after), *call));
                    }
                    Manners::Ring => self.command(now, Command::Ring { call: *call, sdp: None }),
                    Manners::Refuse(status) => self.command(
                        now,
                        Command::Reject {
                            call: *call,
                            status,
                            reason: None,
                            retry_after: None,
                            warning: None,
                        },
                    ),
                    Manners::Dead => {}
                }
            }
            Event::Answered { sdp: Some(sdp), .. }
            | Event::Confirmed { sdp: Some(sdp), .. }
            | Event::Reanswered { result: Ok(Some(sdp)), .. } => self.remote = media(sdp).or(self.remote),
            Event::Reoffered { call, sdp } => {
                if let Some(sdp) = sdp {
                    self.remote = media(sdp).or(self.remote);
                }
                let sdp = self.sdp();
                self.command(now, Command::AcceptReinvite { call: *call, sdp });
            }
            _ => {}
        }
        self.events.push(event);
    }

    /// Moves the phone; gives what it sends.
    fn turn(&mut self, now: Instant, datagrams: &[Vec<u8>]) -> Vec<Vec<u8>> {
        if self.manners == Manners::Dead {
            return Vec::new();
        }
        let path = self.path();
        for bytes in datagrams {
            self.ua.handle(now, Input::Datagram { path, bytes });
        }
        if self.ua.deadline().is_some_and(|at| at <= now) {
            self.ua.handle(now, Input::Timer);
        }
        let due: Vec<CallHandle> =
            self.answering.iter().filter(|(at, _)| *at <= now).map(|(_, call)| *call).collect();
        self.answering.retain(|(at, _)| *at > now);
        for call in due {
            let sdp = self.sdp();
            self.command(now, Command::Accept { call, sdp });
        }
        let mut sent = Vec::new();
        while let Some(output) = self.ua.poll() {
            match output {
                Output::Send { bytes, .. } => sent.push(bytes),
                Output::Event(event) => self.take(now, event),
                _ => {}
            }
        }
        sent
    }
}

/// Where a description wants its RTP.
pub fn media(sdp: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(sdp).ok()?;
    let ip = text.lines().find_map(|line| line.strip_prefix("c=IN IP4 "))?;
    let port = text.lines().find_map(|line| line.strip_prefix("m=audio "))?.split(' ').next()?;
    Some(SocketAddr::new(ip.trim().parse().ok()?, port.parse().ok()?))
}

/// The engine and those who talk to it.
pub struct Town {
    pub world: World,
    pub phones: Vec<Phone>,
    /// Of each hundred packets (SIP and RTP) so many are lost, by a fixed pattern.
    pub loss: u64,
    count: u64,
    rtp_seen: usize,
}

/// Extensions 11, 12 and 13 are devices; their passwords are `pw-11` and so on.
pub fn house(config: &mut EngineConfig) {
    config.sip.registrar = true;
    config.sip.realm = "passline".into();
    for user in ["11", "12", "13"] {
        let password = Arc::new(Secret::new(format!("pw-{user}")));
        config.sip.accounts.push(Account { user: user.into(), password, max_contacts: 3 });
        let display = format!("Phone {user}");
        config.policy.devices.push(Device { user: user.into(), display, srtp: None });
    }
}

impl Town {
    pub fn with(change: impl FnOnce(&mut EngineConfig)) -> Town {
        let world = World::with(|config| {
            house(config);
            change(config);
        });
        Town { world, phones: Vec::new(), loss: 0, count: 0, rtp_seen: 0 }
    }

    /// A phone that is not registered.
    pub fn settle(&mut self, user: &str, at: &str) -> usize {
        let phone = Phone::new(self.world.now, user, at);
        self.phones.push(phone);
        self.phones.len() - 1
    }

    /// A phone that registers.
    pub fn register(&mut self, user: &str, at: &str) -> usize {
        let index = self.settle(user, at);
        let now = self.world.now;
        let phone = &mut self.phones[index];
        let registration = Registration {
            registrar: format!("sip:{OURS}"),
            aor: format!("sip:{user}@{OURS}"),
            contact_user: user.to_owned(),
            paths: vec![phone.path()],
            credentials: Some(phone.credentials()),
            expires: 600,
        };
        let registration = Box::new(registration);
        phone.command(now, Command::Register { id: RegistrationId(1), registration });
        self.run(Duration::from_millis(200));
        let registered = self.phones[index].says_it_was(|event| {
            matches!(event, Event::Registration { state: sip::RegistrationState::Registered { .. }, .. })
        });
        assert!(registered, "{user} registers: {:?}", self.phones[index].events);
        index
    }

    pub fn call(&mut self, from: usize, number: &str) -> CallHandle {
        let now = self.world.now;
        self.phones[from].call_with(now, number, |_| {})
    }

    pub fn command(&mut self, phone: usize, command: Command) {
        let now = self.world.now;
        self.phones[phone].command(now, command);
    }

    pub fn hang_up(&mut self, phone: usize, call: CallHandle) {
        self.command(phone, Command::HangUp { call, reason: None });
    }

    fn lost(&mut self) -> bool {
        self.count =
            self.count.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.count >> 33) % 100 < self.loss
    }

    /// Time passes; messages and packets arrive in the same 5 ms in which they are sent.
    pub fn run(&mut self, time: Duration) {
        let until = self.world.now + time;
        let step = Duration::from_millis(5);
        let mut steps = 0u32;
        while self.world.now < until {
            self.exchange();
            if steps.is_multiple_of(4) {
                self.speak();
            }
            steps += 1;
            self.world.run(step);
            self.hear();
        }
        self.exchange();
    }

    /// SIP to and fro until nobody says anything more.
    fn exchange(&mut self) {
        for _ in 0..50 {
            let mut quiet = true;
            let mut letters = std::mem::take(&mut self.world.sip);
            for index in 0..self.phones.len() {
                let at = self.phones[index].at;
                let mut mine = Vec::new();
                letters.retain(|(path, text)| {
                    let ours = path.remote == at;
                    if ours {
                        mine.push(text.clone().into_bytes());
                    }
                    !ours
                });
                mine.retain(|_| !self.lost());
                let sent = self.phones[index].turn(self.world.now, &mine);
                for bytes in sent {
                    quiet = false;
                    if !self.lost() {
                        self.world.sip_in(at, &String::from_utf8(bytes).expect("text"));
                    }
                }
            }
            if quiet && self.world.sip.is_empty() {
                return;
            }
        }
    }

    fn stream_at(&self, port: u16) -> Option<StreamId> {
        self.world.opened.iter().rev().find(|(_, opened)| *opened == port).map(|(stream, _)| *stream)
    }

    /// Every phone in a call says one packet.
    fn speak(&mut self) {
        for index in 0..self.phones.len() {
            let phone = &mut self.phones[index];
            let Some(remote) = phone.remote.filter(|_| !phone.silent) else { continue };
            let from = phone.rtp;
            let packet = match phone.packets.pop_front() {
                Some(packet) => packet,
                None => phone.voice.audio_of(phone.says.0, phone.says.1),
            };
            if let Some(stream) = self.stream_at(remote.port())
                && !self.lost()
            {
                self.world.rtp_in(stream, from, &packet);
            }
        }
    }

    /// What left the engine arrives.
    fn hear(&mut self) {
        for at in self.rtp_seen..self.world.wire.rtp.len() {
            let (to, packet) = (self.world.wire.rtp[at].to, self.world.wire.rtp[at].packet.clone());
            if self.lost() {
                continue;
            }
            if let Some(phone) = self.phones.iter_mut().find(|phone| phone.rtp == to) {
                phone.heard.push((packet[1] & 0x7f, packet));
            }
        }
        self.rtp_seen = self.world.wire.rtp.len();
    }

    /// Nothing of any call is left.
    pub fn expect_quiet(&mut self) {
        self.run(Duration::from_secs(40));
        assert_eq!(self.world.control.calls(), 0, "calls are left");
        assert_eq!(self.world.shard.streams(), 0);
        assert_eq!(self.world.control.idle_ports(), self.world.total_ports);
    }
}
