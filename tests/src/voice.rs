//! Prompts: the shipped ones, or short noises that make a call ten times as fast.
use crate::program::root;
use passline_flow::{Program, PromptCheck};
use passline_identity::TargetId;
use passline_prompt::{LanguageSource, Library, phrase::PromptId, synthetic};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// Words of the quick voice: few, since each is a file.
const QUICK_WORDS: usize = 64;

/// Which prompts a server has and its callers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// `media/prompts` as it is shipped.
    Shipped,
    /// A noise of 120 to 700 ms for each clip: for tests whose subject is not what is heard.
    Quick,
}

struct Loaded {
    library: Arc<Library>,
    program: Arc<Program>,
}

impl Voice {
    /// Folder for `media` in the configuration of a server that lives in `folder`.
    pub fn media(self, folder: &Path) -> PathBuf {
        match self {
            Voice::Shipped => root().join("media"),
            Voice::Quick => {
                let media = folder.join("media");
                for language in quick() {
                    write(&media.join("prompts").join(&language.code), &language);
                }
                media
            }
        }
    }

    /// The prompts as callers know them.
    pub fn library(self) -> Arc<Library> {
        self.loaded().library.clone()
    }

    /// The shipped flows over these prompts.
    pub fn program(self) -> Arc<Program> {
        self.loaded().program.clone()
    }

    fn loaded(self) -> &'static Loaded {
        static SHIPPED: OnceLock<Loaded> = OnceLock::new();
        static QUICK: OnceLock<Loaded> = OnceLock::new();
        match self {
            Voice::Shipped => SHIPPED.get_or_init(|| load(shipped())),
            Voice::Quick => QUICK.get_or_init(|| load(quick())),
        }
    }
}

fn load(languages: Vec<LanguageSource>) -> Loaded {
    let library = Library::build(languages).unwrap_or_else(|faults| panic!("{}", lines(&faults)));
    let mut flows = Vec::new();
    collect(&root().join("config/flows"), &mut flows);
    let text =
        |(path, text): (String, Cow<'static, [u8]>)| (path, String::from_utf8_lossy(&text).into_owned());
    let flows: Vec<_> = flows.into_iter().map(text).collect();
    let program =
        passline_flow::load(&flows, &Known(&library)).unwrap_or_else(|faults| panic!("{}", lines(&faults)));
    Loaded { library: Arc::new(library), program: Arc::new(program) }
}

fn lines(faults: &[impl ToString]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn shipped() -> Vec<LanguageSource> {
    let language = |code| {
        let mut files = Vec::new();
        collect(&root().join("media/prompts").join(code), &mut files);
        LanguageSource::from_files(code, files)
    };
    ["en", "de"].map(language).into()
}

/// The ids of the shipped prompts, said by a synthetic voice.
fn quick() -> Vec<LanguageSource> {
    let noises = |real: LanguageSource| {
        let ids: Vec<_> = real.table.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
        let ids: Vec<_> = ids.into_iter().filter(|id| !id.starts_with(['#', ' '])).collect();
        let words: Vec<_> = real.words.lines().filter(|word| !word.is_empty()).take(QUICK_WORDS).collect();
        let mut language = synthetic::language(&real.code, &ids, &words);
        // Some prompts are signs of the spelling alphabet too.
        let mut known = BTreeSet::new();
        language.clips.retain(|(stem, _)| known.insert(stem.clone()));
        language
    };
    shipped().into_iter().map(noises).collect()
}

fn write(folder: &Path, language: &LanguageSource) {
    fs::create_dir_all(folder).expect("the test's own folder");
    let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("the test's own folder");
    put("prompts.yaml", language.table.as_bytes());
    put("font.yaml", language.font.as_bytes());
    put("words.txt", language.words.as_bytes());
    for (stem, wav) in &language.clips {
        put(&format!("{stem}.wav"), wav);
    }
}

fn collect(folder: &Path, files: &mut Vec<(String, Cow<'static, [u8]>)>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let bytes = fs::read(&path).expect("a readable file");
            files.push((path.display().to_string(), bytes.into()));
        }
    }
}

struct Known<'a>(&'a Library);

impl PromptCheck for Known<'_> {
    fn languages(&self) -> Vec<String> {
        self.0.languages().iter().map(ToString::to_string).collect()
    }

    fn has(&self, language: &str, id: &PromptId) -> bool {
        self.0.has(language, id)
    }

    fn targets(&self) -> Vec<TargetId> {
        ["directory", "crm", "ldap"].map(TargetId::from).into()
    }
}
