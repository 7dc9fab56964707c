//! All prompts of all languages, encoded once per law of G.711.
use crate::{
    font::{self, is_stretched},
    grammar::{Grammar, grammar},
    matcher::Index,
    phrase::{PromptId, Rate},
    source::{LanguageSource, LibraryError, Severity, Table, read_table, read_words},
    stretch::stretch,
    wav,
};
use passline_rtp::codec::Codec;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, OnceLock},
};

/// What the shipped prompts are made with, and what most faults are mended by.
const RENDER: &str = "run `passline prompts render`";

/// Fewer words than this make generated passwords weaker than promised.
const WORDS: usize = 1024;

/// The prompts of all languages. Shared by all calls; rendering belongs to the control side, never to a media tick.
pub struct Library {
    codes: Vec<String>,
    languages: Vec<Language>,
    warnings: Vec<LibraryError>,
    /// For [`crate::Matcher`], made when first asked for; one per law.
    indexes: Vec<OnceLock<Arc<Index>>>,
}

pub(crate) struct Language {
    pub code: Arc<str>,
    texts: BTreeMap<String, String>,
    pub recordings: BTreeMap<String, Recording>,
    words: Vec<String>,
    pub grammar: &'static Grammar,
}

/// One clip in all its forms.
pub(crate) struct Recording {
    pub name: Arc<str>,
    /// One per law.
    encoded: Vec<Arc<[u8]>>,
    /// Samples of clips that are also said slower.
    pcm: Option<Box<[i16]>>,
    /// Made when first said: [`Rate::Slow`] and [`Rate::Slowest`], one per law.
    slow: [OnceLock<Vec<Arc<[u8]>>>; 2],
}

impl Recording {
    fn new(stem: &str, samples: Vec<i16>) -> Self {
        Self {
            name: stem.into(),
            encoded: encode(&samples),
            pcm: is_stretched(stem).then(|| samples.into()),
            slow: [OnceLock::new(), OnceLock::new()],
        }
    }

    /// One octet per sample. Rates without a form of their own give the normal one.
    pub fn audio(&self, codec: Codec, rate: Rate) -> &Arc<[u8]> {
        let slower = match rate {
            Rate::Normal => None,
            Rate::Slow => Some((0, 80)),
            Rate::Slowest => Some((1, 65)),
        };
        let forms = match (slower, &self.pcm) {
            (Some((form, percent)), Some(pcm)) => {
                self.slow[form].get_or_init(|| encode(&stretch(pcm, percent)))
            }
            _ => &self.encoded,
        };
        &forms[row(codec)]
    }

    /// The rates at which it sounds different.
    pub fn rates(&self) -> &'static [Rate] {
        if self.pcm.is_some() { &[Rate::Normal, Rate::Slow, Rate::Slowest] } else { &[Rate::Normal] }
    }
}

/// The laws of G.711 in which clips are kept. A stream of another codec encodes what it says from [`Codec::law`]: its
/// encoder goes on from clip to clip, and no memory is taken for each codec.
const LAWS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

/// Index of a codec's law in [`LAWS`].
fn row(codec: Codec) -> usize {
    LAWS.iter().position(|law| *law == codec.law()).unwrap_or(0)
}

fn encode(samples: &[i16]) -> Vec<Arc<[u8]>> {
    LAWS.iter()
        .map(|law| {
            let mut octets = vec![law.silence(); samples.len()];
            law.encode(samples, &mut octets);
            octets.into()
        })
        .collect()
}

