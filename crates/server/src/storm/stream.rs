//! The audio of one caller: what it says, and what it hears.
use super::{
    batch::LONGEST,
    ear::Ear,
    keys::{Habit, Keys, Out},
    lines::{Lines, Way},
    media::{Counts, Terms},
    network::{Impairment, Network},
    sound::Sound,
};
use nix::sys::socket::SockaddrStorage;
use passline_rtp::{
    Digit, Packet, is_rtcp,
    srtp::{MediaKeys, SecureMedia, SrtpError},
};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

/// Nanoseconds of a packet time.
pub const PTIME: u64 = 20_000_000;
/// Samples of a packet.
const SAMPLES: u32 = 160;

/// A packet that the callers' own bad network holds: due, order, caller, octets.
pub type Held = Reverse<(Instant, u64, u32, Vec<u8>)>;

/// What goes out, and where what is to be known of it goes.
pub struct Exit<'a> {
    /// Shared sockets.
    pub lines: &'a mut Lines,
    /// What is counted.
    pub counts: &'a mut Counts,
    /// Packets that leave later.
    pub held: &'a mut BinaryHeap<Held>,
    /// Packets held so far.
    pub order: &'a mut u64,
    /// Keys to be told by INFO.
    pub infos: &'a mut Vec<(u32, Digit)>,
    /// When this turn was to begin.
    pub now: Instant,
}

/// One caller's audio.
pub struct Stream {
    /// Whose it is.
    pub caller: u32,
    /// Its number in the run of which it may be a part.
    number: u32,
    /// Its socket.
    pub way: Way,
    /// How it is spoken with.
    pub terms: Terms,
    remote: SockaddrStorage,
    secret: Option<Box<SecureMedia>>,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    /// Frames sent.
    pub position: u32,
    /// What it hears.
    pub ear: Ear,
    /// What it presses.
    pub keys: Option<Box<Keys>>,
    /// The frame in which the keys have to be asked next: they lie elsewhere in memory, and have nothing to say mostly.
    keys_due: u32,
    /// What happens to its packets.
    pub network: Option<Box<Network>>,
}

impl Stream {
    /// Nothing was said yet. What is said, pressed and lost depends on `number` and the seed.
    pub fn new(caller: u32, number: u32, way: Way, terms: Terms, secret: Option<MediaKeys>) -> Self {
        Self {
            caller,
            number,
            way,
            terms,
            remote: terms.remote.into(),
            secret: secret.map(|keys| Box::new(SecureMedia::new(keys))),
            sequence: (number.wrapping_mul(40_503) >> 3) as u16,
            timestamp: number.wrapping_mul(2_654_435_761),
            ssrc: number.wrapping_mul(0x9E37_79B1) ^ 0x5057_4C4E,
            position: 0,
            ear: Ear::default(),
            keys: None,
            keys_due: 0,
            network: None,
        }
    }

    /// It presses keys, and its network is bad.
    pub fn with(mut self, habit: Option<Habit>, impairment: Impairment) -> Self {
        self.keys = habit.map(|habit| Box::new(Keys::new(habit, self.number)));
        self.network = (!impairment.is_none()).then(|| Box::new(Network::new(impairment, self.number)));
        self
    }

    /// What goes out in this frame: events, or audio with or without a key's tone in it.
    pub fn speak(&mut self, sound: &Sound, exit: &mut Exit<'_>) {
        let (position, timestamp) = (self.position, self.timestamp);
        if position < self.keys_due || !self.press(sound, exit) {
            let payload = sound.frame(self.number, position);
            self.packet(self.terms.payload_type, position == 0, timestamp, payload, exit);
        }
        self.position = position.wrapping_add(1);
        self.timestamp = timestamp.wrapping_add(SAMPLES);
    }

