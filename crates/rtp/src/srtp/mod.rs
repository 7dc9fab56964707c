//! Secure RTP and RTCP (RFC 3711): keys in, packets protected or opened in place. A machine like the rest of the crate: no
//! randomness of its own, no allocation per packet.
//!
//! [`SecureMedia`] is both directions of one stream under keys that signalling brought ([`MediaKeys`]). It does not ask by
//! which way they came: by the session description (RFC 4568) they are there when the stream opens, by DTLS (RFC 5764) they
//! would come later through the same [`SecureMedia::new`] and [`SecureMedia::rekey`], from packets that [`is_media`] tells
//! from RTP.
//!
//! AES and SHA-1 come from the RustCrypto crates `aes`, `ctr`, `aes-gcm`, `sha1` and `hmac`, which take the processor's own
//! instructions where it has them.

mod counter;
mod key;
mod mki;
mod protect;
mod secure;
mod session;
mod source;
mod suite;
mod unprotect;
#[cfg(test)]
mod vectors;

pub use key::{MasterKey, WrongLength};
pub use mki::Mki;
pub use protect::Protector;
pub use secure::{MediaKeys, SecureMedia, SrtpCounts};
pub use suite::Suite;
pub use unprotect::Unprotector;

/// Longest tail that protection adds to a packet, in octets: a tag of 16 and the SRTCP index.
pub const OVERHEAD: usize = 20;

/// Why a packet was not protected or opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SrtpError {
    /// It is no RTP or RTCP packet, or too short for one that is protected; or the buffer has no room for the tail.
    #[error("the packet or its buffer is too short")]
    Length,
    /// The tag is wrong: another key, a changed packet, or no protected packet at all.
    #[error("the packet is not authentic")]
    Authentication,
    /// It was here before (RFC 3711 §3.3.2).
    #[error("the packet was here before")]
    Replayed,
    /// It is so old that nobody can tell whether it was here before.
    #[error("the packet is too old")]
    Old,
    /// The key has protected as many packets as it may (RFC 3711 §9.2).
    #[error("the key is used up")]
    UsedUp,
    /// The key has seen too many sources; new keys begin anew.
    #[error("too many sources under one key")]
    Sources,
}

/// Whether a datagram is RTP or RTCP by its first octet (RFC 7983 §7): STUN, DTLS and TURN share ports with them and are
/// something else.
pub fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(128..=191))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_octet_tells_media_from_the_rest() {
        assert!(is_media(&[0x80]) && is_media(&[0xBF]));
        for other in [&[][..], &[0], &[3], &[20], &[63], &[64], &[79], &[127], &[192], &[255]] {
            assert!(!is_media(other), "{other:?}");
        }
    }
}
