//! All clips of a library in one codec, with fingerprints by which they are found in a stream.
use crate::{font::is_secret, library::Library, phrase::Rate};
use passline_rtp::codec::Codec;
use std::{cmp::Reverse, sync::Arc};

/// Octets of one fingerprint (8 ms): short enough to lie within one packet most of the time, long enough to be unique.
pub(super) const WINDOW: usize = 64;

/// Samples between the fingerprints of a clip (40 ms): two packets lost in a row still leave one in the third.
const SPACING: usize = 320;

/// A fingerprint must not be silence or a steady tone.
const DISTINCT: usize = 12;

/// Samples at or below this (of 32 767) count as silence; what is matched there proves nothing.
const QUIET: i16 = 40;

/// Fewer loud samples than this (10 ms) are no clip that could be told from others.
const LEAST_LOUD: u32 = 80;

/// Multiplier of the rolling hash.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15 | 1;

/// One sound; several clips may be the same sound ("four" as digit and as number).
pub(crate) struct Pattern {
    pub audio: Arc<[u8]>,
    /// Language and stem, most telling first.
    pub names: Arc<[(Arc<str>, Arc<str>)]>,
    pub rate: Rate,
    /// Samples that are not silence.
    pub loud: u32,
}

/// Shared by all matchers of one codec.
pub(crate) struct Index {
    pub patterns: Vec<Pattern>,
    /// Hash, pattern, offset; sorted.
    anchors: Vec<(u64, u32, u32)>,
    /// One bit per anchor hash: most samples of a stream need no search.
    filter: Vec<u64>,
    /// By octet: whether it is louder than silence.
    pub loud: [bool; 256],
}

impl Index {
    pub fn new(library: &Library, codec: Codec) -> Self {
        let codec = codec.law();
        let loud = loud_octets(codec);
        let patterns = patterns(library, codec, &loud);
        let mut anchors = Vec::new();
        for (number, pattern) in (0u32..).zip(&patterns) {
            anchor(&pattern.audio, &loud, |hash, offset| anchors.push((hash, number, offset)));
        }
        anchors.sort_unstable();
        let bits = (anchors.len() * 16).next_power_of_two().max(1024);
        let mut index = Self { patterns, anchors, filter: vec![0; bits / 64], loud };
        for at in 0..index.anchors.len() {
            let (word, bit) = index.place(index.anchors[at].0);
            index.filter[word] |= bit;
        }
        index
    }

    /// Pattern and offset of each fingerprint with this hash.
    pub fn find(&self, hash: u64) -> impl Iterator<Item = (u32, u32)> {
        let (word, bit) = self.place(hash);
        let from = match self.filter[word] & bit {
            0 => self.anchors.len(),
            _ => self.anchors.partition_point(|anchor| anchor.0 < hash),
        };
        self.anchors[from..]
            .iter()
            .take_while(move |anchor| anchor.0 == hash)
            .map(|anchor| (anchor.1, anchor.2))
    }

    /// Where the filter keeps the bit of a hash.
    fn place(&self, hash: u64) -> (usize, u64) {
        let mixed = (hash ^ (hash >> 29)).wrapping_mul(BASE) >> 20;
        let bit = mixed as usize & (self.filter.len() * 64 - 1);
        (bit / 64, 1 << (bit % 64))
    }
}

/// Hash of the last [`WINDOW`] octets (Rabin and Karp).
#[derive(Clone, Copy, Default)]
pub(super) struct Rolling(pub u64);

impl Rolling {
    pub fn push(&mut self, octet: u8) {
        self.0 = self.0.wrapping_mul(BASE).wrapping_add(u64::from(octet) + 1);
    }

    /// `oldest` is the octet that leaves the window.
    pub fn roll(&mut self, octet: u8, oldest: u8) {
        const LEAVING: u64 = BASE.wrapping_pow(WINDOW as u32);
        self.push(octet);
        self.0 = self.0.wrapping_sub((u64::from(oldest) + 1).wrapping_mul(LEAVING));
    }
}

