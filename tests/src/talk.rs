//! Calls placed by our own engine: as many as wanted at one time, each with a mind of its own.
use crate::{
    ear::{Ear, Prompt},
    person::{Patience, Person},
    ports,
    voice::Voice,
};
use passline_engine::{
    CallRecord, Control, EngineConfig, LegCommand, LegEvent, LegId, PortPool, StreamId, sip::EndCause,
};
use passline_net::{Command, DialRequest, Handle, NetConfig, NetEvent};
use passline_prompt::Transcript;
use passline_rtp::{Codec, Digit, FrameKind, Method};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// What a caller does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Waits so many ms.
    Wait(u64),
    /// Presses these keys, one after another.
    Keys(String),
    /// Hangs up.
    HangUp,
    /// Is no longer there, without a word: the other side has crashed, or this one has.
    Vanish,
}

/// Decides, on each prompt that begins (not complete) or has been heard to its end.
pub type Mind<'a> = Box<dyn FnMut(&Prompt, &Transcript) -> Vec<Act> + 'a>;

/// One call to be placed.
pub struct Plan<'a> {
    /// Whom.
    pub uri: String,
    /// How keys are sent.
    pub method: Method,
    /// What to do on the answer, before anything is heard.
    pub opening: Vec<Act>,
    /// What to do later.
    pub mind: Mind<'a>,
    /// Wait before the INVITE.
    pub after: Duration,
}

impl<'a> Plan<'a> {
    /// A call of somebody who does what the voice says.
    pub fn reset(uri: &str, person: &Person) -> Self {
        let mut patience = Patience::hurried(person.clone());
        Self::minded(uri, move |prompt, transcript| {
            let keys = patience.keys(prompt, transcript);
            keys.map_or_else(Vec::new, |keys| vec![Act::Wait(150), Act::Keys(keys)])
        })
    }

    /// A call with any mind.
    pub fn minded(uri: &str, mind: impl FnMut(&Prompt, &Transcript) -> Vec<Act> + 'a) -> Self {
        Self {
            uri: uri.to_owned(),
            method: Method::Rfc4733,
            opening: Vec::new(),
            mind: Box::new(mind),
            after: Duration::ZERO,
        }
    }
}

/// How a call went.
pub struct Talk {
    /// SIP status of a refusal.
    pub refused: Option<u16>,
    /// Codec, once answered.
    pub codec: Option<&'static str>,
    /// Keys pressed.
    pub pressed: String,
    /// Everything heard.
    pub ear: Ear,
    /// Frames played out since the first that was received.
    pub frames: u64,
    /// Those of them that had not come when they were needed.
    pub missing: u64,
    /// From the answer to the end.
    pub talked: Duration,
    /// Why it ended.
    pub ended: String,
    /// The caller's own record with its media counters; `None` if somebody vanished.
    pub record: Option<CallRecord>,
}

impl Talk {
    /// The password as the caller wrote it down.
    #[track_caller]
    pub fn password(&self) -> String {
        self.ear.password().unwrap_or_else(|| panic!("no password was heard, but {:?}", self.ear.masked()))
    }

    /// Whether a prompt was heard to its end.
    pub fn heard(&self, name: &str) -> bool {
        self.ear.prompts.iter().any(|prompt| prompt.complete && prompt.name == name)
    }
}

/// Length of a press and of the pause after it.
const PRESS_MS: u16 = 80;
const PAUSE_MS: u16 = 60;
/// The records of ended calls come in this time.
const AFTERMATH: Duration = Duration::from_millis(500);
/// No call of a test lasts longer.
const LONGEST: Duration = Duration::from_secs(180);

struct Leg<'a> {
    plan: Plan<'a>,
    stream: Option<StreamId>,
    acts: VecDeque<Act>,
    not_before: Instant,
    answered: Option<Instant>,
    dialled: bool,
    over: bool,
    talk: Talk,
}

impl<'a> Leg<'a> {
    fn new(plan: Plan<'a>, voice: Voice, now: Instant) -> Self {
        let talk = Talk {
            refused: None,
            codec: None,
            pressed: String::new(),
            ear: Ear::new(&voice.library(), Codec::Pcmu),
            frames: 0,
            missing: 0,
            talked: Duration::ZERO,
            ended: String::new(),
            record: None,
        };
        Self {
            not_before: now + plan.after,
            plan,
            stream: None,
            acts: VecDeque::new(),
            answered: None,
            dialled: false,
            over: false,
            talk,
        }
    }

    fn event(&mut self, event: LegEvent, now: Instant) {
        match event {
            LegEvent::Trying(stream) => self.stream = Some(stream),
            LegEvent::Answered { codec, .. } => {
                self.talk.codec = Some(codec);
                self.answered = Some(now);
                self.acts = std::mem::take(&mut self.plan.opening).into();
            }
            LegEvent::Refused { status, .. } => self.talk.refused = Some(status),
            LegEvent::Ended(cause) => {
                self.over = true;
                self.talk.ended = format!("{cause:?}");
                self.talk.talked = self.answered.map_or(Duration::ZERO, |since| now - since);
                self.talk.ear.finish();
            }
            LegEvent::Ringing | LegEvent::Digit(_) | LegEvent::Played | LegEvent::Transferred { .. } => {}
        }
    }

    fn frame(&mut self, payload: &[u8], kind: FrameKind) {
        if kind == FrameKind::Received && !payload.is_empty() {
            self.talk.frames += 1;
            self.talk.ear.hear(payload);
        } else if self.talk.frames > 0 {
            self.talk.frames += 1;
            self.talk.missing += 1;
            self.talk.ear.lost(160);
        }
        while let Some(prompt) = self.talk.ear.poll() {
            self.acts.extend((self.plan.mind)(&prompt, &self.talk.ear.transcript));
        }
    }

