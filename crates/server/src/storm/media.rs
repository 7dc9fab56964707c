//! The audio of all callers: one thread, a sweep every millisecond over the callers whose turn it is.
use super::{
    batch::{Inbox, control, receive_one},
    ear::{Ear, Heard},
    histogram::Histogram,
    keys::Habit,
    lines::{Lines, Way, socket},
    link::prepare,
    network::{Done, Impairment},
    sound::Sound,
    stream::{Exit, Held, PTIME, Stream},
};
use crate::exit::Failure;
use passline_net::prefetch;
use passline_rtp::{Digit, memory_of, srtp::MediaKeys};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Instant,
};

/// Turns of a packet time of 20 ms, one each millisecond.
pub const TURNS: usize = 20;
/// Shared sockets: those who have one socket have their turn together, so that their packets leave in one batch.
pub const LINES: usize = TURNS;
/// A shared socket is read once in so many turns: the kernel has noted when each packet came.
const SWEEPS: usize = 4;
/// Octets of a report that is read whole.
const REPORT: usize = 1600;
/// Frames after which a call without a packet is silent: one second.
const PATIENT: u32 = 50;

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
    /// Encrypted packets that were not under the agreed key.
    pub unauthentic: u64,
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
    lines: Lines,
    /// Sweeps over the lines so far.
    sweeps: usize,
    /// Where the reports of the other side go, for all callers (RFC 3605).
    rtcp: UdpSocket,
    inbox: Inbox,
    turns: Vec<Vec<Stream>>,
    /// Places by caller.
    places: Vec<Option<Place>>,
    next: usize,
    measures: bool,
    /// Nobody presses any more, not even who calls now.
    quiet: bool,
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
    /// Nobody speaks yet. The first caller has number `first` in the run; with `shared`, many have one socket.
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
        prepare(&rtcp, None).map_err(Failure::machine)?;
        Ok(Self {
            local,
            sound,
            habit,
            impairment,
            first,
            lines: Lines::new(local, if shared { LINES } else { 0 })?,
            sweeps: 0,
            rtcp,
            inbox: Inbox::new(REPORT),
            turns: (0..TURNS).map(|_| Vec::new()).collect(),
            places: Vec::new(),
            next: 0,
            measures: false,
            quiet: false,
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
    pub fn reserve(&mut self) -> Result<(Way, u16), Failure> {
        match self.lines.reserve() {
            Some(line) => {
                let port = line.port;
                Ok((Way::Shared(line), port))
            }
            None => Way::own(self.local),
        }
    }

    /// A caller begins to speak and to listen.
    ///
    /// # Errors
    /// A sentence, where the stream cannot be told from another one or its socket cannot be used.
    pub fn open(
        &mut self,
        caller: u32,
        way: Way,
        terms: Terms,
        secret: Option<MediaKeys>,
    ) -> Result<(), String> {
        let remote = terms.remote;
        let turn = match &way {
            Way::Own(socket) => {
                socket.connect(remote).map_err(|error| format!("{remote}: {error}"))?;
                // The turns fill evenly, whoever has left in the meantime.
                let turns = (0..TURNS).map(|step| (self.next + step) % TURNS);
                turns.min_by_key(|turn| self.turns.get(*turn).map_or(usize::MAX, Vec::len)).unwrap_or(0)
            }
            Way::Shared(line) => {
                self.lines.open(line, remote, caller)?;
                line.number() % TURNS
            }
        };
        self.next = turn + 1;
        let Some(streams) = self.turns.get_mut(turn) else { return Ok(()) };
        if self.places.len() <= caller as usize {
            self.places.resize(caller as usize + 1, None);
        }
        self.places[caller as usize] = Some(Place { turn, index: streams.len() });
        let number = self.first.wrapping_add(caller);
        streams.push(
            Stream::new(caller, number, way, terms, secret)
                .with(self.habit.filter(|_| !self.quiet), self.impairment),
        );
        Ok(())
    }

    /// A caller falls silent and hears no more; the keys that it has pressed in audio, and the numbers of those of which its
    /// own network left nothing.
    pub fn close(&mut self, caller: u32, now: u64) -> (Vec<Digit>, Vec<usize>) {
        let Some(Place { turn, index }) = self.places.get_mut(caller as usize).and_then(Option::take) else {
            return Default::default();
        };
        let Some(streams) = self.turns.get_mut(turn).filter(|streams| index < streams.len()) else {
            return Default::default();
        };
        let stream = streams.swap_remove(index);
        if let Some(moved) = streams.get(index)
            && let Some(place) = self.places.get_mut(moved.caller as usize)
        {
            *place = Some(Place { turn, index });
        }
        if let Way::Shared(line) = &stream.way {
            self.lines.close(line, stream.terms.remote);
        }
        self.count(&stream.ear, stream.position, now);
        if let Some(network) = &stream.network {
            self.done.add(&network.done);
        }
        let keys = stream.keys.map(|keys| (keys.swallowed(), keys.pressed));
        keys.map(|(swallowed, pressed)| (pressed, swallowed)).unwrap_or_default()
    }

    /// Nobody presses any more.
    pub fn stop_keys(&mut self) {
        self.quiet = true;
        self.turns
            .iter_mut()
            .flatten()
            .filter_map(|stream| stream.keys.as_mut())
            .for_each(|keys| keys.stop());
    }

    /// Begins to measure.
    pub fn begin(&mut self) {
        self.counts = Counts::default();
        (self.lines.sent, self.lines.unsent) = (0, 0);
        self.measures = true;
        self.turns.iter_mut().flatten().for_each(|stream| stream.ear.begin());
    }

    /// Measures no more; the calls that go on are counted up to now.
    pub fn end(&mut self, now: u64) -> Counts {
        let streams = self.turns.iter().flatten();
        let ears: Vec<_> = streams.map(|stream| (stream.ear.clone(), stream.position)).collect();
        ears.iter().for_each(|(ear, position)| self.count(ear, *position, now));
        self.measures = false;
        self.counts.sent += self.lines.sent;
        self.counts.unsent += self.lines.unsent;
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
        let Self { turns, sound, lines, counts, buffer, control, held, order, infos, .. } = self;
        let Some(streams) = turns.get_mut(turn % TURNS) else { return };
        let mut exit = Exit { lines, counts, held, order, infos, now };
        for stream in streams {
            stream.speak(sound, &mut exit);
            let Way::Own(socket) = &stream.way else { continue };
            let mut received = receive_one(socket, buffer, control);
            while let Some((length, at)) = received {
                let Some(octets) = buffer.get_mut(..length) else { break };
                stream.hear(octets, at, exit.counts);
                // One packet a turn is the rule; only where it lay for longer than a turn can another one wait.
                let Way::Own(socket) = &stream.way else { break };
                received = (stamp.saturating_sub(at) >= PTIME)
                    .then(|| receive_one(socket, buffer, control))
                    .flatten();
            }
        }
        self.lines.flush();
    }

    /// Lets go of the packets that were held for long enough.
    pub fn release(&mut self, now: Instant) {
        while self.held.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            let Some(Reverse((_, _, caller, octets))) = self.held.pop() else { break };
            let place = self.places.get(caller as usize).copied().flatten();
            let stream = place.and_then(|place| self.turns.get(place.turn)?.get(place.index));
            if let Some(stream) = stream {
                stream.send(&octets, &mut self.lines, &mut self.counts);
            }
        }
        self.lines.flush();
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
        let Self { lines, places, turns, counts, sweeps, .. } = self;
        *sweeps = sweeps.wrapping_add(1);
        lines.receive(
            *sweeps % SWEEPS,
            SWEEPS,
            turns,
            |turns, caller| {
                if let Some(stream) = stream_of(places, turns, caller) {
                    prefetch(memory_of(stream));
                }
            },
            |turns, caller, octets, at| match caller.and_then(|caller| stream_of(places, turns, caller)) {
                Some(stream) => stream.hear(octets, at, counts),
                None => counts.stray += 1,
            },
        );
    }
}

fn stream_of<'a>(
    places: &[Option<Place>],
    turns: &'a mut [Vec<Stream>],
    caller: u32,
) -> Option<&'a mut Stream> {
    let place = (*places.get(caller as usize)?)?;
    turns.get_mut(place.turn)?.get_mut(place.index)
}
