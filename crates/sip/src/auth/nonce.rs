//! Nonces that need no memory: time and chance, bound to the source by an HMAC.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// Octets of time and of chance.
const HEAD: usize = 9;
const MAC: usize = 9;
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The part of a nonce that tells it from all others: 40 bits of milliseconds, 32 bits of chance. Ordered by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Serial(u128);

impl Serial {
    pub fn new(milliseconds: u64, chance: u32) -> Self {
        Serial((u128::from(milliseconds) << 32 | u128::from(chance)) & ((1 << 72) - 1))
    }

    /// When it was issued, in milliseconds since the machine's first.
    pub fn milliseconds(self) -> u64 {
        (self.0 >> 32) as u64
    }

    fn octets(self) -> [u8; HEAD] {
        let mut octets = [0; HEAD];
        octets.copy_from_slice(&self.0.to_be_bytes()[16 - HEAD..]);
        octets
    }
}

fn mac(key: &[u8; 32], head: &[u8], source: IpAddr) -> Option<[u8; MAC]> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).ok()?;
    mac.update(head);
    match source {
        IpAddr::V4(ip) => mac.update(&ip.octets()),
        IpAddr::V6(ip) => mac.update(&ip.octets()),
    }
    let mut octets = [0; MAC];
    octets.copy_from_slice(&mac.finalize().into_bytes()[..MAC]);
    Some(octets)
}

/// A nonce for one source, 24 characters: a challenge must be short.
pub(super) fn issue(key: &[u8; 32], serial: Serial, source: IpAddr) -> String {
    let head = serial.octets();
    let tail = mac(key, &head, source).unwrap_or_default();
    let octets = [head, tail].concat();
    let mut text = String::with_capacity(24);
    for three in octets.chunks_exact(3) {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(LETTERS[(bits >> shift & 63) as usize]));
        }
    }
    text
}

/// The serial of a nonce that this key issued to this source.
pub(super) fn check(key: &[u8; 32], nonce: &str, source: IpAddr) -> Option<Serial> {
    if nonce.len() != (HEAD + MAC) / 3 * 4 {
        return None;
    }
    let mut octets = Vec::with_capacity(HEAD + MAC);
    for four in nonce.as_bytes().chunks_exact(4) {
        let mut bits = 0u32;
        for letter in four {
            bits = bits << 6 | LETTERS.iter().position(|l| l == letter)? as u32;
        }
        octets.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    let (head, tail) = octets.split_at(HEAD);
    let good = bool::from(mac(key, head, source)?.as_slice().ct_eq(tail));
    good.then(|| Serial(head.iter().fold(0, |sum, octet| sum << 8 | u128::from(*octet))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_its_source_only() {
        let (key, serial) = ([7; 32], Serial::new(123_456, 0x5678_9abc));
        let source: IpAddr = "192.0.2.1".parse().unwrap();
        let nonce = issue(&key, serial, source);
        assert_eq!(nonce.len(), 24);
        assert_eq!(check(&key, &nonce, source), Some(serial));
        assert_eq!(serial.milliseconds(), 123_456);
        assert_eq!(check(&key, &nonce, "192.0.2.2".parse().unwrap()), None);
        assert_eq!(check(&[8; 32], &nonce, source), None);
        for at in 0..nonce.len() {
            let mut changed = nonce.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(check(&key, std::str::from_utf8(&changed).unwrap(), source), None, "{at}");
        }
        for text in ["", "x", "ü", &"é".repeat(12), &nonce[1..]] {
            assert_eq!(check(&key, text, source), None);
        }
    }
}
