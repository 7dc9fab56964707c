//! Received audio on its way to those who take it; where nobody does, none is kept.
//!
//! Most calls of a trunk whose keys come as events need no audio at all: keeping half a second of it would cost each of
//! them 5 kB and a handful of cold cache lines in every tick.

use crate::ahead::Memory;
use crate::codec::Codec;
use crate::digit::{FrameKind, MediaTime};
use crate::history::{Content, History, Reach};
use crate::order::Order;
use crate::path::DigitPath;
use crate::playout::{FRAME, Player};

/// A packet of audio (or of none), as the history keeps it.
pub(crate) struct Kept<'a> {
    pub(crate) index: u64,
    /// RTP timestamp at 8000 Hz.
    pub(crate) timestamp: u32,
    /// Arrival on the media clock.
    pub(crate) arrived: u64,
    pub(crate) content: Content,
    /// First packet of a new sequence or source.
    pub(crate) restart: bool,
    pub(crate) payload: &'a [u8],
}

/// The newest packets, and who takes from them.
#[derive(Debug)]
pub(crate) struct Audio {
    history: History,
    /// For the tone detector.
    order: Option<Order>,
    /// For recorders, matchers and the other side of a bridge.
    player: Option<Box<Player>>,
}

fn reach(play: bool) -> Reach {
    if play { Reach::Second } else { Reach::Half }
}

impl Audio {
    /// `None` where nobody takes audio. All memory is taken here.
    pub(crate) fn new(codec: Codec, listen: bool, play: bool) -> Option<Box<Audio>> {
        (listen || play).then(|| {
            Box::new(Audio {
                history: History::new(codec, reach(play)),
                order: listen.then(|| Order::new(codec)),
                player: play.then(|| Box::new(Player::new(codec))),
            })
        })
    }

    /// Another codec was agreed on. Not in a tick: decoders are made.
    pub(crate) fn admit(&mut self, codec: Codec) {
        self.history.admit(codec, reach(self.player.is_some()));
        if let Some(order) = &mut self.order {
            order.admit(codec);
        }
        if let Some(player) = &mut self.player {
            player.admit(codec);
        }
    }

    /// Begins to play out, or ends it; what was concealed and trimmed until then, in samples. Not in a tick.
    pub(crate) fn set_playing(&mut self, codec: Codec, play: bool) -> (u64, u64) {
        match (&self.player, play) {
            (None, true) => {
                self.history.admit(codec, Reach::Second);
                self.player = Some(Box::new(Player::new(codec)));
            }
            (Some(_), false) => {
                return self.player.take().map_or((0, 0), |player| (player.concealed, player.trimmed));
            }
            _ => {}
        }
        (0, 0)
    }

    /// Whether anybody takes audio.
    pub(crate) fn is_taken(&self) -> bool {
        self.order.is_some() || self.player.is_some()
    }

    /// Whether the packet at `index` comes too late for its place in the tone detector's order.
    pub(crate) fn is_past(&self, index: u64) -> bool {
        self.order.as_ref().is_some_and(|order| order.is_past(index))
    }

    /// Whether the packet at `index` is kept, or too old to be.
    pub(crate) fn knows(&self, index: u64) -> bool {
        self.history.get(index).is_some() || self.is_past(index)
    }

    /// Keeps a packet that came for the first time.
    pub(crate) fn keep(&mut self, packet: Kept<'_>) {
        let Kept { index, timestamp, arrived, content, restart, payload } = packet;
        self.history.insert(index, timestamp, arrived, content, restart, payload);
    }

    /// Where the packet at `index` will be put.
    pub(crate) fn ahead(&self, index: u64) -> [Memory; 3] {
        self.history.ahead(index)
    }

    /// Audio came: `target` is the delay that its talkspurt wants, in samples.
    pub(crate) fn arrival(&mut self, index: u64, target: u32) {
        if let Some(player) = &mut self.player {
            player.arrival(index, target);
        }
    }

    /// Hands what is ripe at `now` (samples) to the tone detector.
    pub(crate) fn listen(&mut self, now: u64, highest: u64, digits: &mut DigitPath) {
        if let Some(order) = &mut self.order {
            order.advance(now, highest, &self.history, |timestamp, samples, kind| {
                digits.audio(MediaTime(now), timestamp, samples, kind);
            });
        }
    }

    /// Makes the frame of the tick at `now` (samples); true with it if all of it was received.
    pub(crate) fn pull(&mut self, now: u64, highest: u64, codec: Codec) -> (FrameKind, bool) {
        match &mut self.player {
            Some(player) => player.pull(now, highest, &self.history, codec),
            None => (FrameKind::Silence, false),
        }
    }

    /// Samples and octets of the last frame.
    pub(crate) fn frame(&self) -> (&[i16], &[u8]) {
        self.player.as_ref().map_or(NOTHING, |player| (player.pcm(), player.octets()))
    }

    /// What is played out, if it is.
    pub(crate) fn player(&self) -> Option<&Player> {
        self.player.as_deref()
    }
}

/// The frame of those who play nothing.
pub(crate) const NOTHING: (&[i16], &[u8]) = (&[0; FRAME], &[0; FRAME]);
