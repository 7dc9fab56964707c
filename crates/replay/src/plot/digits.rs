//! What was detected, by each method alone, and the digits that came of it.
use super::{
    axis::{Axis, LEFT, seconds},
    svg::{Px, Svg},
};
use crate::{
    runner::HeardDigit,
    track::{Span, Track},
};

/// Height of a row of detections, px.
const ROW: f64 = 20.0;
/// Width of a key's letter and a little air, px.
const LETTER: f64 = 10.0;
/// Lanes that detections which overlap are spread over.
const MAX_ROWS: usize = 3;
/// Width of a digit's column of words, px.
const WORDS: f64 = 78.0;
/// Height of such a column, px.
const WORDS_HEIGHT: f64 = 58.0;
/// Lanes of words under the digits.
const MAX_LANES: usize = 4;

/// Class of a method in the style sheet.
fn class(method: &str) -> &'static str {
    match method {
        "rfc4733" => "rfc4733",
        "inband" => "inband",
        _ => "info",
    }
}

/// Events, tones and INFO as they came, before anything is merged. Gives the lower edge.
pub(super) fn draw_detections(svg: &mut Svg, axis: &Axis, track: &Track, mut y: f64) -> f64 {
    let all: [(&str, &str, &[Span]); 3] = [
        ("events received", "rfc4733", &track.events),
        ("tones heard", "inband", &track.tones),
        ("SIP INFO", "info", &track.info),
    ];
    svg.raw(format_args!(r#"<g class="panel detections">"#));
    for (name, class, spans) in all {
        let shown: Vec<_> =
            spans.iter().filter(|span| axis.shows(span.from) || axis.shows(span.to)).collect();
        let rows = spread(shown.iter().map(|span| extent(axis, span)), MAX_ROWS);
        let count = rows.iter().flatten().max().map_or(1, |row| row + 1);
        let height = ROW * count as f64;
        svg.rect((LEFT, y), (axis.right() - LEFT, height), "lane");
        for (span, row) in shown.iter().zip(&rows) {
            // What has no row of its own lies on the last one: its place and length still count.
            let top = y + ROW * row.unwrap_or(count - 1) as f64;
            let (from, to) = (axis.x(span.from), axis.x(span.to));
            let width = (to - from).max(3.0);
            let ms = (span.to - span.from) / 8;
            let title = format!("{}: {} at {} s, {ms} ms", span.label, span.detail, seconds(span.from, 3));
            let is_open = if span.is_open { " open" } else { "" };
            svg.told((from, top + 12.0), (width, 7.0), &format!("{class}{is_open}"), &title);
            svg.text(from, top + 10.5, "k", &span.label);
        }
        svg.text(6.0, y + 13.0, "c", name);
        y += height + 2.0;
    }
    svg.raw(format_args!("</g>"));
    y - 2.0
}

/// The merged digits with their evidence. Gives the lower edge.
pub(super) fn draw_merged(svg: &mut Svg, axis: &Axis, track: &Track, y: f64) -> f64 {
    svg.raw(format_args!(r#"<g class="panel digits">"#));
    let shown: Vec<_> = track.digits.iter().filter(|(at, digit)| shows(axis, *at, digit)).collect();
    let lanes = spread(
        shown.iter().map(|(at, _)| {
            let x = axis.x(*at);
            (x, x + WORDS)
        }),
        MAX_LANES,
    );
    let count = lanes.iter().flatten().max().map_or(0, |lane| lane + 1);
    let bars = 28.0;
    svg.rect((LEFT, y), (axis.right() - LEFT, bars), "lane");
    svg.text(6.0, y + 14.0, "c", "digits");
    let lane_top = |lane: usize| y + bars + 2.0 + WORDS_HEIGHT * lane as f64;
    // All leaders first: words that one of them crosses stay legible on top of it.
    for ((at, digit), lane) in shown.iter().zip(&lanes) {
        if let Some(lane) = lane {
            let bottom = lane_top(*lane) + WORDS_HEIGHT - 6.0;
            let leader = format!("M{} {}V{}", Px(axis.x(*at)), Px(y + bars), Px(bottom));
            svg.path(&format!("leader {}-line", class(digit.method)), &leader);
        }
    }
    for ((at, digit), lane) in shown.iter().zip(&lanes) {
        let (from, to) = (axis.x(*at), axis.x(at + digit.duration_ms as i64 * 8));
        let words = words(*at, digit);
        for (line, words) in words.iter().enumerate().filter(|_| lane.is_some()) {
            svg.text(from + 3.0, lane_top(lane.unwrap_or(0)) + 9.0 + 10.0 * line as f64, "t", words);
        }
        let title = format!("{}: {}", digit.digit, words.join(", "));
        svg.told((from, y + 17.0), ((to - from).max(3.0), 10.0), class(digit.method), &title);
        svg.text(from, y + 14.0, "d", &digit.digit.to_string());
    }
    let left_out = lanes.iter().filter(|lane| lane.is_none()).count();
    if left_out > 0 {
        let note = format!("{left_out} of {} without words: they stand too close", shown.len());
        svg.text(6.0, y + 40.0, "s", &note);
    }
    svg.raw(format_args!("</g>"));
    y + bars + 4.0 + WORDS_HEIGHT * count as f64
}

/// Weak bands behind all panels, where digits are.
pub(super) fn draw_bands(svg: &mut Svg, axis: &Axis, track: &Track, top: f64, bottom: f64) {
    for (at, digit) in track.digits.iter().filter(|(at, digit)| shows(axis, *at, digit)) {
        let (from, to) = (axis.x(*at), axis.x(at + digit.duration_ms as i64 * 8));
        svg.rect((from, top), ((to - from).max(1.0), bottom - top), &format!("{}-band", class(digit.method)));
    }
}

fn shows(axis: &Axis, at: i64, digit: &HeardDigit) -> bool {
    axis.shows(at) || axis.shows(at + digit.duration_ms as i64 * 8)
}

fn words(at: i64, digit: &HeardDigit) -> Vec<String> {
    let ledger = &digit.ledger;
    let mut words = vec![
        format!("{} s", seconds(at, 3)),
        if digit.duration_ms == 0 { "length not told".into() } else { format!("{} ms", digit.duration_ms) },
    ];
    let others = ledger.merged.iter().filter(|method| **method != digit.method);
    words.push(others.fold(digit.method.to_owned(), |all, method| all + "+" + method));
    if ledger.packets > 0 {
        let copies =
            if ledger.duplicates > 0 { format!(" ({} dup)", ledger.duplicates) } else { String::new() };
        words.push(format!("{} pkt{copies}", ledger.packets));
    }
    let lost = (ledger.lost > 0).then(|| format!("{} lost", ledger.lost));
    let bridged = (ledger.bridged > 0).then(|| format!("{} bridged", ledger.bridged));
    let faults: Vec<_> = lost.into_iter().chain(bridged).collect();
    if !faults.is_empty() {
        words.push(faults.join(" "));
    }
    words
}

/// What a detection needs of its row.
fn extent(axis: &Axis, span: &Span) -> (f64, f64) {
    let from = axis.x(span.from);
    (from, axis.x(span.to).max(from + LETTER * 0.7 * span.label.len() as f64) + 1.0)
}

/// The first lane that is free for each, in order; `None` where there is none.
fn spread(extents: impl Iterator<Item = (f64, f64)>, most: usize) -> Vec<Option<usize>> {
    let mut ends: Vec<f64> = Vec::new();
    extents
        .map(|(from, to)| {
            let lane = ends.iter().position(|end| *end <= from).unwrap_or(ends.len());
            if lane == most {
                return None;
            }
            match ends.get_mut(lane) {
                Some(end) => *end = to,
                None => ends.push(to),
            }
            Some(lane)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_spread_and_what_finds_no_place_is_told() {
        let lanes = spread([(0.0, 10.0), (5.0, 15.0), (6.0, 9.0), (10.0, 20.0)].into_iter(), 2);
        assert_eq!(lanes, [Some(0), Some(1), None, Some(0)]);
    }
}
