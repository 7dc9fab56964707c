//! The prompts that are shipped: complete, well recorded, and each password said with them can be written down.
//!
//! `PASSLINE_SWEEP=1` says every word of each list in each place, in both codecs; without it, a part of that.

#[path = "shipped/dictation.rs"]
mod dictation;
#[path = "shipped/media.rs"]
mod media;

use dictation::{Faults, Line, Listening, phrases};
use media::{LANGUAGES, library, source};
use passline_identity::{PasswordStyle, Secret, generate_password};
use passline_prompt::{check, phrase::Rate};
use passline_rtp::codec::CODECS;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Everything is said, not a part of it.
fn sweep() -> bool {
    std::env::var_os("PASSLINE_SWEEP").is_some()
}

#[test]
fn the_library_has_no_faults_and_the_recordings_no_findings() {
    let library = library();
    assert_eq!(library.languages(), LANGUAGES);
    let warnings: Vec<String> = library.warnings().iter().map(ToString::to_string).collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
    for code in LANGUAGES {
        assert_eq!(library.words(code).len(), 1024, "{code}");
        let findings: Vec<String> = check::check(&source(code)).iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{findings:#?}");
    }
}

/// Each word in each place: three words to a password.
fn word_passwords(code: &str) -> Vec<Secret> {
    let words = library().words(code);
    let capital = |at: usize| {
        let word = &words[at % words.len()];
        word[..1].to_ascii_uppercase() + &word[1..]
    };
    let step = if sweep() { 1 } else { 171 };
    (0..words.len())
        .step_by(step)
        .map(|at| {
            Secret::new(format!(
                "{}-{:02}-{}-{}",
                capital(at),
                at % 100,
                capital(at + 341),
                capital(at + 683)
            ))
        })
        .collect()
}

fn random_passwords(code: &str, style: PasswordStyle, count: usize) -> Vec<Secret> {
    let words: Vec<&str> = library().words(code).iter().map(String::as_str).collect();
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    (0..count).map(|_| generate_password(style, &words, &mut rng)).collect()
}

/// Says passwords down a line and tells which were written down wrong.
fn wrong(passwords: &[Secret], code: &str, listening: Listening, faults: Faults, rate: Rate) -> Vec<String> {
    let mut wrong = Vec::new();
    for info in CODECS.iter().filter(|info| info.codec.is_law()) {
        for (seed, password) in passwords.iter().enumerate() {
            let mut line = Line::new(library(), code, info.codec, faults, seed as u64);
            line.listen(&phrases(password, rate), listening);
            let heard = line.end();
            let heard = heard.as_ref().map_or("", Secret::expose);
            if heard != password.expose() {
                wrong.push(format!(
                    "{} {code} {listening:?} {faults:?} {rate:?}: {} written as {heard}",
                    info.name,
                    password.expose()
                ));
            }
        }
    }
    wrong
}

fn prove(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} wrong, such as {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

#[test]
fn every_word_is_written_down_in_every_place() {
    for listening in [Listening::ToTheEnd, Listening::UntilKnown] {
        let all = LANGUAGES
            .map(|code| wrong(&word_passwords(code), code, listening, Faults::default(), Rate::Normal));
        prove(all.concat());
    }
}

#[test]
fn passwords_of_each_style_are_written_down() {
    let count = if sweep() { 300 } else { 3 };
    let mut all = Vec::new();
    for code in LANGUAGES {
        for style in [PasswordStyle::Words, PasswordStyle::Alnum24, PasswordStyle::Digits] {
            let passwords = random_passwords(code, style, count);
            for rate in [Rate::Normal, Rate::Slow, Rate::Slowest] {
                all.extend(wrong(&passwords, code, Listening::ToTheEnd, Faults::default(), rate));
            }
        }
    }
    prove(all);
}

/// Random passwords down bad lines, to the end and broken off.
fn on_bad_lines(lines: &[Faults], count: usize) -> (usize, Vec<String>) {
    let (mut said, mut all) = (0, Vec::new());
    for code in LANGUAGES {
        let passwords = random_passwords(code, PasswordStyle::Words, count);
        for faults in lines {
            for listening in [Listening::ToTheEnd, Listening::UntilKnown] {
                all.extend(wrong(&passwords, code, listening, *faults, Rate::Normal));
                said += passwords.len() * 2;
            }
        }
    }
    (said, all)
}

#[test]
fn passwords_survive_a_bad_line() {
    let none = Faults::default();
    let lines = [
        Faults { lost: 20, ..none },
        Faults { lost: 50, ..none },
        Faults { stalls: 5, ..none },
        Faults { jitter: 5, ..none },
    ];
    prove(on_bad_lines(&lines, if sweep() { 200 } else { 3 }).1);
}

/// Something goes wrong each second: such a call may fail now and then.
#[test]
fn passwords_mostly_survive_a_terrible_line() {
    let lines = [
        Faults { stalls: 40, ..Faults::default() },
        Faults { jitter: 20, ..Faults::default() },
        Faults { lost: 20, stalls: 10, jitter: 10 },
    ];
    let (said, wrong) = on_bad_lines(&lines, if sweep() { 200 } else { 3 });
    println!("{} of {said} wrong", wrong.len());
    if wrong.len() * 50 > said {
        prove(wrong);
    }
}
