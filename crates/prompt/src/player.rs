//! Copies scripts into frames.
use crate::clip::{Script, Segment};
use passline_rtp::codec::Codec;

/// Length of the fade-out when a script is cut, in samples (4 ms): cutting a loud vowel to silence clicks.
const FADE: usize = 32;

/// What a call of [`Player::fill`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// The frame holds audio of a script (or the script's own silence).
    pub playing: bool,
    /// True once per script: it ended within this frame or exactly at its end. Never for a script that was cut.
    pub finished: bool,
}

/// Plays one script at a time; what it has nothing for is the codec's silence.
///
/// [`Player::fill`] neither allocates nor frees: scripts are handed back by [`Player::play`], [`Player::stop`] and
/// [`Player::take_finished`], and whoever takes them drops them outside of the media tick.
#[derive(Debug)]
pub struct Player {
    codec: Codec,
    script: Option<Script>,
    /// The segment being played: a frame need not look for it in the script, whose memory is nobody else's and cold.
    now: Option<Segment>,
    segment: usize,
    offset: usize,
    ended: bool,
    fade: [u8; FADE],
    fade_at: usize,
}

impl Player {
    /// A player of silence, in the law of a codec.
    pub fn new(codec: Codec) -> Self {
        let codec = codec.law();
        Self {
            codec,
            script: None,
            now: None,
            segment: 0,
            offset: 0,
            ended: true,
            fade: [codec.silence(); FADE],
            fade_at: FADE,
        }
    }

    /// The law that it was made for.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Starts a script with the next sample, after 4 ms of fade-out of what was being said. Returns the script that
    /// was there before, played to its end or not. A script of another codec is played as it is; rendering for the
    /// stream's codec is the caller's duty.
    pub fn play(&mut self, script: Script) -> Option<Script> {
        let previous = self.stop();
        self.now = script.segments.first().cloned();
        self.script = Some(script);
        (self.segment, self.offset, self.ended) = (0, 0, false);
        previous
    }

    /// Cuts what is being said, with 4 ms of fade-out, and hands it back.
    pub fn stop(&mut self) -> Option<Script> {
        if self.is_playing() {
            self.start_fade();
        }
        self.ended = true;
        self.now = None;
        self.script.take()
    }

    /// True while a script has samples left.
    pub fn is_playing(&self) -> bool {
        !self.ended
    }

    /// A script that was played to its end.
    pub fn take_finished(&mut self) -> Option<Script> {
        if self.ended { self.script.take() } else { None }
    }

