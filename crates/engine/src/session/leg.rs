//! A call that we place and somebody outside steers.
use super::record::Draft;
use super::{Dialog, LegSide, Session, Side};
use crate::core::Core;
use crate::session::media::Media;
use crate::{Dial, Direction, LegCommand, LegEvent, ShardCommand, info};
use passline_rtp::{Method, Press};
use passline_sip::{CallHandle, Command, EndCause, Invite};
use std::time::Instant;

impl Session {
    /// Begins an outgoing call; `None` (and `Refused`, `Ended`) if there is no port or no slot for it.
    pub(crate) fn dial(now: Instant, core: &mut Core, handle: CallHandle, dial: Dial) -> Option<Session> {
        let leg = dial.leg;
        let signalling = dial.path.remote.ip();
        let Some(media) = Media::new(now, core, handle, signalling, dial.events, dial.inband) else {
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
            side: Side::Leg(LegSide { leg, uri: dial.uri, from: dial.from, path: dial.path, tap: dial.tap }),
            timer: Some(now + core.config.setup_timeout),
        })
    }

    /// Which leg this is.
    pub(crate) fn leg_id(&self) -> Option<crate::LegId> {
        match &self.side {
            Side::Leg(side) => Some(side.leg),
            Side::Flow(_) => None,
        }
    }

    /// The sockets stand: INVITE.
    pub(super) fn invite(&mut self, now: Instant, core: &mut Core) {
        let Side::Leg(side) = &self.side else { return };
        if self.dialog != Dialog::Fresh {
            return;
        }
        self.dialog = Dialog::Pending;
        let (to, from, path) = (side.uri.clone(), side.from.clone(), side.path);
        let sdp = self.media.offer();
        core.sip(now, Command::Invite(Box::new(Invite::new(self.handle, to, from, path, sdp))));
    }

    pub(super) fn ringing(&mut self, core: &mut Core) {
        if let Side::Leg(side) = &self.side {
            core.leg(side.leg, LegEvent::Ringing);
        }
    }

    /// Our INVITE was answered; ACK has gone.
    pub(super) fn answered(&mut self, now: Instant, core: &mut Core, sdp: Option<Vec<u8>>) {
        let Side::Leg(side) = &self.side else { return };
        if self.dialog != Dialog::Pending {
            return;
        }
        let (leg, tap) = (side.leg, side.tap);
        self.dialog = Dialog::Confirmed;
        self.draft.answered(now);
        self.timer = Some(now + core.config.max_call);
        let accepted = sdp.is_some_and(|sdp| self.media.accept(&sdp).is_ok());
        if !accepted {
            self.draft.outcome("no_media");
            return self.hang_up(now, core, Some("no usable answer"));
        }
        self.media.open(core, true, tap);
        let codec = self.media.codec().info().name;
        self.draft.codec = Some(codec);
        let events = self.media.events();
        core.leg(leg, LegEvent::Answered { codec, events });
    }

    pub(super) fn refused(&mut self, core: &mut Core, status: u16, reason: String) {
        self.draft.outcome("refused");
        if let Side::Leg(side) = &self.side {
            core.leg(side.leg, LegEvent::Refused { status, reason });
        }
    }

    /// What the leg's owner wants.
    pub(crate) fn steer(&mut self, now: Instant, core: &mut Core, command: LegCommand) {
        match command {
            LegCommand::HangUp => self.hang_up(now, core, None),
            LegCommand::Transfer { .. } => {}
            LegCommand::Play(script) => {
                if self.media.is_live() {
                    self.media.shard(core, |stream| ShardCommand::Play { stream, number: 0, script });
                }
            }
            LegCommand::Press { digit, duration_ms, method: Method::Info } => {
                if self.dialog == Dialog::Confirmed {
                    core.sip(
                        now,
                        Command::SendInfo {
                            call: self.handle,
                            content_type: info::DTMF_RELAY.to_owned(),
                            body: info::body(digit, duration_ms),
                        },
                    );
                }
            }
            LegCommand::Press { digit, duration_ms, method } => {
                if self.media.is_live() {
                    self.media.shard(core, |stream| ShardCommand::Press {
                        stream,
                        digit,
                        duration_ms,
                        method,
                    });
                }
            }
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
