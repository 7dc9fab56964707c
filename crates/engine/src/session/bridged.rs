//! One half of a call put through: what the bridge wants of it.
use super::record::Draft;
use super::{Dialog, FlowSide, Session, Side, Terms};
use crate::core::{Core, Notice};
use crate::session::media::Media;
use crate::{Diagnosis, Direction, Identity, LegEvent, ShardCommand, StreamId};
use passline_flow::FlowId;
use passline_identity::CallId;
use passline_rtp::{Method, Press};
use passline_sip::{CallHandle, Command, Invite};
use std::time::Instant;

/// How long a relayed press lasts, in ms: the other side's end of it comes too late to wait for.
const PRESS_MS: u16 = 120;

/// A half of a bridge.
pub(crate) struct BridgedSide {
    /// An outgoing leg whose INVITE waits for sockets.
    pub(crate) invite: Option<Placing>,
}

/// A leg to be called.
pub(crate) struct Placing {
    /// All but handle and offer.
    pub(crate) invite: Box<Invite>,
    pub(crate) terms: Terms,
    pub(crate) trunk: Option<String>,
    pub(crate) account: Option<String>,
    /// For the record: who calls, and whom.
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) delayed_offer: bool,
}

impl Session {
    /// Begins a call of our own for a bridge; `None` if there is no port or no slot for it.
    pub(crate) fn place(
        now: Instant,
        core: &mut Core,
        placing: Placing,
        beside: Option<u16>,
    ) -> Option<Session> {
        let handle = core.sip.next_call_handle();
        let path = placing.invite.path;
        let media = Media::new(now, core, handle, path.remote.ip(), placing.terms.clone(), beside, None)?;
        let mut draft =
            Draft::new(now, Direction::Outgoing, placing.from.clone(), placing.to.clone(), path.remote, None);
        draft.trunk = placing.trunk.clone();
        draft.account = placing.account.clone();
        Some(Session {
            handle,
            call: core.draw_call(),
            sip_call_id: String::new(),
            dialog: Dialog::Fresh,
            media,
            draft,
            transport: path.transport,
            listed: false,
            credentials: placing.invite.credentials.is_some(),
            side: Side::Bridged(BridgedSide { invite: Some(placing) }),
            timer: Some(now + core.config.setup_timeout + core.config.ring_timeout),
        })
    }

    /// From now on this is half of a bridge; a flow that had it is over.
    pub(crate) fn join(&mut self, core: &mut Core) {
        self.media.hide(core);
        self.side = Side::Bridged(BridgedSide { invite: None });
    }

    /// The stream of this call.
    pub(crate) fn stream(&self) -> StreamId {
        self.media.stream
    }

    /// The trunk it goes over.
    pub(crate) fn trunk(&self) -> Option<&str> {
        self.draft.trunk.as_deref()
    }

    /// Max-Forwards of its INVITE.
    pub(crate) fn hops_left(&self) -> u8 {
        self.draft.max_forwards
    }

    /// Whether it is an unanswered call from this caller to this number over this trunk.
    pub(crate) fn is_like(&self, trunk: &str, from: &str, to: &str) -> bool {
        self.draft.trunk.as_deref() == Some(trunk)
            && !self.calls_out()
            && self.dialog == Dialog::Fresh
            && self.draft.is_between(from, to)
    }

    /// The device that placed or got it.
    pub(crate) fn account(&self) -> Option<&str> {
        self.draft.account.as_deref()
    }

    /// Who the peer is: its identity, or whom we called.
    pub(crate) fn party(&self) -> Identity {
        match self.calls_out() {
            true => Identity { number: self.draft.to.clone(), ..Identity::default() },
            false => self.draft.identity.clone(),
        }
    }

    /// Diversions of an incoming call.
    pub(crate) fn diversions(&self) -> &[String] {
        &self.draft.diversions
    }

