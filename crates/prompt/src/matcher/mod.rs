//! Finds clips of a library in received audio again, by exact comparison of the encoded samples.
//!
//! G.711 carries octets unchanged from player to listener, so what was said can be proven rather than guessed: a rolling
//! hash finds fingerprints of clips anywhere in the stream, and each find is then compared octet by octet.

mod candidate;
mod heard;
mod index;

use crate::library::Library;
use candidate::Candidate;
use index::{Rolling, WINDOW};
use passline_rtp::codec::Codec;
use std::{collections::VecDeque, fmt, sync::Arc};

pub use heard::Heard;
pub(crate) use index::Index;

/// Samples kept for comparing what came before a fingerprint (256 ms).
const HISTORY: usize = 2048;

/// Clips compared at the same time; sounds that repeat within themselves would give more.
const CANDIDATES: usize = 64;

/// Emitted clips that are kept so that a worse reading of the same stretch is not emitted too.
const EMITTED: usize = 16;

/// The ear of a scripted caller: give it every received payload in playout order, and it tells which clips it heard.
///
/// Each occurrence is reported once, at its end (or when it broke off). Frames need not be aligned with clips; lost,
/// garbled, dropped and inserted packets are tolerated. Costs about 1 % of a core per hundred calls.
pub struct Matcher {
    index: Arc<Index>,
    /// Samples since the first; lost ones count.
    clock: u64,
    history: Box<[Option<u8>; HISTORY]>,
    rolling: Rolling,
    /// Received samples in a row, up to [`WINDOW`].
    contiguous: usize,
    active: Vec<Candidate>,
    over: Vec<Candidate>,
    emitted: VecDeque<Candidate>,
    heard: VecDeque<Heard>,
}

impl Matcher {
    /// The fingerprints of a library are made with the first matcher of a codec and shared by all others.
    pub fn new(library: &Library, codec: Codec) -> Self {
        Self {
            index: library.index(codec),
            clock: 0,
            history: Box::new([None; HISTORY]),
            rolling: Rolling::default(),
            contiguous: 0,
            active: Vec::with_capacity(CANDIDATES),
            over: Vec::new(),
            emitted: VecDeque::with_capacity(EMITTED),
            heard: VecDeque::new(),
        }
    }

    /// The next received octets, any number of them.
    pub fn hear(&mut self, payload: &[u8]) {
        for octet in payload {
            self.advance(Some(*octet));
            if self.contiguous < WINDOW {
                self.contiguous += 1;
                self.rolling.push(*octet);
            } else if let Some(oldest) = self.past(WINDOW as u64 + 1) {
                self.rolling.roll(*octet, oldest);
            }
            if self.contiguous == WINDOW {
                self.look();
            }
        }
        self.settle();
    }

    /// So many samples (8 kHz) were not received or were made up by the receiver.
    pub fn lost(&mut self, samples: usize) {
        for _ in 0..samples {
            self.advance(None);
        }
        self.contiguous = 0;
        self.rolling = Rolling::default();
        self.settle();
    }

    /// The call is over: what is being heard is reported as it stands.
    pub fn finish(&mut self) {
        self.over.append(&mut self.active);
        self.settle();
    }

