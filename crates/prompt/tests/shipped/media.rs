//! The shipped prompts as the server would read them.
use passline_prompt::{LanguageSource, Library};
use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Folders, the default language first.
pub const LANGUAGES: [&str; 2] = ["en", "de"];

/// All files of one language.
pub fn source(code: &str) -> LanguageSource {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../media/prompts").join(code);
    let mut paths = Vec::new();
    walk(&folder, &mut paths);
    let files = paths.into_iter().map(|path| {
        let bytes = std::fs::read(&path).expect("a file of the folder");
        (path.to_string_lossy().into_owned(), Cow::Owned(bytes))
    });
    LanguageSource::from_files(code, files)
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of prompts") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { walk(&path, paths) } else { paths.push(path) }
    }
}

/// Both languages, built once for all tests.
pub fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| match Library::build(LANGUAGES.map(source).into()) {
        Ok(library) => library,
        Err(faults) => panic!("{faults:#?}"),
    })
}
