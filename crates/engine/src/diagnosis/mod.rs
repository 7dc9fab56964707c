//! Why a call failed: one sentence that somebody who runs a PBX understands.
mod sentence;

use passline_sdp::Cause;
use passline_sip::Warning;
use std::net::SocketAddr;
use std::time::Duration;

/// On which side something must change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blame {
    /// In Passline's configuration, or on its host.
    Ours,
    /// In the PBX, trunk or telephone at the other end.
    Theirs,
    /// In what lies between: firewall, NAT, DNS, lines.
    Network,
    /// Nowhere: people do such things.
    Nobody,
}

/// What went wrong with a call. [`sentence`](Self::sentence) says what happened, on which side, and what to change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Diagnosis {
    /// 404: no flow, extension or route has this number, or this caller may not dial it.
    UnknownNumber {
        /// As dialled.
        number: String,
    },
    /// 403: the caller is known, but may not dial this.
    NotAllowed {
        /// As dialled.
        number: String,
        /// Trunk or device.
        who: String,
    },
    /// 488: no codec in common.
    NoCommonCodec {
        /// What was offered and what we have.
        detail: String,
    },
    /// 488: only SRTP was offered, and it is off.
    OnlyEncrypted,
    /// 488: no SRTP was offered or answered, and it is required.
    OnlyPlain,
    /// 488: SRTP by suites or keys that we do not have.
    UnknownEncryption {
        /// What was offered and what we have.
        detail: String,
    },
    /// 415, 488 or 606 to our INVITE, which insisted on SRTP.
    PeerNoEncryption {
        /// Whom we called.
        callee: String,
        /// The status.
        status: u16,
    },
    /// 400: the session description cannot be read.
    BadDescription {
        /// What is wrong with it.
        detail: String,
    },
    /// 420: an extension is required that we do not have.
    UnsupportedExtension,
    /// 422: the session timer was too short, and the caller did not come back with a longer one (RFC 4028).
    SessionTooShort,
    /// 400, 413, 415, 416, 505 …: the user agent found the INVITE itself at fault.
    BadRequest {
        /// The status.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// 503: as many calls as are allowed.
    Full {
        /// `max_calls`.
        limit: usize,
    },
    /// 503: as many calls of this trunk as are allowed.
    TrunkFull {
        /// Its name.
        trunk: String,
        /// Its `max_calls`.
        limit: usize,
    },
    /// 503: the media threads had no time left for a further call.
    Overloaded {
        /// Share of the time in which the least busy one was at work, percent.
        busy: u8,
        /// `busy_limit`.
        limit: u8,
    },
    /// 503: no RTP port could be had.
    NoPort,
    /// 503: we are shutting down.
    Draining,
    /// 401: the caller sent no credentials after the challenge.
    NoCredentials {
        /// Where the call came from.
        source: SocketAddr,
    },
    /// 401 or 403: credentials that are wrong.
    WrongCredentials {
        /// Where the call came from.
        source: SocketAddr,
        /// The account that should have called.
        account: String,
    },
    /// 480: the extension is not registered.
    NotRegistered {
        /// Its number.
        extension: String,
    },
    /// 482 or 483: the call came back to us.
    Loop {
        /// As dialled.
        number: String,
    },
    /// Our 200 was never acknowledged.
    NoAck {
        /// Where the 200 went.
        peer: SocketAddr,
    },
    /// The ACK (or the 200) should have brought an answer to our offer.
    NoAnswer {
        /// What is wrong with it.
        detail: String,
    },
    /// Not a single packet went either way.
    NoMedia {
        /// Where the peer wanted its audio.
        peer: Option<SocketAddr>,
    },
    /// We sent, and got nothing.
    OneWayAudio {
        /// Our RTP port.
        port: u16,
        /// Where we sent to.
        peer: SocketAddr,
    },
    /// Audio came from an address that was neither announced nor the signalling's.
    WrongSource {
        /// What was announced.
        announced: SocketAddr,
        /// What came.
        heard: SocketAddr,
    },
    /// Encrypted audio came, and not one packet was authentic.
    WrongKeys {
        /// How many came.
        packets: u64,
    },
    /// Audio came, and then no more.
    MediaStopped {
        /// Silence after which the call was ended.
        after: Duration,
    },
    /// Audio came, but in the whole call no digit.
    NoDigits {
        /// Whether telephone-event had been agreed on.
        events: bool,
    },
    /// The peer forgot the call, or does not answer in it.
    DialogLost,
    /// The session timer ran out.
    SessionExpired,
    /// The path broke.
    TransportFailed {
        /// Protocol.
        transport: &'static str,
        /// The peer.
        peer: SocketAddr,
    },
    /// TLS could not be agreed on.
    TlsFailed {
        /// The peer.
        peer: SocketAddr,
        /// What was wrong.
        detail: String,
    },
    /// A name has no address.
    DnsFailed {
        /// The URI whose host was looked up.
        uri: String,
        /// What the resolver said.
        detail: String,
    },
    /// Nothing answered our INVITE.
    NoReply {
        /// Where it went.
        peer: SocketAddr,
    },
    /// 486 or 600.
    Busy {
        /// Whom we called.
        callee: String,
    },
    /// 404, 410, 484 or 604.
    NotFound {
        /// Whom we called.
        callee: String,
        /// The status.
        status: u16,
    },
    /// 603 or 607.
    Declined {
        /// Whom we called.
        callee: String,
    },
    /// It rang and nobody answered: 408, 480 or our own patience.
    NotAnswered {
        /// Whom we called.
        callee: String,
    },
    /// 401, 403 or 407: the peer does not take our credentials, or wants some.
    PeerForbids {
        /// Whom we called.
        callee: String,
        /// The status.
        status: u16,
        /// We had credentials to offer.
        credentials: bool,
    },
    /// 401, 403, 404 or 407 to our REGISTER.
    RegistrationRefused {
        /// Where we register.
        registrar: String,
        /// The status.
        status: u16,
        /// We had credentials to offer.
        credentials: bool,
    },
    /// 406, 415, 488 or 606 to our INVITE.
    PeerNoCodec {
        /// Whom we called.
        callee: String,
        /// The status.
        status: u16,
    },
    /// 5xx to our INVITE.
    PeerFailed {
        /// Whom we called.
        callee: String,
        /// The status.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// Any other refusal of our INVITE.
    PeerRefused {
        /// Whom we called.
        callee: String,
        /// The status.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// The trunk to which the number is routed is out of service.
    TrunkDown {
        /// Its name.
        trunk: String,
    },
    /// The caller hung up before the answer.
    Cancelled {
        /// How long it had rung.
        after: Duration,
    },
    /// The set-up took longer than it may.
    SetupTimeout,
    /// `max_call` was reached.
    TooLong {
        /// The limit.
        limit: Duration,
    },
    /// A transfer did not succeed.
    TransferFailed {
        /// Where to.
        target: String,
        /// Status of the refusal.
        status: u16,
    },
    /// The flow could not go on.
    FlowFailed,
    /// Ended because Passline was stopped.
    ShutDown,
}

impl Diagnosis {
    /// A name for filters, the same in all versions.
    pub fn code(&self) -> &'static str {
        match self {
            Diagnosis::UnknownNumber { .. } => "unknown_number",
            Diagnosis::NotAllowed { .. } => "not_allowed",
            Diagnosis::NoCommonCodec { .. } => "no_common_codec",
            Diagnosis::OnlyEncrypted => "only_encrypted",
            Diagnosis::OnlyPlain => "only_plain",
            Diagnosis::UnknownEncryption { .. } => "unknown_encryption",
            Diagnosis::PeerNoEncryption { .. } => "peer_no_encryption",
            Diagnosis::BadDescription { .. } => "bad_description",
            Diagnosis::SessionTooShort => "session_too_short",
            Diagnosis::BadRequest { .. } => "bad_request",
            Diagnosis::UnsupportedExtension => "unsupported_extension",
            Diagnosis::Full { .. } => "full",
            Diagnosis::TrunkFull { .. } => "trunk_full",
            Diagnosis::Overloaded { .. } => "overloaded",
            Diagnosis::NoPort => "no_port",
            Diagnosis::Draining => "draining",
            Diagnosis::NoCredentials { .. } => "no_credentials",
            Diagnosis::WrongCredentials { .. } => "wrong_credentials",
            Diagnosis::NotRegistered { .. } => "not_registered",
            Diagnosis::Loop { .. } => "loop",
            Diagnosis::NoAck { .. } => "no_ack",
            Diagnosis::NoAnswer { .. } => "no_answer",
            Diagnosis::NoMedia { .. } => "no_media",
            Diagnosis::OneWayAudio { .. } => "one_way_audio",
            Diagnosis::WrongSource { .. } => "wrong_source",
            Diagnosis::WrongKeys { .. } => "wrong_keys",
            Diagnosis::MediaStopped { .. } => "media_stopped",
            Diagnosis::NoDigits { .. } => "no_digits",
            Diagnosis::DialogLost => "dialog_lost",
            Diagnosis::SessionExpired => "session_expired",
            Diagnosis::TransportFailed { .. } => "transport_failed",
            Diagnosis::TlsFailed { .. } => "tls_failed",
            Diagnosis::DnsFailed { .. } => "dns_failed",
            Diagnosis::NoReply { .. } => "no_reply",
            Diagnosis::Busy { .. } => "busy",
            Diagnosis::NotFound { .. } => "not_found",
            Diagnosis::Declined { .. } => "declined",
            Diagnosis::NotAnswered { .. } => "not_answered",
            Diagnosis::PeerForbids { .. } => "peer_forbids",
            Diagnosis::RegistrationRefused { .. } => "registration_refused",
            Diagnosis::PeerNoCodec { .. } => "peer_no_codec",
            Diagnosis::PeerFailed { .. } => "peer_failed",
            Diagnosis::PeerRefused { .. } => "peer_refused",
            Diagnosis::TrunkDown { .. } => "trunk_down",
            Diagnosis::Cancelled { .. } => "cancelled",
            Diagnosis::SetupTimeout => "setup_timeout",
            Diagnosis::TooLong { .. } => "too_long",
            Diagnosis::TransferFailed { .. } => "transfer_failed",
            Diagnosis::FlowFailed => "flow_failed",
            Diagnosis::ShutDown => "shut_down",
        }
    }

    /// On which side something must change.
    pub fn blame(&self) -> Blame {
        use Diagnosis as D;
        match self {
            D::Full { .. }
            | D::TrunkFull { .. }
            | D::Overloaded { .. }
            | D::NoPort
            | D::Draining
            | D::ShutDown
            | D::FlowFailed
            | D::TooLong { .. }
            | D::SetupTimeout
            | D::OnlyEncrypted
            | D::RegistrationRefused { .. }
            | D::PeerForbids { .. } => Blame::Ours,
            D::UnknownNumber { .. }
            | D::NotAllowed { .. }
            | D::NoCommonCodec { .. }
            | D::OnlyPlain
            | D::UnknownEncryption { .. }
            | D::PeerNoEncryption { .. }
            | D::WrongKeys { .. }
            | D::BadDescription { .. }
            | D::UnsupportedExtension
            | D::SessionTooShort
            | D::BadRequest { .. }
            | D::NoCredentials { .. }
            | D::WrongCredentials { .. }
            | D::NotRegistered { .. }
            | D::Loop { .. }
            | D::NoAnswer { .. }
            | D::NoDigits { .. }
            | D::DialogLost
            | D::SessionExpired
            | D::NotFound { .. }
            | D::PeerNoCodec { .. }
            | D::PeerFailed { .. }
            | D::PeerRefused { .. }
            | D::TransferFailed { .. } => Blame::Theirs,
            D::NoAck { .. }
            | D::NoMedia { .. }
            | D::OneWayAudio { .. }
            | D::WrongSource { .. }
            | D::MediaStopped { .. }
            | D::TransportFailed { .. }
            | D::TlsFailed { .. }
            | D::DnsFailed { .. }
            | D::NoReply { .. }
            | D::TrunkDown { .. } => Blame::Network,
            D::Busy { .. } | D::Declined { .. } | D::NotAnswered { .. } | D::Cancelled { .. } => {
                Blame::Nobody
            }
        }
    }

    /// What a final refusal of our INVITE means.
    pub fn of_refusal(status: u16, reason: &str, callee: &str, peer: SocketAddr, credentials: bool) -> Self {
        let (callee, reason) = (callee.to_owned(), reason.to_owned());
        match status {
            401 | 403 | 407 => Diagnosis::PeerForbids { callee, status, credentials },
            404 | 410 | 484 | 485 | 604 => Diagnosis::NotFound { callee, status },
            408 | 480 => Diagnosis::NotAnswered { callee },
            482 | 483 => Diagnosis::Loop { number: callee },
            486 | 600 => Diagnosis::Busy { callee },
            603 | 607 => Diagnosis::Declined { callee },
            406 | 415 | 488 | 606 => Diagnosis::PeerNoCodec { callee, status },
            503 if reason.is_empty() => Diagnosis::NoReply { peer },
            500..=599 => Diagnosis::PeerFailed { callee, status, reason },
            _ => Diagnosis::PeerRefused { callee, status, reason },
        }
    }

    /// What a refusal means that the user agent gave by itself to an INVITE for this number.
    pub(crate) fn of_own(status: u16, reason: &str, number: &str, source: SocketAddr) -> Option<Self> {
        Some(match status {
            // A challenge is no refusal yet; calls that end by 487, 491 or 481 have their own story.
            0..=399 | 401 | 407 | 481 | 487 | 491 => return None,
            403 => Diagnosis::WrongCredentials { source, account: number.to_owned() },
            404 => Diagnosis::UnknownNumber { number: number.to_owned() },
            420 => Diagnosis::UnsupportedExtension,
            422 => Diagnosis::SessionTooShort,
            482 | 483 => Diagnosis::Loop { number: number.to_owned() },
            _ => Diagnosis::BadRequest { status, reason: reason.to_owned() },
        })
    }

    /// What our refusal of a session description means.
    pub(crate) fn of_description(refusal: &passline_sdp::Refusal) -> Self {
        let detail = refusal.sentence.trim_end_matches('.').to_owned();
        match (refusal.status, refusal.cause) {
            (400, _) => Diagnosis::BadDescription { detail },
            (_, Cause::EncryptionOff) => Diagnosis::OnlyEncrypted,
            (_, Cause::EncryptionRequired) => Diagnosis::OnlyPlain,
            (_, Cause::EncryptionUnknown) => Diagnosis::UnknownEncryption { detail },
            (_, Cause::Media) => Diagnosis::NoCommonCodec { detail },
        }
    }

    /// What it means that we cannot take the answer to our offer.
    pub(crate) fn of_answer(refusal: &passline_sdp::Refusal) -> Self {
        match refusal.cause {
            Cause::EncryptionRequired => Diagnosis::OnlyPlain,
            _ => Diagnosis::NoAnswer { detail: refusal.sentence.trim_end_matches('.').to_owned() },
        }
    }

    /// What the Warning of a refusal says of it (RFC 3261 §20.43): nothing about our configuration.
    pub(crate) fn warning(&self) -> Option<Warning> {
        let (code, text) = match self {
            Diagnosis::NoCommonCodec { detail } => (305, detail.as_str()),
            Diagnosis::UnknownEncryption { detail } => (302, detail.as_str()),
            Diagnosis::OnlyEncrypted => (302, "Encrypted audio is not taken here"),
            Diagnosis::OnlyPlain => (302, "Plain audio is not taken here, offer SRTP"),
            _ => return None,
        };
        Some(Warning { code, text: text.to_owned() })
    }
}
