//! Provisional responses of ours: 180 and 183, plain or such that wait for a PRACK (RFC 3262 §3).

use super::call::{Exchange, Phase, Repeat};
use super::request::{Request, accept_extras, status};
use super::{ALLOW, UserAgent, has_option};
use crate::message::multipart::{Body, session_description};
use crate::message::{Flaw, Message, Name, parse_decimal};
use crate::{CallHandle, EndCause, Event, Rel100};
use rand_core::Rng;
use std::time::{Duration, Instant};

/// Proxies give up an INVITE of which they hear nothing for three minutes (timer C): a plain 1xx is repeated each minute
/// (RFC 3261 §13.3.1.1), a reliable one followed by another after two and a half (RFC 3262 §3).
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_RELIABLY: Duration = Duration::from_secs(150);

/// What the caller says of 100rel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Peer {
    #[default]
    Silent,
    Supports,
    Requires,
}

impl Peer {
    pub fn read(message: &Message<'_>) -> Self {
        if has_option(message, Name::Require, "100rel") {
            Peer::Requires
        } else if has_option(message, Name::Supported, "100rel") {
            Peer::Supports
        } else {
            Peer::Silent
        }
    }
}

/// A reliable response whose PRACK has not come.
#[derive(Debug)]
pub(super) struct Outstanding {
    rseq: u32,
    cseq: u32,
    /// It carries a description: the 2xx must wait.
    pub described: bool,
    /// The description is our offer.
    offer: bool,
    repeat: Option<Repeat>,
}

/// The called side's provisional responses.
#[derive(Debug, Default)]
pub(super) struct Reliable {
    pub peer: Peer,
    /// The last RSeq, 0 before the first.
    rseq: u32,
    pub outstanding: Option<Outstanding>,
    /// A Ring that waits for the PRACK of the one before, with its description.
    ring: Option<Option<Vec<u8>>>,
    /// An Accept that waits for a PRACK or for the answer to an early UPDATE.
    pub accept: Option<Vec<u8>>,
    again: Option<Instant>,
}

impl Reliable {
    pub fn deadline(&self) -> Option<Instant> {
        match self.outstanding.as_ref().and_then(|o| o.repeat.as_ref()) {
            Some(repeat) => Some(repeat.next.min(repeat.end)),
            None => self.again,
        }
    }

    /// A final response goes: no repetitions any more, but a PRACK on its way still finds its response (RFC 3262 §3).
    pub fn stop(&mut self) {
        self.ring = None;
        self.accept = None;
        self.again = None;
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.repeat = None;
        }
    }

    fn is_used(&self, rel100: Rel100) -> bool {
        match self.peer {
            Peer::Requires => true,
            Peer::Supports => rel100 == Rel100::Prefer,
            Peer::Silent => false,
        }
    }
}

impl UserAgent {
    pub(super) fn ring(&mut self, now: Instant, handle: CallHandle, sdp: Option<Vec<u8>>) {
        let random = (self.rng.next_u32() >> 1).max(1);
        let Some(call) =
            self.calls.get_mut(&handle).filter(|c| c.phase == Phase::Incoming && c.reliable.accept.is_none())
        else {
            return;
        };
        let Some(id) = call.pending else { return };
        let reliably = call.reliable.is_used(call.policy.rel100);
        if reliably && call.reliable.outstanding.is_some() {
            // One at a time; a description that waits is not lost to a later ring without one.
            if sdp.is_some() || call.reliable.ring.is_none() {
                call.reliable.ring = Some(sdp);
            }
            return;
        }
        let code = if sdp.is_some() { 183 } else { 180 };
        let offer = call.exchange == Exchange::Idle;
        // An offer must travel reliably; after the first exchange descriptions travel in UPDATE.
        let sdp =
            sdp.filter(|s| !s.is_empty() && !call.described && (reliably || !offer)).unwrap_or_default();
        if reliably {
            call.reliable.rseq = if call.reliable.rseq == 0 { random } else { call.reliable.rseq + 1 };
            if !sdp.is_empty() {
                call.exchange = if offer { Exchange::Ours } else { Exchange::Idle };
                call.described = !offer;
                call.local_sdp = sdp.clone();
            }
        }
        let (rseq, tag) = (call.reliable.rseq, call.local_tag.clone());
        let Some(dialog) = call.dialog.as_ref() else { return };
        let (path, target) = (dialog.path, dialog.target.clone());
        let Some(mut writer) = self.answer(id, code, None, &tag) else { return };
        writer.header("Contact", self.contact_for(&path, &target)).header("Allow", ALLOW);
        if reliably {
            writer.header("Require", "100rel").header("RSeq", rseq.to_string());
        }
        let bytes = writer.finish_with("application/sdp", &sdp);
        self.respond(now, id, code, bytes.clone());
        let Some(server) = self.servers.get(&id) else { return };
        let (path, fallback, cseq) = (server.reply.path, server.reply.fallback, server.cseq);
        let Some(call) = self.calls.get_mut(&handle) else { return };
        call.reliable.again = Some(now + if reliably { AGAIN_RELIABLY } else { AGAIN });
        if reliably {
            let described = !sdp.is_empty();
            let repeat = Some(Repeat::new(now, bytes, path, fallback));
            let offer = described && offer;
            call.reliable.outstanding = Some(Outstanding { rseq, cseq, described, offer, repeat });
        }
        self.reschedule_call(handle);
    }

