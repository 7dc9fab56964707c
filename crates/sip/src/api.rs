//! What goes into and comes out of the [`UserAgent`](crate::UserAgent): plain data.

use crate::{AskId, Credentials, Invite, Registration, RegistrationId, RegistrationState, UnboundCause};
use std::net::SocketAddr;

/// Names one call (an INVITE and the dialog it makes) for its whole life; never used twice in a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct CallHandle(pub u64);

/// The transport protocol below SIP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    /// UDP: a message per datagram, lost and repeated at will.
    Udp,
    /// TCP: a stream of messages.
    Tcp,
    /// TLS over TCP; framed like TCP.
    Tls,
}

impl Transport {
    /// The token of Via and of the `transport` URI parameter's upper case, for example `UDP`.
    pub fn token(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// Whether the transport itself delivers (RFC 3261 §17: such transports do not retransmit).
    pub fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }
}

/// A network path: where octets came from or go to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// Protocol of the path.
    pub transport: Transport,
    /// Our end. For a socket bound to the unspecified address, the address the packet was sent to.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
    /// The shell's name of the connection, for connected transports; `None` for datagrams and before the connection stands.
    pub connection: Option<u64>,
}

/// What happens to the user agent.
pub enum Input<'a> {
    /// One datagram.
    Datagram {
        /// The path it came by.
        path: Flow,
        /// Its octets.
        bytes: &'a [u8],
    },
    /// Octets of a stream, cut anywhere.
    Stream {
        /// The path they came by; `connection` is set.
        path: Flow,
        /// The octets as read.
        bytes: &'a [u8],
    },
    /// A connection stands: accepted by the shell, or the fruit of [`Output::Connect`] (same `remote`).
    Connected {
        /// The path; `connection` is set.
        path: Flow,
    },
    /// A connection is gone.
    Closed {
        /// The shell's name of it.
        connection: u64,
    },
    /// A datagram could not be sent (port unreachable …), or a connection could not be made (`connection` is `None`).
    SendFailed {
        /// The path of the failed [`Output::Send`] or [`Output::Connect`].
        path: Flow,
        /// Why, in one sentence; becomes the reason of the 503 that the requests meet. May be empty.
        reason: String,
    },
    /// The layer above wants something.
    Command(Command),
    /// The deadline has come.
    Timer,
}

/// When provisional responses are sent reliably (RFC 3262).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Rel100 {
    /// Never: 100rel is not offered, and an INVITE that requires it gets 420. For peers whose PRACK is broken.
    Never,
    /// Where the peer requires it.
    #[default]
    Required,
    /// Where the peer supports it.
    Prefer,
}

/// Who refreshes a session with a timer (RFC 4028).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Refresher {
    /// We, where the peer lets us.
    Ours,
    /// The peer, where it can.
    Theirs,
    /// As the peer asks; where it does not, the one who called.
    #[default]
    Negotiated,
}

/// Session timers (RFC 4028).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct SessionPolicy {
    /// Session-Expires that we ask for, and the longest that we agree to as called side, in seconds.
    pub expires: u32,
    /// Shortest interval taken, in seconds; at least 90 (RFC 4028 §5).
    pub min_se: u32,
    /// Who refreshes.
    pub refresher: Refresher,
    /// Ask for a timer also where the peer does not.
    pub offer: bool,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        SessionPolicy { expires: 1800, min_se: 90, refresher: Refresher::Negotiated, offer: false }
    }
}

/// Terms of one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct CallPolicy {
    /// Reliable provisional responses.
    pub rel100: Rel100,
    /// Session timer.
    pub session: SessionPolicy,
}

/// What the layer above wants. A command for a call that is over or in the wrong state does nothing.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// Sends 180 Ringing, or 183 Session Progress with a description; reliably where [`CallPolicy::rel100`] says so (RFC 3262).
    Ring {
        /// The call of [`Event::Incoming`].
        call: CallHandle,
        /// Early media: the answer to the INVITE's offer, or our offer when it brought none and 100rel is spoken.
        sdp: Option<Vec<u8>>,
    },
    /// Sets what this incoming call does other than [`Config`](crate::Config) says; before Ring and Accept.
    Tune {
        /// The call of [`Event::Incoming`].
        call: CallHandle,
        /// Its terms.
        policy: CallPolicy,
    },
    /// Answers an incoming INVITE with 200.
    Accept {
        /// The call of [`Event::Incoming`].
        call: CallHandle,
        /// The answer, or the offer when the INVITE brought none. Not sent if a reliable Ring has described the session.
        sdp: Vec<u8>,
    },
    /// Answers an incoming INVITE with a final response of 300 or more.
    Reject {
        /// The call of [`Event::Incoming`].
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
        /// The call of [`Event::Incoming`].
        call: CallHandle,
    },
    /// Registers at a registrar and keeps the registration up; with a known `id`, changes its terms.
    Register {
        /// Its name.
        id: RegistrationId,
        /// Its terms.
        registration: Box<Registration>,
    },
    /// Takes a registration back; [`RegistrationState::Unregistered`] follows.
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
    /// Gives the answer to an offer that came in a response: in [`Event::Answered`] or [`Event::Ringing`] of an INVITE, or in
    /// [`Event::Reanswered`] of a re-INVITE, that carried none. It travels in the ACK or the PRACK.
    Acknowledge {
        /// The call.
        call: CallHandle,
        /// The answer.
        sdp: Vec<u8>,
    },
    /// Sends a re-INVITE (hold, resume, new address or codec); answered by [`Event::Reanswered`]. While another offer is
    /// open, or after 491, it waits for its turn.
    Reinvite {
        /// The call, answered.
        call: CallHandle,
        /// The offer; empty for a delayed offer.
        sdp: Vec<u8>,
    },
    /// Asks the peer to call somebody else (RFC 3515); answered by [`Event::ReferProgress`].
    Refer {
        /// The call, answered.
        call: CallHandle,
        /// Whom to call, a URI. Empty with `replaces`: the remote target of that call.
        to: String,
        /// Another call of ours, whose place the new one is to take (attended transfer, RFC 3891).
        replaces: Option<CallHandle>,
    },
    /// Answers [`Event::Referred`] with 202; [`Command::NotifyRefer`] tells how it goes on.
    AcceptRefer {
        /// The call.
        call: CallHandle,
    },
    /// Answers [`Event::Referred`] with a refusal.
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
    /// Answers [`Event::Reoffered`] with 200.
    AcceptReinvite {
        /// The call.
        call: CallHandle,
        /// The answer, or an offer when the re-INVITE brought none.
        sdp: Vec<u8>,
    },
    /// Answers [`Event::Reoffered`] with a refusal; the session goes on as it was.
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

