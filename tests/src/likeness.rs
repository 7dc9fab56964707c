//! Finds prompts in audio that went through a codec that changes each sample: by correlation, piece by piece.
//!
//! The exact matcher of [`crate::ear`] needs octets as they were sent. G.722 keeps the wave, but no octet, so here a clip
//! counts as heard only where nearly all of its loud pieces correlate with the recording, each by itself and all in
//! one place. What is loud and belongs to no clip is told of too: other words cannot hide between the right ones.
use crate::program::root;
use passline_rtp::Codec;
use rustfft::{Fft, FftPlannerScalar, num_complex::Complex};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Samples (8 kHz) of one piece: 125 ms.
const PIECE: usize = 1000;
/// Samples at most by which a clip is looked for: 500 ms from its first sound.
const PROBE: usize = 4000;
/// Correlation at which a piece is the same; that of other speech is spread around 0.
const ALIKE: f64 = 0.5;
/// The same of a whole probe.
const FOUND: f64 = 0.65;
/// Mean of the correlations of these pieces: short words of one voice are like one another in single pieces.
const CLEAR: f64 = 0.8;
/// Share of its loud pieces that a clip must have.
const SHARE: f64 = 0.85;
/// Root mean square below which there is silence.
const QUIET: f64 = 100.0;
/// A jitter buffer adds or drops whole frames of 20 ms, so many at most.
const FRAME: usize = 160;
const FRAMES: usize = 10;

/// One clip in 8000 Hz, under all the names that it has.
#[derive(Clone, Debug)]
pub struct Sound {
    /// Language and stem, e.g. `en/digit_4`.
    pub names: Vec<String>,
    pcm: Vec<i16>,
}

/// All shipped clips of these languages but the words of passwords, each sound once.
pub fn shipped(languages: &[&str]) -> Vec<Sound> {
    let mut sounds: BTreeMap<Vec<i16>, Vec<String>> = BTreeMap::new();
    for language in languages {
        let folder = root().join("media/prompts").join(language);
        for path in [wavs(&folder), wavs(&folder.join("font"))].concat() {
            let stem = path.file_stem().expect("a file").to_string_lossy();
            sounds.entry(read(&path)).or_default().push(format!("{language}/{stem}"));
        }
    }
    sounds.into_iter().map(|(pcm, names)| Sound { names, pcm }).collect()
}

fn wavs(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let files = files.map(|file| file.expect("a readable folder").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "wav")).collect()
}

fn read(path: &Path) -> Vec<i16> {
    let mut reader = hound::WavReader::open(path).expect("a WAV file");
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (8000, 1), "{}", path.display());
    reader.samples().map_while(Result::ok).collect()
}

/// A clip in a recording.
#[derive(Clone, Debug)]
pub struct Found {
    /// Names of the sound.
    pub names: Vec<String>,
    /// Place of its first sample.
    pub at: usize,
    /// Place behind the last sample that is certain.
    pub until: usize,
    /// It is there to its end.
    pub complete: bool,
    /// Correlation of its loud pieces that are there, added up.
    weight: f64,
}

impl Found {
    /// Whether the clip has this name.
    pub fn is(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }
}

/// What was heard.
#[derive(Clone, Debug, Default)]
pub struct Hearing {
    /// Clips in order.
    pub found: Vec<Found>,
    /// What is loud and none of them: places and samples.
    pub foreign: Vec<(usize, usize)>,
}

impl Hearing {
    /// Ms of sound that is none of the clips.
    pub fn foreign_ms(&self) -> usize {
        self.foreign.iter().map(|(_, samples)| samples / 8).sum()
    }
}

/// Listens to a recording of any multiple of 8000 Hz with nothing above 4 kHz in it: every second (third …) sample of it
/// is one of 8000 Hz. Of these the one counts that is nearest in time to what was said.
pub fn listen(sounds: &[Sound], heard: &[i16], rate: u32) -> Hearing {
    let ratio = (rate / 8000) as usize;
    let narrow = |phase: usize| heard.iter().skip(phase).step_by(ratio).copied().collect::<Vec<i16>>();
    let first = Recording::new(narrow(0)).hearing(sounds);
    let longest = first.found.iter().max_by(|a, b| a.weight.total_cmp(&b.weight));
    let Some(sound) = longest.and_then(|found| sounds.iter().find(|sound| sound.names == found.names)) else {
        return first;
    };
    let likeness = |phase: &usize| Recording::new(narrow(*phase)).best(sound);
    let best = (0..ratio).max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or(0);
    if best == 0 { first } else { Recording::new(narrow(best)).hearing(sounds) }
}

