//! Prompts and flows, loaded, checked and joined.
use crate::{
    assets::Assets,
    config::{Config, Target},
    exit::Failure,
};
use passline_flow::{Program, PromptCheck};
use passline_identity::{QuestionId, TargetId};
use passline_prompt::{LanguageSource, Library, LibraryError, Severity, phrase::PromptId};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// What calls need: words to say and flows to follow.
pub struct Content {
    /// Pre-encoded prompts.
    pub library: Arc<Library>,
    /// Checked flows.
    pub program: Arc<Program>,
    /// Where both came from.
    pub origin: String,
    /// What somebody should look at, though everything can be used.
    pub warnings: Vec<String>,
}

impl Content {
    /// Loads everything; all faults at once. `questions` are those that somebody has enrolled.
    pub fn load(config: &Config, questions: &[QuestionId]) -> Result<Self, Failure> {
        let (library, prompts, mut faults) = load_library(config)?;
        let (errors, warnings): (Vec<_>, Vec<_>) =
            faults.drain(..).partition(|fault| fault.severity == Severity::Error);
        let in_folder = |fault: LibraryError| format!("{}/{fault}", prompts.origin);
        let mut errors: Vec<_> = errors.into_iter().map(in_folder).collect();
        let warnings: Vec<_> = warnings.into_iter().map(in_folder).collect();
        let flows = Assets::flows(config)?;
        let Some(library) = library else { return Err(Failure::Input(errors)) };
        let check = Known { library: &library, config, questions };
        match passline_flow::load(&flow_files(&flows), &check) {
            Ok(program) if errors.is_empty() => Ok(Self {
                library: Arc::new(library),
                program: Arc::new(program),
                origin: format!("flows: {}, prompts: {}", flows.origin, prompts.origin),
                warnings,
            }),
            Ok(_) => Err(Failure::Input(errors)),
            Err(faults) => {
                errors.extend(faults.iter().map(ToString::to_string));
                Err(Failure::Input(errors))
            }
        }
    }

    /// Per language the words of generated passwords.
    pub fn words(&self) -> BTreeMap<String, Vec<String>> {
        let languages = self.library.languages();
        languages
            .iter()
            .map(|language| (language.to_string(), self.library.words(language).to_vec()))
            .collect()
    }
}

/// The library alone, without flows (`passline prompts check`).
pub fn load_library(config: &Config) -> Result<(Option<Library>, Assets, Vec<LibraryError>), Failure> {
    let prompts = Assets::prompts(config)?;
    match Library::build(sources(config, &prompts)) {
        Ok(library) => {
            let warnings = library.warnings().to_vec();
            Ok((Some(library), prompts, warnings))
        }
        Err(faults) => Ok((None, prompts, faults)),
    }
}

/// A file of a language folder: its path in it, and its octets.
type File = (String, Cow<'static, [u8]>);

/// Each language folder, the default language first.
pub fn sources(config: &Config, prompts: &Assets) -> Vec<LanguageSource> {
    let mut languages: BTreeMap<&str, Vec<File>> = BTreeMap::new();
    for (path, bytes) in &prompts.files {
        if let Some((language, file)) = path.split_once('/') {
            languages.entry(language).or_default().push((file.to_owned(), bytes.clone()));
        }
    }
    let rank =
        |code: &str| config.languages.iter().position(|language| language == code).unwrap_or(usize::MAX);
    let mut languages: Vec<_> = languages.into_iter().collect();
    languages.sort_by_key(
        |(code, _)| if *code == "en" && config.languages.is_empty() { 0 } else { rank(code).max(1) },
    );
    languages.into_iter().map(|(code, files)| LanguageSource::from_files(code, files)).collect()
}

fn flow_files(flows: &Assets) -> Vec<(String, String)> {
    flows
        .files
        .iter()
        .filter(|(path, _)| path.ends_with(".yaml"))
        .map(|(path, text)| (flows.path(path), String::from_utf8_lossy(text).into_owned()))
        .collect()
}

/// What the linter may rely on.
struct Known<'a> {
    library: &'a Library,
    config: &'a Config,
    questions: &'a [QuestionId],
}

impl PromptCheck for Known<'_> {
    fn languages(&self) -> Vec<String> {
        self.library.languages().iter().map(ToString::to_string).collect()
    }

    fn has(&self, language: &str, id: &PromptId) -> bool {
        self.library.has(language, id)
    }

    fn targets(&self) -> Vec<TargetId> {
        let embedded = self.config.identity.embedded_targets.iter().map(|id| TargetId(id.clone()));
        let others = self.config.targets.iter().map(|Target::Ldap(ldap)| TargetId(ldap.id.clone()));
        embedded.chain(others).collect()
    }

    fn questions(&self) -> Vec<QuestionId> {
        self.questions.to_vec()
    }
}