    /// Whether both sides have agreed that the call stands.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.dialog == Dialog::Confirmed
    }

    /// 180 to a caller that waits.
    pub(crate) fn ring(&mut self, now: Instant, core: &mut Core) {
        if self.dialog == Dialog::Fresh && !self.calls_out() {
            core.sip(now, Command::Ring { call: self.handle, sdp: None });
        }
    }

    /// 200 to a caller that waits.
    pub(crate) fn take(&mut self, now: Instant, core: &mut Core) {
        if !self.calls_out() {
            self.accept(now, core);
        }
    }

    /// No to a caller that waits; the end of a call that stands.
    pub(crate) fn give_up(&mut self, now: Instant, core: &mut Core, status: u16, why: Diagnosis) {
        self.draft.outcome("refused");
        self.draft.diagnose(why);
        match self.dialog {
            Dialog::Fresh if !self.calls_out() => self.reject(now, core, status, None),
            _ => self.hang_up(now, core, None),
        }
    }

    /// Whether one side has left already.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.dialog, Dialog::Leaving | Dialog::Over)
    }

    /// Whether it is an incoming call that nobody has confirmed yet, from a caller that nobody knows.
    pub(crate) fn is_half_open(&self) -> bool {
        !self.calls_out()
            && matches!(self.dialog, Dialog::Fresh | Dialog::Pending)
            && self.draft.trunk.is_none()
            && self.draft.account.is_none()
    }

    /// Ended because we are.
    pub(crate) fn shut_down(&mut self, now: Instant, core: &mut Core) {
        self.draft.diagnose(Diagnosis::ShutDown);
        self.hang_up(now, core, Some("shutting down"));
    }

    /// What is heard here goes to that stream (or nowhere).
    pub(crate) fn relay_to(&mut self, core: &mut Core, to: Option<&Session>) {
        let mute_digits = to.is_some_and(|other| other.media.press_by() != Method::Inband);
        let to = to.map(|other| other.media.stream);
        self.media.shard(core, |stream| ShardCommand::Relay { stream, to, mute_digits });
    }

    /// A key that was pressed on the other half.
    pub(crate) fn pass_on(&mut self, now: Instant, core: &mut Core, press: Press) {
        let method = self.media.press_by();
        // Tones pass as they are where tones are wanted.
        if method == Method::Inband && press.method == Method::Inband {
            return;
        }
        self.press(now, core, press.digit, PRESS_MS, method);
    }

    /// The record names the call at the other end.
    pub(crate) fn bridged_with(&mut self, other: &CallId) {
        self.draft.bridged = Some(other.clone());
    }

    /// A call that stands is handed to a flow.
    pub(crate) fn enter_flow(&mut self, now: Instant, core: &mut Core, flow: FlowId, dialled: &str) {
        self.relay_to(core, None);
        let side = FlowSide::new(core, self.call.clone(), dialled, self.draft.identity.number.clone(), flow);
        self.side = Side::Flow(Box::new(side));
        self.start_flow(now, core);
    }

    pub(super) fn referred(&mut self, now: Instant, core: &mut Core, to: String, replaces: Option<String>) {
        match &self.side {
            Side::Bridged(_) if self.dialog == Dialog::Confirmed => {
                core.notice(self.handle, Notice::Referred { to, replaces });
            }
            // Whoever talks to a flow may not send us calling (toll fraud).
            _ => core.sip(now, Command::RejectRefer { call: self.handle, status: 603 }),
        }
    }

    pub(super) fn refer_progress(&mut self, core: &mut Core, status: u16, done: bool) {
        match &self.side {
            Side::Leg(side) => core.leg(side.leg, LegEvent::Transferred { status }),
            Side::Flow(_) | Side::Bridged(_) => core.notice(self.handle, Notice::Progress { status, done }),
        }
    }

    /// Tells once that one side has left.
    pub(super) fn tell_left(&mut self, core: &mut Core) {
        if self.draft.told_left() {
            return;
        }
        // A flow's caller may be waiting for somebody to answer.
        if !matches!(self.side, Side::Leg(_)) {
            core.notice(self.handle, Notice::Left);
        }
    }

    /// Why it failed, so far as is known.
    pub(crate) fn why(&self) -> Option<Diagnosis> {
        self.draft.diagnosis.clone()
    }

    /// Its caller was handed over; it is not needed any more.
    pub(crate) fn transferred(&mut self, now: Instant, core: &mut Core) {
        self.draft.outcome("transferred");
        self.hang_up(now, core, None);
    }

    /// The flow has handed its caller over: from now on this is a half of a bridge.
    pub(crate) fn leave_flow(&mut self, now: Instant, core: &mut Core) {
        self.transfer_result(now, core, true);
        self.draft.outcome("transferred");
        self.media.shard(core, |stream| ShardCommand::Stop { stream });
        self.join(core);
        self.timer = Some(now + core.config.max_call);
    }

    /// The flow is told whether its caller could be handed over.
    pub(crate) fn transfer_result(&mut self, now: Instant, core: &mut Core, done: bool) {
        self.drive(now, core, passline_flow::Input::Transferred(done));
    }

    /// Asks the peer to call somebody else.
    pub(crate) fn refer(&mut self, now: Instant, core: &mut Core, to: String) {
        core.sip(now, Command::Refer { call: self.handle, to, replaces: None });
    }

    /// Handle of the session.
    pub(crate) fn handle(&self) -> CallHandle {
        self.handle
    }
}
