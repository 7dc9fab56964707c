//! How many seconds of audio the tone detector hears in a second of one core.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use passline_benches::{self as audio, SECONDS};
use passline_rtp::{FrameKind, ToneDetector};

fn main() {
    divan::main();
}

fn listen(bencher: Bencher, audio: &[i16]) {
    // Items per second are seconds of audio.
    bencher.counter(ItemsCount::new(SECONDS)).bench_local(|| {
        let mut detector = ToneDetector::new();
        let mut digits = 0;
        for frame in black_box(audio).chunks(160) {
            detector.process(frame, FrameKind::Received);
            while detector.poll().is_some() {
                digits += 1;
            }
        }
        digits
    });
}

#[divan::bench]
fn silence(bencher: Bencher) {
    listen(bencher, &audio::silence());
}

#[divan::bench]
fn white_noise(bencher: Bencher) {
    listen(bencher, &audio::white_noise());
}

#[divan::bench]
fn digits(bencher: Bencher) {
    listen(bencher, &audio::digits());
}

#[divan::bench]
fn voice(bencher: Bencher) {
    listen(bencher, &audio::voice());
}
