//! Requests too large for a datagram go by TCP, and by UDP after all where nobody takes that (RFC 3261 §18.1.1).

use super::{Owner, UserAgent};
use crate::dialog::Outgoing;
use crate::message::param;
use crate::transaction::{ClientTransaction, Kind};
use crate::{Flow, Transport};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A peer that took no TCP connection is not asked again for so long.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Peers remembered.
const PEERS: usize = 1024;

/// The request as it was meant to go by UDP.
pub(super) struct ByUdp {
    path: Flow,
    via: String,
    bytes: Vec<u8>,
}

impl UserAgent {
    /// Turns a request for UDP that is too large into one for TCP.
    pub(super) fn by_size(
        &mut self,
        now: Instant,
        path: Flow,
        request: &mut Outgoing,
        bytes: &mut Vec<u8>,
    ) -> (Flow, Option<ByUdp>) {
        let limit = self.config.udp_limit;
        if path.transport != Transport::Udp || limit == 0 || bytes.len() <= limit {
            return (path, None);
        }
        if self.wire.without_tcp.get(&path.remote).is_some_and(|until| *until > now) {
            return (path, None);
        }
        let at = bytes.windows(request.via.len()).position(|window| window == request.via.as_bytes());
        let (Some(at), Some(branch)) = (at, param::get(&request.via, "branch")) else {
            return (path, None);
        };
        let tcp = Flow { transport: Transport::Tcp, connection: None, ..path };
        let via = format!("SIP/2.0/TCP {};branch={branch};rport", self.our_address(&tcp));
        let by_udp = ByUdp { path, via: request.via.clone(), bytes: bytes.clone() };
        bytes.splice(at..at + request.via.len(), via.bytes());
        request.via = via;
        (tcp, Some(by_udp))
    }

    /// Whether a request that found no TCP connection goes by UDP now.
    pub(super) fn falls_back_to_udp(&mut self, now: Instant, id: u64) -> bool {
        let Some(client) = self.clients.get_mut(&id) else { return false };
        if client.machine.is_proceeding() || !client.machine.is_open() {
            return false;
        }
        let Some(ByUdp { path, via, bytes }) = client.by_udp.take() else { return false };
        let kind = if client.method() == "INVITE" { Kind::Invite } else { Kind::NonInvite };
        client.machine = ClientTransaction::new(now, kind, false);
        client.path = path;
        client.request.via = via;
        client.bytes = bytes.clone();
        let deadline = client.machine.deadline();
        self.schedule.set(Owner::Client(id), deadline);
        self.remember_without_tcp(now, path.remote);
        self.send(path, bytes);
        true
    }

    fn remember_without_tcp(&mut self, now: Instant, peer: SocketAddr) {
        let peers = &mut self.wire.without_tcp;
        if peers.len() >= PEERS {
            peers.retain(|_, until| *until > now);
        }
        if peers.len() < PEERS {
            peers.insert(peer, now + REMEMBERED);
        }
    }
}
