//! Ports, session descriptions and the stream of one call.
use super::terms::Terms;
use super::{Dialog, Session, Side, secure};
use crate::core::{Core, Notice};
use crate::{ControlOutput, Diagnosis, OpenStream, ShardCommand, StreamId, info};
use passline_rtp::codec::Codec;
use passline_rtp::{DigitConfig, ExtendedReports, Method, StreamConfig, StreamTerms};
use passline_sdp::{Agreement, Capabilities, Encryption};
use passline_sip::Command;
use rand_core::Rng;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Ports tried before a call is given up.
const ATTEMPTS: u8 = 10;
/// INFO digits taken in one second; nobody presses faster.
const INFO_RATE: u8 = 25;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The shell binds sockets.
    Binding,
    /// Sockets stand, no stream yet.
    Bound,
    /// The shard has the stream.
    Live,
    /// The shard was told to close it.
    Closing,
    /// Slot and port are given back.
    Closed,
}

/// The media of one call.
pub(crate) struct Media {
    pub(super) stream: StreamId,
    port: u16,
    /// Other calls may use it too.
    shared: bool,
    state: State,
    attempts: u8,
    caps: Capabilities,
    agreement: Option<Agreement>,
    codec: Codec,
    signalling: IpAddr,
    terms: Terms,
    /// Our offer is out (delayed offer, or a re-INVITE without one): the ACK brings the answer.
    offered: bool,
    /// A description that came before the answer, which then need not repeat it.
    early: Option<Vec<u8>>,
    /// The INVITE's offer, until the 200 goes.
    offer: Option<Vec<u8>>,
    /// Start of the running second and INFO digits in it.
    info_window: Option<(Instant, u8)>,
    /// Nothing secret is keyed or said: a capture may show it.
    public: bool,
}

impl Media {
    /// Draws slot and port and asks for sockets; `None` if one of them is used up.
    pub(super) fn new(
        now: Instant,
        core: &mut Core,
        owner: passline_sip::CallHandle,
        signalling: IpAddr,
        terms: Terms,
        beside: Option<u16>,
        offer: Option<&[u8]>,
    ) -> Option<Media> {
        let stream = core.slots.take(owner, beside)?;
        // Where its packets will come from must be known before a port is named.
        let remote = offer
            .filter(|_| terms.shares)
            .and_then(|offer| passline_sdp::observe(offer).first().map(|announced| announced.address));
        let joined = remote.and_then(|remote| core.shared.join(stream, remote));
        let Some(port) = joined.or_else(|| core.ports.take(now)) else {
            core.slots.give_back(stream);
            return None;
        };
        if let (Some(remote), None) = (remote, joined) {
            core.shared.add(stream, port, remote);
        }
        let shared = remote.is_some();
        core.push(ControlOutput::OpenPort { stream, port, shared });
        // 62 bits: some peers read the origin line's numbers as signed.
        let session_id = core.rng.next_u64() >> 2;
        let mut caps = Capabilities::new(core.config.media_address, port, session_id);
        caps.codecs = terms.codecs.iter().map(|codec| sdp_codec(*codec)).collect();
        caps.events = terms.events;
        caps.crypto = secure::crypto(core, &terms);
        Some(Media {
            stream,
            port,
            shared,
            state: State::Binding,
            attempts: 1,
            caps,
            agreement: None,
            codec: Codec::default(),
            signalling,
            terms,
            early: None,
            offered: false,
            offer: None,
            info_window: None,
            public: false,
        })
    }

    /// Says before it opens that nothing secret will be keyed or said.
    pub(super) fn public(mut self, public: bool) -> Media {
        self.public = public;
        self
    }

    /// From now on it is as secret as any call.
    pub(super) fn hide(&mut self, core: &mut Core) {
        if std::mem::take(&mut self.public) && self.is_live() {
            self.shard(core, |stream| ShardCommand::Show { stream, shown: false });
        }
    }

