//! Two of our own user agents over a bad network, seeded: whatever is lost, doubled or late, both sides agree in the end.

use crate::support::{SDP, epoch, udp};
use passline_identity::Secret;
use passline_sip::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Answers the news of a user agent as a layer above would.
type Reaction = fn(&Event) -> Vec<Command>;

/// Challenges who dials `proven` without credentials, answers everybody else.
fn answer(event: &Event) -> Vec<Command> {
    match event {
        Event::Incoming { call, info } if info.number == "proven" && info.account.is_none() => {
            vec![Command::Challenge { call: *call }]
        }
        Event::Incoming { call, .. } => vec![Command::Accept { call: *call, sdp: SDP.into() }],
        _ => Vec::new(),
    }
}

pub struct World {
    pub agents: [UserAgent; 2],
    now: Instant,
    rng: ChaCha20Rng,
    /// Per mille lost; as many are doubled.
    pub loss: u32,
    wire: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    count: u64,
    pub events: [Vec<Event>; 2],
    reaction: Reaction,
}

const NAMES: [&str; 2] = ["192.0.2.1:5060", "192.0.2.2:5060"];

impl World {
    fn new(seed: u64, loss: u32) -> Self {
        Self::with(seed, loss, Config::default(), answer)
    }

    pub fn with(seed: u64, loss: u32, config: Config, reaction: Reaction) -> Self {
        let agent = |n| UserAgent::new(config.clone(), ChaCha20Rng::seed_from_u64(seed * 2 + n));
        let rng = ChaCha20Rng::seed_from_u64(seed);
        World {
            agents: [agent(0), agent(1)],
            now: epoch(),
            rng,
            loss,
            wire: BTreeMap::new(),
            count: 0,
            events: Default::default(),
            reaction,
        }
    }

    fn input(&mut self, who: usize, input: Input<'_>) {
        self.agents[who].handle(self.now, input);
        while let Some(output) = self.agents[who].poll() {
            match output {
                Output::Send { path, bytes } => {
                    assert_eq!(path.remote.to_string(), NAMES[1 - who]);
                    let copies = if self.rng.next_u32() % 1000 < self.loss {
                        0
                    } else {
                        1 + u32::from(self.rng.next_u32() % 1000 < self.loss)
                    };
                    for _ in 0..copies {
                        self.count += 1;
                        let at = self.now + Duration::from_millis((20 + self.rng.next_u32() % 80).into());
                        self.wire.insert((at, self.count), (1 - who, bytes.clone()));
                    }
                }
                Output::Event(event) => self.react(who, event),
                _ => {}
            }
        }
    }

    fn react(&mut self, who: usize, event: Event) {
        let commands = (self.reaction)(&event);
        self.events[who].push(event);
        for command in commands {
            self.command(who, command);
        }
    }

    /// The first agent calls the second.
    pub fn call(&mut self) -> CallHandle {
        let call = self.agents[0].next_call_handle();
        let (to, from) = (format!("sip:5000@{}", NAMES[1]), format!("sip:demo@{}", NAMES[0]));
        let invite = Invite::new(call, to, from, udp(NAMES[0], NAMES[1]), SDP.into());
        self.command(0, Command::Invite(Box::new(invite)));
        call
    }

    pub fn command(&mut self, who: usize, command: Command) {
        self.input(who, Input::Command(command));
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let arrival = self.wire.first_key_value().map(|((at, _), _)| *at);
            let next = self.agents.iter().filter_map(UserAgent::deadline).chain(arrival).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            while let Some(entry) = self.wire.first_entry().filter(|e| e.key().0 <= self.now) {
                let (who, bytes) = entry.remove();
                let path = udp(NAMES[who], NAMES[1 - who]);
                self.input(who, Input::Datagram { path, bytes: &bytes });
            }
            for who in 0..2 {
                if self.agents[who].deadline().is_some_and(|at| at <= self.now) {
                    self.input(who, Input::Timer);
                }
            }
        }
        self.now = end;
    }

    pub fn ended(&self, who: usize) -> Vec<EndCause> {
        self.events[who]
            .iter()
            .filter_map(|e| if let Event::Ended { cause, .. } = e { Some(*cause) } else { None })
            .collect()
    }
}

