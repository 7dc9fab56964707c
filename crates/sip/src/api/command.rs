//! What the layer above asks of the user agent.

use super::{CallHandle, CallPolicy, Flow};
use crate::{AskId, Credentials, Invite, Registration, RegistrationId};

/// What the layer above wants. A command for a call that is over or in the wrong state does nothing.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// Sends 180 Ringing, or 183 Session Progress with a description; reliably where [`CallPolicy::rel100`] says so (RFC 3262).
    Ring {
        /// The call of [`Event::Incoming`](super::Event::Incoming).
        call: CallHandle,
        /// Early media: the answer to the INVITE's offer, or our offer when it brought none and 100rel is spoken.
        sdp: Option<Vec<u8>>,
    },
    /// Sets what this incoming call does other than [`Config`](crate::Config) says; before Ring and Accept.
    Tune {
        /// The call of [`Event::Incoming`](super::Event::Incoming).
        call: CallHandle,
        /// Its terms.
        policy: CallPolicy,
    },
    /// Answers an incoming INVITE with 200.
    Accept {
        /// The call of [`Event::Incoming`](super::Event::Incoming).
        call: CallHandle,
        /// The answer, or the offer when the INVITE brought none. Not sent if a reliable Ring has described the session.
        sdp: Vec<u8>,
    },
    /// Answers an incoming INVITE with a final response of 300 or more.
    Reject {
        /// The call of [`Event::Incoming`](super::Event::Incoming).
        call: CallHandle,
        /// Status code, 300..=699.
        status: u16,
        /// Reason phrase; the standard one when `None`.
        reason: Option<String>,
        /// Retry-After, in seconds.
        retry_after: Option<u32>,
        /// What the matter is, in words.
        warning: Option<Warning>,
    },
    /// Ends the call in the way its state wants: BYE, CANCEL, or 603 to an unanswered incoming INVITE.
    HangUp {
        /// The call.
        call: CallHandle,
        /// Text for a Reason header (RFC 3326), without quotes.
        reason: Option<String>,
    },
    /// Places a call.
    Invite(Box<Invite>),
    /// Answers an incoming INVITE with 401 and our challenges, and forgets it; the phone comes back with another INVITE.
    Challenge {
        /// The call of [`Event::Incoming`](super::Event::Incoming).
        call: CallHandle,
    },
    /// Registers at a registrar and keeps the registration up; with a known `id`, changes its terms.
    Register {
        /// Its name.
        id: RegistrationId,
        /// Its terms.
        registration: Box<Registration>,
    },
    /// Takes a registration back; [`RegistrationState::Unregistered`](crate::RegistrationState::Unregistered) follows.
    Unregister {
        /// Its name.
        id: RegistrationId,
    },
    /// Sends OPTIONS outside a dialog: is the peer there, and what can it do?
    Ask {
        /// Its name.
        id: AskId,
        /// Request-URI and To.
        uri: String,
        /// From URI.
        from: String,
        /// The path.
        path: Flow,
        /// What answers a challenge.
        credentials: Option<Credentials>,
    },
    /// Gives the answer to an offer that came in a response: in [`Event::Answered`](super::Event::Answered) or
    /// [`Event::Ringing`](super::Event::Ringing) of an INVITE, or in [`Event::Reanswered`](super::Event::Reanswered) of a
    /// re-INVITE, that carried none. It travels in the ACK or the PRACK.
    Acknowledge {
        /// The call.
        call: CallHandle,
        /// The answer.
        sdp: Vec<u8>,
    },
    /// Sends a re-INVITE (hold, resume, new address or codec); answered by
    /// [`Event::Reanswered`](super::Event::Reanswered). While another offer is open, or after 491, it waits for its turn.
    Reinvite {
        /// The call, answered.
        call: CallHandle,
        /// The offer; empty for a delayed offer.
        sdp: Vec<u8>,
    },
    /// Asks the peer to call somebody else (RFC 3515); answered by [`Event::ReferProgress`](super::Event::ReferProgress).
    Refer {
        /// The call, answered.
        call: CallHandle,
        /// Whom to call, a URI. Empty with `replaces`: the remote target of that call.
        to: String,
        /// Another call of ours, whose place the new one is to take (attended transfer, RFC 3891).
        replaces: Option<CallHandle>,
    },
    /// Answers [`Event::Referred`](super::Event::Referred) with 202; [`Command::NotifyRefer`] tells how it goes on.
    AcceptRefer {
        /// The call.
        call: CallHandle,
    },
    /// Answers [`Event::Referred`](super::Event::Referred) with a refusal.
    RejectRefer {
        /// The call.
        call: CallHandle,
        /// Status code, 300..=699; ordinarily 403 or 603.
        status: u16,
    },
    /// Tells the peer that referred us how the new call goes (NOTIFY with message/sipfrag, RFC 3515 §2.4.5).
    NotifyRefer {
        /// The call in which the REFER came.
        call: CallHandle,
        /// Status of the new INVITE, 100..=699.
        status: u16,
        /// Its reason phrase; the standard one when empty.
        reason: String,
        /// The last of these notices; the subscription ends.
        done: bool,
    },
    /// Sends an INFO request in the dialog.
    SendInfo {
        /// The call, answered or early.
        call: CallHandle,
        /// Content-Type of the body.
        content_type: String,
        /// The body. May carry digits: never traced.
        body: Vec<u8>,
    },
    /// Answers [`Event::Reoffered`](super::Event::Reoffered) with 200.
    AcceptReinvite {
        /// The call.
        call: CallHandle,
        /// The answer, or an offer when the re-INVITE brought none.
        sdp: Vec<u8>,
    },
    /// Answers [`Event::Reoffered`](super::Event::Reoffered) with a refusal; the session goes on as it was.
    RejectReinvite {
        /// The call.
        call: CallHandle,
        /// Status code, ordinarily 488.
        status: u16,
        /// Reason phrase; the standard one when `None`.
        reason: Option<String>,
        /// What the matter is, in words.
        warning: Option<Warning>,
    },
}

/// Words to a refusal, for whoever reads the log of the peer (RFC 3261 §20.43).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// 300 to 399, as 305 for formats and 302 for protocols of media.
    pub code: u16,
    /// A sentence.
    pub text: String,
}

impl Warning {
    /// The header's value: code, who warns, and the sentence as a quoted string.
    pub(crate) fn value(&self) -> String {
        let good = |c: &char| !c.is_control();
        let text: String = self.text.chars().filter(good).take(200).collect();
        format!("{} passline \"{}\"", self.code, text.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