    /// Keeps the INVITE's offer: the answer names a port that is only certain once it is bound.
    pub(super) fn with_offer(mut self, offer: Option<Vec<u8>>) -> Media {
        self.offer = offer;
        self
    }

    pub(super) fn take_offer(&mut self) -> Option<Vec<u8>> {
        self.offer.take()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub(super) fn is_live(&self) -> bool {
        self.state == State::Live
    }

    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    /// Whether the peer takes telephone-event.
    pub(super) fn events(&self) -> bool {
        self.agreement.as_ref().is_some_and(|agreement| agreement.event_payload_type.is_some())
    }

    /// The sockets stand; false if the call is already leaving.
    pub(super) fn bound(&mut self) -> bool {
        if self.state == State::Binding {
            self.state = State::Bound;
            return true;
        }
        false
    }

    /// The port is taken by somebody else: tries another. False if there is none.
    pub(super) fn port_failed(&mut self, now: Instant, core: &mut Core) -> bool {
        if std::mem::take(&mut self.shared) {
            core.shared.leave(self.stream);
        }
        core.ports.failed(now, self.port);
        let next = if self.attempts < ATTEMPTS { core.ports.take(now) } else { None };
        let Some(port) = next else {
            core.slots.give_back(self.stream);
            self.state = State::Closed;
            return false;
        };
        self.attempts += 1;
        self.port = port;
        self.caps.rtp_port = port;
        core.push(ControlOutput::OpenPort { stream: self.stream, port, shared: false });
        true
    }

    /// Answers an offer without opening anything.
    pub(super) fn answer(&mut self, core: &mut Core, offer: &[u8]) -> Result<Vec<u8>, passline_sdp::Refusal> {
        let running = self.agreement.as_ref().filter(|_| self.is_live());
        let at_least = secure::at_least(&self.terms, running);
        self.draw_keys(core);
        self.caps.crypto.at_least = at_least;
        let (mut answer, mut agreement) = passline_sdp::answer(offer, &self.caps)?;
        if self.is_live() && secure::wants_fresh_keys(self.agreement.as_ref(), &agreement) {
            self.caps.crypto = secure::crypto(core, &self.terms);
            self.caps.crypto.at_least = at_least;
            (answer, agreement) = passline_sdp::answer(offer, &self.caps)?;
        }
        self.refuse_circle(core, &agreement)?;
        self.early = None;
        if agreement.crypto.is_none() {
            // Should the call be encrypted later, it begins with fresh ones.
            self.caps.crypto.keys = Vec::new();
        }
        self.agreement = Some(agreement);
        Ok(answer)
    }

    /// Keys for a description, where there are none.
    fn draw_keys(&mut self, core: &mut Core) {
        if self.caps.crypto.keys.is_empty() {
            self.caps.crypto = secure::crypto(core, &self.terms);
        }
    }

    /// Our own offer.
    pub(super) fn offer(&mut self, core: &mut Core) -> Vec<u8> {
        self.offered = true;
        if self.is_live() {
            secure::refresh(core, &self.terms, &mut self.caps.crypto, self.agreement.as_ref());
        }
        self.draw_keys(core);
        passline_sdp::offer(&self.caps)
    }

    /// What is offered where the peer refuses our offer of encrypted audio, if plain audio will do.
    pub(super) fn plain_offer(&self) -> Option<Vec<u8>> {
        let crypto = passline_sdp::crypto::Crypto { offer: Encryption::Off, ..self.caps.crypto.clone() };
        let caps = || Capabilities { crypto, ..self.caps.clone() };
        (self.caps.crypto.offer == Encryption::Optional).then(|| passline_sdp::offer(&caps()))
    }

    /// Whether an answer of the peer is awaited.
    pub(super) fn awaits_answer(&self) -> bool {
        self.offered
    }

    /// Takes the peer's answer to our offer.
    pub(super) fn accept(&mut self, core: &mut Core, answer: &[u8]) -> Result<(), passline_sdp::Refusal> {
        self.offered = false;
        let agreement = passline_sdp::accept(answer, &self.caps)?;
        self.refuse_circle(core, &agreement)?;
        self.agreement = Some(agreement);
        Ok(())
    }

    /// A peer that names one of our own ports would have us talk to ourselves.
    fn refuse_circle(&self, core: &mut Core, agreement: &Agreement) -> Result<(), passline_sdp::Refusal> {
        let ours = |at: SocketAddr| at.ip() == self.caps.address && core.ports.is_taken(at.port());
        if ours(agreement.remote_rtp) || ours(agreement.remote_rtcp) {
            let sentence = "The description names an RTP port of Passline itself.".to_owned();
            return Err(passline_sdp::Refusal { status: 488, sentence, cause: passline_sdp::Cause::Media });
        }
        if self.shared
            && !agreement.remote_rtp.ip().is_unspecified()
            && !core.shared.claim(self.stream, agreement.remote_rtp)
        {
            let sentence = "Another call's audio comes from the address in the description.".to_owned();
            return Err(passline_sdp::Refusal { status: 488, sentence, cause: passline_sdp::Cause::Media });
        }
        Ok(())
    }

    /// Opens the agreed stream. `send`: packets may leave at once.
    pub(super) fn open(&mut self, core: &mut Core, send: bool, tap: bool) {
        let Some(agreement) = self.agreement.clone().filter(|_| self.state == State::Bound) else {
            return;
        };
        let terms = stream_terms(&agreement);
        self.codec = terms.codec;
        let config = StreamConfig {
            digits: DigitConfig {
                events: agreement.event_receive_type.or(agreement.event_payload_type).is_some(),
                inband: self.terms.inband,
                info: self.terms.info,
            },
            ssrc: core.rng.next_u32(),
            // In the lower half: a receiver that misses the first packets still guesses the rollover (RFC 3711 §3.3.1).
            first_sequence: (core.rng.next_u32() >> 17) as u16,
            first_timestamp: core.rng.next_u32(),
            // RFC 7022 §4.2: short-term, 96 random bits.
            cname: format!("{:016x}{:08x}", core.rng.next_u64(), core.rng.next_u32()),
            ..StreamConfig::default()
        }
        .with_terms(terms);
        let open = OpenStream {
            config,
            remote_rtp: agreement.remote_rtp,
            remote_rtcp: agreement.remote_rtcp,
            rtcp_mux: agreement.rtcp_mux,
            signalling: self.believed(&agreement),
            send: send && !agreement.on_hold(),
            expect: agreement.direction.receives(),
            media_timeout: core.config.media_timeout,
            tap,
            lane: self.port,
            security: secure::media_keys(&agreement),
        };
        self.state = State::Live;
        self.shard(core, |stream| ShardCommand::Open { stream, open: Box::new(open) });
        if self.public {
            self.shard(core, |stream| ShardCommand::Show { stream, shown: true });
        }
    }

    /// The ACK has come: packets may leave.
    pub(super) fn enable(&mut self, core: &mut Core) {
        let on_hold = self.agreement.as_ref().is_none_or(Agreement::on_hold);
        if self.is_live() && !on_hold {
            self.shard(core, |stream| ShardCommand::SendEnabled { stream, enabled: true });
        }
    }

    /// A new agreement of a running stream.
    fn retarget(&mut self, core: &mut Core) {
        let Some(agreement) = self.agreement.clone().filter(|_| self.is_live()) else {
            return;
        };
        let (terms, signalling) = (stream_terms(&agreement), self.believed(&agreement));
        self.codec = terms.codec;
        self.shard(core, |stream| ShardCommand::Retarget {
            stream,
            remote_rtp: agreement.remote_rtp,
            remote_rtcp: agreement.remote_rtcp,
            signalling,
            send: !agreement.on_hold(),
            expect: agreement.direction.receives(),
            terms,
            security: secure::media_keys(&agreement).map(Box::new),
        });
    }

    /// Name of the suite that audio is encrypted with.
    pub(super) fn encryption(&self) -> Option<&'static str> {
        Some(self.agreement.as_ref()?.crypto.as_ref()?.suite)
    }

