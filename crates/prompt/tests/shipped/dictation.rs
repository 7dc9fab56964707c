//! What `speak_secret` says, and a caller who listens to it through a lossy line.
use passline_identity::Secret;
use passline_prompt::{
    Library, Matcher, Player, Transcript,
    phrase::{Item, Phrase, Rate},
};
use passline_rtp::codec::Codec;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// 20 ms.
const FRAME: usize = 160;

/// From the end of a clip to the next phrase that a key brings, in frames: the caller's moment, the press, the way.
const REACTION: usize = 16;

/// How a caller listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// To all that is said.
    ToTheEnd,
    /// Presses 1 for the next part as soon as a word and its first letter were heard.
    UntilKnown,
}

/// What goes wrong on the line; each of a thousand frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Frames lost.
    pub lost: u32,
    /// Times that nothing comes for 40 to 800 ms, because the server's machine is busy. What it says waits meanwhile.
    pub stalls: u32,
    /// Times that packets come 40 to 200 ms late: the jitter buffer inserts time, and takes it back where it is quiet.
    pub jitter: u32,
}

/// The phrases of a password in the order of the `speak_secret` step, and what comes before and after.
pub fn phrases(password: &Secret, rate: Rate) -> Vec<Phrase> {
    let prompt = |id: &str| Item::Prompt(id.into());
    let texts: Vec<&str> = password.expose().split('-').collect();
    let mut phrases = vec![Phrase { items: vec![prompt("password_keys")], rate: Rate::Normal }];
    for (at, text) in texts.iter().enumerate() {
        let last = at + 1 == texts.len();
        let intro = match at {
            0 => "your_password_is",
            _ if last => "last_part",
            _ => "next_part",
        };
        let mut items = vec![prompt(intro), Item::Pause(500)];
        let is_word = text.len() > 2 && text[1..].bytes().all(|byte| byte.is_ascii_lowercase());
        if is_word || text.bytes().all(|byte| byte.is_ascii_digit()) {
            items.extend([Item::Whole(Secret::new(*text)), Item::Pause(500)]);
        }
        let hyphen = if last { "" } else { "-" };
        items.push(Item::Spelled(Secret::new(format!("{text}{hyphen}"))));
        if at == 0 && !last {
            items.extend([Item::Pause(500), prompt("hyphen_hint")]);
        }
        items.push(Item::Pause(1000));
        phrases.push(Phrase { items, rate });
    }
    let end = vec![Item::Pause(500), prompt("that_was_all"), Item::Pause(500), prompt("again_or_done")];
    phrases.push(Phrase { items: end, rate: Rate::Normal });
    phrases
}

/// Server, network and ear.
pub struct Line<'a> {
    library: &'a Library,
    language: &'a str,
    codec: Codec,
    faults: Faults,
    /// Frames that a jitter buffer is behind, and when it last took one back.
    behind: usize,
    since_trim: usize,
    rng: ChaCha20Rng,
    player: Player,
    matcher: Matcher,
    transcript: Transcript,
    word_heard: bool,
}

impl<'a> Line<'a> {
    pub fn new(library: &'a Library, language: &'a str, codec: Codec, faults: Faults, seed: u64) -> Self {
        let mut line = Self {
            library,
            language,
            codec,
            faults,
            behind: 0,
            since_trim: 0,
            rng: ChaCha20Rng::seed_from_u64(seed),
            player: Player::new(codec),
            matcher: Matcher::new(library, codec),
            transcript: Transcript::new(),
            word_heard: false,
        };
        // Clips do not begin where frames begin.
        let shift = line.rng.next_u32() as usize % FRAME;
        line.player.fill(&mut [0; FRAME][..shift]);
        line
    }

    pub fn listen(&mut self, phrases: &[Phrase], listening: Listening) {
        for phrase in phrases {
            let script = self.library.render(self.language, phrase, self.codec).expect("every clip is there");
            self.word_heard = false;
            self.player.play(script);
            let mut left = None;
            while self.player.is_playing() && left != Some(0) {
                let known = self.frame();
                if known && listening == Listening::UntilKnown && left.is_none() {
                    left = Some(REACTION);
                }
                left = left.map(|left| left - 1);
            }
        }
    }

    /// One frame; true if the caller now knows the part that is being said.
    fn frame(&mut self) -> bool {
        let mut frame = [0; FRAME];
        self.player.fill(&mut frame);
        if self.strikes(self.faults.lost) {
            self.matcher.lost(FRAME);
        } else if self.behind > 0 && self.since_trim >= 25 && self.is_quiet(&frame) {
            self.behind -= 1;
            self.since_trim = 0;
        } else {
            self.matcher.hear(&frame);
        }
        self.since_trim += 1;
        if self.strikes(self.faults.stalls) {
            let frames = 2 + self.rng.next_u32() as usize % 39;
            (0..frames).for_each(|_| self.matcher.lost(FRAME));
        }
        if self.strikes(self.faults.jitter) {
            let frames = 2 + self.rng.next_u32() as usize % 9;
            (0..frames).for_each(|_| self.matcher.lost(FRAME));
            self.behind += frames;
        }
        self.collect()
    }

    fn strikes(&mut self, per_mille: u32) -> bool {
        self.rng.next_u32() % 1000 < per_mille
    }

    /// As the playout of the ear's stream decides it.
    fn is_quiet(&self, frame: &[u8]) -> bool {
        let mut pcm = [0; FRAME];
        self.codec.decode(frame, &mut pcm);
        pcm.iter().map(|sample| u32::from(sample.unsigned_abs())).sum::<u32>() < 130 * FRAME as u32
    }

    fn collect(&mut self) -> bool {
        let mut known = false;
        while let Some(heard) = self.matcher.poll() {
            self.word_heard |= heard.complete && heard.name().starts_with("word_");
            known |= self.word_heard && heard.complete && heard.name().starts_with("code_");
            self.transcript.hear(&heard);
        }
        known
    }

    /// Hangs up; what was written down.
    pub fn end(mut self) -> Option<Secret> {
        self.player.stop();
        (0..50).for_each(|_| {
            self.frame();
        });
        self.matcher.finish();
        self.collect();
        self.transcript.password()
    }
}
