//! One stream of a shard: sockets' rules, player and media joined.
use super::lock::SourceLock;
use super::{Channel, MediaEvent, OpenStream, PacketSink, Received, SAMPLES};
use crate::StreamId;
use passline_prompt::{Player, Script};
use passline_rtp::codec::Codec;
use passline_rtp::srtp::SecureMedia;
use passline_rtp::{Digit, DigitOutput, Memory, Method, Statistics, Stream, StreamConfig, StreamTerms};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Octets of one frame of G.711.
const FRAME_OCTETS: usize = SAMPLES;
/// Frames for which a relayed tone is still left out after its end was recognised: the playout lags behind.
const MUTE_AFTER: u8 = 6;

pub(super) struct Live {
    stream: Stream,
    player: Player,
    lock: SourceLock,
    /// Number of the script being played.
    playing: Option<u32>,
    send: bool,
    expect: bool,
    tap: bool,
    rtcp_mux: bool,
    remote_rtcp: SocketAddr,
    /// Where the peer's RTCP came from, if from elsewhere than it said.
    rtcp_source: Option<SocketAddr>,
    last_heard: Instant,
    timeout: Duration,
    silence_told: bool,
    finished: bool,
    foreign: u64,
    foreign_source: Option<SocketAddr>,
    codec: Codec,
    relay: Relay,
    pub(super) secure: Option<Box<SecureMedia>>,
    pub(super) phase: usize,
}

/// What a bridged stream hears and says.
struct Relay {
    to: Option<StreamId>,
    mute_digits: bool,
    /// A tone is being heard that was recognised as a digit.
    pressed: bool,
    /// Frames still to be left out.
    mute: u8,
    has: bool,
    /// Only where somebody listens or a call is bridged.
    frames: Option<Box<Frames>>,
}

/// Audio on its way between bridged streams.
struct Frames {
    /// The frame just played out.
    heard: [i16; SAMPLES],
    /// The frame to be said next.
    say: [i16; SAMPLES],
}

impl Default for Frames {
    fn default() -> Self {
        Frames { heard: [0; SAMPLES], say: [0; SAMPLES] }
    }
}

impl Live {
    pub(super) fn new(now: Instant, open: OpenStream, phase: usize) -> Self {
        Live {
            player: Player::new(open.config.codec),
            lock: SourceLock::new(now, open.remote_rtp, open.signalling),
            playing: None,
            send: open.send,
            expect: open.expect,
            tap: open.tap,
            rtcp_mux: open.rtcp_mux,
            remote_rtcp: open.remote_rtcp,
            rtcp_source: None,
            last_heard: now,
            timeout: open.media_timeout,
            silence_told: false,
            finished: false,
            foreign: 0,
            foreign_source: None,
            codec: open.config.codec,
            relay: Relay {
                to: None,
                mute_digits: false,
                pressed: false,
                mute: 0,
                has: false,
                frames: open.tap.then(Box::default),
            },
            phase,
            secure: open.security.map(|keys| Box::new(SecureMedia::new(keys))),
            stream: Stream::new(now, StreamConfig { playing: open.tap, ..open.config }),
        }
    }

    pub(super) fn receive_rtp(&mut self, at: Instant, from: SocketAddr, packet: &[u8]) -> Received {
        if !self.admits_rtp(at, from) {
            return Received::Foreign;
        }
        self.take_rtp(at, from, packet)
    }

    /// Whether RTP from there is looked at; it is counted if not.
    pub(super) fn admits_rtp(&mut self, at: Instant, from: SocketAddr) -> bool {
        let admitted = self.lock.admits(at, from);
        if !admitted {
            self.foreign += 1;
            self.foreign_source.get_or_insert(from);
        }
        admitted
    }

    pub(super) fn take_rtp(&mut self, at: Instant, from: SocketAddr, packet: &[u8]) -> Received {
        if self.is_rtcp(packet) {
            return self.take_rtcp(at, from, packet);
        }
        match self.stream.receive_rtp(at, packet) {
            Ok(_) => {
                self.lock.confirm(from);
                self.heard(at);
                Received::Taken
            }
            Err(_) => Received::Bad,
        }
    }