impl Library {
    /// Reads and encodes everything; the first language is the default.
    ///
    /// # Errors
    /// Everything that would leave a caller in silence: files that cannot be read, sentences and font clips without a
    /// recording. Each names its file, a line where there is one, and a remedy. What is only odd is in
    /// [`Library::warnings`].
    pub fn build(languages: Vec<LanguageSource>) -> Result<Self, Vec<LibraryError>> {
        let mut findings = Vec::new();
        let mut codes = BTreeSet::new();
        let languages: Vec<Language> = languages
            .into_iter()
            .map(|source| {
                if source.code.is_empty() || !codes.insert(source.code.clone()) {
                    let message = format!("language `{}` is there twice or has no name", source.code);
                    findings.push(fault(&source.code, message, "give each language one folder"));
                }
                Language::build(source, &mut findings)
            })
            .collect();
        if languages.is_empty() {
            findings.push(fault("", "there is no language".to_owned(), "add a folder such as `en`"));
        }
        compare(&languages, &mut findings);
        let (errors, warnings): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| finding.severity == Severity::Error);
        if !errors.is_empty() {
            return Err(errors.into_iter().chain(warnings).collect());
        }
        Ok(Self {
            codes: languages.iter().map(|language| language.code.to_string()).collect(),
            languages,
            warnings,
            indexes: LAWS.iter().map(|_| OnceLock::new()).collect(),
        })
    }

    /// Folder names, the default language first.
    pub fn languages(&self) -> &[String] {
        &self.codes
    }

    /// What is odd but usable.
    pub fn warnings(&self) -> &[LibraryError] {
        &self.warnings
    }

    /// The words of which a language's passwords are made; empty for an unknown language.
    pub fn words(&self, language: &str) -> &[String] {
        self.language(language).map(|language| language.words.as_slice()).unwrap_or_default()
    }

    /// True if the prompt can be said.
    pub fn has(&self, language: &str, id: &PromptId) -> bool {
        self.language(language).is_some_and(|language| language.recordings.contains_key(&id.0))
    }

    /// The sentence that a prompt says.
    pub fn text(&self, language: &str, id: &PromptId) -> Option<&str> {
        self.language(language)?.texts.get(&id.0).map(String::as_str)
    }

    /// Length of a prompt in ms, rounded up; `None` if it cannot be said.
    pub fn duration_ms(&self, language: &str, id: &PromptId) -> Option<u64> {
        let recording = self.language(language)?.recordings.get(&id.0)?;
        Some((recording.encoded.first()?.len() as u64).div_ceil(8))
    }

    pub(crate) fn language(&self, code: &str) -> Option<&Language> {
        self.languages.iter().find(|language| &*language.code == code)
    }

    pub(crate) fn all(&self) -> &[Language] {
        &self.languages
    }

    pub(crate) fn index(&self, codec: Codec) -> Arc<Index> {
        self.indexes[row(codec)].get_or_init(|| Arc::new(Index::new(self, codec))).clone()
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Library({})", self.codes.join(", "))
    }
}

impl Language {
    fn build(source: LanguageSource, findings: &mut Vec<LibraryError>) -> Self {
        let code = source.code;
        let mut table = |name: &str, text: &str| {
            read_table(&format!("{code}/{name}"), text).unwrap_or_else(|error| {
                findings.push(error);
                Table::new()
            })
        };
        let prompts = table("prompts.yaml", &source.table);
        let font = table("font.yaml", &source.font);
        let words = read_words(&format!("{code}/words.txt"), &source.words).unwrap_or_else(|error| {
            findings.push(error);
            Vec::new()
        });
        let recordings = read_clips(&code, source.clips, findings);
        let language = Self {
            grammar: grammar(&code),
            texts: prompts.iter().chain(&font).map(|(id, (text, _))| (id.clone(), text.clone())).collect(),
            code: code.into(),
            recordings,
            words,
        };
        language.check_sentences("prompts.yaml", &prompts, findings);
        language.check_sentences("font.yaml", &font, findings);
        language.check_font(findings);
        language.check_words(findings);
        language.check_strays(findings);
        language
    }

    /// A sentence without a recording would be silence in a call.
    fn check_sentences(&self, file: &str, table: &Table, findings: &mut Vec<LibraryError>) {
        for (id, (_, line)) in table {
            if !self.recordings.contains_key(id) {
                findings.push(LibraryError {
                    line: Some(*line),
                    ..fault(
                        &format!("{}/{file}", self.code),
                        format!("`{id}` has no recording {}/{id}.wav", self.code),
                        RENDER,
                    )
                });
            }
        }
    }

