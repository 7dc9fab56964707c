//! The peer's packets on their way in.
use super::counter::LAST_RTP;
use super::protect::{Left, rollover};
use super::session::{SessionKeys, Use};
use super::source::Sources;
use super::{MasterKey, Mki, SrtpError, Suite};

/// Octets of RTCP that stay readable: first header word and source.
pub(crate) const RTCP_HEADER: usize = 8;
/// The bit before the SRTCP index that says that the packet is encrypted.
pub(crate) const ENCRYPTED: u32 = 1 << 31;
/// Octets of the SRTCP index with that bit.
const WORD: usize = 4;

/// One direction of a stream under one key: authenticates and decrypts what the peer sends.
pub struct Unprotector {
    suite: Suite,
    mki: Option<Mki>,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    rtp_sources: Sources,
    rtcp_sources: Sources,
    /// Packets that may still come under the key: who sends more gives it away (RFC 3711 §9.2).
    left: Left,
}

impl std::fmt::Debug for Unprotector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unprotector({}, secret)", self.suite.name())
    }
}

impl Unprotector {
    /// Under this key; its packets carry the identifier, if one was announced.
    pub fn new(key: &MasterKey, mki: Option<Mki>) -> Unprotector {
        let (rtp, rtcp) = (SessionKeys::derive(key, Use::Rtp), SessionKeys::derive(key, Use::Rtcp));
        Unprotector::with_keys(key.suite(), mki, rtp, rtcp, Left::of(key))
    }

    pub(crate) fn with_keys(
        suite: Suite,
        mki: Option<Mki>,
        rtp: SessionKeys,
        rtcp: SessionKeys,
        left: Left,
    ) -> Unprotector {
        let (rtp_sources, rtcp_sources) = (Sources::new(), Sources::new());
        Unprotector { suite, mki, rtp, rtcp, rtp_sources, rtcp_sources, left }
    }

    /// The sources of RTP that it has seen.
    pub(crate) fn sources(&self) -> &Sources {
        &self.rtp_sources
    }

