//! A password is rendered, played frame by frame, heard through loss, and written down: it is the same password.
use passline_identity::Secret;
use passline_prompt::{
    Library, Matcher, Player, Transcript,
    phrase::{Item, Phrase, Rate},
    synthetic,
};
use passline_rtp::codec::{CODECS, Codec};

fn library() -> Library {
    let words = ["maple", "tango", "rivet", "amber"];
    let prompts = ["password_intro", "password_end", "again"];
    Library::build(vec![
        synthetic::language("en", &prompts, &words),
        synthetic::language("de", &prompts, &words),
    ])
    .expect("a synthetic language is complete")
}

/// What the flow says for a password: each part whole, then spelled.
fn dictation(password: &str, rate: Rate) -> Vec<Phrase> {
    let prompt = |id: &str| Phrase { items: vec![Item::Prompt(id.into())], rate };
    let parts = password.split('-').map(|part| Phrase {
        items: vec![
            Item::Whole(Secret::new(part)),
            Item::Pause(700),
            Item::Spelled(Secret::new(part)),
            Item::Pause(1000),
        ],
        rate,
    });
    [prompt("password_intro")].into_iter().chain(parts).chain([prompt("password_end")]).collect()
}

/// Plays phrases into a matcher, losing each `lose`-th frame, and writes down what it hears.
fn listen(
    library: &Library,
    language: &str,
    codec: Codec,
    phrases: &[Phrase],
    lose: Option<usize>,
) -> Transcript {
    let mut player = Player::new(codec);
    let mut matcher = Matcher::new(library, codec);
    let mut transcript = Transcript::new();
    let mut frame = [0; 160];
    let mut count = 0;
    // The first frame of the call is cut, so that clips and frames of the listener are not aligned.
    player.fill(&mut frame[..77]);
    for phrase in phrases {
        let script = library.render(language, phrase, codec).expect("every clip is there");
        player.play(script);
        while player.is_playing() {
            player.fill(&mut frame);
            count += 1;
            match lose {
                Some(lose) if count % lose == 0 => matcher.lost(frame.len()),
                _ => matcher.hear(&frame),
            }
            while let Some(heard) = matcher.poll() {
                transcript.hear(&heard);
            }
        }
    }
    matcher.finish();
    while let Some(heard) = matcher.poll() {
        transcript.hear(&heard);
    }
    transcript
}

#[test]
fn a_password_survives_the_way_to_the_ear() {
    let library = library();
    for info in CODECS.iter().filter(|info| info.codec.is_law()) {
        for language in ["en", "de"] {
            for rate in [Rate::Normal, Rate::Slow, Rate::Slowest] {
                for lose in [None, Some(10)] {
                    for password in ["Tango-48-Maple-Rivet", "3KT-44B-QQ7-999", "112-211-777-000"] {
                        let phrases = dictation(password, rate);
                        let heard = listen(&library, language, info.codec, &phrases, lose).password();
                        let heard = heard.as_ref().map_or("", Secret::expose);
                        assert_eq!(heard, password, "{} {language} {rate:?} {lose:?}", info.name);
                    }
                }
            }
        }
    }
}

#[test]
fn a_password_said_twice_is_written_once() {
    let library = library();
    let phrases =
        [dictation("Amber-07-Tango-Maple", Rate::Normal), dictation("Amber-07-Tango-Maple", Rate::Slow)]
            .concat();
    let heard = listen(&library, "en", Codec::Pcmu, &phrases, None).password();
    assert!(heard == Some(Secret::new("Amber-07-Tango-Maple")));
}