fn loud_octets(codec: Codec) -> [bool; 256] {
    let mut octets = [0u8; 256];
    for (value, octet) in (0u8..=255).zip(&mut octets) {
        *octet = value;
    }
    let mut samples = [0i16; 256];
    codec.decode(&octets, &mut samples);
    samples.map(|sample| sample.unsigned_abs() > QUIET.unsigned_abs())
}

/// Every sound once, with all names that it has.
fn patterns(library: &Library, codec: Codec, loud: &[bool; 256]) -> Vec<Pattern> {
    let mut sounds = Vec::new();
    for language in library.all() {
        for recording in language.recordings.values() {
            for rate in recording.rates() {
                let audio = recording.audio(codec, *rate);
                let name = &recording.name;
                // Digits before numbers and letters before names of keys: what a secret is spelled with comes first.
                let order = (Reverse(is_secret(name)), name.starts_with("number_"));
                sounds.push((audio.clone(), *rate, order, language.code.clone(), name.clone()));
            }
        }
    }
    sounds.sort_unstable();
    let mut patterns = Vec::new();
    for same in sounds.chunk_by(|a, b| a.0 == b.0) {
        let count = same[0].0.iter().filter(|octet| loud[usize::from(**octet)]).count() as u32;
        if count >= LEAST_LOUD {
            patterns.push(Pattern {
                audio: same[0].0.clone(),
                rate: same[0].1,
                names: same.iter().map(|sound| (sound.3.clone(), sound.4.clone())).collect(),
                loud: count,
            });
        }
    }
    patterns
}

/// Calls `found` with hash and offset of each fingerprint of a clip.
fn anchor(audio: &[u8], loud: &[bool; 256], mut found: impl FnMut(u64, u32)) {
    let mut offset = 0;
    while let Some(window) = audio.get(offset..offset + WINDOW) {
        if telling(window, loud) {
            let mut hash = Rolling::default();
            window.iter().for_each(|octet| hash.push(*octet));
            found(hash.0, offset as u32);
            offset += SPACING;
        } else {
            offset += 16;
        }
    }
}

/// True for a window that is mostly sound, and varied.
fn telling(window: &[u8], loud: &[bool; 256]) -> bool {
    let mut seen = [false; 256];
    let (mut distinct, mut sound) = (0, 0);
    for octet in window {
        sound += usize::from(loud[usize::from(*octet)]);
        distinct += usize::from(!std::mem::replace(&mut seen[usize::from(*octet)], true));
    }
    sound >= WINDOW / 2 && distinct >= DISTINCT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolled_hash_is_that_of_its_window() {
        let octets: Vec<u8> = (0..500u32).map(|at| (at * at * 7 + at) as u8).collect();
        let mut rolling = Rolling::default();
        octets[..WINDOW].iter().for_each(|octet| rolling.push(*octet));
        for at in WINDOW..octets.len() {
            rolling.roll(octets[at], octets[at - WINDOW]);
            let mut fresh = Rolling::default();
            octets[at + 1 - WINDOW..=at].iter().for_each(|octet| fresh.push(*octet));
            assert_eq!(rolling.0, fresh.0);
        }
    }

    #[test]
    fn silence_and_steady_tones_are_no_fingerprints() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let loud = loud_octets(codec);
            assert!(!loud[usize::from(codec.silence())]);
            let mut count = 0;
            anchor(&vec![codec.silence(); 4000], &loud, |_, _| count += 1);
            let square: Vec<i16> = (0..4000).map(|at| if at / 8 % 2 == 0 { 5000 } else { -5000 }).collect();
            let mut octets = vec![0; 4000];
            codec.encode(&square, &mut octets);
            anchor(&octets, &loud, |_, _| count += 1);
            assert_eq!(count, 0);
        }
    }
}
