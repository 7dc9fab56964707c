//! A call that we place and somebody outside steers.
use super::record::Draft;
use super::terms::Wanted;
use super::{Dialog, LegSide, Session, Side, Terms};
use crate::core::{Core, Notice};
use crate::session::media::Media;
use crate::{Diagnosis, Dial, Direction, LegCommand, LegEvent, ShardCommand, info};
use passline_rtp::{Digit, Method, Press};
use passline_sip::{CallHandle, Command, EndCause, Invite, REDIRECTIONS};
use std::time::Instant;

impl Session {
    /// Begins an outgoing call; `None` (and `Refused`, `Ended`) if there is no port or no slot for it.
    pub(crate) fn dial(now: Instant, core: &mut Core, handle: CallHandle, dial: Dial) -> Option<Session> {
        let leg = dial.leg;
        let signalling = dial.path.remote.ip();
        let encryption = Wanted { accept: dial.srtp, offer: dial.srtp, may_weaken: false };
        let usual = Terms::of(&core.config, None);
        let terms = Terms { events: dial.events, inband: dial.inband, encryption, ..usual };
        let Some(media) = Media::new(now, core, handle, signalling, terms, None, None) else {
            let reason = "all RTP ports or stream slots are in use".to_owned();
            core.leg(leg, LegEvent::Refused { status: 0, reason });
            core.leg(leg, LegEvent::Ended(EndCause::Refused));
            return None;
        };
        core.leg(leg, LegEvent::Trying(media.stream));
        let call = core.draw_call();
        Some(Session {
            handle,
            call,
            sip_call_id: String::new(),
            dialog: Dialog::Fresh,
            media,
            draft: Draft::new(
                now,
                Direction::Outgoing,
                dial.from.clone(),
                dial.uri.clone(),
                dial.path.remote,
                None,
            ),
            transport: dial.path.transport,
            listed: false,
            credentials: dial.credentials.is_some(),
            side: Side::Leg(LegSide {
                leg,
                uri: dial.uri,
                from: dial.from,
                path: dial.path,
                tap: dial.tap,
                credentials: dial.credentials,
            }),
            timer: Some(now + core.config.setup_timeout),
        })
    }

    /// Which leg this is.
    pub(crate) fn leg_id(&self) -> Option<crate::LegId> {
        match &self.side {
            Side::Leg(side) => Some(side.leg),
            Side::Flow(_) | Side::Bridged(_) => None,
        }
    }

    /// The sockets stand: INVITE.
    pub(super) fn invite(&mut self, now: Instant, core: &mut Core) {
        if self.dialog != Dialog::Fresh {
            return;
        }
        let invite = match &mut self.side {
            Side::Leg(side) => {
                let (to, from, path) = (side.uri.clone(), side.from.clone(), side.path);
                let sdp = self.media.offer(core);
                let mut invite = Invite::new(self.handle, to, from, path, sdp);
                invite.credentials = side.credentials.clone();
                invite.follow = REDIRECTIONS;
                invite.second = self.media.plain_offer();
                Box::new(invite)
            }
            Side::Bridged(side) => {
                let Some(placing) = side.invite.take() else { return };
                let mut invite = placing.invite;
                invite.call = self.handle;
                if !placing.delayed_offer {
                    invite.sdp = self.media.offer(core);
                    invite.second = self.media.plain_offer();
                }
                invite
            }
            Side::Flow(_) => return,
        };
        self.dialog = Dialog::Pending;
        core.sip(now, Command::Invite(invite));
        self.sip_call_id = core.sip.call_id(self.handle).unwrap_or_default().to_owned();
    }

    pub(super) fn ringing(&mut self, core: &mut Core, sdp: Option<Vec<u8>>) {
        self.media.keep_early(sdp);
        match &self.side {
            Side::Leg(side) => core.leg(side.leg, LegEvent::Ringing),
            Side::Bridged(_) => core.notice(self.handle, Notice::Ringing),
            Side::Flow(_) => {}
        }
    }

