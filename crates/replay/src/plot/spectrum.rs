//! The spectrogram, 0 to 4 kHz, with the eight DTMF frequencies marked.
use super::{
    axis::{Axis, LEFT, Piece},
    svg::{Px, Svg},
};
use crate::track::Track;
use passline_rtp::{HIGH_HZ, LOW_HZ};
use rustfft::{Fft, FftPlannerScalar, num_complex::Complex};
use std::{f32::consts::TAU, fmt::Write, sync::Arc};

/// Samples of a window: 32 ms, bins of 31.25 Hz.
const WINDOW: usize = 256;
/// Rows: two bins each.
const ROWS: usize = 64;
/// Height of a row, px.
const ROW: f64 = 2.5;
/// Grey levels over 80 dB.
pub(super) const LEVELS: usize = 12;
/// 80 dB / 12 as a ratio of powers.
const STEP: f32 = 0.215_443_47;
/// Least samples from window to window.
const LEAST_HOP: f64 = 32.0;
/// Widths of a column that are tried until the picture is small enough, px.
const COLUMNS: [f64; 7] = [2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 24.0];

/// Draws what was received in at most about `budget` octets; gives the lower edge.
pub(super) fn draw(svg: &mut Svg, axis: &Axis, track: &Track, y: f64, budget: usize) -> f64 {
    let height = ROWS as f64 * ROW;
    svg.raw(format_args!(r#"<g class="panel spectrum">"#));
    svg.rect((LEFT, y), (axis.right() - LEFT, height), "lane");
    let mut cells = String::new();
    for width in COLUMNS {
        let width = width.max((LEAST_HOP / axis.samples(1.0)).ceil());
        cells = String::new();
        axis.pieces.iter().for_each(|piece| columns(&mut cells, axis, track, piece, y, width));
        if cells.len() <= budget {
            break;
        }
    }
    svg.0.push_str(&cells);
    let row = |hz: f32| y + height * (1.0 - f64::from(hz) / 4000.0);
    let frequencies: Vec<f32> = LOW_HZ.into_iter().chain(HIGH_HZ).collect();
    let mut lines = String::new();
    for (index, hz) in frequencies.iter().enumerate() {
        // Names need more room than their lines have: they stand spread, and a leader joins the two.
        let label = row(1200.0) + (3.5 - index as f64) * 10.0;
        svg.text(LEFT - 22.0, label + 3.0, "e s", &format!("{hz:.0}"));
        _ = write!(
            lines,
            "M{} {}L{} {}H{}",
            Px(LEFT - 20.0),
            Px(label),
            Px(LEFT),
            Px(row(*hz)),
            Px(axis.right())
        );
    }
    svg.path("dtmf", &lines);
    for khz in [0.0, 3.0, 4.0] {
        svg.text(
            LEFT - 8.0,
            (row(khz * 1000.0) + 3.0).clamp(y + 8.0, y + height),
            "e s",
            &format!("{khz} kHz"),
        );
    }
    svg.text(6.0, row(1200.0) + 3.0, "s", "DTMF, Hz");
    super::captions(svg, axis, y + 11.0, "spectrogram");
    svg.raw(format_args!("</g>"));
    y + height
}

/// One piece of the axis: for each level the runs of cells that reach it, painted one over the other.
fn columns(out: &mut String, axis: &Axis, track: &Track, piece: &Piece, y: f64, width: f64) {
    let mut analyser = Analyser::new();
    let per_column = axis.samples(width);
    let count = ((axis.end(piece) - piece.x) / width).ceil() as usize;
    let grid: Vec<[u8; ROWS]> = (0..count)
        .map(|column| {
            let edge = |column: usize| piece.from + (column as f64 * per_column) as i64;
            analyser.column(track, edge(column), edge(column + 1))
        })
        .collect();
    let rows: Vec<Vec<u8>> = (0..ROWS).map(|row| grid.iter().map(|column| column[row]).collect()).collect();
    let top = y + ROW / 2.0;
    let shift = format!("translate({} {}) scale({} {})", Px(piece.x), top, Px(width), ROW);
    let mut paths = String::new();
    for level in 1..=LEVELS as u8 {
        let mut data = String::new();
        let (mut at, mut line) = (0, 0);
        for (row, cells) in rows.iter().enumerate() {
            let is_in = |column: &usize| cells[*column] >= level;
            let mut column = 0;
            while let Some(start) = (column..count).find(is_in) {
                let end = (start..count).find(|column| !is_in(column)).unwrap_or(count);
                _ = write!(data, "m{} {}h{}", start as i64 - at, row as i64 - line, end - start);
                (at, line) = (end as i64, row as i64);
                column = end;
            }
        }
        if !data.is_empty() {
            _ = writeln!(paths, r#"<path class="l{level}" d="M0 0{data}"/>"#);
        }
    }
    if !paths.is_empty() {
        _ = writeln!(out, r#"<g class="cells" transform="{shift}">"#);
        out.push_str(&paths);
        out.push_str("</g>\n");
    }
}

/// Short-time spectra. The scalar planner is taken so that every machine paints the same cells.
struct Analyser {
    fft: Arc<dyn Fft<f32>>,
    hann: [f32; WINDOW],
    buffer: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    thresholds: [f32; LEVELS],
}

impl Analyser {
    fn new() -> Self {
        let fft = FftPlannerScalar::new().plan_fft_forward(WINDOW);
        // A sine of full scale has, under a Hann window, a line of amplitude N/4.
        let full = (32_768.0 * WINDOW as f32 / 4.0).powi(2);
        let mut thresholds = [full; LEVELS];
        for level in (0..LEVELS).rev() {
            thresholds[level] = STEP * thresholds.get(level + 1).copied().unwrap_or(full);
        }
        Self {
            scratch: vec![Complex::default(); fft.get_inplace_scratch_len()],
            fft,
            hann: std::array::from_fn(|index| 0.5 - 0.5 * (TAU * index as f32 / WINDOW as f32).cos()),
            buffer: vec![Complex::default(); WINDOW],
            thresholds,
        }
    }

    /// The levels of one column, top row first: the loudest of the windows whose centre lies in `from..to`.
    fn column(&mut self, track: &Track, from: i64, to: i64) -> [u8; ROWS] {
        let mut power = [0f32; ROWS];
        let windows = ((to - from) / (WINDOW as i64 / 2)).max(1);
        // A column of a very long picture is sampled, not heard through.
        let windows = windows.min(256);
        for index in 0..windows {
            let centre = from + (to - from) * (2 * index + 1) / (2 * windows);
            self.window(track, centre - WINDOW as i64 / 2, &mut power);
        }
        std::array::from_fn(|row| {
            let power = power[ROWS - 1 - row];
            self.thresholds.iter().filter(|threshold| power >= **threshold).count() as u8
        })
    }

    fn window(&mut self, track: &Track, from: i64, power: &mut [f32; ROWS]) {
        self.buffer.fill(Complex::default());
        let mut is_silent = true;
        for (at, part) in track.audio.parts(from, from + WINDOW as i64) {
            let start = usize::try_from(at - from).unwrap_or(0);
            for (index, sample) in (start..).zip(part) {
                self.buffer[index].re = f32::from(*sample) * self.hann[index];
                is_silent &= *sample == 0;
            }
        }
        if is_silent {
            return;
        }
        self.fft.process_with_scratch(&mut self.buffer, &mut self.scratch);
        // Bin 0 is the offset of the converter and no sound.
        for (bin, value) in self.buffer.iter().enumerate().take(WINDOW / 2).skip(1) {
            let row = &mut power[bin / 2];
            *row = row.max(value.norm_sqr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_span_eighty_decibels() {
        let analyser = Analyser::new();
        let full = (32_768.0f32 * 64.0).powi(2);
        let db: Vec<_> = analyser.thresholds.iter().map(|t| 10.0 * (t / full).log10()).collect();
        assert!((db[0] + 80.0).abs() < 0.1 && (db[LEVELS - 1] + 6.67).abs() < 0.1, "{db:?}");
    }
}
