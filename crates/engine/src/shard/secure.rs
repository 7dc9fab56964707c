//! Encryption of a stream of a shard: between its packets and the sockets.
use super::live::Live;
use super::{Channel, PacketSink, Received};
use crate::StreamId;
use passline_rtp::srtp::{MediaKeys, SecureMedia, SrtpCounts, is_media};
use std::net::SocketAddr;
use std::time::Instant;

impl Live {
    /// Whether packets are encrypted.
    pub(super) fn is_secure(&self) -> bool {
        self.secure.is_some()
    }

    /// What came and was dropped, if packets are encrypted.
    pub(super) fn srtp(&self) -> Option<SrtpCounts> {
        self.secure.as_ref().map(|secure| secure.counts())
    }

    /// Goes over to these keys, or to plain packets.
    pub(super) fn secure(&mut self, keys: Option<MediaKeys>) {
        match (&mut self.secure, keys) {
            (Some(secure), Some(keys)) => secure.rekey(keys),
            (secure, keys) => *secure = keys.map(|keys| Box::new(SecureMedia::new(keys))),
        }
    }

    /// Takes an encrypted packet by way of `plain`; gives its length there. What is not authentic moves nothing: neither
    /// the source that is listened to nor the time of the last packet.
    ///
    /// Whatever else may come to these ports one day, DTLS and STUN (RFC 7983), parts here from RTP.
    pub(super) fn receive_secure(
        &mut self,
        at: Instant,
        channel: Channel,
        from: SocketAddr,
        packet: &[u8],
        plain: &mut [u8],
    ) -> (Received, Option<usize>) {
        let admitted = match channel {
            Channel::Rtp => self.admits_rtp(at, from),
            Channel::Rtcp => self.admits_rtcp(from),
        };
        if !admitted {
            return (Received::Foreign, None);
        }
        let is_rtcp = channel == Channel::Rtcp || self.is_rtcp(packet);
        let (Some(secure), Some(room)) = (&mut self.secure, plain.get_mut(..packet.len())) else {
            return (Received::Bad, None);
        };
        if !is_media(packet) {
            return (Received::Bad, None);
        }
        room.copy_from_slice(packet);
        let opened = match is_rtcp {
            true => secure.unprotect_rtcp(room),
            false => secure.unprotect_rtp(room),
        };
        let length = match opened {
            Ok(length) => length,
            Err(error) => return (Received::Unopened(error), None),
        };
        let received = match channel {
            Channel::Rtp => self.take_rtp(at, from, &plain[..length]),
            Channel::Rtcp => self.take_rtcp(at, from, &plain[..length]),
        };
        (received, Some(length))
    }

    /// Encrypts the packet of `length` octets in `out` if packets are encrypted; `None`: it must not be sent.
    pub(super) fn protect(
        &mut self,
        id: StreamId,
        (channel, to): (Channel, SocketAddr),
        kind: Channel,
        out: &mut [u8],
        length: usize,
        sink: &mut impl PacketSink,
    ) -> Option<usize> {
        let Some(secure) = &mut self.secure else { return Some(length) };
        sink.plain(id, channel, to, &out[..length]);
        match kind {
            Channel::Rtp => secure.protect_rtp(out, length).ok(),
            Channel::Rtcp => secure.protect_rtcp(out, length).ok(),
        }
    }
}
