//! Ports that several calls share: fewer sockets cost less than many.
//!
//! Packets of calls on one port are told apart by where they come from, so a call joins a port on which nobody else's
//! packets come from there. That asks for peers that send from where their description says, without NAT between: a trunk
//! has to say so.
use crate::StreamId;
use std::net::SocketAddr;

/// All shared ports.
#[derive(Debug)]
pub(crate) struct SharedPorts {
    ports: Vec<Shared>,
    /// Most streams on one port: more save less and less, and have to share a receive buffer.
    most: usize,
}

#[derive(Debug)]
struct Shared {
    shard: u16,
    port: u16,
    members: Vec<(StreamId, SocketAddr)>,
}

impl SharedPorts {
    pub(crate) fn new(most: usize) -> Self {
        SharedPorts { ports: Vec::new(), most }
    }

    /// Finds a place for a stream whose packets will come from `remote`: the port, if there is one.
    pub(crate) fn join(&mut self, stream: StreamId, remote: SocketAddr) -> Option<u16> {
        let has_room = |shared: &&mut Shared| {
            shared.shard == stream.shard
                && shared.members.len() < self.most
                && shared.members.iter().all(|(_, other)| *other != remote)
        };
        let shared = self.ports.iter_mut().find(has_room)?;
        shared.members.push((stream, remote));
        Some(shared.port)
    }

    /// A new port, with its first stream.
    pub(crate) fn add(&mut self, stream: StreamId, port: u16, remote: SocketAddr) {
        self.ports.push(Shared { shard: stream.shard, port, members: vec![(stream, remote)] });
    }

    /// The stream's packets come from there from now on; false if another one's on this port do. True for a stream
    /// that shares nothing.
    pub(crate) fn claim(&mut self, stream: StreamId, remote: SocketAddr) -> bool {
        let is_in = |shared: &&mut Shared| shared.members.iter().any(|(other, _)| *other == stream);
        let Some(shared) = self.ports.iter_mut().find(is_in) else { return true };
        if shared.members.iter().any(|(other, from)| *other != stream && *from == remote) {
            return false;
        }
        for (other, from) in &mut shared.members {
            if *other == stream {
                *from = remote;
            }
        }
        true
    }

    /// The stream is gone; true if it was the last on its port.
    pub(crate) fn leave(&mut self, stream: StreamId) -> bool {
        let Some(at) = self.ports.iter().position(|s| s.members.iter().any(|(other, _)| *other == stream))
        else {
            return false;
        };
        self.ports[at].members.retain(|(other, _)| *other != stream);
        let is_empty = self.ports[at].members.is_empty();
        if is_empty {
            self.ports.swap_remove(at);
        }
        is_empty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(shard: u16, slot: u32) -> StreamId {
        StreamId { shard, slot, generation: 1 }
    }

    fn from(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn streams_share_while_there_is_room_and_their_packets_can_be_told_apart() {
        let mut shared = SharedPorts::new(3);
        assert_eq!(shared.join(stream(0, 0), from(1000)), None);
        shared.add(stream(0, 0), 20_000, from(1000));
        assert_eq!(shared.join(stream(0, 1), from(1000)), None);
        assert_eq!(shared.join(stream(1, 1), from(1002)), None);
        assert_eq!(shared.join(stream(0, 1), from(1002)), Some(20_000));
        assert_eq!(shared.join(stream(0, 2), from(1004)), Some(20_000));
        assert_eq!(shared.join(stream(0, 3), from(1006)), None);
        // A re-INVITE moves one of them.
        assert!(!shared.claim(stream(0, 1), from(1004)));
        assert!(shared.claim(stream(0, 1), from(1002)));
        assert!(shared.claim(stream(0, 1), from(1000 + 8)));
        assert!(shared.claim(stream(0, 9), from(1004)));
        assert!(!shared.leave(stream(0, 1)));
        assert!(!shared.leave(stream(0, 1)));
        assert_eq!(shared.join(stream(0, 3), from(1002)), Some(20_000));
        assert!(!shared.leave(stream(0, 0)) && !shared.leave(stream(0, 3)));
        assert!(shared.leave(stream(0, 2)));
        assert_eq!(shared.join(stream(0, 4), from(1010)), None);
    }
}
