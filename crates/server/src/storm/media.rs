//! The audio of all callers: one thread, a sweep every millisecond over the callers whose turn it is.
use super::{
    batch::{Inbox, control, receive_one},
    ear::{Ear, Heard},
    histogram::Histogram,
    keys::{Habit, Keys, Out},
    link::prepare,
    network::{Done, Impairment, Network},
    sound::Sound,
};
use crate::exit::Failure;
use nix::sys::socket::{setsockopt, sockopt};
use passline_rtp::{Digit, Packet, is_rtcp};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::AsFd,
    time::{Duration, Instant},
};

/// Turns of a packet time of 20 ms, one each millisecond.
pub const TURNS: usize = 20;
/// Nanoseconds of a packet time.
const PTIME: u64 = 20_000_000;
/// Octets of the longest packet that we send.
const LONGEST: usize = 256;
/// Samples of a packet.
const SAMPLES: u32 = 160;
/// Frames after which a call without a packet is silent: one second.
const PATIENT: u32 = 50;
/// Nobody.
const NONE: u32 = u32::MAX;

/// How a caller is spoken with, once it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Where the other side listens.
    pub remote: SocketAddr,
    /// Payload type of the audio.
    pub payload_type: u8,
    /// Payload type of telephone-events, if agreed.
    pub events: Option<u8>,
}

/// Where a caller's stream is: its turn, and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    turn: usize,
    index: usize,
}

/// One caller's audio.
struct Stream {
    caller: u32,
    /// Its number in the run of which it may be a part.
    number: u32,
    /// Its own socket, connected; without one, the shared one.
    socket: Option<UdpSocket>,
    terms: Terms,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    /// Frames sent.
    position: u32,
    ear: Ear,
    keys: Option<Box<Keys>>,
    network: Option<Box<Network>>,
}

/// A packet that the callers' own bad network holds: due, order, caller, octets.
type Held = Reverse<(Instant, u64, u32, Vec<u8>)>;

/// What goes out, and where what is to be known of it goes.
struct Exit<'a> {
    shared: Option<&'a UdpSocket>,
    counts: &'a mut Counts,
    held: &'a mut BinaryHeap<Held>,
    order: &'a mut u64,
    infos: &'a mut Vec<(u32, Digit)>,
    now: Instant,
}

/// What was counted of all callers.
#[derive(Default)]
pub struct Counts {
    /// Deviation of the time between two packets from 20 ms.
    pub deviations: Histogram,
    /// What ended calls heard.
    pub heard: Heard,
    /// Packets sent.
    pub sent: u64,
    /// Packets that the kernel did not take.
    pub unsent: u64,
    /// Packets that are no RTP.
    pub foreign: u64,
    /// Packets of callers who are none of ours.
    pub stray: u64,
    /// Reports of the other side (RTCP).
    pub reports: u64,
    /// Calls that heard nothing at all.
    pub silent_calls: u64,
}

/// All streams.
pub struct Media {
    local: IpAddr,
    sound: Sound,
    habit: Option<Habit>,
    impairment: Impairment,
    first: u32,
    shared: Option<UdpSocket>,
    /// Where the reports of the other side go, for all callers (RFC 3605).
    rtcp: UdpSocket,
    inbox: Inbox,
    /// Caller by the other side's port, where one socket serves all.
    by_port: Vec<u32>,
    turns: Vec<Vec<Stream>>,
    /// Places by caller.
    places: Vec<Option<Place>>,
    next: usize,
    measures: bool,
    buffer: Vec<u8>,
    control: Vec<u8>,
    held: BinaryHeap<Held>,
    order: u64,
    /// Keys that are to be told by INFO, with their callers.
    pub infos: Vec<(u32, Digit)>,
    /// What happened to the packets of calls that are over.
    pub done: Done,
    /// What was counted since [`Media::begin`].
    pub counts: Counts,
}

