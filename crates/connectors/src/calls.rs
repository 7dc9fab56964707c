//! Call records.
use passline_identity::CallId;
use serde::{Deserialize, Serialize};

/// What is kept of a finished call; one JSON object per call in `passline calls --json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallRecord {
    /// The call's id, as in every log line.
    pub call: String,
    /// Start, RFC 3339 in UTC.
    pub start: String,
    /// End, RFC 3339 in UTC.
    pub end: String,
    /// Caller's number or URI, as the operator wants it kept (see [`crate::mask_number`]).
    pub from: String,
    /// Dialled number.
    pub to: String,
    /// Codec name, e.g. `PCMU`.
    pub codec: Option<String>,
    /// Suite that its audio was encrypted with, e.g. `AES_CM_128_HMAC_SHA1_80`; none: it was not.
    pub encryption: Option<String>,
    /// Packets of an encrypted call that were dropped because they were not authentic.
    pub unauthentic: u64,
    /// Packets of an encrypted call that were dropped because they had been here before.
    pub replayed: u64,
    /// Packets of an encrypted call that were dropped because they were too old to tell.
    pub too_old: u64,
    /// Packets of an encrypted call that were dropped because the other side had used its key up.
    pub keyless: u64,
    /// Packets of ours that were not sent because they could not be encrypted.
    pub unprotected: u64,
    /// How keys came: `rfc4733`, `inband`, `info`, or several joined by `+`.
    pub dtmf: Option<String>,
    /// The keys in clear, only those that a flow declared public (the line test).
    pub digits: Option<String>,
    /// Number of keys pressed, secret ones included.
    pub digit_count: u32,
    /// The evidence for the keys, all of them together.
    pub evidence: DigitEvidence,
    /// The evidence for each of the first 256 keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub presses: Vec<KeyPress>,
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets received.
    pub received: u64,
    /// RTP packets that never came.
    pub lost: u64,
    /// RTP packets that came more than once.
    pub duplicated: u64,
    /// RTP packets that came out of order.
    pub reordered: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) at the end, ms.
    pub jitter_ms: f64,
    /// How well its audio came.
    pub quality: CallQuality,
    /// Telephone-event packets that were no keys.
    pub other_events: u64,
    /// What the last of them was called, e.g. `flash`.
    pub other_event: Option<String>,
    /// `completed`, `not_verified`, `caller_left`, …
    pub outcome: String,
    /// Login name, if the caller was verified.
    pub login: Option<String>,
    /// Flow steps entered, in order.
    pub steps: Vec<String>,
    /// `incoming` or `outgoing`.
    pub direction: String,
    /// When it was answered, RFC 3339 in UTC.
    pub answered: Option<String>,
    /// SIP Call-ID, by which other systems know it.
    pub sip_call_id: String,
    /// The other side's SIP address and transport, e.g. `udp 192.0.2.20:5060`.
    pub peer: String,
    /// What the other side calls itself.
    pub user_agent: Option<String>,
    /// Trunk it went over.
    pub trunk: Option<String>,
    /// Device that placed or got it.
    pub account: Option<String>,
    /// Caller as a trusted trunk asserted it, masked as `from`.
    pub identity: Option<String>,
    /// Numbers that it was diverted from, the last first, masked as `from`.
    pub diversions: Vec<String>,
    /// Via header fields of its INVITE: proxies on its way, and the caller.
    pub via_hops: u32,
    /// The call at the other end of the bridge.
    pub bridged: Option<String>,
    /// RTP packets from elsewhere than the peer, dropped.
    pub foreign: u64,
    /// How many calls this record stands for: equal refusals in a row are kept as one.
    pub times: u32,
    /// Why it went wrong, if it did.
    pub diagnosis: Option<CallDiagnosis>,
    /// Its SIP messages, the first and the last ones of very many; only where one call is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ladder: Vec<CallMessage>,
}

