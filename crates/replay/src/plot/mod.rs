//! Pictures: why a key was heard as it was, on one time axis.
mod axis;
mod digits;
mod packets;
mod spectrum;
mod svg;
mod wave;

use crate::track::{Track, Tracks};
pub use axis::Window;
use axis::{Axis, LEFT};
use svg::{Px, Svg};

/// Octets that all spectrograms of a picture may take together.
const SPECTRA: usize = 1_300_000;
/// Space between panels, px.
const SPACE: f64 = 6.0;
/// In wide pictures captions are repeated so often, px.
const REPEAT: f64 = 1400.0;

/// A drawn capture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// A whole SVG document; the same capture gives the same octets.
    pub svg: String,
    /// Streams in it.
    pub drawn: usize,
    /// Streams for which there was no room.
    pub left_out: usize,
}

const STYLE: &str = "\
svg{background:#fff}text{font:10px 'DejaVu Sans',Verdana,Arial,sans-serif;fill:#1c2430}\
.h{font-size:13px;font-weight:bold}.s,.t{font-size:9px;fill:#4a5563}.t{fill:#1c2430;stroke:#fff;stroke-width:2.5px;paint-order:stroke}.e{text-anchor:end}.m{text-anchor:middle}\
.c{font-size:9px;fill:#4a5563;stroke:#fff;stroke-width:3px;paint-order:stroke}.w{fill:#fff;font-size:9px}\
.k{font-size:10px;font-weight:bold}.d{font-size:14px;font-weight:bold}\
.lane{fill:#f4f6f9;fill-opacity:.55}.grid{stroke:#c9d0d9;stroke-width:.6}.axis{stroke:#1c2430;fill:none}.rule{stroke:#c9d0d9;fill:none}\
.cut{fill:#8a94a3;fill-opacity:.35}\
.audio{stroke:#5d7186}.event{stroke:#d95f02}.other{stroke:#b3bbc6}.refused{stroke:#000}\
.duplicate{stroke:#8e24aa}.reordered{stroke:#b8860b}.late{stroke:#00838f}.lost{fill:#e02020}\
.hole{fill:#e02020;fill-opacity:.13}.curve{stroke:#2b3f55;fill:none}.dots{stroke:#d95f02;stroke-width:3;stroke-linecap:round;fill:none}\
.wave{fill:#37618e}.cells path{fill:none;stroke-width:1.02}.dtmf{stroke:#0a8f6a;stroke-width:.7;stroke-opacity:.65;fill:none}\
rect.rfc4733{fill:#d95f02}rect.inband{fill:#0a8f6a}rect.info{fill:#3566c0}.open{stroke:#000;stroke-width:1;stroke-dasharray:2 1}\
.rfc4733-band{fill:#d95f02;fill-opacity:.1}.inband-band{fill:#0a8f6a;fill-opacity:.1}.info-band{fill:#3566c0;fill-opacity:.1}\
.leader{fill:none;stroke-width:1}.rfc4733-line{stroke:#d95f02}.inband-line{stroke:#0a8f6a}.info-line{stroke:#3566c0}";

/// Weak to loud.
const RAMP: [&str; spectrum::LEVELS] = [
    "e9eaf2", "dcdcea", "cbc9df", "b6b1d2", "a098c4", "897eb4", "7463a3", "604a8f", "4d3378", "3b1f5e",
    "2a0f44", "180428",
];

/// Draws tracks; an empty capture gives a picture that says so.
pub(crate) fn draw(tracks: &Tracks, window: &Window) -> Picture {
    let seen = tracks.list.iter().flat_map(times).collect();
    let Some(axis) = Axis::new(seen, window) else {
        let mut svg = Svg::default();
        svg.text(
            20.0,
            40.0,
            "h",
            "Nothing to draw: no call with digits or RTP, and no RTP stream, in this time",
        );
        return Picture { svg: document(svg, 800.0, 80.0), drawn: 0, left_out: tracks.left_out };
    };
    let mut svg = Svg::default();
    let mut y = legend(&mut svg, tracks, &axis);
    let budget = SPECTRA / tracks.list.iter().filter(|track| !track.audio.is_empty()).count().max(1);
    for track in &tracks.list {
        y = group(&mut svg, &axis, track, y, budget) + 26.0;
    }
    let picture = document(svg, axis.width(), y);
    Picture { svg: picture, drawn: tracks.list.len(), left_out: tracks.left_out }
}

/// All that a track has on the axis.
fn times(track: &Track) -> impl Iterator<Item = (i64, i64)> {
    let packets = track.marks.iter().map(|mark| (mark.arrival, mark.arrival));
    let spans = track.events.iter().chain(&track.tones).chain(&track.info).map(|span| (span.from, span.to));
    let digits = track.digits.iter().map(|(at, digit)| (*at, at + digit.duration_ms as i64 * 8));
    packets.chain(spans).chain(digits)
}

