//! What is remembered of a call while it lasts.
use super::{Session, Side};
use crate::{CallRecord, Diagnosis, DigitLedger, Direction, Identity, LadderLine, LiveCall};
use passline_identity::CallId;
use passline_rtp::srtp::SrtpCounts;
use passline_rtp::{Method, Statistics};
use passline_sdp::Encryption;
use passline_sip::{EndCause, Transport};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Steps kept.
const STEPS: usize = 64;
/// SIP messages kept.
const LADDER: usize = 64;
/// A call must have lasted so long before something can be said of its media.
const JUDGED_AFTER: Duration = Duration::from_secs(3);
/// Who has not pressed a key in a flow by then has pressed some in vain, or has not understood.
const KEYS_BY: Duration = Duration::from_secs(20);
/// Public digits kept.
const DIGITS: usize = 1024;

pub(crate) struct Draft {
    pub(crate) direction: Direction,
    start: Instant,
    answered: Option<Instant>,
    end: Option<Instant>,
    from: String,
    pub(super) to: String,
    pub(super) peer: SocketAddr,
    user_agent: Option<String>,
    pub(super) codec: Option<&'static str>,
    pub(super) encryption: Option<&'static str>,
    pub(super) srtp: Option<SrtpCounts>,
    dtmf: Option<Method>,
    digits: String,
    all_public: bool,
    digit_count: u32,
    pub(super) digit_ledger: DigitLedger,
    statistics: Option<Statistics>,
    foreign: u64,
    outcome: Option<&'static str>,
    steps: Vec<String>,
    /// The flow knows that the call is over.
    winding_up: bool,
    pub(super) trunk: Option<String>,
    pub(super) account: Option<String>,
    pub(super) identity: Identity,
    pub(super) diversions: Vec<String>,
    pub(super) via_hops: u8,
    pub(super) max_forwards: u8,
    pub(super) bridged: Option<CallId>,
    pub(super) diagnosis: Option<Diagnosis>,
    ladder: Vec<LadderLine>,
    silent_for: Option<Duration>,
    foreign_source: Option<SocketAddr>,
    told_left: bool,
}

impl Draft {
    pub(super) fn new(
        now: Instant,
        direction: Direction,
        from: String,
        to: String,
        peer: SocketAddr,
        user_agent: Option<String>,
    ) -> Self {
        Draft {
            direction,
            start: now,
            answered: None,
            end: None,
            from,
            to,
            peer,
            user_agent,
            codec: None,
            encryption: None,
            srtp: None,
            dtmf: None,
            digits: String::new(),
            all_public: true,
            digit_count: 0,
            digit_ledger: DigitLedger::default(),
            statistics: None,
            foreign: 0,
            outcome: None,
            steps: Vec::new(),
            winding_up: false,
            trunk: None,
            account: None,
            identity: Identity::default(),
            diversions: Vec::new(),
            via_hops: 0,
            max_forwards: 70,
            bridged: None,
            diagnosis: None,
            ladder: Vec::new(),
            silent_for: None,
            foreign_source: None,
            told_left: false,
        }
    }

    pub(super) fn is_winding_up(&self) -> bool {
        self.winding_up
    }

    pub(super) fn winding_up(&mut self) {
        self.winding_up = true;
    }

    pub(super) fn answered(&mut self, now: Instant) {
        self.answered.get_or_insert(now);
    }

    pub(super) fn end(&mut self, now: Instant) {
        self.end.get_or_insert(now);
    }

    /// The first outcome told stands: what follows is its consequence.
    pub(super) fn outcome(&mut self, outcome: &'static str) {
        self.outcome.get_or_insert(outcome);
    }

    /// The first diagnosis stands, too.
    pub(super) fn diagnose(&mut self, diagnosis: Diagnosis) {
        self.diagnosis.get_or_insert(diagnosis);
    }

