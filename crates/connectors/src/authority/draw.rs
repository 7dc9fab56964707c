//! Random choices without bias.
use rand_core::Rng;

/// Uniform in `0..bound`; `bound` must not be 0.
fn below(bound: usize, rng: &mut impl Rng) -> usize {
    let bound = bound as u64;
    // Values above the last whole multiple would favour the small results.
    let zone = u64::MAX - u64::MAX % bound;
    loop {
        let value = rng.next_u64();
        if value < zone {
            return (value % bound) as usize;
        }
    }
}

/// `count` different elements in random order (all, if there are fewer): a partial Fisher-Yates shuffle.
pub(super) fn subset<T: Clone>(all: &[T], count: usize, rng: &mut impl Rng) -> Vec<T> {
    let mut all = all.to_vec();
    let count = count.min(all.len());
    for place in 0..count {
        let chosen = place + below(all.len() - place, rng);
        all.swap(place, chosen);
    }
    all.truncate(count);
    all
}

/// A password that nobody is told: 32 characters, 190 bits, of every class that a policy may ask for.
pub(super) fn nobody_knows(rng: &mut impl Rng) -> passline_identity::Secret {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut clear = String::with_capacity(40);
    clear.extend((0..32).map(|_| char::from(ALPHABET[below(ALPHABET.len(), rng)])));
    clear.push_str("-aA1");
    passline_identity::Secret::new(clear)
}

/// 128 random bits.
pub(super) fn handle(rng: &mut impl Rng) -> u128 {
    u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use std::collections::BTreeMap;

    #[test]
    fn every_ordered_pair_of_four_is_as_likely() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut counts = BTreeMap::<Vec<u8>, f64>::new();
        let draws = 120_000.0;
        for _ in 0..draws as u32 {
            *counts.entry(subset(&[0, 1, 2, 3], 2, &mut rng)).or_default() += 1.0;
        }
        let expected = draws / 12.0;
        let chi_square: f64 = counts.values().map(|count| (count - expected).powi(2) / expected).sum();
        assert_eq!(counts.len(), 12);
        assert!(chi_square < 31.3, "11 degrees of freedom, 0.1 %: {chi_square}");
    }

    #[test]
    fn a_subset_repeats_nothing_and_takes_what_there_is() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let mut all = subset(&[1, 2, 3], 9, &mut rng);
        all.sort();
        assert_eq!(all, [1, 2, 3]);
        assert!(subset::<u8>(&[], 2, &mut rng).is_empty());
    }

    #[test]
    fn unknown_passwords_differ_and_have_every_class() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let (one, two) = (nobody_knows(&mut rng), nobody_knows(&mut rng));
        assert!(one != two);
        for class in [
            char::is_ascii_uppercase,
            char::is_ascii_lowercase,
            char::is_ascii_digit,
            char::is_ascii_punctuation,
        ] {
            assert!(one.expose().chars().any(|c| class(&c)));
        }
    }
}