    /// Whether a packet on the RTP port is RTCP (RFC 5761 §4).
    pub(super) fn is_rtcp(&self, packet: &[u8]) -> bool {
        self.rtcp_mux && passline_rtp::is_rtcp(packet)
    }

    pub(super) fn receive_rtcp(&mut self, at: Instant, from: SocketAddr, packet: &[u8]) -> Received {
        if !self.admits_rtcp(from) {
            return Received::Foreign;
        }
        self.take_rtcp(at, from, packet)
    }

    pub(super) fn marked(&mut self, dscp: u8) {
        self.stream.marked(dscp);
    }

    /// Whether RTCP from there is looked at; it is counted if not.
    pub(super) fn admits_rtcp(&mut self, from: SocketAddr) -> bool {
        let known = from == self.remote_rtcp
            || self.rtcp_source == Some(from)
            || (self.lock.is_locked() && from.ip() == self.lock.destination().ip());
        self.foreign += u64::from(!known);
        known
    }

    pub(super) fn take_rtcp(&mut self, at: Instant, from: SocketAddr, packet: &[u8]) -> Received {
        if !self.stream.receive_rtcp(at, packet).valid {
            return Received::Bad;
        }
        // Only what the lock vouches for may keep a call alive.
        if self.lock.is_locked() {
            if from != self.remote_rtcp && self.rtcp_source.is_none() {
                self.rtcp_source = Some(from);
            }
            self.heard(at);
        }
        Received::Taken
    }

    fn heard(&mut self, at: Instant) {
        self.last_heard = self.last_heard.max(at);
        self.silence_told = false;
    }

    /// Plays, listens and sends one frame.
    #[allow(clippy::too_many_arguments)] // the tick's own scratch, handed down
    pub(super) fn frame(
        &mut self,
        id: StreamId,
        scheduled: Instant,
        late: bool,
        wall: u64,
        out: &mut [u8],
        events: &mut VecDeque<MediaEvent>,
        sink: &mut impl PacketSink,
    ) {
        if self.tap || self.relay.to.is_some() {
            let played = self.stream.playout(scheduled);
            if self.tap {
                sink.heard(id, played.payload.unwrap_or(&[]), played.kind);
            }
            let length = played.pcm.len().min(SAMPLES);
            let heard = &mut self.relay.frames.get_or_insert_default().heard;
            heard[..length].copy_from_slice(&played.pcm[..length]);
            heard[length..].fill(0);
        } else {
            // Nobody listens to the audio but the digit path, which has its own order.
            self.stream.advance(scheduled);
        }
        // A full queue must not grow in the tick: digits wait in the stream for the next one.
        while events.len() + 4 < events.capacity()
            && let Some(event) = self.next_digit(id)
        {
            events.push_back(event);
        }
        self.send_frame(id, scheduled, late, out, events, sink);
        if self.may_send()
            && !late
            && let Some(length) = self.stream.send_rtcp(scheduled, wall, out)
        {
            self.write_rtcp(id, out, length, sink);
        }
        if self.expect
            && !self.silence_told
            && scheduled.saturating_duration_since(self.last_heard) >= self.timeout
            && events.len() < events.capacity()
        {
            self.silence_told = true;
            events.push_back(MediaEvent::Silent { stream: id });
        }
    }

    fn next_digit(&mut self, stream: StreamId) -> Option<MediaEvent> {
        Some(match self.stream.poll_digit()? {
            DigitOutput::Press(press) => {
                self.relay.pressed = true;
                MediaEvent::Digit { stream, press }
            }
            DigitOutput::End(end) => {
                self.relay.pressed = false;
                self.relay.mute = MUTE_AFTER;
                MediaEvent::DigitEnd { stream, end }
            }
        })
    }