    fn check_font(&self, findings: &mut Vec<LibraryError>) {
        let missing: Vec<String> = font::required(self.grammar)
            .into_iter()
            .filter(|stem| !self.recordings.contains_key(stem))
            .collect();
        if !missing.is_empty() {
            let message =
                format!("{} of numbers and letters are missing: {}", clips(missing.len()), some(&missing));
            findings.push(fault(&self.code, message, RENDER));
        }
    }

    fn check_words(&self, findings: &mut Vec<LibraryError>) {
        let file = format!("{}/words.txt", self.code);
        if self.words.len() < WORDS {
            let message =
                format!("has {} words, so that generated passwords are easier to guess", self.words.len());
            findings.push(warning(&file, message, &format!("use {WORDS} words")));
        }
        let missing: Vec<String> = self
            .words
            .iter()
            .map(|word| format!("word_{word}"))
            .filter(|stem| !self.recordings.contains_key(stem))
            .collect();
        if !missing.is_empty() {
            let message = format!(
                "{} of words are missing (they are only spelled): {}",
                clips(missing.len()),
                some(&missing)
            );
            findings.push(warning(&file, message, RENDER));
        }
    }

    /// Recordings that nothing refers to: most often a misspelled file name.
    fn check_strays(&self, findings: &mut Vec<LibraryError>) {
        let required: BTreeSet<String> = font::required(self.grammar).into_iter().collect();
        let words: BTreeSet<String> = self.words.iter().map(|word| format!("word_{word}")).collect();
        let strays: Vec<String> = self
            .recordings
            .keys()
            .filter(|stem| {
                !self.texts.contains_key(*stem) && !required.contains(*stem) && !words.contains(*stem)
            })
            .cloned()
            .collect();
        if !strays.is_empty() {
            let message = format!("{} without a text: {}", clips(strays.len()), some(&strays));
            findings.push(warning(
                &self.code,
                message,
                "add the sentences to prompts.yaml or remove the files",
            ));
        }
    }
}

fn read_clips(
    code: &str,
    clips: Vec<(String, std::borrow::Cow<'static, [u8]>)>,
    findings: &mut Vec<LibraryError>,
) -> BTreeMap<String, Recording> {
    let mut recordings = BTreeMap::new();
    for (stem, bytes) in clips {
        let file = format!("{code}/{stem}.wav");
        match wav::read(&bytes) {
            Ok(samples) => {
                let recording = Recording::new(&stem, samples);
                if recordings.insert(stem, recording).is_some() {
                    findings.push(fault(&file, "is there twice".to_owned(), "remove one of them"));
                }
            }
            Err(message) => {
                let remedy = format!("{RENDER}, or save the recording as 8000 Hz mono 16 bit WAV");
                findings.push(fault(&file, message, &remedy));
            }
        }
    }
    recordings
}

/// A prompt that one language has and another has not; the flows tell whether it is needed.
fn compare(languages: &[Language], findings: &mut Vec<LibraryError>) {
    let all: BTreeSet<&String> = languages.iter().flat_map(|language| language.texts.keys()).collect();
    for language in languages {
        let missing: Vec<String> =
            all.iter().filter(|id| !language.texts.contains_key(**id)).map(|id| (*id).clone()).collect();
        // Voices differ in the optional clips of their grammars.
        let missing: Vec<String> =
            missing.into_iter().filter(|id| !font::is_secret(id) && id != "o_clock").collect();
        if !missing.is_empty() {
            let message = format!("lacks what other languages have: {}", some(&missing));
            findings.push(warning(&format!("{}/prompts.yaml", language.code), message, "translate them"));
        }
    }
}

fn clips(count: usize) -> String {
    if count == 1 { "1 clip".to_owned() } else { format!("{count} clips") }
}

/// The first names of a list.
fn some(names: &[String]) -> String {
    let more = if names.len() > 8 { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(8)].join(", "))
}

fn fault(file: &str, message: String, remedy: &str) -> LibraryError {
    LibraryError {
        severity: Severity::Error,
        file: file.to_owned(),
        line: None,
        message,
        remedy: remedy.to_owned(),
    }
}

