//! Slower speech at the same pitch: waveform-similarity overlap-add (WSOLA, Verhelst and Roelands, ICASSP 1993).

/// Samples that each step puts out, and length of each cross-fade (15 ms): longer than most pitch periods.
const STEP: usize = 120;

/// How far around its nominal place the best continuation is searched (8 ms each way): 16 ms hold a period of 63 Hz.
const SEARCH: usize = 64;

/// Shorter clips (60 ms) stay as they are: there is no room to look for a continuation.
const SHORTEST: usize = 4 * STEP;

/// Says `input` (8 kHz) at `percent` of its speed, 50 to 100. The first and the last samples stay as they are, so that
/// joints are as clean as those of the original; the length is right within 8 ms.
pub(crate) fn stretch(input: &[i16], percent: usize) -> Vec<i16> {
    if !(50..100).contains(&percent) || input.len() < SHORTEST {
        return input.to_vec();
    }
    let fade: Vec<f32> = (0..STEP)
        .map(|at| 0.5 - 0.5 * (std::f32::consts::PI * (at as f32 + 0.5) / STEP as f32).cos())
        .collect();
    let signal: Vec<f32> = input.iter().map(|sample| f32::from(*sample)).collect();
    let target = input.len() * 100 / percent;
    let mut output = Vec::with_capacity(target + 2 * SEARCH);
    output.extend_from_slice(&input[..STEP]);
    // Where the output so far would go on if nothing were repeated.
    let mut next = STEP;
    loop {
        let place = output.len() * percent / 100;
        let last = place + 2 * STEP + SEARCH >= input.len();
        // At the end, the place from which the rest has the wanted length.
        let place = if last {
            input.len().saturating_sub(target.saturating_sub(output.len()).max(STEP))
        } else {
            place
        };
        let Some(continuation) = signal.get(next..next + STEP) else {
            output.extend_from_slice(&input[next.min(input.len())..]);
            return output;
        };
        let from = best(&signal, continuation, place);
        for at in 0..STEP {
            let sample = continuation[at] * (1.0 - fade[at]) + signal[from + at] * fade[at];
            output.push(sample.round() as i16);
        }
        next = from + STEP;
        if last {
            output.extend_from_slice(&input[next..]);
            return output;
        }
    }
}

/// The start near `place` whose [`STEP`] samples are most like `continuation` (normalised correlation).
fn best(signal: &[f32], continuation: &[f32], place: usize) -> usize {
    let highest = signal.len() - STEP;
    let (low, high) = (place.saturating_sub(SEARCH).min(highest), (place + SEARCH).min(highest));
    let middle = place.min(highest);
    let score = |from: usize| {
        let candidate = &signal[from..from + STEP];
        let energy = dot(candidate, candidate);
        // In silence, stay in place.
        if energy < 1.0 { 0.0 } else { dot(candidate, continuation) / energy.sqrt() }
    };
    let mut best = (score(middle), middle);
    for from in (low..=high).step_by(2) {
        let found = score(from);
        if found > best.0 {
            best = (found, from);
        }
    }
    for from in [best.1.saturating_sub(1), best.1 + 1] {
        if (low..=high).contains(&from) {
            let found = score(from);
            if found > best.0 {
                best = (found, from);
            }
        }
    }
    best.1
}

/// In eight lanes, since the compiler may not reorder a plain float sum into vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(hz: f32, samples: usize, amplitude: f32) -> Vec<i16> {
        (0..samples)
            .map(|at| (amplitude * (std::f32::consts::TAU * hz * at as f32 / 8000.0).sin()) as i16)
            .collect()
    }

    fn noise(samples: usize) -> Vec<i16> {
        let mut state = 1u32;
        (0..samples)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as i16 / 8
            })
            .collect()
    }

    fn level(samples: &[i16]) -> f64 {
        let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        10.0 * (energy / samples.len() as f64).log10()
    }

    /// Rising zero crossings per second.
    fn pitch(samples: &[i16]) -> f64 {
        let crossings = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        crossings as f64 * 8000.0 / samples.len() as f64
    }

    #[test]
    fn length_changes_and_pitch_and_level_do_not() {
        for percent in [80, 65] {
            for hz in [80.0, 123.0, 210.0, 440.0, 1000.0] {
                let input = tone(hz, 6000, 6000.0);
                let output = stretch(&input, percent);
                let want = 6000 * 100 / percent;
                assert!(output.len().abs_diff(want) <= 64, "{percent} {hz}: {} not {want}", output.len());
                assert!(
                    (pitch(&output) - f64::from(hz)).abs() < 0.03 * f64::from(hz) + 3.0,
                    "{percent} {hz}: {}",
                    pitch(&output)
                );
                assert!(
                    (level(&output) - level(&input)).abs() < 0.5,
                    "{percent} {hz}: {}",
                    level(&output) - level(&input)
                );
                // No click: a sine's steps stay as small as they were (a hair more where two phases meet).
                let step = |samples: &[i16]| {
                    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max()
                };
                assert!(
                    step(&output) <= step(&input).map(|step| step * 12 / 10 + 60),
                    "{percent} {hz}: {:?} {:?}",
                    step(&output),
                    step(&input)
                );
            }
        }
    }

    #[test]
    fn a_sound_of_changing_pitch_stays_in_order() {
        // A chirp from 100 Hz to 300 Hz: the middle of the output has the pitch of the middle of the input.
        let mut phase = 0.0f32;
        let input: Vec<i16> = (0..8000)
            .map(|at| {
                phase += std::f32::consts::TAU * (100.0 + 200.0 * at as f32 / 8000.0) / 8000.0;
                (5000.0 * phase.sin()) as i16
            })
            .collect();
        let output = stretch(&input, 65);
        for part in [0.25, 0.5, 0.75] {
            let middle = (output.len() as f32 * part) as usize;
            let heard = pitch(&output[middle - 800..middle + 800]);
            assert!((heard - (100.0 + 200.0 * f64::from(part))).abs() < 20.0, "{part}: {heard}");
        }
    }

    #[test]
    fn noise_keeps_its_level_and_the_ends_stay() {
        let input = noise(5000);
        for percent in [80, 65] {
            let output = stretch(&input, percent);
            assert!((level(&output) - level(&input)).abs() < 1.5, "{}", level(&output) - level(&input));
            assert_eq!(output[..STEP], input[..STEP]);
            assert_eq!(output[output.len() - 8..], input[input.len() - 8..]);
        }
    }

    proptest! {
        #[test]
        fn any_input_gives_an_output_of_the_right_length(input in proptest::collection::vec(any::<i16>(), 0..2500), percent in 0usize..120) {
            let output = stretch(&input, percent);
            if (50..100).contains(&percent) && input.len() >= SHORTEST {
                prop_assert!(output.len().abs_diff(input.len() * 100 / percent) <= SEARCH + STEP, "{} {}", output.len(), input.len());
            } else {
                prop_assert_eq!(output, input);
            }
        }
    }
}
