//! The tone detector against every category of the corpus. `PASSLINE_CORPUS=full` runs the full size,
//! `PASSLINE_SPEECH=DIR` adds a directory of 8 kHz recordings without digits. With `--nocapture` it prints the table.

mod digits;

use digits::{Random, Score, lines, sounds, voices};
use std::time::Instant;

/// (category, score, most missed, most extra) as parts of the full size.
struct Row {
    name: &'static str,
    score: Score,
    missed: usize,
    extra: usize,
}

#[allow(clippy::disallowed_methods)] // Prints how long each category took.
fn now() -> Instant {
    Instant::now()
}

#[test]
fn goals_are_reached() {
    let is_full = std::env::var("PASSLINE_CORPUS").is_ok_and(|v| v == "full");
    let part = if is_full { 1 } else { 8 };
    let only = std::env::var("PASSLINE_ONLY").ok();
    let mut rows = Vec::new();
    let mut add = |name: &'static str, missed: usize, extra: usize, make: &dyn Fn() -> Score| {
        if only.as_ref().is_some_and(|o| !name.contains(o.as_str())) {
            return;
        }
        let start = now();
        let score = make();
        println!(
            "{name:34} {:6} presses {:8.0} s   missed {:4}   extra {:4}   ({:.1} s)",
            score.truth,
            score.seconds,
            score.missed,
            score.extra,
            start.elapsed().as_secs_f64()
        );
        rows.push(Row { name, score, missed, extra });
    };
    add("decode", 0, 0, &|| lines::decode(480 / part));
    add("bandwidth, accept", 0, 0, &|| lines::bandwidth_accept(3168 / part));
    add("bandwidth, reject", 0, 0, &|| lines::bandwidth_reject(2112 / part));
    add("twist", 0, 0, &|| lines::twist(2400 / part));
    add("level 0 to -36", 0, 0, &|| lines::level(2208 / part, 0.0, -36.0));
    add("level -36 to -40", 0, 0, &|| lines::level(1600 / part, -36.0, -40.0));
    add("level below -55", 0, 0, &|| lines::level_reject(1600 / part));
    add("duration, accept", 0, 0, &|| lines::duration_accept(2016 / part));
    add("duration, reject", 0, 0, &|| lines::duration_reject(2016 / part));
    // One in some thousand second presses continues the phases of the first by chance.
    add("pause 40 to 100 ms", 2, 0, &|| lines::pauses(1952 / part, 40.0, 100.0));
    add("interruption to 10 ms", 2, 0, &|| lines::interruptions(2000 / part, 10.0));
    add("interruption to 19 ms", 2, 0, &|| lines::interruptions(2000 / part, 19.0));
    add("S/N 24 dB", 0, 0, &|| lines::noise(2000 / part, 24.0));
    add("S/N 15 dB", 0, 0, &|| lines::noise(2000 / part, 15.0));
    add("S/N 12 dB", 0, 0, &|| lines::noise(2000 / part, 12.0));
    add("S/N 9 dB", 20, 0, &|| lines::noise(2000 / part, 9.0));
    add("S/N 6 dB", 300, 0, &|| lines::noise(2000 / part, 6.0));
    add("hole 10 to 100 ms", 0, 25, &|| lines::holes(2544 / part, 10.0, 100.0));
    add("double press, 50 to 150 ms", 2, 0, &|| lines::pauses(1408 / part, 50.0, 150.0));
    add("rolling digits", 0, 0, &|| lines::rolling(288));
    add("fast dialling", 2, 0, &|| lines::fast(4000 / part));
    add("line faults", 0, 5, &|| lines::faults(3168 / part));
    add("codec chains", 5, 0, &|| lines::chains(2304 / part));
    add("barge-in", 25, 5, &|| {
        lines::barge_in(2400 / part, |r: &mut Random, n| voices::synthesize(r, n, false))
    });
    add("call progress", 0, 0, &|| sounds::progress(720 / part));
    add("music", 0, 0, &|| sounds::music(1200 / part, 91));
    add("noise", 0, 0, &|| sounds::noise(240));
    add("voices", 0, 0, &|| voices::talk_off(3600 / part, false, 93));
    add("harsh voices", 10, 10, &|| voices::talk_off(1800 / part, true, 94));
    if let Ok(directory) = std::env::var("PASSLINE_SPEECH") {
        add("recorded speech", 0, 2, &|| voices::recordings(&directory));
        let prompts = voices::read_all(&directory);
        let prompt = |r: &mut Random, n: usize| -> Vec<f64> {
            let (_, pcm) = &prompts[r.int(0, prompts.len() as i64 - 1) as usize];
            let start = r.int(0, (pcm.len() - n) as i64) as usize;
            pcm[start..start + n].iter().map(|&s| f64::from(s)).collect()
        };
        add("spoken barge-in", 25, 5, &|| lines::barge_in(2400, prompt));
    }
    for row in rows {
        let (missed, extra) = (row.missed.div_ceil(part), row.extra.div_ceil(part));
        assert!(row.score.missed <= missed, "{}: {:?}", row.name, row.score);
        assert!(row.score.extra <= extra, "{}: {:?}", row.name, row.score);
    }
}