    /// Tells what was pressed since the last frame: no further one comes.
    pub(super) fn last_digits(&mut self, id: StreamId, now: Instant, events: &mut VecDeque<MediaEvent>) {
        self.stream.advance(now);
        events.extend(std::iter::from_fn(|| self.next_digit(id)));
    }

    fn send_frame(
        &mut self,
        id: StreamId,
        scheduled: Instant,
        late: bool,
        out: &mut [u8],
        events: &mut VecDeque<MediaEvent>,
        sink: &mut impl PacketSink,
    ) {
        if !self.may_send() || late {
            // The prompt waits: what the caller could not hear is not skipped. The timestamp follows the clock.
            return;
        }
        let to = self.lock.destination();
        let mut payload = [0u8; FRAME_OCTETS];
        if self.stream.is_sending_digit() {
            // At most the updates, the end and its copies of two presses in a frame.
            for _ in 0..8 {
                match self.stream.send_digit(scheduled, out) {
                    Some(length) => self.write_rtp(id, to, out, length, sink),
                    None => break,
                }
            }
            return;
        }
        let filled = self.player.fill(&mut payload);
        let length = if !filled.playing
            && std::mem::take(&mut self.relay.has)
            && let Some(frames) = &self.relay.frames
        {
            self.stream.send_pcm(scheduled, &frames.say, out)
        } else {
            if self.player.codec() != self.codec.law() {
                // A script from before the codec changed.
                let mut pcm = [0i16; SAMPLES];
                self.player.codec().decode(&payload, &mut pcm);
                self.codec.law().encode(&pcm, &mut payload);
            }
            self.stream.send_audio(scheduled, &payload, out)
        };
        if length > 0 {
            self.write_rtp(id, to, out, length, sink);
        }
        while let Some(length) = self.stream.send_more(out) {
            self.write_rtp(id, to, out, length, sink);
        }
        if filled.finished {
            self.finished = true;
            if let Some(number) = self.playing.take()
                && events.len() < events.capacity()
            {
                events.push_back(MediaEvent::PlayFinished { stream: id, number });
            }
        }
    }

    fn may_send(&self) -> bool {
        let to = self.lock.destination();
        self.send && !to.ip().is_unspecified() && to.port() != 0
    }

    /// Sends the RTP packet of `length` octets in `out`.
    fn write_rtp(
        &mut self,
        id: StreamId,
        to: SocketAddr,
        out: &mut [u8],
        length: usize,
        sink: &mut impl PacketSink,
    ) {
        let Some(length) = self.protect(id, (Channel::Rtp, to), Channel::Rtp, out, length, sink) else {
            return;
        };
        sink.rtp(id, to, &out[..length]);
    }

    /// Sends the RTCP packet of `length` octets in `out`.
    fn write_rtcp(&mut self, id: StreamId, out: &mut [u8], length: usize, sink: &mut impl PacketSink) {
        let to = match self.rtcp_source {
            Some(source) => source,
            None if self.rtcp_mux => self.lock.destination(),
            None => self.remote_rtcp,
        };
        if to.ip().is_unspecified() || to.port() == 0 {
            return;
        }
        let channel = if self.rtcp_mux { Channel::Rtp } else { Channel::Rtcp };
        let Some(length) = self.protect(id, (channel, to), Channel::Rtcp, out, length, sink) else {
            return;
        };
        match channel {
            Channel::Rtp => sink.rtp(id, to, &out[..length]),
            Channel::Rtcp => sink.rtcp(id, to, &out[..length]),
        }
    }

    pub(super) fn play(&mut self, number: u32, script: Script) {
        self.finished = false;
        self.playing = Some(number);
        if self.player.codec() != self.codec.law() {
            self.player = Player::new(self.codec);
        }
        drop(self.player.play(script));
    }

    pub(super) fn stop(&mut self) {
        self.playing = None;
        self.finished = false;
        drop(self.player.stop());
    }

    pub(super) fn parts(&self) -> [Memory; 2] {
        self.stream.parts()
    }

