//! The crypto suites (RFC 4568 §6.2, RFC 6188, RFC 7714).

/// A cipher with its way to authenticate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Suite {
    /// AES-128 in counter mode, HMAC-SHA1 of 80 bits: what every telephone has.
    AesCm128Sha1_80,
    /// The same with 32 bits for RTP; RTCP keeps 80 (RFC 4568 §6.2.2).
    AesCm128Sha1_32,
    /// AES-256 in counter mode (RFC 6188), 80 bits.
    AesCm256Sha1_80,
    /// The same with 32 bits for RTP.
    AesCm256Sha1_32,
    /// AES-128 in Galois/counter mode (RFC 7714).
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode.
    AeadAes256Gcm,
}

impl Suite {
    /// All of them, the strongest first: the order of our offers.
    pub const ALL: [Suite; 6] = [
        Suite::AeadAes256Gcm,
        Suite::AeadAes128Gcm,
        Suite::AesCm256Sha1_80,
        Suite::AesCm128Sha1_80,
        Suite::AesCm256Sha1_32,
        Suite::AesCm128Sha1_32,
    ];

    /// Its name in session descriptions.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm128Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AesCm256Sha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::AesCm256Sha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite with this name.
    pub fn from_name(name: &str) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Octets of the master key.
    pub fn key_length(self) -> usize {
        match self {
            Suite::AesCm128Sha1_80 | Suite::AesCm128Sha1_32 | Suite::AeadAes128Gcm => 16,
            Suite::AesCm256Sha1_80 | Suite::AesCm256Sha1_32 | Suite::AeadAes256Gcm => 32,
        }
    }

    /// Octets of the master salt.
    pub fn salt_length(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Octets of key and salt together, as they stand in a session description.
    pub fn master_length(self) -> usize {
        self.key_length() + self.salt_length()
    }

    /// Octets of the tag of an RTP packet.
    pub fn rtp_tag(self) -> usize {
        match self {
            Suite::AesCm128Sha1_32 | Suite::AesCm256Sha1_32 => 4,
            _ => self.rtcp_tag(),
        }
    }

    /// Octets of the tag of an RTCP packet.
    pub fn rtcp_tag(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }

    /// Whether the cipher authenticates by itself.
    pub(crate) fn is_aead(self) -> bool {
        matches!(self, Suite::AeadAes128Gcm | Suite::AeadAes256Gcm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_and_lengths_are_those_of_the_rfcs() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_name(&suite.name().to_lowercase()), Some(suite));
        }
        assert_eq!(Suite::from_name("F8_128_HMAC_SHA1_80"), None);
        let lengths = Suite::ALL.map(|suite| (suite.master_length(), suite.rtp_tag(), suite.rtcp_tag()));
        assert_eq!(
            lengths,
            [(44, 16, 16), (28, 16, 16), (46, 10, 10), (30, 10, 10), (46, 4, 10), (30, 4, 10)]
        );
    }
}
