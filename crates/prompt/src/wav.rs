//! Reads the one form of WAV that clips have.
use hound::{SampleFormat, WavReader, WavSpec};
use std::io::Cursor;

/// Longest clip, in samples at 8 kHz (2 min).
const LONGEST: usize = 120 * 8000;

/// Form of all clips: 8 kHz, mono, 16 bit.
pub(crate) const SPEC: WavSpec =
    WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int };

/// Samples of a clip at 8 kHz, or a sentence on what is wrong with the file.
///
/// Other rates and channel counts are refused rather than converted: conversion belongs to `passline prompts render`,
/// which also brings the level to what the other clips have.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<i16>, String> {
    let mut reader =
        WavReader::new(Cursor::new(bytes)).map_err(|error| format!("not a WAV file ({error})"))?;
    let spec = reader.spec();
    if spec != SPEC {
        let kind = match spec.sample_format {
            SampleFormat::Int => "",
            SampleFormat::Float => " float",
        };
        return Err(format!(
            "has {} Hz, {} channel(s), {} bit{kind}; clips have 8000 Hz, 1 channel, 16 bit",
            spec.sample_rate, spec.channels, spec.bits_per_sample
        ));
    }
    // The length in the header may be a lie; the octets that are there are not.
    let mut samples = Vec::with_capacity((reader.len() as usize).min(bytes.len() / 2));
    for sample in reader.samples::<i16>() {
        samples.push(sample.map_err(|error| format!("breaks off ({error})"))?);
        if samples.len() > LONGEST {
            return Err("is longer than 2 minutes".to_owned());
        }
    }
    if samples.is_empty() {
        return Err("holds no sound".to_owned());
    }
    Ok(samples)
}

/// A clip's WAV file.
pub(crate) fn write(samples: &[i16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(44 + 2 * samples.len());
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + 2 * samples.len() as u32).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend_from_slice(&SPEC.sample_rate.to_le_bytes());
    bytes.extend_from_slice(&(SPEC.sample_rate * 2).to_le_bytes());
    bytes.extend_from_slice(b"\x02\0\x10\0data");
    bytes.extend_from_slice(&(2 * samples.len() as u32).to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_written_is_read() {
        let samples: Vec<i16> = (-400..400).map(|at| at * 80).collect();
        assert_eq!(read(&write(&samples)).unwrap(), samples);
    }

    #[test]
    fn other_forms_are_refused_by_name() {
        let spec = WavSpec {
            channels: 2,
            sample_rate: 44_100,
            bits_per_sample: 24,
            sample_format: SampleFormat::Int,
        };
        let mut cursor = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut cursor, spec).unwrap();
        writer.write_sample(1).unwrap();
        writer.write_sample(2).unwrap();
        writer.finalize().unwrap();
        let error = read(&cursor.into_inner()).unwrap_err();
        assert!(error.contains("44100 Hz, 2 channel(s), 24 bit"), "{error}");
        assert!(read(b"").is_err());
        assert!(read(&write(&[])).is_err());
        assert!(read(&write(&[1, 2, 3])[..46]).is_err());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(mut tail in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..60, flip: u8) {
            let _ = read(&tail);
            let mut wav = write(&[5; 40]);
            wav[at] ^= flip;
            let _ = read(&wav);
            wav.truncate(at);
            wav.append(&mut tail);
            let _ = read(&wav);
        }
    }
}
