//! A bad network between a caller and the program: a seeded relay in user space for the signalling and the media of one
//! call. Only what the caller sends is spoilt; what it hears goes through as it is.
use crate::ports;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// What happens to the packets; nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Impairment {
    /// Everything random comes from here.
    pub seed: u64,
    /// Share of packets lost, each by itself, in 1/1000.
    pub loss: u16,
    /// Losses in bursts.
    pub bursts: Option<Bursts>,
    /// One packet of so many is lost, at even distances: in each tone about one.
    pub every: Option<u32>,
    /// Share of packets that come twice, in 1/1000.
    pub duplicate: u16,
    /// Each packet is late by a random time up to this, so that packets overtake one another.
    pub jitter: Duration,
    /// The network stands still now and then; what it held comes at once.
    pub stall: Option<Stall>,
    /// Copies of the end packet of a telephone-event get time stamps of their own, as some gateways make them.
    pub restamp_ends: bool,
    /// The caller's clock is too slow (positive) or too fast, in parts per million.
    pub drift_ppm: i32,
}

/// Losses by the model of Gilbert and Elliott: a good state without, and a bad one with losses.
#[derive(Clone, Copy, Debug)]
pub struct Bursts {
    /// Chance to turn bad with a packet, in 1/1000.
    pub enter: u16,
    /// Chance to turn good again, in 1/1000.
    pub leave: u16,
    /// Losses in the bad state, in 1/1000.
    pub loss: u16,
}

/// Standstills.
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    /// From the begin of one to the begin of the next.
    pub every: Duration,
    /// Its length.
    pub lasts: Duration,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Packets of media that came from the caller.
    pub packets: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Of these, doubled.
    pub doubled: u64,
    /// Of these, held up by a standstill.
    pub held: u64,
    /// Of these, given a new time stamp.
    pub restamped: u64,
}

/// Decides what becomes of each packet; the same seed and packets give the same.
#[derive(Debug)]
pub struct Impairer {
    what: Impairment,
    rng: ChaCha20Rng,
    bad: bool,
    /// Time stamp of the last end packet, and the copies of it so far.
    ends: (u32, u32),
    /// What was done so far.
    pub done: Done,
}

impl Impairer {
    /// Nothing has come yet.
    pub fn new(what: Impairment) -> Self {
        Self {
            what,
            rng: ChaCha20Rng::seed_from_u64(what.seed),
            bad: false,
            ends: (0, 0),
            done: Done::default(),
        }
    }

    /// A packet that comes `at` since the begin; when its copies go on, and as what.
    pub fn take(&mut self, at: Duration, packet: &[u8]) -> Vec<(Duration, Vec<u8>)> {
        self.done.packets += 1;
        // The gateway that does this stands before the network that loses.
        let packet = self.restamped(packet);
        if self.is_lost() {
            self.done.lost += 1;
            return Vec::new();
        }
        let copies = 1 + usize::from(self.chance(self.what.duplicate));
        self.done.doubled += copies as u64 - 1;
        (0..copies).map(|_| (self.due(at), packet.clone())).collect()
    }

    fn is_lost(&mut self) -> bool {
        let single = self.chance(self.what.loss);
        let even = self.what.every.is_some_and(|every| self.done.packets.is_multiple_of(every.into()));
        let Some(bursts) = self.what.bursts else { return single || even };
        self.bad = if self.bad { !self.chance(bursts.leave) } else { self.chance(bursts.enter) };
        single || even || self.bad && self.chance(bursts.loss)
    }

