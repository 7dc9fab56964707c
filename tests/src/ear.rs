//! What a caller hears: prompts, and the password that is spelled.
use passline_prompt::{Heard, Library, Matcher, Transcript};
use passline_rtp::Codec;
use std::collections::VecDeque;

/// One prompt that was heard. Test secrets are worthless, so everything is in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Language folder.
    pub language: String,
    /// Stem of the clip.
    pub name: String,
    /// The same, `secret` where it is a part of a secret.
    pub masked: String,
    /// Start in ms since the first sample.
    pub at_ms: u64,
    /// Heard to its end.
    pub complete: bool,
}

impl Prompt {
    fn new(heard: &Heard) -> Self {
        Self {
            language: heard.language().to_owned(),
            name: heard.name().to_owned(),
            masked: heard.log_name().to_owned(),
            at_ms: heard.at_ms,
            complete: heard.complete,
        }
    }
}

/// Listens to the payloads of one call, or to a recording.
pub struct Ear {
    matcher: Matcher,
    /// What was spelled.
    pub transcript: Transcript,
    /// Prompts in the order of their ends.
    pub prompts: Vec<Prompt>,
    announced: Option<(String, u64)>,
    news: VecDeque<Prompt>,
}

impl Ear {
    /// An ear that knows these prompts.
    pub fn new(library: &Library, codec: Codec) -> Self {
        Self {
            matcher: Matcher::new(library, codec),
            transcript: Transcript::new(),
            prompts: Vec::new(),
            announced: None,
            news: VecDeque::new(),
        }
    }

    /// Octets as received.
    pub fn hear(&mut self, payload: &[u8]) {
        self.matcher.hear(payload);
        if let Some(hearing) = self.matcher.hearing() {
            let key = (hearing.name().to_owned(), hearing.at_ms);
            if self.announced.as_ref() != Some(&key) {
                self.announced = Some(key);
                self.news.push_back(Prompt { complete: false, ..Prompt::new(&hearing) });
            }
        }
        self.collect();
    }

    /// So many samples did not come.
    pub fn lost(&mut self, samples: usize) {
        self.matcher.lost(samples);
        self.collect();
    }

    /// The call is over.
    pub fn finish(&mut self) {
        self.matcher.finish();
        self.collect();
    }

    /// The next prompt that begins (not complete) or has been heard to its end.
    pub fn poll(&mut self) -> Option<Prompt> {
        self.news.pop_front()
    }

    /// Names of the prompts heard to their ends, parts of secrets as one `secret` each.
    pub fn masked(&self) -> Vec<String> {
        self.prompts.iter().filter(|prompt| prompt.complete).map(|prompt| prompt.masked.clone()).collect()
    }

    /// The password as written down.
    pub fn password(&self) -> Option<String> {
        self.transcript.password().map(|password| password.expose().to_owned())
    }

    fn collect(&mut self) {
        while let Some(heard) = self.matcher.poll() {
            self.transcript.hear(&heard);
            let prompt = Prompt::new(&heard);
            self.prompts.push(prompt.clone());
            if prompt.complete {
                self.news.push_back(prompt);
            }
        }
    }
}