impl Media {
    /// Nobody speaks yet. The first caller has number `first` in the run; with `shared`, all have one socket.
    ///
    /// # Errors
    /// Of the machine.
    pub fn new(
        local: IpAddr,
        sound: Sound,
        habit: Option<Habit>,
        impairment: Impairment,
        first: u32,
        shared: bool,
    ) -> Result<Self, Failure> {
        let rtcp = socket(local)?;
        prepare(&rtcp).map_err(Failure::machine)?;
        let shared = if shared { Some(socket(local)?) } else { None };
        if let Some(socket) = &shared {
            prepare(socket).map_err(Failure::machine)?;
        }
        Ok(Self {
            local,
            sound,
            habit,
            impairment,
            first,
            by_port: if shared.is_some() { vec![NONE; 65_536] } else { Vec::new() },
            shared,
            rtcp,
            inbox: Inbox::default(),
            turns: (0..TURNS).map(|_| Vec::new()).collect(),
            places: Vec::new(),
            next: 0,
            measures: false,
            buffer: vec![0; 2048],
            control: control(),
            held: BinaryHeap::new(),
            order: 0,
            infos: Vec::new(),
            done: Done::default(),
            counts: Counts::default(),
        })
    }

    /// A socket for a caller who is about to call, and its port.
    ///
    /// # Errors
    /// Of the machine.
    pub fn reserve(&self) -> Result<(Option<UdpSocket>, u16), Failure> {
        let port = |socket: &UdpSocket| socket.local_addr().map(|at| at.port()).map_err(Failure::machine);
        if let Some(shared) = &self.shared {
            return Ok((None, port(shared)?));
        }
        let socket = socket(self.local)?;
        socket.set_nonblocking(true).map_err(Failure::machine)?;
        setsockopt(&socket.as_fd(), sockopt::ReceiveTimestampns, &true).map_err(Failure::machine)?;
        let port = port(&socket)?;
        Ok((Some(socket), port))
    }

    /// A caller begins to speak and to listen.
    ///
    /// # Errors
    /// A sentence, where the stream cannot be told from another one or its socket cannot be used.
    pub fn open(&mut self, caller: u32, socket: Option<UdpSocket>, terms: Terms) -> Result<(), String> {
        let remote = terms.remote;
        match &socket {
            Some(socket) => socket.connect(remote).map_err(|error| format!("{remote}: {error}"))?,
            None => {
                let holder = self.by_port.get_mut(usize::from(remote.port()));
                let holder = holder.ok_or("no socket for this call")?;
                if *holder != NONE {
                    return Err(format!("the other side has {remote} for two calls; use --sockets per-call"));
                }
                *holder = caller;
            }
        }
        // The turns fill evenly, whoever has left in the meantime.
        let turn = (0..TURNS)
            .map(|step| (self.next + step) % TURNS)
            .min_by_key(|turn| self.turns.get(*turn).map_or(usize::MAX, Vec::len))
            .unwrap_or(0);
        self.next = turn + 1;
        let Some(streams) = self.turns.get_mut(turn) else { return Ok(()) };
        if self.places.len() <= caller as usize {
            self.places.resize(caller as usize + 1, None);
        }
        self.places[caller as usize] = Some(Place { turn, index: streams.len() });
        // What is said, pressed and lost depends on this number and the seed.
        let number = self.first.wrapping_add(caller);
        streams.push(Stream {
            caller,
            number,
            socket,
            terms,
            sequence: (number.wrapping_mul(40_503) >> 3) as u16,
            timestamp: number.wrapping_mul(2_654_435_761),
            ssrc: number.wrapping_mul(0x9E37_79B1) ^ 0x5057_4C4E,
            position: 0,
            ear: Ear::default(),
            keys: self.habit.map(|habit| Box::new(Keys::new(habit, number))),
            network: (!self.impairment.is_none()).then(|| Box::new(Network::new(self.impairment, number))),
        });
        Ok(())
    }

