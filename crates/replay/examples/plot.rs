//! Replays captures, prints what was heard as JSON lines, and draws each as SVG beside its name in a folder.
//!
//!     cargo run -p passline-replay --example plot -- FOLDER CAPTURE...
use passline_replay::{Options, Window, capture, replay_drawn};
use std::{error::Error, fs::File, path::Path, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder are the pictures for?")?;
    for file in arguments {
        let (frames, _) = capture::read(File::open(&file)?).map_err(|e| format!("{file}: {e}"))?;
        let (report, picture) =
            replay_drawn(Instant::now(), &frames, &Options::default(), &Window::default());
        let name = Path::new(&file).file_name().unwrap_or_default().to_string_lossy().into_owned();
        std::fs::write(Path::new(&folder).join(format!("{name}.svg")), &picture.svg)?;
        println!("{}", serde_json::json!({"file": name, "calls": report.calls, "streams": report.streams}));
    }
    Ok(())
}
