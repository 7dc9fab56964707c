//! How losses lie: bursts and gaps as RFC 3611 §4.7.2 counts them.
//!
//! A packet's fate is known when it can no longer come: 128 packets behind the newest. Until then a bit is kept for it.

/// Packets in a row without loss that end a burst (RFC 3611 §4.7.2, the recommended Gmin).
pub(crate) const GMIN: u32 = 16;
/// Packets whose fate is open.
const OPEN: u32 = 128;

/// Losses and discards of a stream in the terms of RFC 3611; rates and densities are shares, 0-1.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct LossMetrics {
    /// Share of packets that did not come.
    pub loss_rate: f32,
    /// Share of packets that came too late to be of use.
    pub discard_rate: f32,
    /// Share of packets lost or discarded within bursts.
    pub burst_density: f32,
    /// Share of packets lost or discarded between bursts.
    pub gap_density: f32,
    /// Mean length of a burst in milliseconds; 0 without bursts.
    pub burst_ms: f32,
    /// Mean length of the time between bursts in milliseconds.
    pub gap_ms: f32,
    /// Mean length of losses (discards are losses) in a row by what it would be were they independent (BurstR of ITU-T
    /// G.107); at least 1, and 0 before the first packet.
    pub burst_ratio: f32,
}

/// Whether a packet came before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// No.
    Never,
    /// The same packet came already.
    Once,
    /// Nobody knows: it is too far behind the newest.
    LongAgo,
}

/// Follows the packets of one stream by their index.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bursts {
    /// One above the newest index; 0 before the first packet.
    end: u64,
    /// Bit k: whether the packet at `end - 1 - k` came, and came in time.
    came: u128,
    useful: u128,
    /// How many of the bits count.
    open: u32,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    packets: u64,
    lost: u64,
    discarded: u64,
    /// Packets in time since the last bad one (lost or discarded).
    run: u32,
    /// Bad packets since the last run of [`GMIN`].
    cluster: u32,
    /// Clusters of more than one bad packet: bursts (c13 of the RFC).
    bursts: u64,
    /// Bad packets that stood alone, in gaps (c14).
    alone: u64,
    /// Packets in time that belong to no burst (c11).
    between: u64,
    /// Times that a bad packet followed a good one.
    runs: u64,
    bad_before: bool,
}

impl Counts {
    fn packet(&mut self, came: bool, useful: bool) {
        self.packets += 1;
        if came && useful {
            self.run = self.run.saturating_add(1);
            self.bad_before = false;
            return;
        }
        self.runs += u64::from(!self.bad_before);
        self.bad_before = true;
        self.lost += u64::from(!came);
        self.discarded += u64::from(came);
        if self.run >= GMIN || self.cluster == 0 {
            self.finish();
        }
        self.cluster = self.cluster.saturating_add(1);
        self.run = 0;
    }

    /// The cluster is complete; the run after it belongs to a gap.
    fn finish(&mut self) {
        match self.cluster {
            0 => {}
            1 => self.alone += 1,
            _ => self.bursts += 1,
        }
        self.cluster = 0;
        self.between += u64::from(self.run);
        self.run = 0;
    }
}

impl Bursts {
    /// Whether the packet at `index` came before.
    pub(crate) fn seen(&self, index: u64) -> Seen {
        match self.end.checked_sub(index + 1) {
            None => Seen::Never,
            Some(back) if back >= u64::from(OPEN) => Seen::LongAgo,
            Some(back) if self.came >> back & 1 != 0 => Seen::Once,
            Some(_) => Seen::Never,
        }
    }

    /// A packet came for the first time; `useful`: in time.
    pub(crate) fn packet(&mut self, index: u64, useful: bool) {
        if self.end == 0 {
            self.end = index;
        }
        while self.end <= index {
            if self.open == OPEN {
                let last = 1 << (OPEN - 1);
                self.counts.packet(self.came & last != 0, self.useful & last != 0);
                self.open -= 1;
            }
            self.came <<= 1;
            self.useful <<= 1;
            self.open += 1;
            self.end += 1;
        }
        let back = self.end - 1 - index;
        // Those from before the first are remembered, not counted.
        if back < u64::from(OPEN) {
            self.came |= 1 << back;
            self.useful |= u128::from(useful) << back;
        }
    }

