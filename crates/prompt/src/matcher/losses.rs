//! Where nothing was received.
use std::collections::VecDeque;

/// Holes that are kept: many seconds of a very bad line.
const KEPT: usize = 256;

/// Maps places in the stream to a clock that stands still while nothing is received. When a sender is busy it goes on
/// later, so that only this clock tells how long its pauses were meant to be.
#[derive(Default)]
pub(super) struct Losses {
    /// Place, length and what was lost before.
    holes: VecDeque<(u64, u64, u64)>,
}

impl Losses {
    /// So many samples were lost from this place on; places must not fall.
    pub fn note(&mut self, place: u64, samples: u64) {
        if let Some((start, length, _)) = self.holes.back_mut()
            && *start + *length == place
        {
            *length += samples;
            return;
        }
        if self.holes.len() == KEPT {
            self.holes.pop_front();
        }
        let before = self.holes.back().map_or(0, |(_, length, before)| length + before);
        self.holes.push_back((place, samples, before));
    }

    /// Samples received before a place.
    pub fn received(&self, place: i64) -> u64 {
        let place = u64::try_from(place).unwrap_or(0);
        let before = self.holes.iter().rev().find(|(start, ..)| *start < place);
        match (before, self.holes.front()) {
            (Some((start, length, before)), _) => place - before - (*length).min(place - start),
            (None, Some((_, _, before))) => place.saturating_sub(*before),
            (None, None) => place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stands_still_in_holes() {
        let mut losses = Losses::default();
        assert_eq!(losses.received(500), 500);
        losses.note(100, 50);
        losses.note(150, 10);
        losses.note(300, 100);
        let received: Vec<u64> =
            [-5, 0, 100, 130, 160, 170, 300, 350, 400, 500].map(|place| losses.received(place)).into();
        assert_eq!(received, [0, 0, 100, 100, 100, 110, 240, 240, 240, 340]);
    }

    #[test]
    fn old_holes_are_forgotten_and_still_counted() {
        let mut losses = Losses::default();
        for hole in 0..1000 {
            losses.note(hole * 100, 10);
        }
        assert_eq!(losses.holes.len(), KEPT);
        assert_eq!(losses.received(100_000), 90_000);
    }
}