/// Whether a codec is known to give the wave back closely enough for this. Opus was not tried: of it the tests look at
/// signal and noise of a whole prompt.
pub fn keeps_the_wave(codec: Codec) -> bool {
    !codec.info().name.eq_ignore_ascii_case("opus")
}

struct Recording {
    pcm: Vec<i16>,
    /// Energy before each sample.
    energy: Vec<f64>,
    spectrum: Vec<Complex<f32>>,
    forward: std::sync::Arc<dyn Fft<f32>>,
    inverse: std::sync::Arc<dyn Fft<f32>>,
}

impl Recording {
    fn new(pcm: Vec<i16>) -> Self {
        let size = (pcm.len() + PROBE).next_power_of_two();
        let mut planner = FftPlannerScalar::new();
        let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
        let mut sum = 0.0;
        let mut energy = vec![0.0];
        energy.extend(pcm.iter().map(|sample| {
            sum += f64::from(*sample).powi(2);
            sum
        }));
        let mut spectrum = complex(&pcm, size);
        forward.process(&mut spectrum);
        Self { pcm, energy, spectrum, forward, inverse }
    }

    /// Correlation of a sound's probe with every place: -1 to 1. 0 where there is silence.
    fn correlation(&self, probe: &[i16]) -> Vec<f64> {
        let size = self.spectrum.len();
        let mut product = complex(probe, size);
        self.forward.process(&mut product);
        product.iter_mut().zip(&self.spectrum).for_each(|(probe, heard)| *probe = probe.conj() * heard);
        self.inverse.process(&mut product);
        let own = power(probe).sqrt();
        let places = (self.pcm.len() + 1).saturating_sub(probe.len());
        let at = |place: usize| {
            let energy = self.energy[place + probe.len()] - self.energy[place];
            let is_loud = energy > QUIET.powi(2) * probe.len() as f64;
            if is_loud { f64::from(product[place].re) / size as f64 / (own * energy.sqrt()) } else { 0.0 }
        };
        (0..places).map(at).collect()
    }

    /// The best correlation of a sound's probe.
    fn best(&self, sound: &Sound) -> f64 {
        let Some((_, probe)) = probe(sound) else { return 0.0 };
        self.correlation(probe).into_iter().fold(0.0, f64::max)
    }

    fn hearing(&self, sounds: &[Sound]) -> Hearing {
        let mut candidates: Vec<Found> = sounds.iter().flat_map(|sound| self.places(sound)).collect();
        // Of two that claim the same stretch, the one counts of which more is there.
        candidates.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let mut found: Vec<Found> = Vec::new();
        for candidate in candidates {
            let shares = |other: &Found| {
                let common = other.until.min(candidate.until).saturating_sub(other.at.max(candidate.at));
                4 * common > (other.until - other.at).min(candidate.until - candidate.at)
            };
            if !found.iter().any(shares) {
                found.push(candidate);
            }
        }
        found.sort_by_key(|found| found.at);
        let foreign = self.foreign(&found);
        Hearing { found, foreign }
    }

    /// Everywhere a sound may be, and how much of it.
    fn places(&self, sound: &Sound) -> Vec<Found> {
        let Some((offset, probe)) = probe(sound) else { return Vec::new() };
        let correlation = self.correlation(probe);
        let mut peaks: Vec<usize> = (0..correlation.len()).filter(|at| correlation[*at] >= FOUND).collect();
        peaks.sort_by(|a, b| correlation[*b].total_cmp(&correlation[*a]));
        let mut taken: Vec<usize> = Vec::new();
        for peak in peaks {
            if taken.iter().all(|other| other.abs_diff(peak) > PROBE / 4) {
                taken.push(peak);
            }
        }
        taken.iter().filter_map(|peak| self.compare(sound, peak.checked_sub(offset)?)).collect()
    }

