//! What the user agent tells the layer above.

use super::{CallHandle, Flow, IncomingCall};
use crate::{AskId, RegistrationId, RegistrationState, UnboundCause};

/// News of a call.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// An INVITE outside a dialog; 100 Trying has gone. Answer with Ring, Accept, Reject or HangUp.
    Incoming {
        /// The new call.
        call: CallHandle,
        /// What the INVITE says.
        info: Box<IncomingCall>,
    },
    /// The caller cancelled before an answer; 487 has gone. `Ended` follows.
    Cancelled {
        /// The call.
        call: CallHandle,
        /// The Reason header's value (RFC 3326), for example `SIP;cause=200;text="Call completed elsewhere"`.
        reason: Option<String>,
    },
    /// The ACK of our 200 came (to the INVITE or to a re-INVITE).
    Confirmed {
        /// The call.
        call: CallHandle,
        /// The peer's answer, when the offer was ours.
        sdp: Option<Vec<u8>>,
    },
    /// The PRACK of a Ring with our offer brought the answer (the INVITE carried no offer).
    EarlyAnswer {
        /// The call, not answered yet.
        call: CallHandle,
        /// The peer's answer.
        sdp: Vec<u8>,
    },
    /// A re-INVITE, UPDATE or PRACK with an offer, the latter two also before the call is answered; must be answered by AcceptReinvite or RejectReinvite.
    Reoffered {
        /// The call.
        call: CallHandle,
        /// The new offer; `None`: we are to offer.
        sdp: Option<Vec<u8>>,
    },
    /// Our [`Command::Reinvite`](super::Command::Reinvite) is done.
    Reanswered {
        /// The call.
        call: CallHandle,
        /// The peer's answer (its offer, if ours was empty: [`Command::Acknowledge`](super::Command::Acknowledge) must
        /// follow), or the status of the refusal, 300..=699; the session then goes on as it was.
        result: Result<Option<Vec<u8>>, u16>,
    },
    /// The peer asks us to call somebody else; must be answered by AcceptRefer or RejectRefer.
    Referred {
        /// The call in which it asks.
        call: CallHandle,
        /// URI of Refer-To, without its header fields.
        to: String,
        /// Replaces header for the new INVITE (attended transfer), unescaped; for the layer above to repeat.
        replaces: Option<String>,
        /// Referred-By header (RFC 3892); trust is the engine's decision.
        referred_by: Option<String>,
    },
    /// How the call goes that we asked the peer to make.
    ReferProgress {
        /// The call in which we asked.
        call: CallHandle,
        /// Status of the peer's new INVITE, as it says; or of the refused REFER (405 where it knows none).
        status: u16,
        /// Reason phrase as received.
        reason: String,
        /// No further news will come.
        done: bool,
    },
    /// An INFO request; 200 has gone.
    Info {
        /// The call.
        call: CallHandle,
        /// Content-Type without parameters, lower case.
        content_type: String,
        /// The body. May carry digits: never log.
        body: Vec<u8>,
    },
    /// The peer hung up; 200 has gone. `Ended` follows.
    Bye {
        /// The call.
        call: CallHandle,
        /// The Reason header's value.
        reason: Option<String>,
    },
    /// A provisional response to our INVITE (not 100).
    Ringing {
        /// The call.
        call: CallHandle,
        /// 180, 183 …
        status: u16,
        /// Early media description.
        sdp: Option<Vec<u8>>,
    },
    /// Our INVITE was answered; ACK has gone.
    Answered {
        /// The call.
        call: CallHandle,
        /// The peer's description: its answer, or its offer if our INVITE carried none
        /// ([`Command::Acknowledge`](super::Command::Acknowledge) must follow).
        sdp: Option<Vec<u8>>,
    },
    /// Our INVITE was refused (also 408 on a time-out, 503 on a transport failure). `Ended` follows.
    Refused {
        /// The call.
        call: CallHandle,
        /// Final status, 300..=699.
        status: u16,
        /// Reason phrase as received.
        reason: String,
        /// The Reason header (RFC 3326, RFC 6432), for example `Q.850;cause=21`: what the network behind the peer says.
        cause: Option<String>,
    },
    /// A contact was bound to an account, or refreshed.
    Bound {
        /// The account's user.
        account: String,
        /// Contact URI.
        contact: String,
        /// The path it came by.
        flow: Flow,
        /// Lifetime granted, in seconds.
        expires: u32,
    },
    /// A contact is bound no more.
    Unbound {
        /// The account's user.
        account: String,
        /// Contact URI.
        contact: String,
        /// Why.
        why: UnboundCause,
    },
    /// Credentials came that are wrong: unknown user or wrong password, which nobody can tell apart.
    AuthFailed {
        /// The path they came by.
        flow: Flow,
        /// The user name as claimed, harmless to print.
        user: String,
    },
    /// A client registration changed its state, or was refreshed.
    Registration {
        /// Its name.
        id: RegistrationId,
        /// How it stands.
        state: RegistrationState,
    },
    /// The answer to [`Command::Ask`](super::Command::Ask).
    Asked {
        /// Its name.
        id: AskId,
        /// Final status; 408 for none, 503 for an unreachable peer.
        status: u16,
        /// Reason phrase.
        reason: String,
        /// Server or User-Agent header.
        server: Option<String>,
        /// Allow header.
        allow: Option<String>,
        /// A session description in the body: what the peer can.
        body_sdp: Option<Vec<u8>>,
    },
    /// The call is over; always its last event. After our HangUp it comes when the BYE is answered or given up.
    Ended {
        /// The call.
        call: CallHandle,
        /// Why.
        cause: EndCause,
    },
}

/// Why a call is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum EndCause {
    /// We hung up.
    LocalHangUp,
    /// The peer sent BYE.
    RemoteBye,
    /// The INVITE was cancelled (by the caller, or by our HangUp).
    Cancelled,
    /// We rejected the INVITE.
    Rejected,
    /// The peer refused our INVITE.
    Refused,
    /// Our 200 was never acknowledged (RFC 3261 §13.3.1.4); BYE has gone.
    NoAck,
    /// Our reliable provisional response was never acknowledged (RFC 3262 §3); 504 has gone.
    NoPrack,
    /// The peer no longer knows the dialog or does not answer in it (481 or 408 in the dialog).
    Lost,
    /// The session timer ran out (RFC 4028).
    Expired,
    /// The path is gone.
    TransportFailed,
}