    /// Where the audio lies that comes next, for a shell that has it fetched into the cache before it is needed.
    pub fn ahead(&self) -> &[u8] {
        match &self.now {
            Some(Segment::Clip(clip)) => clip.audio().get(self.offset..).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// Writes the next samples, one octet each, any number of them.
    pub fn fill(&mut self, out: &mut [u8]) -> Filled {
        let fade = out.len().min(FADE - self.fade_at);
        let (faded, mut rest) = out.split_at_mut(fade);
        faded.copy_from_slice(&self.fade[self.fade_at..self.fade_at + fade]);
        self.fade_at += fade;

        let silence = self.codec.silence();
        let mut filled = Filled::default();
        let Some(script) = self.script.as_ref().filter(|_| !self.ended) else {
            rest.fill(silence);
            return filled;
        };
        filled.playing = true;
        while let Some(segment) = &self.now {
            let samples = rest.len().min(segment.samples() - self.offset);
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(samples);
            match segment {
                Segment::Clip(clip) => {
                    head.copy_from_slice(&clip.audio()[self.offset..self.offset + samples])
                }
                Segment::Silence(_) => head.fill(silence),
            }
            rest = tail;
            self.offset += samples;
            if self.offset < segment.samples() {
                break;
            }
            self.segment += 1;
            self.offset = 0;
            // The script has a count of the clip that this one frees, so that nothing is given back in the tick.
            self.now = script.segments.get(self.segment).cloned();
        }
        rest.fill(silence);
        if self.now.is_none() {
            self.ended = true;
            filled.finished = true;
        }
        filled
    }

    /// Prepares the fade: the samples that would have come next, under a falling ramp.
    fn start_fade(&mut self) {
        let mut next = [self.codec.silence(); FADE];
        let ahead = self.ahead();
        let samples = ahead.len().min(FADE);
        next[..samples].copy_from_slice(&ahead[..samples]);
        let mut pcm = [0; FADE];
        self.codec.decode(&next, &mut pcm);
        for (at, sample) in pcm.iter_mut().enumerate() {
            *sample = (i32::from(*sample) * (FADE - at) as i32 / (FADE as i32 + 1)) as i16;
        }
        self.codec.encode(&pcm, &mut self.fade);
        self.fade_at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::Clip;

    const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

    fn script(codec: Codec, segments: &[(u8, usize)]) -> Script {
        // Kind 0 is silence.
        let segments = segments.iter().map(|&(start, samples)| match start {
            0 => Segment::Silence(samples as u32),
            _ => Segment::Clip(Clip::new(
                "clip".into(),
                (0..samples).map(|at| start.wrapping_add(at as u8)).collect::<Vec<_>>().into(),
            )),
        });
        Script { codec, segments: segments.collect() }
    }

    fn flat(script: &Script) -> Vec<u8> {
        let mut all = Vec::new();
        for segment in &script.segments {
            match segment {
                Segment::Clip(clip) => all.extend_from_slice(clip.audio()),
                Segment::Silence(samples) => {
                    all.resize(all.len() + *samples as usize, script.codec.silence())
                }
            }
        }
        all
    }

    #[test]
    fn every_sample_comes_once_and_in_order_for_any_frame_length() {
        for codec in CODECS {
            for frame in [1, 7, 80, 160, 240, 5000] {
                let mut player = Player::new(codec);
                let script =
                    script(codec, &[(3, 123), (0, 77), (9, 160), (5, 1), (0, 0), (200, 640), (0, 33)]);
                let want = flat(&script);
                assert!(player.play(script.clone()).is_none());
                let mut got = Vec::new();
                let mut finished = 0;
                while got.len() < want.len() + 2 * frame {
                    let mut out = vec![1; frame];
                    let filled = player.fill(&mut out);
                    assert_eq!(filled.playing, got.len() < want.len(), "frame {frame} at {}", got.len());
                    finished += usize::from(filled.finished);
                    got.extend(out);
                }
                assert_eq!(got[..want.len()], want);
                assert!(got[want.len()..].iter().all(|octet| *octet == codec.silence()));
                assert_eq!(finished, 1);
                assert_eq!(player.take_finished(), Some(script));
                assert_eq!(player.take_finished(), None);
            }
        }
    }

    #[test]
    fn an_empty_script_finishes_at_once() {
        let mut player = Player::new(Codec::Pcmu);
        player.play(script(Codec::Pcmu, &[]));
        let mut out = [0; 160];
        assert_eq!(player.fill(&mut out), Filled { playing: true, finished: true });
        assert_eq!(player.fill(&mut out), Filled::default());
    }

    #[test]
    fn a_cut_fades_within_4_ms_and_is_never_finished() {
        for codec in CODECS {
            let mut player = Player::new(codec);
            let mut loud = [0; 1600];
            codec.encode(&[12_000; 1600], &mut loud);
            let script = Script {
                codec,
                segments: vec![Segment::Clip(Clip::new("clip".into(), loud.to_vec().into()))],
            };
            player.play(script.clone());
            let mut out = [0; 160];
            assert_eq!(player.fill(&mut out), Filled { playing: true, finished: false });
            assert_eq!(player.stop(), Some(script.clone()));
            assert_eq!(player.fill(&mut out), Filled::default());
            let mut pcm = [0; 160];
            codec.decode(&out, &mut pcm);
            assert!(pcm.windows(2).all(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() < 1100));
            assert!(out[FADE..].iter().all(|octet| *octet == codec.silence()));

            player.play(script.clone());
            player.fill(&mut out[..80]);
            assert_eq!(player.play(script.clone()), Some(script));
            player.fill(&mut out);
            assert_eq!(out[FADE..], loud[..160 - FADE]);
        }
    }
}
