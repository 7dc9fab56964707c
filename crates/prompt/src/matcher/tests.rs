//! Streams with gaps, cuts and shifts.
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
            assert!(heard.iter().all(|heard| heard.complete && heard.rate == rate && heard.fraction > 0.99));
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
fn a_clip_of_a_busy_sender_that_goes_on_later_is_one_clip() {
    let library = library();
    let clip = stream(&library, Codec::Pcmu, 160, &["goodbye"], Rate::Normal);
    for cut in (320..clip.len() - 480).step_by(160) {
        for stall in [40, 333, 900, 1500] {
            let mut matcher = Matcher::new(&library, Codec::Pcmu);
            clip[..cut].chunks(160).for_each(|frame| matcher.hear(frame));
            matcher.lost(stall * 8);
            clip[cut..].chunks(160).for_each(|frame| matcher.hear(frame));
            matcher.hear(&[0xFF; 1600]);
            let heard = all(&mut matcher);
            assert_eq!(names(&heard), ["goodbye"], "{cut} {stall}");
            assert!(heard[0].complete, "{cut} {stall} {heard:?}");
            let length = library.duration_ms("en", &"goodbye".into()).unwrap();
            let (from, until) = heard[0].received_ms;
            assert!((until - from).abs_diff(length) <= 1 && from.abs_diff(20) <= 1, "{from} {until}");
        }
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