    /// What our own offers say of encryption.
    pub(super) fn offers_encryption(&self) -> Encryption {
        self.terms.encryption.offer
    }

    /// The other source from which media is believed: the signalling's address, where the peer may be behind NAT.
    fn believed(&self, agreement: &Agreement) -> IpAddr {
        if self.terms.nat { self.signalling } else { agreement.remote_rtp.ip() }
    }

    /// How a press of ours goes to the peer.
    pub(super) fn press_by(&self) -> Method {
        self.terms.press_by(self.events())
    }

    /// What the peer said before its answer.
    pub(super) fn keep_early(&mut self, sdp: Option<Vec<u8>>) {
        if sdp.is_some() {
            self.early = sdp;
        }
    }

    pub(super) fn take_early(&mut self) -> Option<Vec<u8>> {
        self.early.take()
    }

    /// Our RTP port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Where the peer wants its audio; `None` if nothing usable was agreed on.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        let agreement = self.agreement.as_ref()?;
        Some(agreement.remote_rtp).filter(|rtp| !rtp.ip().is_unspecified() && rtp.port() != 0)
    }

    /// Whether the peer is to send.
    pub(super) fn expects(&self) -> bool {
        self.agreement.as_ref().is_some_and(|agreement| agreement.direction.receives())
    }

    pub(super) fn shard(&self, core: &mut Core, command: impl FnOnce(StreamId) -> ShardCommand) {
        core.push(ControlOutput::Shard {
            shard: usize::from(self.stream.shard),
            command: command(self.stream),
        });
    }

    /// Closes what is open. Slot and port come back when the shard says so.
    pub(super) fn close(&mut self, now: Instant, core: &mut Core) {
        match self.state {
            State::Live => {
                self.state = State::Closing;
                self.shard(core, |stream| ShardCommand::Close { stream });
            }
            State::Binding | State::Bound => {
                core.push(ControlOutput::ClosePort(self.stream));
                self.release(now, core);
            }
            State::Closing | State::Closed => {}
        }
    }

    /// The stream, while the shard has it.
    pub(super) fn running(&self) -> Option<StreamId> {
        (self.state == State::Live).then_some(self.stream)
    }

    /// The shard has closed the stream.
    pub(super) fn closed(&mut self, now: Instant, core: &mut Core) {
        if self.state == State::Closing {
            self.release(now, core);
        }
    }

    fn release(&mut self, now: Instant, core: &mut Core) {
        let quarantine = core.config.port_quarantine;
        if !self.shared {
            core.ports.give_back(now, self.port, quarantine);
        } else if core.shared.leave(self.stream) {
            core.push(ControlOutput::CloseShared { shard: self.stream.shard, port: self.port });
            core.ports.give_back(now, self.port, quarantine);
        }
        core.slots.give_back(self.stream);
        self.state = State::Closed;
    }

    /// Counts an INFO digit; false if there are too many.
    fn admit_info(&mut self, now: Instant) -> bool {
        match &mut self.info_window {
            Some((start, count)) if now.saturating_duration_since(*start) < Duration::from_secs(1) => {
                *count = count.saturating_add(1);
                *count <= INFO_RATE
            }
            window => {
                *window = Some((now, 1));
                true
            }
        }
    }
}