    /// Compares a sound with the recording from this place on, piece by piece.
    fn compare(&self, sound: &Sound, at: usize) -> Option<Found> {
        let level = power(&sound.pcm) / sound.pcm.len() as f64;
        let (mut shift, mut until, mut loud, mut alike) = (0isize, at, 0usize, 0usize);
        let mut weight = 0.0;
        // Loud pieces in a row that were not there.
        let mut broken = 0;
        for (number, piece) in sound.pcm.chunks(PIECE).enumerate() {
            // What is nearly silent says nothing.
            if power(piece) / (piece.len() as f64) < level / 10.0 || piece.len() < PIECE / 2 {
                continue;
            }
            loud += 1;
            let place = at + number * PIECE;
            let same = |shift: isize| {
                let start = place.checked_add_signed(shift)?;
                let heard = self.pcm.get(start..start + piece.len())?;
                let likeness = likeness(piece, heard);
                (likeness >= ALIKE).then_some((shift, likeness))
            };
            let frames = (1..=FRAMES as isize).flat_map(|frames| [frames, -frames]);
            let mut shifts = frames.map(move |frames| shift + frames * FRAME as isize);
            match same(shift).or_else(|| shifts.find_map(same)) {
                Some((now, likeness)) => {
                    (shift, broken, alike, weight) = (now, 0, alike + 1, weight + likeness);
                    until = place.checked_add_signed(shift)? + piece.len();
                }
                None => broken += 1,
            }
            // Cut off: what follows is something else, and another place.
            if broken == 3 {
                break;
            }
        }
        let complete = broken < 2 && alike as f64 >= SHARE * loud as f64;
        let certain = alike > 0
            && weight >= CLEAR * alike as f64
            && (complete || alike as f64 >= SHARE * (loud - broken) as f64);
        let end = at + sound.pcm.len();
        let until = if complete { end.saturating_add_signed(shift) } else { until };
        certain.then(|| Found { names: sound.names.clone(), at, until, complete, weight })
    }

    /// Stretches that are loud and lie in no clip: frames of 20 ms, alone or in a row.
    fn foreign(&self, found: &[Found]) -> Vec<(usize, usize)> {
        let mut foreign: Vec<(usize, usize)> = Vec::new();
        for start in (0..self.pcm.len().saturating_sub(FRAME)).step_by(FRAME) {
            let end = start + FRAME;
            let is_loud = self.energy[end] - self.energy[start] > QUIET.powi(2) * FRAME as f64;
            // A clip that was cut off ends within a piece.
            let slack = |found: &Found| if found.complete { FRAME } else { PIECE + FRAME };
            let known = found.iter().any(|one| one.at < end + FRAME && start < one.until + slack(one));
            match foreign.last_mut() {
                _ if !is_loud || known => {}
                Some((at, samples)) if *at + *samples == start => *samples += FRAME,
                _ => foreign.push((start, FRAME)),
            }
        }
        foreign
    }
}

/// By what a sound is looked for, and where in it that begins; `None`: it has too little sound.
fn probe(sound: &Sound) -> Option<(usize, &[i16])> {
    let is_loud = |frame: &[i16]| power(frame) > QUIET.powi(2) * frame.len() as f64;
    let first = sound.pcm.chunks(FRAME).position(is_loud)? * FRAME;
    let probe = &sound.pcm[first..sound.pcm.len().min(first + PROBE)];
    (probe.len() >= PIECE).then_some((first, probe))
}

fn complex(pcm: &[i16], size: usize) -> Vec<Complex<f32>> {
    let mut all: Vec<_> = pcm.iter().map(|sample| Complex::new(f32::from(*sample), 0.0)).collect();
    all.resize(size, Complex::default());
    all
}

fn power(pcm: &[i16]) -> f64 {
    pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum()
}

