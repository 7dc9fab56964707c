//! What a caller heard: the audio, the prompts in it, and the password that was spelled.
use passline_prompt::{Heard, Library, Matcher, Transcript};
use passline_rtp::Codec;
use std::collections::VecDeque;

/// A frame whose samples stay below this on average is silence: about -50 dBm0.
const SILENT: i64 = 60;
/// Samples of a frame that did not come (20 ms at 8 kHz).
const FRAME: usize = 160;

/// One prompt as it was heard.
#[derive(Clone, Debug)]
pub struct HeardPrompt {
    /// Language folder.
    pub language: String,
    /// Prompt id; `secret` for the parts of a secret.
    pub prompt: String,
    /// The same in clear.
    pub clear: passline_identity::Secret,
    /// Start in ms since the first frame.
    pub at_ms: u64,
    /// End on the same clock.
    pub until_ms: u64,
    /// Heard to its end.
    pub complete: bool,
}

/// Listens to the frames of one call.
pub struct Ear {
    codec: Codec,
    matcher: Matcher,
    /// What was spelled.
    pub transcript: Transcript,
    /// 8 kHz mono.
    pub pcm: Vec<i16>,
    /// Prompts in the order of their ends.
    pub prompts: Vec<HeardPrompt>,
    /// Frames that did not come in time.
    pub missing_frames: u64,
    announced: Option<(String, u64)>,
    ready: VecDeque<Heard>,
}

impl Ear {
    /// An ear that knows the prompts of a library.
    pub fn new(library: &Library, codec: Codec) -> Self {
        // Frames come in the law of the stream's codec.
        let codec = codec.law();
        Self {
            codec,
            matcher: Matcher::new(library, codec),
            transcript: Transcript::new(),
            pcm: Vec::new(),
            prompts: Vec::new(),
            missing_frames: 0,
            announced: None,
            ready: VecDeque::new(),
        }
    }

    /// One frame; true if it is silent.
    pub fn frame(&mut self, payload: &[u8], received: bool) -> bool {
        let start = self.pcm.len();
        if received && !payload.is_empty() {
            self.pcm.resize(start + payload.len(), 0);
            let written = self.codec.decode(payload, &mut self.pcm[start..]);
            self.pcm.truncate(start + written);
            self.matcher.hear(payload);
        } else {
            self.missing_frames += 1;
            self.pcm.resize(start + FRAME, 0);
            self.matcher.lost(FRAME);
        }
        if let Some(hearing) = self.matcher.hearing() {
            let key = (hearing.name().to_owned(), hearing.at_ms);
            if self.announced.as_ref() != Some(&key) {
                self.announced = Some(key);
                let mut hearing = hearing;
                hearing.complete = false;
                self.ready.push_back(hearing);
            }
        }
        self.collect();
        let fresh = &self.pcm[start..];
        let level: i64 = fresh.iter().map(|sample| i64::from(sample.unsigned_abs())).sum();
        level <= SILENT * fresh.len().max(1) as i64
    }

    /// The next clip that begins to be heard (not complete) or that was heard to its end.
    pub fn poll(&mut self) -> Option<Heard> {
        self.ready.pop_front()
    }

    /// The call is over.
    pub fn finish(&mut self) {
        self.matcher.finish();
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(heard) = self.matcher.poll() {
            self.transcript.hear(&heard);
            self.prompts.push(HeardPrompt {
                language: heard.language().to_owned(),
                prompt: heard.log_name().to_owned(),
                clear: passline_identity::Secret::new(heard.name()),
                at_ms: heard.at_ms,
                until_ms: heard.until_ms,
                complete: heard.complete,
            });
            if heard.complete {
                self.ready.push_back(heard);
            }
        }
    }
}