    /// The caller hung up while it rang.
    pub(super) fn cancelled(&mut self, now: Instant) {
        self.diagnose(Diagnosis::Cancelled { after: now.saturating_duration_since(self.start) });
    }

    /// Nothing came for so long.
    pub(super) fn silent(&mut self, after: Duration) {
        self.silent_for = Some(after);
    }

    pub(super) fn is_between(&self, from: &str, to: &str) -> bool {
        self.from == from && self.to == to
    }

    /// Whether the end was told before; it is from now on.
    pub(super) fn told_left(&mut self) -> bool {
        std::mem::replace(&mut self.told_left, true)
    }

    /// A SIP message of this call.
    pub(super) fn ladder(&mut self, line: LadderLine) {
        if self.ladder.len() < LADDER {
            self.ladder.push(line);
        }
    }

    /// Whether the peer ever said anything in SIP.
    pub(super) fn heard_sip(&self) -> bool {
        self.ladder.iter().any(|line| line.direction == passline_sip::Direction::In)
    }

    pub(super) fn cause(&mut self, cause: EndCause, transport: Transport) {
        let peer = self.peer;
        match cause {
            EndCause::NoAck => self.diagnose(Diagnosis::NoAck { peer }),
            EndCause::Lost => self.diagnose(Diagnosis::DialogLost),
            EndCause::Expired => self.diagnose(Diagnosis::SessionExpired),
            EndCause::TransportFailed => {
                self.diagnose(Diagnosis::TransportFailed { transport: transport.token(), peer });
            }
            _ => {}
        }
        self.outcome(match cause {
            EndCause::LocalHangUp => "hung_up",
            EndCause::RemoteBye => "caller_left",
            EndCause::Cancelled => "cancelled",
            EndCause::Rejected => "rejected",
            EndCause::Refused => "refused",
            EndCause::NoAck => "no_ack",
            EndCause::Lost => "lost",
            EndCause::Expired => "expired",
            EndCause::TransportFailed => "transport_failed",
            _ => "ended",
        });
    }

    pub(super) fn digit(&mut self, key: char, method: Method, public: bool) {
        self.digit_count += 1;
        self.dtmf.get_or_insert(method);
        if !public {
            self.all_public = false;
            self.digits.clear();
            self.digit_ledger.hide();
        } else if self.all_public && self.digits.len() < DIGITS {
            self.digits.push(key);
            self.digit_ledger.show(key);
        }
    }

    pub(super) fn step(&mut self, step: &str) {
        if self.steps.len() < STEPS {
            self.steps.push(step.to_owned());
        }
    }

    pub(super) fn media(&mut self, statistics: Statistics, foreign: u64, source: Option<SocketAddr>) {
        self.statistics = Some(statistics);
        self.foreign = foreign;
        self.foreign_source = source;
    }
}

impl Session {
    /// A SIP message of this call.
    pub(crate) fn ladder(&mut self, line: LadderLine) {
        self.draft.ladder(line);
    }

    /// Our INVITE was refused, or nothing heard it.
    pub(super) fn diagnose_refusal(&mut self, status: u16, reason: &str) {
        let (draft, transport) = (&mut self.draft, self.transport);
        let peer = draft.peer;
        let insisted = self.media.offers_encryption() == Encryption::Required;
        let diagnosis = match status {
            415 | 488 | 606 if insisted => Diagnosis::PeerNoEncryption { callee: draft.to.clone(), status },
            _ if draft.heard_sip() => {
                Diagnosis::of_refusal(status, reason, &draft.to, peer, self.credentials)
            }
            503 if transport == Transport::Tls => {
                Diagnosis::TlsFailed { peer, detail: reason.trim_end_matches('.').to_owned() }
            }
            503 => Diagnosis::TransportFailed { transport: transport.token(), peer },
            _ => Diagnosis::NoReply { peer },
        };
        draft.diagnose(diagnosis);
    }