    pub(super) fn ahead(&self) -> [Memory; 7] {
        let audio = self.player.ahead();
        let [a, b, c, d, e, f] = self.stream.ahead();
        [audio[..audio.len().min(SAMPLES)].as_ptr_range(), a, b, c, d, e, f]
    }

    pub(super) fn has_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn drop_finished(&mut self) {
        if std::mem::take(&mut self.finished) {
            drop(self.player.take_finished());
        }
    }

    pub(super) fn send(&mut self, now: Instant, enabled: bool) {
        self.send = enabled;
        // The call begins, or goes on: the peer has the whole time-out anew.
        self.heard(now);
    }

    pub(super) fn info(&mut self, at: Instant, digit: Digit, duration_ms: Option<u32>) {
        self.stream.info_digit(at, digit, duration_ms);
    }

    pub(super) fn press(&mut self, digit: Digit, duration_ms: u16, method: Method) {
        self.stream.press(digit, duration_ms, method);
    }

    /// A new agreement of the same call.
    pub(super) fn retarget(
        &mut self,
        now: Instant,
        remote_rtp: SocketAddr,
        remote_rtcp: SocketAddr,
        signalling: IpAddr,
        send: bool,
        expect: bool,
    ) {
        if remote_rtp != self.lock.negotiated() && !remote_rtp.ip().is_unspecified() {
            self.lock = SourceLock::new(now, remote_rtp, signalling);
            self.rtcp_source = None;
        }
        self.remote_rtcp = remote_rtcp;
        self.send = send;
        self.expect = expect;
        self.last_heard = self.last_heard.max(now);
        self.silence_told = false;
    }

    pub(super) fn renegotiate(&mut self, terms: &StreamTerms) {
        self.codec = terms.codec;
        self.relay.has = false;
        self.stream.renegotiate(terms);
    }

    /// Says goodbye by RTCP and gives the counters.
    pub(super) fn close(
        &mut self,
        id: StreamId,
        now: Instant,
        wall: u64,
        out: &mut [u8],
        sink: &mut impl PacketSink,
    ) -> (Statistics, u64, Option<SocketAddr>) {
        if self.may_send() {
            let length = self.stream.send_bye(now, wall, out);
            if length > 0 {
                self.write_rtcp(id, out, length, sink);
            }
        }
        (self.stream.statistics(), self.foreign, self.foreign_source)
    }

    /// Counts and measures so far.
    pub(super) fn statistics(&self) -> Statistics {
        self.stream.statistics()
    }

    /// Where what is heard here goes from now on.
    pub(super) fn relay_to(&mut self, to: Option<StreamId>, mute_digits: bool) {
        self.relay.to = to;
        self.relay.mute_digits = mute_digits;
        self.relay.has = false;
        if to.is_some() {
            self.expect_said();
        }
        self.stream.set_playing(self.tap || to.is_some());
    }

    /// Another stream's audio may be said here from now on: memory for it is taken now, not in a tick.
    pub(super) fn expect_said(&mut self) {
        self.relay.frames.get_or_insert_default();
        self.stream.expect_pcm();
    }

    /// The frame just heard, if it goes to another stream.
    pub(super) fn relayed(&mut self, pcm: &mut [i16; SAMPLES]) -> Option<StreamId> {
        let to = self.relay.to?;
        let mute = self.relay.mute_digits && (self.relay.pressed || self.relay.mute > 0);
        if !self.relay.pressed {
            self.relay.mute = self.relay.mute.saturating_sub(1);
        }
        match mute {
            true => pcm.fill(0),
            false => *pcm = self.relay.frames.as_ref().map_or([0; SAMPLES], |frames| frames.heard),
        }
        Some(to)
    }

    /// Takes the frame that is said next, in place of silence.
    pub(super) fn say(&mut self, pcm: &[i16; SAMPLES]) {
        self.relay.frames.get_or_insert_default().say = *pcm;
        self.relay.has = true;
    }
}