    fn due(&mut self, at: Duration) -> Duration {
        let mut due = at + self.late();
        if let Some(stall) = self.what.stall {
            let into = Duration::from_nanos((due.as_nanos() % stall.every.as_nanos()) as u64);
            if into < stall.lasts {
                self.done.held += 1;
                due += stall.lasts - into;
            }
        }
        let drift = at.as_nanos() as i128 * i128::from(self.what.drift_ppm) / 1_000_000;
        // A fast clock is a network whose delay shrinks; it begins with enough of it.
        let shrinking = if self.what.drift_ppm < 0 { Duration::from_millis(100) } else { Duration::ZERO };
        let nanos = (due + shrinking).as_nanos() as i128 + drift;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    fn late(&mut self) -> Duration {
        let most = self.what.jitter.as_micros() as u64;
        Duration::from_micros(if most == 0 { 0 } else { self.rng.next_u64() % most })
    }

    /// The second and third end packet of a telephone-event (four octets of payload, the end bit set) get the time
    /// stamps of their own packet times.
    fn restamped(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut packet = packet.to_vec();
        let is_end =
            packet.len() == 16 && packet[0] == 0x80 && packet[1] & 0x7f >= 96 && packet[13] & 0x80 != 0;
        if !(self.what.restamp_ends && is_end) {
            return packet;
        }
        let stamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        self.ends = if self.ends.0 == stamp { (stamp, self.ends.1 + 1) } else { (stamp, 0) };
        if self.ends.1 > 0 {
            self.done.restamped += 1;
            packet[4..8].copy_from_slice(&stamp.wrapping_add(160 * self.ends.1).to_be_bytes());
        }
        packet
    }

    fn chance(&mut self, of_thousand: u16) -> bool {
        of_thousand > 0 && self.rng.next_u32() % 1000 < u32::from(of_thousand)
    }
}

/// A running relay for one call; ended when dropped.
pub struct Relay {
    /// Where the caller calls in place of the server.
    pub sip: SocketAddr,
    counters: Arc<[AtomicU64; 5]>,
    answered: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _media: ports::Lease,
}

impl Relay {
    /// Between one caller and the server at this address.
    pub fn start(server: SocketAddr, what: Impairment) -> Self {
        let lease = ports::Lease::take(2, false);
        let socket = |port| {
            let socket = UdpSocket::bind(ports::local(port)).expect("a free port of loopback");
            socket.set_nonblocking(true).expect("a socket");
            socket
        };
        let (to_caller, to_server, media) = (socket(0), socket(0), socket(lease.first()));
        let sip = to_caller.local_addr().expect("bound");
        let (counters, stop) = (Arc::<[AtomicU64; 5]>::default(), Arc::new(AtomicBool::new(false)));
        let mut running = Running {
            server,
            to_caller,
            to_server,
            media,
            media_port: lease.first(),
            caller: None,
            caller_media: None,
            server_media: None,
            impairer: Impairer::new(what),
            waiting: BTreeMap::new(),
            number: 0,
            start: Instant::now(),
        };
        let answered = Arc::new(AtomicBool::new(false));
        let (told, shown, stands) = (stop.clone(), counters.clone(), answered.clone());
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                running.step();
                stands.store(running.server_media.is_some(), Ordering::Relaxed);
                let done = running.impairer.done;
                let all = [done.packets, done.lost, done.doubled, done.held, done.restamped];
                shown.iter().zip(all).for_each(|(counter, value)| counter.store(value, Ordering::Relaxed));
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        Self { sip, counters, answered, stop, thread: Some(thread), _media: lease }
    }

    /// URI of a number behind the relay.
    pub fn uri(&self, number: &str) -> String {
        format!("sip:{number}@{}", self.sip)
    }

