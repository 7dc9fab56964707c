//! The shipped flows against the shipped clips: every phrase of these calls has its audio, in every language and codec.
use crate::world::{Call, World};
use passline_flow::{PromptCheck, load};
use passline_identity::{Fault, QuestionId, TargetId};
use passline_prompt::{LanguageSource, Library, phrase::PromptId};
use passline_rtp::codec::Codec;
use std::{
    borrow::Cow,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of prompts").map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../media/prompts");
        let source = |language: &str| {
            let mut paths = Vec::new();
            files(&root.join(language), &mut paths);
            let read = |path: PathBuf| {
                let bytes = fs::read(&path).expect("a file of the folder");
                (path.to_string_lossy().into_owned(), Cow::from(bytes))
            };
            LanguageSource::from_files(language, paths.into_iter().map(read))
        };
        Library::build(["en", "de"].map(source).into()).unwrap_or_else(|faults| panic!("{faults:#?}"))
    })
}

struct Real;

impl PromptCheck for Real {
    fn languages(&self) -> Vec<String> {
        library().languages().to_vec()
    }

    fn has(&self, language: &str, id: &PromptId) -> bool {
        library().has(language, id)
    }

    fn targets(&self) -> Vec<TargetId> {
        ["directory", "crm", "ldap"].map(TargetId::from).to_vec()
    }

    fn questions(&self) -> Vec<QuestionId> {
        ["birth_year", "house_number", "first_phone", "employee_since"].map(QuestionId::from).to_vec()
    }
}

#[test]
fn the_linter_finds_every_clip() {
    let files = ["password_reset.yaml", "line_test.yaml"];
    let files = files.map(|name| (name.to_owned(), crate::shipped::shipped(name)));
    if let Err(faults) = load(&files, &Real) {
        panic!("{faults:#?}");
    }
}

fn assert_rendered(call: &Call) {
    let said = call.said();
    assert_eq!(said.len(), call.phrases.len());
    for (line, phrase) in said.iter().zip(&call.phrases) {
        let language = line.split(':').next().unwrap_or_default();
        for codec in [Codec::Pcmu, Codec::Pcma] {
            if let Err(missing) = library().render(language, phrase, codec) {
                panic!("{line}: {missing}");
            }
        }
    }
}

#[test]
fn every_phrase_of_whole_calls_has_its_audio() {
    let mut bad = World::default();
    bad.results.insert("crm", Fault::Timeout);
    for language in ["en", "de"] {
        let words = library().words(language);
        let capital = |word: &String| word[..1].to_ascii_uppercase() + &word[1..];
        let password: &'static str =
            format!("{}-48-{}-{}", capital(&words[0]), capital(&words[500]), capital(&words[1023])).leak();
        for world in [World::default(), bad.clone()] {
            let mut call = Call::in_language(language, World { password, ..world });
            call.verify();
            call.order_password();
            call.press("1");
            call.hear("again_or_done");
            call.press("*");
            call.hear("again_or_done");
            call.press("#");
            call.hear("key_two_digits");
            call.press("48");
            call.hear("has_new_password");
            call.hear("reset_another");
            call.press("2");
            call.run_out();
            assert_rendered(&call);
        }
        let mut call =
            Call::in_language(language, World { machines: vec!["nb-0048", "nb-0049"], ..bad.clone() });
        call.verify();
        call.press("2");
        call.hear("anything_else");
        call.press("1");
        call.hear("what_do_you_need");
        call.press("3");
        call.hear("choose_computer");
        call.press("1");
        call.hear("press_1_when_ready");
        call.press("1");
        call.run_out();
        assert_rendered(&call);
        let mut call = Call::in_language(language, World { password: "3BK-Q9X-2HT-PWM", ..World::default() });
        call.verify();
        call.order_password();
        call.press("1");
        call.run_out();
        assert_rendered(&call);
    }
    let mut call = Call::to("5001", World::default());
    call.hear("line_test_prompt");
    call.press("0123456789*#ABCD");
    call.hear("you_pressed");
    assert_rendered(&call);
}
