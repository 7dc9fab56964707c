//! A bad network that the callers make for themselves: what happens to each packet that they send, from the seed.
use super::keys::rng;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::time::Duration;

/// What happens to the packets; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Impairment {
    /// Everything random comes from here.
    pub seed: u64,
    /// Share of packets lost, each by itself.
    pub loss: f64,
    /// Losses in bursts.
    pub bursts: Option<Bursts>,
    /// Share of packets that come twice.
    pub duplicate: f64,
    /// Share of packets that wait for 30 ms, so that the next one overtakes them.
    pub reorder: f64,
    /// Each packet is late by a random time up to this.
    pub jitter: Duration,
    /// The network stands still now and then; what it held comes at once.
    pub stall: Option<Stall>,
    /// Copies of the last packet of a telephone-event get timestamps of their own, as some gateways make them.
    pub restamp_ends: bool,
}

/// Losses by the model of Gilbert: in a bad state everything is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// Share of all packets lost so.
    pub share: f64,
    /// Mean length of a burst, in packets.
    pub length: f64,
}

/// Standstills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Length.
    pub lasts: Duration,
    /// From the begin of one to the begin of the next.
    pub every: Duration,
}

/// How long a packet that is overtaken waits.
const OVERTAKEN: Duration = Duration::from_millis(30);

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Packets that the callers sent.
    pub packets: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Of these, doubled.
    pub doubled: u64,
    /// Of these, delayed by jitter, by being overtaken or by a standstill.
    pub delayed: u64,
    /// Of these, given another timestamp.
    pub restamped: u64,
}

impl Done {
    /// Adds what was done to another call.
    pub fn add(&mut self, other: &Done) {
        self.packets += other.packets;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.delayed += other.delayed;
        self.restamped += other.restamped;
    }
}

impl Impairment {
    /// Whether nothing happens to the packets.
    pub fn is_none(&self) -> bool {
        *self == Impairment { seed: self.seed, ..Impairment::default() }
    }
}

/// The network of one call. Its decisions depend on seed, caller and the number of the packet, on nothing else.
#[derive(Debug)]
pub struct Network {
    what: Impairment,
    rng: ChaCha8Rng,
    bad: bool,
    /// Timestamp of the last end packet, and the copies of it so far.
    ends: Option<(u32, u32)>,
    /// What was done so far.
    pub done: Done,
}

impl Network {
    /// The network of a caller.
    pub fn new(what: Impairment, caller: u32) -> Self {
        Self { what, rng: rng(what.seed, caller, 1), bad: false, ends: None, done: Done::default() }
    }

    /// A packet leaves at `at`, counted from the begin of the call: its copies by their delays, none if it is lost. Its
    /// timestamp may be changed.
    pub fn take(&mut self, at: Duration, packet: &mut [u8]) -> impl Iterator<Item = Duration> + use<> {
        // The same number of draws for each packet, so that one setting does not change what another one does.
        let [state, loss, double, late, later, overtaken] = std::array::from_fn(|_| self.draw());
        self.done.packets += 1;
        // The gateway that does this stands before the network that loses.
        self.restamp(packet);
        let lost = self.is_lost(state, loss);
        let doubled = double < self.what.duplicate;
        let wait = if overtaken < self.what.reorder { OVERTAKEN } else { Duration::ZERO };
        let delays = [late, later].map(|share| self.delay(at, wait + self.what.jitter.mul_f64(share)));
        self.done.lost += u64::from(lost);
        self.done.doubled += u64::from(doubled && !lost);
        self.done.delayed += u64::from(!delays[0].is_zero() && !lost);
        let copies = if lost { 0 } else { 1 + usize::from(doubled) };
        delays.into_iter().take(copies)
    }

    fn is_lost(&mut self, state: f64, loss: f64) -> bool {
        if let Some(Bursts { share, length }) = self.what.bursts {
            let leave = 1.0 / length.max(1.0);
            let enter = leave * share / (1.0 - share).max(1e-9);
            self.bad = if self.bad { state >= leave } else { state < enter };
        }
        self.bad || loss < self.what.loss
    }

    /// The delay in total: a packet that would come during a standstill comes at its end.
    fn delay(&self, at: Duration, delay: Duration) -> Duration {
        let Some(Stall { lasts, every }) = self.what.stall else { return delay };
        let into = (at + delay).as_nanos() % every.as_nanos().max(1);
        let left = lasts.as_nanos().saturating_sub(into);
        delay + Duration::from_nanos(left as u64)
    }

