//! What baresip hears in the codecs that leave no octet as it was, beside what the log says was spoken.
use passline_rtp::{CODECS, Codec};
use passline_tests::{
    baresip::Baresip,
    likeness::{self, Found, Sound},
    phone::Phone,
    server::{Server, Setup},
    voice::Voice,
    wait_for,
};
use std::{thread::sleep, time::Duration};

/// Digits and keys that have names.
const KEYS: &str = "147*#";
/// The prompt of the line test, and the beginning of its repetition, which the keys cut off.
const UNTIL_KEYS: Duration = Duration::from_millis(9500);
/// So much is heard of what follows the keys that were read back.
const UNTIL_END: Duration = Duration::from_secs(2);

/// One clip that the log says was spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spoken {
    /// Language and stem.
    name: String,
    /// Its phrase was interrupted, or the call ended with it.
    cut: bool,
}

/// What the log says was spoken, clip by clip.
fn spoken(log: &str) -> Vec<Spoken> {
    let (mut all, mut phrase): (Vec<Spoken>, usize) = (Vec::new(), 0);
    for line in log.lines() {
        if let Some((before, said)) = line.split_once("says=") {
            let language = before.rsplit_once("language=").expect("in a language").1.trim().trim_matches('"');
            phrase = all.len();
            let said = said.trim_start_matches('"').split('"').next().unwrap_or_default();
            let names = said.split_whitespace().flat_map(|word| match word.strip_prefix("digits(") {
                Some(digits) => {
                    digits.trim_end_matches(')').chars().map(|digit| format!("digit_{digit}")).collect()
                }
                None => vec![word.to_owned()],
            });
            all.extend(names.map(|name| Spoken { name: format!("{language}/{name}"), cut: false }));
        } else if line.contains("interrupted") {
            all[phrase..].iter_mut().for_each(|spoken| spoken.cut = true);
        }
    }
    all[phrase..].iter_mut().for_each(|spoken| spoken.cut = true);
    all
}

/// The first difference between what was spoken and what was heard: all of it, in its order, to its end, and no more.
fn difference(spoken: &[Spoken], heard: &[Found]) -> Option<String> {
    let mut heard = heard.iter().peekable();
    for expected in spoken {
        match heard.next_if(|found| found.is(&expected.name)) {
            Some(found) if found.complete || expected.cut => {}
            Some(found) => return Some(format!("{} was cut off: {found:?}", expected.name)),
            None if expected.cut => {}
            None => return Some(format!("{} was spoken, and then came {:?}", expected.name, heard.peek())),
        }
    }
    heard.next().map(|found| format!("nobody spoke {found:?}"))
}

fn in_codec(codec: Codec, sounds: &[Sound]) {
    let label = codec.label();
    let server = Server::start(Setup {
        voice: Voice::Shipped,
        rtp: format!("  codecs: [PCMU, PCMA, {label}]\n"),
        ..Setup::default()
    });
    let rate = codec.info().sample_rate;
    let mut baresip = Baresip::speaking_at(&server, codec, "caller", &vec![0; 60 * rate as usize], rate);
    baresip.dial(&server.uri("5001"));
    Phone::talks(&mut baresip);
    sleep(UNTIL_KEYS);
    Phone::press(&mut baresip, KEYS);
    let goes_on = |log: &str| log.split_once("digits(").is_some_and(|(_, after)| after.contains("says="));
    assert!(
        wait_for(Duration::from_secs(60), || goes_on(&server.log()).then_some(())).is_some(),
        "{}",
        server.log()
    );
    sleep(UNTIL_END);
    Phone::hang_up(&mut baresip);
    let call = server.call();
    assert_eq!((call["codec"].as_str(), call["digits"].as_str()), (Some(label), Some(KEYS)), "{call:#}");
    let (samples, rate) = baresip.recorded();
    let hearing = likeness::listen(sounds, &samples, rate);
    let spoken = spoken(&server.log());
    let context = format!("{label}: {spoken:?}\n{hearing:#?}");
    assert_eq!(difference(&spoken, &hearing.found), None, "{context}");
    assert_eq!(hearing.foreign_ms(), 0, "{context}");
    // The prompt, its beginning, what was pressed, and the beginning once more: no less, whatever the log says.
    let complete = hearing.found.iter().filter(|found| found.complete).count();
    assert!(complete >= 2 + KEYS.len(), "{context}");
    assert!(hearing.found.iter().any(|found| found.is("en/digit_4")), "{context}");

    // It would not do for other words: another digit, one too few, one too many, another order, another voice.
    let four =
        spoken.iter().position(|spoken| spoken.name == "en/digit_4").expect("a digit that was pressed");
    let changed = |change: &dyn Fn(&mut Vec<Spoken>)| {
        let mut other = spoken.clone();
        change(&mut other);
        difference(&other, &hearing.found)
    };
    assert!(changed(&|other| other[four].name = "en/digit_5".into()).is_some(), "{context}");
    assert!(changed(&|other| drop(other.remove(four))).is_some(), "{context}");
    assert!(changed(&|other| other.insert(four, other[four].clone())).is_some(), "{context}");
    assert!(changed(&|other| other.swap(four, four + 1)).is_some(), "{context}");
    assert!(changed(&|other| other[four].name = "de/digit_4".into()).is_some(), "{context}");
}

#[test]
fn baresip_hears_what_was_spoken_where_no_octet_stays_as_it_was() {
    let _alone = crate::alone();
    let sounds = likeness::shipped(&["en", "de"]);
    std::thread::scope(|scope| {
        let inexact = |codec: Codec| !codec.is_law() && likeness::keeps_the_wave(codec);
        for info in CODECS.iter().filter(|info| inexact(info.codec)) {
            let sounds = &sounds;
            scope.spawn(move || in_codec(info.codec, sounds));
        }
    });
}