    /// What the counters of the stream say of a call that stood.
    fn diagnose_media(&self) -> Option<Diagnosis> {
        let draft = &self.draft;
        let (answered, end) = (draft.answered?, draft.end?);
        let seen = draft.statistics.as_ref()?;
        if seen.received > 0 {
            if let Some(after) = draft.silent_for {
                return Some(Diagnosis::MediaStopped { after });
            }
            // Somebody who hangs up in the first sentence need not have pressed anything.
            let long = end.saturating_duration_since(answered) >= KEYS_BY;
            let waited = match draft.outcome {
                Some("no_input") => true,
                Some("caller_left" | "call_limit" | "too_long") => long && matches!(self.side, Side::Flow(_)),
                _ => false,
            };
            let waited = waited && draft.digit_count == 0;
            return waited.then(|| Diagnosis::NoDigits { events: self.media.events() });
        }
        if end.saturating_duration_since(answered) < JUDGED_AFTER || !self.media.expects() {
            return None;
        }
        if let Some(packets) = draft.srtp.map(|srtp| srtp.unauthentic).filter(|&packets| packets > 0) {
            return Some(Diagnosis::WrongKeys { packets });
        }
        let remote = self.media.remote();
        Some(match (remote, draft.foreign_source) {
            (Some(announced), Some(heard)) => Diagnosis::WrongSource { announced, heard },
            (Some(peer), None) if seen.sent > 0 => Diagnosis::OneWayAudio { port: self.media.port(), peer },
            (peer, _) => Diagnosis::NoMedia { peer },
        })
    }

    /// Direction and codec: what is counted.
    pub(crate) fn brief(&self) -> (Direction, Option<&'static str>) {
        (self.draft.direction, self.draft.codec)
    }

    /// The call as it stands.
    pub(crate) fn live(&self) -> LiveCall {
        let draft = &self.draft;
        LiveCall {
            call: self.call.clone(),
            sip_call_id: self.sip_call_id.clone(),
            direction: draft.direction,
            start: draft.start,
            answered: draft.answered,
            from: draft.from.clone(),
            to: draft.to.clone(),
            peer: draft.peer,
            trunk: draft.trunk.clone(),
            account: draft.account.clone(),
            codec: draft.codec,
            encryption: draft.encryption,
            bridged: draft.bridged.clone(),
            stream: self.media.running(),
            ladder: draft.ladder.clone(),
        }
    }

    /// The finished record.
    pub(crate) fn into_record(mut self, now: Instant) -> CallRecord {
        if let Some(diagnosis) = self.diagnose_media() {
            self.draft.diagnose(diagnosis);
        }
        let draft = self.draft;
        CallRecord {
            call: self.call,
            sip_call_id: self.sip_call_id,
            direction: draft.direction,
            start: draft.start,
            answered: draft.answered,
            end: draft.end.unwrap_or(now),
            from: draft.from,
            to: draft.to,
            peer: draft.peer,
            user_agent: draft.user_agent,
            codec: draft.codec,
            encryption: draft.encryption,
            srtp: draft.srtp,
            dtmf: draft.dtmf,
            digits: (draft.all_public && draft.digit_count > 0).then_some(draft.digits),
            digit_count: draft.digit_count,
            ledger: draft.digit_ledger,
            trunk: draft.trunk,
            account: draft.account,
            identity: kept(draft.identity),
            diversions: draft.diversions,
            via_hops: draft.via_hops,
            bridged: draft.bridged,
            diagnosis: draft.diagnosis,
            ladder: draft.ladder,
            count: 1,
            statistics: draft.statistics,
            foreign_packets: draft.foreign,
            outcome: draft.outcome.unwrap_or("ended").to_owned(),
            steps: draft.steps,
        }
    }
}

/// Whoever asked for privacy is not named in what is kept.
fn kept(identity: Identity) -> Identity {
    match identity.private {
        true => Identity { number: String::new(), name: String::new(), ..identity },
        false => identity,
    }
}