    /// The next clip that was heard, in order of their ends.
    pub fn poll(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    /// The clip that is being said now, once 60 ms of it are certain; for a caller who answers before it ends. Its
    /// `complete` is false, and a longer clip with the same beginning may turn out to be the one.
    pub fn hearing(&self) -> Option<Heard> {
        let proven = |candidate: &&Candidate| candidate.is_proven(self.index.pattern(candidate.pattern));
        let best = self.active.iter().filter(proven).max_by_key(|candidate| candidate.weight)?;
        Some(Heard::new(best, self.index.pattern(best.pattern)))
    }

    /// Samples (8 kHz) heard or lost so far.
    pub fn clock(&self) -> u64 {
        self.clock
    }

    fn advance(&mut self, octet: Option<u8>) {
        for candidate in &mut self.active {
            candidate.step(octet, &self.index.patterns[candidate.pattern as usize], &self.index.loud);
        }
        self.history[self.clock as usize % HISTORY] = octet;
        self.clock += 1;
    }

    /// The octet so many samples ago (1 is the last).
    fn past(&self, ago: u64) -> Option<u8> {
        match self.clock.checked_sub(ago) {
            Some(place) if ago <= HISTORY as u64 => self.history[place as usize % HISTORY],
            _ => None,
        }
    }

    /// Starts comparing with each clip that has a fingerprint like the last octets.
    fn look(&mut self) {
        let index = self.index.clone();
        for (number, offset) in index.find(self.rolling.0) {
            let start = self.clock as i64 - WINDOW as i64 - i64::from(offset);
            if self.active.iter().any(|candidate| candidate.pattern == number && candidate.start == start) {
                continue;
            }
            let pattern = index.pattern(number);
            let end = offset as usize + WINDOW;
            let window = pattern.audio[offset as usize..end].iter();
            if !window.rev().zip(1..).all(|(octet, ago)| self.past(ago) == Some(*octet)) {
                continue;
            }
            let from = end - end.min(HISTORY).min(self.clock as usize);
            let mut candidate = Candidate::new(number, start, from as u32);
            for ago in (1..=end - from).rev() {
                candidate.step(self.past(ago as u64), pattern, &index.loud);
            }
            if self.active.len() == CANDIDATES {
                let weakest = (0..CANDIDATES).min_by_key(|at| self.active[*at].weight).unwrap_or(0);
                self.active.swap_remove(weakest);
            }
            self.active.push(candidate);
        }
    }

    /// Decides between readings of the same stretch as soon as nothing better can come.
    fn settle(&mut self) {
        let index = self.index.clone();
        let pattern = |candidate: &Candidate| index.pattern(candidate.pattern);
        let over = &mut self.over;
        self.active.retain(|candidate| {
            let is_over = candidate.is_over(pattern(candidate));
            if is_over {
                over.push(*candidate);
            }
            !is_over
        });
        if self.over.is_empty() {
            return;
        }
        self.join();
        self.over.sort_by_key(|candidate| (candidate.first, candidate.pattern));
        let mut at = 0;
        while let Some(candidate) = self.over.get(at).copied() {
            let beaten = |other: &Candidate| {
                other.overlaps(&candidate) && other.beats(&candidate, pattern(other), pattern(&candidate))
            };
            let may_be_beaten =
                |other: &Candidate| other.overlaps(&candidate) && other.weight >= candidate.weight;
            let others = self.over.iter().enumerate().filter(|(other, _)| *other != at);
            if !candidate.is_proven(pattern(&candidate))
                || others.map(|(_, other)| other).any(beaten)
                || self.emitted.iter().any(|other| other.overlaps(&candidate))
            {
                self.over.remove(at);
            } else if self.active.iter().any(may_be_beaten) {
                at += 1;
            } else {
                self.over.remove(at);
                if self.emitted.len() == EMITTED {
                    self.emitted.pop_front();
                }
                self.emitted.push_back(candidate);
                self.heard.push_back(Heard::new(&candidate, pattern(&candidate)));
            }
        }
    }

    /// Puts clips together again whose rest was shifted by a jitter buffer.
    fn join(&mut self) {
        // After samples were dropped, the rest ends before the first piece does.
        for later in &mut self.over {
            if let Some(at) = self.active.iter().position(|earlier| earlier.goes_on_in(later)) {
                later.absorb(&self.active.swap_remove(at));
            }
        }
        let mut at = 0;
        while let Some(earlier) = self.over.get(at).copied() {
            let complete = earlier.is_complete(self.index.pattern(earlier.pattern));
            let rest = self.active.iter_mut().chain(&mut self.over).find(|later| earlier.goes_on_in(later));
            match rest {
                Some(later) if !complete => {
                    later.absorb(&earlier);
                    self.over.remove(at);
                }
                _ => at += 1,
            }
        }
    }
}

impl Index {
    fn pattern(&self, number: u32) -> &index::Pattern {
        &self.patterns[number as usize]
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matcher({} clips, {} ms heard)", self.index.patterns.len(), self.clock / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        phrase::{Item, Phrase, Rate},
        synthetic,
    };

