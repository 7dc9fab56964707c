//! Listening to recordings.
use passline_rtp::Codec;
use passline_tests::{ear::Ear, voice::Voice};
use std::path::Path;

/// Listens to PCM at 8 kHz that came as G.711 µ-law: to encode it again gives the same octets.
pub fn hear(samples: &[i16], voice: Voice) -> Ear {
    let mut ear = Ear::new(&voice.library(), Codec::Pcmu);
    let mut frame = [0; 160];
    for samples in samples.chunks_exact(160) {
        Codec::Pcmu.encode(samples, &mut frame);
        ear.hear(&frame);
    }
    ear.finish();
    ear
}

/// Listens to a WAV file of 8 kHz.
pub fn listen(path: &Path, voice: Voice) -> Ear {
    let mut reader = hound::WavReader::open(path).expect("a WAV file");
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (8000, 1));
    hear(&reader.samples().map_while(Result::ok).collect::<Vec<i16>>(), voice)
}