    /// What goes out of a key in this frame; false if nothing does in place of audio.
    fn press(&mut self, sound: &Sound, exit: &mut Exit<'_>) -> bool {
        let (position, timestamp) = (self.position, self.timestamp);
        let mut is_key = false;
        while let Some(out) = self.keys.as_mut().and_then(|keys| keys.poll(position, timestamp)) {
            match out {
                Out::Event(event) => {
                    is_key = true;
                    let kind = self.terms.events.unwrap_or(101);
                    let lost = self.packet(kind, event.marker, event.timestamp, &event.payload, exit);
                    self.went(lost);
                }
                Out::Info(digit) => exit.infos.push((self.caller, digit)),
            }
        }
        let tone = self.keys.as_mut().filter(|_| !is_key).and_then(|keys| {
            let (digit, at) = keys.tone()?;
            sound.tone(digit, at).or_else(|| {
                keys.end_tone();
                None
            })
        });
        if let Some(tone) = tone {
            is_key = true;
            let lost = self.packet(self.terms.payload_type, position == 0, timestamp, tone, exit);
            self.went(lost);
        }
        self.keys_due = self.keys.as_ref().map_or(u32::MAX, |keys| keys.quiet_until(position));
        is_key
    }

    /// A packet of a key went out, or was lost.
    fn went(&mut self, lost: bool) {
        if let Some(keys) = &mut self.keys {
            keys.went(lost);
        }
    }

    /// Sends a packet; true if the caller's own network loses it.
    fn packet(
        &mut self,
        kind: u8,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
        exit: &mut Exit<'_>,
    ) -> bool {
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        self.sequence = sequence.wrapping_add(1);
        let mut buffer = [0; LONGEST];
        let packet = Packet { marker, payload_type: kind, sequence, timestamp, ssrc, payload };
        let length = packet.write(&mut buffer);
        let Some(network) = &mut self.network else {
            let length = self.protect(&mut buffer, length, exit.counts);
            self.send(buffer.get(..length).unwrap_or_default(), exit.lines, exit.counts);
            return false;
        };
        let at = Duration::from_millis(20) * self.position;
        let Some(octets) = buffer.get_mut(..length) else { return true };
        // What changes a packet does so before it is encrypted; what is lost, is lost after it.
        let delays = network.take(at, octets);
        let length = self.protect(&mut buffer, length, exit.counts);
        let octets = buffer.get(..length).unwrap_or_default();
        let mut lost = true;
        for delay in delays {
            lost = false;
            if delay.is_zero() {
                self.send(octets, exit.lines, exit.counts);
                continue;
            }
            *exit.order += 1;
            exit.held.push(Reverse((exit.now + delay, *exit.order, self.caller, octets.to_vec())));
        }
        lost
    }

    /// Encrypts where that was agreed on; the new length, 0 if it cannot be done: then nothing may leave.
    fn protect(&mut self, buffer: &mut [u8], length: usize, counts: &mut Counts) -> usize {
        let Some(secret) = &mut self.secret else { return length };
        secret.protect_rtp(buffer, length).unwrap_or_else(|_| {
            counts.unsent += 1;
            0
        })
    }

    /// Sends a packet as it is.
    pub fn send(&self, octets: &[u8], lines: &mut Lines, counts: &mut Counts) {
        if octets.is_empty() {
            return;
        }
        match &self.way {
            Way::Shared(line) => lines.send(line, octets, self.remote),
            Way::Own(socket) => {
                let sent = socket.send(octets).is_ok();
                counts.sent += u64::from(sent);
                counts.unsent += u64::from(!sent);
            }
        }
    }

    /// A packet came at this time, in ns.
    pub fn hear(&mut self, octets: &mut [u8], at: u64, counts: &mut Counts) {
        if is_rtcp(octets) {
            return;
        }
        let octets = match &mut self.secret {
            None => &*octets,
            Some(secret) => match secret.unprotect_rtp(octets) {
                Ok(length) => octets.get(..length).unwrap_or_default(),
                Err(SrtpError::Replayed) => return self.ear.copy(),
                Err(SrtpError::Length) => {
                    counts.foreign += 1;
                    return;
                }
                Err(_) => {
                    counts.unauthentic += 1;
                    return;
                }
            },
        };
        match Packet::parse(octets) {
            Ok(packet) => {
                self.ear.packet(at, packet.ssrc, packet.sequence, PTIME, &mut counts.deviations);
            }
            Err(_) => counts.foreign += 1,
        }
    }
}
