//! The waveform: least and greatest sample of each pixel.
use super::{
    axis::{Axis, LEFT},
    svg::{Px, Svg},
};
use crate::track::Track;
use std::fmt::Write;

/// Height of the panel, px.
const HEIGHT: f64 = 64.0;

/// Draws the audio that was received; gives the lower edge.
pub(super) fn draw(svg: &mut Svg, axis: &Axis, track: &Track, y: f64) -> f64 {
    svg.raw(format_args!(r#"<g class="panel wave">"#));
    svg.rect((LEFT, y), (axis.right() - LEFT, HEIGHT), "lane");
    super::captions(svg, axis, y + 11.0, "waveform");
    // Full height is the next power of two above the loudest sample: quiet calls are to be seen as well.
    let full = track.audio.peak().next_power_of_two().clamp(512, 32_768);
    let level = 20.0 * (f64::from(full) / 32_768.0).log10();
    svg.text(LEFT - 8.0, y + 24.0, "e s", &format!("{level:.0} dBFS at top"));
    let height = |sample: i16| {
        let tall = f64::from(sample) / f64::from(full) * (HEIGHT / 2.0 - 1.0);
        y + HEIGHT / 2.0 - tall
    };
    for piece in &axis.pieces {
        let columns = (axis.end(piece) - piece.x).ceil() as usize;
        let per_column = axis.samples(1.0);
        let mut run: Vec<(f64, f64)> = Vec::new();
        let mut start = 0;
        let mut data = String::new();
        for column in 0..columns {
            let edge = |column: usize| piece.from + (column as f64 * per_column) as i64;
            let (from, to) = (edge(column), edge(column + 1).max(edge(column) + 1));
            let parts = track.audio.parts(from, to).flat_map(|(_, part)| part.iter().copied());
            let range = parts.fold(None, |range: Option<(i16, i16)>, sample| {
                let (low, high) = range.unwrap_or((sample, sample));
                Some((low.min(sample), high.max(sample)))
            });
            match range {
                // Silence is a line of one pixel, not nothing.
                Some((low, high)) => run.push((height(high) - 0.4, height(low) + 0.4)),
                None => {
                    outline(&mut data, piece.x + start as f64, &run);
                    run.clear();
                    start = column + 1;
                }
            }
        }
        outline(&mut data, piece.x + start as f64, &run);
        svg.path("wave", &data);
    }
    svg.raw(format_args!("</g>"));
    y + HEIGHT
}

/// The upper edge to the right, the lower edge back.
fn outline(data: &mut String, x: f64, run: &[(f64, f64)]) {
    let Some((top, _)) = run.first() else { return };
    _ = write!(data, "M{} {}", Px(x), Px(*top));
    let mut side = |edge: &mut dyn Iterator<Item = f64>, step: i32| {
        let mut edge = edge.peekable();
        while let Some(y) = edge.next() {
            let mut width = 1;
            while edge.next_if(|next| (next - y).abs() < 0.05).is_some() {
                width += 1;
            }
            _ = write!(data, "V{}h{}", Px(y), width * step);
        }
    };
    side(&mut run.iter().map(|(top, _)| *top), 1);
    side(&mut run.iter().rev().map(|(_, bottom)| *bottom), -1);
    data.push('z');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_columns_are_one_step() {
        let mut data = String::new();
        outline(&mut data, 10.0, &[(1.0, 5.0), (1.0, 5.0), (2.0, 4.0)]);
        assert_eq!(data, "M10 1V1h2V2h1V4h-1V5h-2z");
    }
}
