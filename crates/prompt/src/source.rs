//! A language as it comes from its folder, and what can be wrong with it.
use serde_saphyr::Spanned;
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// One language folder, as bytes.
#[derive(Clone, Debug, Default)]
pub struct LanguageSource {
    /// Name of the folder, e.g. `en`.
    pub code: String,
    /// Text of `prompts.yaml`: `id: "sentence"` for each prompt.
    pub table: String,
    /// Text of `font.yaml`: `stem: "text"` for each digit, letter, code word and number.
    pub font: String,
    /// Text of `words.txt`: one lower-case ASCII word a line, the words of generated passwords.
    pub words: String,
    /// Stem (`welcome`, `letter_m`, `word_maple`) and WAV octets.
    pub clips: Vec<(String, Cow<'static, [u8]>)>,
}

impl LanguageSource {
    /// Sorts the files of one folder by what they are: `prompts.yaml`, `font.yaml`, `words.txt`, and `*.wav` in any
    /// subfolder, by their stems. Other files are left out. Text that is not UTF-8 is an error of [`crate::Library::build`]
    /// only where a replacement character ends up in an id.
    pub fn from_files(
        code: impl Into<String>,
        files: impl IntoIterator<Item = (String, Cow<'static, [u8]>)>,
    ) -> Self {
        let mut source = Self { code: code.into(), ..Self::default() };
        for (path, bytes) in files {
            let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            match name {
                "prompts.yaml" => source.table = text(),
                "font.yaml" => source.font = text(),
                "words.txt" => source.words = text(),
                _ => {
                    if let Some(stem) = name.strip_suffix(".wav") {
                        source.clips.push((stem.to_owned(), bytes));
                    }
                }
            }
        }
        source
    }
}

/// Whether the library can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Usable, but somebody should look at it.
    Warning,
    /// Not usable.
    Error,
}

/// One thing wrong with a language folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryError {
    /// Whether the library can be used.
    pub severity: Severity,
    /// Path below the folder of all prompts, e.g. `en/prompts.yaml`.
    pub file: String,
    /// From 1, where the file has lines.
    pub line: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; {}", self.message, self.remedy)
    }
}

impl std::error::Error for LibraryError {}

/// Texts of a table with the lines on which they stand.
pub(crate) type Table = BTreeMap<String, (String, u64)>;

/// Reads `stem: "text"` lines. An empty file is an empty table.
pub(crate) fn read_table(file: &str, yaml: &str) -> Result<Table, LibraryError> {
    let error = |line, message, remedy: &str| LibraryError {
        severity: Severity::Error,
        file: file.to_owned(),
        line,
        message,
        remedy: remedy.to_owned(),
    };
    let blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if yaml.lines().all(blank) {
        return Ok(Table::new());
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let table: BTreeMap<String, Spanned<String>> = serde_saphyr::from_str_with_options(yaml, options)
        .map_err(|fault| {
            error(
                fault.location().map(|location| location.line()),
                fault.to_string(),
                "write one `id: \"sentence\"` a line",
            )
        })?;
    let mut checked = Table::new();
    for (id, text) in table {
        let line = text.referenced.line();
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return Err(error(
                Some(line),
                format!("`{id}` is no prompt id"),
                "use lower-case letters, digits and underscores",
            ));
        }
        checked.insert(id, (text.value, line));
    }
    Ok(checked)
}

/// Reads one word a line; blank lines and `#` lines are skipped. Returns words with their lines.
pub(crate) fn read_words(file: &str, text: &str) -> Result<Vec<String>, LibraryError> {
    let mut words = Vec::new();
    let mut seen = BTreeMap::new();
    for (number, line) in (1u64..).zip(text.lines()) {
        let word = line.trim();
        if word.is_empty() || word.starts_with('#') {
            continue;
        }
        let error = |message, remedy: &str| LibraryError {
            severity: Severity::Error,
            file: file.to_owned(),
            line: Some(number),
            message,
            remedy: remedy.to_owned(),
        };
        if !word.bytes().all(|b| b.is_ascii_lowercase()) {
            return Err(error(
                format!("`{word}` is no word"),
                "use one word a line, only the letters a to z in lower case",
            ));
        }
        if let Some(first) = seen.insert(word, number) {
            return Err(error(format!("`{word}` stands on line {first} already"), "remove one of them"));
        }
        words.push(word.to_owned());
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_its_lines() {
        let table =
            read_table("en/prompts.yaml", "# head\n\nwelcome: \"Hello.\"\ngoodbye: \"Bye.\"\n").unwrap();
        assert_eq!(table["welcome"], ("Hello.".to_owned(), 3));
        assert_eq!(table["goodbye"], ("Bye.".to_owned(), 4));
        assert!(read_table("en/prompts.yaml", "# nothing\n").unwrap().is_empty());
    }

    #[test]
    fn faults_of_a_table_name_file_and_line() {
        for (yaml, line) in [
            ("welcome: \"a\"\nwelcome: \"b\"\n", 2),
            ("welcome: \"a\"\nWelcome Home: \"b\"\n", 2),
            ("welcome: \"a\"\nother: [1, 2]\n", 2),
            ("welcome: \"a\"\n\tother: \"b\"\n", 2),
        ] {
            let error = read_table("en/prompts.yaml", yaml).unwrap_err();
            assert_eq!(error.line, Some(line), "{yaml:?}: {error}");
            assert!(error.to_string().starts_with(&format!("en/prompts.yaml:{line}: ")), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn words_are_checked_with_their_lines() {
        assert_eq!(read_words("w", "# list\nmaple\n\nrivet\n").unwrap(), ["maple", "rivet"]);
        assert_eq!(read_words("w", "maple\nRivet\n").unwrap_err().line, Some(2));
        assert_eq!(read_words("w", "maple\nrivet\nmaple\n").unwrap_err().line, Some(3));
    }

    #[test]
    fn files_are_told_apart_by_name() {
        let file = |path: &str, bytes: &'static [u8]| (path.to_owned(), Cow::Borrowed(bytes));
        let source = LanguageSource::from_files(
            "en",
            [
                file("prompts.yaml", b"a: \"b\""),
                file("font.yaml", b"c: \"d\""),
                file("words.txt", b"maple"),
                file("words/word_maple.wav", b"RIFF"),
                file("README.md", b"no"),
            ],
        );
        assert_eq!(
            (source.table.as_str(), source.font.as_str(), source.words.as_str()),
            ("a: \"b\"", "c: \"d\"", "maple")
        );
        assert_eq!(source.clips.len(), 1);
        assert_eq!(source.clips[0].0, "word_maple");
    }
}