    /// A caller falls silent and hears no more; the keys that it has pressed in audio.
    pub fn close(&mut self, caller: u32, now: u64) -> Vec<Digit> {
        let Some(Place { turn, index }) = self.places.get_mut(caller as usize).and_then(Option::take) else {
            return Vec::new();
        };
        let Some(streams) = self.turns.get_mut(turn).filter(|streams| index < streams.len()) else {
            return Vec::new();
        };
        let stream = streams.swap_remove(index);
        if let Some(moved) = streams.get(index)
            && let Some(place) = self.places.get_mut(moved.caller as usize)
        {
            *place = Some(Place { turn, index });
        }
        if stream.socket.is_none()
            && let Some(holder) = self.by_port.get_mut(usize::from(stream.terms.remote.port()))
        {
            *holder = NONE;
        }
        self.count(&stream.ear, stream.position, now);
        if let Some(network) = &stream.network {
            self.done.add(&network.done);
        }
        stream.keys.map(|keys| keys.pressed).unwrap_or_default()
    }

    /// Nobody presses any more.
    pub fn stop_keys(&mut self) {
        self.turns
            .iter_mut()
            .flatten()
            .filter_map(|stream| stream.keys.as_mut())
            .for_each(|keys| keys.stop());
    }

    /// Begins to measure.
    pub fn begin(&mut self) {
        self.counts = Counts::default();
        self.measures = true;
        self.turns.iter_mut().flatten().for_each(|stream| stream.ear.begin());
    }

    /// Measures no more; the calls that go on are counted up to now.
    pub fn end(&mut self, now: u64) -> Counts {
        let streams = self.turns.iter().flatten();
        let ears: Vec<_> = streams.map(|stream| (stream.ear.clone(), stream.position)).collect();
        ears.iter().for_each(|(ear, position)| self.count(ear, *position, now));
        self.measures = false;
        std::mem::take(&mut self.counts)
    }

    fn count(&mut self, ear: &Ear, position: u32, now: u64) {
        if self.measures {
            self.counts.heard.add(&ear.heard(now));
            self.counts.silent_calls += u64::from(ear.is_silent() && position >= PATIENT);
        }
    }

    /// A turn: whoever has it says a frame, and hears what has come.
    pub fn turn(&mut self, turn: usize, now: Instant, stamp: u64) {
        let Self { turns, sound, shared, counts, buffer, control, held, order, infos, .. } = self;
        let Some(streams) = turns.get_mut(turn % TURNS) else { return };
        let mut exit = Exit { shared: shared.as_ref(), counts, held, order, infos, now };
        for stream in streams {
            stream.speak(sound, &mut exit);
            let Some(socket) = &stream.socket else { continue };
            while let Some((length, at)) = receive_one(socket, buffer, control) {
                let Some(octets) = buffer.get(..length) else { break };
                hear(&mut stream.ear, octets, at, exit.counts);
                // One packet a turn is the rule; only where it lay for longer than a turn can another one wait.
                if stamp.saturating_sub(at) < PTIME {
                    break;
                }
            }
        }
    }

    /// Lets go of the packets that were held for long enough.
    pub fn release(&mut self, now: Instant) {
        while self.held.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            let Some(Reverse((_, _, caller, octets))) = self.held.pop() else { return };
            let place = self.places.get(caller as usize).copied().flatten();
            let stream = place.and_then(|place| self.turns.get(place.turn)?.get(place.index));
            if let Some(stream) = stream {
                stream.send(&octets, self.shared.as_ref(), &mut self.counts);
            }
        }
    }

    /// The port for reports.
    pub fn rtcp_port(&self) -> u16 {
        self.rtcp.local_addr().map_or(9, |at| at.port())
    }

    /// What has come to the sockets that all callers share.
    pub fn receive(&mut self) {
        let mut more = true;
        while more {
            more = self.inbox.receive(&self.rtcp);
            self.counts.reports += self.inbox.datagrams().count() as u64;
        }
        let Self { shared: Some(socket), inbox, by_port, places, turns, counts, .. } = self else { return };
        for _ in 0..64 {
            let more = inbox.receive(socket);
            for (octets, from, at) in inbox.datagrams() {
                let caller = from.and_then(|from| by_port.get(usize::from(from.port())));
                let place = caller.and_then(|caller| *places.get(*caller as usize)?);
                let stream = place.and_then(|place| turns.get_mut(place.turn)?.get_mut(place.index));
                match stream {
                    Some(stream) => hear(&mut stream.ear, octets, at, counts),
                    None => counts.stray += 1,
                }
            }
            if !more {
                break;
            }
        }
    }
}

