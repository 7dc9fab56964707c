//! `passline replay`: the calls of a capture, as JSON lines or digits.
use crate::{
    cli::{CodecArg, ReplayArgs},
    exit::Failure,
};
use passline_replay::{HeardDigit, Options, Report, StreamReport, capture};
use passline_rtp::Codec;
use serde_json::{Value, json};
use std::time::Instant;

/// Reads the file, runs it, prints.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let name = args.file.display();
    let file = std::fs::File::open(&args.file).map_err(|e| Failure::input(format!("{name}: {e}")))?;
    let (frames, cut) = capture::read(file).map_err(|e| Failure::input(format!("{name}: {e}")))?;
    if cut {
        eprintln!("{name}: is cut short or damaged after frame {}; what came before is shown", frames.len());
    }
    let codec = args.codec.map(|codec| match codec {
        CodecArg::Pcmu => Codec::Pcmu,
        CodecArg::Pcma => Codec::Pcma,
    });
    let options = Options { event_pt: args.event_pt, codec, port: args.port };
    let report = passline_replay::replay(Instant::now(), &frames, &options);
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
