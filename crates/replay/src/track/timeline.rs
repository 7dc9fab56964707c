//! RTP timestamps on the capture's clock, by the law of the digit path.
use std::collections::BTreeMap;

/// A timestamp that strays further from its arrival than this (2 s) is not believed; the digit path has the same limit.
const BELIEVABLE: i64 = 16_000;

/// Where a timestamp lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Stretch of the stream in which timestamps and arrivals fit.
    pub(super) stretch: usize,
    /// On the capture's clock: the arrival of the stretch's first packet, and what the timestamp advanced since.
    pub(super) at: i64,
    /// Arrival less that.
    pub(super) behind: i64,
}

struct Stretch {
    timestamp: u32,
    arrival: i64,
    /// The fastest packet: what lateness is told from.
    least: i64,
}

/// Anchors each synchronisation source at its first packet, and again after each jump of its timestamps.
pub(super) struct Timeline {
    clock_rate: u32,
    stretches: Vec<Stretch>,
    /// By source, and by whether it is the events' own timeline.
    current: BTreeMap<(u32, bool), usize>,
}

impl Timeline {
    /// `clock_rate`: timestamps a second.
    pub(super) fn new(clock_rate: u32) -> Self {
        Self { clock_rate: clock_rate.max(1), stretches: Vec::new(), current: BTreeMap::new() }
    }

    /// A packet of `ssrc` that arrived at `arrival` (samples at 8000 Hz on the capture's clock).
    ///
    /// An event lies on the timeline of the audio where that can be believed, or else on one of its own.
    pub(super) fn place(&mut self, ssrc: u32, is_event: bool, arrival: i64, timestamp: u32) -> Place {
        for key in [(ssrc, false), (ssrc, is_event)] {
            if let Some(&stretch) = self.current.get(&key) {
                let place = self.on(stretch, arrival, timestamp);
                if place.behind.abs() <= BELIEVABLE {
                    return place;
                }
            }
        }
        self.current.insert((ssrc, is_event), self.stretches.len());
        self.stretches.push(Stretch { timestamp, arrival, least: 0 });
        Place { stretch: self.stretches.len() - 1, at: arrival, behind: 0 }
    }

    /// Whether a timestamp is one of the audio's clock.
    pub(super) fn is_near(&self, ssrc: u32, arrival: i64, timestamp: u32) -> bool {
        let stretch = self.current.get(&(ssrc, false));
        stretch.is_some_and(|&stretch| self.on(stretch, arrival, timestamp).behind.abs() <= BELIEVABLE)
    }

    /// Remembers how fast a packet was.
    pub(super) fn note(&mut self, stretch: usize, behind: i64) {
        let least = &mut self.stretches[stretch].least;
        *least = behind.min(*least);
    }

    /// Samples by which a packet was slower than the fastest of its stretch.
    pub(super) fn lateness(&self, stretch: usize, behind: i64) -> i64 {
        behind - self.stretches[stretch].least
    }

    /// Timestamps as samples at 8000 Hz.
    pub(super) fn samples(&self, timestamps: i64) -> i64 {
        timestamps * 8000 / i64::from(self.clock_rate)
    }

    fn on(&self, stretch: usize, arrival: i64, timestamp: u32) -> Place {
        let first = &self.stretches[stretch];
        let ahead = i64::from(timestamp.wrapping_sub(first.timestamp) as i32);
        let at = first.arrival + self.samples(ahead);
        Place { stretch, at, behind: arrival - at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_counts_from_the_fastest_packet() {
        let mut timeline = Timeline::new(8000);
        let places: Vec<_> = [(1000, u32::MAX - 159), (1100, 0), (1400, 160)]
            .iter()
            .map(|(arrival, timestamp)| timeline.place(7, false, *arrival, *timestamp))
            .collect();
        places.iter().for_each(|place| timeline.note(place.stretch, place.behind));
        let late: Vec<_> = places.iter().map(|p| timeline.lateness(p.stretch, p.behind)).collect();
        assert_eq!(late, [60, 0, 140]);
        assert_eq!(places[2].at, 1320);
    }

    #[test]
    fn a_jump_begins_anew_and_strange_events_do_not_disturb_the_audio() {
        let mut timeline = Timeline::new(8000);
        let first = timeline.place(7, false, 0, 0);
        assert_eq!(timeline.place(7, true, 160, 160).stretch, first.stretch);
        let event = timeline.place(7, true, 320, 900_000);
        assert_ne!(event.stretch, first.stretch);
        assert_eq!(timeline.place(7, false, 480, 480), Place { at: 480, ..first });
        assert_eq!(timeline.place(7, false, 640, 5_000_000).at, 640);
    }
}
