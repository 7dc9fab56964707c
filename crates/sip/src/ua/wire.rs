//! Octets to and from paths: streams, connections in the making, traces.

use super::{Owner, UserAgent};
use crate::dialog::Dialog;
use crate::message::check::summary;
use crate::message::{Frame, Framer, Message, Scheme, Uri};
use crate::{Direction, Flow, Output, Trace, Transport};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long part of a message may wait for its rest.
const PARTIAL: Duration = Duration::from_secs(20);
/// Messages kept for one connection in the making.
const MAX_WAITING: usize = 16;

/// What is known of connections.
#[derive(Default)]
pub(super) struct Wire {
    live: BTreeMap<u64, Connection>,
    by_remote: BTreeMap<(Transport, SocketAddr), u64>,
    waiting: BTreeMap<(Transport, SocketAddr), Vec<Vec<u8>>>,
    /// Connections that the shell was told to close and has not closed yet; octets still read from them are void.
    closing: BTreeSet<u64>,
    /// Peers that took no TCP connection, until when that is believed.
    pub(super) without_tcp: BTreeMap<SocketAddr, Instant>,
}

struct Connection {
    path: Flow,
    framer: Framer,
    partial: Option<Instant>,
}

impl UserAgent {
    /// Sends a message, by the path's connection, another to the same peer, or a new one.
    pub(super) fn send(&mut self, path: Flow, bytes: Vec<u8>) {
        if self.config.trace {
            self.trace(Direction::Out, path.remote, &bytes);
        }
        if !path.transport.is_reliable() {
            self.outputs.push_back(Output::Send { path, bytes });
            return;
        }
        let peer = (path.transport, path.remote);
        let alive = path
            .connection
            .filter(|c| self.wire.live.contains_key(c))
            .or_else(|| self.wire.by_remote.get(&peer).copied());
        if let Some(connection) = alive.and_then(|c| self.wire.live.get(&c)) {
            self.outputs.push_back(Output::Send { path: connection.path, bytes });
            return;
        }
        if self.wire.waiting.len() >= self.config.max_connections {
            return;
        }
        let begun = self.wire.waiting.contains_key(&peer);
        let queue = self.wire.waiting.entry(peer).or_default();
        if queue.len() < MAX_WAITING {
            queue.push(bytes);
        }
        if !begun {
            self.outputs.push_back(Output::Connect { path: Flow { connection: None, ..path } });
        }
    }

    /// Sends a response: by the request's connection, or if that is gone by a new one to `fallback`.
    pub(super) fn send_back(&mut self, path: Flow, fallback: SocketAddr, bytes: Vec<u8>) {
        let remote = if self.is_alive(&path) { path.remote } else { fallback };
        self.send(Flow { remote, ..path }, bytes);
    }

    /// Whether the path can be used as it is: datagrams always, streams while their connection stands.
    pub(super) fn is_alive(&self, path: &Flow) -> bool {
        !path.transport.is_reliable() || path.connection.is_some_and(|c| self.wire.live.contains_key(&c))
    }

    fn trace(&mut self, direction: Direction, remote: SocketAddr, bytes: &[u8]) {
        if let Ok(message) = Message::parse(bytes, self.config.max_headers) {
            let (first_line, cseq, call_id) = summary(&message);
            self.outputs.push_back(Output::Trace(Trace { direction, first_line, cseq, call_id, remote }));
        }
    }

    /// One datagram or one frame of a stream.
    pub(super) fn receive(&mut self, now: Instant, path: Flow, bytes: &[u8]) {
        if bytes.len() > self.config.max_message {
            return;
        }
        if self.config.trace {
            self.trace(Direction::In, path.remote, bytes);
        }
        self.message(now, path, bytes);
    }

    pub(super) fn connected(&mut self, path: Flow) {
        let Some(connection) = path.connection else { return };
        if self.wire.live.contains_key(&connection) || self.wire.closing.contains(&connection) {
            return;
        }
        if self.wire.live.len() >= self.config.max_connections {
            return self.close(connection);
        }
        let framer = Framer::new(self.config.max_message, self.config.max_headers);
        self.wire.live.insert(connection, Connection { path, framer, partial: None });
        let peer = (path.transport, path.remote);
        self.wire.by_remote.insert(peer, connection);
        for bytes in self.wire.waiting.remove(&peer).unwrap_or_default() {
            self.outputs.push_back(Output::Send { path, bytes });
        }
    }

