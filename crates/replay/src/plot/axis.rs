//! The time axis that all panels share. Long pauses in which nothing came are cut out and marked.
use super::svg::{Px, Svg};

/// Samples a second.
const RATE: f64 = 8000.0;
/// Left of the axis, px: captions.
pub(super) const LEFT: f64 = 118.0;
/// Right of the axis, px.
const RIGHT: f64 = 24.0;
/// Width of a second where nothing speaks against it, px: a key of 100 ms is 10 px, a packet 2 px.
const PER_SECOND: f64 = 100.0;
/// Least and most width of the axis, px.
const WIDTHS: (f64, f64) = (1000.0, 8000.0);
/// A pause that is cut out, in samples (3 s); more where there are too many of them.
const PAUSE: i64 = 24_000;
/// Pauses that are cut out at most.
const MAX_CUTS: usize = 24;
/// Width of a cut, px.
const CUT: f64 = 28.0;
/// Before the first and after the last that is seen, in samples (50 ms).
const MARGIN: i64 = 400;
/// Least distance of numbers on the axis, px, and what each of their characters adds.
const NUMBERS: (f64, f64) = (42.0, 7.0);

/// The part of a capture that is drawn, in seconds since its first frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    /// Where it begins; `None`: with the first packet.
    pub from: Option<f64>,
    /// Where it ends; `None`: with the last packet.
    pub to: Option<f64>,
}

/// A stretch of time without a cut, in samples since the capture's first frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) from: i64,
    pub(super) to: i64,
    /// Left edge, px.
    pub(super) x: f64,
}

/// From samples to pixels.
pub(super) struct Axis {
    pub(super) pieces: Vec<Piece>,
    /// Pixels a sample.
    scale: f64,
}

impl Axis {
    /// An axis for what lies at these times (from, to); `None` if nothing lies in the window.
    pub(super) fn new(mut seen: Vec<(i64, i64)>, window: &Window) -> Option<Self> {
        let samples = |seconds: f64| (seconds * RATE) as i64;
        let (first, last) = (window.from.map_or(i64::MIN, samples), window.to.map_or(i64::MAX, samples));
        seen.retain(|(from, to)| *to >= first && *from <= last && from <= to);
        seen.sort_unstable();
        let mut pause = PAUSE;
        let mut pieces = stretches(&seen, pause);
        while pieces.len() > MAX_CUTS + 1 {
            pause = pause.saturating_mul(2);
            pieces = stretches(&seen, pause);
        }
        let mut total = 0.0;
        for piece in &mut pieces {
            piece.from = (piece.from - MARGIN).max(first).max(0);
            piece.to = (piece.to + MARGIN).min(last).max(piece.from + 1);
            total += (piece.to - piece.from) as f64;
        }
        let width = (total / RATE * PER_SECOND).clamp(WIDTHS.0, WIDTHS.1);
        let scale = width / total;
        let mut x = LEFT;
        for piece in &mut pieces {
            piece.x = x;
            x += (piece.to - piece.from) as f64 * scale + CUT;
        }
        (!pieces.is_empty()).then_some(Self { pieces, scale })
    }

    /// Where a time lies; what fell into a cut or out of the window lies on its edge.
    pub(super) fn x(&self, at: i64) -> f64 {
        let next = self.pieces.partition_point(|piece| piece.from <= at);
        let piece = self.pieces[next.saturating_sub(1)];
        piece.x + (at.clamp(piece.from, piece.to) - piece.from) as f64 * self.scale
    }

    /// Whether a time is in the picture.
    pub(super) fn shows(&self, at: i64) -> bool {
        self.pieces.iter().any(|piece| (piece.from..=piece.to).contains(&at))
    }

    /// Right edge of a piece, px.
    pub(super) fn end(&self, piece: &Piece) -> f64 {
        piece.x + (piece.to - piece.from) as f64 * self.scale
    }

    /// Right edge of the axis, px.
    pub(super) fn right(&self) -> f64 {
        self.pieces.last().map_or(LEFT, |piece| self.end(piece))
    }

    /// Width of the whole picture, px.
    pub(super) fn width(&self) -> f64 {
        self.right() + RIGHT
    }

    /// Samples that lie behind `columns` pixels.
    pub(super) fn samples(&self, columns: f64) -> f64 {
        columns / self.scale
    }