    /// The second and third end packet of a telephone-event (four octets of payload, the end bit set) get the timestamps
    /// of their own packet times.
    fn restamp(&mut self, packet: &mut [u8]) {
        let is_end = packet.len() == 16
            && matches!(packet, [0x80, kind, .., _, flags, _, _]
            if *kind & 0x7F >= 96 && *flags & 0x80 != 0);
        if !(self.what.restamp_ends && is_end) {
            return;
        }
        let Some(octets) = packet.get_mut(4..8) else { return };
        let stamp = octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet));
        let copies = match self.ends {
            Some((known, copies)) if known == stamp => copies + 1,
            _ => 0,
        };
        self.ends = Some((stamp, copies));
        self.done.restamped += u64::from(copies > 0);
        octets.copy_from_slice(&stamp.wrapping_add(160 * copies).to_be_bytes());
    }

    /// From 0 to 1, 1 excluded.
    fn draw(&mut self) -> f64 {
        f64::from(self.rng.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use passline_rtp::{Digit, EventSender};

    const FRAME: Duration = Duration::from_millis(20);

    fn run(what: Impairment, caller: u32) -> (Vec<Vec<Duration>>, Done) {
        let mut network = Network::new(what, caller);
        let out = (0..20_000).map(|n| network.take(FRAME * n, &mut [0x80; 172]).collect()).collect();
        (out, network.done)
    }

    fn bad() -> Impairment {
        Impairment {
            seed: 9,
            loss: 0.05,
            bursts: Some(Bursts { share: 0.1, length: 4.0 }),
            duplicate: 0.1,
            jitter: Duration::from_millis(60),
            ..Impairment::default()
        }
    }

    #[test]
    fn seed_and_caller_decide_and_nothing_else() {
        let first = run(bad(), 3);
        assert_eq!(first, run(bad(), 3));
        assert_ne!(first.0, run(bad(), 4).0);
        assert_ne!(first.0, run(Impairment { seed: 10, ..bad() }, 3).0);
        // Without one of the faults the others strike the same packets.
        let alone = run(Impairment { jitter: Duration::ZERO, duplicate: 0.0, ..bad() }, 3);
        let lost = |run: &(Vec<Vec<Duration>>, Done)| run.0.iter().map(Vec::is_empty).collect::<Vec<_>>();
        assert_eq!(lost(&first), lost(&alone));
    }

    #[test]
    fn shares_and_lengths_are_as_asked_for() {
        let (out, done) = run(bad(), 1);
        let share = |count: u64| count as f64 / 20_000.0;
        // 10 % in bursts, and 5 % of the other 90 %.
        assert!((share(done.lost) - 0.145).abs() < 0.02, "{done:?}");
        assert!((share(done.doubled) - 0.0855).abs() < 0.01, "{done:?}");
        assert!(out.iter().flatten().all(|delay| *delay <= Duration::from_millis(60)));
        let (out, _) = run(Impairment { loss: 0.0, ..bad() }, 1);
        let bursts = out.chunk_by(|a, b| a.is_empty() == b.is_empty()).filter(|run| run[0].is_empty());
        let lengths: Vec<_> = bursts.map(<[_]>::len).collect();
        let mean = lengths.iter().sum::<usize>() as f64 / lengths.len() as f64;
        assert!((mean - 4.0).abs() < 0.6, "{mean}");
    }

    #[test]
    fn a_standstill_lets_everything_out_at_its_end() {
        let stall = Stall { lasts: Duration::from_millis(400), every: Duration::from_secs(5) };
        let mut network = Network::new(Impairment { stall: Some(stall), ..Impairment::default() }, 0);
        let mut due = |ms| {
            let at = Duration::from_millis(ms);
            (at + network.take(at, &mut []).next().unwrap()).as_millis()
        };
        assert_eq!([due(4_980), due(5_000), due(5_380), due(5_400)], [4_980, 5_400, 5_400, 5_400]);
    }

    #[test]
    fn only_copies_of_an_end_get_other_timestamps() {
        let mut network = Network::new(Impairment { restamp_ends: true, ..Impairment::default() }, 0);
        let mut events = EventSender::new(20);
        events.press(Digit::from_char('5').unwrap(), 60);
        let mut stamps = Vec::new();
        for tick in (0..1600).step_by(160) {
            while let Some(event) = events.next(1000 + tick) {
                let mut packet = vec![0x80, 101, 0, 0];
                packet.extend(event.timestamp.to_be_bytes());
                packet.extend([0; 4]);
                packet.extend(event.payload);
                assert_eq!(network.take(Duration::ZERO, &mut packet).count(), 1);
                stamps.push(u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]));
            }
        }
        assert_eq!(stamps, [1000, 1000, 1000, 1160, 1320]);
        assert_eq!(network.done.restamped, 2);
    }
}