/// One stream: its panels, with the time under them.
fn group(svg: &mut Svg, axis: &Axis, track: &Track, y: f64, budget: usize) -> f64 {
    svg.raw(format_args!(r#"<g class="stream">"#));
    svg.text(6.0, y + 12.0, "h", &track.title);
    svg.text(6.0, y + 26.0, "s", &track.subtitle);
    let top = y + 34.0;
    let mut panels = Svg::default();
    let mut y = top;
    if track.is_rtp {
        y = packets::draw(&mut panels, axis, track, y) + SPACE;
        y = packets::draw_lateness(&mut panels, axis, track, y) + SPACE;
        if track.audio.is_empty() {
            y = no_audio(&mut panels, axis, track, y) + SPACE;
        } else {
            y = wave::draw(&mut panels, axis, track, y) + SPACE;
            y = spectrum::draw(&mut panels, axis, track, y, budget) + SPACE;
        }
    }
    y = digits::draw_detections(&mut panels, axis, track, y) + SPACE;
    let bars = y + 28.0;
    y = digits::draw_merged(&mut panels, axis, track, y) + 2.0;
    axis.grid(svg, top, bars);
    for hole in track.holes.iter().filter(|hole| axis.shows(hole.from)) {
        let (from, to) = (axis.x(hole.from), axis.x(hole.to));
        svg.rect((from, top), ((to - from).max(1.0), bars - top), "hole");
    }
    digits::draw_bands(svg, axis, track, top, bars);
    svg.0.push_str(&panels.0);
    axis.draw(svg, y);
    svg.raw(format_args!("</g>"));
    y + 26.0
}

fn no_audio(svg: &mut Svg, axis: &Axis, track: &Track, y: f64) -> f64 {
    let why = match &track.codec {
        Some(codec) => format!("no waveform and no spectrogram: audio of codec {codec} is not decoded"),
        None => "no waveform and no spectrogram: no audio packets".to_owned(),
    };
    svg.raw(format_args!(r#"<g class="panel wave spectrum">"#));
    svg.rect((LEFT, y), (axis.right() - LEFT, 18.0), "lane");
    svg.text(LEFT + 6.0, y + 12.0, "s", &why);
    svg.raw(format_args!("</g>"));
    y + 18.0
}

/// Name, units, colours. Gives the lower edge.
fn legend(svg: &mut Svg, tracks: &Tracks, axis: &Axis) -> f64 {
    svg.text(6.0, 18.0, "h", "Passline replay");
    let note = "Time in seconds since the first frame of the capture. Digits stand in clear: handle this picture like the \
                capture itself.";
    svg.text(130.0, 18.0, "s", note);
    let mut x = 6.0;
    let swatches: [(&str, &str); 12] = [
        ("#5d7186", "audio packet"),
        ("#b3bbc6", "other packet"),
        ("#e02020", "lost"),
        ("#8e24aa", "duplicate"),
        ("#b8860b", "reordered"),
        ("#00838f", "late"),
        ("#000", "refused"),
        ("#d95f02", "event packet, RFC 4733"),
        ("#0a8f6a", "inband tone, DTMF frequency"),
        ("#3566c0", "SIP INFO"),
        ("#37618e", "waveform"),
        ("#2b3f55", "lateness"),
    ];
    for (colour, name) in swatches {
        svg.raw(format_args!(r#"<rect x="{}" y="27" width="9" height="9" fill="{colour}"/>"#, Px(x)));
        svg.text(x + 12.0, 35.0, "s", name);
        x += 22.0 + 5.2 * name.len() as f64;
    }
    svg.text(6.0, 51.0, "s", "spectrogram, dB below full scale: -80");
    for (index, colour) in RAMP.iter().enumerate() {
        let x = 184.0 + 12.0 * index as f64;
        svg.raw(format_args!(r##"<rect x="{}" y="43" width="12" height="9" fill="#{colour}"/>"##, Px(x)));
    }
    svg.text(
        332.0,
        51.0,
        "s",
        "0. Lateness: arrival less what the RTP timestamp lets expect. Dashed bar: no end came.",
    );
    let mut y = 60.0;
    if tracks.left_out > 0 {
        let note = format!(
            "{} of {} streams are not drawn: a picture holds {}. Choose one with --port.",
            tracks.left_out,
            tracks.left_out + tracks.list.len(),
            tracks.list.len()
        );
        svg.text(6.0, y + 8.0, "h", &note);
        y += 16.0;
    }
    axis.draw(svg, y + 2.0);
    y + 40.0
}

/// The name of a panel that has room inside, at its left and again where the left is out of sight.
fn captions(svg: &mut Svg, axis: &Axis, y: f64, name: &str) {
    svg.text(6.0, y, "c", name);
    let mut x = LEFT + REPEAT;
    while x < axis.right() - REPEAT / 4.0 {
        svg.text(x, y, "c", name);
        x += REPEAT;
    }
}

fn document(svg: Svg, width: f64, height: f64) -> String {
    let (width, height) = (width.ceil(), height.ceil());
    let ramp: String = RAMP
        .iter()
        .enumerate()
        .map(|(index, colour)| format!(".cells .l{}{{stroke:#{colour}}}", index + 1))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n<style>{STYLE}{ramp}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{}</svg>\n",
        svg.0
    )
}