/// What RTP and RTCP tell of a call's audio, as it came to us and to the other side (RFC 3611 §4.7); rates and densities
/// are shares, 0-1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallQuality {
    /// Parts per million by which the other side's clock was faster than ours; none in calls of less than half a minute.
    pub drift_ppm: Option<f64>,
    /// Packets that never came.
    pub loss_rate: f64,
    /// Packets that came too late to be of use.
    pub discard_rate: f64,
    /// Packets lost or discarded within bursts.
    pub burst_density: f64,
    /// Mean length of a burst, ms.
    pub burst_ms: f64,
    /// Packets lost or discarded between bursts.
    pub gap_density: f64,
    /// Mean length of the time between bursts, ms.
    pub gap_ms: f64,
    /// How it sounded here: rating by the E-model (ITU-T G.107), 0-93; none where no audio came.
    pub r_factor: Option<f64>,
    /// The same as mean opinion score of the conversation, 1-4.5 (MOS-CQ).
    pub mos: Option<f64>,
    /// The same without what delay does to a conversation (MOS-LQ).
    pub mos_listening: Option<f64>,
    /// Largest interarrival jitter (RFC 3550 §6.4.1), ms.
    pub jitter_max_ms: f64,
    /// Round trip from our RTP to the other side's and back, ms; none without RTCP from there.
    pub round_trip_ms: Option<f64>,
    /// DSCP of the packets that came (46 = expedited forwarding), if known.
    pub dscp: Option<u8>,
    /// How we sounded on the other side, by its RTCP; none without.
    pub remote: Option<RemoteQuality>,
}

/// How we sounded on the other side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteQuality {
    /// Packets of ours that it missed.
    pub lost: u64,
    /// Interarrival jitter there, ms.
    pub jitter_ms: f64,
    /// Rating by the E-model from these numbers, 0-93.
    pub r_factor: Option<f64>,
    /// The same as mean opinion score, 1-4.5.
    pub mos: Option<f64>,
    /// Rating by its own account (RFC 3611 §4.7.5), 0-100.
    pub told_r_factor: Option<u8>,
    /// Mean opinion score of the conversation by its own account, 1-5.
    pub told_mos: Option<f64>,
    /// Mean opinion score of listening by its own account, 1-5.
    pub told_mos_listening: Option<f64>,
}

/// What the keys of a call were heard by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DigitEvidence {
    /// Presses heard; each of them is one digit.
    pub presses: u32,
    /// Telephone-event packets, copies included.
    pub packets: u32,
    /// Telephone-event packets missing between those that came.
    pub lost: u32,
    /// Telephone-event packets that came more than once.
    pub duplicates: u32,
    /// Keys that were told of by more than one method, and are one digit nevertheless.
    pub merged: u32,
}

/// What one key was heard by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyPress {
    /// By the sender's clock, ms since our stream was opened.
    pub ms: u64,
    /// The key; nothing where keys are secret.
    pub key: Option<char>,
    /// Length, ms.
    pub duration_ms: Option<u32>,
    /// The methods that told of it, the first one first.
    pub methods: Vec<String>,
    /// Telephone-event packets, copies included.
    pub packets: u16,
    /// Telephone-event packets missing between those that came.
    pub lost: u16,
    /// Telephone-event packets that came more than once.
    pub duplicates: u16,
    /// Holes in the tone that were bridged.
    pub bridged: u16,
}

/// Why a call went wrong, for whoever runs the PBX.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallDiagnosis {
    /// A word for machines, e.g. `codec_mismatch`.
    pub code: String,
    /// One sentence: what, on which side, and what to change.
    pub sentence: String,
}

/// One SIP message of a call, without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallMessage {
    /// Since the start of the call, in ms.
    pub ms: u64,
    /// Whether we sent it.
    pub sent: bool,
    /// `INVITE sip:5000@192.0.2.10 SIP/2.0` or `SIP/2.0 200 OK`, numbers of callers masked.
    pub line: String,
    /// E.g. `1 INVITE`.
    pub cseq: String,
    /// To or from where.
    pub peer: String,
}

impl CallRecord {
    /// A record with its id and nothing else.
    pub fn new(call: &CallId) -> Self {
        Self { call: call.0.clone(), ..Self::default() }
    }
}