    /// PRACK (RFC 3262 §3, §5): ends the repetitions, may bring an answer or a new offer.
    pub(super) fn prack(&mut self, now: Instant, request: &Request<'_>, handle: CallHandle) {
        let Some(rack) = request.message.text(Name::RAck).as_deref().and_then(read_rack) else {
            return self.decline(now, request, handle, Flaw::bad("Bad RAck"), &[]);
        };
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(acknowledged) = call.reliable.outstanding.take_if(|o| (o.rseq, o.cseq) == rack) else {
            return self.decline(now, request, handle, status(481), &[]);
        };
        if acknowledged.offer {
            // Without an answer the 2xx will offer again.
            call.exchange = Exchange::Idle;
        }
        match session_description(request.message) {
            Err(flaw) => self.decline(now, request, handle, flaw, &accept_extras(flaw)),
            Ok(Body::None) => drop(self.agree(now, request, handle, &[])),
            Ok(Body::Sdp(answer)) if acknowledged.offer => {
                call.described = true;
                call.remote_sdp = Some(super::offer::digest(answer));
                let answer = answer.to_vec();
                if self.agree(now, request, handle, &[]) {
                    self.event(Event::EarlyAnswer { call: handle, sdp: answer });
                }
            }
            Ok(Body::Sdp(offer)) if call.described && call.exchange == Exchange::Idle => {
                let offer = offer.to_vec();
                if let Some(id) = self.open_server(request, Some(handle)) {
                    self.offered(handle, id, Some(offer));
                }
            }
            // An offer while ours or theirs is open breaks RFC 3262 §5.
            Ok(Body::Sdp(_)) => self.decline(now, request, handle, status(491), &[]),
        }
        self.released(now, handle);
    }

    /// What waited for a PRACK, or for the answer to an early UPDATE, may go.
    pub(super) fn released(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if let Some(sdp) = call.reliable.accept.take() {
            self.accept(now, handle, sdp);
        } else if call.reliable.outstanding.is_none()
            && let Some(sdp) = call.reliable.ring.take()
        {
            self.ring(now, handle, sdp);
        }
        self.offer_next(now, handle);
        self.reschedule_call(handle);
    }

    pub(super) fn reliable_timer(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if let Some(repeat) = call.reliable.outstanding.as_mut().and_then(|o| o.repeat.as_mut()) {
            if repeat.end <= now {
                // RFC 3262 §3: the INVITE should be refused with a 5xx.
                if self.reject_invite(now, handle, 504, Some("No PRACK"), None, None) {
                    self.end(handle, EndCause::NoPrack);
                }
                return;
            }
            if repeat.next <= now {
                // Doubles without a cap at T2 (RFC 3262 §3).
                repeat.interval *= 2;
                repeat.next = now + repeat.interval;
                let (path, fallback, bytes) = (repeat.path, repeat.fallback, repeat.bytes.clone());
                self.send_back(path, fallback, bytes);
            }
            return self.reschedule_call(handle);
        }
        if call.reliable.again.is_some_and(|at| at <= now) {
            call.reliable.again = None;
            if call.phase != Phase::Incoming {
                return;
            }
            if call.reliable.is_used(call.policy.rel100) {
                self.ring(now, handle, None);
            } else if let Some(id) = call.pending {
                call.reliable.again = Some(now + AGAIN);
                self.resend(id);
            }
        }
    }
}

/// RAck: RSeq and CSeq number of the response; only INVITE has such.
fn read_rack(value: &str) -> Option<(u32, u32)> {
    let mut words = value.split_ascii_whitespace();
    let mut number = || words.next().and_then(|w| parse_decimal(w.as_bytes()));
    let (rseq, cseq) = (number()?, number()?);
    (words.next() == Some("INVITE") && words.next().is_none()).then_some((rseq, cseq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rack_is_three_words() {
        for (text, want) in [
            ("776656 1 INVITE", Some((776_656, 1))),
            ("1\t2  INVITE", Some((1, 2))),
            ("1 2 UPDATE", None),
            ("1 2", None),
            ("1 INVITE", None),
            ("-1 2 INVITE", None),
            ("4294967296 2 INVITE", None),
            ("1 2 INVITE x", None),
        ] {
            assert_eq!(read_rack(text), want, "{text}");
        }
    }
}