/// Correlation of two stretches of the same length, -1 to 1.
fn likeness(a: &[i16], b: &[i16]) -> f64 {
    let product: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    let scale = (power(a) * power(b)).sqrt();
    if scale > 0.0 { product / scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use passline_rtp::CODECS;

    /// These clips with pauses between them, as a codec leaves them.
    fn through(codec: Codec, parts: &[&[i16]]) -> Vec<i16> {
        let mut said = vec![0; 4000];
        for part in parts {
            said.extend_from_slice(part);
            said.extend([0; 1600]);
        }
        let (mut encoder, mut decoder) = (codec.encoder(), codec.decoder());
        let (mut packet, mut heard) = (vec![0; 1500], Vec::new());
        for frame in said.chunks_exact(FRAME) {
            let octets = encoder.encode(frame, &mut packet);
            let mut samples = [0; FRAME];
            let count = decoder.decode(&packet[..octets], 0, &mut samples);
            heard.extend_from_slice(&samples[..count]);
        }
        heard
    }

    fn sound(name: &str, pcm: &[i16]) -> Sound {
        Sound { names: vec![name.to_owned()], pcm: pcm.to_vec() }
    }

    fn clip(name: &str) -> Vec<i16> {
        read(&root().join(format!("media/prompts/{name}.wav")))
    }

    fn names(hearing: &Hearing) -> Vec<(&str, bool)> {
        hearing.found.iter().map(|found| (found.names[0].as_str(), found.complete)).collect()
    }

    const SAID: [&str; 4] = ["en/line_test_prompt", "en/you_pressed", "en/font/digit_4", "en/goodbye"];

    #[test]
    fn what_was_said_is_found_through_every_codec_and_nothing_else_is() {
        let sounds = shipped(&["en", "de"]);
        let said = SAID.map(clip);
        let parts: Vec<&[i16]> = said.iter().map(Vec::as_slice).collect();
        for info in CODECS.iter().filter(|info| keeps_the_wave(info.codec)) {
            let hearing = listen(&sounds, &through(info.codec, &parts), 8000);
            let found: Vec<_> =
                hearing.found.iter().map(|found| (found.names.clone(), found.complete)).collect();
            assert_eq!(found.len(), SAID.len(), "{}: {found:?}", info.label);
            for (name, found) in SAID.iter().zip(&hearing.found) {
                let name = name.replace("font/", "");
                assert!(found.is(&name) && found.complete, "{}: {name} {found:?}", info.label);
            }
            assert_eq!(hearing.foreign_ms(), 0, "{}: {:?}", info.label, hearing.foreign);
        }
    }

    #[test]
    fn wrong_audio_is_not_taken_for_a_prompt() {
        let [prompt, pressed, digit, goodbye] = SAID.map(clip);
        let of = |known: &[(&str, &[i16])], parts: &[&[i16]]| {
            let sounds: Vec<_> = known.iter().map(|(name, pcm)| sound(name, pcm)).collect();
            listen(&sounds, &through(Codec::G722, parts), 8000)
        };
        // Speech by the same voice that is another sentence.
        let other = of(&[("pressed", &pressed), ("digit", &digit)], &[&prompt, &goodbye]);
        assert!(other.found.is_empty() && other.foreign_ms() > 5000, "{:?}", names(&other));
        // The right beginning with another end is not the prompt, and its end belongs to nothing.
        let spliced = [&prompt[..24_000], &goodbye].concat();
        let half = of(&[("prompt", &prompt), ("digit", &digit)], &[&spliced]);
        assert_eq!(names(&half), [("prompt", false)]);
        assert!(half.foreign_ms() > 300, "{:?}", half.foreign);
        // Backwards, and as noise of the same loudness in each sample.
        let backwards: Vec<i16> = prompt.iter().rev().copied().collect();
        let mut seed = 1u32;
        let noise: Vec<i16> = prompt
            .iter()
            .map(|sample| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if seed >> 31 == 0 { *sample } else { sample.saturating_neg() }
            })
            .collect();
        for wrong in [&backwards, &noise] {
            let hearing = of(&[("prompt", &prompt)], &[wrong]);
            assert!(hearing.found.is_empty() && hearing.foreign_ms() > 3000, "{:?}", names(&hearing));
        }
        // Too much is foreign, in another order it is another order, and what is cut off is not complete.
        let much = of(&[("prompt", &prompt), ("digit", &digit)], &[&prompt, &goodbye, &digit]);
        assert_eq!(names(&much), [("prompt", true), ("digit", true)]);
        assert!(much.foreign_ms() > 300, "{:?}", much.foreign);
        let order = of(&[("prompt", &prompt), ("digit", &digit)], &[&digit, &prompt[..16_000]]);
        assert_eq!(names(&order), [("digit", true), ("prompt", false)]);
        assert_eq!(order.foreign_ms(), 0, "{:?}", order.foreign);
    }

    #[test]
    fn frames_that_a_jitter_buffer_adds_or_drops_are_no_other_words() {
        let prompt = clip(SAID[0]);
        let dropped = [&prompt[..20_000], &prompt[20_000 + 2 * FRAME..]].concat();
        let added = [&prompt[..20_000], &[0; 3 * FRAME], &prompt[20_000..]].concat();
        for shifted in [&dropped, &added] {
            let hearing = listen(&[sound("prompt", &prompt)], &through(Codec::G722, &[shifted]), 8000);
            assert_eq!(names(&hearing), [("prompt", true)]);
            assert_eq!(hearing.foreign_ms(), 0, "{:?}", hearing.foreign);
        }
    }
}
