//! Both directions of one stream, from keys to keys.
use super::{MasterKey, Mki, Protector, SrtpError, Suite, Unprotector};

/// The keys of one stream as signalling brought them. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaKeys {
    /// What we send under.
    pub local: MasterKey,
    /// What the peer sends under; more than one where its packets say under which they are.
    pub remote: Vec<(MasterKey, Option<Mki>)>,
}

impl MediaKeys {
    /// The suite, the same both ways.
    pub fn suite(&self) -> Suite {
        self.local.suite()
    }
}

/// What came and was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SrtpCounts {
    /// Packets that were not authentic.
    pub unauthentic: u64,
    /// Packets that had been here before: copies by the network, or by somebody.
    pub replayed: u64,
    /// Packets too old to tell whether they had been here before.
    pub old: u64,
    /// Packets for which there was no key: the peer's is used up, or has seen too many sources.
    pub keyless: u64,
    /// Packets of our own that could not be protected.
    pub unsent: u64,
}

/// A stream's protection. Nothing is allocated but by [`SecureMedia::new`] and [`SecureMedia::rekey`].
#[derive(Debug)]
pub struct SecureMedia {
    keys: MediaKeys,
    protector: Protector,
    unprotectors: Vec<Unprotector>,
    /// Of the keys before, until a packet comes under the new ones.
    old: Vec<Unprotector>,
    old_counts: bool,
    counts: SrtpCounts,
}

impl SecureMedia {
    /// Under fresh keys.
    pub fn new(keys: MediaKeys) -> SecureMedia {
        SecureMedia {
            protector: Protector::new(&keys.local),
            unprotectors: unprotectors(&keys),
            keys,
            old: Vec::new(),
            old_counts: false,
            counts: SrtpCounts::default(),
        }
    }

    /// Goes over to new keys. Those that are as before go on with their counters; the peer's old ones are good until
    /// its first packet under the new ones, so that nothing on its way is lost.
    pub fn rekey(&mut self, keys: MediaKeys) {
        if keys.local != self.keys.local {
            self.protector = Protector::new(&keys.local);
        }
        if keys.remote != self.keys.remote {
            let new = unprotectors(&keys);
            self.old = std::mem::replace(&mut self.unprotectors, new);
            self.old_counts = true;
        }
        self.keys = keys;
    }

    /// The suite in use.
    pub fn suite(&self) -> Suite {
        self.keys.suite()
    }

    /// What was dropped so far.
    pub fn counts(&self) -> SrtpCounts {
        self.counts
    }

    /// Protects the RTP packet of `length` octets in `buffer`; gives its new length.
    ///
    /// # Errors
    /// As [`Protector::rtp`]; the packet is counted.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let result = self.protector.rtp(buffer, length);
        self.counts.unsent += u64::from(result.is_err());
        result
    }

    /// Protects the RTCP packet of `length` octets in `buffer`; gives its new length.
    ///
    /// # Errors
    /// As [`Protector::rtcp`]; the packet is counted.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let result = self.protector.rtcp(buffer, length);
        self.counts.unsent += u64::from(result.is_err());
        result
    }

    /// Opens an RTP packet in place; gives its new length.
    ///
    /// # Errors
    /// As [`Unprotector::rtp`]; the packet is counted.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let before = self.old.first().filter(|_| self.old_counts).map(Unprotector::sources);
        let result = first(&mut self.unprotectors, |one| one.rtp_after(packet, before));
        if result.is_ok() {
            self.old_counts = false;
            return result;
        }
        let result = self.or_old(result, |old| old.rtp(packet));
        self.count(result)
    }

    /// Opens an RTCP packet in place; gives its new length.
    ///
    /// # Errors
    /// As [`Unprotector::rtcp`]; the packet is counted.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let result = first(&mut self.unprotectors, |one| one.rtcp(packet));
        let result = self.or_old(result, |old| old.rtcp(packet));
        self.count(result)
    }

    fn or_old(
        &mut self,
        result: Result<usize, SrtpError>,
        open: impl FnMut(&mut Unprotector) -> Result<usize, SrtpError>,
    ) -> Result<usize, SrtpError> {
        match result {
            Ok(length) => Ok(length),
            Err(error) if self.old_counts => first(&mut self.old, open).map_err(|_| error),
            Err(error) => Err(error),
        }
    }

    fn count(&mut self, result: Result<usize, SrtpError>) -> Result<usize, SrtpError> {
        match result {
            Ok(_) => {}
            Err(SrtpError::Replayed) => self.counts.replayed += 1,
            Err(SrtpError::Old) => self.counts.old += 1,
            Err(SrtpError::UsedUp | SrtpError::Sources) => self.counts.keyless += 1,
            Err(_) => self.counts.unauthentic += 1,
        }
        result
    }
}

fn unprotectors(keys: &MediaKeys) -> Vec<Unprotector> {
    keys.remote.iter().map(|(key, mki)| Unprotector::new(key, *mki)).collect()
}

/// The first that opens it; the error that says most if none does.
fn first(
    list: &mut [Unprotector],
    mut open: impl FnMut(&mut Unprotector) -> Result<usize, SrtpError>,
) -> Result<usize, SrtpError> {
    let mut why = SrtpError::Authentication;
    for one in list {
        match open(one) {
            Ok(length) => return Ok(length),
            Err(SrtpError::Authentication) => {}
            Err(error) => why = error,
        }
    }
    Err(why)
}
