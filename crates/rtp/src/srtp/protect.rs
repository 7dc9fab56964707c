//! Our packets on their way out.
use super::counter::{LAST_RTCP, LAST_RTP};
use super::session::{SessionKeys, Use};
use super::source::Sources;
use super::unprotect::{ENCRYPTED, RTCP_HEADER, rtp_header, sequence_of, source_of};
use super::{MasterKey, SrtpError, Suite};

/// One direction of a stream: protects what we send. No index is used twice under one key.
pub struct Protector {
    suite: Suite,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    sources: Sources,
    /// Index of the next RTCP packet.
    next_rtcp: u64,
    /// Packets that the key may still protect.
    left: Left,
}

/// Packets that a key may still protect or open, of all its sources together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) rtp: u64,
    pub(crate) rtcp: u64,
}

impl Left {
    /// Of a key that nobody limited.
    #[cfg(test)]
    pub(crate) const ALL: Left = Left { rtp: LAST_RTP + 1, rtcp: LAST_RTCP + 1 };

    pub(crate) fn of(key: &MasterKey) -> Left {
        let (rtp, rtcp) = key.lifetimes();
        Left { rtp, rtcp }
    }
}

impl std::fmt::Debug for Protector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Protector({}, secret)", self.suite.name())
    }
}

impl Protector {
    /// Under a fresh key: indices begin at the beginning.
    pub fn new(key: &MasterKey) -> Protector {
        Protector {
            suite: key.suite(),
            rtp: SessionKeys::derive(key, Use::Rtp),
            rtcp: SessionKeys::derive(key, Use::Rtcp),
            sources: Sources::new(),
            next_rtcp: 0,
            left: Left::of(key),
        }
    }

    #[cfg(test)]
    pub(crate) fn with_keys(suite: Suite, rtp: SessionKeys, rtcp: SessionKeys) -> Protector {
        Protector { suite, rtp, rtcp, sources: Sources::new(), next_rtcp: 0, left: Left::ALL }
    }

    #[cfg(test)]
    pub(crate) fn advance_to(&mut self, source: u32, rtp: u64, rtcp: u64) {
        self.sources.take(source, rtp).expect("room");
        self.next_rtcp = rtcp;
    }

    /// Protects the RTP packet of `length` octets in `buffer`; gives its new length (RFC 3711 §3.3).
    ///
    /// # Errors
    /// [`SrtpError::Length`] if there is no room for the tag, [`SrtpError::Replayed`] if the packet is not newer than
    /// the last one, [`SrtpError::UsedUp`] after as many packets as the key may protect, 2^48 at most.
    pub fn rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get(..length).ok_or(SrtpError::Length)?;
        let header = rtp_header(packet)?;
        let (source, sequence) = (source_of(packet, 8), sequence_of(packet));
        let index = match self.sources.seen(source) {
            None if !self.sources.has_room() => return Err(SrtpError::Sources),
            None => u64::from(sequence),
            Some(seen) => match seen.guess(sequence) {
                // The same key and index for other octets would give both away (RFC 3711 §9.1).
                index if index <= seen.highest() => return Err(SrtpError::Replayed),
                index => index,
            },
        };
        if index > LAST_RTP || self.left.rtp == 0 {
            return Err(SrtpError::UsedUp);
        }
        let end = length + self.rtp.tag();
        let room = buffer.get_mut(..end).ok_or(SrtpError::Length)?;
        let (packet, tag) = room.split_at_mut(length);
        let (clear, secret) = packet.split_at_mut(header);
        if self.rtp.is_aead() {
            self.rtp.seal(source, index, clear, secret, tag)?;
        } else {
            self.rtp.apply(source, index, secret);
            self.rtp.sign(packet, &rollover(index), tag);
        }
        self.sources.take(source, index)?;
        self.left.rtp -= 1;
        Ok(end)
    }

    /// Protects the RTCP packet of `length` octets in `buffer`; gives its new length (RFC 3711 §3.4).
    ///
    /// # Errors
    /// [`SrtpError::Length`], and [`SrtpError::UsedUp`] after as many packets as the key may protect, 2^31 at most.
    pub fn rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        if length < RTCP_HEADER {
            return Err(SrtpError::Length);
        }
        let index = self.next_rtcp;
        if index > LAST_RTCP || self.left.rtcp == 0 {
            return Err(SrtpError::UsedUp);
        }
        let word = (ENCRYPTED | index as u32).to_be_bytes();
        let end = length + self.rtcp.tag() + word.len();
        let room = buffer.get_mut(..end).ok_or(SrtpError::Length)?;
        let source = source_of(room, 4);
        if self.rtcp.is_aead() {
            let (packet, tail) = room.split_at_mut(length);
            let (clear, secret) = packet.split_at_mut(RTCP_HEADER);
            let (tag, place) = tail.split_at_mut(self.rtcp.tag());
            place.copy_from_slice(&word);
            let mut both = [0; RTCP_HEADER + 4];
            both[..RTCP_HEADER].copy_from_slice(clear);
            both[RTCP_HEADER..].copy_from_slice(&word);
            self.rtcp.seal(source, index, &both, secret, tag)?;
        } else {
            self.rtcp.apply(source, index, &mut room[RTCP_HEADER..length]);
            room[length..length + word.len()].copy_from_slice(&word);
            let (signed, tag) = room.split_at_mut(length + word.len());
            self.rtcp.sign(signed, &[], tag);
        }
        self.next_rtcp += 1;
        self.left.rtcp -= 1;
        Ok(end)
    }
}

/// The rollover counter, which is signed but not sent (RFC 3711 §4.2).
pub(crate) fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