/// What the user agent wants from the shell.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Send these octets by this path.
    Send {
        /// The path.
        path: Flow,
        /// One whole message (or a keep-alive answer).
        bytes: Vec<u8>,
    },
    /// Make a connection; answer with [`Input::Connected`] or [`Input::SendFailed`]. Octets for it wait in the user agent.
    Connect {
        /// `transport`, `local` as a hint, `remote`; `connection` is `None`.
        path: Flow,
    },
    /// Close this connection: framing is lost or its limit is reached.
    CloseConnection(u64),
    /// News for the layer above.
    Event(Event),
    /// A message went by; only with [`Config::trace`](crate::Config::trace).
    Trace(Trace),
}

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
}

/// A message's first line and Call-ID; never a body, because INFO bodies carry digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Received or sent.
    pub direction: Direction,
    /// Request line or status line, control characters replaced.
    pub first_line: String,
    /// `CSeq` value, for example `1 INVITE`.
    pub cseq: String,
    /// Call-ID, control characters replaced.
    pub call_id: String,
    /// The peer.
    pub remote: SocketAddr,
}

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
    /// Our [`Command::Reinvite`] is done.
    Reanswered {
        /// The call.
        call: CallHandle,
        /// The peer's answer (its offer, if ours was empty: [`Command::Acknowledge`] must follow), or the status of the
        /// refusal, 300..=699; the session then goes on as it was.
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
        /// The peer's description: its answer, or its offer if our INVITE carried none ([`Command::Acknowledge`] must follow).
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
    /// The answer to [`Command::Ask`].
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

/// What an INVITE says about the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingCall {
    /// The number dialled: user part of the Request-URI, unescaped, without parameters; also of `tel:` URIs.
    pub number: String,
    /// The Request-URI as received.
    pub request_uri: String,
    /// From URI as received.
    pub from: String,
    /// User part of From, unescaped, without parameters; empty if there is none.
    pub from_user: String,
    /// Display name of From, unquoted; empty if there is none.
    pub from_display: String,
    /// To URI as received.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
    /// User-Agent header.
    pub user_agent: Option<String>,
    /// The offer; `None` for a delayed offer.
    pub sdp: Option<Vec<u8>>,
    /// The path the INVITE came by.
    pub path: Flow,
    /// Diversion (RFC 5806), the last diversion first. These and the following identities are items as received,
    /// `"Name" <sip:…>;reason=…`, control characters replaced; whether to trust them is the engine's decision.
    pub diversions: Vec<String>,
    /// History-Info (RFC 7044), in the order of the index: the oldest first.
    pub history: Vec<String>,
    /// P-Asserted-Identity (RFC 3325), also with a space before the colon.
    pub asserted: Vec<String>,
    /// P-Preferred-Identity (RFC 3325 §9.2).
    pub preferred: Vec<String>,
    /// The first Remote-Party-ID.
    pub remote_party_id: Option<String>,
    /// Privacy (RFC 3323), for example `id`.
    pub privacy: Option<String>,
    /// Referred-By (RFC 3892).
    pub referred_by: Option<String>,
    /// The call of ours whose place this one is to take (Replaces, RFC 3891), found and fit to be replaced. Who may do
    /// that, and to hang it up once this call is accepted, is the layer above's part.
    pub replaces: Option<CallHandle>,
    /// The account whose credentials this INVITE carries, verified; `None`: no or wrong credentials.
    pub account: Option<String>,
    /// Via values: one more than the proxies it passed.
    pub via_hops: u8,
    /// Record-Route values.
    pub record_routes: u8,
    /// Max-Forwards; 70 where there is none.
    pub max_forwards: u8,
}

impl IncomingCall {
    /// URI and number (user part, unescaped, without parameters) of an item of the identity headers.
    pub fn identity(item: &str) -> Option<(String, String)> {
        let address = crate::message::Address::parse(item).ok()?;
        let uri = address.uri()?;
        Some((uri.raw.to_owned(), uri.number()))
    }
}
