//! What the server asks of the running net.
use crate::clock::Anchor;
use crate::control::ControlTask;
use crate::dial::Asker;
use crate::guard::Banned;
use crate::media::ToShard;
use crate::tls::Setup;
use crate::{Ban, Captured, Command, Counters, Load, NetEvent, Queues, capture};
use passline_engine::sip::Flow;
use passline_engine::sip::message::{Frame, Framer};
use passline_engine::{ControlInput, ProbeRequest};
use std::time::Instant;

/// Largest message and most headers that a capture follows in a stream.
const CAPTURED: (usize, usize) = (65_535, 256);

impl ControlTask {
    pub(crate) fn command(&mut self, command: Command) {
        match command {
            Command::Answer { call, number, answer } => {
                self.handle(ControlInput::Answer { call, number, answer })
            }
            Command::Dial(dial) => {
                let (uri, transport) = (dial.uri.clone(), dial.transport);
                self.resolve(&uri, transport, Asker::Dial(Box::new(dial)));
            }
            Command::Leg { leg, command } => self.handle(ControlInput::Leg { leg, command }),
            Command::Drain => self.handle(ControlInput::Drain),
            Command::HangUpAll => self.handle(ControlInput::HangUpAll),
            Command::Reload { program, library } => {
                self.handle(ControlInput::Reload { program, library });
            }
            // Whoever asked may be gone; then nobody wants the answer.
            Command::Snapshot(snapshot) => {
                let _ = snapshot.send(self.control.snapshot());
            }
            Command::Figures(figures) => {
                if let Some(shard) = figures.shard() {
                    self.tell_shard(shard, ToShard::Figures(figures));
                }
            }
            Command::Probe { request, done } => {
                let id = self.probes.last_key_value().map_or(0, |(id, _)| id + 1);
                self.probes.insert(id, done);
                self.handle(ControlInput::Probe(ProbeRequest { id, ..*request }));
            }
            Command::Configure(config) => self.handle(ControlInput::Configure(config)),
            Command::Bans(list) => {
                let anchor = Anchor::now();
                let bans = self.gate.guard().list(anchor.instant);
                let _ = list.send(bans.into_iter().map(|ban| entry(ban, &anchor)).collect());
            }
            Command::Ban { source, lasts } => self.gate.guard().ban_by_hand(Instant::now(), source, lasts),
            Command::Unban { source, done } => {
                let _ = done.send(self.gate.guard().unban(Instant::now(), source));
            }
            Command::Guard(config) => self.gate.guard().configure(*config),
            Command::Tls { config, done } => {
                let setup = Setup::load(&config, &self.tls);
                let _ = done.send(setup.map(|setup| self.trust.replace(setup)));
            }
            Command::Capture(on) => {
                self.capturing = on;
                self.framers.clear();
            }
            Command::CaptureMedia(tap) => {
                for shard in 0..self.shards.len() {
                    self.tell_shard(shard, ToShard::Tap(tap.clone()));
                }
            }
            Command::Counters(counters) => {
                let _ = counters.send(self.counters());
            }
            Command::Load(load) => {
                let _ = load.send(Box::new(self.load()));
            }
            Command::Stop => {}
        }
    }

    fn counters(&self) -> Counters {
        let counted = self.gate.guard().counters(Instant::now());
        Counters { connections: self.connections.count(), ..counted }
    }

    fn load(&self) -> Load {
        Load {
            census: self.control.census(),
            counters: self.counters(),
            queues: Queues {
                commands: self.commands.len(),
                sip: self.sip.len(),
                strangers: self.strangers.len(),
                media: self.media.len(),
                events: self.outbox.len(),
            },
        }
    }

    /// Tells of the bans that the guard has made.
    pub(crate) fn tell_bans(&mut self) {
        let anchor = Anchor::now();
        loop {
            let Some(ban) = self.gate.guard().poll() else { return };
            let ban = Box::new(entry(ban, &anchor));
            self.outbox.push_if_room(NetEvent::Banned { ban });
        }
    }

    /// A message for the capture, if that is on. Octets of a stream are put together to messages first: a secret
    /// that is cut in two is not recognised.
    pub(crate) fn capture(&mut self, received: bool, path: &Flow, bytes: &[u8]) {
        if !self.capturing {
            return;
        }
        let Some(connection) = path.connection.filter(|_| received) else {
            return self.captured(received, path, bytes.to_vec());
        };
        let framer = self.framers.entry(connection).or_insert_with(|| Framer::new(CAPTURED.0, CAPTURED.1));
        framer.push(bytes);
        let mut messages = Vec::new();
        while let Some(frame) = framer.next_frame() {
            match frame {
                Frame::Message(message) => messages.push(message),
                Frame::Ping => {}
                Frame::Lost { .. } => {
                    // In the middle of a message, or no SIP: from the next piece on.
                    self.framers.remove(&connection);
                    break;
                }
            }
        }
        for message in messages {
            self.captured(true, path, message);
        }
    }

    fn captured(&mut self, received: bool, path: &Flow, mut bytes: Vec<u8>) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        capture::mask(&mut bytes);
        let anchor = Anchor::now();
        let at = anchor.system_time(anchor.instant);
        let captured = Captured { at, received, path: *path, bytes };
        self.outbox.push_if_idle(NetEvent::Captured(Box::new(captured)));
    }
}

fn entry(ban: Banned, anchor: &Anchor) -> Ban {
    Ban {
        source: ban.source,
        reason: ban.reason,
        since: anchor.system_time(ban.since),
        until: ban.until.map(|until| anchor.system_time(until)),
        dropped: ban.dropped,
    }
}
