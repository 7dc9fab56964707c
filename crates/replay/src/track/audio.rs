//! The audio of a stream, laid out on the capture's clock.
use super::Span;
use passline_rtp::codec::Decoder;
use passline_rtp::{Codec, FrameKind, ToneDetector};
use std::collections::BTreeMap;

/// Audio that is missing for longer (2 s) ends what the tone detector knows; the digit path has the same limit.
const FILL: i64 = 16_000;

/// A piece of audio that lies in one place.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Samples at 8000 Hz on the capture's clock.
    at: i64,
    offset: usize,
    length: usize,
}

/// Decoded audio; what was never received is not there.
#[derive(Debug, Default)]
pub(crate) struct Audio {
    samples: Vec<i16>,
    /// In order and without overlap, once settled.
    pieces: Vec<Piece>,
    decoders: BTreeMap<Codec, Decoder>,
}

impl Audio {
    /// Takes a packet's payload that belongs at `at`.
    pub(super) fn push(&mut self, at: i64, codec: Codec, payload: &[u8]) {
        let offset = self.samples.len();
        self.samples.resize(offset + codec.samples(payload), 0);
        let decoder = self.decoders.entry(codec).or_insert_with(|| codec.decoder());
        let length = decoder.decode(payload, 0, &mut self.samples[offset..]);
        self.samples.truncate(offset + length);
        self.pieces.push(Piece { at, offset, length });
    }

    /// Brings packets into the order of their timestamps; of two at one place the first counts.
    pub(super) fn settle(&mut self) {
        self.pieces.sort_by_key(|piece| piece.at);
        let mut end = i64::MIN;
        for piece in &mut self.pieces {
            let known = usize::try_from(end.saturating_sub(piece.at)).unwrap_or(0).min(piece.length);
            piece.at += known as i64;
            piece.offset += known;
            piece.length -= known;
            end = end.max(piece.at + piece.length as i64);
        }
        self.pieces.retain(|piece| piece.length > 0);
    }

    /// Whether nothing was decoded.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The largest magnitude.
    pub(crate) fn peak(&self) -> u16 {
        self.samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
    }

    /// The parts of `from..to` that were received.
    pub(crate) fn parts(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, &[i16])> {
        let first = self.pieces.partition_point(|piece| piece.at + piece.length as i64 <= from);
        self.pieces[first..].iter().take_while(move |piece| piece.at < to).map(move |piece| {
            let skip = usize::try_from(from - piece.at).unwrap_or(0);
            let end = piece.length.min(usize::try_from(to - piece.at).unwrap_or(0));
            (piece.at + skip as i64, &self.samples[piece.offset + skip..piece.offset + end])
        })
    }

    /// The tones in it, in clear of any other evidence.
    pub(super) fn tones(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut detector = ToneDetector::new();
        // Where the detector's sample 0 lies, and where its next one does.
        let (mut zero, mut next) = (0, None);
        for piece in &self.pieces {
            match next.map(|next| piece.at - next) {
                Some(0) => {}
                Some(missing @ 1..=FILL) => detector.skip(missing as u32),
                _ => {
                    finish(&mut detector, zero, &mut spans);
                    zero = piece.at;
                }
            }
            for frame in self.samples[piece.offset..piece.offset + piece.length].chunks(160) {
                detector.process(frame, FrameKind::Received);
                drain(&mut detector, zero, &mut spans);
            }
            next = Some(piece.at + piece.length as i64);
        }
        finish(&mut detector, zero, &mut spans);
        spans
    }
}

fn finish(detector: &mut ToneDetector, zero: i64, spans: &mut Vec<Span>) {
    detector.finish();
    drain(detector, zero, spans);
    *detector = ToneDetector::new();
}

fn drain(detector: &mut ToneDetector, zero: i64, spans: &mut Vec<Span>) {
    while let Some(tone) = detector.poll() {
        let from = zero + tone.start as i64;
        let holes = match tone.bridged {
            0 => String::new(),
            bridged => format!(", {bridged} holes bridged"),
        };
        spans.push(Span {
            from,
            to: from + i64::from(tone.duration),
            label: tone.digit.to_char().to_string(),
            detail: format!("tone{holes}"),
            is_open: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_laid_out_once_and_gaps_stay_gaps() {
        let mut audio = Audio::default();
        let silence = [Codec::Pcmu.silence(); 160];
        for at in [320, 0, 0, 80, 1000] {
            audio.push(at, Codec::Pcmu, &silence);
        }
        audio.settle();
        let parts: Vec<_> = audio.parts(100, 1050).map(|(at, part)| (at, part.len())).collect();
        assert_eq!(parts, [(100, 60), (160, 80), (320, 160), (1000, 50)]);
        assert_eq!(audio.parts(480, 1000).count(), 0);
    }
}
