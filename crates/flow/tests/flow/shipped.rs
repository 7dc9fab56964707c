//! What is shipped: flows and tables of sentences.
use passline_flow::{Program, PromptCheck, load};
use passline_identity::{QuestionId, TargetId};
use passline_prompt::phrase::PromptId;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, OnceLock},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A shipped flow's text.
pub fn shipped(name: &str) -> String {
    std::fs::read_to_string(root().join("config/flows").join(name)).expect("a shipped flow")
}

/// The shipped text tables as a prompt library.
pub struct Tables(BTreeMap<String, BTreeSet<String>>);

impl Tables {
    pub fn shipped() -> &'static Self {
        static TABLES: OnceLock<Tables> = OnceLock::new();
        TABLES.get_or_init(|| {
            let read = |language: &str| {
                let path = root().join("media/prompts").join(language).join("prompts.yaml");
                let text = std::fs::read_to_string(path).expect("a shipped table");
                let table: BTreeMap<String, String> = serde_saphyr::from_str(&text).expect("a table");
                (language.to_owned(), table.into_keys().collect())
            };
            Tables(["en", "de"].into_iter().map(read).collect())
        })
    }

    pub fn ids(&self, language: &str) -> &BTreeSet<String> {
        &self.0[language]
    }
}

impl PromptCheck for Tables {
    fn languages(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn has(&self, language: &str, id: &PromptId) -> bool {
        self.0.get(language).is_some_and(|ids| ids.contains(&id.0))
    }

    fn targets(&self) -> Vec<TargetId> {
        ["directory", "crm"].map(TargetId::from).to_vec()
    }

    fn questions(&self) -> Vec<QuestionId> {
        ["birth_year", "house_number", "first_phone", "employee_since"].map(QuestionId::from).to_vec()
    }
}

#[test]
fn only_the_line_test_is_public() {
    let program = program();
    let public: Vec<_> =
        program.entries().filter(|(_, flow)| program.is_public(*flow)).map(|(number, _)| number).collect();
    assert_eq!((public, program.entries().count()), (vec!["5001"], 2));
}

/// Both shipped flows.
pub fn program() -> Arc<Program> {
    static PROGRAM: OnceLock<Arc<Program>> = OnceLock::new();
    let load = || {
        let files = ["password_reset.yaml", "line_test.yaml"].map(|name| (name.to_owned(), shipped(name)));
        match load(&files, Tables::shipped()) {
            Ok(program) => Arc::new(program),
            Err(faults) => {
                panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
            }
        }
    };
    Arc::clone(PROGRAM.get_or_init(load))
}
