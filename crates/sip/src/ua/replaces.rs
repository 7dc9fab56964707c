//! Replaces in an INVITE (RFC 3891 §3): which call of ours the new one takes the place of.

use super::UserAgent;
use super::call::Phase;
use super::request::status;
use crate::CallHandle;
use crate::dialog::DialogId;
use crate::message::text::text;
use crate::message::{Flaw, Message, Name};

impl UserAgent {
    /// The call of ours that the value of a Replaces header names: of a Refer-To that wants two calls of ours joined
    /// (attended transfer between two peers of ours), or of an INVITE. `None` if there is no such call.
    pub fn call_named(&self, replaces: &str) -> Option<CallHandle> {
        let (mut id, _) = read(replaces)?;
        self.dialogs.get(&id).copied().or_else(|| {
            // Peers without tags (RFC 2543) are named by a tag of zero.
            if id.remote_tag == "0" {
                id.remote_tag.clear();
            }
            self.dialogs.get(&id).copied()
        })
    }

    /// The call to be replaced, if the INVITE names one: 400 for a bad or doubled header, 481 if there is no such call,
    /// 486 if it is answered and only an early one was meant, 603 if it is ending.
    pub(super) fn replaced_call(&self, message: &Message<'_>) -> Result<Option<CallHandle>, Flaw> {
        let mut values = message.all(Name::Replaces);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Flaw::bad("Two Replaces"));
        }
        let value = text(value);
        let (_, early_only) = read(&value).ok_or(Flaw::bad("Bad Replaces"))?;
        let handle = self.call_named(&value).ok_or(status(481))?;
        match self.calls.get(&handle).map(|c| c.phase) {
            Some(Phase::Confirmed | Phase::Accepted) if early_only => Err(status(486)),
            Some(Phase::Confirmed | Phase::Accepted | Phase::Calling) => Ok(Some(handle)),
            Some(Phase::Closing(_) | Phase::Cancelling) => Err(status(603)),
            // An early dialog that the other side began cannot be replaced.
            Some(Phase::Incoming) | None => Err(status(481)),
        }
    }
}

/// `call-id;to-tag=…;from-tag=…[;early-only]`, seen from us: to-tag is ours.
fn read(value: &str) -> Option<(DialogId, bool)> {
    let mut parts = value.split(';').map(str::trim);
    let call_id = parts.next().filter(|c| !c.is_empty())?;
    let (mut to, mut from, mut early) = (None, None, false);
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim(), value.trim());
        let slot = match name.to_ascii_lowercase().as_str() {
            "to-tag" => &mut to,
            "from-tag" => &mut from,
            "early-only" => {
                early = true;
                continue;
            }
            _ => continue,
        };
        if value.is_empty() || slot.replace(value.to_owned()).is_some() {
            return None;
        }
    }
    Some((DialogId { call_id: call_id.to_owned(), local_tag: to?, remote_tag: from? }, early))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tags_stand_once() {
        let good =
            read("98732@sip.example.com ; from-tag=r33th4x0r;x=y; TO-TAG = ff87ff;early-only").unwrap();
        let id = DialogId {
            call_id: "98732@sip.example.com".into(),
            local_tag: "ff87ff".into(),
            remote_tag: "r33th4x0r".into(),
        };
        assert_eq!(good, (id, true));
        for bad in [
            "",
            "c",
            "c;to-tag=1",
            "c;from-tag=1",
            "c;to-tag=1;from-tag=",
            "c;to-tag=1;to-tag=1;from-tag=2",
            ";to-tag=1;from-tag=2",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
