//! The calling side of reliable provisional responses (RFC 3262 §4): order, copies, and our PRACK.

use super::call::{Early, Exchange, Owed, Phase};
use super::request::Extra;
use super::{Purpose, UserAgent, has_option};
use crate::message::{Message, Name, parse_decimal};
use crate::{CallHandle, Event};
use std::time::Instant;

/// Most callees of one forked INVITE whose early dialogs are told apart.
pub(super) const MAX_EARLY: usize = 8;

/// RSeq of a reliable response; `None` for plain ones.
pub(super) fn rseq(message: &Message<'_>) -> Option<u32> {
    if !has_option(message, Name::Require, "100rel") {
        return None;
    }
    parse_decimal(message.text(Name::RSeq)?.trim().as_bytes()).filter(|n| *n > 0)
}

impl UserAgent {
    /// A provisional response of a callee with a tag, whose dialog is the call's now. Copies and responses out of order
    /// are dropped.
    #[allow(clippy::too_many_arguments)] // the parts of one response
    pub(super) fn early_progress(
        &mut self,
        now: Instant,
        handle: CallHandle,
        message: &Message<'_>,
        tag: &str,
        cseq: u32,
        code: u16,
        sdp: Option<Vec<u8>>,
    ) {
        let reliable = rseq(message);
        let Some(call) = self.calls.get_mut(&handle) else { return };
        call.peer_updates |= super::request::allows_update(message);
        let at = match call.early.iter().position(|e| e.tag == tag) {
            Some(at) => at,
            None if call.early.len() >= MAX_EARLY => return,
            None => {
                call.early.push(Early { tag: tag.to_owned(), rseq: None, sdp: None, answered: false });
                call.early.len() - 1
            }
        };
        let early = &mut call.early[at];
        let calling = call.phase == Phase::Calling;
        let offerless = call.local_sdp.is_empty();
        // After its answer a callee's further descriptions count for nothing (RFC 3261 §13.2.1).
        let mut sdp = sdp.filter(|_| !early.answered);
        if let Some(rseq) = reliable {
            if early.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
                return;
            }
            early.rseq = Some(rseq);
            let rack = format!("{rseq} {cseq} INVITE");
            if offerless && sdp.is_some() {
                if !calling || call.owed.is_some() {
                    return;
                }
                call.remote_sdp = sdp.as_deref().map(super::offer::digest);
                call.exchange = Exchange::Theirs;
                call.owed = Some(Owed::Prack { rack });
                early.answered = true;
            } else {
                if let Some(answer) = &sdp {
                    early.answered = true;
                    early.sdp = Some(answer.clone());
                    call.described = true;
                    call.exchange = Exchange::Idle;
                    call.remote_sdp = Some(super::offer::digest(answer));
                }
                self.send_prack(now, handle, &rack, &[]);
            }
        } else if offerless {
            // An offer must come reliably.
            sdp = None;
        } else if sdp.is_some() {
            early.sdp = sdp.clone();
        }
        if calling && code != 199 {
            self.event(Event::Ringing { call: handle, status: code, sdp });
            self.offer_next(now, handle);
        }
    }

    /// PRACK in the call's dialog.
    pub(super) fn send_prack(&mut self, now: Instant, handle: CallHandle, rack: &str, sdp: &[u8]) {
        let extras = vec![Extra::must("RAck", rack)];
        self.send_inside(now, handle, "PRACK", extras, "application/sdp", sdp, Purpose::Prack(handle));
    }
}