    /// The server has taken the call.
    pub fn answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// What was done so far.
    pub fn done(&self) -> Done {
        let of = |index: usize| self.counters[index].load(Ordering::Relaxed);
        Done { packets: of(0), lost: of(1), doubled: of(2), held: of(3), restamped: of(4) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Running {
    server: SocketAddr,
    to_caller: UdpSocket,
    to_server: UdpSocket,
    media: UdpSocket,
    media_port: u16,
    caller: Option<SocketAddr>,
    caller_media: Option<u16>,
    server_media: Option<u16>,
    impairer: Impairer,
    /// Media on its way to the server, by the instant at which it arrives.
    waiting: BTreeMap<(Duration, u64), Vec<u8>>,
    number: u64,
    start: Instant,
}

impl Running {
    fn step(&mut self) {
        let mut buffer = [0; 65_536];
        while let Ok((length, from)) = self.to_caller.recv_from(&mut buffer) {
            self.caller = Some(from);
            let (message, port) = rewritten(&buffer[..length], self.media_port);
            self.caller_media = port.or(self.caller_media);
            let _ = self.to_server.send_to(&message, self.server);
        }
        while let Ok((length, _)) = self.to_server.recv_from(&mut buffer) {
            let (message, port) = rewritten(&buffer[..length], self.media_port);
            self.server_media = port.or(self.server_media);
            if let Some(caller) = self.caller {
                let _ = self.to_caller.send_to(&message, caller);
            }
        }
        while let Ok((length, from)) = self.media.recv_from(&mut buffer) {
            if Some(from.port()) == self.server_media {
                if let Some(port) = self.caller_media {
                    let _ = self.media.send_to(&buffer[..length], ports::local(port));
                }
                continue;
            }
            for (due, packet) in self.impairer.take(self.start.elapsed(), &buffer[..length]) {
                self.number += 1;
                self.waiting.insert((due, self.number), packet);
            }
        }
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 > self.start.elapsed() {
                break;
            }
            let packet = entry.remove();
            if let Some(port) = self.server_media {
                let _ = self.media.send_to(&packet, ports::local(port));
            }
        }
    }
}

/// A SIP message with our port in its session description and `rport` in its topmost Via (RFC 3581), so that media and
/// answers come through us; and the port that stood there.
fn rewritten(message: &[u8], port: u16) -> (Vec<u8>, Option<u16>) {
    let Ok(text) = std::str::from_utf8(message) else { return (message.to_vec(), None) };
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return (message.to_vec(), None) };
    let mut found = None;
    let body = body.split_inclusive("\r\n").map(|line| {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("m=audio"), Some(was), Some(rest)) => {
                found = was.parse().ok();
                format!("m=audio {port} {rest}")
            }
            _ => line.to_owned(),
        }
    });
    let body: String = body.collect();
    let is_request = !head.starts_with("SIP/2.0");
    let mut first_via = true;
    let head = head.split("\r\n").map(|line| {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            "content-length" | "l" => format!("Content-Length: {}", body.len()),
            "via" | "v" if is_request && std::mem::take(&mut first_via) && !line.contains("rport") => {
                format!("{line};rport")
            }
            _ => line.to_owned(),
        }
    });
    let head: Vec<_> = head.collect();
    (format!("{}\r\n\r\n{body}", head.join("\r\n")).into_bytes(), found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u16) -> Vec<u8> {
        let mut packet = vec![0x80, 0];
        packet.extend(number.to_be_bytes());
        packet.extend([0; 8]);
        packet
    }

    #[test]
    fn the_same_seed_does_the_same() {
        let what = Impairment {
            seed: 7,
            loss: 50,
            bursts: Some(Bursts { enter: 10, leave: 500, loss: 800 }),
            duplicate: 100,
            jitter: Duration::from_millis(60),
            ..Impairment::default()
        };
        let run = |what| {
            let mut impairer = Impairer::new(what);
            let at = |number: u16| Duration::from_millis(20) * u32::from(number);
            let out: Vec<_> =
                (0..10_000).flat_map(|number| impairer.take(at(number), &packet(number))).collect();
            (out, impairer.done)
        };
        let (out, done) = run(what);
        assert_eq!(out, run(what).0);
        assert_ne!(out, run(Impairment { seed: 8, ..what }).0);
        assert!((500..900).contains(&done.lost), "{done:?}");
        assert!((800..1100).contains(&done.doubled), "{done:?}");
        assert!(out.windows(2).any(|pair| pair[0].0 > pair[1].0), "packets overtake one another");
    }

    #[test]
    fn a_standstill_lets_everything_out_at_its_end() {
        let stall = Stall { every: Duration::from_secs(5), lasts: Duration::from_millis(400) };
        let mut impairer = Impairer::new(Impairment { stall: Some(stall), ..Impairment::default() });
        let mut due = |ms| impairer.take(Duration::from_millis(ms), &packet(0))[0].0.as_millis();
        assert_eq!([due(4_980), due(5_000), due(5_380), due(5_400)], [4_980, 5_400, 5_400, 5_400]);
    }

    #[test]
    fn media_and_answers_are_led_through_the_relay() {
        let message = b"INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=x\r\nl: 25\r\n\r\nv=0\r\nm=audio 4000 RTP/AVP 0\r\n";
        let (out, port) = rewritten(message, 17_000);
        let out = String::from_utf8(out).unwrap();
        assert_eq!(port, Some(4000));
        assert!(out.contains("branch=x;rport\r\n") && out.contains("m=audio 17000 RTP/AVP 0\r\n"), "{out}");
        assert!(out.contains(&format!("Content-Length: {}", out.split_once("\r\n\r\n").unwrap().1.len())));
    }
}
