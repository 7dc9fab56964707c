//! Our tone detector beside spandsp's (Debian's libspandsp-dev, and a C compiler), in one run and by turns: seconds of audio
//! per CPU second, medians of five, and the digits that each heard.
use passline_benches as audio;
use passline_rtp::{FrameKind, ToneDetector};
use std::{fs, path::Path, process::Command};

const RUNS: usize = 5;
/// How often each run hears the ten seconds.
const TIMES: usize = 1000;

fn main() {
    // `cargo test` runs benches of this kind too, to see that they start.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::Builder::new().prefix("passline-bench-").tempdir().expect("a temporary folder");
    let (program, raw) = (folder.path().join("spandsp"), folder.path().join("audio.raw"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/spandsp.c");
    let built =
        Command::new("cc").arg("-O2").arg("-o").arg(&program).arg(source).args(["-lspandsp", "-lm"]).status();
    assert!(built.is_ok_and(|status| status.success()), "install gcc and libspandsp-dev");
    println!("{:<12} {:>24} {:>24} {:>8}", "", "Passline s/s (digits)", "spandsp s/s (digits)", "ratio");
    let cases = [
        ("silence", audio::silence()),
        ("white noise", audio::white_noise()),
        ("digits", audio::digits()),
        ("voice", audio::voice()),
    ];
    for (name, samples) in cases {
        let octets: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        fs::write(&raw, octets).expect("our own folder");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            ours.push(passline(&samples));
            let arguments = [raw.to_str().expect("a path"), &TIMES.to_string()].map(str::to_owned);
            let said = Command::new(&program).args(arguments).output().expect("it was built");
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            let mut words = said.split_whitespace();
            let mut word = || words.next().and_then(|word| word.parse::<f64>().ok()).expect("two numbers");
            theirs.push((word(), word() as usize));
        }
        let median = |runs: &mut Vec<(f64, usize)>| {
            runs.sort_by(|a, b| a.0.total_cmp(&b.0));
            ((TIMES * audio::SECONDS) as f64 / runs[RUNS / 2].0, runs[0].1)
        };
        let ((we, heard), (they, they_heard)) = (median(&mut ours), median(&mut theirs));
        println!("{name:<12} {we:>17.0} ({heard:>4}) {they:>17.0} ({they_heard:>4}) {:>8.2}", we / they);
    }
}

/// CPU seconds, and the digits of one hearing.
fn passline(samples: &[i16]) -> (f64, usize) {
    let begin = cpu_seconds();
    let mut digits = 0;
    for _ in 0..TIMES {
        let mut detector = ToneDetector::new();
        for frame in std::hint::black_box(samples).chunks(160) {
            detector.process(frame, FrameKind::Received);
            while detector.poll().is_some() {
                digits += 1;
            }
        }
        detector.finish();
        digits += usize::from(detector.poll().is_some());
    }
    (cpu_seconds() - begin, digits / TIMES)
}

/// What this thread has run, by the scheduler's account.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).expect("nanoseconds") / 1e9
}
