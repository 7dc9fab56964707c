//! `passline replay`: the calls of a capture, as JSON lines or digits.
use crate::{cli::ReplayArgs, exit::Failure};
use passline_replay::{HeardDigit, Options, Picture, Report, StreamReport, Window, capture};
use serde_json::{Value, json};
use std::{path::Path, time::Instant};

/// Reads the file, runs it, prints.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let name = args.file.display();
    let file = std::fs::File::open(&args.file).map_err(|e| Failure::input(format!("{name}: {e}")))?;
    let (frames, cut) = capture::read(file).map_err(|e| Failure::input(format!("{name}: {e}")))?;
    if cut {
        eprintln!("{name}: is cut short or damaged after frame {}; what came before is shown", frames.len());
    }
    let options = Options { event_pt: args.event_pt, codec: args.codec, port: args.port };
    let report = match &args.plot {
        None => passline_replay::replay(Instant::now(), &frames, &options),
        Some(out) => {
            let window = Window { from: args.from, to: args.to };
            let (report, picture) = passline_replay::replay_drawn(Instant::now(), &frames, &options, &window);
            write_picture(&args.file, out, &picture)?;
            report
        }
    };
    if report.calls.is_empty() && report.streams.is_empty() {
        eprintln!("{name}: no call and no RTP stream in {} frames", frames.len());
    }
    if args.digits {
        print_digits(&report)
    } else {
        print_json(&report)
    }
    Ok(())
}

/// The picture goes to a file of its own; never over the capture.
fn write_picture(capture: &Path, out: &Path, picture: &Picture) -> Result<(), Failure> {
    let name = out.display();
    let same = |path: &Path| path.canonicalize().ok();
    if same(out).is_some_and(|out| Some(out) == same(capture)) {
        return Err(Failure::input(format!(
            "{name}: is the capture itself; name another file for the picture"
        )));
    }
    std::fs::write(out, &picture.svg).map_err(|e| Failure::input(format!("{name}: {e}")))?;
    eprintln!("{name}: {} streams drawn; the digits in it stand in clear", picture.drawn);
    if picture.left_out > 0 {
        eprintln!("{name}: {} more streams had no room; choose one with --port", picture.left_out);
    }
    Ok(())
}

fn print_digits(report: &Report) {
    let line =
        |digits: &[HeardDigit]| println!("{}", digits.iter().map(|digit| digit.digit).collect::<String>());
    for call in &report.calls {
        line(&call.digits);
    }
    for stream in &report.streams {
        line(&stream.digits);
    }
}

fn print_json(report: &Report) {
    for call in &report.calls {
        println!("{}", json!(call));
    }
    for stream in &report.streams {
        println!("{}", loose(stream));
    }
}

/// A stream without a call has the same fields as a call, with `call_id` null.
fn loose(stream: &StreamReport) -> Value {
    let mut value = json!(stream);
    value["call_id"] = Value::Null;
    value
}
