//! What the control side tells a shard, and what it hears back.
use super::live::Live;
use super::{Due, FRAME, MediaShard, PHASES, PacketSink};
use crate::StreamId;
use passline_prompt::Script;
use passline_rtp::srtp::{MediaKeys, SrtpCounts};
use passline_rtp::{Digit, Method, Press, PressEnd, Statistics, StreamConfig, StreamTerms};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// A stream to be opened.
#[derive(Clone, Debug)]
pub struct OpenStream {
    /// Codec, payload types, identifiers.
    pub config: StreamConfig,
    /// Where the peer said it takes RTP.
    pub remote_rtp: SocketAddr,
    /// Where the peer said it takes RTCP.
    pub remote_rtcp: SocketAddr,
    /// RTCP shares the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// Where the signalling comes from: the other place from which RTP is believed.
    pub signalling: IpAddr,
    /// Send from the first frame on.
    pub send: bool,
    /// The peer is expected to send; if it does not, [`MediaEvent::Silent`] comes after `media_timeout`.
    pub expect: bool,
    /// See `expect`.
    pub media_timeout: Duration,
    /// Hand each frame to [`PacketSink::heard`].
    pub tap: bool,
    /// Our RTP port: streams of one port have their frames in one phase, side by side.
    pub lane: u16,
    /// Keys, if packets are encrypted. Keys that are not known yet come by [`ShardCommand::Retarget`].
    pub security: Option<MediaKeys>,
}

/// What a shard is told.
#[derive(Debug)]
pub enum ShardCommand {
    /// A new stream; its sockets stand.
    Open {
        /// Its name: slot free, generation new.
        stream: StreamId,
        /// How.
        open: Box<OpenStream>,
    },
    /// Send, or be silent (until the ACK has come; on hold).
    SendEnabled {
        /// Which stream.
        stream: StreamId,
        /// Send.
        enabled: bool,
    },
    /// A re-INVITE changed where packets go, or in which direction.
    Retarget {
        /// Which stream.
        stream: StreamId,
        /// Where the peer takes RTP now. If it is unchanged, the source lock stays.
        remote_rtp: SocketAddr,
        /// Where the peer takes RTCP now.
        remote_rtcp: SocketAddr,
        /// Where the signalling comes from.
        signalling: IpAddr,
        /// Send.
        send: bool,
        /// Expect packets.
        expect: bool,
        /// Codec, payload types, packet time; the player's scripts must be in the codec's law from now on.
        terms: StreamTerms,
        /// Keys, if packets are encrypted; the same as before, or others.
        security: Option<Box<MediaKeys>>,
    },
    /// Play this now, in place of what is being played.
    Play {
        /// Which stream.
        stream: StreamId,
        /// Comes back in [`MediaEvent::PlayFinished`].
        number: u32,
        /// What.
        script: Script,
    },
    /// Stop playing.
    Stop {
        /// Which stream.
        stream: StreamId,
    },
    /// A press that came by SIP INFO.
    Info {
        /// Which stream.
        stream: StreamId,
        /// When the request came.
        at: Instant,
        /// The key.
        digit: Digit,
        /// How long it was held, in ms.
        duration_ms: Option<u32>,
    },
    /// Send a press.
    Press {
        /// Which stream.
        stream: StreamId,
        /// The key.
        digit: Digit,
        /// How long, in ms.
        duration_ms: u16,
        /// RFC 4733 or inband; INFO is not the shard's.
        method: Method,
    },
    /// What is heard on this stream is said on another one of the same shard (or no longer).
    Relay {
        /// Which stream.
        stream: StreamId,
        /// Where its audio goes; `None`: nowhere.
        to: Option<StreamId>,
        /// Tones that were recognised as digits are left out: they go their own way.
        mute_digits: bool,
    },
    /// For the shell's capture: show what is keyed and said, or mask it. A stream is masked until this says otherwise.
    Show {
        /// Which stream.
        stream: StreamId,
        /// Nothing secret is keyed or said on it.
        shown: bool,
    },
    /// Say RTCP BYE, tell the counters, forget the stream.
    Close {
        /// Which stream.
        stream: StreamId,
    },
}

/// What a shard tells.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// A key went down.
    Digit {
        /// On which stream.
        stream: StreamId,
        /// Key, method, media time.
        press: Press,
    },
    /// A press is over.
    DigitEnd {
        /// On which stream.
        stream: StreamId,
        /// Duration and evidence.
        end: PressEnd,
    },
    /// A script was played to its end.
    PlayFinished {
        /// On which stream.
        stream: StreamId,
        /// Its number.
        number: u32,
    },
    /// Nothing came from the peer for the media time-out; once per silence.
    Silent {
        /// On which stream.
        stream: StreamId,
    },
    /// The stream is closed; the shell may close its sockets.
    Closed {
        /// Which stream.
        stream: StreamId,
        /// Its counters.
        statistics: Box<Statistics>,
        /// Packets from elsewhere than the peer, dropped.
        foreign: u64,
        /// Where the first of them came from.
        foreign_source: Option<SocketAddr>,
        /// What came and was dropped, if packets were encrypted.
        srtp: Option<SrtpCounts>,
    },
}