impl Stream {
    /// What goes out in this frame: events, or audio with or without a key's tone in it.
    fn speak(&mut self, sound: &Sound, exit: &mut Exit<'_>) {
        let (position, timestamp) = (self.position, self.timestamp);
        let mut is_event = false;
        while let Some(out) = self.keys.as_mut().and_then(|keys| keys.poll(position, timestamp)) {
            match out {
                Out::Event(event) => {
                    is_event = true;
                    let kind = self.terms.events.unwrap_or(101);
                    self.packet(kind, event.marker, event.timestamp, &event.payload, exit);
                }
                Out::Info(digit) => exit.infos.push((self.caller, digit)),
            }
        }
        if !is_event {
            let tone = self.keys.as_mut().and_then(|keys| {
                let (digit, at) = keys.tone()?;
                sound.tone(digit, at).or_else(|| {
                    keys.end_tone();
                    None
                })
            });
            let payload = tone.unwrap_or_else(|| sound.frame(self.number, position));
            self.packet(self.terms.payload_type, position == 0, timestamp, payload, exit);
        }
        self.position = position.wrapping_add(1);
        self.timestamp = timestamp.wrapping_add(SAMPLES);
    }

    fn packet(&mut self, kind: u8, marker: bool, timestamp: u32, payload: &[u8], exit: &mut Exit<'_>) {
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        self.sequence = sequence.wrapping_add(1);
        let mut buffer = [0; LONGEST];
        let packet = Packet { marker, payload_type: kind, sequence, timestamp, ssrc, payload };
        let length = packet.write(&mut buffer);
        let Some(octets) = buffer.get_mut(..length) else { return };
        let Some(network) = &mut self.network else {
            return self.send(octets, exit.shared, exit.counts);
        };
        let at = Duration::from_millis(20) * self.position;
        for delay in network.take(at, octets) {
            if delay.is_zero() {
                self.send(octets, exit.shared, exit.counts);
                continue;
            }
            *exit.order += 1;
            exit.held.push(Reverse((exit.now + delay, *exit.order, self.caller, octets.to_vec())));
        }
    }

    fn send(&self, octets: &[u8], shared: Option<&UdpSocket>, counts: &mut Counts) {
        let sent = match (&self.socket, shared) {
            (Some(socket), _) => socket.send(octets).is_ok(),
            (None, Some(socket)) => socket.send_to(octets, self.terms.remote).is_ok(),
            (None, None) => false,
        };
        counts.sent += u64::from(sent);
        counts.unsent += u64::from(!sent);
    }
}

fn hear(ear: &mut Ear, octets: &[u8], at: u64, counts: &mut Counts) {
    match Packet::parse(octets) {
        Ok(packet) => ear.packet(at, packet.ssrc, packet.sequence, PTIME, &mut counts.deviations),
        Err(_) if is_rtcp(octets) => {}
        Err(_) => counts.foreign += 1,
    }
}

fn socket(local: IpAddr) -> Result<UdpSocket, Failure> {
    UdpSocket::bind((local, 0)).map_err(|error| {
        Failure::machine(format!("a socket for a caller: {error}; see `ulimit -n`, or use --sockets shared"))
    })
}