    /// Our INVITE was answered; ACK has gone.
    pub(super) fn answered(&mut self, now: Instant, core: &mut Core, sdp: Option<Vec<u8>>) {
        if self.dialog != Dialog::Pending || matches!(self.side, Side::Flow(_)) {
            return;
        }
        let tap = matches!(&self.side, Side::Leg(side) if side.tap);
        self.dialog = Dialog::Confirmed;
        self.draft.answered(now);
        self.timer = Some(now + core.config.max_call);
        let early = self.media.take_early();
        let agreed = match self.media.awaits_answer() {
            true => self.accept_answer(core, sdp.or(early)),
            false => self.answer_offer(now, core, sdp),
        };
        if let Err(why) = agreed {
            self.draft.outcome("no_media");
            self.draft.diagnose(why);
            return self.hang_up(now, core, Some("no usable answer"));
        }
        self.media.open(core, true, tap);
        let codec = self.media.codec().label();
        self.draft.codec = Some(codec);
        self.draft.encryption = self.media.encryption();
        let events = self.media.events();
        match &self.side {
            Side::Leg(side) => core.leg(side.leg, LegEvent::Answered { codec, events }),
            _ => core.notice(self.handle, Notice::Answered),
        }
    }

    /// Our INVITE brought no offer: the 200 does, and the ACK answers it.
    fn answer_offer(
        &mut self,
        now: Instant,
        core: &mut Core,
        offer: Option<Vec<u8>>,
    ) -> Result<(), Diagnosis> {
        let offer = offer.ok_or_else(|| Diagnosis::NoAnswer { detail: "it had none".to_owned() })?;
        let sdp = self.media.answer(core, &offer).map_err(|refusal| Diagnosis::of_answer(&refusal))?;
        core.sip(now, Command::Acknowledge { call: self.handle, sdp });
        Ok(())
    }

    pub(super) fn refused(&mut self, core: &mut Core, status: u16, reason: String) {
        self.draft.outcome("refused");
        match &self.side {
            Side::Leg(side) => core.leg(side.leg, LegEvent::Refused { status, reason }),
            Side::Bridged(_) => core.notice(self.handle, Notice::Refused { status }),
            Side::Flow(_) => {}
        }
    }

    /// What the leg's owner wants.
    pub(crate) fn steer(&mut self, now: Instant, core: &mut Core, command: LegCommand) {
        match command {
            LegCommand::HangUp => self.hang_up(now, core, None),
            LegCommand::Transfer { to } => {
                if self.dialog == Dialog::Confirmed {
                    core.sip(now, Command::Refer { call: self.handle, to, replaces: None });
                }
            }
            LegCommand::Play(script) => {
                if self.media.is_live() {
                    self.media.shard(core, |stream| ShardCommand::Play { stream, number: 0, script });
                }
            }
            LegCommand::Press { digit, duration_ms, method } => {
                self.press(now, core, digit, duration_ms, method);
            }
        }
    }

    /// Presses a key.
    pub(super) fn press(
        &mut self,
        now: Instant,
        core: &mut Core,
        digit: Digit,
        duration_ms: u16,
        method: Method,
    ) {
        if method != Method::Info {
            if self.media.is_live() {
                self.media.shard(core, |stream| ShardCommand::Press { stream, digit, duration_ms, method });
            }
        } else if self.dialog == Dialog::Confirmed {
            let (content_type, body) = (info::DTMF_RELAY.to_owned(), info::body(digit, duration_ms));
            core.sip(now, Command::SendInfo { call: self.handle, content_type, body });
        }
    }

    pub(super) fn leg_digit(&mut self, core: &mut Core, press: Press) {
        if let Side::Leg(side) = &self.side {
            core.leg(side.leg, LegEvent::Digit(press));
        }
    }

    pub(super) fn leg_played(&mut self, core: &mut Core) {
        if let Side::Leg(side) = &self.side {
            core.leg(side.leg, LegEvent::Played);
        }
    }
}
