//! `passline dtmf`: the digits in a WAV file.
use crate::{cli::DtmfArgs, exit::Failure, wav};
use passline_rtp::{MediaTime, Method, detect_tones};
use serde_json::json;

/// Prints the digits on one line, or one JSON line per digit.
pub fn run(args: &DtmfArgs) -> Result<(), Failure> {
    let tones = detect_tones(&wav::read_8k(&args.file)?);
    if args.json {
        for tone in tones {
            let duration = MediaTime(u64::from(tone.duration));
            let line = json!({
                "digit": tone.digit.to_char().to_string(),
                "at_ms": MediaTime(tone.start).ms(),
                "duration_ms": duration.ms(),
                "method": Method::Inband.as_str(),
            });
            println!("{line}");
        }
    } else {
        println!("{}", tones.iter().map(|tone| tone.digit.to_char()).collect::<String>());
    }
    Ok(())
}