    /// Light uprights at the numbers, and at the cuts, from `top` to `bottom`.
    pub(super) fn grid(&self, svg: &mut Svg, top: f64, bottom: f64) {
        let numbers = self.numbers();
        svg.strokes("grid", top, bottom - top, numbers.iter().map(|(x, _)| *x));
        for pair in self.pieces.windows(2) {
            let from = self.end(&pair[0]);
            svg.rect((from, top), (pair[1].x - from, bottom - top), "cut");
        }
    }

    /// The numbers, in seconds, under a line at `y`; 24 px high.
    pub(super) fn draw(&self, svg: &mut Svg, y: f64) {
        for piece in &self.pieces {
            svg.path("axis", &format!("M{} {}H{}", Px(piece.x), Px(y), Px(self.end(piece))));
        }
        let numbers = self.numbers();
        svg.strokes("axis", y, 4.0, numbers.iter().map(|(x, _)| *x));
        let mut free = 0.0;
        for (x, number) in numbers {
            // Beside a cut two numbers can stand closer than they do elsewhere.
            let half = NUMBERS.1 * number.len() as f64 / 2.0;
            if x - half >= free {
                svg.text(x, y + 14.0, "m", &number);
                free = x + half;
            }
        }
        for pair in self.pieces.windows(2) {
            let middle = (self.end(&pair[0]) + pair[1].x) / 2.0;
            let pause = seconds(pair[1].from - pair[0].to, 1);
            svg.text(middle, y + 24.0, "m s", &format!("{pause} s cut"));
        }
        svg.text(6.0, y + 14.0, "s", "time, s");
    }

    fn numbers(&self) -> Vec<(f64, String)> {
        // 1, 2, 5, 10, … ms.
        let longest = self.pieces.last().map_or(0, |piece| seconds(piece.to, 0).len());
        let least = self.samples(NUMBERS.0 + NUMBERS.1 * longest as f64);
        let mut step = 8i64;
        let mut factors = [2.0, 2.5, 2.0].iter().cycle();
        while (step as f64) < least {
            step = (step as f64 * factors.next().unwrap_or(&2.0)) as i64;
        }
        let decimals = match step {
            ..80 => 3,
            80..800 => 2,
            800..8000 => 1,
            _ => 0,
        };
        let mut numbers = Vec::new();
        for piece in &self.pieces {
            let mut at = piece.from.div_euclid(step) * step;
            while at <= piece.to {
                if at >= piece.from {
                    numbers.push((self.x(at), seconds(at, decimals)));
                }
                at += step;
            }
        }
        numbers
    }
}

/// Seconds with so many decimals.
pub(super) fn seconds(samples: i64, decimals: usize) -> String {
    format!("{:.decimals$}", samples as f64 / RATE)
}

fn stretches(seen: &[(i64, i64)], pause: i64) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (from, to) in seen {
        match pieces.last_mut() {
            Some(piece) if from.saturating_sub(piece.to) <= pause => piece.to = piece.to.max(*to),
            _ => pieces.push(Piece { from: *from, to: *to, x: 0.0 }),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_cut_and_order_stays() {
        let century = 8000 * 3_000_000_000;
        let axis =
            Axis::new(vec![(century, century + 8000), (0, 8000), (20_000, 30_000)], &Window::default());
        let axis = axis.expect("something to draw");
        assert_eq!(axis.pieces.len(), 2);
        let x: Vec<_> = [0, 8000, 30_000, 90_000, century, century + 8000].map(|at| axis.x(at)).into();
        assert!(x.windows(2).all(|pair| pair[0] <= pair[1]), "{x:?}");
        assert!(axis.shows(20_000) && !axis.shows(90_000));
        assert!(axis.width() >= WIDTHS.0 && axis.width() < 1300.0);
        assert!(axis.numbers().len() < 40);
    }

    #[test]
    fn the_width_is_bounded_however_many_pauses_there_are() {
        let seen = (0..10_000).map(|index| (index * index * 8000, index * index * 8000)).collect();
        let axis = Axis::new(seen, &Window::default()).expect("something to draw");
        assert!(axis.pieces.len() <= MAX_CUTS + 1);
        assert!(axis.width() < 9000.0, "{}", axis.width());
    }

    #[test]
    fn a_window_is_kept() {
        let window = Window { from: Some(1.0), to: Some(2.0) };
        let axis = Axis::new(vec![(0, 80_000)], &window).expect("something to draw");
        assert_eq!((axis.pieces[0].from, axis.pieces[0].to), (8000, 16_000));
        assert!(Axis::new(vec![(0, 10)], &window).is_none());
    }
}
