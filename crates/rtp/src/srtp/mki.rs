//! Which of several master keys a packet is under (RFC 3711 §3.1).

/// A master key identifier: a number written into so many octets behind the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mki {
    value: u64,
    length: u8,
}

impl Mki {
    /// `None` if the length is not 1 to 128 octets (RFC 4568 §6.1), or the number does not fit into it.
    pub fn new(value: u64, length: u8) -> Option<Mki> {
        let fits = length >= 8 || value >> (8 * u32::from(length)) == 0;
        ((1..=128).contains(&length) && fits).then_some(Mki { value, length })
    }

    /// Octets that it takes.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(self) -> usize {
        usize::from(self.length)
    }

    /// Whether these octets say it.
    pub(crate) fn is(self, octets: &[u8]) -> bool {
        if octets.len() != self.len() {
            return false;
        }
        let (zeros, number) = octets.split_at(octets.len().saturating_sub(8));
        zeros.iter().all(|&octet| octet == 0)
            && number.iter().fold(0u64, |value, &octet| value << 8 | u64::from(octet)) == self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_its_octets() {
        let mki = Mki::new(0x0102, 4).expect("fits");
        assert!(mki.is(&[0, 0, 1, 2]));
        for other in [&[0, 0, 1, 3][..], &[0, 1, 1, 2], &[1, 2], &[0, 0, 0, 1, 2], &[]] {
            assert!(!mki.is(other), "{other:?}");
        }
        assert!(Mki::new(7, 12).expect("fits").is(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]));
        assert_eq!((Mki::new(256, 1), Mki::new(1, 0), Mki::new(1, 129)), (None, None, None));
        assert!(Mki::new(255, 1).is_some() && Mki::new(u64::MAX, 8).is_some());
    }
}
