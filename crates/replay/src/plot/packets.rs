//! The packets of a stream by arrival, and how late each was.
use super::{
    axis::Axis,
    svg::{Px, Svg},
};
use crate::{
    runner::Fault,
    track::{Mark, Track},
};
use passline_rtp::PacketKind;
use std::{collections::BTreeMap, fmt::Write};

/// Height of one lane of packets, px.
const LANE: f64 = 12.0;
/// Height of the lateness curve, px.
const CURVE: f64 = 52.0;
/// Points further apart than this, in samples (125 ms), are not joined.
const APART: f64 = 1000.0;

/// Three lanes: audio, events, faults. Gives the lower edge.
pub(super) fn draw(svg: &mut Svg, axis: &Axis, track: &Track, y: f64) -> f64 {
    svg.raw(format_args!(r#"<g class="panel packets">"#));
    let kind = |mark: &&Mark, kind| mark.fate.kind == Some(kind);
    let shown: Vec<_> = track.marks.iter().filter(|mark| axis.shows(mark.arrival)).collect();
    let x = |mark: &&Mark| axis.x(mark.arrival);
    let marks = || shown.iter().copied();
    let (audio, events, faults) = (y, y + LANE + 2.0, y + 2.0 * LANE + 4.0);
    for top in [audio, events, faults] {
        svg.rect((super::axis::LEFT, top), (axis.right() - super::axis::LEFT, LANE), "lane");
    }
    for hole in &track.holes {
        let (from, to) = (axis.x(hole.from), axis.x(hole.to));
        let width = (to - from).max(2.0);
        svg.told((from, faults), (width, LANE), "lost", &format!("{} packets lost", hole.packets));
        if width > 14.0 && hole.packets > 1 {
            svg.text(from + width / 2.0, faults + LANE - 3.0, "m w", &hole.packets.to_string());
        }
    }
    svg.strokes("other", audio, LANE, marks().filter(|m| kind(m, PacketKind::Other)).map(|m| x(&m)));
    svg.strokes("audio", audio, LANE, marks().filter(|m| kind(m, PacketKind::Audio)).map(|m| x(&m)));
    svg.strokes("event", events, LANE, marks().filter(|m| kind(m, PacketKind::Event)).map(|m| x(&m)));
    svg.strokes("refused", faults, LANE, marks().filter(|m| m.fate.kind.is_none()).map(|m| x(&m)));
    for (fault, class) in
        [(Fault::Reordered, "reordered"), (Fault::Late, "late"), (Fault::Duplicate, "duplicate")]
    {
        let hit = marks().filter(|m| m.fate.fault == Some(fault) && m.fate.kind.is_some());
        svg.strokes(class, faults, LANE, hit.map(|m| x(&m)));
    }
    svg.text(6.0, audio + 9.5, "c", "audio packets");
    svg.text(6.0, events + 9.5, "c", "event packets");
    svg.text(6.0, faults + 9.5, "c", "lost, faulty");
    svg.raw(format_args!("</g>"));
    faults + LANE
}

/// Arrival less what the timestamp lets expect. Gives the lower edge.
pub(super) fn draw_lateness(svg: &mut Svg, axis: &Axis, track: &Track, y: f64) -> f64 {
    svg.raw(format_args!(r#"<g class="panel lateness">"#));
    svg.rect((super::axis::LEFT, y), (axis.right() - super::axis::LEFT, CURVE), "lane");
    super::captions(svg, axis, y + 11.0, "lateness");
    let most =
        track.marks.iter().filter(|mark| axis.shows(mark.arrival)).filter_map(|mark| mark.lateness).max();
    let Some(most) = most else {
        svg.text(super::axis::LEFT + 6.0, y + 30.0, "s", "the clock rate of this codec is not known");
        svg.raw(format_args!("</g>"));
        return y + CURVE;
    };
    let scale = [20, 50, 100, 200, 500, 1000, 2000].into_iter().find(|ms| ms * 8 >= most).unwrap_or(5000);
    let height = |late: i64| y + CURVE - (late as f64 / (scale * 8) as f64).min(1.0) * (CURVE - 2.0) - 1.0;
    svg.text(super::axis::LEFT - 8.0, y + 24.0, "e s", &format!("{scale} ms at top"));
    svg.text(super::axis::LEFT - 8.0, y + CURVE, "e s", "0");
    svg.path("rule", &format!("M{} {}H{}", Px(super::axis::LEFT), Px(y + CURVE / 2.0), Px(axis.right())));
    let apart = (APART / axis.samples(1.0)).max(2.0) as i64;
    for (class, is_event) in [("curve", false), ("dots", true)] {
        // The slowest packet of each pixel stands for all of them.
        let mut columns: BTreeMap<i64, i64> = BTreeMap::new();
        for mark in &track.marks {
            let of_class = (mark.fate.kind == Some(PacketKind::Event)) == is_event;
            if let (true, Some(late)) = (of_class && axis.shows(mark.arrival), mark.lateness) {
                let column = columns.entry(axis.x(mark.arrival).round() as i64).or_insert(late);
                *column = late.max(*column);
            }
        }
        let mut data = String::new();
        let mut last = i64::MIN;
        for (x, late) in columns {
            let is_joined = !is_event && x.saturating_sub(last) <= apart;
            let verb = if is_joined { "L" } else { "M" };
            _ = write!(data, "{verb}{x} {}", Px(height(late)));
            if !is_joined {
                data.push_str("h0");
            }
            last = x;
        }
        svg.path(class, &data);
    }
    svg.raw(format_args!("</g>"));
    y + CURVE
}