    pub(super) fn receive_stream(&mut self, now: Instant, path: Flow, bytes: &[u8]) {
        let Some(id) = path.connection else { return };
        if !self.wire.live.contains_key(&id) {
            self.connected(path);
        }
        let Some(connection) = self.wire.live.get_mut(&id) else { return };
        connection.framer.push(bytes);
        while let Some(frame) = self.wire.live.get_mut(&id).and_then(|c| c.framer.next_frame()) {
            match frame {
                Frame::Message(message) => {
                    self.receive(now, path, &message);
                    // The rest is younger than this message: its time begins anew.
                    if let Some(connection) = self.wire.live.get_mut(&id) {
                        connection.partial = None;
                    }
                }
                Frame::Ping => self.outputs.push_back(Output::Send { path, bytes: b"\r\n".to_vec() }),
                Frame::Lost { head, flaw } => {
                    if let Ok(message) = Message::parse(&head, self.config.max_headers) {
                        self.refuse_flawed(path, &message, head.len(), flaw);
                    }
                    self.close(id);
                    self.forget_connection(now, id);
                    return;
                }
            }
        }
        if let Some(connection) = self.wire.live.get_mut(&id) {
            let partial = connection.framer.is_partial();
            connection.partial = if partial { connection.partial.or(Some(now + PARTIAL)) } else { None };
            let at = connection.partial;
            self.schedule.set(Owner::Connection(id), at);
        }
    }

    pub(super) fn connection_timer(&mut self, now: Instant, id: u64) {
        if self.wire.live.get(&id).is_some_and(|c| c.partial.is_some_and(|at| at <= now)) {
            self.close(id);
            self.forget_connection(now, id);
        }
    }

    fn close(&mut self, id: u64) {
        self.wire.closing.insert(id);
        if self.wire.closing.len() > self.config.max_connections {
            self.wire.closing.pop_first();
        }
        self.outputs.push_back(Output::CloseConnection(id));
    }

    pub(super) fn closed(&mut self, now: Instant, id: u64) {
        self.wire.closing.remove(&id);
        self.forget_connection(now, id);
    }

    fn forget_connection(&mut self, now: Instant, id: u64) {
        self.schedule.set(Owner::Connection(id), None);
        let Some(connection) = self.wire.live.remove(&id) else { return };
        let peer = (connection.path.transport, connection.path.remote);
        if self.wire.by_remote.get(&peer) == Some(&id) {
            self.wire.by_remote.remove(&peer);
        }
        let lost: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, c)| {
                (c.path.connection == Some(id) || (c.path.transport, c.path.remote) == peer)
                    && c.machine.is_open()
            })
            .map(|(id, _)| *id)
            .collect();
        for client in lost {
            self.client_failed(now, client, 503, "Connection Closed");
        }
        self.connection_lost(id);
        self.registration_flow_lost(now, id);
        self.binding_flow_lost(id);
    }

    pub(super) fn send_failed(&mut self, now: Instant, path: Flow, reason: &str) {
        let reason = if reason.is_empty() { "Destination Unreachable" } else { reason };
        self.wire.waiting.remove(&(path.transport, path.remote));
        let lost: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, c)| {
                c.path.transport == path.transport
                    && c.path.remote == path.remote
                    && c.machine.is_open()
                    && !c.machine.is_proceeding()
            })
            .map(|(id, _)| *id)
            .collect();
        for client in lost {
            self.client_failed(now, client, 503, reason);
        }
    }

    /// The path of the next request in a dialog; where it changes the transport, our end is the listener of the new one.
    pub(super) fn outbound(&self, dialog: &Dialog) -> Flow {
        let mut path = dialog.next_path(self.is_alive(&dialog.path));
        if path.transport != dialog.path.transport {
            let address = self.our_address(&path);
            path.local = SocketAddr::new(path.local.ip(), address.port());
        }
        path
    }

    /// `host:port` by which peers of this path reach us.
    pub(super) fn our_address(&self, path: &Flow) -> SocketAddr {
        let ip = self.config.advertise.unwrap_or(path.local.ip());
        let mut listeners =
            self.config.listeners.iter().filter(|l| l.transport == path.transport).map(|l| l.address);
        let fits = |address: &SocketAddr| address.port() == path.local.port();
        let port = match listeners.clone().find(fits).or_else(|| listeners.next()) {
            Some(address) if address.port() != 0 => address.port(),
            _ => path.local.port(),
        };
        SocketAddr::new(ip, port)
    }

    /// Our Contact on this path.
    pub(super) fn contact(&self, path: &Flow) -> String {
        let address = self.our_address(path);
        match path.transport {
            Transport::Udp => format!("<sip:{address}>"),
            Transport::Tcp => format!("<sip:{address};transport=tcp>"),
            Transport::Tls => format!("<sip:{address};transport=tls>"),
        }
    }

    /// Our Contact for a peer of this URI: as protected as its own (RFC 3261 §8.1.1.8, RFC 5630 §5.1).
    pub(super) fn contact_for(&self, path: &Flow, peer: &str) -> String {
        let secure = Uri::parse(peer).is_some_and(|uri| uri.scheme == Scheme::Sips);
        if !secure || path.transport != Transport::Tls {
            return self.contact(path);
        }
        format!("<sips:{}>", self.our_address(path))
    }

    /// A Via with a fresh branch.
    pub(super) fn via(&mut self, path: &Flow) -> String {
        let branch = self.token();
        format!("SIP/2.0/{} {};branch=z9hG4bK{branch};rport", path.transport.token(), self.our_address(path))
    }
}
