//! The tone detector behind every codec: the categories of the corpus that a codec could spoil. With `--nocapture` it
//! prints the table; `PASSLINE_CORPUS=full` runs the full size.

mod digits;

use digits::{Score, lines, over, sounds, voices};
use passline_rtp::{CODECS, Codec, FrameSize};

/// A category, its score, and how many of a hundred presses may be missed behind a codec that keeps the wave, and behind
/// one that only keeps the sound.
type Row = (&'static str, fn(usize) -> Score, usize, usize);

const ROWS: [Row; 10] = [
    ("decode", |part| lines::decode(480 / part), 0, 0),
    ("bandwidth, accept", |part| lines::bandwidth_accept(3168 / part), 0, 2),
    ("twist", |part| lines::twist(2400 / part), 0, 5),
    ("level 0 to -36", |part| lines::level(2208 / part, 0.0, -36.0), 0, 1),
    ("level -36 to -40", |part| lines::level(1600 / part, -36.0, -40.0), 1, 10),
    ("duration, accept", |part| lines::duration_accept(2016 / part), 0, 5),
    ("pause 50 to 150 ms", |part| lines::pauses(1408 / part, 50.0, 150.0), 1, 5),
    ("S/N 15 dB", |part| lines::noise(2000 / part, 15.0), 0, 5),
    ("voices", |part| voices::talk_off(3600 / part, false, 93), 0, 0),
    ("call progress", |part| sounds::progress(720 / part), 0, 0),
];

fn table(codec: Codec) {
    let part = if std::env::var("PASSLINE_CORPUS").is_ok_and(|v| v == "full") { 1 } else { 16 };
    let keeps_wave = matches!(codec.info().frame, FrameSize::Fixed(_));
    let mut wrong = Vec::new();
    for (name, make, strict, loose) in ROWS {
        let score = over(codec, || make(part));
        println!(
            "{:10} {name:20} {:6} presses {:6.0} s   missed {:4}   extra {:4}",
            codec.label(),
            score.truth,
            score.seconds,
            score.missed,
            score.extra
        );
        let percent = if keeps_wave { strict } else { loose };
        if score.missed * 100 > score.truth * percent || score.extra > 0 {
            wrong.push((name, score));
        }
    }
    assert!(wrong.is_empty(), "{}: {wrong:?}", codec.label());
}

#[test]
fn keys_are_told_from_all_else_behind_every_codec() {
    std::thread::scope(|scope| {
        for info in CODECS {
            scope.spawn(|| table(info.codec));
        }
    });
}