impl Session {
    /// The shell has bound the sockets.
    pub(crate) fn port_opened(&mut self, now: Instant, core: &mut Core) {
        if !self.media.bound() {
            return;
        }
        match &self.side {
            Side::Flow(_) => self.accept(now, core),
            Side::Leg(_) => self.invite(now, core),
            Side::Bridged(side) if side.invite.is_some() => self.invite(now, core),
            Side::Bridged(_) => core.notice(self.handle, Notice::Ready),
        }
    }

    /// The shell could not bind them.
    pub(crate) fn port_failed(&mut self, now: Instant, core: &mut Core) {
        if self.media.state != State::Binding || self.media.port_failed(now, core) {
            return;
        }
        self.draft.outcome("no_port");
        self.draft.diagnose(Diagnosis::NoPort);
        if self.calls_out() {
            self.refused(core, 0, "no RTP port could be bound".to_owned());
            self.ended(now, core, passline_sip::EndCause::Refused);
        } else {
            self.reject(now, core, 503, None);
        }
    }

    /// A re-INVITE or UPDATE: hold, resume, new address.
    pub(super) fn reoffered(&mut self, now: Instant, core: &mut Core, sdp: Option<Vec<u8>>) {
        let call = self.handle;
        if self.dialog != Dialog::Confirmed {
            core.sip(now, Command::RejectReinvite { call, status: 488, reason: None, warning: None });
            return;
        }
        let before = self.media.caps.clone();
        self.media.caps.session_version += 1;
        let Some(offer) = sdp else {
            let sdp = self.media.offer(core);
            core.sip(now, Command::AcceptReinvite { call, sdp });
            return;
        };
        match self.media.answer(core, &offer) {
            Ok(sdp) => {
                core.sip(now, Command::AcceptReinvite { call, sdp });
                self.media.retarget(core);
                self.draft.codec = Some(self.media.codec().label());
                self.draft.encryption = self.media.encryption();
            }
            Err(refusal) => {
                self.media.caps = before;
                let (status, warning) = (refusal.status, Diagnosis::of_description(&refusal).warning());
                core.sip(now, Command::RejectReinvite { call, status, reason: None, warning });
            }
        }
    }

