//! Which digits the tone detector hears in WAV files (mono, 16 bit, 8000 Hz): `cargo run --release -p passline-rtp
//! --example tones -- FILE...` or, with many files, their paths on standard input.
use passline_rtp::detect_tones;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        files = std::io::read_to_string(std::io::stdin())?.lines().map(str::to_owned).collect();
    }
    let (mut seconds, mut digits) = (0.0, 0);
    for file in &files {
        let mut reader = hound::WavReader::open(file).map_err(|error| format!("{file}: {error}"))?;
        let spec = reader.spec();
        if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (1, 8000, 16) {
            return Err(format!("{file}: mono, 16 bit, 8000 Hz is wanted").into());
        }
        let samples = reader.samples::<i16>().collect::<Result<Vec<i16>, _>>()?;
        seconds += samples.len() as f64 / 8000.0;
        for tone in detect_tones(&samples) {
            digits += 1;
            let (at, ms) = (tone.start as f64 / 8000.0, tone.duration / 8);
            println!("{file}: {} at {at:.3} s for {ms} ms", tone.digit.to_char());
        }
    }
    println!("{} files, {:.1} minutes, {digits} digits", files.len(), seconds / 60.0);
    Ok(())
}