    /// Opens an RTP packet in place; gives its new length. A packet that is refused is as it was.
    ///
    /// # Errors
    /// Any [`SrtpError`]; nothing is remembered of a packet that is not authentic.
    pub fn rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        self.rtp_after(packet, None)
    }

    /// The same; `before` are the sources of the key that this one replaces: a peer may let its rollover counter go on
    /// where the key changes (RFC 3711 §8.1 does, RFC 4568 §6.4 begins anew).
    pub(crate) fn rtp_after(
        &mut self,
        packet: &mut [u8],
        before: Option<&Sources>,
    ) -> Result<usize, SrtpError> {
        let mki = self.mki.map_or(0, Mki::len);
        let is_aead = self.rtp.is_aead();
        let end = packet.len().checked_sub(mki + self.rtp.tag()).ok_or(SrtpError::Length)?;
        let header = rtp_header(&packet[..end])?;
        let (source, sequence) = (source_of(packet, 8), sequence_of(packet));
        let (body, tail) = packet.split_at_mut(end);
        // The identifier stands between packet and tag of HMAC, and behind the tag of GCM (RFC 7714 §13).
        let (tag, identifier) = match is_aead {
            true => tail.split_at(self.rtp.tag()),
            false => {
                let (identifier, tag) = tail.split_at(mki);
                (tag, identifier)
            }
        };
        if self.mki.is_some_and(|mki| !mki.is(identifier)) {
            return Err(SrtpError::Authentication);
        }
        if self.left.rtp == 0 {
            return Err(SrtpError::UsedUp);
        }
        let mut open = |index: u64| {
            if index > LAST_RTP {
                return Err(SrtpError::UsedUp);
            }
            let (clear, secret) = body.split_at_mut(header);
            if is_aead {
                return self.rtp.unseal(source, index, clear, secret, tag);
            }
            self.rtp.verify(body, &rollover(index), tag)?;
            self.rtp.apply(source, index, &mut body[header..]);
            Ok(())
        };
        let index = match self.rtp_sources.seen(source) {
            Some(seen) => {
                let index = seen.guess(sequence);
                seen.check(index)?;
                open(index)?;
                index
            }
            None if !self.rtp_sources.has_room() => return Err(SrtpError::Sources),
            None => {
                let first = u64::from(sequence);
                let going_on =
                    before.and_then(|sources| sources.seen(source)).map(|seen| seen.guess(sequence));
                // A sender that began near the end of the first round may be in the second one already.
                let guesses = [Some(first), going_on.filter(|index| *index != first), Some(first | 1 << 16)];
                let open = |index: &u64| open(*index).is_ok();
                guesses.into_iter().flatten().find(open).ok_or(SrtpError::Authentication)?
            }
        };
        self.rtp_sources.take(source, index)?;
        self.left.rtp -= 1;
        Ok(end)
    }

    /// Opens an RTCP packet in place; gives its new length. A packet that is refused is as it was.
    ///
    /// # Errors
    /// As for [`Unprotector::rtp`]; a packet that is not encrypted is not what was agreed on, and no more authentic.
    pub fn rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let mki = self.mki.map_or(0, Mki::len);
        let tail = self.rtcp.tag() + WORD + mki;
        let end = packet.len().checked_sub(tail).filter(|&end| end >= RTCP_HEADER);
        let end = end.ok_or(SrtpError::Length)?;
        let source = source_of(packet, 4);
        let (body, tail) = packet.split_at_mut(end);
        let (tag, word, identifier) = match self.rtcp.is_aead() {
            true => {
                let (tag, rest) = tail.split_at(self.rtcp.tag());
                let (word, identifier) = rest.split_at(WORD);
                (tag, word, identifier)
            }
            false => {
                let (word, rest) = tail.split_at(WORD);
                let (identifier, tag) = rest.split_at(mki);
                (tag, word, identifier)
            }
        };
        let word: [u8; WORD] = word.try_into().map_err(|_| SrtpError::Length)?;
        let number = u32::from_be_bytes(word);
        if number & ENCRYPTED == 0 || self.mki.is_some_and(|mki| !mki.is(identifier)) {
            return Err(SrtpError::Authentication);
        }
        if self.left.rtcp == 0 {
            return Err(SrtpError::UsedUp);
        }
        let index = u64::from(number & !ENCRYPTED);
        match self.rtcp_sources.seen(source) {
            Some(seen) => seen.check(index)?,
            None if self.rtcp_sources.has_room() => {}
            None => return Err(SrtpError::Sources),
        }
        if self.rtcp.is_aead() {
            let (clear, secret) = body.split_at_mut(RTCP_HEADER);
            let mut both = [0; RTCP_HEADER + WORD];
            both[..RTCP_HEADER].copy_from_slice(clear);
            both[RTCP_HEADER..].copy_from_slice(&word);
            self.rtcp.unseal(source, index, &both, secret, tag)?;
        } else {
            self.rtcp.verify(body, &word, tag)?;
            self.rtcp.apply(source, index, &mut body[RTCP_HEADER..]);
        }
        self.rtcp_sources.take(source, index)?;
        self.left.rtcp -= 1;
        Ok(end)
    }
}

/// Octets of an RTP header with contributing sources and extension (RFC 3550 §5.1, §5.3.1), which stays readable.
///
/// # Errors
/// [`SrtpError::Length`] if the packet is shorter, or no RTP.
pub(crate) fn rtp_header(packet: &[u8]) -> Result<usize, SrtpError> {
    let first = *packet.first().ok_or(SrtpError::Length)?;
    let mut length = 12 + 4 * usize::from(first & 0x0F);
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4).ok_or(SrtpError::Length)?;
        length += 4 + 4 * (usize::from(words[0]) << 8 | usize::from(words[1]));
    }
    match first >> 6 == 2 && packet.len() >= length {
        true => Ok(length),
        false => Err(SrtpError::Length),
    }
}

/// The synchronisation source at this place; 0 where the packet ends before.
pub(crate) fn source_of(packet: &[u8], at: usize) -> u32 {
    packet.get(at..at + 4).map_or(0, |octets| octets.iter().fold(0, |n, o| n << 8 | u32::from(*o)))
}

/// The sequence number of an RTP packet; 0 where the packet ends before.
pub(crate) fn sequence_of(packet: &[u8]) -> u16 {
    packet.get(2..4).map_or(0, |octets| u16::from(octets[0]) << 8 | u16::from(octets[1]))
}