impl MediaEvent {
    /// Which stream it is about.
    pub fn stream(&self) -> StreamId {
        match self {
            MediaEvent::Digit { stream, .. }
            | MediaEvent::DigitEnd { stream, .. }
            | MediaEvent::PlayFinished { stream, .. }
            | MediaEvent::Silent { stream }
            | MediaEvent::Closed { stream, .. } => *stream,
        }
    }
}

impl MediaShard {
    /// Does what the control side wants, outside of the tick. A command for a stream that is gone does nothing.
    pub fn command(&mut self, now: Instant, command: ShardCommand, sink: &mut impl PacketSink) {
        match command {
            ShardCommand::Open { stream, open } => self.open(now, stream, *open),
            ShardCommand::SendEnabled { stream, enabled } => {
                self.with(stream, |live| live.send(now, enabled));
            }
            ShardCommand::Retarget {
                stream,
                remote_rtp,
                remote_rtcp,
                signalling,
                send,
                expect,
                terms,
                security,
            } => self.with(stream, |live| {
                live.secure(security.map(|keys| *keys));
                live.retarget(now, remote_rtp, remote_rtcp, signalling, send, expect);
                live.renegotiate(&terms);
            }),
            ShardCommand::Play { stream, number, script } => {
                self.with(stream, |live| live.play(number, script))
            }
            ShardCommand::Stop { stream } => self.with(stream, Live::stop),
            ShardCommand::Info { stream, at, digit, duration_ms } => {
                self.with(stream, |live| live.info(at, digit, duration_ms))
            }
            ShardCommand::Press { stream, digit, duration_ms, method } => {
                self.with(stream, |live| live.press(digit, duration_ms, method))
            }
            ShardCommand::Relay { stream, to, mute_digits } => {
                let to = to.filter(|to| to.shard == self.config.shard && *to != stream);
                self.with(stream, |live| live.relay_to(to, mute_digits));
                if let Some(to) = to {
                    self.with(to, Live::expect_said);
                }
            }
            ShardCommand::Show { .. } => {}
            ShardCommand::Close { stream } => self.close(now, stream, sink),
        }
    }

    fn with(&mut self, stream: StreamId, act: impl FnOnce(&mut Live)) {
        if let Some(live) = self.slots.get_mut(stream) {
            act(live);
        }
    }

    /// Opens a stream in the emptiest phase.
    fn open(&mut self, now: Instant, stream: StreamId, open: OpenStream) {
        if stream.shard != self.config.shard {
            return;
        }
        let lane = open.lane;
        let shares = |phase: &usize| {
            let due = &self.phases[*phase];
            let at = due.partition_point(|other| other.lane < lane);
            due.get(at).is_some_and(|other| other.lane == lane)
        };
        let emptiest = || (0..PHASES).min_by_key(|phase| self.phases[*phase].len());
        let phase = (0..PHASES).find(shares).or_else(emptiest).unwrap_or(0);
        if !self.slots.insert(stream, || Live::new(now, open, phase)) {
            return;
        }
        let due = &mut self.phases[phase];
        let at = due.partition_point(|other| other.lane <= lane);
        due.insert(at, Due { lane, stream });
    }

    fn close(&mut self, now: Instant, stream: StreamId, sink: &mut impl PacketSink) {
        let wall = self.ntp_at(now);
        let Some(live) = self.slots.get_mut(stream) else {
            return;
        };
        let phase = live.phase;
        // The digits since the last frame must not be lost to a BYE that came before the next one.
        live.last_digits(stream, now, &mut self.events);
        let srtp = live.srtp();
        let (statistics, foreign, foreign_source) = live.close(stream, now, wall, &mut self.out[..], sink);
        self.slots.remove(stream);
        let list = &mut self.phases[phase];
        if let Some(at) = list.iter().position(|other| other.stream == stream) {
            list.remove(at);
        }
        let statistics = Box::new(statistics);
        self.events.push_back(MediaEvent::Closed { stream, statistics, foreign, foreign_source, srtp });
    }

    /// Longest time from a packet's arrival to the frame that plays it out at the earliest.
    pub const FRAME: Duration = FRAME;
    /// Time from tick to tick.
    pub const TICK: Duration = super::TICK;
}