    const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

    fn library() -> Library {
        let words: Vec<String> = (b'a'..=b'z').map(|letter| format!("{}ord", letter as char)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Library::build(vec![
            synthetic::language("en", &["welcome", "press", "menu", "goodbye"], &words),
            synthetic::language("de", &["welcome", "press", "menu", "goodbye"], &words),
        ])
        .unwrap()
    }

    /// The octets of prompts with pauses between them, `lead` samples of silence in front.
    fn stream(library: &Library, codec: Codec, lead: usize, ids: &[&str], rate: Rate) -> Vec<u8> {
        let mut octets = vec![codec.silence(); lead];
        for id in ids {
            let recording = &library.language("en").unwrap().recordings[*id];
            octets.extend_from_slice(recording.audio(codec, rate));
            octets.resize(octets.len() + 333, codec.silence());
        }
        octets
    }

    fn all(matcher: &mut Matcher) -> Vec<Heard> {
        std::iter::from_fn(|| matcher.poll()).collect()
    }

    fn names(heard: &[Heard]) -> Vec<&str> {
        heard.iter().map(Heard::name).collect()
    }

    #[test]
    fn every_clip_of_the_library_is_heard_once_where_it_is() {
        let library = library();
        for codec in CODECS {
            for rate in [Rate::Normal, Rate::Slow, Rate::Slowest] {
                let recordings = &library.language("de").unwrap().recordings;
                let mut octets = vec![codec.silence(); 777];
                let mut want = Vec::new();
                for (stem, recording) in
                    recordings.iter().filter(|(_, recording)| recording.rates().contains(&rate))
                {
                    want.push((stem.as_str(), octets.len() as u64 / 8));
                    octets.extend_from_slice(recording.audio(codec, rate));
                }
                let mut matcher = Matcher::new(&library, codec);
                octets.chunks(160).for_each(|frame| matcher.hear(frame));
                matcher.hear(&[codec.silence(); 160]);
                let heard = all(&mut matcher);
                let got: Vec<_> = heard.iter().map(|heard| (heard.name(), heard.at_ms)).collect();
                assert_eq!(got, want);
                assert!(
                    heard.iter().all(|heard| heard.complete && heard.rate == rate && heard.fraction > 0.99)
                );
                assert!(heard.iter().all(|heard| heard.language() == "de"));
            }
        }
    }

    #[test]
    fn lost_and_garbled_packets_do_not_hide_or_double_a_clip() {
        let library = library();
        let ids = ["welcome", "letter_m", "code_m", "word_mord", "press", "digit_4", "goodbye"];
        for codec in CODECS {
            for every in [3, 5, 8] {
                for garbled in [false, true] {
                    let octets = stream(&library, codec, 1234, &ids, Rate::Normal);
                    let mut matcher = Matcher::new(&library, codec);
                    for (number, frame) in octets.chunks(160).enumerate() {
                        match number % every {
                            1 if garbled => matcher.hear(&[0x55; 160][..frame.len()]),
                            1 => matcher.lost(frame.len()),
                            _ => matcher.hear(frame),
                        }
                    }
                    matcher.finish();
                    assert_eq!(names(&all(&mut matcher)), ids, "every {every}, garbled {garbled}");
                }
            }
        }
    }

    #[test]
    fn a_cut_clip_is_reported_as_such() {
        let library = library();
        for codec in CODECS {
            let welcome = stream(&library, codec, 99, &["welcome"], Rate::Normal);
            let mut octets = welcome[..99 + 900].to_vec();
            octets.extend(stream(&library, codec, 400, &["menu"], Rate::Normal));
            octets.resize(octets.len() + 4000, codec.silence());
            let mut matcher = Matcher::new(&library, codec);
            octets.chunks(160).for_each(|frame| matcher.hear(frame));
            let heard = all(&mut matcher);
            assert_eq!(names(&heard), ["welcome", "menu"]);
            assert!(!heard[0].complete && heard[1].complete);
            assert_eq!(heard[0].at_ms, 12);
            assert!(heard[0].until_ms.abs_diff((99 + 900) / 8) <= 1, "{}", heard[0].until_ms);
        }
    }

    #[test]
    fn samples_that_a_jitter_buffer_drops_or_inserts_leave_one_clip() {
        let library = library();
        let clip = stream(&library, Codec::Pcmu, 160, &["goodbye"], Rate::Normal);
        let middle = clip.len() / 2;
        let dropped = [&clip[..middle], &clip[middle + 160..]].concat();
        let inserted = [&clip[..middle], &[0xFF; 320], &clip[middle..]].concat();
        for octets in [dropped, inserted] {
            let mut matcher = Matcher::new(&library, Codec::Pcmu);
            octets.chunks(160).for_each(|frame| matcher.hear(frame));
            matcher.finish();
            let heard = all(&mut matcher);
            assert_eq!(names(&heard), ["goodbye"]);
            assert!(heard[0].complete, "{heard:?}");
            assert_eq!(heard[0].at_ms, 20);
        }
    }

    #[test]
    fn the_longer_of_two_clips_with_the_same_beginning_is_told_from_the_shorter() {
        let mut source = synthetic::language("en", &["welcome", "press", "short", "long"], &[]);
        let samples = |source: &LanguageSource, id: &str| {
            let clip = source.clips.iter().find(|(stem, _)| stem == id).unwrap();
            crate::wav::read(&clip.1).unwrap()
        };
        use crate::LanguageSource;
        let short = samples(&source, "welcome");
        let long = [short.clone(), vec![0; 400], samples(&source, "press")].concat();
        for (stem, bytes) in &mut source.clips {
            match stem.as_str() {
                "short" => *bytes = crate::wav::write(&short).into(),
                "long" => *bytes = crate::wav::write(&long).into(),
                _ => {}
            }
        }
        source.clips.retain(|(stem, _)| stem != "welcome" && stem != "press");
        source.table = "short: a\nlong: b\n".to_owned();
        let library = Library::build(vec![source]).unwrap();
        for id in ["short", "long"] {
            let mut octets = stream(&library, Codec::Pcma, 50, &[id], Rate::Normal);
            octets.resize(octets.len() + 8000, Codec::Pcma.silence());
            let mut matcher = Matcher::new(&library, Codec::Pcma);
            octets.chunks(160).for_each(|frame| matcher.hear(frame));
            let heard = all(&mut matcher);
            assert_eq!(names(&heard), [id]);
            assert!(heard[0].complete);
        }
    }

    #[test]
    fn the_clip_being_said_is_known_before_it_ends() {
        let library = library();
        let octets = stream(&library, Codec::Pcmu, 0, &["goodbye"], Rate::Normal);
        let mut matcher = Matcher::new(&library, Codec::Pcmu);
        matcher.hear(&octets[..900]);
        assert_eq!(matcher.hearing().map(|heard| heard.name().to_owned()).as_deref(), Some("goodbye"));
        assert!(matcher.poll().is_none());
    }

    #[test]
    fn other_sounds_are_no_clips_and_names_of_secrets_are_masked() {
        let library = library();
        let mut matcher = Matcher::new(&library, Codec::Pcmu);
        let mut state = 7u32;
        for _ in 0..400 {
            let frame: Vec<u8> = (0..160)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            matcher.hear(&frame);
        }
        matcher.finish();
        assert!(matcher.poll().is_none() && matcher.hearing().is_none());

        let phrase =
            Phrase { items: vec![Item::Whole(passline_identity::Secret::new("Mord"))], rate: Rate::Normal };
        let script = library.render("en", &phrase, Codec::Pcmu).unwrap();
        let mut player = crate::Player::new(Codec::Pcmu);
        player.play(script);
        let mut frame = [0; 160];
        while player.is_playing() {
            player.fill(&mut frame);
            matcher.hear(&frame);
        }
        let heard = matcher.poll().unwrap();
        assert_eq!((heard.name(), heard.log_name()), ("word_mord", "secret"));
        assert!(!format!("{heard:?} {matcher:?}").contains("mord"));
    }
}