fn warning(file: &str, message: String, remedy: &str) -> LibraryError {
    LibraryError { severity: Severity::Warning, ..fault(file, message, remedy) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;
    use proptest::prelude::*;

    fn faults(source: LanguageSource) -> String {
        match Library::build(vec![source]) {
            Ok(library) => library.warnings().iter().map(|fault| format!("warning {fault}\n")).collect(),
            Err(faults) => faults.iter().map(|fault| format!("{fault}\n")).collect(),
        }
    }

    #[test]
    fn two_complete_languages_make_a_library() {
        let library = Library::build(vec![
            synthetic::language("en", &["welcome", "goodbye"], &["maple"]),
            synthetic::language("de", &["welcome"], &["ahorn"]),
        ])
        .unwrap();
        assert_eq!(library.languages(), ["en", "de"]);
        assert_eq!(library.words("de"), ["ahorn"]);
        assert!(library.words("fr").is_empty());
        assert!(library.has("en", &"goodbye".into()) && !library.has("de", &"goodbye".into()));
        assert_eq!(library.text("en", &"welcome".into()), Some("welcome"));
        let warnings: Vec<String> = library.warnings().iter().map(ToString::to_string).collect();
        assert!(
            warnings
                .iter()
                .any(|line| line.starts_with("de/prompts.yaml: lacks what other languages have: goodbye"))
        );
    }

    #[test]
    fn each_fault_names_file_line_and_remedy() {
        let good = || synthetic::language("en", &["welcome"], &["maple"]);
        let mut source = good();
        source.table = "welcome: \"Hi.\"\n# more\ngoodbye: \"Bye.\"\n".to_owned();
        assert!(faults(source).contains(
            "en/prompts.yaml:3: `goodbye` has no recording en/goodbye.wav; run `passline prompts render`"
        ));

        let mut source = good();
        source.clips.retain(|(stem, _)| stem != "letter_q" && stem != "number_77" && stem != "word_maple");
        let text = faults(source);
        assert!(
            text.contains("en: 2 clips of numbers and letters are missing: letter_q, number_77; run"),
            "{text}"
        );
        assert!(text.contains("en/words.txt: 1 clip of words are missing"), "{text}");

        let mut source = good();
        source.clips[0].1 = b"RIFF garbage".as_slice().into();
        assert!(faults(source).contains("en/welcome.wav: not a WAV file"));

        let mut source = good();
        source.clips.push(("welcom".to_owned(), source.clips[0].1.clone()));
        assert!(faults(source).contains("warning en: 1 clip without a text: welcom; add"));

        let mut source = good();
        source.words = "maple\nmaple\n".to_owned();
        assert!(faults(source).contains("en/words.txt:2: `maple` stands on line 1 already"));

        assert!(Library::build(vec![]).is_err());
        assert!(Library::build(vec![good(), good()]).is_err());
    }

    #[test]
    fn slow_forms_are_longer_and_words_have_none() {
        let library = Library::build(vec![synthetic::language("en", &["welcome"], &["maple"])]).unwrap();
        let recordings = &library.language("en").unwrap().recordings;
        for codec in LAWS {
            let length = |stem: &str, rate| recordings[stem].audio(codec, rate).len();
            let normal = length("letter_a", Rate::Normal);
            assert!(length("letter_a", Rate::Slow).abs_diff(normal * 100 / 80) <= 64);
            assert!(length("letter_a", Rate::Slowest).abs_diff(normal * 100 / 65) <= 64);
            for stem in ["word_maple", "welcome", "number_12"] {
                assert_eq!(length(stem, Rate::Slowest), length(stem, Rate::Normal));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn garbage_never_panics(table in ".{0,80}", font in "[a-z:\" \n\t&*!|>{}\\[\\]-]{0,60}", words in ".{0,40}", wav in proptest::collection::vec(any::<u8>(), 0..99)) {
            let source = LanguageSource { code: "en".to_owned(), table, font, words, clips: vec![("welcome".to_owned(), wav.into())] };
            crate::check::check(&source);
            prop_assert!(Library::build(vec![source]).is_err());
        }
    }
}