    fn act(&mut self, id: LegId, handle: &Handle, now: Instant) {
        while self.answered.is_some() && !self.over && now >= self.not_before {
            match self.acts.front_mut() {
                None => return,
                Some(Act::Wait(ms)) => {
                    self.not_before = now + Duration::from_millis(*ms);
                    self.acts.pop_front();
                }
                Some(Act::HangUp) => {
                    self.acts.clear();
                    handle.send(Command::Leg { leg: id, command: LegCommand::HangUp });
                    return;
                }
                Some(Act::Vanish) => {
                    self.event(LegEvent::Ended(EndCause::Lost), now);
                    return;
                }
                Some(Act::Keys(keys)) => {
                    let Some(key) = keys.chars().next() else {
                        self.acts.pop_front();
                        continue;
                    };
                    keys.remove(0);
                    self.talk.pressed.push(key);
                    self.not_before = now + Duration::from_millis((PRESS_MS + PAUSE_MS).into());
                    let digit = Digit::from_char(key).expect("keys of a telephone");
                    let command =
                        LegCommand::Press { digit, duration_ms: PRESS_MS, method: self.plan.method };
                    handle.send(Command::Leg { leg: id, command });
                }
            }
        }
    }
}

/// Places the calls and lives through all of them; `limit` ends them in any case.
pub fn talk(voice: Voice, plans: Vec<Plan<'_>>) -> Vec<Talk> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(live(voice, plans))
}

/// One call.
pub fn talk_once(voice: Voice, plan: Plan<'_>) -> Talk {
    talk(voice, vec![plan]).remove(0)
}

async fn live(voice: Voice, plans: Vec<Plan<'_>>) -> Vec<Talk> {
    let count = plans.len();
    let loopback = ports::local(0);
    let engine = EngineConfig {
        media_address: loopback.ip(),
        max_calls: count,
        shard_capacity: count as u32 + 1,
        ..EngineConfig::default()
    };
    let net = NetConfig {
        sip_udp: vec![loopback],
        sip_tcp: vec![loopback],
        media_address: loopback.ip(),
        shard_capacity: engine.shard_capacity,
        ..NetConfig::default()
    };
    let width = count as u16 * 2;
    let lease = ports::Lease::take(width, false);
    let ports = lease.range();
    let first = lease.first();
    let seeded = |more: u64| ChaCha20Rng::seed_from_u64(u64::from(first) + more);
    let control = move |listeners| {
        let mut engine = engine;
        engine.sip.listeners = listeners;
        let pool = PortPool::new(ports, seeded(1));
        Control::new(Instant::now(), engine, voice.program(), voice.library(), pool, seeded(2))
    };
    let (handle, mut events) = passline_net::start(net, control).await.expect("sockets of loopback");
    let start = Instant::now();
    let mut legs: Vec<_> = plans.into_iter().map(|plan| Leg::new(plan, voice, start)).collect();
    let mut by_stream = BTreeMap::new();
    while legs.iter().any(|leg| !leg.over) && start.elapsed() < LONGEST {
        let event = tokio::time::timeout(Duration::from_millis(10), events.recv()).await;
        let now = Instant::now();
        match event {
            Ok(Some(NetEvent::Leg { leg, event })) => {
                if let LegEvent::Trying(stream) = event {
                    by_stream.insert(stream, leg);
                }
                legs[leg.0 as usize].event(event, now);
            }
            Ok(Some(NetEvent::Heard { stream, payload, kind })) => {
                if let Some(leg) = by_stream.get(&stream) {
                    legs[leg.0 as usize].frame(&payload, kind);
                }
            }
            Ok(Some(NetEvent::Record { record, .. })) => keep(&mut legs, record),
            Ok(None) => break,
            Ok(Some(_)) | Err(_) => {}
        }
        for (index, leg) in legs.iter_mut().enumerate() {
            let id = LegId(index as u64);
            if !leg.dialled && now >= leg.not_before {
                leg.dialled = true;
                handle.send(Command::Dial(request(id, &leg.plan)));
            }
            leg.act(id, &handle, now);
        }
    }
    let incomplete =
        |legs: &[Leg<'_>]| legs.iter().any(|leg| leg.answered.is_some() && leg.talk.record.is_none());
    let end = Instant::now() + AFTERMATH;
    while incomplete(&legs) && Instant::now() < end {
        if let Ok(Some(NetEvent::Record { record, .. })) =
            tokio::time::timeout(AFTERMATH, events.recv()).await
        {
            keep(&mut legs, record);
        }
    }
    handle.send(Command::Stop);
    let stopped = async { while !matches!(events.recv().await, None | Some(NetEvent::Stopped)) {} };
    let _ = tokio::time::timeout(Duration::from_secs(5), stopped).await;
    legs.into_iter().map(|leg| leg.talk).collect()
}

/// Records name no leg, but each leg has a number of its own.
fn keep(legs: &mut [Leg<'_>], record: Box<CallRecord>) {
    let owner = (0..legs.len()).find(|index| own_uri(LegId(*index as u64)) == record.from);
    if let Some(owner) = owner {
        legs[owner].talk.record = Some(*record);
    }
}

/// URI of a caller.
fn own_uri(leg: LegId) -> String {
    format!("sip:+49305550{:03}@127.0.0.1", leg.0)
}

fn request(leg: LegId, plan: &Plan<'_>) -> DialRequest {
    DialRequest {
        leg,
        uri: plan.uri.clone(),
        from: own_uri(leg),
        transport: None,
        tap: true,
        events: plan.method == Method::Rfc4733,
        inband: false,
        srtp: passline_engine::Encryption::Off,
        credentials: None,
    }
}