#[test]
fn calls_stand_and_end_on_a_bad_network() {
    let mut answered = 0;
    for seed in 0..60 {
        let mut world = World::new(seed, 250);
        let handle = world.call();
        world.run(Duration::from_secs(40));
        let stands = world.events[0].iter().any(|e| matches!(e, Event::Answered { .. }));
        answered += u32::from(stands);
        for n in 0..3 {
            world.input(
                0,
                Input::Command(Command::SendInfo {
                    call: handle,
                    content_type: "application/dtmf-relay".into(),
                    body: format!("Signal={n}\r\n").into_bytes(),
                }),
            );
            world.run(Duration::from_secs(35));
        }
        if seed % 2 == 0 {
            world.input(0, Input::Command(Command::HangUp { call: handle, reason: None }));
        } else if let Some(Event::Incoming { call, .. }) = world.events[1].first() {
            let call = *call;
            world.input(1, Input::Command(Command::HangUp { call, reason: None }));
        }
        world.run(Duration::from_secs(120));
        for who in 0..2 {
            let begun = usize::from(who == 0 || !world.events[1].is_empty());
            assert_eq!(world.ended(who).len(), begun, "seed {seed}, side {who}: {:?}", world.events[who]);
            assert!(
                world.events[who].is_empty() || matches!(world.events[who].last(), Some(Event::Ended { .. }))
            );
            assert_eq!(
                (world.agents[who].calls(), world.agents[who].transactions(), world.agents[who].deadline()),
                (0, 0, None),
                "seed {seed}"
            );
        }
        let infos: Vec<_> = world.events[1]
            .iter()
            .filter_map(|e| if let Event::Info { body, .. } = e { Some(body.clone()) } else { None })
            .collect();
        let expected: Vec<_> = (0..3).map(|n| format!("Signal={n}\r\n").into_bytes()).collect();
        if stands && world.ended(1) != [EndCause::NoAck] {
            assert_eq!(infos, expected, "seed {seed}: each digit once and in order");
        }
    }
    assert!(answered >= 58, "{answered} of 60 calls stood at 25 % loss");
}

#[test]
fn cancels_on_a_bad_network_end_both_sides() {
    for seed in 0..60 {
        let mut world = World::new(1000 + seed, 250);
        let handle = world.call();
        world.run(Duration::from_millis((seed * 13) % 400));
        world.input(0, Input::Command(Command::HangUp { call: handle, reason: None }));
        world.run(Duration::from_secs(200));
        assert_eq!(world.ended(0).len(), 1, "seed {seed}");
        for who in 0..2 {
            assert_eq!(
                (world.agents[who].calls(), world.agents[who].transactions()),
                (0, 0),
                "seed {seed}, side {who}: {:?}",
                world.events[who]
            );
        }
    }
}

/// A phone registers, is kept registered for an hour, calls with its password, and leaves; the network loses a fifth.
#[test]
fn registrations_and_proven_calls_stand_on_a_bad_network() {
    let password = Arc::new(Secret::new("pw of 100"));
    let account = Account { user: "100".into(), password: password.clone(), max_contacts: 1 };
    let config = Config { registrar: true, accounts: vec![account], ..Config::default() };
    let (mut answered, mut bound, mut looks) = (0, 0, 0);
    for seed in 0..40 {
        let mut world = World::with(2000 + seed, 200, config.clone(), answer);
        let path = udp(NAMES[0], NAMES[1]);
        let credentials =
            Credentials { user: "100".into(), password: password.clone(), realm: Some("passline".into()) };
        let registration = Registration {
            registrar: format!("sip:{}", NAMES[1]),
            aor: format!("sip:100@{}", NAMES[1]),
            contact_user: "100".into(),
            paths: vec![path],
            credentials: Some(credentials.clone()),
            expires: 300,
        };
        let id = RegistrationId(1);
        world.input(0, Input::Command(Command::Register { id, registration: Box::new(registration) }));
        for _ in 0..36 {
            world.run(Duration::from_secs(100));
            looks += 1;
            bound += world.agents[1].bindings("100").len();
        }
        let call = world.agents[0].next_call_handle();
        let (to, from) = (format!("sip:proven@{}", NAMES[1]), format!("sip:100@{}", NAMES[0]));
        let invite =
            Invite { credentials: Some(credentials), ..Invite::new(call, to, from, path, SDP.into()) };
        world.input(0, Input::Command(Command::Invite(Box::new(invite))));
        world.run(Duration::from_secs(60));
        answered += u32::from(world.events[0].iter().any(|e| matches!(e, Event::Answered { .. })));
        let proven =
            |e: &Event| matches!(e, Event::Incoming { info, .. } if info.account.as_deref() == Some("100"));
        assert!(
            world.events[1].iter().filter(|e| proven(e)).count() <= 1,
            "seed {seed}: one call is one call"
        );
        world.input(0, Input::Command(Command::HangUp { call, reason: None }));
        world.input(0, Input::Command(Command::Unregister { id }));
        world.run(Duration::from_secs(400));
        assert!(!world.events[1].iter().any(|e| matches!(e, Event::AuthFailed { .. })), "seed {seed}");
        let last = world.events[0].iter().rev().find(|e| matches!(e, Event::Registration { .. }));
        assert!(
            matches!(last, Some(Event::Registration { state: RegistrationState::Unregistered, .. })),
            "seed {seed}: {last:?}"
        );
        for agent in &world.agents {
            assert!(agent.bindings("100").is_empty());
            assert_eq!((agent.calls(), agent.transactions(), agent.deadline()), (0, 0, None), "seed {seed}");
        }
    }
    assert!(
        answered >= 39 && bound * 100 >= looks * 99,
        "{answered} of 40 calls, bound {bound} of {looks} times"
    );
}
