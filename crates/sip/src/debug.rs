//! `Debug` of inputs and outputs, by hand: bodies may carry digits (INFO) and must not reach a log by a stray `{:?}`.

use crate::{Command, Event, Input, Output};
use std::fmt::{Debug, Formatter, Result};

/// The length of something that is not shown.
struct Octets(usize);

impl Debug for Octets {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} octets", self.0)
    }
}

fn hidden(sdp: &Option<Vec<u8>>) -> Option<Octets> {
    sdp.as_ref().map(|s| Octets(s.len()))
}

impl Debug for Input<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Input::Datagram { path, bytes } => {
                f.debug_tuple("Datagram").field(path).field(&Octets(bytes.len())).finish()
            }
            Input::Stream { path, bytes } => {
                f.debug_tuple("Stream").field(path).field(&Octets(bytes.len())).finish()
            }
            Input::Connected { path } => f.debug_tuple("Connected").field(path).finish(),
            Input::Closed { connection } => f.debug_tuple("Closed").field(connection).finish(),
            Input::SendFailed { path, .. } => f.debug_tuple("SendFailed").field(path).finish(),
            Input::Command(command) => command.fmt(f),
            Input::Timer => f.write_str("Timer"),
        }
    }
}

impl Debug for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Command::Ring { call, sdp } => f.debug_tuple("Ring").field(call).field(&hidden(sdp)).finish(),
            Command::Tune { call, policy } => f.debug_tuple("Tune").field(call).field(policy).finish(),
            Command::Acknowledge { call, sdp } => {
                f.debug_tuple("Acknowledge").field(call).field(&Octets(sdp.len())).finish()
            }
            Command::Reinvite { call, sdp } => {
                f.debug_tuple("Reinvite").field(call).field(&Octets(sdp.len())).finish()
            }
            Command::Refer { call, to, replaces } => {
                f.debug_tuple("Refer").field(call).field(to).field(replaces).finish()
            }
            Command::AcceptRefer { call } => f.debug_tuple("AcceptRefer").field(call).finish(),
            Command::RejectRefer { call, status } => {
                f.debug_tuple("RejectRefer").field(call).field(status).finish()
            }
            Command::NotifyRefer { call, status, done, .. } => {
                f.debug_tuple("NotifyRefer").field(call).field(status).field(done).finish()
            }
            Command::Accept { call, sdp } => {
                f.debug_tuple("Accept").field(call).field(&Octets(sdp.len())).finish()
            }
            Command::Reject { call, status, .. } => {
                f.debug_tuple("Reject").field(call).field(status).finish()
            }
            Command::HangUp { call, reason } => f.debug_tuple("HangUp").field(call).field(reason).finish(),
            Command::Invite(invite) => f.debug_tuple("Invite").field(&invite.call).field(&invite.to).finish(),
            Command::Challenge { call } => f.debug_tuple("Challenge").field(call).finish(),
            Command::Register { id, registration } => {
                f.debug_tuple("Register").field(id).field(&registration.aor).finish()
            }
            Command::Unregister { id } => f.debug_tuple("Unregister").field(id).finish(),
            Command::Ask { id, uri, .. } => f.debug_tuple("Ask").field(id).field(uri).finish(),
            Command::SendInfo { call, content_type, body } => {
                f.debug_tuple("SendInfo").field(call).field(content_type).field(&Octets(body.len())).finish()
            }
            Command::AcceptReinvite { call, sdp } => {
                f.debug_tuple("AcceptReinvite").field(call).field(&Octets(sdp.len())).finish()
            }
            Command::RejectReinvite { call, status, .. } => {
                f.debug_tuple("RejectReinvite").field(call).field(status).finish()
            }
        }
    }
}

impl Debug for Output {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Output::Send { path, bytes } => {
                f.debug_tuple("Send").field(path).field(&Octets(bytes.len())).finish()
            }
            Output::Connect { path } => f.debug_tuple("Connect").field(path).finish(),
            Output::CloseConnection(connection) => {
                f.debug_tuple("CloseConnection").field(connection).finish()
            }
            Output::Event(event) => event.fmt(f),
            Output::Trace(trace) => trace.fmt(f),
        }
    }
}

impl Debug for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Event::Incoming { call, info } => {
                f.debug_tuple("Incoming").field(call).field(&info.call_id).finish()
            }
            Event::Cancelled { call, reason } => {
                f.debug_tuple("Cancelled").field(call).field(reason).finish()
            }
            Event::EarlyAnswer { call, sdp } => {
                f.debug_tuple("EarlyAnswer").field(call).field(&Octets(sdp.len())).finish()
            }
            Event::Reanswered { call, result } => {
                let shown = result.as_ref().map(hidden).map_err(|status| *status);
                f.debug_tuple("Reanswered").field(call).field(&shown).finish()
            }
            Event::Referred { call, to, replaces, .. } => {
                f.debug_tuple("Referred").field(call).field(to).field(&replaces.is_some()).finish()
            }
            Event::ReferProgress { call, status, reason, done } => {
                f.debug_tuple("ReferProgress").field(call).field(status).field(reason).field(done).finish()
            }
            Event::Confirmed { call, sdp } => {
                f.debug_tuple("Confirmed").field(call).field(&hidden(sdp)).finish()
            }
            Event::Reoffered { call, sdp } => {
                f.debug_tuple("Reoffered").field(call).field(&hidden(sdp)).finish()
            }
            Event::Info { call, content_type, body } => {
                f.debug_tuple("Info").field(call).field(content_type).field(&Octets(body.len())).finish()
            }
            Event::Bye { call, reason } => f.debug_tuple("Bye").field(call).field(reason).finish(),
            Event::Ringing { call, status, sdp } => {
                f.debug_tuple("Ringing").field(call).field(status).field(&hidden(sdp)).finish()
            }
            Event::Answered { call, sdp } => {
                f.debug_tuple("Answered").field(call).field(&hidden(sdp)).finish()
            }
            Event::Refused { call, status, reason, .. } => {
                f.debug_tuple("Refused").field(call).field(status).field(reason).finish()
            }
            Event::Bound { account, contact, flow, expires } => f
                .debug_tuple("Bound")
                .field(account)
                .field(contact)
                .field(&flow.remote)
                .field(expires)
                .finish(),
            Event::Unbound { account, contact, why } => {
                f.debug_tuple("Unbound").field(account).field(contact).field(why).finish()
            }
            Event::AuthFailed { flow, user } => {
                f.debug_tuple("AuthFailed").field(&flow.remote).field(user).finish()
            }
            Event::Registration { id, state } => {
                f.debug_tuple("Registration").field(id).field(state).finish()
            }
            Event::Asked { id, status, reason, .. } => {
                f.debug_tuple("Asked").field(id).field(status).field(reason).finish()
            }
            Event::Ended { call, cause } => f.debug_tuple("Ended").field(call).field(cause).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CallHandle;

    #[test]
    fn bodies_do_not_show() {
        let body = b"Signal=5".to_vec();
        let info =
            Event::Info { call: CallHandle(1), content_type: "application/dtmf".into(), body: body.clone() };
        assert_eq!(
            format!("{:?}", Output::Event(info)),
            "Info(CallHandle(1), \"application/dtmf\", 8 octets)"
        );
        let command = Command::SendInfo { call: CallHandle(1), content_type: "x".into(), body };
        assert_eq!(format!("{:?}", Input::Command(command)), "SendInfo(CallHandle(1), \"x\", 8 octets)");
    }
}