    /// As if the stream ended now; `packet_ms` is the length of a packet in milliseconds.
    pub(crate) fn metrics(&self, packet_ms: f32) -> LossMetrics {
        let mut counts = self.counts;
        for back in (0..self.open).rev() {
            counts.packet(self.came >> back & 1 != 0, self.useful >> back & 1 != 0);
        }
        counts.finish();
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f32 / whole as f32 };
        // Packets of bursts: the losses in them and what came between these.
        let in_gaps = counts.between + counts.alone;
        let in_bursts = counts.packets - in_gaps.min(counts.packets);
        let bad_in_bursts = (counts.lost + counts.discarded).saturating_sub(counts.alone);
        let mean = |packets: u64, times: u64| share(packets, times) * packet_ms;
        let bad = counts.lost + counts.discarded;
        let burst_ratio = share(bad, counts.runs) * (1.0 - share(bad, counts.packets));
        LossMetrics {
            loss_rate: share(counts.lost, counts.packets),
            discard_rate: share(counts.discarded, counts.packets),
            burst_density: share(bad_in_bursts, in_bursts),
            gap_density: share(counts.alone, in_gaps),
            burst_ms: mean(in_bursts, counts.bursts),
            gap_ms: mean(in_gaps, counts.bursts + 1),
            burst_ratio: if counts.packets == 0 { 0.0 } else { burst_ratio.max(1.0) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.` came, `x` was lost, `l` came late; 20 ms a packet.
    fn metrics(fates: &str) -> LossMetrics {
        let mut bursts = Bursts::default();
        for (at, fate) in fates.chars().enumerate() {
            if fate != 'x' {
                bursts.packet(1 << 16 | at as u64, fate == '.');
            }
        }
        bursts.metrics(20.0)
    }

    #[test]
    fn single_losses_far_apart_are_no_burst() {
        let fates = format!("{}x", ".".repeat(99)).repeat(9) + &".".repeat(100);
        let found = metrics(&fates);
        assert_eq!((found.burst_density, found.burst_ms), (0.0, 0.0));
        assert!(
            (found.gap_density - 0.009).abs() < 1e-6 && (found.loss_rate - 0.009).abs() < 1e-6,
            "{found:?}"
        );
        assert!((found.gap_ms - 20_000.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn losses_close_together_are_one_burst() {
        // Ten packets, of them four lost and one late; before and after nothing.
        let fates = format!("{0}xx..x.x..l{0}", ".".repeat(200));
        let found = metrics(&fates);
        assert!((found.burst_density - 0.5).abs() < 1e-6, "{found:?}");
        assert!((found.burst_ms - 200.0).abs() < 0.1 && found.gap_density == 0.0, "{found:?}");
        assert!((found.gap_ms - 4_000.0).abs() < 0.1, "{found:?}");
        assert!(
            (found.loss_rate - 4.0 / 410.0).abs() < 1e-6 && (found.discard_rate - 1.0 / 410.0).abs() < 1e-6
        );
    }

    #[test]
    fn the_burst_ratio_tells_rows_of_losses_from_single_ones() {
        let one_in_ten = ".........x".repeat(100);
        assert_eq!(metrics(&one_in_ten).burst_ratio, 1.0, "more regular than chance");
        // As many losses, always five in a row: 5 instead of 1 / 0.9.
        let rows = (".".repeat(45) + "xxlxx").repeat(20) + ".";
        assert!((metrics(&rows).burst_ratio - 4.5).abs() < 0.01, "{:?}", metrics(&rows));
    }

    #[test]
    fn a_packet_is_known_again_also_one_from_before_the_first() {
        let mut bursts = Bursts::default();
        assert_eq!(bursts.seen(500), Seen::Never);
        for index in [500, 501, 503, 498] {
            bursts.packet(index, true);
        }
        assert_eq!(
            [497, 498, 499, 500, 501, 502, 503, 504].map(|index| bursts.seen(index) == Seen::Once),
            [false, true, false, true, true, false, true, false]
        );
        assert_eq!(bursts.seen(503 - 128), Seen::LongAgo);
        assert_eq!(bursts.seen(504 - 128), Seen::Never);
        bursts.packet(498 + 127, true);
        assert_eq!((bursts.seen(498), bursts.seen(497)), (Seen::Once, Seen::LongAgo));
        assert!((bursts.metrics(20.0).loss_rate - 122.0 / 126.0).abs() < 1e-6);
    }

    #[test]
    fn order_does_not_count_and_nothing_divides_by_nothing() {
        assert_eq!(metrics(""), LossMetrics::default());
        assert_eq!(metrics("."), LossMetrics { gap_ms: 20.0, burst_ratio: 1.0, ..LossMetrics::default() });
        let mut bursts = Bursts::default();
        for index in [100, 102, 101, 105, 103, 104, 99, 103] {
            bursts.packet(index, true);
        }
        assert_eq!(bursts.metrics(20.0).loss_rate, 0.0);
        // As far as a jump can be.
        bursts.packet(3100, true);
        assert!(bursts.metrics(20.0).loss_rate > 0.99);
    }
}