    /// The answer to our offer in a re-INVITE without one.
    pub(super) fn reanswered(&mut self, core: &mut Core, sdp: &[u8]) {
        let before = self.media.agreement.clone();
        match self.media.accept(core, sdp) {
            Ok(()) => {
                self.media.retarget(core);
                self.draft.codec = Some(self.media.codec().label());
                self.draft.encryption = self.media.encryption();
            }
            // The session goes on as it was; to end it for a bad answer would help nobody.
            Err(_) => self.media.agreement = before,
        }
    }

    /// An INFO request: a digit, or nothing.
    pub(super) fn info(&mut self, now: Instant, core: &mut Core, content_type: &str, body: &[u8]) {
        let Some((digit, duration_ms)) = info::parse(content_type, body) else {
            return;
        };
        if self.media.terms.info && self.media.is_live() && self.media.admit_info(now) {
            self.media.shard(core, |stream| ShardCommand::Info { stream, at: now, digit, duration_ms });
        }
    }
}

/// What an agreement means for the stream.
fn stream_terms(agreement: &Agreement) -> StreamTerms {
    StreamTerms {
        codec: Codec::from_map(&agreement.codec, agreement.clock_rate).unwrap_or_default(),
        payload_type: agreement.payload_type,
        event_payload_type: agreement.event_payload_type,
        event_receive_type: agreement.event_receive_type,
        event_clock: agreement.event_clock_rate,
        comfort_type: agreement.comfort,
        redundancy_type: agreement.redundancy.as_ref().map(|(number, _)| *number),
        ptime_ms: agreement.ptime,
        extended: ExtendedReports {
            metrics: agreement.extended.metrics,
            round_trip: agreement.extended.round_trip,
            senders_only: agreement.extended.senders_only,
        },
    }
}

fn sdp_codec(codec: Codec) -> passline_sdp::Codec {
    let info = codec.info();
    passline_sdp::Codec {
        name: info.name.to_owned(),
        payload_type: info.payload_type,
        clock_rate: info.clock_rate,
        channels: info.channels,
        fmtp: info.fmtp.map(str::to_owned),
    }
}
