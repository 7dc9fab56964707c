//! WAV files: any rate and format that hound reads, to 8 kHz mono and back.
use crate::exit::Failure;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rubato::{Fft, FixedSync, Resampler, audioadapter_buffers::direct::InterleavedSlice};
use std::path::Path;

/// Reads a file as 8 kHz mono 16 bit.
pub fn read_8k(path: &Path) -> Result<Vec<i16>, Failure> {
    let fault = |what: String| Failure::input(format!("{}: {what}", path.display()));
    let mut reader = WavReader::open(path).map_err(|e| {
        fault(format!("cannot be read as WAV: {e}; convert it with `sox IN -r 8000 -c 1 -b 16 OUT.wav`"))
    })?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels.max(1));
    let interleaved: Result<Vec<f32>, _> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        SampleFormat::Int => {
            let scale = 1.0 / (1i64 << (spec.bits_per_sample - 1)) as f32;
            reader.samples::<i32>().map(|sample| sample.map(|value| value as f32 * scale)).collect()
        }
    };
    let interleaved = interleaved.map_err(|e| fault(format!("is cut short or damaged: {e}")))?;
    let mono: Vec<f32> =
        interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    let at_8k =
        if spec.sample_rate == 8000 { mono } else { resample(&mono, spec.sample_rate).map_err(fault)? };
    Ok(at_8k.into_iter().map(|sample| (sample * 32768.0).round().clamp(-32768.0, 32767.0) as i16).collect())
}

fn resample(mono: &[f32], rate: u32) -> Result<Vec<f32>, String> {
    if !(1000..=768_000).contains(&rate) {
        return Err(format!("has a sample rate of {rate} Hz; 1 kHz to 768 kHz can be read"));
    }
    let mut resampler =
        Fft::<f32>::new(rate as usize, 8000, 1024, 1, FixedSync::Both).map_err(|e| e.to_string())?;
    let wanted = (mono.len() as u64 * 8000 / u64::from(rate)) as usize;
    let mut out = vec![0.0; resampler.process_all_needed_output_len(mono.len())];
    let capacity = out.len();
    let input = InterleavedSlice::new(mono, 1, mono.len()).map_err(|e| e.to_string())?;
    let mut output = InterleavedSlice::new_mut(&mut out, 1, capacity).map_err(|e| e.to_string())?;
    let (_, written) = resampler
        .process_all_into_buffer(&input, &mut output, mono.len(), None)
        .map_err(|e| e.to_string())?;
    out.truncate(written.min(wanted));
    Ok(out)
}

/// Writes 8 kHz mono 16 bit.
pub fn write_8k(path: &Path, samples: &[i16]) -> Result<(), Failure> {
    let spec =
        WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let write = || -> Result<(), hound::Error> {
        let mut writer = WavWriter::create(path, spec)?;
        for sample in samples {
            writer.write_sample(*sample)?;
        }
        writer.finalize()
    };
    write().map_err(|e| Failure::machine(format!("{}: cannot be written: {e}", path.display())))
}
