//! Master keys: nobody reads them but the key derivation.
use super::Suite;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Longest master key with its salt, in octets.
const LONGEST: usize = 46;

/// Packets of RTP that one master key may protect (RFC 3711 §9.2).
const MOST_RTP: u64 = 1 << 48;
/// Packets of RTCP that it may protect.
const MOST_RTCP: u64 = 1 << 31;

/// A master key with its salt (RFC 3711 §8.2). It is wiped when it is dropped, and `Debug` does not show it.
#[derive(Clone)]
pub struct MasterKey {
    suite: Suite,
    octets: [u8; LONGEST],
    lifetime: u64,
}

/// Key and salt are not as long as the suite wants them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the master key is not as long as its suite wants it")]
pub struct WrongLength;

impl MasterKey {
    /// Key and salt, one behind the other.
    ///
    /// # Errors
    /// [`WrongLength`] if they are not [`Suite::master_length`] octets.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Result<MasterKey, WrongLength> {
        if key_and_salt.len() != suite.master_length() {
            return Err(WrongLength);
        }
        let mut key = MasterKey { suite, octets: [0; LONGEST], lifetime: MOST_RTP };
        key.octets.iter_mut().zip(key_and_salt).for_each(|(to, from)| *to = *from);
        Ok(key)
    }

    /// The same for at most so many packets of RTP, and as many of RTCP (RFC 4568 §6.1); never for more than RFC 3711 §9.2
    /// allows, and never for none.
    #[must_use]
    pub fn lasting(mut self, packets: u64) -> MasterKey {
        self.lifetime = packets.clamp(1, MOST_RTP);
        self
    }

    /// Packets of RTP, then of RTCP, that it may protect, of all sources together.
    pub(crate) fn lifetimes(&self) -> (u64, u64) {
        (self.lifetime, self.lifetime.min(MOST_RTCP))
    }

    /// What it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.octets[..self.suite.key_length()]
    }

    pub(crate) fn salt(&self) -> &[u8] {
        &self.octets[self.suite.key_length()..self.suite.master_length()]
    }
}

impl Zeroize for MasterKey {
    fn zeroize(&mut self) {
        self.octets.zeroize();
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl PartialEq for MasterKey {
    /// In a time that tells nothing of the keys. How long they last is not asked: a key that is named again goes on.
    fn eq(&self, other: &Self) -> bool {
        self.suite == other.suite && bool::from(self.octets.ct_eq(&other.octets))
    }
}

impl Eq for MasterKey {}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, secret)", self.suite.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_long_as_they_must_be_and_are_not_printed() {
        let octets: Vec<u8> = (100..130).collect();
        let key = MasterKey::new(Suite::AesCm128Sha1_80, &octets).expect("30 octets");
        assert_eq!(key.key(), &octets[..16]);
        assert_eq!(key.salt(), &octets[16..]);
        assert_eq!(format!("{key:?}"), "MasterKey(AES_CM_128_HMAC_SHA1_80, secret)");
        assert_eq!(MasterKey::new(Suite::AesCm256Sha1_80, &octets), Err(WrongLength));
        assert_eq!(key.lifetimes(), (1 << 48, 1 << 31));
        assert_eq!(key.clone().lasting(1 << 20).lifetimes(), (1 << 20, 1 << 20));
        assert_eq!(key.clone().lasting(u64::MAX).lifetimes(), (1 << 48, 1 << 31));
        assert_eq!((key.clone().lasting(0).lifetimes(), key.clone().lasting(9) == key), ((1, 1), true));
        let other = MasterKey::new(Suite::AesCm128Sha1_32, &octets).expect("30 octets");
        assert!(key != other && key == key.clone());
    }

    #[test]
    fn a_key_is_wiped() {
        let mut key = MasterKey::new(Suite::AeadAes128Gcm, &[7; 28]).expect("28 octets");
        key.zeroize();
        assert!(key.octets.iter().all(|&octet| octet == 0));
    }
}
