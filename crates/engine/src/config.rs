//! Settings of the engine.
use crate::Policy;
use passline_rtp::codec::{CODECS, Codec};
use passline_sdp::Encryption;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Settings of [`Control`](crate::Control); the default suits loopback.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The user agent's own settings: listeners, name, limits. `max_calls` and `trace` are taken from this struct.
    pub sip: passline_sip::Config,
    /// Address written into session descriptions.
    pub media_address: IpAddr,
    /// Most calls at once, in both directions; an INVITE beyond it gets 503 with Retry-After.
    pub max_calls: usize,
    /// Most incoming calls from unknown callers that have not been confirmed by an ACK, as forged ones never are; a
    /// further one gets 503. Counts only where there are trunks or devices for whom the rest is kept.
    pub max_half_open: usize,
    /// Codecs offered, in this order, and accepted, in the order of whoever offers.
    pub codecs: Vec<Codec>,
    /// Listen for tones in the audio of incoming calls.
    pub inband: bool,
    /// Number of media shards, at least 1; streams are spread over them evenly.
    pub shards: u16,
    /// Streams that one shard can hold.
    pub shard_capacity: u32,
    /// Emit [`ControlOutput::Trace`](crate::ControlOutput::Trace).
    pub trace: bool,
    /// A call without any RTP or RTCP from the peer for so long is hung up.
    pub media_timeout: Duration,
    /// How long an outgoing call may ring, and how long an incoming one may wait for its ports and its ACK.
    pub setup_timeout: Duration,
    /// Silence before the first words: a telephone needs a moment from "answered" to "heard".
    pub first_silence: Duration,
    /// From the last words to our BYE: what has left us is still to be played at the other end.
    pub linger: Duration,
    /// How long a flow may wind up after the caller left.
    pub wind_up: Duration,
    /// The longest call, whatever its flow says.
    pub max_call: Duration,
    /// A new call gets 503 with Retry-After while the media shards are at work for so much of the time, percent; above 100:
    /// never.
    pub busy_limit: u8,
    /// Most calls that share a port pair, where their trunk allows it; below 2 none do.
    pub calls_per_port: usize,
    /// How long a port rests before another call gets it.
    pub port_quarantine: Duration,
    /// How long a telephone or trunk may ring when one call is put through to another.
    pub ring_timeout: Duration,
    /// Whether audio is encrypted, where neither trunk nor device has a setting of its own. `None`: it is taken where
    /// it is offered, and not offered.
    pub srtp: Option<Encryption>,
    /// A call that is encrypted may go over to a weaker suite, or to plain audio, where its trunk has no setting of its own.
    pub srtp_may_weaken: bool,
    /// Trunks, devices, routes and rights.
    pub policy: Policy,
}

/// All codecs but L16, which takes two to four times the bandwidth of the others.
///
/// G.711 stands first: prompts are kept in it, so that a call of ours needs no encoder.
fn usual_codecs() -> Vec<Codec> {
    let usual = |codec: &Codec| !matches!(codec, Codec::L16 | Codec::L16Wide);
    CODECS.iter().map(|info| info.codec).filter(usual).collect()
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            sip: passline_sip::Config::default(),
            media_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            max_calls: 1000,
            max_half_open: 200,
            codecs: usual_codecs(),
            inband: true,
            shards: 1,
            shard_capacity: 1100,
            trace: false,
            media_timeout: Duration::from_secs(30),
            setup_timeout: Duration::from_secs(60),
            first_silence: Duration::from_millis(300),
            linger: Duration::from_millis(200),
            wind_up: Duration::from_secs(60),
            max_call: Duration::from_secs(3600),
            busy_limit: 85,
            calls_per_port: 16,
            port_quarantine: Duration::from_secs(2),
            ring_timeout: Duration::from_secs(60),
            srtp: None,
            srtp_may_weaken: false,
            policy: Policy::default(),
        }
    }
}
